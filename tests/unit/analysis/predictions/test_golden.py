"""Every prediction on a stored synthetic run of 200 rows equals the committed numbers."""

import json

import pytest
from golden.synthetic_run import FILE, predictions, write_run

GOLDEN = json.loads(FILE.read_text())


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("golden") / "run"
    write_run(path)
    return predictions(path)


@pytest.mark.parametrize("name", GOLDEN)
def test_numbers_are_those_of_the_file(found, name):
    assert found.keys() == GOLDEN.keys()
    for quantity, value in GOLDEN[name].items():
        if isinstance(value, float):
            assert found[name][quantity] == pytest.approx(value, rel=1e-12, abs=1e-12), quantity
        else:
            assert found[name][quantity] == value, quantity
