"""Where events of a run go: always a JSON-lines file, and by name TensorBoard, Weights & Biases, MLflow.

A sink is a listener of `track`. Numbers of `train.*` events become curves under their step, scores of an
evaluation become single values beside them in the same run (`evaluate/<system>/<metric>`); texts never reach
a sink because events carry none. W&B and MLflow write into the run's folder unless their own environment
variables name a server.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol

from gemel.errors import ConfigError, MissingExtra
from gemel.track import Event, listening
from gemel.workspace import atomic

__all__ = ["EVENTS", "JsonLines", "Sink", "open_sinks", "read_events"]

EVENTS = "events.jsonl"
SCORE = "evaluate.score"


class Sink(Protocol):
    """A listener that is closed at the end."""

    def __call__(self, event: Event) -> None:
        """Hear one event."""

    def close(self) -> None:
        """Write what is left."""


class JsonLines:
    """Appends every event but `progress` to a file, one JSON object a line.

    When a training is resumed, the lines of steps that will be done again are taken out, so that the
    file of a resumed training is that of one which ran through.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")

    def __call__(self, event: Event) -> None:
        if event.name == "progress":
            return
        if event.name == "train.start":
            self._forget_after(int(event.fields["step"] or 0))
        row = {"event": event.name, "time": round(event.time, 3), **event.fields}
        self._file.write(json.dumps(row) + "\n")
        self._file.flush()

    def close(self) -> None:
        self._file.close()

    def _forget_after(self, step: int) -> None:
        self._file.close()
        kept = [row for row in read_events(self.path) if row["event"] != "train.start" and row.get("step", 0) <= step]
        with atomic(self.path) as path:
            path.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        self._file = self.path.open("a", encoding="utf-8")


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of an events file; a last line cut off by a kill is left out."""
    with path.open(encoding="utf-8") as file:
        for line in file:
            try:
                yield json.loads(line)
            except ValueError:
                return


class TensorBoard:
    """Curves for `tensorboard --logdir runs`."""

    def __init__(self, folder: Path, _settings: Mapping[str, Any]) -> None:
        try:
            from tensorboard.summary import Writer
        except ImportError as error:
            raise MissingExtra("tensorboard", extra="track") from error
        self._writer = Writer(str(folder / "tensorboard"))

    def __call__(self, event: Event) -> None:
        for name, value, step in _numbers(event):
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class Wandb:
    """Weights & Biases, offline unless WANDB_MODE says otherwise; checkpoints and finished weights become artifacts."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError as error:
            raise MissingExtra("wandb", extra="track") from error
        self._wandb = wandb
        self._folder = folder
        mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "gemel"),
            name=folder.name,
            id=folder.name,
            dir=str(folder),
            config=dict(settings),
            mode=mode,
            resume="allow",
        )
        self._trained = False

    def __call__(self, event: Event) -> None:
        self._trained |= event.name.startswith("train.")
        values = {name: value for name, value, _ in _numbers(event)}
        if values and event.name == SCORE:
            self._run.summary.update(values)
        elif values:
            self._run.log({**values, "step": event.fields["step"]})
        if event.name == "train.checkpoint":
            self._keep(f"{self._folder.name}-checkpoint", self._folder / "checkpoints" / f"{event.fields['step']:08d}")

    def close(self) -> None:
        if self._trained:
            for place in ("adapter", "model"):
                self._keep(self._folder.name, self._folder / place)
        self._run.finish()

    def _keep(self, name: str, place: Path) -> None:
        if place.exists():
            artifact = self._wandb.Artifact(name, type="model")
            artifact.add_dir(str(place))
            self._run.log_artifact(artifact)


class MLflow:
    """An MLflow run, in the run's folder unless MLFLOW_TRACKING_URI names a server."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            import mlflow
        except ImportError as error:
            raise MissingExtra("mlflow", extra="track") from error
        self._mlflow = mlflow
        if "MLFLOW_TRACKING_URI" not in os.environ:
            mlflow.set_tracking_uri(f"sqlite:///{folder / 'mlflow.sqlite'}")
        mlflow.set_experiment("gemel")
        known = mlflow.search_runs(
            experiment_names=["gemel"],
            filter_string=f"attributes.run_name = '{folder.name}'",
            max_results=1,
            output_format="list",
        )
        mlflow.start_run(run_id=known[0].info.run_id if known else None, run_name=folder.name)
        mlflow.log_params({k: str(v)[:500] for k, v in settings.items()})

    def __call__(self, event: Event) -> None:
        for name, value, step in _numbers(event):
            self._mlflow.log_metric(name, value, step=step)

    def close(self) -> None:
        self._mlflow.end_run()


SINKS: Mapping[str, Callable[[Path, Mapping[str, Any]], Sink]] = {
    "tensorboard": TensorBoard,
    "wandb": Wandb,
    "mlflow": MLflow,
}


@contextmanager
def open_sinks(
    folder: Path, names: Sequence[str] = (), settings: Mapping[str, Any] | None = None, *, lines: Path | None = None
) -> Iterator[None]:
    """Write every event of the block to events.jsonl and to the sinks of these names.

    Args:
        folder: of the run; its name is the run's name everywhere.
        settings: shown beside the run where a sink can.
        lines: folder of events.jsonl where it is not the run's.

    Raises:
        ConfigError: for an unknown sink.
        MissingExtra: when a sink's package is not installed.
    """
    unknown = [name for name in names if name not in SINKS]
    if unknown:
        raise ConfigError(f"there is no sink called {unknown[0]}", hint=f"Known: {', '.join(SINKS)}")
    with ExitStack() as stack:
        file = JsonLines((lines or folder) / EVENTS)
        stack.callback(file.close)
        stack.enter_context(listening(file))
        for name in names:
            sink: Sink = SINKS[name](folder, settings or {})
            stack.callback(sink.close)
            stack.enter_context(listening(sink))
        yield


def _numbers(event: Event) -> Iterator[tuple[str, float, int]]:
    """(name, value, step) of an event that happened at a step, or of a score."""
    fields = event.fields
    step, value = fields.get("step"), fields.get("value")
    if event.name == SCORE and isinstance(value, int | float):
        yield f"evaluate/{fields['system']}/{fields['metric']}", float(value), 0
    if event.name.startswith("train.") and isinstance(step, int):
        for key, number in fields.items():
            if key != "step" and isinstance(number, int | float) and not isinstance(number, bool):
                yield f"{event.name.removeprefix('train.')}/{key}", float(number), step
