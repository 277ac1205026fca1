import copy

import numpy as np
import pytest
import torch

from scr_lens.organisms.bodies import body_for
from scr_lens.organisms.corpus import BACKGROUND
from scr_lens.organisms.icons import CATEGORY_NAMES
from scr_lens.organisms.initialization import features_of, initialize

CPU = torch.device("cpu")


def test_features_are_those_of_one_batch_without_gradients(tiny_recipe, tiny_corpus):
    body = body_for(tiny_recipe.model_type)
    model = body.model(tiny_recipe, body.processor(tiny_recipe))
    chosen = np.array([5, 0, 3])
    found = features_of(model, body, tiny_corpus, chosen, CPU)
    each = [body.patch_features(model, body.normalize(tiny_corpus.pixels[k : k + 1], CPU)) for k in chosen]
    assert found.shape[:2] == (3, tiny_corpus.grid.size) and not found.requires_grad
    assert torch.allclose(found, torch.cat(each), atol=1e-5)


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
    words = [processor.tokenizer(CATEGORY_NAMES[c], add_special_tokens=False).input_ids[0] for c in seen]
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
