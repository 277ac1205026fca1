import pytest
from tiny_organism import TINY_WIDTHS

from scr_lens.organisms.bodies import BODIES
from scr_lens.organisms.canvas import Canvas
from scr_lens.organisms.corpus import load_corpora
from scr_lens.organisms.recipe import Recipe

SQUARE, WIDE = Canvas(32, 32), Canvas(24, 48)
CANVASES = {"llava": (SQUARE,), "chameleon": (SQUARE,), "qwen2_vl": (WIDE, SQUARE), "qwen": (Canvas(48, 48),)}


@pytest.fixture(scope="session", params=sorted(BODIES))
def tiny_recipe(request) -> Recipe:
    return Recipe(
        name="tiny",
        model_type=request.param,
        canvases=CANVASES[request.param],
        patch=8,
        vision_width=TINY_WIDTHS[request.param],
        vision_layers=1,
        n_codes=64,
        d_model=32,
        n_layers=2,
        d_mlp=24,
        train_scenes=24 * len(CANVASES[request.param]),
        batch=4,
        questions=4,
        pretrain_steps=6,
        steps=6,
        warmup=2,
    )


@pytest.fixture(scope="session")
def tiny_corpora(tiny_recipe, tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    return load_corpora("train", tiny_recipe.train_scenes, tiny_recipe.canvases, tiny_recipe.patch, folder)


@pytest.fixture(scope="session")
def tiny_corpus(tiny_corpora):
    return tiny_corpora[0]
