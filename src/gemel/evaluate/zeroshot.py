"""Does the twin still answer where the person's own texts never went? Everyday prompts from outside any domain.

There is no true reply here, so nothing is compared with one: relevance is how much nearer a reply is to its own
prompt than replies to the other prompts are. A twin that only recites its domain answers all prompts alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.answers import Answer, ask
from gemel.evaluate.cases import Case
from gemel.evaluate.journal import Journal
from gemel.evaluate.sample import Shared
from gemel.evaluate.statistics import Floats, Statistic, bootstrap, draws, mean_of, sign_flip
from gemel.examples import Role, Turn
from gemel.scores import Score
from gemel.speaker import Speaker

__all__ = ["METRIC", "PROMPTS", "SYSTEMS", "zero_shot", "zero_shot_cases"]

METRIC = "zero_shot"
SYSTEMS = ("base", "prompted", "memory", "voice")
"""Who is asked; `assisted` quotes and has nothing to quote here."""
FLOOR = "prompted"
PROMPTS = (
    "What should I cook tonight with eggs and old bread?",
    "My bicycle chain keeps falling off. What can I do?",
    "Which is worse, a cold house or a noisy one?",
    "How do you get a child to go to sleep?",
    "Would you rather live by the sea or in the mountains?",
    "Is it ever right to lie to a friend?",
    "I have a headache and a long day before me. Any advice?",
    "Tell me about the best meal you ever had.",
    "What makes a good neighbour?",
    "My sister has not written for a month. Should I worry?",
    "How would you spend a free afternoon?",
    "What do you think of cats?",
    "It has been raining for a week. Does it bother you?",
    "Should I buy a new coat or mend the old one?",
    "How do I say no without hurting anybody?",
    "What book should I take on a long journey?",
    "Do you believe in luck?",
    "Why do people like gardens so much?",
    "What would you do with a large sum of money?",
    "I am learning to swim and I am afraid of deep water.",
    "How do you remember the names of new people?",
    "Is money more important than time?",
    "What is a good present for somebody who has everything?",
    "I broke my friend's favourite cup. What shall I say?",
    "Do you prefer the morning or the evening?",
    "What music should be played at a wedding?",
    "How can I learn a language quickly?",
    "Would you travel to the moon?",
    "What do you do when you cannot sleep?",
    "Is it better to work alone or with others?",
    "My tomatoes are turning yellow. What is wrong with them?",
    "What was the hardest thing you ever had to decide?",
    "Why is the sky blue?",
    "How much sugar belongs in tea?",
    "A dog followed me home. May I keep it?",
    "What is the best way to travel, by train or by ship?",
    "Are old friends better than new ones?",
    "What should one never say at dinner?",
    "How do you stay calm when everybody shouts?",
    "What will the world be like in a hundred years?",
)


def zero_shot_cases(me: str, partner: str = "") -> tuple[Case, ...]:
    """A case for each prompt.

    Args:
        me: the person's name in the examples.
        partner: who asks.
    """
    return tuple(
        Case(
            id=f"zero-{i}",
            session=f"zero-{i}",
            context=(Turn(role=Role.other, parts=(text,), name=partner),),
            truth=Turn(role=Role.me, parts=(), name=me),
            kind="qa",
            split="zero-shot",
        )
        for i, text in enumerate(PROMPTS)
    )


def zero_shot(
    speakers: Mapping[str, Speaker],
    cases: Sequence[Case],
    shared: Shared,
    *,
    journal: Journal,
    resamples: int = 2000,
    seed: int = 0,
) -> tuple[list[Score], Mapping[str, Sequence[Answer]]]:
    """Relevance of every system's replies to the prompts, and the replies.

    Returns:
        Scores with an interval over prompts, the floor being the base under its best instruction; and system →
        one answer per case. Refused where no embedder is installed.
    """
    said = {s: ask(speakers[s], s, cases, journal=journal, seed=seed) for s in SYSTEMS if s in speakers}
    blank = Score(metric=METRIC, system="", value=None, unit="cosine", n=len(cases), sessions=len(cases))
    try:
        pulls = {s: _pull(cases, rows, shared) for s, rows in said.items()}
    except TooLittle as error:
        return [replace(blank, system=s, refused=error.message) for s in said], said
    return [_score(replace(blank, system=s), pulls, resamples, seed) for s in pulls], said


def _pull(cases: Sequence[Case], rows: Sequence[Answer], shared: Shared) -> tuple[Floats, Floats]:
    """(N,) cos(prompt, its reply), and the mean of cos(prompt, reply to another prompt); an empty reply is 0."""
    vectors = np.asarray(shared.vectors([a.text for a in rows]), np.float64)
    vectors *= np.array([bool(a.text.strip()) for a in rows])[:, None]
    similar = np.asarray(shared.vectors([c.incoming for c in cases]), np.float64) @ vectors.T  # (prompts, replies)
    own = similar.diagonal()
    return own, (similar.sum(axis=1) - own) / max(1, len(cases) - 1)


def _score(blank: Score, pulls: Mapping[str, tuple[Floats, Floats]], resamples: int, seed: int) -> Score:
    own, other = pulls[blank.system]
    count = len(own)
    weights = draws(count, resamples, seed=seed)
    found = bootstrap(_mean(own - other), weights)
    floor = pulls.get(FLOOR) if blank.system != FLOOR else None
    gap = None if floor is None else (own - other) - (floor[0] - floor[1])
    return replace(
        blank,
        value=found.value,
        low=found.low,
        high=found.high,
        permuted=0.0,
        floor=None if floor is None else float((floor[0] - floor[1]).mean()),
        p=sign_flip(gap, seed=seed) if gap is not None and blank.system == "voice" else None,
        refused="S*: nobody knows what the person would have said here",
        extra={"cosine": float(own.mean()), "other_prompts": float(other.mean())},
    )


def _mean(values: Floats) -> Statistic:
    return mean_of(values, np.arange(len(values)), len(values))
