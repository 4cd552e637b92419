"""One evaluation from held-out examples to scores and a verdict; knows no paths and loads no model.

Speakers and scorers are handed in. What is slow (answers, log-probabilities) goes through journals, so that
a stopped evaluation goes on where it was.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import Context, copy_context
from dataclasses import dataclass, field, replace
from threading import Event

from gemel.config import EvaluateSection
from gemel.errors import TooLittle
from gemel.evaluate.answers import MATCHED, Answer, ask, borrow, borrow_near
from gemel.evaluate.cases import Case, CaseSet, Pool, cases_of, impostors_of
from gemel.evaluate.curve import Point, learning_curve
from gemel.evaluate.journal import Journal
from gemel.evaluate.leak import leak_scores, overlap_scores
from gemel.evaluate.likelihoods import Scorers, score_likelihoods
from gemel.evaluate.likeness import Board, measure, primary_of, with_holm
from gemel.evaluate.sample import EMBEDDED, Embed, Shared, evenly, trim
from gemel.evaluate.speed import speed_scores
from gemel.evaluate.verdict import judge
from gemel.evaluate.why import Near, Why, followed, why
from gemel.evaluate.zeroshot import zero_shot, zero_shot_cases
from gemel.examples import Example, Role
from gemel.model.card import Card
from gemel.scores import Score, Verdict
from gemel.speaker import Speaker

__all__ = ["Material", "Study", "study"]


EXPLAINED = 4
"""Replies that the report explains word by word."""


SLOW = {"assisted": 300, "memory": 300}
"""Replies asked of a system at most, evenly taken, beside a voice: assisted draws and scores a dozen replies to give
one, memory reads a page before each."""


@dataclass(frozen=True, kw_only=True)
class Material:
    """The texts of an evaluation."""

    name: str
    """The person's, as the examples have it."""
    test: Sequence[Example]
    """Held-out sessions (and those of held-out contacts)."""
    learned: Sequence[str]
    """Every reply that was trained on."""
    own: Sequence[Pool]
    """Own replies of training and validation, for ceilings and prompts."""
    foreign: Sequence[Example] = ()
    """Examples whose learned turns are another person's."""
    languages: Sequence[str] = ("en",)


@dataclass(frozen=True, kw_only=True)
class Study:
    """What an evaluation found."""

    name: str
    """The person's, as the examples have it."""
    scores: tuple[Score, ...]
    verdict: Verdict
    cases: CaseSet
    sessions: int
    board: Board
    primary: str
    """The system that the verdict is about."""
    rival: str = ""
    """Who the foreign replies are from."""
    curve: tuple[Point, ...] = ()
    """Identity gain of a character model against the amount of text."""
    curve_refused: str = ""
    whys: Mapping[str, Why] = field(default_factory=dict)
    """Case → its reply by the voice, explained; a few."""
    beyond: Mapping[str, Sequence[Answer]] = field(default_factory=dict)
    """System → its replies to `zeroshot.PROMPTS`."""


