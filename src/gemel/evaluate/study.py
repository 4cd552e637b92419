"""One evaluation from held-out examples to scores and a verdict; knows no paths and loads no model.

Speakers and scorers are handed in. What is slow (answers, log-probabilities) goes through journals, so that
a stopped evaluation goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gemel.config import EvaluateSection
from gemel.errors import TooLittle
from gemel.evaluate.answers import MATCHED, Answer, ask, borrow, borrow_near
from gemel.evaluate.cases import Case, CaseSet, Pool, cases_of, impostors_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.leak import leak_scores
from gemel.evaluate.likelihoods import Scorers, score_likelihoods
from gemel.evaluate.likeness import Board, measure, primary_of, with_holm
from gemel.evaluate.sample import Embed, Shared
from gemel.evaluate.speed import speed_scores
from gemel.evaluate.verdict import judge
from gemel.examples import Example
from gemel.scores import Score, Verdict
from gemel.speaker import Speaker

__all__ = ["Material", "Study", "study"]


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


def study(
    material: Material,
    speakers: Mapping[str, Speaker],
    scorers: Scorers | None,
    section: EvaluateSection,
    *,
    answers: Journal,
    losses: Journal,
    embed: Embed | None = None,
) -> Study:
    """Measure every system on the held-out replies.

    Args:
        speakers: system → who answers, e.g. base, prompted, memory, voice, assisted.
        scorers: models with log-probabilities; None where there are none.
        answers, losses: journals of what was already done.
        embed: sentence embeddings.

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
    )
    table = _answer_all(found.cases, speakers, shared, section, answers)
    board = Board(cases=found.cases, answers=table, shared=shared)
    scores = measure(board, metrics=section.metrics, resamples=section.bootstrap, seed=section.seed)
    scores += leak_scores(board, resamples=section.bootstrap, seed=section.seed)
    scores += speed_scores(table)
    if scorers is not None:
        scores += score_likelihoods(
            scorers, found.cases, others, table, journal=losses, resamples=section.bootstrap, seed=section.seed
        )
    scores = with_holm(scores)
    sessions = len({c.session for c in found.cases})
    scorer_only = scorers is not None and scorers.twin is not None
    primary = "voice" if scorer_only else primary_of(board.systems)
    rival = _rival(material)
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
    )


def _pools(cases: Sequence[Case]) -> list[Pool]:
    return [Pool(session=c.session, context=c.context, turn=c.truth, contact=c.contact) for c in cases]


def _answer_all(
    cases: Sequence[Case],
    speakers: Mapping[str, Speaker],
    shared: Shared,
    section: EvaluateSection,
    journal: Journal,
) -> dict[str, Sequence[Answer]]:
    table: dict[str, Sequence[Answer]] = {}
    for system in section.systems:
        if system in ("impostor", "self"):
            pool = shared.own if system == "self" else shared.others
            for suffix, matched in (("", False), (MATCHED, True)):
                rows = borrow(cases, pool, system, matched=matched, seed=section.seed)
                if rows is not None:
                    table[system + suffix] = rows
        elif system in speakers:
            table[system] = ask(speakers[system], system, cases, journal=journal, seed=section.seed)
    if "self" in table:
        try:
            near = borrow_near(cases, shared.situations, "self", shared.vectors)
        except TooLittle:  # no embedder: the metrics that need it say so themselves
            near = None
        if near is not None:
            table["self:near"] = near
    return table


def _rival(material: Material) -> str:
    names = {t.name for e in material.foreign for t in e.learned if t.name}
    return names.pop() if len(names) == 1 else ""
