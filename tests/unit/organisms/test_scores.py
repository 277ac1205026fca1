import json

import pytest

from scr_lens.errors import DataError
from scr_lens.organisms.scores import SCORES, read_scores


def test_measurements_are_read_as_they_are(tmp_path):
    stored = {"parameters": 3, "pope": {"random": {}}, "captions": {"recall": 0.5}}
    (tmp_path / SCORES).write_text(json.dumps(stored))
    assert read_scores(tmp_path) == stored


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"small holds no measurements \(scores.json is missing\); make them with: scr-lens organism"),
        ("{", r"scores.json: malformed JSON .*; measure again with: scr-lens organism train small"),
        ('{"pope": {}}', r"scores.json: no captions, parameters; measure again with"),
        ("3", r"scores.json: no captions, parameters, pope; measure again with"),
    ],
)
def test_missing_and_damaged_measurements_are_refused(content, message, tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    if content is not None:
        (folder / SCORES).write_text(content)
    with pytest.raises(DataError, match=message):
        read_scores(folder)
