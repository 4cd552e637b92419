"""Prompts from outside the domain: whoever answers them is told from whoever recites."""

from __future__ import annotations

import pytest
from made_people import ANNA, Constant, Writer

from gemel.evaluate.journal import Journal
from gemel.evaluate.sample import Shared
from gemel.evaluate.zeroshot import PROMPTS, zero_shot, zero_shot_cases
from gemel.model.embed import HashEmbedder
from gemel.scores import Score
from gemel.speaker import Echo, Speaker

CASES = zero_shot_cases("Anna", "Tom")


def pulled(shared: Shared, **speakers: Speaker) -> dict[str, Score]:
    scores, said = zero_shot(speakers, CASES, shared, journal=Journal(None), resamples=300)
    assert all(len(rows) == len(PROMPTS) for rows in said.values())
    return {s.system: s for s in scores}


def test_prompts_are_distinct_questions_of_their_own_session() -> None:
    assert len(set(PROMPTS)) == len(PROMPTS) == 40
    assert len({c.session for c in CASES}) == 40
    assert all(c.incoming == text for c, text in zip(CASES, PROMPTS))


def test_one_who_answers_is_told_from_one_who_recites() -> None:
    found = pulled(Shared(embed=HashEmbedder().encode), voice=Echo(), prompted=Writer(ANNA), base=Constant("ok"))
    assert found["voice"].low is not None
    assert found["voice"].low > 0.5
    assert found["voice"].p is not None
    assert found["voice"].p < 0.01
    assert found["voice"].floor == pytest.approx(found["prompted"].value)
    assert found["base"].value == pytest.approx(0.0, abs=1e-6)
    assert abs(found["prompted"].value or 0) < 0.1


def test_without_an_embedder_it_is_refused_in_words() -> None:
    found = pulled(Shared(), voice=Echo())["voice"]
    assert found.value is None
    assert "embedder" in found.refused


def test_silence_is_no_answer() -> None:
    found = pulled(Shared(embed=HashEmbedder().encode), voice=Constant(""))["voice"]
    assert found.value == 0.0
