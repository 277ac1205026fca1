import pandas as pd
import pytest

from scr_lens.analysis.captions import captions_of
from scr_lens.errors import DataError


def frame(**changes):
    columns = {
        "image_id": ["20", "3", "3", "4"],
        "condition": ["scr", "scr", "vanilla", "scr"],
        "status": ["ok", "ok", "ok", "failed"],
        "answer_text": ["a dog", "a cat", "a bus", None],
    }
    return pd.DataFrame({**columns, **changes})


def test_one_record_per_caption_by_number():
    assert captions_of(frame(), "scr") == [
        {"image_id": 3, "caption": "a cat"}, {"image_id": 20, "caption": "a dog"}
    ]  # fmt: skip
    assert captions_of(frame(), "vanilla") == [{"image_id": 3, "caption": "a bus"}]


def test_what_is_no_caption():
    with pytest.raises(DataError, match=r"condition 'x': expected one of \['scr', 'vanilla'\]"):
        captions_of(frame(), "x")
    with pytest.raises(DataError, match="has no captions; run a captions benchmark"):
        captions_of(frame(answer_text=[None] * 4), "scr")
    with pytest.raises(DataError, match=r"image 'a\.png' has no COCO number"):
        captions_of(frame(image_id=["a.png", "3", "3", "4"]), "scr")
