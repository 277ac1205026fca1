"""Runs of one experiment joined question by question, so that no condition is run twice."""

from pathlib import Path

import pandas as pd

from scr_lens.analysis.records import PAIR_KEY
from scr_lens.errors import StoreError

_KEY = list(PAIR_KEY)


def with_controls(main: pd.DataFrame, controls: pd.DataFrame | None, place: Path) -> pd.DataFrame:
    """The main run and the run of conditions that were asked some of its questions only.

    A row of the controls counts for the splits that it was asked for, not for all that its question is in:
    elsewhere it would stand for a part of a split.

    Args:
        main: Records of the main run.
        controls: Records of the controls; None if there are none.
        place: Folder of the controls, for errors.

    Returns:
        Both, the main run's rows first.

    Raises:
        StoreError: If the main run lacks a question of the controls.
    """
    if controls is None:
        return main
    _found(main, controls, place)
    return pd.concat([main, controls[list(main)]], ignore_index=True)


def with_main_rows(records: pd.DataFrame, main: pd.DataFrame, place: Path) -> pd.DataFrame:
    """A run with the rows of the conditions that it lacks, from the run beside it.

    Args:
        records: Records of a run on some of the main run's questions.
        main: Records of the main run, controls included.
        place: Folder of the run, for errors.

    Returns:
        The main run's rows on its questions, then its own.

    Raises:
        StoreError: If the main run lacks one of the questions under one of its conditions.
    """
    shared = main[~main["condition"].isin(records["condition"].unique())]
    return pd.concat([_found(shared, records, place)[list(records)], records], ignore_index=True)


def _found(main: pd.DataFrame, records: pd.DataFrame, place: Path) -> pd.DataFrame:
    """Rows of the main run on the questions of some records, counted for the records' splits."""
    asked = records[[*_KEY, "splits"]].drop_duplicates(_KEY)
    found = main.drop(columns="splits").merge(asked, on=_KEY)
    if len(found) < len(asked) * main["condition"].nunique():
        raise StoreError(
            f"{place}: the main run beside it lacks some of its questions; run the experiment again, which "
            "adds what is missing"
        )
    return found
