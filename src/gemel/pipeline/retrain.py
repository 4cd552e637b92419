"""`gemel improve`: one round of learning on, from new exports to a voice that is proposed, promoted or kept back.

A round is a file `improve/<number>.json` that is written after every step, so that a killed round goes on where it
was; the steps themselves resume from their own manifests. One round at a time. Nothing here deletes a voice: one
that did not pass the gate stays in `runs/` with the reason in its manifest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemel.config import Config
from gemel.errors import DataError, MissingStage, TooLittle
from gemel.improve.gate import Finding, Leak, decide
from gemel.pipeline.compose import NEXT, compose, is_warm, seen_by
from gemel.pipeline.promote import blind, ensure_good, gate_of, note_gate, promote
from gemel.pipeline.seal import HELD, learned, save_learned
from gemel.track import emit
from gemel.workspace import Workspace, atomic

__all__ = ["OUTCOMES", "STEPS", "Round", "accept", "aside", "brought", "improve", "rounds"]

OUTCOMES = {
    "promoted": "the candidate is the twin now",
    "proposed": "the candidate passed the gate and waits for you",
    "kept": "the candidate did not pass the gate",
    "set aside": "the new text does not look like yours and was not learned",
    "nothing": "too little is new",
}


@dataclass(kw_only=True)
class Round:
    """One round, as far as it has come."""

    number: int
    began: float
    """Seconds since the epoch."""
    current: str
    """The voice it set out from."""
    steps: dict[str, str] = field(default_factory=dict)
    """Step → what it did, in order."""
    dataset: str = ""
    """Fingerprint of the data set it works on."""
    candidate: str = ""
    foreign: str = ""
    """Why the new text is taken for somebody else's, where it was learned all the same."""
    measured: dict[str, Any] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)
    """Limits that the audit found broken."""
    outcome: str = ""
    """One of `OUTCOMES`; "" while the round is not over."""
    reasons: list[str] = field(default_factory=list)
    ended: float = 0.0


@dataclass(frozen=True)
class _Work:
    """What every step is handed."""

    workspace: Workspace
    config: Config
    round: Round
    paths: tuple[Path, ...]
    least: int
    """Own turns that must be new."""
    dataset: str = "main"

    @property
    def next(self) -> str:
        return self.dataset + NEXT

    def end(self, outcome: str, reasons: Sequence[str]) -> str:
        self.round.outcome, self.round.reasons = outcome, list(reasons)
        return OUTCOMES[outcome]


def improve(
    workspace: Workspace,
    config: Config,
    paths: Sequence[Path] = (),
    *,
    least: int | None = None,
    after: Callable[[str, str], None] = lambda step, summary: None,
) -> Round:
    """Do a round, or go on with the one that was not finished.

    Args:
        paths: new exports; none: what lies in the inbox.
        least: own turns that must be new; None: as configured.
        after: told every step and what it did.

    Raises:
        Busy: when a round is running already.
        MissingStage: when there is no voice to improve.
    """
    with workspace.lock("improve", name="improve.lock"):
        ensure = ensure_good(workspace)
        current = workspace.current()
        if current is None:
            raise MissingStage("there is no voice to improve", hint="`gemel make` makes the first one.")
        round_ = _open(workspace, current)
        if ensure:
            round_.steps["check"] = f"{ensure} was damaged: back to {current}"
        work = _Work(workspace, config, round_, tuple(paths), config.improve.min_new_turns if least is None else least)
        for name, step in STEPS.items():
            if round_.outcome:
                break
            if name in round_.steps and name not in ALWAYS:
                continue
            emit("improve.step", step=name, state="begin")
            round_.steps[name] = step(work)
            if round_.outcome:
                round_.ended = time.time()
            _save(workspace, round_)
            emit("improve.step", step=name, state="done")
            after(name, round_.steps[name])
        emit("improve.done", outcome=round_.outcome, run=round_.candidate)
        return round_


def rounds(workspace: Workspace) -> list[Round]:
    """All rounds, the latest first."""
    folder = workspace.root / "improve"
    files = sorted(folder.glob("[0-9]*.json"), reverse=True) if folder.exists() else []
    return [Round(**json.loads(f.read_text(encoding="utf-8"))) for f in files]


def brought(workspace: Workspace) -> list[Path]:
    """Exports that lie in the inbox or were uploaded."""
    places = (workspace.inbox, workspace.root / "uploads")
    return sorted(path for place in places if place.exists() for path in place.glob("[!.]*"))


def aside(workspace: Workspace) -> list[str]:
    """Records that are set aside."""
    path = workspace.root / "improve" / "aside.json"
    found: list[str] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
    return found


def accept(workspace: Workspace) -> int:
    """Let everything that was set aside be learned from after all; returns how many records that are."""
    with workspace.lock("improve", name="improve.lock"):
        count = len(aside(workspace))
        _write(workspace.root / "improve" / "aside.json", [])
    return count


def _open(workspace: Workspace, current: str) -> Round:
    """The round that is not over, if it set out from the voice that is the twin now; else a new one."""
    found = rounds(workspace)
    if found and not found[0].outcome and found[0].current == current:
        return found[0]
    if found and not found[0].outcome and found[0].candidate == current:  # killed between promoting and saying so
        said = gate_of(workspace.need(workspace.run(current), f"the run '{current}'", "gemel train"))
        found[0].outcome, found[0].reasons = "promoted", list(said.get("reasons", ("promoted by hand",)))
        _save(workspace, found[0])
    number = found[0].number + 1 if found else 1
    return Round(number=number, began=time.time(), current=current)


