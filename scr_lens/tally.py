"""What a run did."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Tally:
    """Rows that one process added.

    Attributes:
        done: Rows computed.
        failed_rows: Rows recorded as failed.
        failed: Reason of the last failure by image.
    """

    done: int = 0
    failed_rows: int = 0
    failed: Mapping[str, str] = field(default_factory=dict)

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.done + other.done,
            self.failed_rows + other.failed_rows,
            {**self.failed, **other.failed},
        )


@dataclass(frozen=True)
class Summary:
    """What a run did.

    Attributes:
        planned: Rows of the plan.
        stored_before: Rows that were there already.
        done: Rows added.
        failed: Reason of each failure, by image.
        seconds: Wall time of this call.
    """

    planned: int
    stored_before: int
    done: int
    failed: Mapping[str, str]
    seconds: float

    @classmethod
    def of(cls, planned: int, tally: Tally, started: float) -> Summary:
        """Sums up a tally; `started` is when the call began, by `time.monotonic`."""
        before = planned - tally.done - tally.failed_rows
        return cls(planned, before, tally.done, dict(tally.failed), time.monotonic() - started)

    def __str__(self) -> str:
        rate = f" ({self.done / self.seconds:.1f} rows/s)" if self.done and self.seconds else ""
        return (
            f"{self.planned} rows: {self.stored_before} stored before, {self.done} computed in "
            f"{self.seconds:.0f} s{rate}, {len(self.failed)} images failed"
        )
