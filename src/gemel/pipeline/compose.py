"""What a retraining learns from and is measured on: new sessions, some of the old ones, corrections.

Once held out, always held out: what a voice was measured on is never learned by the voices after it, so that
all of them can be compared on it. New sessions are divided in order of time into training, validation and test;
a session is never parted, and what was set aside stays out.
"""

from __future__ import annotations

import random
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gemel.config import Config
from gemel.corpus.split import Unit, in_order, shuffled
from gemel.examples import Example, write_examples
from gemel.pipeline.corrections import KIND
from gemel.pipeline.evaluate import read_split
from gemel.pipeline.seal import HELD, ids_of, learned, learned_from
from gemel.pipeline.warm import can_go_on
from gemel.records import stable_id
from gemel.workspace import Manifest, Workspace, atomic_folder, fingerprint

__all__ = ["NEXT", "compose", "is_warm", "seen_by"]

NEXT = "-next"
"""Suffix of the data set of a retraining."""
VALID = 0.1
"""Share of new sessions for validation."""
BESIDE = ("contacts", "impostor", "rehearsal")
"""Files of the data set that go along as they are."""

Seen = Mapping[str, frozenset[str]]
"""Split → records that a voice learned from, or was held out from."""


@dataclass
class _Sorted:
    """The sessions of a data set by what the current voice knows of them."""

    old: list[Example] = field(default_factory=list)
    held: dict[str, list[Example]] = field(default_factory=lambda: {"valid": [], "test": []})
    grown: list[Example] = field(default_factory=list)
    """New turns of sessions that were learned in part."""
    corrections: list[Example] = field(default_factory=list)
    new: dict[str, list[Example]] = field(default_factory=dict)
    aside: int = 0


def seen_by(workspace: Workspace, run: str) -> Seen:
    """What a voice has learned from and was held out from."""
    found = learned(workspace.run(run))
    if found is not None:
        return found
    manifest = workspace.need(workspace.run(run), f"the run '{run}'", "gemel train")
    data = learned_from(workspace.dataset(str(manifest.extra.get("dataset", "main"))))
    return {split: frozenset(ids) for split, ids in data.items()}


def is_warm(workspace: Workspace, config: Config, current: str) -> bool:
    """Whether a retraining goes on from the current voice."""
    able = can_go_on(workspace.run(current), config.train.method) and not config.traits.use
    return config.improve.start == "warm" and able


def compose(
    workspace: Workspace, config: Config, current: str, *, aside: Iterable[str] = (), dataset: str = "main"
) -> Manifest:
    """Make the data set `<dataset>-next` for a voice that shall follow `current`, unless it is there.

    Args:
        aside: records that are set aside.

    Raises:
        MissingStage: when the data set or the run is not there.
    """
    source = workspace.dataset(dataset)
    built = workspace.need(source, f"the data set '{dataset}'", "gemel build")
    seen, out, section = seen_by(workspace, current), frozenset(aside), config.improve
    warm = is_warm(workspace, config, current)
    inputs = {
        "dataset": built.fingerprint,
        "seen": stable_id(*(f"{s} {i}" for s in HELD for i in sorted(seen[s]))),
        "aside": stable_id(*sorted(out)),
    }
    settings = {"warm": warm, **section.model_dump(include={"rehearsal", "corrections", "holdout"})}
    wanted = fingerprint("compose", inputs, settings, config.corpus, seed=config.train.seed)
    folder = workspace.dataset(dataset + NEXT)
    found = workspace.fresh(folder, wanted)
    if found is not None:
        return found
    parts = _sort(source, seen, out)
    with workspace.lock("compose"), atomic_folder(folder) as place:
        counts = _write(place, source, parts, config, warm=warm)
        Manifest(
            stage="build",
            fingerprint=wanted,
            inputs=inputs,
            section=settings,
            counts=counts,
            seed=config.train.seed,
            extra={k: built.extra[k] for k in ("me", "people") if k in built.extra},
        ).write(place)
    return workspace.need(folder, "the next data set", "gemel improve")


def _sort(source: Path, seen: Seen, aside: frozenset[str]) -> _Sorted:
    sessions: dict[str, list[Example]] = defaultdict(list)
    for split in HELD:
        for example in read_split(source, split):
            sessions[example.session or example.id].append(example)
    parts = _Sorted()
    for session, examples in sessions.items():
        ids = {i for e in examples for i in ids_of(e)}
        if ids & aside:
            parts.aside += 1
        elif held := next((s for s in ("test", "valid") if ids & seen[s]), None):
            parts.held[held] += examples
        elif ids <= seen["train"]:
            parts.old += examples
        elif examples[0].kind == KIND:
            parts.corrections += examples
        elif ids & seen["train"]:
            parts.old += [e for e in examples if seen["train"].issuperset(ids_of(e))]
            parts.grown += [e for e in examples if not seen["train"].issuperset(ids_of(e))]
        else:
            parts.new[session] = examples
    return parts


def _write(place: Path, source: Path, parts: _Sorted, config: Config, *, warm: bool) -> dict[str, int]:
    section, seed = config.improve, config.train.seed
    rehearsed = _sample(parts.old, section.rehearsal, seed) if warm else parts.old
    places = _divide(parts.new, section.holdout, config.corpus.embargo_hours * 3600)
    new: dict[str, list[Example]] = {split: [] for split in HELD}
    for session, examples in parts.new.items():
        if places[session] in new:
            new[places[session]] += examples
    train = [*new["train"], *parts.grown, *rehearsed, *(parts.corrections * section.corrections)]
    splits = {"train": train, **{s: [*parts.held[s], *new[s]] for s in ("valid", "test")}}
    counts = {s: write_examples(place / f"{s}.parquet", (e.with_split(s) for e in splits[s])) for s in HELD}
    for name in BESIDE:
        if (source / f"{name}.parquet").exists():
            shutil.copyfile(source / f"{name}.parquet", place / f"{name}.parquet")
    fresh = [e for examples in (*parts.new.values(), parts.grown, parts.corrections) for e in examples]
    return {
        **counts,
        "new sessions": len(parts.new),
        "new turns": len({(t.ids, t.text) for e in fresh for t in e.learned}),
        "new test sessions": sum(p == "test" for p in places.values()),
        "rehearsed": len(rehearsed),
        "corrections": len(parts.corrections),
        "set aside": parts.aside,
    }


def _sample(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    return random.Random(f"rehearsal {seed}").sample(list(examples), round(share * len(examples)))


def _divide(sessions: Mapping[str, Sequence[Example]], holdout: float, embargo: float) -> dict[str, str]:
    """Where each new session goes; what has no time is divided by a stable hash."""
    shares = (1 - VALID - holdout, VALID, holdout)
    timed = {k: _span(examples) for k, examples in sessions.items()}
    places = in_order([Unit(k, *span) for k, span in timed.items() if span], shares, embargo=embargo).places
    return places | shuffled([k for k, span in timed.items() if span is None], shares)


def _span(examples: Sequence[Example]) -> tuple[float, float] | None:
    times = [t for e in examples for t in (e.time, *(turn.time for turn in e.turns)) if t is not None]
    return (min(times).timestamp(), max(times).timestamp()) if times else None
