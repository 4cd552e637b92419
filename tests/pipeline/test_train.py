"""From a data set to a run that answers: made once, resumed after a kill, skipped when it is there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file
from tiny import conversation, tiny_folder, tiny_model, tiny_tokenizer

from gemel.cli.runs import command as runs_command
from gemel.cli.train import command
from gemel.config import Config, ModelSection, TraitsSection, parse
from gemel.errors import ConfigError, MissingStage
from gemel.examples import write_examples
from gemel.model.base import load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.train import train_voice
from gemel.pipeline.traits import load_conditioned
from gemel.sinks import read_events
from gemel.workspace import Manifest, Workspace

TRAIN = {
    "rank": 4,
    "lr": 0.02,
    "batch_tokens": 256,
    "epochs": 4,
    "threads": 1,
    "evaluate_every": 4,
    "checkpoint_every": 2,
}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    tiny_folder(tmp_path / "base")
    workspace = Workspace(tmp_path / "twin")
    workspace.prepare()
    data = workspace.dataset()
    data.mkdir(parents=True)
    write_examples(data / "train.parquet", [conversation(i) for i in range(12)])
    write_examples(data / "valid.parquet", [conversation(100 + i) for i in range(3)])
    Manifest(stage="build", fingerprint="d1", extra={"me": "Tom"}).write(data)
    return workspace


def config(workspace: Workspace, **train: Any) -> Config:
    base = str(workspace.root.parent / "base")
    return parse({"model": {"base": base}, "train": {**TRAIN, **train}})


@pytest.mark.parametrize("method", ["lora", "dora", "full"])
def test_a_run_is_made_and_answers_better(workspace: Workspace, method: str) -> None:
    manifest = train_voice(workspace, config(workspace, method=method))
    run = workspace.run(str(manifest.extra["run"]))
    names = {p.name for p in run.iterdir()}
    made = {"config.toml", "events.jsonl", "base.json", "manifest.json", "report.html", "learned.parquet"}
    assert names == made | {"model" if method == "full" else "adapter"}
    assert workspace.current() == run.name
    assert manifest.extra["me"] == "Tom"
    twin = LocalScorer(load_run(run, ModelSection()))
    base = LocalScorer(load_run_base(workspace))
    pairs = [p for i in range(3) for p in conversation(100 + i).pairs()]
    total = [sum(x.total for x in scorer.likelihoods(pairs)) for scorer in (twin, base)]
    assert total[0] < 0.9 * total[1]
    tokens = sum(len(x.nats) for x in twin.likelihoods(pairs))
    assert total[0] / tokens == pytest.approx(manifest.extra["loss"], rel=1e-3)


def load_run_base(workspace: Workspace) -> Any:
    from gemel.model.base import load_base

    return load_base(ModelSection(base=str(workspace.root.parent / "base")))


def test_a_finished_run_is_skipped_and_other_settings_make_another(workspace: Workspace) -> None:
    first = train_voice(workspace, config(workspace))
    assert train_voice(workspace, config(workspace, sinks=["tensorboard"])) == first
    other = train_voice(workspace, config(workspace, seed=1))
    assert other.extra["run"] != first.extra["run"]
    assert workspace.current() == first.extra["run"]
    with pytest.raises(ConfigError, match="other data or settings"):
        train_voice(workspace, config(workspace, seed=2), run=str(first.extra["run"]))


def test_the_resolved_configuration_is_kept(workspace: Workspace) -> None:
    manifest = train_voice(workspace, config(workspace))
    text = (workspace.run(str(manifest.extra["run"])) / "config.toml").read_text(encoding="utf-8")
    assert parse(tomllib.loads(text)) == config(workspace)


def test_events_hold_no_text(workspace: Workspace) -> None:
    manifest = train_voice(workspace, config(workspace))
    path = workspace.run(str(manifest.extra["run"])) / "events.jsonl"
    rows = list(read_events(path))
    assert {"train.start", "train.step", "train.valid", "train.checkpoint", "train.done"} <= {r["event"] for r in rows}
    assert "are you there" not in path.read_text(encoding="utf-8")


def test_traits_in_the_configuration_are_trained_with_the_voice(workspace: Workspace) -> None:
    data = workspace.dataset()
    examples = [replace(conversation(i), traits={"year": float(2000 + i)}) for i in range(12)]
    write_examples(data / "train.parquet", examples)
    write_examples(data / "valid.parquet", examples[-2:])
    settings = config(workspace).model_copy(update={"traits": TraitsSection(use=("year",))})
    run = workspace.run(str(train_voice(workspace, settings).extra["run"]))
    assert {"traits.json", "splice.safetensors", "report.html"} <= {p.name for p in run.iterdir()}
    assert "what the voice says" in (run / "report.html").read_text(encoding="utf-8")
    twin = load_conditioned(workspace, settings, run.name)
    assert [f.name for f in twin.spec.fields] == ["year"]
    assert train_voice(workspace, config(workspace)).extra["run"] != run.name


@pytest.mark.parametrize("method", ["lora", "full"])
def test_wandb_offline_gets_curves_checkpoints_and_weights(
    workspace: Workspace, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    manifest = train_voice(workspace, config(workspace, sinks=["wandb"], method=method))
    name = str(manifest.extra["run"])
    (log,) = workspace.run(name).glob("wandb/offline-run-*/*.wandb")
    written = log.read_bytes()
    assert b"valid/bits_per_byte" in written
    assert f"{name}-checkpoint".encode() in written
    weights = "adapter_model.safetensors" if method == "lora" else "model.safetensors"
    assert weights.encode() in written


def test_mlflow_gets_curves_and_settings_of_a_run(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    manifest = train_voice(workspace, config(workspace, sinks=["mlflow"]))
    (run,) = mlflow.search_runs(experiment_names=["gemel"], output_format="list")
    assert run.info.run_name == manifest.extra["run"]
    assert run.data.metrics["valid/bits_per_byte"] == pytest.approx(manifest.extra["curve"][-1][2], abs=1e-5)
    assert run.data.params["train.rank"] == "4"


def test_runs_are_laid_side_by_side_on_a_page(workspace: Workspace) -> None:
    empty = CliRunner().invoke(runs_command, ["--twin", str(workspace.root), "compare"])
    assert isinstance(empty.exception, MissingStage)
    names = [str(train_voice(workspace, config(workspace, **u)).extra["run"]) for u in ({}, {"rank": 2, "lr": 0.01})]
    done = CliRunner().invoke(runs_command, ["--twin", str(workspace.root), "compare"])
    assert done.exit_code == 0, done.output
    text = (workspace.runs / "compare.html").read_text(encoding="utf-8")
    assert all(name in text for name in names)
    head = text[text.index("<thead>") : text.index("</thead>")]
    assert "rank" in head
    assert "lr" in head
    assert "alpha" not in head  # only what differs
    assert text.count("<polyline") >= 2
    assert "are you there" not in text


def test_no_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(MissingStage, match="data set"):
        train_voice(Workspace(tmp_path / "empty"), Config())


def test_tokens_are_added_to_a_base_without_them_and_come_back(workspace: Workspace) -> None:
    folder = workspace.root.parent / "bare"
    tiny_tokenizer(("<s>", "</s>"), bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    tiny_model(258).save_pretrained(folder)
    settings = parse({"model": {"base": str(folder), "template": "gemel"}, "train": TRAIN})
    manifest = train_voice(workspace, settings)
    base = load_run(workspace.run(str(manifest.extra["run"])), ModelSection())
    assert base.template.name == "gemel"
    pairs = [p for i in range(3) for p in conversation(100 + i).pairs()]
    scored = LocalScorer(base).likelihoods(pairs)
    mean = sum(x.total for x in scored) / sum(len(x.nats) for x in scored)
    assert mean == pytest.approx(manifest.extra["loss"], rel=1e-3)


KILLED = """
import sys, os, torch
sys.path.insert(0, {tests!r})
from pathlib import Path
from gemel.config import parse
from gemel.pipeline.train import train_voice
from gemel.track import listening
from gemel.workspace import Workspace
at = int(sys.argv[1])
def die(event):
    if event.name == "train.step" and event.fields["step"] == at:
        os.kill(os.getpid(), 9)
