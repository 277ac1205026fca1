"""A process that runs a tiny model's run again and again, each time in a child that a test may kill.

Called as `python run_child.py FOLDER`: loads torch and the model once, says "ready", and for each line
`RUN SHARD` on its input forks a child that runs that shard of the run, and says the child's number; for each
line `wait PID` it waits for a child and says how it ended.
"""

import os
import sys
from pathlib import Path

import torch
from tiny import build_twins, noise_image

from scr_lens.chunks import Shard
from scr_lens.config import ScrConfig
from scr_lens.execute import execute
from scr_lens.questions import standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.tasks import Pope

N_IMAGES = 48
OBJECTS = ("dog", "cat", "ball")


def config(folder: Path) -> RunConfig:
    """A run of one image per chunk."""
    return RunConfig(
        model="tiny",
        device="cpu",
        batch_size=len(OBJECTS),
        benchmark=Pope(files=(str(folder / "pope_random.json"),), images=str(folder)),
        conditions=standard_conditions(["vanilla", "scr"], ScrConfig(n_sources=3)),
    )


def write_questions(folder: Path) -> None:
    """Pictures and a question file."""
    lines = []
    for image in range(N_IMAGES):
        noise_image(image).save(folder / f"{image:02d}.png")
        lines += [
            f'{{"question_id": {len(lines) + k}, "image": "{image:02d}.png", '
            f'"text": "Is there a {name} in the image?", "label": "no"}}\n'
            for k, name in enumerate(OBJECTS)
        ]
    (folder / "pope_random.json").write_text("".join(lines))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def main(folder: Path) -> None:
    torch.set_num_threads(1)
    lens = build_twins().lens
    settings = config(folder)
    say("ready")
    for line in sys.stdin:
        run, argument = line.split()
        if run == "wait":
            say(str(os.waitstatus_to_exitcode(os.waitpid(int(argument), 0)[1])))
        elif (child := os.fork()) == 0:
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
            execute(settings, run, shard=Shard.parse(argument), lens=lens)
            os._exit(0)
        else:
            say(str(child))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
