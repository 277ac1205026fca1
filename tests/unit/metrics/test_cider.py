import json
import math
from collections import Counter
from pathlib import Path

import pytest

from scr_lens.errors import ConfigError, DataError
from scr_lens.metrics.cider import cider_score, document_frequencies

REFERENCES = {
    1: ["a cat sits on a mat", "the cat sat on the mat"],
    2: ["two dogs run in a park", "dogs running"],
}


def brute_force(
    captions: dict[int, str], references: dict[int, list[str]], clipped: bool
) -> dict[int, float]:
    """CIDEr straight from its definition, on captions that split at spaces."""
    result = {}
    for image, caption in captions.items():
        total = 0.0
        for n in range(1, 5):

            def grams(text: str, n: int = n) -> Counter[str]:
                words = text.split()
                return Counter(" ".join(words[i : i + n]) for i in range(len(words) - n + 1))

            def weight(gram: str, count: int) -> float:
                df = sum(any(gram in grams(r) for r in refs) for refs in references.values())
                return count * math.log(len(references) / max(1, df))

            hyp = {g: weight(g, c) for g, c in grams(caption).items()}
            for reference in references[image]:
                ref = {g: weight(g, c) for g, c in grams(reference).items()}
                dot = sum(
                    (min(hyp[g], ref[g]) if clipped else hyp[g]) * ref[g] for g in hyp.keys() & ref.keys()
                )
                norms = math.hypot(*hyp.values()) * math.hypot(*ref.values())
                gap = len(caption.split()) - len(reference.split())
                value = dot / norms if norms else dot
                total += value * (math.exp(-gap * gap / 72) if clipped else 1.0) / len(references[image]) / 4
        result[image] = 10 * total
    return result


@pytest.mark.parametrize("variant", ["cider-d", "cider"])
def test_equals_the_definition(variant: str) -> None:
    captions = {1: "a cat sits on the mat mat", 2: "two dogs run run"}
    score = cider_score(captions, REFERENCES, variant=variant)  # type: ignore[arg-type]
    expected = brute_force(captions, REFERENCES, clipped=variant == "cider-d")
    assert score.per_image == pytest.approx(expected)
    assert score.score == pytest.approx(sum(expected.values()) / 2)
    assert min(expected.values()) > 0.1


def test_extremes() -> None:
    same = cider_score({1: "a b c d e", 2: "v w x y z"}, {1: ["a b c d e"], 2: ["v w x y z"]})
    assert same.score == pytest.approx(10)
    assert cider_score({1: "q q q", 2: "p"}, REFERENCES).score == 0
    assert cider_score({1: "a cat"}, {1: ["a cat"]}).score == 0  # a single image has no informative word
    two_words = cider_score({1: "a b", 2: "x"}, {1: ["a b"], 2: ["x y"]})
    assert two_words.per_image[1] == pytest.approx(5)


def test_frequencies_of_a_larger_corpus() -> None:
    frequencies = document_frequencies({**REFERENCES, 3: ["a cat"], 4: ["dogs"]})
    assert frequencies.n_images == 4
    assert frequencies.counts[("a",)] == 3
    assert frequencies.counts[("a", "cat")] == 2
    score = cider_score({1: "a cat"}, REFERENCES, frequencies=frequencies)
    assert score.score > 0
    assert score.n_frequency_images == 4


def test_errors() -> None:
    with pytest.raises(DataError, match="image 9 has a caption but no reference caption"):
        cider_score({9: "a"}, REFERENCES)
    with pytest.raises(DataError, match="no caption to score"):
        cider_score({}, REFERENCES)
    with pytest.raises(DataError, match="references are empty"):
        document_frequencies({})
    with pytest.raises(ConfigError, match=r"unknown variant 'cider-r'; did you mean 'cider-d'\?"):
        cider_score({1: "a"}, REFERENCES, variant="cider-r")  # type: ignore[arg-type]


def test_to_dict_is_plain() -> None:
    plain = json.loads(json.dumps(cider_score({1: "a cat"}, REFERENCES).to_dict()))
    assert list(plain["per_image"]) == ["1"]
    assert plain["variant"] == "cider-d"


def test_small_cases_of_the_official_scorer(real_data: Path) -> None:
    tiny = json.loads((real_data / "reference/cider_reference.json").read_text())["tiny"]
    assert len(tiny) >= 6
    for case in tiny:
        score = cider_score({image: texts[0] for image, texts in case["res"].items()}, case["gts"])
        assert list(score.per_image.values()) == pytest.approx(case["per_image"], abs=1e-9), case["name"]


@pytest.mark.parametrize(
    ("name", "captions_file"),
    [
        ("fakecap2014_x_val2017", "coco/results/captions_val2014_fakecap_results.json"),
        ("opera_llava15_greedy_x_val2017", "chair/captions/llava-1.5_greedy.jsonl"),
    ],
)
def test_real_captions_score_as_with_the_official_scorer(
    name: str, captions_file: str, real_data: Path
) -> None:
    annotations = json.loads((real_data / "coco/captions_val2017.json").read_text())["annotations"]
    references: dict[int, list[str]] = {}
    for annotation in sorted(annotations, key=lambda entry: entry["id"]):
        references.setdefault(annotation["image_id"], []).append(annotation["caption"])
    text = (real_data / captions_file).read_text()
    records = json.loads(text) if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    captions = {r["image_id"]: r["caption"] for r in records if r["image_id"] in references}
    expected = json.loads((real_data / "reference/cider_reference.json").read_text())["sets"][name]
    score = cider_score(captions, references)
    assert score.n_images == expected["n_images"]
    assert score.score == pytest.approx(expected["CIDEr"], abs=1e-9)
    per_image = {int(image): value for image, value in expected["per_image_CIDErD"].items()}
    assert score.per_image == pytest.approx(per_image, abs=1e-9)
    plain = cider_score(captions, references, variant="cider")
    assert plain.score == pytest.approx(expected["plain_CIDEr"], abs=1e-9)
    larger = cider_score(captions, references, frequencies=document_frequencies(references))
    assert larger.score == pytest.approx(expected["ciderD_external_df"], abs=1e-9)
