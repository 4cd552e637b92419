"""What is measured: test replies with what stood before them, and whose words they are compared to.

A `Case` is one held-out reply of the person. Cases are made from test examples by the protocol: near
duplicates of training replies are dropped, the rest is capped by whole sessions, never by picking replies.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from gemel.evaluate.duplicates import repeats
from gemel.examples import Example, Role, TraitValue, Turn
from gemel.text import emoji, words

__all__ = [
    "Burst",
    "Case",
    "CaseSet",
    "Pool",
    "cases_of",
    "impostors_of",
    "own_replies",
    "register_of",
    "session_index",
]

Burst = tuple[str, ...]
"""The messages of one reply."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One held-out reply."""

    id: str
    """Example id and turn number."""
    session: str
    context: tuple[Turn, ...]
    truth: Turn
    kind: str = "chat"
    contact: str = ""
    """Who is answered, by pseudonym; "" for documents."""
    register: str = "casual"
    """casual, formal or group."""
    language: str = ""
    split: str = "test"
    stock: bool = False
    """The reply stands in the training replies as it is."""
    traits: Mapping[str, TraitValue] = field(default_factory=dict)

    @property
    def incoming(self) -> str:
        """The last turn of somebody else (or the prompt), "" where there is none."""
        last = next((t for t in reversed(self.context) if t.role in (Role.other, Role.prompt)), None)
        return last.text if last else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseSet:
    """The cases of one evaluation and how they came to be."""

    cases: tuple[Case, ...]
    counts: Mapping[str, int]
    """Replies read, dropped by reason, kept; they add up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """One own or foreign reply from elsewhere, to stand in for a reply."""

    session: str
    context: tuple[Turn, ...]
    turn: Turn
    contact: str = ""
    thread: str = ""

    @property
    def incoming(self) -> str:
        """The last turn of somebody else before it."""
        last = next((t for t in reversed(self.context) if t.role in (Role.other, Role.prompt)), None)
        return last.text if last else ""


def cases_of(
    examples: Iterable[Example], train: Iterable[str], *, limit: int, near_duplicate: float = 0.8, seed: int = 0
) -> CaseSet:
    """The cases of held-out examples.

    Args:
        examples: the test split.
        train: every reply that was learned from.
        limit: replies at most; whole sessions are taken in a seeded order, the last one may be cut.
        near_duplicate: Jaccard similarity from which a reply counts as seen.
    """
    counts: Counter[str] = Counter()
    met: set[tuple[str, ...]] = set()
    found: list[Case] = []
    for example in examples:
        for i, turn in enumerate(example.turns):
            if turn.learn:
                counts["read"] += 1
                if reason := _unfit(example, turn, met):
                    counts[f"dropped: {reason}"] += 1
                else:
                    found.append(_case(example, i, turn))
    known = repeats([c.truth.text for c in found], train, threshold=near_duplicate)
    counts["dropped: near duplicate of a training reply"] = len(known.near)
    by_session: dict[str, list[Case]] = defaultdict(list)
    for number, case in enumerate(found):
        if number not in known.near:
            by_session[case.session].append(replace(case, stock=number in known.stock))
    order = sorted(by_session)
    random.Random(seed).shuffle(order)
    kept = [case for take in _fair(by_session, order, limit) for case in take]
    counts["dropped: beyond the limit"] = sum(map(len, by_session.values())) - len(kept)
    counts["kept"] = len(kept)
    return CaseSet(cases=tuple(kept), counts=dict(counts))


def _unfit(example: Example, turn: Turn, met: set[tuple[str, ...]]) -> str:
    """Why a reply is no case; "" where it is one."""
    if not turn.text.strip():
        return "empty"
    if example.kind in ("chat", "window") and turn.ids:  # windows show a reply of the session once more
        if turn.ids in met:
            return "the same reply in another window"
        met.add(turn.ids)
    return ""


def _fair(by_session: Mapping[str, list[Case]], order: Sequence[str], limit: int) -> Iterable[list[Case]]:
    """As many sessions as possible: a long session may give at most its share of the limit."""
    left, sessions = limit, sorted(order, key=lambda s: len(by_session[s]))
    share: dict[str, int] = {}
    for rank, session in enumerate(sessions):
        share[session] = min(len(by_session[session]), max(1, left // (len(sessions) - rank))) if left > 0 else 0
        left -= share[session]
    for session in order:
        if share[session]:
            yield by_session[session][: share[session]]


def _case(example: Example, position: int, turn: Turn) -> Case:
    context = example.turns[:position]
    traits = {**example.traits, **(turn.traits or {})}
    language = traits.get("language")
    return Case(
        id=f"{example.id}#{position}",
        session=example.session or example.id,
        context=context,
        truth=turn,
        kind=example.kind,
        contact=_contact(example, context),
        register=register_of(example),
        language=language if isinstance(language, str) else "",
        split=example.split or "test",
        traits=traits,
    )


def _contact(example: Example, context: Sequence[Turn]) -> str:
    if len(example.recipients) == 1:
        return example.recipients[0]
    last = next((t.name for t in reversed(context) if t.role is Role.other and t.name), "")
    return last if example.group or not example.recipients else example.recipients[0]


def register_of(example: Example) -> str:
    """group, formal or casual.

    Formal: documents, and chats in which at least two of four signs hold for most messages: they
    begin with a capital, end with a full stop, have more than twelve words, carry no emoji.
    """
    if example.group:
        return "group"
    if example.kind in ("slice", "essay", "knowledge"):
        return "formal"
    texts = [p for t in example.turns if t.role in (Role.me, Role.other) for p in t.parts if p.strip()]
    if not texts:
        return "casual"
    signs = [
        sum(t.strip()[0].isupper() for t in texts),
        sum(t.rstrip().endswith((".", "。", ";", ":")) for t in texts),
        sum(len(words(t)) > 12 for t in texts),
    ]
    held = sum(count > len(texts) / 2 for count in signs)
    return "formal" if held >= 2 and not any(emoji(t) for t in texts) else "casual"


def own_replies(examples: Iterable[Example]) -> list[Pool]:
    """Every learned turn of the given examples."""
    return [
        Pool(
            session=example.session or example.id,
            context=example.turns[:i],
            turn=turn,
            contact=_contact(example, example.turns[:i]),
            thread=example.thread,
        )
        for example in examples
        for i, turn in enumerate(example.turns)
        if turn.learn and turn.text.strip()
    ]


def impostors_of(examples: Iterable[Example], foreign: Iterable[Example] = ()) -> list[Pool]:
    """Replies by other people: turns of others in the person's own sessions, and foreign examples.

    Args:
        examples: the person's held-out examples; turns of others that answer somebody count.
        foreign: examples whose learned turns are other people's (for documents: other authors).
    """
    found = [
        Pool(session=e.session or e.id, context=e.turns[:i], turn=t, contact=t.name, thread=e.thread)
        for e in examples
        for i, t in enumerate(e.turns)
        if t.role is Role.other and t.text.strip() and any(b.role in (Role.me, Role.other) for b in e.turns[:i])
    ]
    return found + own_replies(foreign)


def session_index(cases: Sequence[Case]) -> tuple[NDArray[np.int64], list[str]]:
    """(N,) number of each case's session, and the sessions in order of first appearance."""
    numbers: dict[str, int] = {}
    index = np.array([numbers.setdefault(c.session, len(numbers)) for c in cases], dtype=np.int64)
    return index, list(numbers)
