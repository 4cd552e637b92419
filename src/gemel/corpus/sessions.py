"""A first pass over the records: who wrote when, where conversations end, and which split each belongs to.

The pass keeps thirteen bytes per message and nothing of what was written, so that a corpus of any size can be planned
before the second pass renders it. The order of the records is the truth; a clock that runs backwards counts as no gap.
Messages without a time form sessions of `BLOCK` messages.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import isnan, nan
from typing import NamedTuple

import numpy as np
import regex

from gemel.config import CorpusSection
from gemel.corpus.gaps import DEFAULT, GapModel, fit_gaps, histogram
from gemel.corpus.split import Unit, heldout, in_order, shuffled
from gemel.people import People
from gemel.records import Document, Kind, Message, Profile, Record
from gemel.text import fold

__all__ = ["BLOCK", "HELD_OUT", "Plan", "Thread", "own_document", "speaker", "talks", "thresholds", "unsaid"]

BLOCK = 60
"""Messages of a session where there are no times."""
HELD_OUT = "group with a held-out contact"
"""The place of a session that may be in no split because a held-out contact speaks in it."""

_URL = regex.compile(r"(?:https?://|www\.)\S+")


class Thread(NamedTuple):
    """Key of a conversation."""

    source: str
    id: str


@dataclass(slots=True)
class ThreadPlan:
    """What is kept of a thread: one entry per message that talks."""

    group: bool = False
    times: array[float] = field(default_factory=lambda: array("d"))
    """Seconds since the epoch, NaN where unknown."""
    senders: array[int] = field(default_factory=lambda: array("i"))
    """Index into `Plan.speakers`."""
    own: bytearray = field(default_factory=bytearray)
    """1 where the person wrote words."""
    starts: list[int] = field(default_factory=list)
    """Index of the first message of each session."""
    places: list[str] = field(default_factory=list)
    """Split of each session, or why it is in none."""
    threshold: float = DEFAULT
    """Seconds of silence that end a session."""

    def session(self, index: int) -> int:
        """The session that message `index` belongs to."""
        return bisect_right(self.starts, index) - 1

    def span(self, session: int) -> tuple[int, int]:
        """First message of a session and the one behind its last."""
        end = self.starts[session + 1] if session + 1 < len(self.starts) else len(self.times)
        return self.starts[session], end


def talks(message: Message) -> bool:
    """Whether somebody said or sent something: system lines and deleted messages do not count."""
    return bool(message.sender) and message.kind not in (Kind.system, Kind.deleted)


def unsaid(message: Message) -> str:
    """Why a message of one's own holds no words of one's own; "" when it does."""
    if message.kind not in (Kind.text, Kind.media, Kind.link):
        return message.kind.value
    words = _URL.sub("", message.text) if message.kind is Kind.link else message.text
    if not words.strip():
        return f"{message.kind.value} without words"
    return "forwarded" if message.forwarded else ""


def speaker(message: Message, people: People) -> str:
    """Who wrote a message: the person's id, or the handle where nobody is known behind it."""
    person = people.by_handle(message.source, message.sender)
    return person.id if person else f"{message.source}:{message.sender}"


def own_document(document: Document, author: str) -> bool:
    """Whether a document is the person's own, given the configured author ("" means all are)."""
    return not author or fold(document.author) == fold(author)


