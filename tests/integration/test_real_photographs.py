"""Real photographs and real annotations, where they are at hand."""

import json

import numpy as np
import pytest
from PIL import Image

from scr_lens.benchmarks import build_splits, image_objects, read_instances
from scr_lens.figures import inspection_figure
from scr_lens.inspection import inspect_image
from scr_lens.models import caveat, load
from scr_lens.pictures import read_image
from scr_lens.trace import Sample


@pytest.fixture(scope="module")
def photographs(real_data):
    return sorted((real_data / "coco_mini" / "images").glob("*.jpg"))


@pytest.fixture(scope="module")
def organism():
    return load()


def test_every_photograph_can_be_read(photographs):
    assert len(photographs) > 40
    for path in photographs:
        image, digest = read_image(path)
        assert image.mode == "RGB" and min(image.size) > 50 and len(digest) == 64


def test_photographs_of_any_shape_are_inspected(photographs, organism):
    shapes = {}
    for path in photographs:
        with Image.open(path) as image:
            shapes.setdefault(image.width > image.height, path)
    assert len(shapes) == 2
    for path in shapes.values():
        image, _ = read_image(path)
        sample = Sample(image, question="Is there a dog in the image?", image_id=path.name)
        inspection = inspect_image(organism, sample, note=caveat(organism))
        assert inspection.before.resid_norm.shape == (organism.n_layers, 144)
        assert np.isfinite(inspection.after.resid_norm).all()
        assert inspection.plan is not None and len(inspection.plan.sources) == 8
        assert "rendered world" in json.dumps(inspection.to_dict())
        assert len(inspection_figure(inspection).get_axes()) > 10


def test_pope_is_built_from_real_annotations(real_data):
    (path,) = sorted((real_data / "coco_mini" / "annotations").glob("instances_val*.json"))
    truth = image_objects(read_instances(path), order="annotation")
    splits = build_splits(truth, seed=0)
    present = {entry.image: set(entry.objects) for entry in truth}
    for questions in splits.values():
        assert len(questions) % 6 == 0 and len(questions) > 60
        assert all((q.object in present[q.image]) == (q.label == "yes") for q in questions)
