import pytest

from scr_lens.errors import ConfigError
from scr_lens.organisms.recipe import RECIPES, recipe


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].tower])
def test_a_shared_tower_has_the_same_settings(name):
    own, tower = recipe(name), recipe(recipe(name).tower)
    assert own.vision_settings == tower.vision_settings and own.model_type == tower.model_type
    assert tower.tower is None


def test_how_the_decoder_is_trained_does_not_repeat_the_dense_phase():
    plain = recipe("llava-small").vision_settings
    assert plain["name"] == "llava-small" and {"vision_width", "pretrain_steps", "seed"} <= set(plain)
    assert not {"d_model", "steps", "caption_weight", "tower"} & set(plain)


def test_an_unknown_name_is_refused_with_the_closest():
    with pytest.raises(ConfigError, match="did you mean 'llava-small'"):
        recipe("lava-small")
