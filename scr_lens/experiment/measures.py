"""What is measured apart from the questions: boxes, references, autocorrelation and gradient credit."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

from scr_lens.analysis.correlation import pearson, spearman
from scr_lens.analysis.entropy import credit_entropy
from scr_lens.analysis.spatial import DISTANCES, autocorrelation_profile, pixel_vectors
from scr_lens.benchmarks import read_captions, read_instances
from scr_lens.evidence.evidence import P3_MEASURE
from scr_lens.grid import PatchGrid
from scr_lens.pictures import read_image
from scr_lens.questions import Question
from scr_lens.trace import Lens, Sample, credit_maps

_BATCH = 24


def boxes_of(instances: Path, image_ids: Sequence[str]) -> pd.DataFrame:
    """Objects in some images.

    Args:
        instances: COCO instances file.
        image_ids: File names of the images.

    Returns:
        Rows of the side table "boxes".
    """
    found = read_instances(instances)
    images = {image.id: image for image in found.images if image.file_name in set(image_ids)}
    names = {category.id: category.name for category in found.categories}
    rows = [
        (images[a.image_id].file_name, names[a.category_id], *a.bbox, images[a.image_id].width,
         images[a.image_id].height)
        for a in found.annotations
        if a.image_id in images
    ]  # fmt: skip
    columns = ["image_id", "object", "x", "y", "width", "height", "image_width", "image_height"]
    return pd.DataFrame(rows, columns=columns)


def references_of(captions: Path) -> pd.DataFrame:
    """Reference captions of all images of a file.

    Args:
        captions: COCO captions file.

    Returns:
        Rows of the side table "references"; images go by their COCO id, as in caption runs.
    """
    rows = [(str(a.image_id), a.caption) for a in read_captions(captions).annotations]
    return pd.DataFrame(rows, columns=["image_id", "caption"])


def caption_objects_of(instances: Path) -> pd.DataFrame:
    """Objects in all images of a file.

    Args:
        instances: COCO instances file.

    Returns:
        Rows of the side table "caption_objects"; images go by their COCO id, as in caption runs.
    """
    found = read_instances(instances)
    names = {category.id: category.name for category in found.categories}
    rows = sorted({(str(a.image_id), names[a.category_id]) for a in found.annotations})
    return pd.DataFrame(rows, columns=["image_id", "object"])


def autocorrelation_of(lens: Lens, questions: Sequence[Question]) -> pd.DataFrame:
    """Spatial autocorrelation of the pixels of every image, on the model's grid.

    Args:
        lens: The model, for its grid.
        questions: Questions; each image is measured once.

    Returns:
        Rows of the side table "autocorrelation", one per image and distance.
    """

    @cache
    def grid_of(size: tuple[int, int]) -> PatchGrid:
        sample = Sample(Image.new("RGB", size), question="Is there a thing in the image?")
        return lens.prepare([sample]).layouts[0].grid

    rows = []
    for image_id, path in {q.image_id: q.image for q in questions}.items():
        picture = read_image(path)[0].convert("RGB")
        grid = grid_of(picture.size)
        distances = [d for d in DISTANCES if d < min(grid.height, grid.width)]
        rho = autocorrelation_profile(pixel_vectors(np.asarray(picture), grid), grid, distances=distances)
        rows += [(image_id, P3_MEASURE, d, float(r)) for d, r in zip(distances, rho, strict=True)]
    return pd.DataFrame(rows, columns=["image_id", "measure", "distance", "rho"])


def credit_of(lens: Lens, questions: Sequence[Question], estimators: Sequence[str]) -> pd.DataFrame:
    """Correlation of the patch norm with every credit estimator, block by block.

    The last block is left out for gradient estimators, which are exactly 0 there; so is any block where
    credit is constant.

    Args:
        lens: The model.
        questions: Questions, best one per image.
        estimators: Names of `trace.credit.ESTIMATORS`.

    Returns:
        Rows of the side table "credit".
    """
    parts = [
        _credit_rows(lens, questions[start : start + _BATCH], estimators)
        for start in range(0, len(questions), _BATCH)
    ]
    return pd.concat(parts, ignore_index=True)


def _credit_rows(lens: Lens, questions: Sequence[Question], estimators: Sequence[str]) -> pd.DataFrame:
    samples = [Sample(read_image(q.image)[0], question=q.text, image_id=q.image_id) for q in questions]
    batch = lens.prepare(samples)
    norms = credit_maps(lens, batch, "norm")
    rows = []
    for estimator in estimators:
        for question, norm, credit in zip(questions, norms, credit_maps(lens, batch, estimator), strict=True):
            rows += _layers(question, estimator, norm, credit)
    columns = ["image_id", "question", "estimator", "layer", "pearson", "spearman", "entropy_nats"]
    return pd.DataFrame(rows, columns=columns)


def _layers(
    question: Question, estimator: str, norm: torch.Tensor, credit: torch.Tensor
) -> list[tuple[object, ...]]:
    left, right = (part.detach().numpy().astype(np.float64) for part in (norm, credit))
    known = [layer for layer in range(len(left)) if np.ptp(right[layer]) > 0]
    if not known:
        return []
    r, rho = pearson(left[known], right[known]), spearman(left[known], right[known])
    entropy = credit_entropy(right[known], normalize=False)
    cells = (question.image_id, question.text, estimator)
    return [
        (*cells, layer, float(a), float(b), float(h))
        for layer, a, b, h in zip(known, r, rho, entropy, strict=True)
    ]


def one_per_image(questions: Sequence[Question], count: int) -> list[Question]:
    """One question about each of the first images, present and absent objects in turn.

    Args:
        questions: Questions, any order.
        count: Images.

    Returns:
        At most `count` questions on distinct images, by name of the image.
    """
    by_image: dict[str, list[Question]] = {}
    for question in sorted(questions, key=lambda q: (q.image_id, q.text)):
        by_image.setdefault(question.image_id, []).append(question)
    chosen = []
    for number, asked in enumerate(list(by_image.values())[:count]):
        wanted = [q for q in asked if q.label == ("yes", "no")[number % 2]]
        chosen.append((wanted or asked)[0])
    return chosen
