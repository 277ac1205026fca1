from pathlib import Path

import pytest

from scr_lens.errors import DataError
from scr_lens.metrics.chair_vocabulary import COCO_OBJECTS, builtin_vocabulary, read_vocabulary


def test_builtin_vocabulary_names_the_eighty_objects() -> None:
    vocabulary = builtin_vocabulary()
    assert len(COCO_OBJECTS) == 80
    assert vocabulary.names == frozenset(COCO_OBJECTS)
    assert vocabulary.nodes(["the", "puppy", "sofa", "puppy"]) == ["dog", "couch", "dog"]
    assert vocabulary.source == "built in"


def test_synonyms_are_read_as_the_original_reads_them(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    path.write_text("motorcycle, scooter,  motor bike\ncow, bison \ncat, scooter\n")
    vocabulary = read_vocabulary(path)
    assert dict(vocabulary.objects) == {
        **{"motorcycle": "motorcycle", "scooter": "cat", " motor bike": "motorcycle"},
        **{"cow": "cow", "bison": "cow", "cat": "cat"},
    }
    assert vocabulary.source == "synonyms.txt"


def test_bad_lists(tmp_path: Path) -> None:
    path = tmp_path / "synonyms.txt"
    with pytest.raises(DataError, match=r"synonyms.txt: cannot read the list of synonyms"):
        read_vocabulary(path)
    path.write_text("cat, kitten\n\ndog\n")
    with pytest.raises(DataError, match=r"synonyms.txt:2: the line is empty"):
        read_vocabulary(path)
    path.write_text("")
    with pytest.raises(DataError, match="list of synonyms is empty"):
        read_vocabulary(path)


def test_official_list(real_data: Path) -> None:
    vocabulary = read_vocabulary(real_data / "chair/synonyms.txt")
    assert vocabulary.names == frozenset(COCO_OBJECTS)
    builtin = builtin_vocabulary().objects
    differing = {word for word in builtin if vocabulary.objects.get(word) != builtin[word]}
    assert differing == set()
