import pandas as pd
import pytest

from scr_lens.errors import DataError, StoreError
from scr_lens.evidence import read_side_table, side_table_key, write_side_table

OBJECTS = pd.DataFrame({"image_id": ["007", "008"], "object": ["dog", "None"], "more": [1, 2]})


def test_what_is_written_is_read_and_keeps_texts(tmp_path):
    write_side_table(tmp_path, "caption_objects", OBJECTS, "k1")
    found = read_side_table(tmp_path, "caption_objects")
    assert found.to_dict("list") == {"image_id": ["007", "008"], "object": ["dog", "None"]}
    assert side_table_key(tmp_path, "caption_objects") == "k1"


def test_the_same_rows_are_the_same_bytes(tmp_path):
    files = [write_side_table(tmp_path / n, "caption_objects", OBJECTS, "k") for n in "ab"]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_a_table_that_was_never_made_is_none(tmp_path):
    assert read_side_table(tmp_path, "boxes") is None
    assert side_table_key(tmp_path, "boxes") is None


def test_a_changed_file_is_refused(tmp_path):
    path = write_side_table(tmp_path, "caption_objects", OBJECTS, "k")
    path.write_text(path.read_text().replace("dog", "cat"))
    assert side_table_key(tmp_path, "caption_objects") is None
    with pytest.raises(StoreError, match="is not what was written: delete it and run the experiment again"):
        read_side_table(tmp_path, "caption_objects")


def test_bad_names_and_columns_are_refused(tmp_path):
    with pytest.raises(DataError, match="unknown side table 'box'; did you mean 'boxes'"):
        write_side_table(tmp_path, "box", OBJECTS, "k")
    with pytest.raises(DataError, match=r"side table 'references' lacks \['caption'\]"):
        write_side_table(tmp_path, "references", OBJECTS, "k")
