"""Captions of a run, scored one by one: CHAIR counts and CIDEr-D."""

from typing import Final

import pandas as pd

from scr_lens.metrics.chair import caption_ground_truth, chair_score
from scr_lens.metrics.chair_vocabulary import builtin_vocabulary
from scr_lens.metrics.cider import cider_score

SINGULARIZATION: Final = "lemma"
"""How words are made singular before CHAIR looks them up: OPERA's way."""


def score_captions(rows: pd.DataFrame, objects: pd.DataFrame, references: pd.DataFrame) -> pd.DataFrame:
    """Score every stored caption.

    Args:
        rows: Rows of a caption run: image_id, condition, answer_text; failed ones are left out.
        objects: Side table of objects in the images.
        references: Side table of reference captions.

    Returns:
        One row per image and condition, sorted: condition, image_id, caption, n_words, n_mentions,
        n_hallucinated (mentions of absent objects), cider (CIDEr-D x 100, as papers print it; document
        frequencies over the images captioned), n_objects (objects in the image) and n_recalled (those of
        them that the caption mentions).

    Raises:
        DataError: If an image has no objects or no reference.
    """
    usable = rows[(rows["status"] == "ok") & rows["answer_text"].notna()]
    number = {
        name: k for k, name in enumerate(sorted(set(objects["image_id"]) | set(references["image_id"])))
    }
    said = {number[name]: list(part) for name, part in references.groupby("image_id")["caption"]}
    seen = {number[name]: sorted(set(part)) for name, part in objects.groupby("image_id")["object"]}
    vocabulary = builtin_vocabulary()
    truth = caption_ground_truth(said, seen, vocabulary, SINGULARIZATION)
    parts = []
    for condition, part in usable.sort_values(["condition", "image_id"]).groupby("condition", sort=True):
        pairs = [
            (number[image], text) for image, text in zip(part["image_id"], part["answer_text"], strict=True)
        ]
        chair = chair_score(pairs, truth, vocabulary, SINGULARIZATION).captions
        cider = cider_score(dict(pairs), {k: said[k] for k, _ in pairs}).per_image
        parts.append(
            pd.DataFrame(
                {
                    "condition": condition,
                    "image_id": part["image_id"].to_list(),
                    "caption": part["answer_text"].to_list(),
                    "n_words": [caption.n_words for caption in chair],
                    "n_mentions": [len(caption.mentions) for caption in chair],
                    "n_hallucinated": [len(caption.hallucinated) for caption in chair],
                    "cider": [100 * cider[k] for k, _ in pairs],
                    "n_objects": [len(caption.objects) for caption in chair],
                    "n_recalled": [len(caption.recalled) for caption in chair],
                }
            )
        )
    return pd.concat(parts, ignore_index=True)
