"""Whole runs from their settings: processes, shards, interrupts, the command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import save_llava

from scr_lens import execute as execute_module
from scr_lens.chunks import Shard
from scr_lens.cli import main
from scr_lens.config import ScrConfig
from scr_lens.errors import ConfigError, DataError, StoreError
from scr_lens.execute import available_cores, execute
from scr_lens.models import load
from scr_lens.questions import standard_conditions
from scr_lens.run_config import RunConfig
from scr_lens.store import RunStore, read_info, read_run
from scr_lens.tasks import CaptionsWorld, PopeWorld

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("execute")
    save_llava(folder / "tiny")
    return folder


@pytest.fixture(scope="module")
def config(folder):
    return RunConfig(
        model=str(folder / "tiny"),
        device="cpu",
        batch_size=12,
        benchmark=PopeWorld(n_images=10, folder=str(folder / "world")),
        conditions=standard_conditions(["vanilla", "scr"], ScrConfig(n_sources=3)),
    )


@pytest.fixture(scope="module")
def lens(config):
    return load(config.model, device="cpu")


def rows(run):
    frame = read_run(run).drop(columns="wall_ms")
    return [repr({k: np.asarray(v).tolist() for k, v in row.items()}) for row in frame.to_dict("records")]


@pytest.fixture(scope="module")
def whole(folder, config, lens):
    summary = execute(config, folder / "whole", lens=lens)
    assert summary.done == summary.planned == len(read_run(folder / "whole"))
    return rows(folder / "whole")


def test_processes_give_the_rows_of_one(tmp_path, config, lens, whole):
    summary = execute(config, tmp_path / "run", jobs=2, lens=lens)
    assert (summary.done, summary.stored_before, summary.failed) == (len(whole), 0, {})
    assert rows(tmp_path / "run") == whole
    names = {path.name for path in (tmp_path / "run").glob("manifest-*")}
    assert names == {"manifest-main.1.json", "manifest-main.2.json"}
    again = execute(config, tmp_path / "run", jobs=2, lens=lens)
    assert (again.done, again.stored_before) == (0, len(whole))


def test_shards_give_the_rows_of_one(tmp_path, config, lens, whole):
    parts = [execute(config, tmp_path / "run", shard=Shard(i, 3), lens=lens) for i in (1, 2, 3)]
    assert sum(part.done for part in parts) == len(whole) and all(part.done for part in parts)
    assert rows(tmp_path / "run") == whole
    assert execute(config, tmp_path / "run", lens=lens).done == 0


def test_decoding_methods_run_in_processes_and_shards_and_from_a_file(
    tmp_path, config, lens, monkeypatch, capsys
):
    text = f"""
