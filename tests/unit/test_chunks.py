from pathlib import Path

import pytest

from scr_lens.chunks import WHOLE, Shard, chunk_size, whole_image_chunks
from scr_lens.errors import ConfigError
from scr_lens.questions import Question


def ask(image: str, text: str) -> Question:
    return Question(image=Path(image), image_id=image, text=text)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 7, 100])
def test_images_stay_together_and_nothing_is_lost(size):
    counts = {"a": 3, "b": 1, "c": 6, "d": 2, "e": 2}
    questions = [ask(image, f"q{k}") for k in range(6) for image, n in counts.items() if k < n]
    chunks = whole_image_chunks(questions, size)
    flat = [(q.image_id, q.text) for chunk in chunks for q in chunk]
    assert flat == sorted((q.image_id, q.text) for q in questions)
    assert all(1 <= len(chunk) <= size for chunk in chunks)
    for image, n in counts.items():
        holders = [chunk for chunk in chunks if any(q.image_id == image for q in chunk)]
        assert len(holders) == max(1, -(-n // size))
    assert whole_image_chunks(questions[::-1], size) == chunks


def test_shards_divide_without_loss():
    items = list(range(23))
    for count in (1, 2, 5, 30):
        parts = [Shard(i, count).of(items) for i in range(1, count + 1)]
        assert sorted(x for part in parts for x in part) == items
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert Shard.parse(" 2 / 5 ") == Shard(2, 5) and str(Shard(2, 5)) == "2/5"
    assert (WHOLE.writer, Shard(2, 5).writer) == ("main", "part-2-of-5")


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "1/2/3", "a/b", "-1/2", "1/0"])
def test_other_shards_are_refused(text):
    with pytest.raises(ConfigError, match="1/4"):
        Shard.parse(text)


def test_a_chunk_holds_something():
    with pytest.raises(ConfigError, match="batch_size is 0; give at least 1"):
        whole_image_chunks([ask("a", "q")], 0)


def test_texts_make_smaller_chunks():
    questions = [ask(f"{k:03}", "describe") for k in range(300)]
    assert [chunk_size(48, texts=texts) for texts in (False, True)] == [48, 24]
    assert chunk_size(1, texts=True) == 1
    assert len(whole_image_chunks(questions, chunk_size(48, texts=True))) == 13
