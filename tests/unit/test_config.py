import hashlib
import json
import tomllib
from dataclasses import FrozenInstanceError, dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scr_lens.config import DiagnosticConfig, LayerRange, ScrConfig, digest, from_dict, to_dict
from scr_lens.errors import ConfigError


def test_layer_range_is_inclusive_on_both_ends() -> None:
    layers = LayerRange(2, 4)
    assert list(layers.layers) == [2, 3, 4]
    assert [layer in layers for layer in range(6)] == [False, False, True, True, True, False]
    assert len(layers) == 3


@given(st.integers(0, 99), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_layer_range_text_round_trip(first: int, length: int) -> None:
    layers = LayerRange(first, first + length)
    assert str(layers) == f"{first}-{first + length}"
    assert LayerRange.parse(str(layers)) == layers


def test_layer_range_within_allows_the_last_block_and_no_more() -> None:
    assert LayerRange(0, 3).within(4) == LayerRange(0, 3)
    with pytest.raises(ConfigError, match=r"layers 0-4 do not fit a model with 4 blocks.*end at 3"):
        LayerRange(0, 4).within(4)


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ((3, 2), "layers 3-2 ends before it starts"),
        ((-1, 2), "layers.first is -1"),
        ((0, 1.5), "layers.last is 1.5"),
        ((True, 2), "layers.first is True"),
    ],
)
def test_layer_range_refuses_bad_bounds(bounds: tuple[Any, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        LayerRange(*bounds)


@pytest.mark.parametrize("text", ["3", "a-b", "1-2-3", "", "-1-2"])
def test_layer_range_parse_refuses_other_forms(text: str) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the layer range .* write first-last"):
        LayerRange.parse(text)


@pytest.mark.parametrize(
    ("n_layers", "first", "last"),
    [(32, 8, 16), (40, 10, 20), (48, 12, 24), (28, 7, 14), (6, 1, 3), (1, 0, 0)],
)
def test_diagnostic_layers_keep_the_fractions_of_the_paper(n_layers: int, first: int, last: int) -> None:
    assert DiagnosticConfig().resolved_layers(n_layers) == LayerRange(first, last)


def test_diagnostic_layers_are_checked_against_the_depth() -> None:
    config = DiagnosticConfig(layers=LayerRange(8, 16))
    assert config.resolved_layers(32) == LayerRange(8, 16)
    with pytest.raises(ConfigError, match="layers 8-16 do not fit a model with 12 blocks"):
        config.resolved_layers(12)
    with pytest.raises(ConfigError, match="n_layers is 0"):
        DiagnosticConfig().resolved_layers(0)


@pytest.mark.parametrize(
    ("n_layers", "model_type", "last"),
    [
        (32, "llava", 11),
        (40, "llava", 11),
        (32, "chameleon", 15),
        (48, "chameleon", 20),
        (32, "qwen", 15),
        (28, "qwen2_vl", 15),
        (32, "other", 15),
        (28, "llava", 13),
        (6, "llava", 2),
        (1, "llava", 0),
    ],
)
def test_scr_layers_follow_the_paper_then_the_first_half(n_layers: int, model_type: str, last: int) -> None:
    assert ScrConfig().resolved_layers(n_layers, model_type) == LayerRange(0, last)


def test_scr_layers_that_are_set_win_and_are_checked() -> None:
    config = ScrConfig(layers=LayerRange(3, 5))
    assert config.resolved_layers(32, "llava") == LayerRange(3, 5)
    with pytest.raises(ConfigError, match="layers 3-5 do not fit a model with 4 blocks"):
        config.resolved_layers(4, "llava")


@pytest.mark.parametrize(
    ("n_patches", "n_sources"),
    [(576, 32), (1024, 32), (256, 32), (144, 8), (64, 4), (9, 1), (4, 1), (2304, 128)],
)
def test_number_of_sources(n_patches: int, n_sources: int) -> None:
    assert ScrConfig().resolved_n_sources(n_patches) == n_sources
    assert ScrConfig(n_sources=5).resolved_n_sources(n_patches) == 5


def test_resolved_writes_out_what_is_left_open_and_nothing_else():
    given = ScrConfig(lambda_=1.3, topology="4", seed=7, diagnostic=DiagnosticConfig(head_share=0.5))
    found = given.resolved(576, 32, "llava")
    diagnostic = DiagnosticConfig(head_share=0.5, layers=LayerRange(8, 16))
    assert found == ScrConfig(
        lambda_=1.3, topology="4", seed=7, n_sources=32, layers=LayerRange(0, 11), diagnostic=diagnostic
    )
    assert found.resolved(144, 32, "chameleon") == found
    assert given.resolved(144, 32, "llava") != found


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lambda_": 0}, r"lambda is 0.0; give a number above 0"),
        ({"lambda_": -1.1}, r"lambda is -1.1; give a number above 0"),
        ({"lambda_": float("nan")}, "lambda is nan; give a finite number"),
        ({"lambda_": "1.1"}, "lambda is '1.1'; give a finite number"),
        ({"n_sources": 0}, "n_sources is 0; give an integer of 1 or more"),
        ({"topology": "6"}, "unknown topology value '6'; use one of: 8, 4, radius-2, scrambled"),
        ({"topology": []}, r"unknown topology value \[\]"),
        ({"conflict": "source_first"}, "did you mean 'sources_first'"),
        ({"schedule": "twice"}, "unknown schedule value 'twice'"),
        ({"layers": "0-3"}, "layers is '0-3'; give a LayerRange"),
        ({"seed": -1}, "seed is -1"),
        ({"exclude_border": 1}, "exclude_border is 1; give true or false"),
        ({"diagnostic": None}, "diagnostic is None; give a DiagnosticConfig"),
    ],
)
def test_scr_config_refuses_bad_values(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        ScrConfig(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"head_share": 0}, "diagnostic.head_share is 0.0"),
        ({"head_share": 1.01}, "diagnostic.head_share is 1.01"),
        ({"queries": "first"}, "unknown diagnostic.queries value 'first'"),
        ({"diagnose_per": "images"}, "did you mean 'image'"),
        ({"image_prompt": " "}, "diagnostic.image_prompt is ' '"),
        ({"layers": 3}, "diagnostic.layers is 3"),
    ],
)
def test_diagnostic_config_refuses_bad_values(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiagnosticConfig(**change)


def test_configs_are_frozen_and_keyword_only() -> None:
    with pytest.raises(FrozenInstanceError):
        ScrConfig().seed = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        ScrConfig(1.1)  # type: ignore[call-arg]


scr_configs = st.builds(
    ScrConfig,
    lambda_=st.floats(0.5, 2),
    n_sources=st.none() | st.integers(1, 64),
    topology=st.sampled_from(["8", "4", "radius-2", "scrambled"]),
    conflict=st.sampled_from(["sources_first", "skip_claimed"]),
    exclude_border=st.booleans(),
    layers=st.none() | st.builds(lambda a, n: LayerRange(a, a + n), st.integers(0, 9), st.integers(0, 9)),
    seed=st.integers(0, 2**31),
    diagnostic=st.builds(DiagnosticConfig, head_share=st.floats(0.01, 1), layers=st.just(LayerRange(1, 2))),
)


@given(scr_configs)
@settings(max_examples=50, deadline=None)
def test_config_survives_json(config: ScrConfig) -> None:
    restored = from_dict(ScrConfig, json.loads(json.dumps(to_dict(config))))
    assert restored == config
    assert digest(restored) == digest(config)


def test_config_reads_toml_with_the_key_lambda() -> None:
    table = tomllib.loads('lambda = 1.2\nlayers = "0-3"\n[diagnostic]\nqueries = "last"\nlayers = "1-2"')
    expected = ScrConfig(
        lambda_=1.2,
        layers=LayerRange(0, 3),
        diagnostic=DiagnosticConfig(queries="last", layers=LayerRange(1, 2)),
    )
    assert from_dict(ScrConfig, table) == expected


def test_from_dict_reads_a_layer_range_table_and_tuples() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Sweep:
        lambdas: tuple[float, ...]
        configs: tuple[ScrConfig, ...] = ()

    sweep = Sweep(lambdas=(1.0, 1.1), configs=(ScrConfig(seed=3),))
    assert to_dict(sweep)["lambdas"] == [1.0, 1.1]
    assert from_dict(Sweep, to_dict(sweep)) == sweep
    with pytest.raises(ConfigError, match=r"^missing Sweep key: 'lambdas'; give a value for each$"):
        from_dict(Sweep, {"configs": []})
    with pytest.raises(ConfigError, match=r"^missing setting of the sweep: 'lambdas'"):
        from_dict(Sweep, {}, kind="setting of the sweep")
    assert from_dict(ScrConfig, {"layers": {"first": 1, "last": 2}}).layers == LayerRange(1, 2)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"lamda": 1.1}, "unknown ScrConfig key 'lamda'; did you mean 'lambda'?"),
        ({"lambda_": 1.1}, "unknown ScrConfig key 'lambda_'"),
        ({"diagnostic": {"query": "last"}}, "unknown DiagnosticConfig key 'query'; did you mean 'queries'?"),
        ({"diagnostic": 3}, "DiagnosticConfig cannot be read from 3"),
        ({"layers": "3"}, "cannot read the layer range '3'"),
    ],
)
def test_from_dict_refuses_unknown_input(mapping: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message.replace("?", r"\?")):
        from_dict(ScrConfig, mapping)


def test_a_message_calls_a_key_what_its_reader_knows_it_as() -> None:
    names = "layers, queries, head_share, diagnose_per, image_prompt"
    with pytest.raises(ConfigError) as caught:
        from_dict(DiagnosticConfig, {"query": "last"}, kind="setting of the map")
    found = str(caught.value)
    assert found == f"unknown setting of the map 'query'; did you mean 'queries'? use one of: {names}"
    known = {"queries": "last"}
    assert from_dict(DiagnosticConfig, known, kind="x") == from_dict(DiagnosticConfig, known)


def test_digest_is_the_hash_of_sorted_compact_json() -> None:
    text = '{"diagnose_per":"question","head_share":1.0,"image_prompt":"Hi","layers":"1-2","queries":"last"}'
    config = DiagnosticConfig(queries="last", layers=LayerRange(1, 2), image_prompt="Hi", head_share=1)
    assert digest(config) == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change", [{"lambda_": 1.2}, {"seed": 1}, {"diagnostic": DiagnosticConfig(queries="last")}]
)
def test_digest_changes_with_every_setting(change: dict[str, Any]) -> None:
    assert digest(replace(ScrConfig(), **change)) != digest(ScrConfig())