def _save(workspace: Workspace, round_: Round) -> None:
    _write(workspace.root / "improve" / f"{round_.number:04d}.json", asdict(round_))


def _write(path: Path, value: Any) -> None:
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


# the steps ------------------------------------------------------------------
def _import(work: _Work) -> str:
    from gemel.pipeline.imports import import_paths

    paths = work.paths or tuple(brought(work.workspace))
    if not paths:
        return "nothing was brought"
    done = import_paths(work.workspace, paths, work.config)
    return f"{sum(s.kept for s in done.sources):,} records are new"


def _build(work: _Work) -> str:
    from gemel.pipeline.build import build_dataset

    built = build_dataset(work.workspace, work.config, work.dataset)
    if work.round.dataset not in ("", built.fingerprint):  # something came in since: what followed is no longer true
        kept = {k: v for k, v in work.round.steps.items() if k in ALWAYS}
        work.round.steps.clear()
        work.round.steps.update(kept)
    work.round.dataset = built.fingerprint
    return f"{built.counts.get('train', 0):,} examples to learn from"


def _compose(work: _Work) -> str:
    made = compose(work.workspace, work.config, work.round.current, aside=aside(work.workspace), dataset=work.dataset)
    turns = made.counts["new turns"]
    text = f"{turns:,} own turns are new, {made.counts['corrections']:,} corrections"
    if turns < work.least and not made.counts["corrections"]:
        work.end("nothing", [f"{turns:,} own turns are new, at least {work.least:,} are wanted"])
    elif not made.counts["train"]:
        work.end("nothing", ["nothing new is left to learn from"])
    return text + f", {made.counts['rehearsed']:,} examples rehearsed"


def _screen(work: _Work) -> str:
    from gemel.pipeline.trial import new_records, recognise
    from gemel.pipeline.watch import note_new

    found = recognise(work.workspace, work.config, work.round.current, work.next)
    records = new_records(work.workspace, work.round.current, work.next)
    note_new(work.workspace, work.round.current, found, records)
    if found.foreign and work.config.improve.screen:
        _write(work.workspace.root / "improve" / "aside.json", sorted({*aside(work.workspace), *records}))
        work.end("set aside", [str(found), "`gemel improve --accept` learns it after all"])
    work.round.foreign = str(found) if found.foreign else ""
    return str(found)


def _train(work: _Work) -> str:
    from gemel.pipeline.train import train_voice

    workspace, config, current = work.workspace, work.config, work.round.current
    warm = is_warm(workspace, config, current)
    made = train_voice(workspace, config, work.next, start=current if warm else None)
    run = str(made.extra["run"])
    if made.extra["reason"] == "stopped":
        raise DataError("the training was stopped", hint="The same command goes on where it was.")
    # What a warm start learned before, it still knows; what was held out before, stays held out.
    mine, before = learned(workspace.run(run)) or {}, seen_by(workspace, current)
    save_learned(workspace.run(run), {s: mine.get(s, frozenset()) | before[s] for s in HELD})
    work.round.candidate = run
    return f"{run}: {made.extra['steps']:,} steps, {'from ' + current if warm else 'from the base'}"


def _compare(work: _Work) -> str:
    from gemel.pipeline.trial import compare

    found = compare(work.workspace, work.config, work.round.current, work.round.candidate, work.next)
    work.round.measured = asdict(found)
    return "; ".join(str(f) for f in found.findings)


def _evaluate(work: _Work) -> str:
    if not work.config.improve.evaluate:
        return "not asked for"
    from gemel.pipeline.evaluate import evaluate_run

    try:
        return str(evaluate_run(work.workspace, work.config, work.round.candidate).extra["verdict"])
    except TooLittle as error:
        return f"left out: {error.message}"


def _audit(work: _Work) -> str:
    if work.config.improve.audit == "quick":
        return "leaks were compared only"
    from gemel.pipeline.audit import audit_run

    try:
        found = audit_run(work.workspace, work.config, work.round.candidate)
    except TooLittle as error:
        return f"left out: {error.message}"
    work.round.failed = list(found.failures)
    return "passed" if found.passed else "; ".join(found.failures)


def _decide(work: _Work) -> str:
    round_, workspace = work.round, work.workspace
    findings = [Finding(**row) for row in round_.measured["findings"]]
    leaks = [Leak(**row) for row in round_.measured["leaks"]]
    votes = blind(workspace, round_.candidate, round_.current)
    said = decide(findings, leaks, failed=round_.failed, blind=votes, foreign=round_.foreign)
    outcome = "kept" if not said.passed else "promoted" if work.config.improve.promote == "auto" else "proposed"
    note = {"outcome": outcome, "round": round_.number, "against": round_.current, **said.to_dict()}
    note_gate(workspace, round_.candidate, note)
    if outcome == "promoted":
        promote(workspace, round_.candidate, reason=f"passed the gate in round {round_.number}")
    return work.end(outcome, said.reasons)


Step = Callable[[_Work], str]
STEPS: Mapping[str, Step] = {
    "import": _import,
    "build": _build,
    "compose": _compose,
    "screen": _screen,
    "train": _train,
    "compare": _compare,
    "evaluate": _evaluate,
    "audit": _audit,
    "decide": _decide,
}
"""In order; each is recorded when it is done."""
ALWAYS = ("import", "build")
"""Steps that are asked again whenever a round goes on: they do nothing when nothing is new."""