def study(
    material: Material,
    speakers: Mapping[str, Speaker],
    scorers: Scorers | None,
    section: EvaluateSection,
    *,
    answers: Journal,
    losses: Journal,
    embed: Embed | None = None,
    card: Card | None = None,
    lanes: Sequence[Sequence[str]] = (),
) -> Study:
    """Measure every system on the held-out replies.

    Args:
        speakers: system → who answers, e.g. base, prompted, memory, voice, assisted.
        scorers: models with log-probabilities; None where there are none.
        answers, losses: journals of what was already done.
        embed: sentence embeddings.
        card: for the habits that an explained reply follows.
        lanes: systems that share a model; different ones answer at the same time.

    Raises:
        TooLittle: when not one held-out reply is there.
    """
    found = cases_of(
        material.test,
        material.learned,
        limit=section.replies,
        near_duplicate=section.near_duplicate,
        seed=section.seed,
    )
    if not found.cases:
        raise TooLittle(
            "there is not one held-out reply to measure on",
            hint="The test split is empty: import more, or see the data set's report.html.",
        )
    others = impostors_of(material.test, material.foreign)
    shared = Shared(
        own=(*material.own, *_pools(found.cases)),
        others=others,
        learned=material.learned,
        embed=embed,
        support=material.learned,
        languages=material.languages,
        embedded=[found.cases[i].id for i in evenly(len(found.cases), EMBEDDED)],
    )
    partial = _partial(speakers, len(found.cases))
    table = _answer_all(found.cases, speakers, shared, section, answers, lanes, partial)
    board = Board(cases=found.cases, answers=table, shared=shared, partial=partial)
    scores = measure(board, metrics=section.metrics, resamples=section.bootstrap, seed=section.seed)
    for alarms in (leak_scores, overlap_scores):
        scores += alarms(board, resamples=section.bootstrap, seed=section.seed)
    scores += speed_scores(table)
    said, beyond = _beyond(speakers, found.cases, material.name, shared, section, answers)
    scores += said
    if scorers is not None:
        scores += score_likelihoods(
            scorers, found.cases, others, table, journal=losses, resamples=section.bootstrap, seed=section.seed
        )
    scores = with_holm(scores)
    sessions = len({c.session for c in found.cases})
    scorer_only = scorers is not None and scorers.twin is not None
    primary = "voice" if scorer_only else primary_of(board.systems)
    rival = _rival(material)
    curve, curve_refused = _curve(found.cases, others, material.learned, section)
    verdict = judge(scores, primary, name=material.name, counts=found.counts, sessions=sessions, rival=rival)
    return Study(
        name=material.name,
        scores=tuple(scores),
        verdict=verdict,
        cases=found,
        sessions=sessions,
        board=board,
        primary=primary,
        rival=rival,
        curve=curve,
        curve_refused=curve_refused,
        whys=_explain(found.cases, table, scorers, shared, card),
        beyond=beyond,
    )


def _beyond(
    speakers: Mapping[str, Speaker],
    cases: Sequence[Case],
    me: str,
    shared: Shared,
    section: EvaluateSection,
    journal: Journal,
) -> tuple[list[Score], Mapping[str, Sequence[Answer]]]:
    """Scores and replies on prompts from outside the domain; none where only chosen metrics are wanted."""
    if section.metrics:
        return [], {}
    chosen = {s: speaker for s, speaker in speakers.items() if s in section.systems}
    prompts = zero_shot_cases(me, _partner(cases))
    return zero_shot(chosen, prompts, shared, journal=journal, resamples=section.bootstrap, seed=section.seed)


def _partner(cases: Sequence[Case]) -> str:
    """Who asked most; "" where nobody did."""
    names = Counter(t.name for c in cases for t in c.context[-1:] if t.role is Role.other)
    return names.most_common(1)[0][0] if names else ""


def _curve(
    cases: Sequence[Case], others: Sequence[Pool], learned: Sequence[str], section: EvaluateSection
) -> tuple[tuple[Point, ...], str]:
    try:
        return tuple(learning_curve(cases, others, learned, seed=section.seed)), ""
    except TooLittle as error:
        return (), error.message


def _explain(
    cases: Sequence[Case],
    table: Mapping[str, Sequence[Answer]],
    scorers: Scorers | None,
    shared: Shared,
    card: Card | None,
) -> dict[str, Why]:
    """A few of the voice's replies, evenly taken, word by word."""
    if scorers is None or scorers.twin is None or "voice" not in table:
        return {}
    out: dict[str, Why] = {}
    for i in evenly(len(cases), EXPLAINED):
        case, parts = cases[i], tuple(trim(p, 40) for p in table["voice"][i].parts)
        reply = replace(case.truth, parts=parts, ids=())
        if reply.text.strip():
            traits = case.traits if scorers.traited else None
            found = Context().run(why, scorers.twin, scorers.base, case.context, reply, traits=traits)
            habits = followed(card, parts) if card is not None else ()
            out[case.id] = replace(found, similar=_nearest(reply.text, shared), habits=habits)
    return out


