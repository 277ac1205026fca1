"""Conditions that are added to a run: kept, compared, merged, and never a way to mix two runs."""

import pytest

from scr_lens.errors import StoreError
from scr_lens.store import RunStore, conditions, merge_runs, read_info
from scr_lens.store.atomic import write_bytes


def named(**strengths):
    tables = [{"name": name, "method": "scr", "lambda": value} for name, value in strengths.items()]
    return {"model": "m", "conditions": tables}


def seeds(**given):
    return {"benchmark": 0} | {f"condition {name}": seed for name, seed in given.items()}


def join(path, config, given=None, writer="main"):
    names = [one["name"] for one in config["conditions"]]
    given = seeds(**dict.fromkeys(names, 0)) if given is None else given
    RunStore.create(path, config=config, seeds=given, writer=writer, exist_ok=True).close()


def names_of(path):
    return [one["name"] for one in read_info(path)["config"]["conditions"]]


def test_more_conditions_join_and_fewer_do_too(tmp_path):
    join(tmp_path, named(a=1.1))
    first = (tmp_path / "run.json").read_bytes()
    join(tmp_path, named(a=1.1, b=1.2))
    join(tmp_path, named(c=1.3))
    assert sorted(names_of(tmp_path)) == ["a", "b", "c"]
    assert read_info(tmp_path)["seeds"] == seeds(a=0, b=0, c=0)
    assert (tmp_path / "run.json").read_bytes() == first
    assert len(list(tmp_path.glob("condition-*"))) == 2
    join(tmp_path, named(c=1.3, b=1.2, a=1.1))  # in any order, and nothing is written again
    assert len(list(tmp_path.glob("condition-*"))) == 2


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_name_keeps_its_settings_whether_made_with_the_run_or_added(tmp_path, name):
    join(tmp_path, named(a=1.1))
    join(tmp_path, named(a=1.1, b=1.2))
    with pytest.raises(
        StoreError, match=rf"holds another run: config\.conditions\.{name}\.lambda is 1\..*, not 2"
    ):
        join(tmp_path, named(**{name: 2, "new": 3}))
    with pytest.raises(StoreError, match=rf"seeds\.condition {name} is 0, not 5"):
        join(tmp_path, named(**{name: {"a": 1.1, "b": 1.2}[name]}), seeds(**{name: 5}))
    with pytest.raises(StoreError, match=r"config\.model is \"m\", not \"n\""):
        join(tmp_path, named(a=1.1, new=3) | {"model": "n"})
    assert sorted(names_of(tmp_path)) == ["a", "b"]  # what is refused leaves nothing


@pytest.mark.parametrize("strength", [1.2, 1.3])
def test_two_processes_that_add_one_condition_at_once(tmp_path, monkeypatch, strength):
    join(tmp_path, named(a=1.1))
    others = iter([strength])

    def after_the_other(path, content, **options):
        if path.name.startswith("condition-"):
            for other in others:
                join(tmp_path, named(b=other), writer="other")
        write_bytes(path, content, **options)

    monkeypatch.setattr(conditions.atomic, "write_bytes", after_the_other)
    if strength == 1.2:
        join(tmp_path, named(a=1.1, b=1.2))
    else:
        with pytest.raises(StoreError, match=r"config\.conditions\.b\.lambda is 1\.3, not 1\.2"):
            join(tmp_path, named(a=1.1, b=1.2))
    assert read_info(tmp_path)["config"] == named(a=1.1, b=strength)


def test_runs_with_different_conditions_are_merged(tmp_path):
    join(tmp_path / "one", named(a=1.1))
    join(tmp_path / "one", named(b=1.2))
    join(tmp_path / "two", named(b=1.2, c=1.3))
    join(tmp_path / "two", named(d=1.4))
    merge_runs([tmp_path / "one", tmp_path / "two"], tmp_path / "merged")
    assert sorted(names_of(tmp_path / "merged")) == ["a", "b", "c", "d"]
    assert read_info(tmp_path / "merged")["seeds"] == seeds(a=0, b=0, c=0, d=0)
    join(tmp_path / "three", named(d=9))
    with pytest.raises(
        StoreError, match=r"two and .*three are different runs: config\.conditions\.d\.lambda"
    ):
        merge_runs([tmp_path / name for name in ("one", "two", "three")], tmp_path / "bad")


def test_a_damaged_condition_is_named(tmp_path):
    join(tmp_path, named(a=1.1))
    join(tmp_path, named(b=1.2))
    (file,) = tmp_path.glob("condition-*")
    content = file.read_text()
    file.write_text(content[:-5])
    with pytest.raises(StoreError, match=rf"cannot read .*{file.name}: .*restore it from a copy"):
        read_info(tmp_path)
    file.write_text(content.replace('"schema_version": ', '"schema_version": 9'))
    with pytest.raises(StoreError, match=file.name):
        join(tmp_path, named(a=1.1))
