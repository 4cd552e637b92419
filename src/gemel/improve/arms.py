"""The arms of a comparison: voices, cards and ways of decoding that are laid side by side blindly.

They stand in `arms.json` in the workspace, written by the owner. Where there is no such file, the arms are the
current voice and the voice before it, or the current voice at two temperatures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from gemel.errors import ConfigError
from gemel.privacy.unservable import is_unservable
from gemel.speaker import Sampling
from gemel.workspace import Manifest, Workspace, atomic

__all__ = ["FILE", "MOST", "Arm", "arms", "load", "save"]

FILE = "arms.json"
MOST = 6
"""Arms at most: every pair needs votes of its own."""
_ID = re.compile(r"[a-z0-9][a-z0-9.-]{0,39}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """One way for the twin to be."""

    id: str
    """Lower-case letters, digits, dots and hyphens; votes are kept under it, so another arm needs another id."""
    title: str = ""
    """What the owner calls it."""
    run: str = ""
    """Id of a trained voice; empty: the current one, whichever that is when a pair is made."""
    way: str = "voice"
    """voice, assisted, memory or prompted."""
    rules: tuple[str, ...] = ()
    """Rules that its card has besides the owner's."""
    temperature: float = 1.0
    top_p: float = 1.0

    def sampling(self, **other: Any) -> Sampling:
        """How its replies are drawn.

        Args:
            other: further fields, e.g. `seed`.
        """
        return Sampling(temperature=self.temperature, top_p=self.top_p, **other)


def arms(workspace: Workspace) -> list[Arm]:
    """The arms of a workspace; none where there is no voice yet.

    Raises:
        ConfigError: when `arms.json` is not what it should be, naming every mistake at once.
    """
    path = workspace.root / FILE
    return load(path) if path.exists() else _usual(workspace)


def load(path: Path) -> list[Arm]:
    """Read a file of arms.

    Raises:
        ConfigError: naming every mistake at once.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid JSON: {error}") from error
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ConfigError(f"{path.name} has to be a list of arms")
    known = set(Arm.__dataclass_fields__)
    if unknown := sorted({key for row in rows for key in row} - known):
        raise ConfigError(f"{path.name}: unknown {', '.join(unknown)}", hint=f"Known: {', '.join(sorted(known))}")
    found = [Arm(**{**row, "id": str(row.get("id", "")), "rules": tuple(row.get("rules", ()))}) for row in rows]
    check(found)
    return found


def save(workspace: Workspace, wanted: Sequence[Arm]) -> None:
    """Write the arms of a workspace.

    Raises:
        ConfigError: when they cannot be compared, naming every mistake at once.
    """
    check(wanted)
    with atomic(workspace.root / FILE) as path:
        path.write_text(json.dumps([asdict(arm) for arm in wanted], ensure_ascii=False, indent=1), encoding="utf-8")


def check(wanted: Sequence[Arm]) -> None:
    """Let arms pass that can be compared.

    Raises:
        ConfigError: naming every mistake at once.
    """
    faults = [*_doubles(wanted), *(f"{arm.id or 'an arm'}: {fault}" for arm in wanted for fault in _faults(arm))]
    if not 2 <= len(wanted) <= MOST:
        faults.append(f"there are {len(wanted)} arms; two to {MOST} can be compared")
    if faults:
        raise ConfigError(f"{FILE}: " + "; ".join(faults))


def _doubles(wanted: Sequence[Arm]) -> Iterable[str]:
    ids = [arm.id for arm in wanted]
    yield from (f"two arms are called {i}" for i in sorted({i for i in ids if ids.count(i) > 1}))
    made: dict[tuple[Any, ...], list[str]] = {}
    for arm in wanted:
        made.setdefault((arm.run, arm.way, arm.rules, arm.temperature, arm.top_p), []).append(arm.id)
    yield from (f"{' and '.join(same)} do not differ" for same in made.values() if len(same) > 1)


def _faults(arm: Arm) -> Iterable[str]:
    if not _ID.fullmatch(arm.id):
        yield "an id has 1 to 40 lower-case letters, digits, dots and hyphens"
    if arm.way not in ("voice", "assisted", "memory", "prompted"):
        yield "way has to be voice, assisted, memory or prompted"
    if not (_number(arm.temperature) and 0 <= arm.temperature <= 2 and _number(arm.top_p) and 0 < arm.top_p <= 1):
        yield "temperature has to be from 0 to 2, top_p above 0 and at most 1"
    if not isinstance(arm.title, str) or not isinstance(arm.run, str) or len(arm.title) > 100:
        yield "title and run have to be text of at most 100 characters"
    if len(arm.rules) > 20 or not all(isinstance(rule, str) and 0 < len(rule) <= 400 for rule in arm.rules):
        yield "at most 20 rules of at most 400 characters"


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _usual(workspace: Workspace) -> list[Arm]:
    current = workspace.current()
    if current is None:
        return []
    others = [f for f in workspace.runs.glob("*/") if f.name != current and not is_unservable(f)]
    finished = {f.name: m.finished for f in others if (m := Manifest.read(f)) is not None}
    now = Arm(id=_slug(current), title="the voice as it is", run=current)
    if finished:
        before = max(finished, key=lambda name: (finished[name], name))
        return [now, Arm(id=_slug(before), title="another voice", run=before)]
    return [
        now,
        Arm(id=f"{_slug(current)[:30]}-cooler", title="the same, less venturous", run=current, temperature=0.7),
    ]


def _slug(run: str) -> str:
    return re.sub(r"[^a-z0-9.]+", "-", run.lower()).strip("-.")[:40] or "run"