with listening(die):
    train_voice(Workspace(Path({root!r})), parse({raw!r}))
"""


def timeless(run: Path) -> list[dict[str, Any]]:
    """The events of a run without what depends on the clock."""
    rows = read_events(run / "events.jsonl")
    clock = ("time", "tokens_per_s", "seconds")
    return [{k: v for k, v in row.items() if k not in clock} for row in rows]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX")
def test_killed_and_run_again_gives_the_same_result(workspace: Workspace, tmp_path: Path) -> None:
    settings = config(workspace)
    straight = train_voice(workspace, settings)
    run = workspace.run(str(straight.extra["run"]))
    run.rename(tmp_path / "straight")
    tests, raw = str(Path(__file__).parents[1]), settings.model_dump(mode="json", by_alias=True)
    code = KILLED.format(tests=tests, root=str(workspace.root), raw=raw)
    quiet = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", code, "7"], check=False, env=quiet)
    assert done.returncode == -signal.SIGKILL
    assert not (run / "manifest.json").exists()
    again = train_voice(workspace, settings)
    assert again.extra["loss"] == straight.extra["loss"]
    weights = [load_file(place / "adapter" / "adapter_model.safetensors") for place in (tmp_path / "straight", run)]
    assert all(torch.equal(value, weights[1][name]) for name, value in weights[0].items())
    whole, resumed = timeless(tmp_path / "straight"), timeless(run)
    assert [r["step"] for r in resumed if r["event"] == "train.start"] == [6]
    assert [r for r in resumed if r["event"] != "train.start"] == [r for r in whole if r["event"] != "train.start"]


def test_the_command_prints_what_a_person_wants_to_know(workspace: Workspace) -> None:
    table = "\n".join(f"{k} = {json.dumps(v)}" for k, v in TRAIN.items())
    base = json.dumps(str(workspace.root.parent / "base"))
    workspace.config_path.write_text(f"[model]\nbase = {base}\n\n[train]\n{table}\n", encoding="utf-8")
    start = time.monotonic()
    done = CliRunner().invoke(command, ["--twin", str(workspace.root), "--epochs", "2"])
    assert done.exit_code == 0, done.output
    assert "trained parameters" in done.output
    assert "bits per byte" in done.output
    assert "It is the twin now." in done.output
    (run,) = workspace.runs.iterdir()
    report = (run / "report.html").read_text(encoding="utf-8")
    assert "bits per byte" in report
    assert "are you there" in report
    listed = CliRunner().invoke(command, ["--twin", str(workspace.root), "--runs"])
    assert run.name in listed.output
    assert "now" in listed.output
    assert time.monotonic() - start < 60
