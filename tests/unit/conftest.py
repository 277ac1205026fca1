"""Fixtures shared by the unit tests."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def real_data() -> Path:
    """Folder of real benchmark files; the test is skipped without it."""
    root = os.environ.get("SCR_LENS_TEST_DATA")
    if not root:
        pytest.skip("SCR_LENS_TEST_DATA is not set: no real benchmark files")
    return Path(root)
