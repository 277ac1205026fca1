"""Pictures taken out of encodings, changed and put back; adversarial and covered ones."""

from dataclasses import replace

import pytest
import torch
from families import family_twins
from tiny import Twins, noise_image

from scr_lens.decoding.avcd import PixelScale, adversarial, similarity
from scr_lens.decoding.method import Context
from scr_lens.decoding.object_mask import ObjectMask
from scr_lens.decoding.pixels import PIXELS, Picture, joined, pictures, with_pictures
from scr_lens.decoding.text_prompt import text_only_inputs, without_picture
from scr_lens.decoding.tower import class_attention, tower_features
from scr_lens.errors import ContractError
from scr_lens.grid import PatchGrid
from scr_lens.interventions import Identity
from scr_lens.trace import Batch, Lens, Sample


@pytest.fixture(scope="module")
def llava() -> Twins:
    return family_twins("llava")


@pytest.fixture(scope="module")
def qwen() -> Twins:
    return family_twins("qwen2_vl")


@pytest.mark.parametrize("name", ["llava", "qwen2_vl"])
def test_pictures_go_back_as_they_were(name: str) -> None:
    twins = family_twins(name)
    shown = pictures(twins.lens, twins.batch)
    assert len(shown) == 3
    assert torch.equal(joined(shown), twins.batch.encoding[PIXELS])
    inputs = with_pictures(twins.lens, twins.batch, shown)
    for key, value in twins.batch.forward_inputs.items():
        assert torch.equal(inputs[key], value)


def test_frames_of_a_still_image_share_their_noise(qwen: Twins) -> None:
    picture = pictures(qwen.lens, qwen.batch)[1]
    assert picture.is_patches
    noise = picture.noise(torch.Generator().manual_seed(0))
    assert noise.shape == picture.values.shape
    assert torch.equal(noise[:, 0], noise[:, 1])
    assert noise[:, 0].std() == pytest.approx(1, abs=0.05)


def test_filling_a_cell_changes_its_pixels_only(llava: Twins) -> None:
    picture = pictures(llava.lens, llava.batch)[0]
    cells = torch.zeros(36, dtype=torch.bool)
    cells[8] = True  # row 1, column 2 of 6 x 6 cells of 14 pixels
    changed = picture.filled(cells)
    expected = picture.values.clone()
    expected[..., 14:28, 28:42] = picture.values.mean((0, 2, 3)).view(1, 3, 1, 1)
    torch.testing.assert_close(changed.values, expected)


def test_filling_a_cell_of_patches_changes_what_its_token_reads(qwen: Twins) -> None:
    batch = qwen.lens.prepare(Sample(noise_image(3, 112, 84), question="is there a dog ?"))
    picture = pictures(qwen.lens, batch)[0]
    features = tower_features_of(qwen.lens, batch, picture)
    cells = torch.zeros(picture.grid.size, dtype=torch.bool)
    cells[4] = True
    changed = picture.filled(cells)
    rows = (joined([changed]) != joined([picture])).any(-1).nonzero()[:, 0].tolist()
    assert rows == [16, 17, 18, 19]  # four patches are merged into one token
    moved = (tower_features_of(qwen.lens, batch, changed) - features).norm(dim=-1)
    assert int(moved.argmax()) == 4


def tower_features_of(lens: Lens, batch: Batch, picture: Picture) -> torch.Tensor:
    with torch.no_grad():
        return tower_features(lens, {**batch.encoding, PIXELS: joined([picture])})


def test_tiled_pictures_have_no_cells() -> None:
    tiled = Picture(values=torch.zeros(1, 4, 3, 8, 8), grid=PatchGrid(2, 2), is_patches=False)
    with pytest.raises(ContractError, match="cut into 4 tiles"):
        tiled.filled(torch.ones(4, dtype=torch.bool))


def test_an_encoding_without_pixels_is_refused(llava: Twins) -> None:
    encoding = {k: v for k, v in llava.batch.encoding.items() if k != PIXELS}
    with pytest.raises(ContractError, match="no 'pixel_values'"):
        pictures(llava.lens, replace(llava.batch, encoding=encoding))