def _nearest(text: str, shared: Shared, most: int = 3) -> tuple[Near, ...]:
    """The person's own messages nearest in meaning, of those that are embedded anyway."""
    pool = shared.situations
    if not shared.embeds or not pool:
        return ()
    similar = shared.vectors([p.turn.text for p in pool]) @ shared.vectors([text])[0]
    return tuple(Near(pool[i].turn.text, float(similar[i])) for i in (-similar).argsort()[:most])


def _pools(cases: Sequence[Case]) -> list[Pool]:
    return [Pool(session=c.session, context=c.context, turn=c.truth, contact=c.contact) for c in cases]


def _answer_all(
    cases: Sequence[Case],
    speakers: Mapping[str, Speaker],
    shared: Shared,
    section: EvaluateSection,
    journal: Journal,
    lanes: Sequence[Sequence[str]],
    partial: Mapping[str, Sequence[int]],
) -> dict[str, Sequence[Answer]]:
    said = _ask_all({s: speakers[s] for s in section.systems if s in speakers}, cases, section, journal, lanes, partial)
    table: dict[str, Sequence[Answer]] = {}
    for system in section.systems:
        if system in ("impostor", "self"):
            pool = shared.own if system == "self" else shared.others
            for suffix, matched in (("", False), (MATCHED, True)):
                rows = borrow(cases, pool, system, matched=matched, seed=section.seed)
                if rows is not None:
                    table[system + suffix] = rows
        elif system in said:
            table[system] = said[system]
    if "self" in table:
        try:
            near = borrow_near(cases, shared.situations, "self", shared.vectors)
        except TooLittle:  # no embedder: the metrics that need it say so themselves
            near = None
        if near is not None:
            table["self:near"] = near
    return table


def _ask_all(
    speakers: Mapping[str, Speaker],
    cases: Sequence[Case],
    section: EvaluateSection,
    journal: Journal,
    lanes: Sequence[Sequence[str]],
    partial: Mapping[str, Sequence[int]],
) -> dict[str, Sequence[Answer]]:
    """Every speaker's replies: one after another in a lane, lanes side by side."""
    rest = [s for s in speakers if not any(s in lane for lane in lanes)]
    ways = [way for lane in (*lanes, rest) if (way := [s for s in lane if s in speakers])]

    stopped = Event()

    def go(way: Sequence[str]) -> dict[str, Sequence[Answer]]:
        out: dict[str, Sequence[Answer]] = {}
        for s in way:
            chosen = [cases[i] for i in partial.get(s, range(len(cases)))]
            said = ask(speakers[s], s, chosen, journal=journal, seed=section.seed, stopped=stopped.is_set)
            by_case = {a.case: a for a in said}
            out[s] = [by_case.get(c.id) or Answer(case=c.id, system=s, parts=()) for c in cases]
        return out

    with ThreadPoolExecutor(max(1, len(ways))) as pool:
        running = [pool.submit(copy_context().run, go, way) for way in ways]  # whoever listens hears all lanes
        try:
            first, _ = wait(running, return_when=FIRST_EXCEPTION)
            for done in first:
                done.result()
        except BaseException:  # Ctrl-C too: the other lanes end with the reply they are at
            stopped.set()
            raise
        return {s: rows for done in running for s, rows in done.result().items()}


def _partial(speakers: Mapping[str, Speaker], cases: int) -> dict[str, list[int]]:
    """The slow systems and the cases they are asked; what the verdict is about is asked all."""
    slow = {s: most for s, most in SLOW.items() if s in speakers and most < cases} if "voice" in speakers else {}
    return {s: evenly(cases, most) for s, most in slow.items()}


def _rival(material: Material) -> str:
    names = {t.name for e in material.foreign for t in e.learned if t.name}
    return names.pop() if len(names) == 1 else ""
