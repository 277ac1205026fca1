import numpy as np

from scr_lens.benchmarks.pope_builder import question_text
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.language import (
    CAPTIONS,
    DESCRIBE,
    QUESTIONS,
    build_tokenizer,
    caption,
    question,
    sample_questions,
)
from scr_lens.organisms.scenes import SCENE_TYPES


def test_questions_are_popes():
    for name in CATEGORY_NAMES:
        assert question(name) == question_text(name)


def test_a_caption_names_everything_with_its_article():
    assert (
        caption("farm", ["cow", "umbrella", "bus"]) == "A photo of a farm with a bus, a cow and an umbrella."
    )
    assert caption("farm", ["cow"]) == "A photo of a farm with a cow."


def test_the_tokenizer_covers_the_world_and_nothing_else():
    tokenizer = build_tokenizer()
    texts = [question(name, k) for name in CATEGORY_NAMES for k in range(len(QUESTIONS))]
    texts += [caption(p.name, CATEGORY_NAMES, k) for p in SCENE_TYPES for k in range(len(CAPTIONS))]
    texts += list(DESCRIBE)
    for text in texts:
        assert tokenizer.unk_token_id not in tokenizer(text).input_ids, text
    assert tokenizer.unk_token_id in tokenizer("Is there a zeppelin in the image?").input_ids


def test_text_survives_the_tokenizer():
    tokenizer = build_tokenizer()
    for text in (caption("living room", ["potted plant", "apple"]), question("traffic light")):
        assert tokenizer.decode(tokenizer(text).input_ids, skip_special_tokens=True) == text.lower()


def test_sampled_questions_are_balanced_and_true():
    rng = np.random.default_rng(0)
    present, pool = [1, 4, 6], [1, 2, 3, 4]
    tempting = []
    for _ in range(300):
        pairs = sample_questions(rng, present, pool, 12, 0.3)
        assert sum(yes for _, yes in pairs) == 6
        assert all((c in present) == yes for c, yes in pairs)
        assert set(present) <= {c for c, yes in pairs if yes}
        tempting += [c in pool for c, yes in pairs if not yes]
    # 30% on purpose, and of the other 70% the two absent pool members' share among all absent categories.
    assert abs(np.mean(tempting) - (0.3 + 0.7 * 2 / (len(CATEGORY_NAMES) - 3))) < 0.03
