"""`gemel monitor`: readings of the twin that speaks now, taken from what is in the workspace.

Likeness is read on own replies that the voice has never seen and no earlier reading was taken on, so that each
import of new messages is a reading of its own. Kept are numbers and ids of records, no text: `monitor/state.json`
(readings and alarms), `monitor/losses.jsonl` (resumes a stopped look) and `monitor/learned.parquet` (ids read).
"""

from __future__ import annotations

import json
import math
import random
import time
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gemel.config import Config
from gemel.errors import Busy, MissingStage
from gemel.evaluate.cases import cases_of, session_index
from gemel.evaluate.identity import Losses, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.statistics import LEAST_SESSIONS, Index, bootstrap, draws, ratio_of, sums
from gemel.examples import Example
from gemel.feedback import Feedback
from gemel.improve.drift import Drift, drift
from gemel.improve.gate import Carried
from gemel.improve.monitor import Reading, State, add
from gemel.improve.tics import Tics, tics
from gemel.pipeline.compose import Seen, seen_by
from gemel.pipeline.corrections import KIND
from gemel.pipeline.evaluate import read_split
from gemel.pipeline.seal import HELD, ids_of, learned, save_learned
from gemel.records import stable_id
from gemel.track import emit
from gemel.workspace import Workspace, atomic

__all__ = ["Look", "note_new", "own_sample", "said_by_twin", "state_of", "take", "twin_tics", "watch"]

UNITS = 300
"""Sessions or conversations on each side of a drift at most."""
OWN = 4_000
"""Messages of the person that the twin's habits are held against at most."""
SAID = 400
"""Messages of the twin that tics are sought in: the latest."""
NEW_SHARE = 3
"""The latest third of the conversations is held against the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What one look found."""

    state: State
    """Everything remembered, this look included."""
    readings: tuple[Reading, ...]
    person: Drift
    twin: Drift
    tics: Tics
    refused: str = ""
    """Why there is no reading of likeness on new messages; "" where there is one."""


@dataclass(frozen=True, slots=True)
class _Material:
    """The data set by what the voice knows of it."""

    learned: tuple[Example, ...]
    held: tuple[Example, ...]
    """The test split of its training."""
    unseen: tuple[Example, ...]


def watch(workspace: Workspace, config: Config, *, dataset: str = "main", now: float | None = None) -> Look:
    """Look at everything once and remember it. Imports that were not built yet are built first.

    Args:
        now: time of the readings, in seconds since the epoch.

    Raises:
        Busy: when another look is being taken.
        MissingStage: when there is no voice.
    """
    from gemel.pipeline.build import build_dataset

    with workspace.lock("monitor", name="monitor.lock"):
        run = workspace.current()
        if run is None:
            raise MissingStage("there is no voice to look after", hint="`gemel make` makes the first one.")
        if workspace.record_files():
            build_dataset(workspace, config, dataset)
        at = time.time() if now is None else now
        data, seen = workspace.dataset(dataset), seen_by(workspace, run)
        material = _material(data, seen)
        read = _read(workspace)
        fresh = [e for e in material.unseen if read.isdisjoint(ids_of(e))]
        likeness, refused = _likeness(workspace, config, run, material, fresh, at)
        person = drift(_sessions(material.learned, seed=0), _sessions(material.unseen, seed=1))
        talks = said_by_twin(workspace)
        later = len(talks) // NEW_SHARE
        twin = drift(talks[: len(talks) - later][-UNITS:], talks[len(talks) - later :][-UNITS:])
        habits = twin_tics(talks, own_sample(material.learned))
        readings = (*likeness, *_drifts(person, twin, run, at), *_habits(habits, run, at))
        state = take(workspace, readings)
        if likeness:
            save_learned(_folder(workspace), {"train": read | {i for e in fresh for i in ids_of(e)}})
        emit("monitor.done", readings=len(readings), alarms=sum(a.up for a in state.alarms.values()))
        return Look(state=state, readings=readings, person=person, twin=twin, tics=habits, refused=refused)


def note_new(workspace: Workspace, run: str, found: Carried, records: Iterable[str]) -> None:
    """Remember what the screen of a round found on new text, which is not unseen any more when the round is over.

    Args:
        records: what the new text is made of; a look that read it before has said what there is to say.
    """
    ids, read = frozenset(records), _read(workspace)
    if found.sessions < LEAST_SESSIONS or not ids - read:
        return
    told: dict[str, Any] = {"n": found.sessions, "run": run, "time": time.time()}
    rows = [Reading(metric="unseen_gain", value=found.new, **told)]
    if math.isfinite(found.high):
        rows.append(Reading(metric="unseen_share", value=found.share, low=found.low, high=found.high, **told))
    with suppress(Busy):  # another reading is being written down: the next look reads the same text
        take(workspace, rows)
        save_learned(_folder(workspace), {"train": read | ids})


def _read(workspace: Workspace) -> frozenset[str]:
    """Records that a reading of likeness was taken on."""
    return (learned(_folder(workspace)) or {"train": frozenset[str]()})["train"]


def state_of(workspace: Workspace) -> State:
    """What is remembered."""
    path = _folder(workspace) / "state.json"
    return State.from_dict(json.loads(path.read_text(encoding="utf-8"))) if path.exists() else State()


def take(workspace: Workspace, readings: Iterable[Reading]) -> State:
    """Remember further readings."""
    with workspace.lock("monitor", name="readings.lock"):
        state = add(state_of(workspace), readings)
        with atomic(_folder(workspace) / "state.json") as path:
            path.write_text(json.dumps(state.to_dict(), indent=1), encoding="utf-8")
    return state


