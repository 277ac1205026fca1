"""Questions about pictures of noise, shared by the tests of runs."""

from pathlib import Path

from tiny import noise_image

from scr_lens.pictures import read_image
from scr_lens.questions import Question
from scr_lens.trace import Batch, Lens, Sample

ASKED = {"dog": "is there a dog ?", "red ball": "is there a red ball in the picture ?"}


def make_questions(folder: Path, n_images: int) -> list[Question]:
    """Every question of `ASKED` about each of some pictures, which are written to the folder."""
    made = []
    for k in range(n_images):
        path = folder / f"image{k}.png"
        noise_image(k).save(path)
        made += [
            Question(image=path, image_id=path.name, text=text, object=name, label="yes", splits=("random",))
            for name, text in ASKED.items()
        ]
    return made


def make_requests(questions: list[Question]) -> list[Question]:
    """One request for a caption per picture."""
    return [
        Question(image=q.image, image_id=str(n), text="describe this image .")
        for n, q in enumerate(questions[:: len(ASKED)])
    ]


def asked_alone(lens: Lens, question: Question) -> Batch:
    """A question prepared by itself."""
    return lens.prepare(Sample(read_image(question.image)[0], question=question.text))
