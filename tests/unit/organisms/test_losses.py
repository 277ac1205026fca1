"""Every loss against its formula, term by term in numpy."""

import numpy as np
import pytest
import torch

from scr_lens.organisms.corpus import BACKGROUND
from scr_lens.organisms.losses import patch_loss, presence_loss, text_losses
from scr_lens.organisms.packing import IGNORED, PackedBatch

YES, NO, END, WORDS = 1, 2, 3, (4, 5, 6)
TARGETS = ((IGNORED, YES, END, IGNORED, 4, 6, END), (NO, END, IGNORED, IGNORED, 5, 4, END))
"""Two rows: an answer with its end token, then a caption with its own."""


@pytest.fixture
def batch():
    targets = torch.tensor(TARGETS)
    nothing = torch.zeros_like(targets)
    return PackedBatch(
        torch.zeros(2, 3, 8, 8), nothing, targets, (targets == YES) | (targets == NO), nothing.bool()
    )


def log_softmax(logits):
    logits = logits.double().numpy()
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


def test_answers_their_ends_and_captions_are_told_apart(batch):
    rows = [target for row in TARGETS for target in row if target != IGNORED]
    logits = torch.randn(len(rows), 7, generator=torch.Generator().manual_seed(0))
    terms = {"answer": [], "end": [], "caption": []}
    right = []
    for k, target in enumerate(rows):
        kind = "answer" if target in (YES, NO) else "caption"
        if target == END and rows[k - 1] in (YES, NO):
            kind = "end"
        terms[kind].append(-log_softmax(logits)[k, target])
        if kind == "answer":
            right.append(int(logits[k].argmax()) == target)
    assert {kind: len(found) for kind, found in terms.items()} == {"answer": 2, "end": 2, "caption": 6}
    yes_no, told, share = text_losses(logits, batch, END)
    assert float(yes_no) == pytest.approx(np.mean(terms["answer"]) + 0.05 * np.mean(terms["end"]), rel=1e-5)
    assert float(told) == pytest.approx(np.mean(terms["caption"]), rel=1e-5)
    assert share == np.mean(right)
    logits[0, YES] = logits[5, NO] = 20
    assert text_losses(logits, batch, END)[2] == 1


def test_presence_is_asked_of_every_answer(batch):
    presence = torch.tensor([-0.7, 1.9])
    p = 1 / (1 + np.exp(-presence.numpy().astype(float)))
    by_hand = -(np.log(p[0]) + np.log(1 - p[1])) / 2  # the first answer is yes, the second no
    assert float(presence_loss(presence, batch, YES)) == pytest.approx(by_hand, rel=1e-5)


def test_background_patches_count_a_fifth():
    labels = np.array([[[0, BACKGROUND], [3, BACKGROUND]]], dtype=np.int8)
    logits = torch.randn(1, 4, BACKGROUND + 1, generator=torch.Generator().manual_seed(1))
    logits[0, 0, 0] = 9  # the one object that is named rightly
    weights = np.array([1, 0.2, 1, 0.2])
    terms = -log_softmax(logits)[0, np.arange(4), labels.ravel()]
    loss, share = patch_loss(logits, labels)
    assert float(loss) == pytest.approx((weights * terms).sum() / weights.sum(), rel=1e-5)
    assert share == np.mean([1, int(logits[0, 2].argmax()) == 3])
