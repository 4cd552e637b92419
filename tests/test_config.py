"""The configuration: one dial, every mistake at once, suggestions."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from gemel.config import DIAL, SCALES, load, parse
from gemel.errors import ConfigError
from gemel.pipeline.settings import to_toml


def test_defaults_and_dial() -> None:
    assert parse({}).scale == "laptop"
    gpu = parse({"scale": "gpu", "train": {"batch_tokens": 99}})
    assert gpu.train.batch_tokens == 99  # what is written wins over the dial
    assert gpu.model.context == 4096
    assert gpu.model.precision == "auto"  # bf16 where the accelerator has it; a method that needs another type decides
    assert set(SCALES) == set(DIAL)


def test_every_dial_position_is_valid() -> None:
    for scale in SCALES:
        assert parse({"scale": scale}).scale == scale


def test_all_mistakes_at_once_with_suggestions() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"train": {"rnak": 8, "lr": -1}, "modle": {}})
    assert "unknown key train.rnak (did you mean rank?)" in caught.value.message
    assert "unknown key modle (did you mean model?)" in caught.value.message
    assert "train.lr" in caught.value.message


def test_overrides_win(tmp_path: Path) -> None:
    path = tmp_path / "gemel.toml"
    path.write_text('scale = "tiny"\n[import]\nme = "Ann"\n', encoding="utf-8")
    config = load(path, {"import": {"me": "Bob"}})
    assert (config.imports.me, config.scale) == ("Bob", "tiny")


def test_broken_toml_is_a_config_error(tmp_path: Path) -> None:
    path = tmp_path / "gemel.toml"
    path.write_text("scale = ", encoding="utf-8")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load(path)


def test_every_key_is_documented() -> None:
    from gemel.config import Config, Section

    for name, info in Config.model_fields.items():
        section = info.annotation
        if isinstance(section, type) and issubclass(section, Section):
            undocumented = [k for k, f in section.model_fields.items() if not f.description and k != "seed"]
            assert not undocumented, (name, undocumented)


def test_what_is_written_reads_back() -> None:
    raw = {
        "scale": "tiny",
        "import": {"me": 'A "B" \\ é', "fields": {"a b": "number"}},
        "corpus": {"split": [0.5, 0.25, 0.25]},
    }
    assert tomllib.loads(to_toml(raw)) == raw


def test_the_seedling_is_trained_whole_unless_told_otherwise() -> None:
    assert parse({}).train.method == "full"
    assert parse({"model": {"base": "some/model"}}).train.method == "lora"
    assert parse({"train": {"method": "lora"}}).train.method == "lora"
