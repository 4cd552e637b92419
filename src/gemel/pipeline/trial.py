"""Two voices on the same held-out replies: what the gate decides by.

Neither has learned any of these replies. Losses are kept in a journal (ids and numbers), so that a stopped
comparison goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from gemel.config import Config
from gemel.errors import TooLittle
from gemel.evaluate.answers import Answer, borrow
from gemel.evaluate.cases import Case, Pool, cases_of, impostors_of, own_replies, session_index
from gemel.evaluate.choice import choose
from gemel.evaluate.duplicates import Runs
from gemel.evaluate.identity import Losses, Text, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.memorised import auc
from gemel.evaluate.sample import DOCUMENTS, trim
from gemel.evaluate.statistics import Floats, Index, sums, wilson
from gemel.examples import Example
from gemel.improve.gate import Carried, Finding, Leak, Replies, carried, choice, likelihood
from gemel.model.base import Base, load_base, load_run
from gemel.model.condition import Condition
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.voice import Voice
from gemel.pipeline.compose import NEXT, Seen, seen_by
from gemel.pipeline.contenders import base_section
from gemel.pipeline.corrections import KIND
from gemel.pipeline.evaluate import read_split
from gemel.pipeline.seal import HELD, ids_of
from gemel.records import stable_id
from gemel.speaker import Sampling, Scorer
from gemel.traits import TraitSpec
from gemel.workspace import Workspace

__all__ = ["Measured", "compare", "new_records", "recognise"]

CHOSEN = 60
"""Replies of the choice test at most."""
OPENING = 60
"""Words of a document's piece that the choice test shows."""
MEMBERS = 100
"""Learned replies on which leaks are measured."""
QUOTED = 24
"""Learned replies whose recital is tried."""
RUN = 8
"""Consecutive words that count as recited."""
LOSSES = "losses.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a comparison found."""

    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...]
    old: int
    """Held-out replies of before."""
    new: int
    """Held-out replies of the new sessions."""


@dataclass(frozen=True)
class _Held:
    """Held-out replies by whether the current voice's own evaluation could use them already."""

    old: tuple[Case, ...]
    new: tuple[Case, ...]

    @cached_property
    def all(self) -> tuple[Case, ...]:
        return (*self.old, *self.new)


@contextmanager
def loaded(workspace: Workspace, config: Config, run: str) -> Iterator[tuple[Base, Scorer]]:
    """A voice and its scorer, conditioned on traits where it learned them."""
    twin = load_run(workspace.run(run), config.model)
    splice = getattr(twin.model, "splice", None)
    spec = workspace.run(run) / "traits.json"
    yield twin, LocalScorer(twin, condition=Condition(TraitSpec.load(spec), splice) if splice is not None else None)


def new_records(workspace: Workspace, current: str, dataset: str) -> frozenset[str]:
    """Records of the sessions that the current voice has neither learned nor been held out from."""
    return frozenset(i for e in _new(workspace.dataset(dataset), seen_by(workspace, current)) for i in ids_of(e))


def _new(data: Path, seen: Seen) -> list[Example]:
    known = frozenset[str]().union(*seen.values())
    examples = [e for split in HELD for e in read_split(data, split) if e.kind != KIND]
    return [e for e in examples if known.isdisjoint(ids_of(e))]


def recognise(workspace: Workspace, config: Config, current: str, dataset: str) -> Carried:
    """Whether the current voice recognises the person in new sessions, by its gain over the base."""
    data, seen = workspace.dataset(dataset), seen_by(workspace, current)
    old = [e for e in read_split(data, "test") if not seen["test"].isdisjoint(ids_of(e))]
    limit, seed = config.improve.replies, config.evaluate.seed
    sides = [cases_of(side, (), limit=limit, seed=seed).cases for side in (_new(data, seen), old)]
    journal = _journal(workspace)
    with loaded(workspace, config, current) as (twin, scorer):
        base = LocalScorer(load_base(base_section(config, twin)))
        parts = []
        for cases in sides:
            systems: tuple[tuple[Scorer, str], ...] = ((base, f"base {twin.name}"), (scorer, current))
            before, after = (measure_losses(s, n, _texts(cases), journal=journal) for s, n in systems)
            index, names = session_index(cases)
            saved = sums(before.bits - after.bits, index, len(names))
            parts.append((saved, sums(before.bytes, index, len(names))))
    return carried(parts[0], parts[1])


