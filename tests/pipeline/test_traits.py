from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny import tiny_folder

from gemel.config import Config, parse
from gemel.errors import ConfigError, MissingModel, MissingStage
from gemel.examples import Example, Role, Turn, write_examples
from gemel.model.conditioned import Conditioned
from gemel.pipeline.traits import derive, load_conditioned, parse_moves, relive, sweep, train_traits
from gemel.workspace import Manifest, Workspace

PROMPT = "My self summary"


def _examples(count: int) -> list[Example]:
    """Essays of three sentences; the taller, the more about hiking."""
    rng = np.random.default_rng(0)
    out = []
    for i in range(count):
        height = float(rng.normal(68, 4))
        p = 1 / (1 + np.exp(-(height - 68) / 2))
        essay = " ".join("i hike." if rng.random() < p else "i read." for _ in range(3))
        turns = (
            Turn(role=Role.prompt, parts=(PROMPT,)),
            Turn(role=Role.me, parts=(essay,), name="Tom", learn=True),
        )
        traits = {"height": height, "sex": "mf"[i % 2], "income": "-1"}
        out.append(Example(id=f"e{i}", kind="essay", turns=turns, session=f"s{i}", traits=traits))
    return out


def _workspace(root: Path, count: int = 400) -> tuple[Workspace, Config]:
    workspace = Workspace(root / "twin")
    folder = workspace.dataset()
    folder.mkdir(parents=True)
    examples = _examples(count)
    write_examples(folder / "train.parquet", examples[:-40])
    write_examples(folder / "valid.parquet", examples[-40:-20])
    write_examples(folder / "test.parquet", examples[-20:])
    Manifest(stage="build", fingerprint="f", extra={"me": "Tom"}).write(folder)
    base = tiny_folder(root / "base", hidden_size=32, intermediate_size=64, initializer_range=0.05)
    config = parse(
        {
            "model": {"base": str(base)},
            "train": {"method": "full", "lr": 1e-2, "epochs": 20, "batch_tokens": 1500, "max_steps": 160, "threads": 1},
            "traits": {"use": ["height", "sex"]},
        }
    )
    return workspace, config


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Config, Manifest]:
    workspace, config = _workspace(tmp_path_factory.mktemp("traits"))
    return workspace, config, train_traits(workspace, config)


@pytest.fixture(scope="module")
def twin(trained: tuple[Workspace, Config, Manifest]) -> Conditioned:
    workspace, config, _ = trained
    return load_conditioned(workspace, config)


def test_a_run_holds_all_it_needs_and_is_not_made_twice(trained: tuple[Workspace, Config, Manifest]) -> None:
    workspace, config, manifest = trained
    folder = workspace.run(manifest.extra["run"])
    names = {p.name for p in folder.iterdir()}
    assert {"traits.json", "splice.safetensors", "base.json", "config.toml", "events.jsonl", "manifest.json"} <= names
    assert not list(folder.rglob("*.bin")) + list(folder.rglob("*.pt"))
    assert train_traits(workspace, config).finished == manifest.finished
    events = [json.loads(line)["event"] for line in (folder / "events.jsonl").read_text(encoding="utf-8").splitlines()]
    assert events.count("train.step") == manifest.extra["steps"]


def test_the_planted_effect_comes_back(twin: Conditioned) -> None:
    swept = sweep(twin, "height", question=PROMPT, points=5, max_tokens=40, essays=48)
    assert len(swept.steps) == 5
    assert swept.checked == pytest.approx(swept.steps[2].score, abs=0.05)
    assert next(iter(swept.loudness)) == "height"
    assert swept.loudness["height"].low > swept.loudness["sex"].high
    words = derive(twin, "i hike. i read.", "height", question=PROMPT)
    by = {w.text.strip(): w.value for w in words.words if w.text.strip() != "i"}
    assert by["hike."] > 0.2 > -0.2 > by["read."]
    assert words.score == pytest.approx(words.checked, abs=0.02)
    assert sum(w.value for w in words.words) == pytest.approx(words.score, abs=1e-4)


def test_an_essay_is_relived(twin: Conditioned) -> None:
    essay = "i read. i hike. i read."
    path = relive(twin, essay, {"height": 3.0}, question=PROMPT, profile={"height": 64}, points=4)
    assert path[0] == ({"height": "64"}, essay)
    assert len(path) == 4
    changed = [relive(twin, essay, {"height": 3.0}, question=PROMPT, seed=s, points=2)[1][1] for s in range(8)]
    assert np.mean([c.count("hike") for c in changed]) > 1.5


def test_mistakes_are_told(trained: tuple[Workspace, Config, Manifest], tmp_path: Path) -> None:
    workspace, config, _ = trained
    with pytest.raises(MissingModel, match="has no traits"):
        load_conditioned(workspace, config, "other")
    with pytest.raises(MissingStage, match="no run has traits"):
        load_conditioned(Workspace(tmp_path / "empty"), config)
    with pytest.raises(ConfigError, match=r"\+1.5sd"):
        parse_moves(["height=far"])
    assert parse_moves(["height=+1.5sd", "income=-1"]) == {"height": 1.5, "income": -1.0}
