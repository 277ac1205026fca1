"""`scr-lens score`: the official metrics of answers and captions that any model produced."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

score = typer.Typer(help="Score answer or caption files by the official definitions.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print everything as JSON instead of a table.")]
ImageKey = Annotated[str, typer.Option(help="Field with the image id.")]
CaptionKey = Annotated[str, typer.Option(help="Field with the caption.")]


@score.command()
def pope(
    answers: Annotated[
        Path, typer.Argument(help="Answers, one JSON record a line, in the questions' order.")
    ],
    questions: Annotated[Path, typer.Option(help="POPE question file with labels.")],
    rule: Annotated[str, typer.Option(help="How answers are read: official or strict.")] = "official",
    as_json: AsJson = False,
) -> None:
    """POPE: accuracy, precision, recall, F1, yes-ratio, hallucination rate."""
    from scr_lens.metrics.pope import score_files

    emit(asdict(score_files(questions, answers, rule)), as_json)  # type: ignore[arg-type]


@score.command()
def chair(
    captions: Annotated[Path, typer.Argument(help="Captions with their image ids: JSON list or JSON lines.")],
    instances: Annotated[
        list[Path] | None, typer.Option(help="COCO instances file; may be given twice.")
    ] = None,
    references: Annotated[
        list[Path] | None, typer.Option(help="COCO captions file of the same images.")
    ] = None,
    objects: Annotated[Path | None, typer.Option(help="Objects per image made beforehand, instead.")] = None,
    synonyms: Annotated[
        Path | None, typer.Option(help="The official synonyms.txt; needed for published numbers.")
    ] = None,
    singularization: Annotated[
        str, typer.Option(help="pattern (the original) or lemma (OPERA).")
    ] = "pattern",
    image_key: ImageKey = "image_id",
    caption_key: CaptionKey = "caption",
    as_json: AsJson = False,
) -> None:
    """CHAIR: share of captions and of mentions that name an absent object, and recall."""
    from scr_lens.benchmarks.captions import score_chair

    result = score_chair(
        captions,
        objects=objects,
        instances=instances or (),
        references=references or (),
        synonyms=synonyms,
        singularization=singularization,  # type: ignore[arg-type]
        image_key=image_key,
        caption_key=caption_key,
    )
    emit(result.to_dict(), as_json)


@score.command()
def cider(
    captions: Annotated[Path, typer.Argument(help="Captions with their image ids: JSON list or JSON lines.")],
    references: Annotated[list[Path], typer.Option(help="COCO captions file; may be given twice.")],
    variant: Annotated[str, typer.Option(help="cider-d (what COCO calls CIDEr) or cider.")] = "cider-d",
    frequency_references: Annotated[
        list[Path] | None,
        typer.Option(help="Captions to count document frequencies in; by default the references."),
    ] = None,
    image_key: ImageKey = "image_id",
    caption_key: CaptionKey = "caption",
    as_json: AsJson = False,
) -> None:
    """CIDEr: agreement with reference captions; raw value, tables usually show 100 times it."""
    from scr_lens.benchmarks.captions import score_cider

    result = score_cider(
        captions,
        references,
        variant=variant,  # type: ignore[arg-type]
        frequency_references=frequency_references or (),
        image_key=image_key,
        caption_key=caption_key,
    )
    emit(result.to_dict(), as_json)


@score.command()
def amber(
    responses: Annotated[Path, typer.Argument(help="AMBER responses: JSON list of id and response.")],
    data: Annotated[Path, typer.Option(help="Folder with annotations.json, relation.json, safe_words.txt.")],
    rule: Annotated[str, typer.Option(help="How yes/no answers are read: official or strict.")] = "official",
    as_json: AsJson = False,
) -> None:
    """AMBER: generative (CHAIR, cover, Hal, Cog) and discriminative scores."""
    from scr_lens.benchmarks.amber_reader import score_amber

    emit(score_amber(responses, data, rule=rule).to_dict(), as_json)  # type: ignore[arg-type]


@score.command()
def mme(
    answers: Annotated[Path, typer.Argument(help="Folder with one answer file per task.")],
    questions: Annotated[Path | None, typer.Option(help="Folder of the questions, to check against.")] = None,
    rule: Annotated[str, typer.Option(help="How answers are read: official or strict.")] = "official",
    as_json: AsJson = False,
) -> None:
    """MME: accuracy and accuracy+ per task, perception and cognition totals."""
    from scr_lens.benchmarks.mme_reader import score_mme

    emit(score_mme(answers, questions=questions, rule=rule).to_dict(), as_json)  # type: ignore[arg-type]


@score.command()
def hallusionbench(
    answers: Annotated[Path, typer.Argument(help="Answers in the official result format.")],
    questions: Annotated[
        Path | None, typer.Option(help="HallusionBench.json, if answers lack gt_answer.")
    ] = None,
    correctness_key: Annotated[
        str | None, typer.Option(help="Field with a judge's verdict 0, 1 or 2.")
    ] = None,
    prediction_key: Annotated[str, typer.Option(help="Field with the answer.")] = "model_prediction",
    as_json: AsJson = False,
) -> None:
    """HallusionBench: aAcc, fAcc, qAcc."""
    from scr_lens.benchmarks.hallusionbench_reader import score_hallusionbench

    result = score_hallusionbench(
        answers, questions=questions, correctness_key=correctness_key, prediction_key=prediction_key
    )
    emit(result.to_dict(), as_json)


def emit(scores: Mapping[str, Any], as_json: bool) -> None:
    """Prints scores: everything as JSON, or a table that leaves out per-caption and per-image detail."""
    if as_json:
        typer.echo(json.dumps(scores, indent=1))
        return
    for name, value in rows(scores):
        typer.echo(f"{name:32s} {value}")


def rows(scores: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Names and printed values of a nested score; ratios with four digits, "-" where one is undefined."""
    for name, value in scores.items():
        if name in ("captions", "per_image"):
            continue
        if isinstance(value, Mapping):
            yield from rows(value, f"{prefix}{name}.")
        else:
            yield (
                prefix + name,
                "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value),
            )
