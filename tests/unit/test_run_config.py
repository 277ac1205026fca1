import json
import pickle
import tomllib
from pathlib import Path

import pytest

from scr_lens import models
from scr_lens.config import LayerRange, ScrConfig
from scr_lens.decoding import Sampling, make_decoder
from scr_lens.decoding.opera import Opera
from scr_lens.decoding.vcd import Vcd
from scr_lens.errors import ConfigError, DataError
from scr_lens.questions import Condition, standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.serialization import to_dict
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
        ("n_images", "nimages", "unknown pope-world benchmark setting 'nimages'; did you mean 'n_images'?"),
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
        ('device = "cpu"', "device_map = 3", "device_map is 3; give text such as 'auto'"),
        ('device = "cpu"', "offload_folder = 3", "offload_folder is 3"),
        ('device = "cpu"', 'device = "cpu"\ndevice_map = "auto"', "give one of them"),
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


def of_conditions(text: str) -> RunConfig:
    return RunConfig.from_dict(tomllib.loads('seed = 4\n[benchmark]\nname = "pope-world"\n' + text))


def test_decoding_methods_are_conditions_with_their_own_settings():
    config = of_conditions(
        '[[conditions]]\nname = "vcd-weak"\nmethod = "vcd"\nalpha = 0.5\nseed = 9\n'
        "[conditions.sampling]\ntemperature = 0.7\n"
        '[[conditions]]\nmethod = "opera"\nbeams = 3\n'
        '[[conditions]]\nmethod = "sid"\n'
        '[[conditions]]\nmethod = "vanilla"\n'
    )
    weak, opera, sid, vanilla = config.conditions
    assert weak.config == Vcd(alpha=0.5, seed=9, sampling=Sampling(temperature=0.7))
    assert opera.config == Opera(beams=3) and sid.config == make_decoder("sid", {"seed": 4})
    assert vanilla.config == ScrConfig(seed=4)  # both kinds have it; it stays the untouched pass
    assert [c.name for c in config.conditions] == ["vcd-weak", "opera", "sid", "vanilla"]
    assert config.seeds() == {
        "benchmark": 4,
        "condition vcd-weak": 9,
        "condition opera": 0,
        "condition sid": 4,
        "condition vanilla": 4,
    }
    json.dumps(config.identity())
    assert weak.settings == {"method": "vcd", **to_dict(weak.config)}
    other = Condition(name="vcd-weak", method="vcd", config=Vcd(alpha=0.6, seed=9))
    assert (
        len({weak.digest(), other.digest(), Condition(name="v", method="vcd", config=other.config).digest()})
        == 3
    )
    assert pickle.loads(pickle.dumps(config)) == config  # noqa: S301 - workers get it that way


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("alhpa = 1.0", "condition 'mine': unknown condition setting 'alhpa'; did you mean 'alpha'?"),
        ("lambda = 1.2", "condition 'mine': unknown condition setting 'lambda'"),
        ("timestep = 1000", "condition 'mine': vcd: timestep is 1000; give a number from 0 to 999"),
        ("sampling = { temperture = 1.0 }", "condition 'mine': unknown Sampling key 'temperture'"),
    ],
)
def test_a_wrong_setting_of_a_decoding_method_names_its_condition(line, message):
    with pytest.raises(ConfigError) as caught:
        of_conditions(f'[[conditions]]\nname = "mine"\nmethod = "vcd"\n{line}\n')
    assert str(caught.value).startswith(message) and "\n" not in str(caught.value)


def test_settings_of_another_method_are_refused():
    with pytest.raises(
        ConfigError, match=r"condition 'a': 'vcd' is a decoding method.*make_decoder\('vcd'\)"
    ):
        Condition(name="a", method="vcd")
    with pytest.raises(ConfigError, match="condition 'a': method is 'sid', its settings are of 'vcd'"):
        Condition(name="a", method="sid", config=Vcd())
    with pytest.raises(ConfigError, match="unknown method 'opra'; did you mean 'opera'"):
        Condition(name="a", method="opra")
    mixed = standard_conditions(["scr", "dola"], ScrConfig(lambda_=1.3))
    assert [c.config for c in mixed] == [ScrConfig(lambda_=1.3), make_decoder("dola")]


def test_a_device_map_reaches_the_loader(monkeypatch):
    asked = {}
    monkeypatch.setattr(models, "load", lambda model, **options: asked.update(options, model=model))
    config = RunConfig.from_dict(
        {
            "model": "m",
            "device_map": "auto",
            "offload_folder": "off",
            "benchmark": {"name": "pope-world"},
            "conditions": [{"method": "vanilla"}],
        }
    )
    config.load("cuda:1")
    assert asked == {
        "model": "m",
        "dtype": "float32",
        "device": None,
        "device_map": "auto",
        "offload_folder": "off",
    }
    assert not {"device_map", "offload_folder"} & set(config.identity())
