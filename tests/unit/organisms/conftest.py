import pytest

from scr_lens.organisms.corpus import load_corpus
from scr_lens.organisms.recipe import Recipe


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    return Recipe(
        name="tiny",
        model_type="llava",
        side=32,
        patch=8,
        vision_width=16,
        vision_layers=1,
        d_model=16,
        n_layers=2,
        d_mlp=24,
        train_scenes=24,
        batch=4,
        questions=4,
        pretrain_steps=6,
        steps=6,
        warmup=2,
    )


@pytest.fixture(scope="session")
def tiny_corpus(tiny_recipe, tmp_path_factory):
    return load_corpus("train", 24, tiny_recipe.side, tiny_recipe.patch, tmp_path_factory.mktemp("world"))