def compare(workspace: Workspace, config: Config, current: str, candidate: str, dataset: str) -> Measured:
    """Measure a candidate against the current voice.

    Args:
        dataset: the data set that the candidate was trained on; its test split is what both are measured on.

    Raises:
        TooLittle: when not one held-out reply is there.
    """
    data, source = workspace.dataset(dataset), workspace.dataset(dataset.removesuffix(NEXT))
    limit = config.improve.replies
    before, after = seen_by(workspace, current), seen_by(workspace, candidate)
    held = _held(data, before, config)
    if not held.all:
        raise TooLittle("there is not one held-out reply to compare the voices on", hint="Import more.")
    others = impostors_of(read_split(data, "test"), [e for e in read_split(data, "impostor") if e.split != "train"])
    options = _options(held.all, own_replies(read_split(data, "valid")), others, config.evaluate.seed)
    journal = _journal(workspace)
    members = {run: _members(source, seen, limit) for run, seen in ((current, before), (candidate, after))}
    everything = [c for run in members for c in members[run]] + list(held.all)
    losses: dict[str, Losses] = {}
    right: dict[str, Floats] = {}
    gaps: dict[str, tuple[Floats, Floats]] = {}
    recited: dict[str, tuple[int, int]] = {}
    reference: Mapping[str, float] = {}
    for run in (current, candidate):
        with loaded(workspace, config, run) as (twin, scorer):
            if not reference:
                base = LocalScorer(load_base(base_section(config, twin)))
                reference = _per_byte(base, f"base {twin.name}", everything, journal)
            losses[run] = measure_losses(scorer, run, _texts(held.all), journal=journal)
            right[run] = _right(scorer, run, held.all, options, journal, limit)
            mine = _per_byte(scorer, run, [*members[run], *held.all], journal)
            gaps[run] = (_gaps(members[run], mine, reference), _gaps(held.all, mine, reference))
            recited[run] = _recited(twin, str(twin.name), members[run])
    findings = _findings(held, losses[current], losses[candidate], right[current], right[candidate])
    leaks = (_membership(gaps[current], gaps[candidate]), _recital(recited[current], recited[candidate]))
    return Measured(findings=findings, leaks=leaks, old=len(held.old), new=len(held.new))


def _journal(workspace: Workspace) -> Journal:
    return Journal(workspace.root / "improve" / LOSSES, "1")


def _texts(cases: Sequence[Case]) -> list[Text]:
    """The replies under keys that change with their words: a loss is of a text, not of a number."""
    return [replace(text_of(c), key=_key(c)) for c in cases]


def _key(case: Case) -> str:
    return stable_id(case.id, *(t.text for t in case.context), case.truth.text)


def _held(data: Path, seen: Seen, config: Config) -> _Held:
    test = list(read_split(data, "test"))
    texts = [t.text for e in read_split(data, "train") for t in e.learned]
    limit, seed = config.improve.replies, config.evaluate.seed
    old = [e for e in test if not seen["test"].isdisjoint(ids_of(e))]
    new = [e for e in test if seen["test"].isdisjoint(ids_of(e)) and seen["train"].isdisjoint(ids_of(e))]
    sides = [cases_of(side, texts, limit=limit, seed=seed).cases for side in (old, new)]
    return _Held(sides[0], sides[1])


def _findings(
    held: _Held, before: Losses, after: Losses, right_before: Floats, right_after: Floats
) -> tuple[Finding, ...]:
    index, _ = session_index(held.all)
    out = []
    for name, rows in (
        ("likelihood on old text", range(len(held.old))),
        ("likelihood on new text", range(len(held.old), len(held.all))),
    ):
        keep = np.array(rows, dtype=np.int64)
        if len(keep):
            one, two = before.take(keep), after.take(keep)
            blank = np.full(len(keep), np.nan)
            replies = Replies(
                sessions=_renumbered(index[keep]),
                bytes=one.bytes,
                before=one.bits,
                after=two.bits,
                right_before=blank,
                right_after=blank,
            )
            out.append(likelihood(replies, name))
    both = Replies(
        sessions=index,
        bytes=before.bytes,
        before=before.bits,
        after=after.bits,
        right_before=right_before,
        right_after=right_after,
    )
    return (*out, choice(both, "choice test"))


def _renumbered(index: Index) -> Index:
    return np.unique(index, return_inverse=True)[1].astype(np.int64)


def _options(cases: Sequence[Case], own: Sequence[Pool], others: Sequence[Pool], seed: int) -> dict[str, list[Answer]]:
    """A reply of the person's from another session and, where there is one, one of somebody else."""
    pools = {
        "self": [*own, *(Pool(session=c.session, context=c.context, turn=c.truth, contact=c.contact) for c in cases)],
        "other": others,
    }
    found = {name: borrow(cases, pool, name, matched=True, seed=seed) for name, pool in pools.items() if pool}
    return {name: rows for name, rows in found.items() if rows is not None}


