"""Recipes parse, and carry the settings of the systems they are named after."""

from __future__ import annotations

from pathlib import Path

import pytest

from gemel.config import CorpusSection, TrainSection, parse
from gemel.errors import ConfigError
from gemel.pipeline.recipes import load_recipe, recipe_names
from gemel.train.batches import order
from gemel.train.methods import adapter_spec
from gemel.train.optimizer import rate

SEVEN = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}


def test_all_are_there_and_parse() -> None:
    assert {"default", "messenger", "messenger-windows", "profile", "replica", "tiny-llm", "writer"} <= set(
        recipe_names()
    )
    for name in recipe_names():
        parse(load_recipe(name))


def test_the_default_recipe_is_the_default() -> None:
    made = parse(load_recipe("default"))
    assert made.train == TrainSection()
    assert made.corpus == CorpusSection()


def test_messenger() -> None:
    made = parse(load_recipe("messenger"))
    t = made.train
    assert (t.method, t.rank, t.alpha, t.dropout, t.lr, t.schedule) == ("int8", 32, 64, 0.1, 2e-4, "cosine")
    assert (t.batch_examples, t.accumulate, t.weight_decay) == (1, 4, 0.001)
    assert (t.checkpoint_every, t.evaluate_every) == (500, 1000)
    assert set(t.targets) == SEVEN
    assert adapter_spec(t).scale == 2.0
    steps = order([50] * 9, t)
    assert all(len(micro) == 1 for step in steps for micro in step)
    assert len(steps[0]) == 4


def test_messenger_windows() -> None:
    made = parse(load_recipe("messenger-windows"))
    t = made.train
    assert (t.lr, t.batch_examples, t.accumulate, t.epochs, t.weight_decay) == (2e-5, 4, 4, 3, 0.01)
    assert t.checkpoint_every == 1000
    assert made.corpus.forms == ("tokens",)
    assert made.corpus.window_tokens == 200
    assert made.model.template == "messenger"
    assert rate(t, 99, 5000) == pytest.approx(2e-5)
    assert rate(t, 0, 5000) == pytest.approx(2e-7)


def test_replica() -> None:
    made = parse(load_recipe("replica"))
    t = made.train
    assert (t.method, t.rank, t.alpha, t.optimizer, t.lr) == ("qlora", 64, 32, "paged_adamw8bit", 2e-4)
    assert (t.schedule, t.epochs) == ("cosine", 3)
    assert t.patience > 0
    assert made.corpus.forms == ("windows",)
    assert made.corpus.window_messages == 5


def test_unknown_and_broken_recipes_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no recipe called 'x'") as caught:
        load_recipe("x")
    assert "replica" in caught.value.hint
    own = tmp_path / "own.toml"
    own.write_text("[train]\nrnk = 3\n")
    with pytest.raises(ConfigError, match="did you mean rank"):
        load_recipe(str(own))
    own.write_text("[train\n")
    with pytest.raises(ConfigError, match="not valid TOML"):
        load_recipe(str(own))
