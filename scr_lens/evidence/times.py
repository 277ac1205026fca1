"""Times of methods, each alone, as `scr-lens compare` stores them next to its runs."""

from pathlib import Path

import pandas as pd

from scr_lens.errors import StoreError

TIMES = "times.csv"
"""File of a comparison's folder with the time of every method, see `experiment.clock`."""

_COLUMNS = ("task", "item", "condition", "ms", "n_tokens")


def read_times(folder: str | Path) -> pd.DataFrame | None:
    """Read the times of a comparison.

    Args:
        folder: Its folder.

    Returns:
        Rows of task, item, condition, ms and n_tokens; None where nothing was timed.

    Raises:
        StoreError: If the file is damaged.
    """
    file = Path(folder) / TIMES
    if not file.exists():
        return None
    try:
        times = pd.read_csv(file)
    except (ValueError, OSError) as error:
        raise StoreError(
            f"cannot read {file} ({error}); delete it and run `scr-lens compare` again"
        ) from error
    missing = [name for name in _COLUMNS if name not in times.columns]
    if missing:
        raise StoreError(f"{file} lacks the columns {missing}; delete it and run `scr-lens compare` again")
    return times
