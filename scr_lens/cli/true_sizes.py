"""The page docs/true-sizes.md, made from what `bench` and `doctor --random-weights` printed with `--json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from scr_lens.errors import DataError

RESULTS = "true-sizes"
"""Folder of the stored results, below docs/."""

_OPENING = """\
# The published sizes, with random weights

Made by `make docs` from the results stored in [`true-sizes/`](true-sizes), which `scr-lens doctor
--random-weights NAME --json` and `scr-lens bench --random-weights NAME --json` printed. Models have the
published configuration, image tower, vocabulary and prompt geometry; their weights are random, so that costs,
memory and the checks mean something and answers do not. **No published weights were run here.**

**CUT** models keep the first decoder blocks only, whole in width. Models that **REPEAT** have the full depth,
their blocks sharing the weights of the first few: all arithmetic of the published model in less memory.
"""
_CHECKS = """\
## Checks

`ok` with the measured number; bounds and meanings are those of [the doctor](doctor.md).

"""
_COSTS = """\
## Costs

One picture of 640 x 480 with one question. The tower runs once per picture; the other passes begin at its
features. Ratios are to the plain pass of the same round: median and quartiles. A capture takes the norms of
every block and the attention of the diagnostic blocks, a diagnosis ends after the last diagnostic block, SCR
is one pass with the intervention, its plan being known. Times are of few rounds on a machine that also did
other work: ratios are known to some ten percent at best, and a capture or SCR below 1 is most likely noise.

"""


def true_sizes_page(docs: Path) -> str:
    """Describes what was measured at published sizes.

    Args:
        docs: The folder docs/, with the results in `RESULTS` below it.

    Returns:
        Markdown; the same text for the same results.

    Raises:
        DataError: If a file holds neither kind of result.
    """
    checks, costs = [], []
    for file in sorted((docs / RESULTS).glob("*.json")):
        found = json.loads(file.read_text(encoding="utf-8"))
        if "checks" in found:
            checks.append(found)
        elif "plain_s" in found:
            costs.append(found)
        else:
            raise DataError(
                f"{file} holds neither checks nor costs; store there what `scr-lens doctor` or `scr-lens "
                "bench` prints with --random-weights NAME --json"
            )
    return f"{_OPENING}\n{_CHECKS}{_checks_table(checks)}\n{_COSTS}{_costs_table(costs)}"


def _checks_table(results: Sequence[Mapping[str, Any]]) -> str:
    if not results:
        return "None stored.\n"
    names = [check["name"] for check in results[0]["checks"]]
    header = ["check", *(found["model_id"].partition(",")[0] for found in results)]
    rows = [
        ["blocks", *(str(found["n_layers"]) for found in results)],
        ["type, device", *(f"{found['dtype']}, {found['device']}" for found in results)],
        ["image tokens", *(_grids(found["grids"]) for found in results)],
        ["normalization", *(found["normalization"] for found in results)],
    ]
    rows += [[name, *(_verdict(found, name) for found in results)] for name in names]
    return _table(header, rows)


def _grids(grids: Iterable[Sequence[int]]) -> str:
    return ", ".join(dict.fromkeys(f"{height} x {width}" for height, width in grids))


def _verdict(found: Mapping[str, Any], name: str) -> str:
    (check,) = (check for check in found["checks"] if check["name"] == name)
    measured = "none" if check["measured"] is None else f"{check['measured']:.2g}"
    return f"{'ok' if check['passed'] else '**FAILED**'} {measured}"


def _costs_table(results: Sequence[Mapping[str, Any]]) -> str:
    header = ["model", "blocks", "parameters", "in memory", "type, device", "image tokens", "prompt"]
    header += ["peak memory", "rounds", "tower", "plain pass", "capture", "diagnosis", "SCR"]
    rows = [
        [
            found["name"],
            _blocks(found),
            f"{found['parameters'] / 1e9:.2f} B",
            f"{found['held_parameters'] / 1e9:.2f} B",
            f"{found['dtype']}, {found['device']}",
            f"{found['image_tokens']} ({found['grid'][0]} x {found['grid'][1]})",
            str(found["seq_len"]),
            f"{found['peak_gib']:.1f} GiB",
            str(found["rounds"]),
            f"{found['features_s']:.1f} s",
            f"{found['plain_s']:.1f} s",
            *(_ratio(found["ratios"][name]) for name in ("capture", "diagnose", "scr")),
        ]
        for found in sorted(results, key=_is_deep)
    ]
    return _table(header, rows)


def _is_deep(found: Mapping[str, Any]) -> bool:
    return bool(found["n_layers"] == found["published_layers"])


def _blocks(found: Mapping[str, Any]) -> str:
    """Blocks in one short cell; the words are explained above the tables."""
    if found["n_layers"] < found["published_layers"]:
        return f"CUT to {found['n_layers']} of {found['published_layers']}"
    if found["distinct_blocks"] < found["n_layers"]:
        return f"all {found['n_layers']}, REPEAT {found['distinct_blocks']}"
    return f"all {found['n_layers']}"


def _ratio(ratio: Mapping[str, float]) -> str:
    return f"{ratio['median']:.2f} ({ratio['low']:.2f} to {ratio['high']:.2f})"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