def said_by_twin(workspace: Workspace) -> list[list[str]]:
    """The twin's messages, a list per conversation, the oldest conversation first; drafts are one conversation each."""
    if not workspace.feedback_path.exists():
        return []
    with closing(Feedback(workspace.feedback_path)) as store:
        talks = sorted(store.conversations(), key=lambda c: c.created)
        said = [[p for s in store.messages(c.id) if s.role == "me" for p in s.parts] for c in talks]
    return [one for one in said if one]


def twin_tics(talks: Sequence[Sequence[str]], own: Sequence[str]) -> Tics:
    """Tics in what the twin said last."""
    return tics([text for talk in talks for text in talk][-SAID:], own)


def own_sample(examples: Iterable[Example]) -> list[str]:
    """Messages of the person, drawn evenly, always the same ones."""
    texts = [part for e in examples for turn in e.learned for part in turn.parts]
    return texts if len(texts) <= OWN else random.Random(0).sample(texts, OWN)


def _folder(workspace: Workspace) -> Path:
    return workspace.root / "monitor"


def _material(data: Path, seen: Seen) -> _Material:
    known = frozenset[str]().union(*seen.values())
    examples = [e for split in HELD for e in read_split(data, split) if e.kind != KIND]
    return _Material(
        learned=tuple(e for e in examples if seen["train"].issuperset(ids_of(e))),
        held=tuple(e for e in examples if not seen["test"].isdisjoint(ids_of(e))),
        unseen=tuple(e for e in examples if known.isdisjoint(ids_of(e))),
    )


def _likeness(
    workspace: Workspace, config: Config, run: str, material: _Material, fresh: Sequence[Example], at: float
) -> tuple[list[Reading], str]:
    """Bits per byte of twin and base on new replies, the gain, and its share of the gain on the old held-out ones."""
    sides = {"new": fresh, "old": material.held}
    cases = {
        name: cases_of(side, (), limit=config.improve.replies, seed=config.evaluate.seed).cases
        for name, side in sides.items()
    }
    counts = {name: len(session_index(side)[1]) for name, side in cases.items()}
    if counts["new"] < LEAST_SESSIONS:
        return [], f"{counts['new']} sessions are new since the last reading; {LEAST_SESSIONS} are needed"
    from gemel.model.base import load_base
    from gemel.model.likelihood import LocalScorer
    from gemel.pipeline.contenders import base_section
    from gemel.pipeline.trial import loaded

    journal = Journal(_folder(workspace) / "losses.jsonl", "1")
    measured: dict[str, Losses] = {}
    with loaded(workspace, config, run) as (twin, scorer):
        base = LocalScorer(load_base(base_section(config, twin)))
        for name, side in cases.items():
            texts = [replace(text_of(c), key=stable_id(c.id, c.truth.text)) for c in side]
            measured[f"base {name}"] = measure_losses(base, f"base {twin.name}", texts, journal=journal)
            measured[f"twin {name}"] = measure_losses(scorer, run, texts, journal=journal)
    index, names = session_index(cases["new"])
    base_new, twin_new = measured["base new"], measured["twin new"]
    gain = _ratio(twin_new, base_new, index, len(names), config.evaluate.bootstrap)
    rows = [
        ("unseen_bits", *_ratio(twin_new, None, index, len(names), config.evaluate.bootstrap)),
        ("unseen_base_bits", *_ratio(base_new, None, index, len(names), config.evaluate.bootstrap)),
        ("unseen_gain", *gain),
    ]
    out = [
        Reading(metric=m, value=v, low=_finite(low), high=_finite(high), n=len(names), run=run, time=at)
        for m, v, low, high in rows
    ]
    if counts["old"] >= LEAST_SESSIONS:
        before = _gain(measured["twin old"], measured["base old"])
        if before > 0:
            out.append(Reading(metric="unseen_share", value=gain[0] / before, n=len(names), run=run, time=at))
    return out, ""


def _ratio(twin: Losses, base: Losses | None, index: Index, count: int, resamples: int) -> tuple[float, float, float]:
    """Bits per byte, or how many of them are saved against the base, with a bootstrap interval over sessions."""
    bits = twin.bits if base is None else base.bits - twin.bits
    statistic = ratio_of(sums(bits, index, count), sums(twin.bytes, index, count))
    found = bootstrap(statistic, draws(count, resamples))
    return found.value, found.low, found.high


def _gain(twin: Losses, base: Losses) -> float:
    return float((base.bits - twin.bits).sum() / twin.bytes.sum())


def _finite(value: float) -> float | None:
    return value if value == value else None


def _sessions(examples: Sequence[Example], *, seed: int) -> list[list[str]]:
    """The person's messages by session, so many sessions at most, drawn evenly."""
    by_session: Mapping[str, list[str]] = defaultdict(list)
    for example in examples:
        by_session[example.session or example.id] += [part for turn in example.learned for part in turn.parts]
    kept = [by_session[name] for name in sorted(by_session) if by_session[name]]
    return kept if len(kept) <= UNITS else random.Random(seed).sample(kept, UNITS)


def _drifts(person: Drift, twin: Drift, run: str, at: float) -> list[Reading]:
    rows = (("person_drift", person, ""), ("twin_drift", twin, run))
    return [Reading(metric=m, value=d.level, n=d.after, run=r, time=at) for m, d, r in rows if not d.refused]


def _habits(found: Tics, run: str, at: float) -> list[Reading]:
    if found.refused:
        return []
    rows = {
        "tic_phrases": float(len(found.phrases)),
        "tic_repeated": found.repeated,
        "tic_length": found.length,
        "tic_emoji": found.emoji,
    }
    return [Reading(metric=m, value=v, n=found.answers, run=run, time=at) for m, v in rows.items()]