@pytest.mark.parametrize("name", ["llava", "chameleon", "qwen2_vl"])
def test_adversarial_pictures_lower_the_similarity_within_the_budget(name: str) -> None:
    twins = family_twins(name)
    lens, batch = twins.lens, twins.batch
    originals, scale = pictures(lens, batch), PixelScale.of(lens)

    def attack(steps: int, epsilon: float = 16) -> list[Picture]:
        starts = [torch.Generator().manual_seed(i) for i in range(3)]
        return adversarial(lens, batch, epsilon, steps, starts) if steps else originals_moved(epsilon, starts)

    def originals_moved(epsilon: float, starts: list[torch.Generator]) -> list[Picture]:
        moved = [
            p.values + scale.unit * epsilon * (2 * p.noise(g, torch.rand) - 1)
            for p, g in zip(originals, starts, strict=True)
        ]
        return [
            replace(p, values=v.clamp(scale.low, scale.high)) for p, v in zip(originals, moved, strict=True)
        ]

    with torch.no_grad():
        target = tower_features(lens, batch.encoding)
        random, attacked = (float(similarity(lens, batch, attack(steps), target)) for steps in (0, 2))
    assert attacked < random < 1
    for before, after in zip(originals, attack(2), strict=True):
        reach = ((after.values - before.values).abs() / scale.unit).max()
        assert 8 < float(reach) <= 16 * (1 + 1e-4)
        assert (after.values >= scale.low - 1e-6).all()
        assert (after.values <= scale.high + 1e-6).all()
        if after.is_patches:
            assert torch.equal(after.values[:, 0], after.values[:, 1])


def test_without_a_random_start_there_is_no_direction(llava: Twins) -> None:
    """At the picture itself the similarity is at its maximum: the gradient is rounding noise."""
    originals = pictures(llava.lens, llava.batch)
    with torch.no_grad():
        target = tower_features(llava.lens, llava.batch.encoding)

    def slope(distance: float) -> float:
        noise = [p.noise(torch.Generator().manual_seed(1)) for p in originals]
        moved = [
            (p.values + distance * n).requires_grad_(True) for p, n in zip(originals, noise, strict=True)
        ]
        shown = [replace(p, values=v) for p, v in zip(originals, moved, strict=True)]
        loss = similarity(llava.lens, llava.batch, shown, target)
        return float(torch.cat([g.flatten() for g in torch.autograd.grad(loss, moved)]).norm())

    assert slope(0.0) < 1e-3 * slope(0.1)


def test_scale_of_the_processor(llava: Twins) -> None:
    scale, processor = PixelScale.of(llava.lens), llava.lens.processor.image_processor
    white = torch.tensor(
        [(1 - m) / s for m, s in zip(processor.image_mean, processor.image_std, strict=True)]
    )
    torch.testing.assert_close(scale.high[:, 0, 0], white)
    torch.testing.assert_close(scale.low + 255 * scale.unit, scale.high)


def test_class_attention_is_that_of_the_eager_tower(llava: Twins) -> None:
    maps = class_attention(llava.lens, llava.batch)
    assert maps is not None
    tower = llava.reference.model.vision_tower
    tower.set_attn_implementation("eager")
    with torch.no_grad():
        output = tower(llava.batch.encoding[PIXELS], output_attentions=True)
    expected = output.attentions[-1][:, :, 0, 1:].mean(1)
    torch.testing.assert_close(torch.stack(maps), expected, rtol=1e-4, atol=1e-6)


def test_saliency_falls_back_where_there_is_no_class_token(qwen: Twins) -> None:
    context = Context(qwen.lens, qwen.batch, 0, Identity())
    assert class_attention(qwen.lens, qwen.batch) is None
    maps = ObjectMask().saliency_maps(context)
    assert [len(m) for m in maps] == [layout.grid.size for layout in qwen.batch.layouts]
    assert all((m > 0).all() for m in maps)
    with pytest.raises(ContractError, match="has no class token"):
        ObjectMask(saliency="class_attention").saliency_maps(context)


def test_text_prompts_are_the_prompts_without_their_pictures(llava: Twins) -> None:
    inputs = text_only_inputs(llava.lens, llava.batch)
    tokenizer = llava.lens.processor.tokenizer
    for ids, mask, positions, prompt in zip(
        inputs["input_ids"],
        inputs["attention_mask"],
        inputs["position_ids"],
        llava.batch.prompts,
        strict=True,
    ):
        expected = tokenizer(prompt.replace("<image>", ""))["input_ids"]
        assert ids[mask == 1].tolist() == expected
        assert positions[mask == 1].tolist() == list(range(len(expected)))
    assert (inputs["attention_mask"] == 0).any()


def test_marks_around_a_picture_go_with_it() -> None:
    ids = torch.tensor([1, 8, 9, 5, 5, 5, 9, 3, 9])
    kept = without_picture(ids, torch.tensor([3, 4, 5]), frozenset({8, 9}))
    assert kept.tolist() == [1, 3, 9]
    assert without_picture(torch.tensor([5, 5]), torch.tensor([0, 1]), frozenset()).tolist() == [5]
