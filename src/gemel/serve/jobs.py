"""Long work started by the server in processes of its own: it goes on when the page is reloaded, when the
server is restarted, and is told from its journal.

`jobs/<id>/` holds `job.json` (what to do), `events.jsonl` (progress; numbers and ids only) and, at the end,
`status.json`. A stage resumes from its own manifests, so a lost or stopped job is started again as it was.
Run as `python -m gemel.serve.jobs FOLDER ID`, which is what the server does.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import psutil

from gemel.errors import DataError, GemelError, PersonUnknown
from gemel.track import Event, listening
from gemel.workspace import Workspace, atomic

__all__ = ["KINDS", "Job", "Jobs", "run_job"]

KINDS = ("import", "build", "remember", "train", "evaluate", "audit", "make", "improve")
SEEDLING = "seedling"
EVENTS, JOB, STATUS = "events.jsonl", "job.json", "status.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One piece of work."""

    id: str
    kind: str
    params: Mapping[str, Any]
    created: float
    state: str = "running"
    """running, done, failed, stopped, or lost (its process is gone without a word)."""
    summary: str = ""
    error: str = ""
    hint: str = ""
    candidates: tuple[str, ...] = ()
    """Names among which the owner can say who they are, where an import could not tell."""
    finished: float = 0.0


