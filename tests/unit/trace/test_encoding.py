"""What a processor refuses is refused as bad input, with the pictures it was given."""

import pytest
from families import family_twins
from tiny import QUESTIONS, noise_image

from scr_lens.errors import DataError
from scr_lens.trace import Sample


def test_a_picture_that_the_processor_refuses_is_named_by_its_size() -> None:
    lens = family_twins("qwen2_vl").lens
    good, bad = (
        Sample(noise_image(), question=QUESTIONS[0]),
        Sample(noise_image(0, 900, 3), question=QUESTIONS[0]),
    )
    lens.prepare(good)
    with pytest.raises(
        DataError, match=r"'qwen2_vl' refuses .*aspect ratio.*: 64 x 48, 900 x 3 pixels; crop"
    ):
        lens.prepare([good, bad])