model = "{config.model}"
device = "cpu"
batch_size = 12
[benchmark]
name = "pope-world"
n_images = 10
folder = "{config.benchmark.folder}"
[[conditions]]
method = "vanilla"
[[conditions]]
name = "noisy"
method = "vcd"
alpha = 2.0
seed = 3
"""
    (tmp_path / "run.toml").write_text(text)
    settings = RunConfig.from_toml(tmp_path / "run.toml")
    execute(settings, tmp_path / "whole", lens=lens)
    expected = rows(tmp_path / "whole")
    assert sum("'condition': 'noisy'" in row for row in expected) == len(expected) / 2
    summary = execute(settings, tmp_path / "jobs", jobs=2, lens=lens)
    assert summary.done == len(expected) and rows(tmp_path / "jobs") == expected
    for i in (1, 2):
        execute(settings, tmp_path / "shards", shard=Shard(i, 2), lens=lens)
    assert rows(tmp_path / "shards") == expected
    noisy = read_info(tmp_path / "jobs")["config"]["conditions"][1]
    assert (noisy["method"], noisy["alpha"], noisy["seed"]) == ("vcd", 2.0, 3)
    assert read_info(tmp_path / "jobs")["seeds"]["condition noisy"] == 3
    (tmp_path / "run.toml").write_text(text.replace("alpha", "alhpa"))
    capsys.readouterr()  # progress bars
    assert call(monkeypatch, "run", tmp_path / "run.toml", "--out", tmp_path / "other") == 2
    error = capsys.readouterr().err
    assert "condition 'noisy': unknown condition setting 'alhpa'; did you mean 'alpha'?" in error
    assert error.count("\n") == 1


def test_shards_in_directories_of_their_own_are_merged(tmp_path, config, lens, whole, monkeypatch, capsys):
    for i in (1, 2):
        execute(config, tmp_path / f"part{i}", shard=Shard(i, 2), lens=lens)
    parts = [str(tmp_path / f"part{i}") for i in (1, 2)]
    assert call(monkeypatch, "merge", *parts, "--out", tmp_path / "merged") == 0
    assert f"{len(whole)} rows" in capsys.readouterr().out
    assert rows(tmp_path / "merged") == whole


def test_run_json_says_how_it_was_made(folder, config, whole):
    info = read_info(folder / "whole")
    assert info["config"]["model_revision"] and info["config"]["benchmark"]["n_images"] == 10
    assert [c["method"] for c in info["config"]["conditions"]] == ["vanilla", "scr"]
    assert info["seeds"] == {"benchmark": 0, "condition vanilla": 0, "condition scr": 0}
    assert info["device"] == "cpu" and info["versions"]["torch"] and info["python"]
    assert set(info) >= {"git", "created_utc", "platform", "schema_version"}


def test_another_run_or_model_is_not_mixed_in(folder, config, lens, whole):
    with pytest.raises(StoreError, match=r"holds another run: config\.seed is 0, not 1"):
        execute(replace(config, seed=1), folder / "whole", lens=lens)
    with pytest.raises(StoreError, match=r"config\.model_revision is"):
        execute(config, folder / "whole", lens=replace(lens, revision="other"))
    with (
        RunStore.open(folder / "whole", writer="part-1-of-2"),
        pytest.raises(StoreError, match="in use by a running process"),
    ):
        execute(config, folder / "whole", shard=Shard(1, 2), lens=lens)
    with pytest.raises(ConfigError, match="jobs is 0"):
        execute(config, folder / "whole", jobs=0)
    with pytest.raises(ConfigError, match="jobs is 2 and device_map 'auto'"):
        execute(replace(config, device=None, device_map="auto"), folder / "whole", jobs=2)


@pytest.mark.parametrize("jobs", [1, 2])
def test_one_more_condition_is_added_to_a_run(tmp_path, config, lens, whole, jobs):
    more = replace(config, conditions=(*config.conditions, *standard_conditions(["uniform-smooth"])))
    execute(config, tmp_path / "run", lens=lens)
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.parquet")}
    summary = execute(more, tmp_path / "run", lens=lens, jobs=jobs)
    assert (summary.done, summary.stored_before) == (len(whole) // 2, len(whole))
    after = {path.name: path.read_bytes() for path in (tmp_path / "run").glob("*.parquet")}
    assert before.items() < after.items()  # what was stored is not touched
    added = [row for row in rows(tmp_path / "run") if row not in whole]
    execute(more, tmp_path / "at-once", lens=lens)
    assert rows(tmp_path / "run") == rows(tmp_path / "at-once")
    assert len(added) == len(whole) // 2
    assert [c["name"] for c in read_info(tmp_path / "run")["config"]["conditions"]][-1] == "uniform-smooth"
    assert (
        execute(more, tmp_path / "run", lens=lens).done
        == execute(config, tmp_path / "run", lens=lens).done
        == 0
    )
    changed = replace(config, conditions=standard_conditions(["uniform-smooth"], ScrConfig(lambda_=2.0)))
    with pytest.raises(StoreError, match=r"config\.conditions\.uniform-smooth\.lambda is 1\.1, not 2\.0"):
        execute(changed, tmp_path / "run", lens=lens)


def test_the_error_of_a_worker_is_the_user_s(tmp_path, config, lens, whole):
    broken = replace(config, model=str(tmp_path / "absent"))
    with pytest.raises(DataError, match="no checkpoint folder at") as caught:
        execute(broken, tmp_path / "run", jobs=2, lens=lens)
    assert "\n" not in str(caught.value)
    with RunStore.open(tmp_path / "run", writer="main.1"):  # nobody holds it any more
        pass


def test_little_work_starts_no_process(tmp_path, config, lens, monkeypatch):
    monkeypatch.setattr(execute_module, "run_workers", None)
    few = replace(config, batch_size=48)
    assert execute(few, tmp_path / "run", jobs=8, lens=lens).done > 0
    assert available_cores() >= 1


def interruptible():
    """A shell that starts the tests in the background makes them deaf to Ctrl-C; the run must hear it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_interrupting_stops_all_and_keeps_the_store(tmp_path, folder, config, lens, whole):
    (tmp_path / "run.toml").write_text(toml(config))
    run = tmp_path / "run"
    code = "from scr_lens.cli import main; main()"
    command = [sys.executable, "-c", code, "run", tmp_path / "run.toml", "--out", run, "--jobs", "2"]
    process = subprocess.Popen(
        [*map(str, command)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=interruptible,
    )
    while not list(run.glob("manifest-*")) and process.poll() is None:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=300)
    assert process.returncode == 130, err
    assert "is kept, run the same command to go on" in err and "Traceback" not in err
    kept = rows(run)
    assert 0 < len(kept) < len(whole) and set(kept) <= set(whole)
    for writer in ("main", "main.1", "main.2"):  # no process is left that holds a name
        with RunStore.open(run, writer=writer):
            pass
    summary = execute(config, run, lens=lens)
    assert (summary.stored_before, summary.done) == (len(kept), len(whole) - len(kept))
    assert rows(run) == whole


