from pathlib import Path

import pytest

from scr_lens.config import LayerRange
from scr_lens.errors import ConfigError, DataError
from scr_lens.questions import standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.tasks import TASKS, CaptionsWorld, PopeWorld

TEXT = """
model = "m"
dtype = "bfloat16"
device = "cpu"
batch_size = 7
seed = 5

[benchmark]
name = "pope-world"
split = "validation"
n_images = 12
negatives = ["popular"]

[[conditions]]
method = "vanilla"

[[conditions]]
name = "strong"
method = "scr"
lambda = 1.5
layers = "0-1"
seed = 9
[conditions.diagnostic]
layers = "1-2"
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.toml"
    path.write_text(text)
    return path


def test_every_setting_arrives(tmp_path):
    config = RunConfig.from_toml(write(tmp_path, TEXT))
    assert (config.model, config.dtype, config.device, config.batch_size, config.seed) == (
        "m", "bfloat16", "cpu", 7, 5
    )  # fmt: skip
    assert config.benchmark == PopeWorld(split="validation", n_images=12, negatives=("popular",))
    vanilla, strong = config.conditions
    assert (vanilla.name, vanilla.config.seed) == ("vanilla", 5)  # the run's seed is the default
    assert (strong.name, strong.method, strong.config.lambda_, strong.config.seed) == (
        "strong",
        "scr",
        1.5,
        9,
    )
    assert strong.config.layers == LayerRange(0, 1) and strong.config.diagnostic.layers == LayerRange(1, 2)
    assert config.seeds() == {"benchmark": 5, "condition vanilla": 5, "condition strong": 9}


def test_identity_is_what_decides_rows():
    conditions = standard_conditions(["vanilla", "scr"])
    base = RunConfig(benchmark=PopeWorld(), conditions=conditions)
    same = RunConfig(
        benchmark=PopeWorld(folder="/elsewhere"), conditions=conditions, device="cpu", batch_size=3
    )
    assert same.identity() == base.identity()
    others = [
        RunConfig(benchmark=PopeWorld(n_images=3), conditions=conditions),
        RunConfig(benchmark=CaptionsWorld(), conditions=conditions),
        RunConfig(benchmark=PopeWorld(), conditions=conditions[:1]),
        RunConfig(benchmark=PopeWorld(), conditions=conditions, seed=1),
        RunConfig(benchmark=PopeWorld(), conditions=conditions, dtype="float64"),
        RunConfig(benchmark=PopeWorld(), conditions=conditions, model="x"),
    ]
    assert all(other.identity() != base.identity() for other in others)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("batch_size", "batchsize", "unknown run setting 'batchsize'; did you mean 'batch_size'?"),
        ("n_images", "nimages", "unknown PopeWorld key 'nimages'; did you mean 'n_images'?"),
        ("lambda", "lamda", "unknown condition setting 'lamda'; did you mean 'lambda'?"),
        ('"pope-world"', '"pope-wold"', "unknown benchmark 'pope-wold'; did you mean 'pope-world'?"),
        ('name = "pope-world"', "", "give a table with name = one of: pope-world, pope, captions-world"),
        ('"validation"', '"val"', "unknown benchmark.split value 'val'"),
        ('["popular"]', '["populr"]', "did you mean 'popular'?"),
        ('["popular"]', "[]", "give a list of distinct names"),
        ("n_images = 12", "n_images = 0", "benchmark.n_images is 0; give a whole number from 1"),
        ("n_images = 12", 'n_images = "12"', "benchmark.n_images is '12'"),
        ('method = "scr"', 'method = "sccr"', "did you mean 'scr'?"),
        ('method = "scr"', "", "names no method"),
        ('name = "strong"', 'name = "vanilla"', "names must differ"),
        ('name = "strong"', "name = 3", "condition name is 3"),
        ("lambda = 1.5", "lambda = -1", "lambda is -1"),
        ('layers = "1-2"', 'layer = "1-2"', "did you mean 'layers'?"),
        ("batch_size = 7", "batch_size = 0", "batch_size is 0; give a whole number from 1"),
        ("seed = 5", "seed = -5", "seed is -5"),
        ('model = "m"', "model = 3", "model is 3"),
        ('device = "cpu"', "device = 3", "device is 3"),
        ('model = "m"', "model = ", "malformed TOML"),
        ("[[conditions]]", "[[condition]]", "did you mean 'conditions'?"),
    ],
)
def test_a_wrong_file_is_named_with_what_to_do(tmp_path, old, new, message):
    path = write(tmp_path, TEXT.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        RunConfig.from_toml(path)
    assert str(path) in str(caught.value) and message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_conditions_and_no_file(tmp_path):
    with pytest.raises(ConfigError, match=r"no conditions; add \[\[conditions\]\]"):
        RunConfig.from_toml(write(tmp_path, '[benchmark]\nname = "pope-world"\n'))
    with pytest.raises(ConfigError, match="write each as a table"):
        RunConfig.from_dict({"benchmark": {"name": "pope-world"}, "conditions": "scr"})
    with pytest.raises(DataError, match="cannot read"):
        RunConfig.from_toml(tmp_path / "absent.toml")


def test_shipped_files_can_be_read():
    files = sorted((Path(__file__).parents[2] / "data" / "configs").glob("*.toml"))
    configs = [RunConfig.from_toml(file) for file in files]
    assert {config.benchmark.name for config in configs} >= {"pope", "pope-world", "captions-world"}
    assert {config.benchmark.name for config in configs} <= set(TASKS)
