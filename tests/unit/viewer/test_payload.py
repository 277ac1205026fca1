import json
import sys

import numpy as np
import pytest
from scipy.stats import entropy
from tiny import noise_image

from scr_lens.config import ScrConfig
from scr_lens.errors import ConfigError, DataError
from scr_lens.inspection import inspect_image
from scr_lens.trace import Sample, credit_maps
from scr_lens.viewer import Exhibit, exhibit, inspection_payload, widget
from scr_lens.viewer.arrays import decode
from scr_lens.viewer.payload import PassMaps, describe_maps, pack, ranges


@pytest.fixture(scope="module")
def inspection(lens):
    sample = Sample(noise_image(5, 60, 60), question="is there a dog ?", image_id="noise.png")
    return inspect_image(lens, sample, config=ScrConfig(lambda_=1.5, n_sources=3), note="mind this")


@pytest.fixture(scope="module")
def shown(lens, inspection):
    return exhibit(lens, inspection, ["grad_norm", "grad_norm"])


def test_arrays_are_those_of_the_inspection(inspection):
    payload = inspection_payload(inspection)
    before, after = payload.arrays[0]["passes"]
    for held, view in ((before, inspection.before), (after, inspection.after)):
        assert np.array_equal(decode(held["maps"]["norm"]), view.resid_norm)
        assert np.array_equal(decode(held["maps"]["attention"]), view.attention)
        assert held["sources"] == inspection.plan.sources.tolist()
        assert held["neighbors"] == inspection.plan.neighbors.tolist()
    assert np.array_equal(decode(before["maps"]["attention_map"])[0], inspection.attention_map)
    assert "attention_map" not in after["maps"]


def test_the_index_says_what_was_measured(inspection):
    index = inspection_payload(inspection).index
    card = index["cards"][0]
    assert (index["title"], index["note"], index["version"]) == ("noise.png", "mind this", 1)
    assert card["grid"] == [6, 6] and card["overlay"] is True and card["label"] is None
    assert card["passes"][1]["p_yes"] == inspection.after.answer.p_yes
    assert card["passes"][1]["acting"] == [0, 1] and card["passes"][0]["acting"] is None
    assert card["passes"][0]["entropy"]["norm"] == inspection.before.norm_entropy.tolist()
    low, high = card["ranges"]["norm"]
    both = np.stack([inspection.before.resid_norm, inspection.after.resid_norm])
    assert np.allclose(low, both.min((0, 2)), rtol=1e-5) and np.allclose(high, both.max((0, 2)), rtol=1e-5)


def test_payloads_are_plain_and_stable(inspection):
    first, second = (json.dumps(inspection_payload(inspection).to_dict()) for _ in range(2))
    assert first == second


def test_credit_before_explains_the_own_answer_and_after_the_same_token(lens, inspection, shown):
    batch = lens.prepare(Sample(inspection.image, prompt=inspection.prompt))
    (own,) = credit_maps(lens, batch, "grad_norm")
    before, after = shown.credit["grad_norm"]
    assert np.allclose(before, own, rtol=1e-5) and not np.allclose(before, after, rtol=1e-3)
    assert not after[-1].any()  # nothing after the last block looks back at a patch
    found = inspection_payload(shown).index["cards"][0]["passes"][1]["entropy"]["grad_norm"]
    assert found[-1] is None
    assert np.allclose(found[:-1], entropy(after[:-1], axis=1) / np.log(36), atol=1e-5)


def test_credit_of_another_shape_is_refused(inspection):
    with pytest.raises(DataError, match=r"credit 'x' has shape \(2, 36\); expected \(4, 36\)"):
        Exhibit(inspection=inspection, credit={"x": (np.zeros((2, 36)), np.zeros((4, 36)))})


def test_signed_credit_has_no_entropy(inspection):
    signed = np.full((4, 36), -1.0, dtype=np.float32)
    card = inspection_payload(Exhibit(inspection=inspection, credit={"own": (signed, signed)})).index[
        "cards"
    ][0]
    assert "own" not in card["passes"][0]["entropy"]


def test_nothing_to_show_is_refused():
    with pytest.raises(ConfigError, match="no inspections to show: give at least one"):
        inspection_payload([])


def test_equal_maps_are_packed_once():
    maps = PassMaps(maps={"norm": np.arange(6.0).reshape(2, 3)})
    other = PassMaps(maps={"norm": np.arange(6.0).reshape(2, 3) + 1}, sources=(1,))
    packed = pack([maps, maps, None, other], {"norm": "float16"})["passes"]
    assert packed[1]["maps"]["norm"] == {"as": 0} and packed[2] is None
    assert decode(packed[3]["maps"]["norm"]).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert ranges([maps, None, other]) == {"norm": [[0.0, 3.0], [3.0, 6.0]]}


def test_maps_come_in_a_fixed_order_with_units():
    found = describe_maps(["mine", "attention", "norm", "attention"])
    assert [entry["id"] for entry in found] == ["norm", "attention", "mine"]
    assert found[1]["unit"] == "probability" and found[2]["label"] == "credit: mine"


def test_the_widget_holds_the_payload(inspection):
    shown = widget(inspection)
    assert shown.payload == inspection_payload(inspection).to_dict()
    assert (shown.layer, shown.view, shown.map) == (1, "before", "norm")


def test_without_anywidget_the_error_says_what_to_do(inspection, monkeypatch):
    monkeypatch.delitem(sys.modules, "scr_lens.viewer.notebook", raising=False)
    monkeypatch.setitem(sys.modules, "anywidget", None)
    with pytest.raises(ConfigError, match=r"needs anywidget.*pip install 'scr-lens\[viewer\]'"):
        widget(inspection)
