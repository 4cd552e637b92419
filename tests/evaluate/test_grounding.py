"""Support for claims: what was written supports itself in other words, what was never said has none."""

from __future__ import annotations

import random

import pytest
from made_people import SHARED, chat

from gemel.evaluate.cases import cases_of
from gemel.evaluate.grounding import Ground, claims, contradicts, said_before
from gemel.evaluate.metrics import METRICS
from gemel.evaluate.sample import Sample, Shared
from gemel.evaluate.statistics import point
from gemel.model.embed import HashEmbedder

VOCABULARY = """
anchor barrel candle dagger engine feather garden hammer island jacket kettle lantern mirror needle
painted mended borrowed buried polished carried hidden measured bought forgotten
attic bakery cellar depot estuary foundry gallery harbour inn jetty kitchen library
"""
THINGS, DOINGS, PLACES = (line.split() for line in VOCABULARY.strip().splitlines())


def told(rng: random.Random) -> str:
    return f"the old {rng.choice(THINGS)} was {rng.choice(DOINGS)} in the {rng.choice(PLACES)} by {rng.choice(PEOPLE)}"


PEOPLE = [f"{a}{b}" for a in ("Ber", "Cor", "Dal", "Fen", "Gor") for b in ("na", "vin", "lo", "ric", "sa")]
rng = random.Random(1)
WRITTEN = [f"{told(rng)} and nobody said a word about it" for _ in range(120)]


@pytest.mark.parametrize("vectors", [None, HashEmbedder().encode])
def test_what_was_written_is_supported_and_what_was_not_is_not(vectors: object) -> None:
    ground = Ground(WRITTEN, vectors)  # type: ignore[arg-type]
    known = [" ".join(w.split(" and ")[0].split()[1:]) for w in WRITTEN[:30]]
    fresh = [f"a violet submarine sang number {i} to astonished Martians yesterday" for i in range(30)]
    assert sum(ground.judge(c, []).supported for c in known) >= 28
    assert not any(ground.judge(c, []).supported for c in fresh)
    found = ground.judge(known[0], [])
    assert found.where == "memory"
    assert WRITTEN[0].startswith(found.passage[:20])


def test_the_conversation_supports_too() -> None:
    ground = Ground(WRITTEN)
    claim = "a violet submarine sang to astonished Martians"
    found = ground.judge(claim, ["Yesterday a violet submarine sang to the Martians.", "Really?"])
    assert found.supported
    assert found.where == "conversation"


def test_questions_and_short_words_claim_nothing() -> None:
    assert claims("Where is the green harbour lantern? ok then. yes!") == []
    assert claims("The lantern hangs over the green harbour. Does it?") == ["The lantern hangs over the green harbour."]


@pytest.mark.parametrize(
    ("one", "two", "found"),
    [
        ("the train leaves the station at noon", "the train never leaves the station at noon", True),
        ("I didn't sell the green boat", "you said you would sell the green boat", True),
        ("the boat costs 300 pounds today", "the boat costs 450 pounds today", True),
        ("the boat costs 300 pounds today", "today the boat costs 300 pounds", False),
        ("the boat costs 300 pounds today", "my sister never liked the mountains at all", False),
        ("no idea", "an idea", False),
    ],
)
def test_contradictions(one: str, two: str, found: bool) -> None:
    assert contradicts(one, two) is found


def test_a_reply_that_claims_what_nobody_said_is_measured_as_such() -> None:
    cases = cases_of([chat(i, split="test") for i in range(8)], (), limit=40).cases
    shared = Shared(support=[*WRITTEN, *(" ".join(SHARED) for _ in range(20))])
    metric = METRICS.get("unsupported")

    def share(replies: list[str]) -> float:
        sample = Sample.of(cases, [(r,) for r in replies], shared)
        return point(metric.build(sample), sample.sessions)

    from_context = [said_before(c.context)[0] for c in cases]
    assert share(["violet submarines astonish Martians every yesterday"] * len(cases)) == 1.0
    assert share([WRITTEN[i] for i in range(len(cases))]) == 0.0
    assert share(from_context) < 0.1
