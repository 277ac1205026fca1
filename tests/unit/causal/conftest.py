from pathlib import Path

import pytest
from tiny import build_twins, noise_image

from scr_lens.causal import Asked
from scr_lens.questions import Question
from scr_lens.trace import Lens

TEXTS = {"dog": "is there a dog ?", "cat": "is there a red cat in the image ?"}


def questions_in(folder: Path, split: str, n_images: int) -> tuple[Question, ...]:
    made = []
    for k in range(n_images):
        path = folder / f"{split}_{k:06d}.png"
        noise_image(k).save(path)
        made += [
            Question(
                image=path,
                image_id=path.name,
                text=text,
                object=name,
                label=("yes", "no")[(k + number) % 2],
                splits=("adversarial",),
            )
            for number, (name, text) in enumerate(TEXTS.items())
        ]
    return tuple(made)


@pytest.fixture(scope="session")
def lens() -> Lens:
    return build_twins().lens


@pytest.fixture(scope="session")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    folder = tmp_path_factory.mktemp("pictures")
    return Asked(questions=questions_in(folder, "test", 4), split="test")