def call(monkeypatch, *arguments):
    monkeypatch.setattr("sys.argv", ["scr-lens", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return stop.value.code or 0


def toml(config):
    return f"""
model = "{config.model}"
device = "cpu"
batch_size = {config.batch_size}
[benchmark]
name = "pope-world"
n_images = {config.benchmark.n_images}
folder = "{config.benchmark.folder}"
[[conditions]]
method = "vanilla"
n_sources = 3
[[conditions]]
method = "scr"
n_sources = 3
"""


def test_the_command_with_an_own_method_and_a_broken_image(
    tmp_path, config, lens, whole, monkeypatch, capsys
):
    task = replace(config.benchmark, folder=str(tmp_path / "world"))
    task.questions(0)
    text = toml(replace(config, benchmark=task))
    (tmp_path / "run.toml").write_text(text + '[[conditions]]\nname = "mine"\nmethod = "mine_here:Half"\n')
    (tmp_path / "mine_here.py").write_text(
        "class Half:\n    needs_attention = False\n    def __init__(self, context):\n        "
        "self.layers = context.layers\n    def __call__(self, resid_post, layer):\n"
        "        return resid_post * 0.5\n"
    )
    picture = next(q.image for q in task.questions(0))
    picture.write_bytes(picture.read_bytes()[:60])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    assert call(monkeypatch, "run", "run.toml", "--out", "run") == 1
    out, err = capsys.readouterr()
    assert "1 images failed" in out and f"failed: {picture.name}: " in err
    frame = read_run("run")
    assert set(frame.condition) == {"vanilla", "scr", "mine"}
    assert set(frame[frame.status == "failed"].image_id) == {picture.name}
    sys.modules.pop("mine_here")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent.toml", "--out", "x"], "cannot read absent.toml"),
        (["run.toml", "--out", "x", "--shard", "3/2"], "give i/n with i from 1 to n"),
        (["bad.toml", "--out", "x"], "unknown run setting 'modle'; did you mean 'model'?"),
    ],
)
def test_the_command_speaks_in_one_line(tmp_path, config, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    Path("run.toml").write_text(toml(config))
    Path("bad.toml").write_text(toml(config).replace("model", "modle"))
    assert call(monkeypatch, "run", *arguments) == 2
    out, err = capsys.readouterr()
    assert out == "" and message in err and err.startswith("error: ") and err.count("\n") == 1


def test_captions_from_run_to_scores(tmp_path, config, lens, monkeypatch, capsys):
    task = CaptionsWorld(n_images=4, max_new_tokens=4, folder=str(tmp_path / "world"))
    summary = execute(replace(config, benchmark=task), tmp_path / "run", lens=lens)
    assert summary.done == 8
    out = tmp_path / "scr.jsonl"
    assert call(monkeypatch, "captions", tmp_path / "run", "--condition", "scr", "--out", out) == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(records) == 4 and all(set(r) == {"image_id", "caption"} for r in records)
    capsys.readouterr()
    with contextlib.chdir(tmp_path / "world"):
        files = {kind: next(Path().glob(f"*{kind}.json")).resolve() for kind in ("instances", "captions")}
    scored = call(
        monkeypatch, "score", "chair", out, "--instances", files["instances"],
        "--references", files["captions"], "--json",
    )  # fmt: skip
    assert scored == 0 and json.loads(capsys.readouterr().out)["n_captions"] == 4
    assert call(monkeypatch, "score", "cider", out, "--references", files["captions"]) == 0


def test_data_commands(tmp_path, monkeypatch, capsys):
    assert call(monkeypatch, "data", "list") == 0
    out = capsys.readouterr().out
    assert "coco-val2014" in out and "CC BY 4.0" in out
    assert call(monkeypatch, "data", "fetch", "mme", "--data", tmp_path) == 2
    assert "on request" in capsys.readouterr().err
    (tmp_path / "pictures").mkdir()
    arguments = (
        "data",
        "import",
        "amber-images",
        tmp_path / "pictures",
        "--data",
        tmp_path / "data",
        "--link",
    )
    assert call(monkeypatch, *arguments) == 0
    assert (tmp_path / "data" / "amber" / "images").is_symlink()
