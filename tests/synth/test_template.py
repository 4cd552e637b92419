"""Templates: strict, sandboxed, tested by themselves."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.errors import ConfigError
from gemel.synth.template import BadOutput, load_template, shipped


@pytest.mark.parametrize("name", list(shipped()))
def test_shipped_templates_pass_their_own_tests(name: str) -> None:
    template = load_template(name)
    assert template.tests
    assert template.test() == []


def test_a_test_of_a_template_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "t.yml"
    path.write_text(
        "version: 1\nuser: 'a {{ x }}'\ninputs: {x: {}}\n"
        "tests: [{inputs: {x: 1}, contains: ['a 2'], answer: b, gives: {text: c}}]",
        encoding="utf-8",
    )
    assert len(load_template(path).test()) == 2


def test_missing_inputs_and_unsafe_templates_are_errors(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lacks persona"):
        load_template("question").call({})
    path = tmp_path / "t.yml"
    path.write_text("version: 1\nuser: '{{ x.__class__.__mro__ }} {{ nothing }}'\ninputs: {x: {}}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be filled"):
        load_template(path).call({"x": "secret"})
    path.write_text("version: 1\nuser: '{% if %}'", encoding="utf-8")
    with pytest.raises(ConfigError, match="line 1"):
        load_template(path)
    path.write_text("version: 1\nuser: x\nusr: y", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown usr"):
        load_template(path)
    with pytest.raises(ConfigError, match="no template"):
        load_template("nothing")


def test_a_plain_map_is_filled_literally(tmp_path: Path) -> None:
    path = tmp_path / "plain.yaml"
    path.write_text("system: You are {{name}}.\nprompt: 'Say {text} {not a slot} {% if %}'", encoding="utf-8")
    template = load_template(path)
    messages = template.render({"name": "Ada", "text": "{name}"})
    assert [m["content"] for m in messages] == ["You are Ada.", "Say {name} {not a slot} {% if %}"]
    assert template.parse(" hello ", {}) == {"text": "hello"}
    with pytest.raises(ConfigError, match="lacks"):
        template.render({"name": "Ada"})


def test_keys_tell_calls_apart() -> None:
    template = load_template("question")
    row = {"persona": "A baker in Huế."}
    keys = {
        template.call(row).key,
        template.call(row, model="m").key,
        template.call(row, sample=1).key,
        template.call({"persona": "A baker."}).key,
    }
    assert len(keys) == 4
    assert template.call({**row, "unused": 1}).key == template.call(row).key
    assert template.again(template.call(row), 1).parameters["seed"] == 2


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("nothing", "no JSON"),
        ('{"persona": "A', "not JSON"),
        ('{"persona": "short", "domain": "x"}', "not of the schema"),
        ('{"persona": "I\'m sorry, I cannot do that for you today", "domain": "none"}', "check unlike"),
    ],
)
def test_bad_answers_have_countable_reasons(answer: str, reason: str) -> None:
    with pytest.raises(BadOutput, match=reason):
        load_template("text_to_persona").parse(answer, {})
