"""`scr-lens inspect`: one image under the lens."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from scr_lens.errors import ConfigError

if TYPE_CHECKING:
    from scr_lens.inspection import Inspection
    from scr_lens.trace import Lens


def inspect(
    image: Annotated[Path, typer.Argument(help="Image file: PNG, JPEG or anything else that Pillow reads.")],
    prompt: Annotated[str | None, typer.Option(help="Question; put into the model's own template.")] = None,
    raw_prompt: Annotated[
        str | None,
        typer.Option(help="Complete prompt instead, with the model's image placeholder exactly once."),
    ] = None,
    model: Annotated[
        str, typer.Option(help="Shipped organism, checkpoint folder or hub name.")
    ] = "llava-small",
    out: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("figures"),
    method: Annotated[
        str, typer.Option(help="What to compare with: scr, uniform-smooth, identity, ...")
    ] = "scr",
    lambda_: Annotated[float, typer.Option("--lambda", help="Strength; 1 changes nothing.")] = 1.10,
    sources: Annotated[
        int | None,
        typer.Option(
            help="Number K of source patches; by default 32 on 256, 576 and 1024 cells, else 32 per 576."
        ),
    ] = None,
    topology: Annotated[str, typer.Option(help="Neighborhood: 8, 4, radius-2 or scrambled.")] = "8",
    scr_layers: Annotated[str | None, typer.Option(help="Blocks to act at, such as 0-11.")] = None,
    diagnostic_layers: Annotated[
        str | None, typer.Option(help="Blocks the attention map is averaged over.")
    ] = None,
    show_layers: Annotated[str | None, typer.Option(help="Blocks to draw, such as 0,5,11.")] = None,
    dtype: Annotated[str, typer.Option(help="float32, bfloat16 or float16.")] = "float32",
    device: Annotated[
        str | None, typer.Option(help="Such as cpu or cuda; by default a GPU if there is one.")
    ] = None,
    device_map: Annotated[
        str | None, typer.Option(help="Such as auto, to spread a large model; needs accelerate.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Also write an interactive page to this file.")] = None,
    credit: Annotated[
        list[str] | None,
        typer.Option(help="Further estimator on the page, such as grad_norm; may be given again."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Draw one image's attention, norms, entropies and answers before and after an intervention."""
    from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig
    from scr_lens.figures import inspection_figure, save
    from scr_lens.inspection import inspect_image
    from scr_lens.models import caveat, load
    from scr_lens.pictures import read_image
    from scr_lens.trace import Sample

    if credit and html is None:
        raise ConfigError(
            f"--credit {credit[0]}: further estimators are shown on a page; give --html FILE too"
        )
    if prompt is None and raw_prompt is None:
        raise ConfigError("no prompt: give --prompt TEXT (a question) or --raw-prompt TEXT (a whole prompt)")
    config = ScrConfig(
        lambda_=lambda_,
        n_sources=sources,
        topology=topology,  # type: ignore[arg-type]
        layers=LayerRange.parse(scr_layers) if scr_layers else None,
        diagnostic=DiagnosticConfig(
            layers=LayerRange.parse(diagnostic_layers) if diagnostic_layers else None
        ),
    )
    _require_method(method)
    sample = Sample(read_image(image)[0], question=prompt, prompt=raw_prompt, image_id=image.name)
    lens = load(model, dtype=dtype, device=device, device_map=device_map)
    shown = layer_list(show_layers, lens.n_layers)
    inspection = inspect_image(lens, sample, method=method, config=config, note=caveat(lens))
    files = save(inspection_figure(inspection, shown), out, f"inspect-{plain(image.stem)}")
    if html is not None:
        files = (*files, _write_html(html, lens, inspection, credit or []))
    if as_json:
        typer.echo(json.dumps({**inspection.to_dict(), "files": [str(file) for file in files]}, indent=1))
    else:
        typer.echo(summary(inspection))
        typer.echo("written: " + ", ".join(str(file) for file in files))


def _require_method(method: str) -> None:
    """Refuse a method that an inspection cannot show before a large model is loaded for it."""
    from scr_lens.decoding.registry import DECODERS
    from scr_lens.interventions import METHODS, find_method

    if method in DECODERS and method not in METHODS:
        raise ConfigError(
            f"--method {method}: an inspection shows what an intervention does to one pass; use {method} in "
            "`scr-lens run`, `scr-lens compare` or `scr_lens.decode`"
        )
    find_method(method)


def _write_html(file: Path, lens: Lens, inspection: Inspection, estimators: list[str]) -> Path:
    from scr_lens.viewer import exhibit, inspection_payload, write_page

    shown = exhibit(lens, inspection, estimators, progress=True)
    return write_page(file, inspection_payload(shown))


def plain(name: str) -> str:
    """A name with everything that does not belong into a file name replaced by "_"."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def layer_list(text: str | None, n_layers: int) -> list[int] | None:
    """Reads a list of block numbers such as "0,5,11".

    Raises:
        ConfigError: If an entry is no number or no block of the model.
    """
    if text is None:
        return None
    entries = [entry.strip() for entry in text.split(",")]
    for entry in entries:
        if not entry.isdecimal() or int(entry) >= n_layers:
            raise ConfigError(
                f"--show-layers {text!r}: {entry!r} is not a block of this model; give numbers from 0 to "
                f"{n_layers - 1} separated by commas"
            )
    return [int(entry) for entry in entries]


def summary(inspection: Inspection) -> str:
    """The numbers of an inspection as lines of text."""
    before, after = inspection.before, inspection.after
    acting = list(inspection.layers.layers)
    gain = after.resid_norm[acting].sum() / before.resid_norm[acting].sum()
    plan = inspection.plan
    lines = [
        f"model       {inspection.model_id}, {inspection.n_layers} blocks, "
        f"grid {inspection.grid.height}x{inspection.grid.width}",
        f"method      {inspection.method}, lambda {inspection.config.lambda_}, blocks {inspection.layers}, "
        f"diagnostic blocks {inspection.diagnostic_layers}",
    ]
    if plan is not None:
        lines.append(
            f"plan        {len(plan.sources)} sources, {plan.neighbors_per_source:.2f} neighbors each"
        )
    lines += [
        f"answer      {before.answer.answer} (yes {before.answer.p_yes:.3f}, no {before.answer.p_no:.3f})"
        f"  ->  {after.answer.answer} (yes {after.answer.p_yes:.3f}, no {after.answer.p_no:.3f})",
        f"norm gain   {gain:.3f} over the blocks acted at",
        "entropy, normalized, per block (before -> after)",
        "            block   norm                 attention",
    ]
    lines += [
        f"            {layer:5d}   {before.norm_entropy[layer]:.4f} -> {after.norm_entropy[layer]:.4f}"
        f"     {before.attention_entropy[layer]:.4f} -> {after.attention_entropy[layer]:.4f}"
        for layer in range(inspection.n_layers)
    ]
    return "\n".join([*lines, inspection.note] if inspection.note else lines)