def _right(
    scorer: Scorer, run: str, cases: Sequence[Case], options: Mapping[str, list[Answer]], journal: Journal, limit: int
) -> Floats:
    """(N,) whether the voice found the true reply; NaN where it was not asked."""
    out = np.full(len(cases), np.nan)
    short = {n: [replace(a, parts=_cut(c, a.parts)) for c, a in zip(cases, rows)] for n, rows in options.items()}
    shown = [_opening(c, [rows[i].text for rows in short.values()]) for i, c in enumerate(cases)]
    try:
        found = choose(scorer, run, shown, short, journal=journal, limit=min(CHOSEN, limit))
    except TooLittle:
        return out
    place = {c.id: i for i, c in enumerate(shown)}
    out[[place[c.id] for c in found.cases]] = found.right
    return out


def _opening(case: Case, beside: Sequence[str]) -> Case:
    """What the choice test shows, under an id that changes with every word of it."""
    truth = replace(case.truth, parts=_cut(case, case.truth.parts), ids=())
    return replace(case, id=stable_id(_key(case), truth.text, *beside), truth=truth)


def _cut(case: Case, parts: tuple[str, ...]) -> tuple[str, ...]:
    return (trim("\n".join(parts), OPENING),) if case.kind in DOCUMENTS else parts


def _members(data: Path, seen: Seen, limit: int) -> list[Case]:
    """Replies that a voice has learned, evenly taken; those of synthetic or corrected examples are not asked."""
    found = [e for s in HELD for e in read_split(data, s) if e.kind != KIND and seen["train"].issuperset(ids_of(e))]
    return list(cases_of(found, (), limit=min(MEMBERS, limit)).cases)


def _per_byte(scorer: Scorer, system: str, cases: Sequence[Case], journal: Journal) -> dict[str, float]:
    """Case → nats per byte."""
    found = measure_losses(scorer, system, _texts(cases), journal=journal)
    return dict(zip([c.id for c in cases], (found.total / np.maximum(1, found.bytes)).tolist()))


def _gaps(cases: Sequence[Case], mine: Mapping[str, float], base: Mapping[str, float]) -> Floats:
    return np.array([mine[c.id] - base[c.id] for c in cases], dtype=np.float64)


def _membership(before: tuple[Floats, Floats], after: tuple[Floats, Floats], *, resamples: int = 400) -> Leak:
    """AUC of telling learned replies from held-out ones; the held-out ones are the same for both voices."""
    values = [auc(*side) for side in (before, after)]
    if not all(np.isfinite(values)):
        return Leak(name="membership (AUC)", before=values[0], after=values[1], low=float("nan"))
    rng = np.random.default_rng(0)
    rises = []
    for _ in range(resamples):
        kept = rng.integers(0, len(before[1]), len(before[1]))
        drawn = [auc(rng.choice(members, len(members)), held[kept]) for members, held in (before, after)]
        rises.append(drawn[1] - drawn[0])
    return Leak(name="membership (AUC)", before=values[0], after=values[1], low=float(np.quantile(rises, 0.025)))


def _recited(twin: Base, name: str, members: Sequence[Case]) -> tuple[int, int]:
    """Of how many learned replies greedy decoding recites eight words, and how many were tried."""
    asked = [c for c in members if len(c.truth.text.split()) >= RUN][:QUOTED]
    if not asked:
        return 0, 0
    with closing(Engine(twin)) as engine, ThreadPoolExecutor(len(asked)) as pool:
        voice = Voice(engine, me=asked[0].truth.name or name)
        greedy = Sampling(temperature=0.0, max_tokens=48)
        replies = list(pool.map(lambda c: voice.reply(c.context, sampling=greedy, traits=c.traits or None), asked))
    return sum(Runs([c.truth.text], length=RUN).share(r.text) > 0 for c, r in zip(asked, replies)), len(asked)


def _recital(before: tuple[int, int], after: tuple[int, int]) -> Leak:
    """Share recited; the interval of the rise is Newcombe's (1998, method 10)."""
    (a, n), (b, m) = before, after
    if not n or not m:
        return Leak(name="recited replies", before=float("nan"), after=float("nan"), low=float("nan"))
    low = b / m - a / n - float(np.hypot(b / m - wilson(b, m)[0], wilson(a, n)[1] - a / n))
    return Leak(name="recited replies", before=a / n, after=b / m, low=low)
