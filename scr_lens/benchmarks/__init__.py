"""Benchmark files as typed records, and POPE built from any annotated images.

*Ground truth* is the ordered object list of each image; a *split* is a set of questions with one rule for
choosing absent objects; a *unique question* is an (image, object) pair that several splits may share.
"""

from scr_lens.benchmarks.coco import (
    CocoCaption,
    CocoCaptions,
    CocoCategory,
    CocoImage,
    CocoInstance,
    CocoInstances,
    ImageObjects,
    captions_by_image,
    image_objects,
    read_captions,
    read_instances,
)
from scr_lens.benchmarks.pope_builder import (
    build_split,
    build_splits,
    question_text,
    select_images,
    to_json_lines,
)
from scr_lens.benchmarks.pope_reader import (
    SPLITS,
    PopeQuestion,
    UniqueQuestion,
    deduplicate,
    extract_object,
    read_ground_truth,
    read_questions,
    resolve_image,
)

__all__ = [
    "SPLITS",
    "CocoCaption",
    "CocoCaptions",
    "CocoCategory",
    "CocoImage",
    "CocoInstance",
    "CocoInstances",
    "ImageObjects",
    "PopeQuestion",
    "UniqueQuestion",
    "build_split",
    "build_splits",
    "captions_by_image",
    "deduplicate",
    "extract_object",
    "image_objects",
    "question_text",
    "read_captions",
    "read_ground_truth",
    "read_instances",
    "read_questions",
    "resolve_image",
    "select_images",
    "to_json_lines",
]