class Jobs:
    """All jobs of a workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self.folder = workspace.root / "jobs"

    def start(self, kind: str, params: Mapping[str, Any] | None = None) -> Job:
        """Start a job in a process of its own.

        Raises:
            DataError: when there is no such kind.
        """
        if kind not in KINDS:
            raise DataError(f"there is no job '{kind[:40]}'", hint=f"Known: {', '.join(KINDS)}")
        job = Job(
            id=f"{int(time.time() * 1000):x}{uuid4().hex[:6]}", kind=kind, params=params or {}, created=time.time()
        )
        place = self.folder / job.id
        place.mkdir(parents=True)
        with atomic(place / JOB) as path:
            path.write_text(json.dumps(asdict(job), ensure_ascii=False), encoding="utf-8")
        (place / EVENTS).touch()
        command = [sys.executable, "-m", "gemel.serve.jobs", str(self.workspace.root), job.id]
        detached: dict[str, Any] = {"start_new_session": True} if os.name == "posix" else {"creationflags": 0x00000200}
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **detached
        )
        threading.Thread(target=child.wait, daemon=True).start()  # so that no zombie stays behind
        (place / "pid").write_text(f"{child.pid} {psutil.Process(child.pid).create_time()}", encoding="utf-8")
        return job

    def all(self) -> list[Job]:
        """Every job, the newest first."""
        found = [self.get(p.name) for p in self.folder.glob("*/")] if self.folder.exists() else []
        return sorted((j for j in found if j is not None), key=lambda j: -j.created)

    def get(self, number: str) -> Job | None:
        """A job as it is now."""
        place = self.folder / number
        if not (place / JOB).exists():
            return None
        said = json.loads((place / JOB).read_text(encoding="utf-8"))
        if (place / STATUS).exists():
            said |= json.loads((place / STATUS).read_text(encoding="utf-8"))
        elif self._process(number) is None:
            # it may have ended between the two looks
            end = json.loads((place / STATUS).read_text(encoding="utf-8")) if (place / STATUS).exists() else {}
            said |= end or {"state": "lost", "hint": "Start it again: it goes on where it was."}
        return Job(**{**said, "candidates": tuple(said.get("candidates", ()))})

    def events(self, number: str, after: int = 0) -> list[tuple[int, str]]:
        """(line number, JSON) of every event after the given one."""
        path = self.folder / number / EVENTS
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # what is after the last break is half-written
        return [(i, line) for i, line in enumerate(lines, 1) if i > after]

    def stop(self, number: str) -> bool:
        """Ask a running job to stop; it can be started again. False when it does not run."""
        process = self._process(number)
        if process is None or (self.folder / number / STATUS).exists():
            return False
        process.send_signal(signal.SIGINT if os.name == "posix" else signal.SIGTERM)
        return True

    def _process(self, number: str) -> psutil.Process | None:
        try:
            pid, born = (self.folder / number / "pid").read_text(encoding="utf-8").split()
            process = psutil.Process(int(pid))
            same = abs(process.create_time() - float(born)) < 1 and process.status() != psutil.STATUS_ZOMBIE
        except (OSError, ValueError, psutil.Error):
            return None
        return process if same else None


def run_job(workspace: Workspace, number: str) -> None:
    """Do a job in this process and write how it ended."""
    place = workspace.root / "jobs" / number
    said = json.loads((place / JOB).read_text(encoding="utf-8"))
    end: dict[str, Any]
    with (place / EVENTS).open("a", encoding="utf-8") as journal:

        def note(event: Event) -> None:
            row = {"name": event.name, "time": event.time, **event.fields}
            journal.write(json.dumps(row, ensure_ascii=False) + "\n")
            journal.flush()

        try:
            with listening(note):
                end = {"state": "done", "summary": _DO[said["kind"]](workspace, said["params"])}
        except KeyboardInterrupt:
            end = {"state": "stopped", "hint": "Start it again: it goes on where it was."}
        except GemelError as error:
            end = {"state": "failed", "error": error.message, "hint": error.hint}
            if isinstance(error, PersonUnknown):
                end["candidates"] = error.candidates
        except Exception as error:
            end = {"state": "failed", "error": f"a mistake of gemel's own ({type(error).__name__})"}
    with atomic(place / STATUS) as path:
        path.write_text(json.dumps({**end, "finished": time.time()}, ensure_ascii=False), encoding="utf-8")


def _paths(workspace: Workspace, params: Mapping[str, Any]) -> list[Path]:
    return [workspace.root / "uploads" / Path(name).name for name in params.get("files", ())]


def _import(workspace: Workspace, params: Mapping[str, Any]) -> str:
    from gemel.pipeline.imports import import_paths

    config = workspace.config({"import": {"me": params["me"]}} if params.get("me") else None)
    done = import_paths(workspace, _paths(workspace, params), config)
    return f"{len(done.sources)} sources, {done.people} people"


def _build(workspace: Workspace, _params: Mapping[str, Any]) -> str:
    from gemel.pipeline.build import build_dataset

    counts = build_dataset(workspace, workspace.config()).counts
    return ", ".join(f"{counts.get(s, 0):,} {s}" for s in ("train", "valid", "test")) + " examples"


def _remember(workspace: Workspace, _params: Mapping[str, Any]) -> str:
    from gemel.pipeline.remember import remember

    return remember(workspace, workspace.config())


def _train(workspace: Workspace, params: Mapping[str, Any]) -> str:
    from gemel.pipeline.train import train_voice

    config = workspace.config(_training(workspace, params))
    return f"{train_voice(workspace, config).counts.get('steps', 0):,} steps"


def _training(workspace: Workspace, params: Mapping[str, Any]) -> dict[str, Any]:
    """What a job changes of the configuration: a bound on its time, and the base."""
    train: dict[str, Any] = {}
    if params.get("minutes"):
        train["max_minutes"] = float(params["minutes"])
    base = params.get("base")
    if base and base != SEEDLING and workspace.config().train.method == "full":
        train["method"] = "lora"  # all weights are trained of the small base that ships only
    return {"train": train, **({"model": {"base": base}} if base else {})}


def _evaluate(workspace: Workspace, _params: Mapping[str, Any]) -> str:
    from gemel.pipeline.evaluate import evaluate_run

    return str(evaluate_run(workspace, workspace.config()).extra.get("verdict", ""))


def _audit(workspace: Workspace, _params: Mapping[str, Any]) -> str:
    from gemel.pipeline.audit import audit_run

    found = audit_run(workspace, workspace.config())
    return "passed" if found.passed else f"not passed: {'; '.join(found.failures)}"


def _make(workspace: Workspace, params: Mapping[str, Any]) -> str:
    from gemel.pipeline.make import make
    from gemel.track import emit

    overrides = _training(workspace, params)
    if params.get("me"):
        overrides["import"] = {"me": params["me"]}
    done = make(
        workspace, _paths(workspace, params), overrides=overrides, before=lambda stage: emit("stage", stage=stage)
    )
    return "; ".join(f"{d.stage}: {d.left_out or d.summary}" for d in done)


def _improve(workspace: Workspace, params: Mapping[str, Any]) -> str:
    from gemel.pipeline.retrain import OUTCOMES, improve

    done = improve(workspace, workspace.config(), _paths(workspace, params))
    return f"round {done.number}: {OUTCOMES[done.outcome]}"


_DO: Mapping[str, Callable[[Workspace, Mapping[str, Any]], str]] = {
    "import": _import,
    "build": _build,
    "remember": _remember,
    "train": _train,
    "evaluate": _evaluate,
    "audit": _audit,
    "make": _make,
    "improve": _improve,
}


if __name__ == "__main__":
    run_job(Workspace(Path(sys.argv[1])), sys.argv[2])
