import copy

import numpy as np
import pytest
import torch

from scr_lens.organisms import training, training_state
from scr_lens.organisms.bodies import body_for
from scr_lens.organisms.corpus import BACKGROUND
from scr_lens.organisms.training import (
    batch_indices,
    initialize,
    pretrain_vision,
    schedule,
    step_pictures,
    train_jointly,
)

CPU = torch.device("cpu")


def test_the_schedule_warms_up_and_ends_at_zero():
    shares = [schedule(step, 100, 10) for step in range(100)]
    assert shares[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert shares[10] == pytest.approx(1) and shares[55] == pytest.approx(0.5, abs=0.02)
    assert 0 < shares[-1] < 0.001 and sorted(shares[10:], reverse=True) == shares[10:]


def test_an_epoch_shows_every_picture_once():
    seen = np.concatenate([batch_indices(24, 4, step, (0, 1)) for step in range(6)])
    assert sorted(seen) == list(range(24))
    following = np.concatenate([batch_indices(24, 4, step, (0, 1)) for step in range(6, 12)])
    assert sorted(following) == list(range(24)) and not np.array_equal(seen, following)


def test_canvases_take_turns_and_each_shows_its_pictures_once(tiny_recipe, tiny_corpora):
    corpora = (tiny_corpora[0],) * 2
    drawn = [step_pictures(corpora, tiny_recipe, step, 1) for step in range(12)]
    assert [which for which, _ in drawn] == [0, 1] * 6
    for which in (0, 1):
        seen = np.concatenate([indices for turn, indices in drawn if turn == which])
        assert sorted(seen) == list(range(24))


def run(recipe, corpora, cache):
    body = body_for(recipe.model_type)
    processor = body.processor(recipe)
    model = body.model(recipe, processor)
    log = []
    patch_head = pretrain_vision(model, body, corpora, recipe, cache, CPU, log.append)
    initialize(model, body, processor, corpora[0], CPU)
    seen = copy.deepcopy(body.encoder(model).state_dict())
    train_jointly(model, body, patch_head, processor, corpora, recipe, cache, CPU, log.append)
    stayed = all(
        torch.equal(a, b)
        for a, b in zip(seen.values(), body.encoder(model).state_dict().values(), strict=True)
    )
    assert stayed is not body.sees_jointly or not log  # nothing is trained when all of it was done before
    return model, log


def test_a_stopped_training_resumes_exactly(tiny_recipe, tiny_corpora, tmp_path, monkeypatch):
    monkeypatch.setattr(training_state, "SAVE_EVERY", 2)
    whole, log = run(tiny_recipe, tiny_corpora, tmp_path / "whole")
    assert {entry["phase"] for entry in log} == {0, 1}
    plain, calls = training._update, []

    def stopping(*arguments):
        calls.append(1)
        if len(calls) in (4, 12):
            raise KeyboardInterrupt
        return plain(*arguments)

    monkeypatch.setattr(training, "_update", stopping)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(tiny_recipe, tiny_corpora, tmp_path / "parts")
    resumed, _ = run(tiny_recipe, tiny_corpora, tmp_path / "parts")
    for (name, a), b in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b), name
    body = body_for(tiny_recipe.model_type)
    untrained = body.model(tiny_recipe, body.processor(tiny_recipe))
    moved = [not torch.equal(a, b) for a, b in zip(whole.parameters(), untrained.parameters(), strict=True)]
    assert np.mean(moved) > 0.9


def test_the_state_of_another_recipe_is_not_used(tiny_recipe, tiny_corpora, tmp_path):
    from dataclasses import replace

    first, _ = run(tiny_recipe, tiny_corpora, tmp_path)
    again, _ = run(replace(tiny_recipe, lr=1e-3), tiny_corpora, tmp_path)
    fresh, _ = run(replace(tiny_recipe, lr=1e-3), tiny_corpora, tmp_path / "fresh")
    weights = [m.lm_head.weight for m in (first, again, fresh)]
    assert torch.equal(weights[1], weights[2]) and not torch.equal(weights[0], weights[1])


def test_a_larger_organism_starts_from_the_smaller_one_s_tower(tiny_recipe, tiny_corpora, tmp_path):
    from dataclasses import replace

    body = body_for(tiny_recipe.model_type)
    larger = replace(tiny_recipe, name="larger", tower=tiny_recipe.name, n_layers=3)
    encoders = []
    for each, entries in ((tiny_recipe, 1), (larger, 0)):
        model, log = body.model(each, body.processor(each)), []
        pretrain_vision(model, body, tiny_corpora, each, tmp_path, CPU, log.append)
        encoders.append(body.encoder(model).state_dict())
        assert len(log) == entries
    assert all(torch.equal(encoders[0][name], encoders[1][name]) for name in encoders[0])


def test_words_start_where_their_patches_are(tiny_recipe, tiny_corpus):
    body = body_for(tiny_recipe.model_type)
    processor = body.processor(tiny_recipe)
    model = body.model(tiny_recipe, processor)
    before = copy.deepcopy(model.get_input_embeddings().weight)
    initialize(model, body, processor, tiny_corpus, CPU)
    after = model.get_input_embeddings().weight.detach()
    labels = tiny_corpus.patch_labels.reshape(-1)
    with torch.no_grad():
        pixels = body.normalize(tiny_corpus.pixels, CPU)
        features = body.image_embeddings(model, body.patch_features(model, pixels)).flatten(0, 1)
    seen = [c for c in range(BACKGROUND) if (labels == c).any()]
    means = torch.stack([features[torch.from_numpy(labels == c)].mean(0) for c in seen])
    centered = means - means.mean(0)
    words = [
        processor.tokenizer(training.CATEGORY_NAMES[c], add_special_tokens=False).input_ids[0] for c in seen
    ]
    similarity = torch.nn.functional.cosine_similarity(centered[:, None], after[words][None], dim=-1)
    assert (similarity.argmax(1) == torch.arange(len(seen))).float().mean() > 0.8
    unchanged = processor.tokenizer.convert_tokens_to_ids("yes")
    assert torch.equal(before[unchanged], after[unchanged])
    assert float(features.norm(dim=-1).mean()) == pytest.approx(
        float(after[words].norm(dim=-1).mean()), rel=0.02
    )
    for block in body.decoder(model).layers:
        width, attention = block.self_attn.head_dim, block.self_attn
        for head, query in enumerate(attention.q_proj.weight.split(width)[:: attention.num_key_value_groups]):
            assert torch.equal(query, attention.k_proj.weight[head * width : (head + 1) * width])
