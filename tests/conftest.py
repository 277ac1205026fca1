"""Fixtures shared by all tests."""

import os
from pathlib import Path

import pytest
import torch
from families import TINY_FAMILIES, TinyFamily, family_twins
from tiny import Twins, build_twins, ragged_samples, save_llava

from scr_lens.config import ScrConfig
from scr_lens.trace import Batch, Lens, diagnose


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session", params=list(TINY_FAMILIES))
def family_name(request: pytest.FixtureRequest) -> str:
    """Each family of the test registry in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def tiny_family(family_name: str) -> TinyFamily:
    """What the tests know about the family."""
    return TINY_FAMILIES[family_name]


@pytest.fixture(scope="session")
def twins(family_name: str) -> Twins:
    """A tiny lens of each family and its plain eager twin."""
    return family_twins(family_name)


@pytest.fixture(scope="session")
def lens() -> Lens:
    """A tiny lens."""
    return build_twins().lens


@pytest.fixture(scope="session")
def batch(lens: Lens) -> Batch:
    """Three samples with questions of different length."""
    return lens.prepare(ragged_samples())


@pytest.fixture(scope="session")
def attention(lens: Lens, batch: Batch) -> tuple[torch.Tensor, ...]:
    """Diagnostic maps of `batch`."""
    return diagnose(lens, batch)


@pytest.fixture
def scr_config() -> ScrConfig:
    """Settings that act on the first three blocks with a strength that shows."""
    return ScrConfig(lambda_=1.5, n_sources=3)


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A tiny checkpoint folder as `save_pretrained` writes it."""
    return save_llava(tmp_path)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real benchmark files; the test is skipped without it."""
    root = os.environ.get("SCR_LENS_TEST_DATA")
    if not root:
        pytest.skip("SCR_LENS_TEST_DATA is not set: no real benchmark files")
    return Path(root)
