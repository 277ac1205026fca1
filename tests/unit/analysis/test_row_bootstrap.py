import numpy as np
import pytest

from scr_lens.analysis.bootstrap import cluster_interval
from scr_lens.analysis.row_bootstrap import function_interval, resample_rows
from scr_lens.errors import DataError


def test_general_path_keeps_images_together_and_agrees_with_the_fast_path():
    generator = np.random.default_rng(8)
    images = np.repeat([f"i{k:02d}" for k in range(30)], 3)
    x = generator.normal(size=90) + np.repeat(generator.normal(size=30), 3)
    for rows in resample_rows(images, 5, seed=1):
        _, counts = np.unique(images[rows], return_counts=True)
        assert (counts % 3 == 0).all()
    slow = function_interval(lambda rows: float(x[rows].mean()), images, n_resamples=400)
    totals = np.stack([x.reshape(30, 3).sum(axis=1), np.full(30, 3.0)], axis=-1)
    fast = cluster_interval(totals, method="bca", n_resamples=400)
    assert (slow.low, slow.high) == pytest.approx((fast.low, fast.high), abs=1e-9)


def test_mostly_undefined_statistic_is_refused():
    with pytest.raises(DataError, match="of 50 resamples are undefined"):
        function_interval(lambda rows: float("nan"), ["a", "b"], n_resamples=50)
