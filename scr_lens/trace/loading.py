"""Loading a checkpoint by folder or hub name: safetensors only, no remote code, clear refusals."""

import importlib.util
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, PreTrainedConfig

from scr_lens.errors import ConfigError, DataError, unknown_name
from scr_lens.families import family_for
from scr_lens.trace.attention import ATTN_IMPLEMENTATION, register
from scr_lens.trace.device import find_device
from scr_lens.trace.digests import folder_digest
from scr_lens.trace.hub import cached_commit, reach_hub
from scr_lens.trace.model import Lens, wrap

DTYPES = ("float32", "bfloat16", "float16", "float64")


def load(
    path_or_name: str | Path,
    *,
    revision: str | None = None,
    dtype: str = "float32",
    device: str | None = None,
    device_map: str | dict[str, Any] | None = None,
    offload_folder: str | Path | None = None,
) -> Lens:
    """Load a vision-language model for looking inside.

    A local folder is read without any network access. Weights must be safetensors; no code from the
    checkpoint is ever run.

    Args:
        path_or_name: A checkpoint folder, or a hub name such as "llava-hf/llava-1.5-7b-hf".
        revision: Hub branch, tag or commit; must be None for a folder.
        dtype: Parameter type: "float32", "bfloat16", "float16" or "float64".
        device: Where to put the model; None takes a CUDA device if there is one, else the CPU.
        device_map: Passed to transformers instead of `device`, to spread a model over several devices; needs
            the package accelerate.
        offload_folder: Where a device map may put what does not fit into memory.

    Returns:
        The lens.

    Raises:
        ConfigError: If dtype or device is unknown, the device is not there, both device and device_map are
            given, or a device map cannot be used.
        DataError: If there is no such checkpoint, its weights are not safetensors, or the hub cannot be
            reached (known within seconds) and it is not in the local cache.
        ContractError: If the checkpoint's family is not supported.
    """
    if dtype not in DTYPES:
        raise ConfigError(unknown_name("dtype", dtype, DTYPES))
    if device is not None and device_map is not None:
        raise ConfigError(f"device={device!r} and device_map={device_map!r} exclude each other; give one")
    placement = _placement(device_map, offload_folder)
    place = find_device(device)
    source, where = _locate(path_or_name, revision)
    if "revision" in where:
        where |= reach_hub(source, where["revision"])
    settings = _read_config(source, where)
    family = family_for(str(settings.get("model_type")))
    if "revision" not in where:
        _require_safetensors(Path(source))
    register()
    model, report = _from_pretrained(
        AutoModelForImageTextToText,
        source,
        **where,
        use_safetensors=True,
        output_loading_info=True,
        dtype=getattr(torch, dtype),
        attn_implementation=family.attn_implementation(ATTN_IMPLEMENTATION),
        **placement,
    )
    _require_complete(source, report["missing_keys"])
    if device_map is None:
        model = model.to(place)
    processor = _from_pretrained(family.processor_class, source, **where)
    version = where.get("revision") or folder_digest(Path(source))
    return wrap(model, processor, model_id=str(path_or_name), revision=version)


def _placement(device_map: str | dict[str, Any] | None, offload_folder: str | Path | None) -> dict[str, Any]:
    """The keywords that spread a model, after checking that they can work here."""
    if device_map is None:
        if offload_folder is not None:
            raise ConfigError(
                f"offload_folder={str(offload_folder)!r} without a device_map puts nothing there; "
                "give device_map='auto' too"
            )
        return {}
    if not _has_accelerate():
        raise ConfigError(
            f"device_map={device_map!r} needs the package accelerate, which is not installed; install it, or "
            "give device instead"
        )
    folder = {} if offload_folder is None else {"offload_folder": str(offload_folder)}
    return {"device_map": device_map, **folder}


def _has_accelerate() -> bool:
    return importlib.util.find_spec("accelerate") is not None


def _locate(path_or_name: str | Path, revision: str | None) -> tuple[str, dict[str, Any]]:
    """Decide between folder and hub name; the keywords make transformers stay with that decision."""
    folder = Path(path_or_name).expanduser()
    if folder.is_dir():
        if revision is not None:
            raise ConfigError(
                f"revision={revision!r} was given for the folder {str(folder)!r}; "
                "a revision exists only for hub names, leave it out"
            )
        return str(folder), {"local_files_only": True}
    name = str(path_or_name)
    if (
        isinstance(path_or_name, Path)
        or folder.is_absolute()
        or name.startswith((".", "~"))
        or name.count("/") != 1
    ):
        raise DataError(
            f"no checkpoint folder at {name!r}; give an existing folder with config.json and *.safetensors, "
            "or a hub name of the form owner/name"
        )
    return name, {"revision": revision or "main"}


def _read_config(source: str, where: dict[str, Any]) -> dict[str, Any]:
    """Read config.json alone, and pin a hub name to the commit it came from."""
    try:
        settings, _ = PreTrainedConfig.get_config_dict(source, **where)
    except (OSError, ValueError) as error:
        raise _cannot_load(source, where, error) from error
    if not settings.get("model_type"):
        raise DataError(f"{source!r} has no config.json with a model_type; give a Hugging Face checkpoint")
    if "revision" in where:
        where["revision"] = cached_commit(source, where["revision"]) or where["revision"]
    return dict(settings)


def _require_safetensors(folder: Path) -> None:
    if any(folder.glob("*.safetensors")):
        return
    pickled = sorted(
        path.name for path in folder.iterdir() if path.suffix in {".bin", ".pt", ".pth", ".ckpt"}
    )
    if pickled:
        raise DataError(
            f"{str(folder)!r} holds only pickled weights ({pickled[0]}), which can run code when loaded; "
            "convert it with model.save_pretrained (writes safetensors) in an environment you trust"
        )
    raise DataError(f"{str(folder)!r} holds no *.safetensors; download the weights or give another folder")


def _require_complete(source: str, missing: Iterable[str]) -> None:
    """Refuse a checkpoint without some weights, which transformers would fill with random numbers."""
    names = sorted(missing)
    if names:
        raise DataError(
            f"{source!r} lacks {len(names)} weights of its own architecture, such as {names[0]}; "
            "download the checkpoint again or use a complete one"
        )


def _from_pretrained(auto: Any, source: str, **keywords: Any) -> Any:
    try:
        return auto.from_pretrained(source, **keywords)
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError) as error:
        raise _cannot_load(source, keywords, error) from error


def _cannot_load(source: str, where: dict[str, Any], error: Exception) -> DataError:
    reason = " ".join(str(error).split())
    if "revision" in where:
        advice = "check the name and the network, or download the checkpoint and give its folder"
        return DataError(
            f"cannot load {source!r} at revision {where['revision']!r} from the hub ({reason}); {advice}"
        )
    return DataError(
        f"cannot load {source!r} ({reason}); the folder must hold config.json, *.safetensors, "
        "tokenizer.json and processor_config.json"
    )