@dataclass
class Plan:
    """Everything decided before text is touched."""

    threads: dict[Thread, ThreadPlan] = field(default_factory=dict)
    speakers: list[str] = field(default_factory=list)
    documents: dict[str, str] = field(default_factory=dict)
    """Document id → split or why it is in none; own ones and those of an impostor alike."""
    authors: Counter[str] = field(default_factory=Counter)
    """Documents per author, as the files have them."""
    profiles: dict[str, str] = field(default_factory=dict)
    pooled: GapModel | None = None
    embargoes: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Kept embargo in seconds before valid and before test, by kind of unit."""
    words: Counter[str] = field(default_factory=Counter)
    """Messages with words by speaker: who else writes much."""

    @classmethod
    def of(cls, records: Iterable[Record], people: People, section: CorpusSection) -> Plan:
        """Read all records once and decide."""
        plan = cls()
        me = people.me.id if people.me else None
        codes: dict[str, int] = {}
        dated: tuple[dict[str, datetime | None], dict[str, datetime | None]] = ({}, {})
        for record in records:
            if isinstance(record, Message):
                plan._message(record, people, me, codes)
            elif isinstance(record, Document):
                plan.authors[record.author] += 1
                dated[own_document(record, section.author)][record.id] = record.time
            elif isinstance(record, Profile):
                plan.profiles[record.id] = ""
        plan.speakers = list(codes)
        plan._cut(section)
        plan._place_sessions(section, codes.get(me, -1) if me else -1)
        for part in dated:  # others' documents are split among themselves, for an impostor
            plan._place_documents(part, section)
        plan.profiles = shuffled(list(plan.profiles), section.split)
        return plan

    def _message(self, message: Message, people: People, me: str | None, codes: dict[str, int]) -> None:
        if not talks(message):
            return
        who = speaker(message, people)
        thread = self.threads.setdefault(Thread(message.source, message.thread), ThreadPlan())
        thread.group = thread.group or message.group
        thread.times.append(message.time.timestamp() if message.time else nan)
        thread.senders.append(codes.setdefault(who, len(codes)))
        words = not unsaid(message)
        thread.own.append(words and who == me)
        self.words[who] += words

    def _cut(self, section: CorpusSection) -> None:
        self.pooled, seconds = thresholds([thread.times for thread in self.threads.values()], section)
        for thread, threshold in zip(self.threads.values(), seconds):
            thread.threshold = threshold
            thread.starts = _starts(thread.times, threshold)

    def _place_sessions(self, section: CorpusSection, me: int) -> None:
        chosen = self._heldout(section, me)
        timed: list[Unit[tuple[Thread, int]]] = []
        for key, thread in self.threads.items():
            thread.places = [""] * len(thread.starts)
            ranked: list[Unit[int]] = []
            for s in range(len(thread.starts)):
                a, b = thread.span(s)
                if not any(thread.own[a:b]):
                    continue
                if chosen and not chosen.isdisjoint(thread.senders[a:b]):
                    thread.places[s] = HELD_OUT if thread.group else "contacts"
                elif isnan(thread.times[a]):
                    ranked.append(Unit(s, s, s))
                else:
                    times = [t for t in thread.times[a:b] if not isnan(t)]
                    timed.append(Unit((key, s), min(times), max(times)))
            for s, place in in_order(ranked, section.split).places.items():
                thread.places[s] = place
        placed = in_order(timed, section.split, embargo=3600 * section.embargo_hours)
        if timed:
            self.embargoes["sessions"] = placed.embargoes
        for (key, s), place in placed.places.items():
            self.threads[key].places[s] = place

    def _heldout(self, section: CorpusSection, me: int) -> frozenset[int]:
        contacts: set[int] = set()
        for thread in self.threads.values():
            if not thread.group and any(thread.own):
                contacts |= set(thread.senders) - {me}
        chosen = heldout([self.speakers[c] for c in contacts], section.heldout_contacts)
        return frozenset(c for c in contacts if self.speakers[c] in chosen)

    def _place_documents(self, dated: dict[str, datetime | None], section: CorpusSection) -> None:
        times = {t for t in dated.values() if t is not None}
        undated = [d for d, t in dated.items() if t is None]
        if 2 * len(times) < len(dated):  # chapters of one book bear one date
            undated, dated = list(dated), {}
        units = [Unit(d, t.timestamp(), t.timestamp()) for d, t in dated.items() if t is not None]
        placed = in_order(units, section.split, embargo=3600 * section.embargo_hours)
        if units:
            self.embargoes["documents"] = placed.embargoes
        self.documents.update(placed.places | shuffled(undated, section.split))


def thresholds(threads: Sequence[Sequence[float]], section: CorpusSection) -> tuple[GapModel | None, list[float]]:
    """The pooled model, and for each thread the silence in seconds that ends a session.

    Args:
        threads: times of each thread's messages in seconds, in order, NaN where unknown.
    """
    low, high = 60 * section.gap_min_minutes, 60 * section.gap_max_minutes
    counts = [histogram(_gaps(times)) for times in threads]
    pooled = fit_gaps(np.sum(counts, axis=0)) if counts else None
    models = [fit_gaps(c) or pooled for c in counts]
    return pooled, [min(max(m.threshold if m else DEFAULT, low), high) for m in models]


def _gaps(times: Sequence[float]) -> np.ndarray:
    gaps: np.ndarray = np.maximum(np.diff(np.asarray(times, dtype=np.float64)), 0.0)
    return gaps[~np.isnan(gaps)]


def _starts(times: Sequence[float], threshold: float) -> list[int]:
    """Where sessions begin: at a long gap, where time becomes known or unknown, and every `BLOCK` undated messages."""
    starts: list[int] = []
    before = nan
    for i, now in enumerate(times):
        full = isnan(now) and bool(starts) and i - starts[-1] >= BLOCK
        if not starts or isnan(now) != isnan(before) or now - before > threshold or full:
            starts.append(i)
        before = now
    return starts
