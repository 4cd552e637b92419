from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from tiny import tiny_folder

from gemel.cli.traits import command
from gemel.config import Config, parse
from gemel.errors import ConfigError, MissingModel, MissingStage, TooLittle
from gemel.examples import Example, Role, Turn, read_examples, write_examples
from gemel.model.conditioned import Conditioned
from gemel.model.words import Word
from gemel.pipeline.ablate import ablate, held_out, probe, variants
from gemel.pipeline.explorer import explorer
from gemel.pipeline.traits import (
    derive,
    load_conditioned,
    load_control,
    parse_moves,
    relive,
    sweep,
    train_traits,
    write_essays,
)
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


def _workspace(root: Path, count: int = 560) -> tuple[Workspace, Config]:
    workspace = Workspace(root / "twin")
    folder = workspace.dataset()
    folder.mkdir(parents=True)
    examples = _examples(count)
    write_examples(folder / "train.parquet", examples[:-160])
    write_examples(folder / "valid.parquet", examples[-160:-120])
    write_examples(folder / "test.parquet", examples[-120:])
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


def test_essays_for_a_profile_follow_it_and_the_seed(twin: Conditioned) -> None:
    tall, short = ({"height": 76}, {"height": 60})
    again, other = (write_essays(twin, tall, question=PROMPT, count=30, seed=s, max_tokens=40) for s in (1, 2))
    assert again == write_essays(twin, tall, question=PROMPT, count=30, seed=1, max_tokens=40) != other
    low = write_essays(twin, short, question=PROMPT, count=30, max_tokens=40)
    mild = write_essays(twin, tall, question=PROMPT, count=30, max_tokens=40, guidance={"height": 0.0})
    counts = [sum(e.count("hike") for e in essays) for essays in (low, mild, other)]
    assert counts == sorted(counts)
    assert counts[0] < counts[2] - 20


def test_held_out_bits_and_the_probe_see_the_planted_trait(
    trained: tuple[Workspace, Config, Manifest], twin: Conditioned
) -> None:
    workspace, _, _ = trained
    test = [*read_examples(workspace.dataset() / "test.parquet")]
    train = [*read_examples(workspace.dataset() / "train.parquet")]
    bits = held_out(twin, test)
    assert bits.true < bits.missing < bits.shuffled
    found = probe(twin, "height", train, test)
    assert found.real > 0.7
    assert found.generated > 0.7
    assert found.chance == 0.5
    with pytest.raises(TooLittle):
        probe(twin, "height", train, test[:10])


def test_variants_change_one_thing_at_a_time(trained: tuple[Workspace, Config, Manifest]) -> None:
    workspace, config, _ = trained
    names = [name for name, _ in variants(config)]
    assert names[:2] == ["base", "layers early"]
    assert len(names) == 1 + 3 + 1 + 1 + 1
    rows = ablate(workspace, config, steps=4, vary=["kind"])
    assert [row.variant for row in rows] == ["base", "kind additive"]
    assert all(len(row.cells()) == 6 for row in rows)


def test_adapter_and_splice_train_together_and_are_differentiated(
    trained: tuple[Workspace, Config, Manifest],
) -> None:
    workspace, config, _ = trained
    section = config.train.model_copy(update={"method": "lora", "rank": 2, "max_steps": 6})
    wanted = config.model_copy(update={"train": section})
    made = train_traits(workspace, wanted, run="adapter", control=True)
    assert (workspace.run("adapter") / "adapter").exists()
    adapted = load_conditioned(workspace, wanted, str(made.extra["run"]))
    swept = sweep(adapted, "height", question=PROMPT, points=3, max_tokens=12, essays=0)
    assert swept.checked == pytest.approx(swept.steps[1].score, abs=0.02)
    assert load_control(workspace, wanted, "adapter") is not None
    assert load_control(workspace, wanted, "other") is None


def test_the_page_is_one_file_that_fetches_nothing(twin: Conditioned) -> None:
    swept = sweep(twin, "height", question=PROMPT, profile={"sex": "m"}, points=5, max_tokens=30, essays=8)
    evil = replace(swept.steps[0], words=(Word("</script><b>x", 0.5),))
    html = explorer(replace(swept, steps=(evil, *swept.steps[1:]), control=swept.loudness))
    assert "default-src 'none'" in html
    assert not re.search(r"(?:src|href)=[\"'](?!#)", html)
    assert "</script><b>" not in html
    data = json.loads(re.search(r'id="data">(.*?)</script>', html, re.DOTALL)[1])  # type: ignore[index]
    assert len(data["steps"]) == 5
    assert data["steps"][0]["words"] == [["</script><b>x", 0.5]]
    for tag in ("script", "style"):
        bodies = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        hashes = {base64.b64encode(hashlib.sha256(b.encode()).digest()).decode() for b in bodies}
        assert hashes == set(re.findall(r"'sha256-([^']+)'", html.split(f"{tag}-src")[1].split(";")[0]))


def test_the_commands(trained: tuple[Workspace, Config, Manifest], tmp_path: Path) -> None:
    workspace, _, manifest = trained
    essay = tmp_path / "essay.txt"
    essay.write_text("i read. i hike. i read.\n", encoding="utf-8")
    common = ["--twin", str(workspace.root), "--run", str(manifest.extra["run"])]

    def call(*args: str) -> Result:
        return CliRunner().invoke(command, [*args, *common])

    assert "height" in call("show").output
    written = call("write", "--height", "76", "--sex=m", "--tokens", "40")
    assert written.exit_code == 0
    assert "i " in written.output
    derived = call("derive", str(essay), "--wrt", "height", "--set", "height=70")
    assert "finite difference" in derived.output
    assert "sounds like" in call("invert", str(essay)).output
    lived = call("hindsight", str(essay), "--move", "height=+2sd", "--height", "64", "--steps", "3")
    assert lived.output.split("\n")[1] == "i read. i hike. i read."
    page = tmp_path / "page.html"
    swept = call("sweep", "--over", "height", "--points", "5", "--tokens", "20", "--essays", "4", "--out", str(page))
    assert swept.exit_code == 0, swept.output
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    for wrong, said in (
        (("write", "--heigth", "70"), "no trait 'heigth'"),
        (("write", "--height", "tall"), "cannot be that"),
        (("write", "--height"), "--NAME VALUE"),
        (("sweep", "--over", "sex"), "has no slider"),
    ):
        failed = call(*wrong)
        assert said in str(failed.exception), wrong


def test_mistakes_are_told(trained: tuple[Workspace, Config, Manifest], tmp_path: Path) -> None:
    workspace, config, _ = trained
    with pytest.raises(MissingModel, match="has no traits"):
        load_conditioned(workspace, config, "other")
    with pytest.raises(MissingStage, match="no run has traits"):
        load_conditioned(Workspace(tmp_path / "empty"), config)
    with pytest.raises(ConfigError, match=r"\+1.5sd"):
        parse_moves(["height=far"])
    assert parse_moves(["height=+1.5sd", "income=-1"]) == {"height": 1.5, "income": -1.0}
