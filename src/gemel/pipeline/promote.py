"""Which voice is the twin: making another one it, and going back.

Both are one atomic change of `current.json`. A voice that is damaged, unfinished or knows something that was
forgotten is refused before anything changes. Going back undoes promotions like a stack: what was left does not
come back by going back again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gemel.errors import DamagedCheckpoint, MissingStage, Refused
from gemel.feedback import Feedback
from gemel.improve.arms import arms
from gemel.improve.evidence import evidence
from gemel.improve.gate import Blind
from gemel.pipeline.seal import check
from gemel.privacy.unservable import refuse_unservable
from gemel.track import emit
from gemel.workspace import Manifest, Workspace

__all__ = ["Listed", "blind", "drop", "ensure_good", "gate_of", "note_gate", "promote", "roll_back", "runs"]

GATE = "gate"
"""In a manifest's `extra`: what the gate decided and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A voice in a list."""

    id: str
    current: bool
    finished: float
    """Seconds since the epoch."""
    start: str
    """The voice it went on from; "" for the base."""
    bits: float | None
    """Held-out bits per byte at the end of training."""
    outcome: str
    """promoted, proposed, kept, or "" where no gate was asked."""
    reasons: tuple[str, ...]
    trouble: str
    """Why it cannot speak; "" when it can."""


def promote(workspace: Workspace, run: str, *, reason: str = "promoted by hand", anyway: bool = False) -> None:
    """Make a voice the twin.

    Args:
        anyway: also when the gate kept it back or blind votes are against it.

    Raises:
        DamagedCheckpoint: when its weights are not as they were, or it is not finished.
        Refused: when something it was trained on was forgotten since, the gate kept it back, or blind votes prefer
            the current voice.
    """
    gate = gate_of(check(workspace.run(run)))
    refuse_unservable(workspace.run(run))
    if gate.get("outcome") == "kept" and not anyway:
        why = "; ".join(str(reason) for reason in gate.get("reasons", ()))
        raise Refused(
            f"the gate kept this voice back: {why}", hint="`gemel runs promote RUN --anyway` does it all the same."
        )
    current = workspace.current()
    if current is not None and not anyway and (votes := blind(workspace, run, current)).worse:
        raise Refused(
            f"blind votes prefer the current voice ({votes.losses} to {votes.wins})",
            hint="`gemel runs promote RUN --anyway` does it all the same.",
        )
    if current != run:
        workspace.promote(run, reason=reason)
        emit("improve.promoted", run=run)


def roll_back(workspace: Workspace, *, reason: str = "") -> str:
    """Go back to the voice that was the twin before; one that cannot speak is passed over. Returns its id.

    Raises:
        MissingStage: when no earlier voice can speak.
    """
    left = workspace.current()
    for run in reversed(_stack(workspace)[:-1]):
        if run != left and not trouble(workspace, run):
            workspace.promote(run, reason=f"back from {left}" + (f": {reason}" if reason else ""), back=True)
            emit("improve.rolled_back", run=run)
            return run
    raise MissingStage("there is no earlier voice to go back to", hint="`gemel train` makes one.")


def ensure_good(workspace: Workspace) -> str | None:
    """Go back to an earlier voice if the current one is damaged; returns the id of the one that was left.

    Raises:
        MissingStage: when it is damaged and no earlier voice can speak.
    """
    current = workspace.current()
    if current is None:
        return None
    try:
        check(workspace.run(current))
    except DamagedCheckpoint as error:
        roll_back(workspace, reason=error.message)
        return current
    return None


def blind(workspace: Workspace, candidate: str, current: str) -> Blind:
    """Votes on a voice against the current one, by the arms that stand for them."""
    if candidate == current or not workspace.feedback_path.exists():
        return Blind()
    known = arms(workspace)
    mine = [a.id for a in known if a.run == candidate]
    other = [a.id for a in known if a.run in (current, "")]
    with closing(Feedback(workspace.feedback_path)) as store:
        votes = store.votes()
    found = [evidence(votes, a, b) for a in mine for b in other]
    return Blind(
        wins=sum(e.wins for e in found),
        losses=sum(e.losses for e in found),
        worse=any(e.decision == "b" for e in found),
    )


def _stack(workspace: Workspace) -> list[str]:
    """The promotions that still hold, the current one last."""
    if not workspace.current_path.exists():
        return []
    now: dict[str, Any] = json.loads(workspace.current_path.read_text(encoding="utf-8"))
    stack: list[str] = []
    for row in [*reversed(now.get("history", [])), now]:
        run = row.get("run")
        if row.get("back") and run in stack:
            del stack[stack.index(run) + 1 :]
        elif run and (not stack or stack[-1] != run):
            stack.append(run)
    return stack


def trouble(workspace: Workspace, run: str) -> str:
    """Why a voice cannot speak; "" when it can."""
    try:
        check(workspace.run(run))
        refuse_unservable(workspace.run(run))
    except (DamagedCheckpoint, Refused) as error:
        return error.message
    return ""


def runs(workspace: Workspace) -> list[Listed]:
    """Every finished voice with what became of it, the newest first."""
    current, stack = workspace.current(), _stack(workspace)
    out = []
    for folder in sorted(workspace.runs.glob("*/")) if workspace.runs.exists() else []:
        if (manifest := Manifest.read(folder)) is None:
            continue
        gate = gate_of(manifest)
        promoted = folder.name in stack
        out.append(
            Listed(
                id=folder.name,
                current=folder.name == current,
                finished=manifest.finished,
                start=str(manifest.extra.get("start") or ""),
                bits=manifest.extra.get("bits"),
                outcome="promoted" if promoted else str(gate.get("outcome", "")),
                reasons=tuple(gate.get("reasons", ())),
                trouble=trouble(workspace, folder.name),
            )
        )
    return sorted(out, key=lambda r: -r.finished)


def gate_of(manifest: Manifest) -> Mapping[str, Any]:
    """What the gate said about a voice; empty where it was not asked."""
    said: Mapping[str, Any] = manifest.extra.get(GATE, {})
    return said


def drop(workspace: Workspace, run: str) -> None:
    """Delete a voice for good.

    Raises:
        MissingStage: when there is no such run.
        Refused: when it is the twin.
    """
    with workspace.lock("drop"):
        folder = workspace.run(run)
        if Path(run).name != run or not folder.is_dir():
            raise MissingStage(f"there is no run '{run[:80]}'", hint="`gemel runs` lists them.")
        if workspace.current() == run:
            raise Refused("this voice is the twin", hint="Promote another one, or `gemel runs rollback`, first.")
        shutil.rmtree(folder)


def note_gate(workspace: Workspace, run: str, decision: Mapping[str, Any]) -> None:
    """Write a decision into the voice's manifest."""
    folder = workspace.run(run)
    manifest = workspace.need(folder, f"the run '{run}'", "gemel train")
    replace(manifest, extra={**manifest.extra, GATE: dict(decision)}).write(folder)
