"""Every body is an ordinary checkpoint: saved, loaded by path, asked about its own pictures."""

import pytest
import torch
from tiny_organism import ORGANISMS, save_organism

from scr_lens.errors import ConfigError
from scr_lens.organisms.bodies import BODIES, body_for
from scr_lens.organisms.bodies.qwen_vl import look_at_own_cell
from scr_lens.organisms.recipe import RECIPES, Recipe
from scr_lens.organisms.render import render_scene
from scr_lens.organisms.world import sample_scene
from scr_lens.trace import Sample, load, run_pass


def test_every_body_has_a_recipe_and_every_recipe_a_body():
    assert {recipe.model_type for recipe in RECIPES.values()} == set(BODIES) == set(ORGANISMS)


def test_an_architecture_without_a_body_is_refused():
    with pytest.raises(ConfigError, match="organism architecture 'internvl': expected one of"):
        body_for("internvl")


@pytest.mark.parametrize("model_type", sorted(BODIES))
def test_a_saved_organism_loads_and_sees_the_recipe_s_grids(model_type, tmp_path):
    recipe = save_organism(model_type, tmp_path)
    lens = load(tmp_path, device="cpu")
    assert (lens.model_type, lens.config.scr_lens_organism) == (model_type, recipe.name)
    scenes = [render_scene(sample_scene("test", k), c) for k, c in enumerate(recipe.canvases)]
    batch = lens.prepare([Sample(scene.image, question="Is there a dog in the image?") for scene in scenes])
    assert [layout.grid for layout in batch.layouts] == [recipe.grid(c) for c in recipe.canvases]
    body = body_for(model_type)
    prefix = body.prefix_ids(lens.processor.tokenizer, recipe.grid(recipe.canvases[0]))
    first = batch.encoding["input_ids"][0][batch.encoding["attention_mask"][0].bool()]
    assert first[: len(prefix)].tolist() == prefix
    answer = run_pass(lens, batch).samples[0].yes_no(lens)
    assert 0 < answer.p_yes < 1 and 0 < answer.p_no < 1


QUERY_CENTERS, PATCH_CENTERS = (
    torch.cartesian_prod(*[(torch.arange(side) + 0.5) * 96 / side] * 2) for side in (12, 16)
)


def own_share(weights):
    """Attention on the patches that reach into the query's own cell, half a patch beyond it at most."""
    distance = (QUERY_CENTERS[:, None] - PATCH_CENTERS[None]).abs().amax(-1)
    return (weights * (distance < 4 + 3)).sum(1)


def off_center(weights):
    """Pixels between a query's center and the center of what it looks at."""
    return (weights @ PATCH_CENTERS - QUERY_CENTERS).norm(dim=-1)


@pytest.mark.parametrize("width", [32, 128])
def test_a_resampler_s_queries_start_at_their_own_cells(width):
    recipe = Recipe(name="tiny", model_type="qwen", vision_width=16, vision_layers=1, d_model=width)
    body = body_for("qwen")
    visual = body.model(recipe, body.processor(recipe)).model.visual
    with torch.no_grad():
        weights = visual.attn_pool.weights(visual.patches(torch.randn(1, 3, 96, 96)))[0]
    assert weights.shape == (144, 256)
    assert own_share(weights).min() > 0.4 and off_center(weights).max() < 4  # pixels: in the cell
    random = body.model(recipe, body.processor(recipe)).model.visual.attn_pool
    random.attn._reset_parameters()
    with torch.no_grad():
        weights = random.weights(visual.patches(torch.randn(1, 3, 96, 96)))[0]
    assert own_share(weights).max() < 0.1 and off_center(weights).max() > 20
    look_at_own_cell(random)
    assert torch.equal(random.attn.in_proj_weight[:width], visual.attn_pool.attn.in_proj_weight[:width])
