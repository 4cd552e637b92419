"""Sinks: events reach the file and TensorBoard, a resumed run's file has each step once, missing packages are told."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from gemel.errors import ConfigError, MissingExtra
from gemel.sinks import SINKS, open_sinks, read_events
from gemel.track import emit


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in read_events(folder / "events.jsonl") if row["event"] == "train.step"]


def test_events_are_written_but_not_progress(tmp_path: Path) -> None:
    with open_sinks(tmp_path):
        emit("train.step", step=1, loss=2.5)
        emit("progress", task="train", done=1, total=2, seconds=1, finished=False)
    assert [(r["event"], r["step"], r["loss"]) for r in read_events(tmp_path / "events.jsonl")] == [
        ("train.step", 1, 2.5)
    ]


def test_scores_go_to_a_file_of_their_own(tmp_path: Path) -> None:
    with open_sinks(tmp_path):
        emit("train.step", step=1, loss=2.5)
    with open_sinks(tmp_path, lines=tmp_path / "evals"):
        emit("evaluate.score", metric="c2st", system="voice", value=0.6, low=0.5, high=0.7, run="a")
    assert steps(tmp_path) == [1]
    (row,) = read_events(tmp_path / "evals" / "events.jsonl")
    assert (row["metric"], row["system"], row["value"], row["low"], row["high"]) == ("c2st", "voice", 0.6, 0.5, 0.7)


def test_a_resumed_run_has_each_step_once(tmp_path: Path) -> None:
    with open_sinks(tmp_path):
        emit("train.start", step=0)
        for i in range(1, 6):
            emit("train.step", step=i)
    with (tmp_path / "events.jsonl").open("a") as file:
        file.write('{"event": "train.st')  # cut off by a kill
    with open_sinks(tmp_path):
        emit("train.start", step=3)
        for i in range(4, 7):
            emit("train.step", step=i)
    assert steps(tmp_path) == [1, 2, 3, 4, 5, 6]


def test_tensorboard_gets_the_curves(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    with open_sinks(tmp_path, ["tensorboard"]):
        emit("train.step", step=1, loss=2.5)
        emit("train.step", step=2, loss=1.5)
        emit("other", step=3, loss=0.0)
        emit("evaluate.score", metric="c2st", system="voice", value=0.6, low=0.5, high=0.7, run="a")
    found = EventAccumulator(str(tmp_path / "tensorboard"))
    found.Reload()
    tag = found.Tags()
    assert sorted(tag["scalars"] + tag["tensors"]) == ["evaluate/voice/c2st", "step/loss"]


def test_wandb_offline_gets_curves_and_the_adapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_SILENT", "true")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / "adapter_config.json").write_text("{}")
    with open_sinks(tmp_path, ["wandb"], {"train.rank": 4}):
        emit("train.step", step=1, loss=2.5)
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))


def test_mlflow_gets_the_curves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with open_sinks(tmp_path, ["mlflow"], {"train.rank": 4}):
        emit("train.step", step=1, loss=2.5)
    with open_sinks(tmp_path, ["mlflow"], lines=tmp_path / "evals"):
        emit("evaluate.score", metric="c2st", system="voice", value=0.6, low=0.5, high=0.7, run="a")
    runs = mlflow.search_runs(experiment_names=["gemel"], output_format="list")
    assert [r.data.metrics for r in runs] == [{"step/loss": 2.5, "evaluate/voice/c2st": 0.6}]


@pytest.mark.parametrize("name", SINKS)
def test_a_missing_package_is_told(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("tensorboard.summary", "wandb", "mlflow"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtra), open_sinks(tmp_path, [name]):
        pass


def test_unknown_sinks_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sink called x"), open_sinks(tmp_path, ["x"]):
        pass
