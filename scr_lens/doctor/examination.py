"""A whole examination: every check on one model, and what a reader has to know about it."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from scr_lens.doctor.check import Check
from scr_lens.doctor.checks import CHECKS
from scr_lens.doctor.subject import Subject
from scr_lens.errors import ContractError
from scr_lens.trace import Lens

NOT_GUARANTEED = (
    "that attention explains an answer: the rows are what the model computes, ablation measures what matters",
    "the same bits on another device, number type or attention implementation, or in another batch",
    "that a cell is the place in the picture it is drawn at: only the number of image tokens is checked here",
    "latency: `scr-lens bench` measures it",
)


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What the doctor found.

    Attributes:
        model_id: The model.
        model_type: Its architecture.
        n_layers: Decoder blocks.
        dtype: Parameter type.
        device: Where it ran.
        attention: Attention implementation of the language model.
        normalization: Where a block normalizes.
        grids: Height and width of the grid of every picture that was used; () if none could be prepared.
        token_meaning: What one image token stands for.
        checks: The findings, in order.
    """

    model_id: str
    model_type: str
    n_layers: int
    dtype: str
    device: str
    attention: str
    normalization: str
    grids: tuple[tuple[int, int], ...]
    token_meaning: str
    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain values, for JSON."""
        checks = [{**asdict(check), "passed": check.passed} for check in self.checks]
        return {
            **asdict(self),
            "checks": checks,
            "passed": self.passed,
            "not_guaranteed": list(NOT_GUARANTEED),
        }

    def __str__(self) -> str:
        tokens = ", ".join(f"{height * width} ({height} x {width})" for height, width in self.grids) or "-"
        lines = [
            f"model          {self.model_id}: {self.model_type}, {self.n_layers} blocks, {self.dtype} on "
            f"{self.device}, attention {self.attention}",
            f"image tokens   {tokens} for {len(self.grids)} pictures; one is {self.token_meaning}",
            f"normalization  {self.normalization}{_remark(self.normalization)}",
            "",
            f"{'':8}{'check':<28}{'measured':>10}  bound",
            *map(_line, self.checks),
            "",
            "not guaranteed",
            *(f"  - {item}" for item in NOT_GUARANTEED),
            "",
            self.verdict,
        ]
        return "\n".join(lines)

    @property
    def verdict(self) -> str:
        """One line: all passed, or the names of what failed."""
        failed = [check.name for check in self.checks if not check.passed]
        if failed:
            return f"{len(failed)} of {len(self.checks)} checks failed: {', '.join(failed)}"
        return f"all {len(self.checks)} checks passed"


def examine(lens: Lens) -> Examination:
    """Check on the model itself what everything in this package relies on.

    Two pictures of noise are prepared and run a few times, once with eager attention on the same weights. A
    check that cannot be carried out has failed, and says why.

    Args:
        lens: The model.

    Returns:
        The findings; the model is as it was before.
    """
    subject = Subject(lens)
    checks = tuple(_carry_out(name, check, subject) for name, check in CHECKS.items())
    family = lens.family
    return Examination(
        model_id=lens.model_id,
        model_type=lens.model_type,
        n_layers=lens.n_layers,
        dtype=lens.dtype,
        device=str(lens.device),
        attention=lens.attn_implementation,
        normalization=family.normalization(lens.config),
        grids=_grids(subject),
        token_meaning=family.token_meaning,
        checks=checks,
    )


def require_sound(lens: Lens) -> Lens:
    """Refuse a model on which a check fails.

    Args:
        lens: The model.

    Returns:
        The same lens.

    Raises:
        ContractError: Naming the checks that failed.
    """
    found = examine(lens)
    if not found.passed:
        raise ContractError(
            f"{lens.model_id!r}: {found.verdict}; see `scr-lens doctor`, or load it with "
            "verify=False to look at it anyway"
        )
    return lens


def _carry_out(name: str, check: Callable[[Subject], Check], subject: Subject) -> Check:
    try:
        return replace(check(subject), name=name)
    except Exception as error:  # whatever a broken model raises is a finding
        reason = " ".join(str(error).split())
        return Check(
            name=name,
            measured=None,
            tolerance=0,
            meaning=f"could not be carried out ({type(error).__name__}: {reason})",
        )


def _grids(subject: Subject) -> tuple[tuple[int, int], ...]:
    try:
        return tuple((layout.grid.height, layout.grid.width) for layout in subject.batch.layouts)
    except Exception:
        return ()


def _remark(normalization: str) -> str:
    return "" if normalization == "pre-norm" else " (the paper describes its models as pre-norm)"


def _line(check: Check) -> str:
    measured = "-" if check.measured is None else f"{check.measured:.2g}"
    sign = "<=" if check.bound == "at most" else ">="
    state = "ok" if check.passed else "FAILED"
    return f"{state:8}{check.name:<28}{measured:>10}  {sign} {check.tolerance:<8.2g}{check.meaning}"
