"""What the owner corrected and rated moves the voice, in a run of its own; what may not be learned from stays out."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("trl")

from click.testing import CliRunner
from tiny import conversation, tiny_folder

from gemel.cli.train import command
from gemel.config import Config, ModelSection, parse
from gemel.errors import ConfigError, MissingStage, TooLittle
from gemel.examples import write_examples
from gemel.feedback import Feedback, Said
from gemel.model.base import load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.prefer import judged, prefer_voice
from gemel.pipeline.run_report import compare_runs
from gemel.pipeline.train import train_voice
from gemel.workspace import Manifest, Workspace

CANARY = "xylophone-canary"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    tiny_folder(tmp_path / "base")
    made = Workspace(tmp_path / "twin")
    made.prepare()
    data = made.dataset()
    data.mkdir(parents=True)
    write_examples(data / "train.parquet", [conversation(i) for i in range(12)])
    write_examples(data / "valid.parquet", [conversation(100 + i) for i in range(3)])
    Manifest(stage="build", fingerprint="d1", extra={"me": "Tom"}).write(data)
    return made


def config(workspace: Workspace, **train: Any) -> Config:
    train = {"rank": 4, "lr": 0.05, "batch_tokens": 256, "epochs": 6, "threads": 1, "evaluate_every": 4, **train}
    base = {"base": str(workspace.root.parent / "base")}
    return parse({"model": base, "train": train, "privacy": {"mode": "off"}})


def talk(workspace: Workspace, consent: str = "train", count: int = 6) -> None:
    with closing(Feedback(workspace.feedback_path)) as store:
        number = store.begin(consent=consent)
        for i in range(count):
            asked = store.add(number, Said(role="other", parts=(f"are you there {i}?",)))
            bad = store.add(number, Said(role="me", parts=(f"{CANARY} {i}",), parent=asked))
            store.edit(bad, ["well, why not"])
            good = store.add(number, Said(role="me", parts=("sure",), parent=asked))
            store.rate(good, 1)


@pytest.mark.parametrize("kind", ["dpo", "kto"])
def test_the_voice_is_moved_in_a_run_of_its_own(kind: Any, workspace: Workspace) -> None:
    first = str(train_voice(workspace, config(workspace)).extra["run"])
    talk(workspace)
    manifest = prefer_voice(workspace, config(workspace, method="full"), kind)
    assert manifest.section["train"]["method"] == "lora"  # the voice's own
    run = str(manifest.extra["run"])
    assert run != first
    assert workspace.current() == first
    assert manifest.extra["start"] == first
    assert {row.run for row in compare_runs(workspace)} == {first, run}
    pairs = [j for j in judged(workspace, config(workspace), me="Tom") if j.better]
    assert len(pairs) == 6
    margins = []
    for name in (first, run):
        voice = LocalScorer(load_run(workspace.run(name), ModelSection()))
        better = voice.likelihoods([(j.context, j.better) for j in pairs])
        said = voice.likelihoods([(j.context, j.said) for j in pairs])
        margins.append(sum(s.total - b.total for s, b in zip(said, better, strict=True)))
    assert margins[1] > margins[0] + 1
    for path in ("events.jsonl", "manifest.json", "config.toml"):
        assert CANARY not in (workspace.run(run) / path).read_text(encoding="utf-8")
    assert prefer_voice(workspace, config(workspace), kind) == manifest  # made once
    assert manifest.extra["parameters"] == Manifest.read(workspace.run(first)).extra["parameters"]  # type: ignore[union-attr]


def test_talks_that_are_only_kept_are_not_learned_from(workspace: Workspace) -> None:
    train_voice(workspace, config(workspace))
    talk(workspace, consent="keep")
    assert list(judged(workspace, config(workspace), me="Tom")) == []
    with pytest.raises(TooLittle, match="no answer was corrected"):
        prefer_voice(workspace, config(workspace), "dpo")


def test_what_is_missing_or_does_not_fit_is_told(workspace: Workspace) -> None:
    with pytest.raises(MissingStage, match="no voice to move"):
        prefer_voice(workspace, config(workspace), "dpo")
    run = str(train_voice(workspace, config(workspace)).extra["run"])
    (workspace.run(run) / "splice.safetensors").touch()
    with pytest.raises(ConfigError, match="cannot be moved"):
        prefer_voice(workspace, config(workspace), "dpo")


def test_the_command(workspace: Workspace) -> None:
    settings = config(workspace, epochs=1).model_dump(mode="json", by_alias=True)
    table = "\n".join(f"{k} = {json.dumps(settings['train'][k])}" for k in ("rank", "lr", "batch_tokens", "epochs"))
    text = f'[model]\nbase = {json.dumps(settings["model"]["base"])}\n[privacy]\nmode = "off"\n[train]\n{table}\n'
    workspace.config_path.write_text(text, encoding="utf-8")
    train_voice(workspace, workspace.config({}))
    talk(workspace)
    done = CliRunner().invoke(command, ["--twin", str(workspace.root), "--prefer", "dpo"])
    assert done.exit_code == 0, done.output
    assert "The twin is still" in done.output
