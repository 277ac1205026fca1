import json

import pytest
from click.testing import Result
from typer.testing import CliRunner

from scr_lens.cli.app import app
from scr_lens.errors import ConfigError, DataError


def score(*arguments) -> Result:
    return CliRunner().invoke(app, ["score", *map(str, arguments)])


def numbers(*arguments) -> dict:
    result = score(*arguments, "--json")
    assert result.exit_code == 0, result.exception
    return json.loads(result.stdout)


@pytest.fixture
def reference(real_data):
    return lambda name: json.loads((real_data / "reference" / f"{name}.json").read_text())


def test_pope_by_hand(tmp_path):
    labels, answers = ["yes", "no", "no", "yes"], ["Yes.", "yes", "No", "there is not"]
    questions = tmp_path / "questions.jsonl"
    questions.write_text(
        "".join(
            json.dumps(
                {"question_id": k, "image": "a.jpg", "text": f"Is there a x{k} in the image?", "label": label}
            )
            + "\n"
            for k, label in enumerate(labels, 1)
        )
    )
    told = tmp_path / "answers.jsonl"
    told.write_text(
        "".join(json.dumps({"question_id": k, "answer": a}) + "\n" for k, a in enumerate(answers, 1))
    )
    found = numbers("pope", told, "--questions", questions)
    assert (found["tp"], found["fp"], found["tn"], found["fn"]) == (1, 1, 1, 1)
    assert found["hallucination_rate"] == 0.5
    table = score("pope", told, "--questions", questions).stdout
    assert "hallucination_rate               0.5000" in table
    assert numbers("pope", told, "--questions", questions, "--rule", "strict")["n_unparsed"] == 1


def test_chair_equals_the_official_script(real_data, reference):
    official = reference("chair_reference")["files"]["chair/captions/opera/llava-1.5_greedy.jsonl"]["pattern"]
    chair = real_data / "chair"
    found = numbers(
        "chair",
        chair / "captions" / "llava-1.5_greedy.jsonl",
        "--objects",
        chair / "gt_objects_subset.json.gz",
        "--synonyms",
        chair / "synonyms.txt",
    )
    assert found["chair_s"] == pytest.approx(official["CHAIRs"])
    assert found["chair_i"] == pytest.approx(official["CHAIRi"])
    assert found["recall"] == pytest.approx(official["Recall"])


def test_cider_equals_the_official_script(real_data, reference, tmp_path):
    official = reference("cider_reference")["sets"]["fakecap2014_x_val2017"]
    references = real_data / "coco" / "captions_val2017.json"
    known = {image["id"] for image in json.loads(references.read_text())["images"]}
    made = json.loads((real_data / "coco" / "results" / "captions_val2014_fakecap_results.json").read_text())
    captions = tmp_path / "captions.json"
    captions.write_text(json.dumps([entry for entry in made if entry["image_id"] in known]))
    found = numbers("cider", captions, "--references", references)
    assert found["score"] == pytest.approx(official["CIDEr"], abs=1e-3)
    assert len(found["per_image"]) == official["n_images"]
    assert "per_image" not in score("cider", captions, "--references", references).stdout


def test_mme_equals_the_official_script(real_data, reference):
    official = reference("mme_reference")["answers_LaVIN"]
    found = json.dumps(numbers("mme", real_data / "mme" / "answers_LaVIN"))
    for total in (official["Perception"]["total"], official["Cognition"]["total"]):
        assert str(total)[:12] in found


def test_hallusionbench_and_amber_run_on_official_files(real_data, tmp_path):
    folder = real_data / "hallusionbench"
    found = numbers(
        "hallusionbench",
        folder / "HallusionBench_result_sample.json",
        "--questions",
        folder / "HallusionBench.json",
    )
    sample = json.loads((folder / "HallusionBench_result_sample.json").read_text())
    assert found["judge"] == "parser" and found["overall"]["n_questions"] == len(sample)
    annotations = json.loads((real_data / "amber" / "annotations.json").read_text())
    asked = [entry for entry in annotations if entry["type"] != "generative"]
    responses = tmp_path / "responses.json"
    responses.write_text(json.dumps([{"id": entry["id"], "response": "No"} for entry in asked]))
    right = sum(entry["truth"] == "no" for entry in asked) / len(asked)
    found = numbers("amber", responses, "--data", real_data / "amber")
    assert found["discriminative"]["accuracy"] == pytest.approx(100 * right, abs=0.05)
    table = score("amber", responses, "--data", real_data / "amber").stdout
    assert "generative                       -" in table and "discriminative.accuracy" in table


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("pope", "absent.jsonl", "--questions", "q.jsonl"), DataError, "q.jsonl"),
        (("chair", "absent.jsonl"), DataError, "absent.jsonl"),
        (("mme", "absent"), DataError, "absent"),
        (("hallusionbench", "absent.json"), DataError, "absent.json"),
    ],
)
def test_bad_input_names_the_file(arguments, error, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = score(*arguments)
    assert isinstance(result.exception, error | ConfigError) and message in str(result.exception)
