"""Doing a picture once changes no bit of the inputs."""

import torch
from tiny import Twins, noise_image

from scr_lens.trace.image_once import EachImageOnce, each_image_once


def test_the_encoding_is_bitwise_that_of_one_image_per_question(twins: Twins) -> None:
    lens = twins.lens
    pictures = [noise_image(index, *size) for index, size in enumerate(twins.sizes)]
    images = [pictures[index] for index in (0, 1, 0, 2, 1, 0)]
    placeholder = lens.family.placeholder(lens.processor)
    prompts = [lens.family.default_prompt(placeholder, "is there a dog ?" + " ?" * n) for n in range(6)]
    plain = lens.family.encode(lens.processor, images, prompts)
    once = lens.family.encode(each_image_once(lens.processor), images, prompts)
    assert plain.keys() == once.keys()
    for name, value in plain.items():
        assert torch.equal(once[name], value)
        assert once[name].dtype == value.dtype


def test_each_distinct_picture_is_processed_once(twins: Twins) -> None:
    lens, seen = twins.lens, []
    before = lens.processor.image_processor

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(before, name)

        def __call__(self, images: list[object], **kwargs: object) -> object:
            seen.extend(images)
            return before(images, **kwargs)

    first, second = noise_image(0, *twins.sizes[0]), noise_image(1, *twins.sizes[0])
    once = EachImageOnce(Counting())
    once([first, second, first, first], return_tensors="pt")
    assert [id(image) for image in seen] == [id(first), id(second)]
    each_image_once(lens.processor)
    assert lens.processor.image_processor is before
