"""Screens, grounding and diversity, with good and bad answers."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.synth.diversity import distinct, unseen, vendi
from gemel.synth.ground import find_quote, supported
from gemel.synth.minhash import duplicates, jaccard, shingles, signatures
from gemel.synth.screen import Contamination, Exact, Near, Similar, screened

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in "lmnrst"]


def text(rng: random.Random, length: int = 30) -> str:
    return " ".join(rng.choices(WORDS, k=length))


def changed(rng: random.Random, said: str, words: int) -> str:
    parts = said.split()
    for _ in range(words):
        parts[rng.randrange(len(parts))] = rng.choice(WORDS)
    return " ".join(parts)


def test_minhash_estimates_jaccard() -> None:
    rng = random.Random(1)
    errors = []
    for _ in range(60):
        one = text(rng, 60)
        sets = [shingles(one), shingles(changed(rng, one, rng.randrange(1, 30)))]
        first, second = signatures(sets)
        errors.append(float((first == second).mean()) - jaccard(*sets))
    assert abs(np.mean(errors)) < 0.02
    assert np.std(errors) < 0.09


def test_near_duplicates_on_disk_equal_brute_force_and_the_stream() -> None:
    rng = random.Random(2)
    texts: list[str] = []
    for _ in range(150):
        original = text(rng)
        texts += [original, changed(rng, original, 1), original.upper()][: rng.randrange(1, 4)]
    rng.shuffle(texts)
    sets = [shingles(t) for t in texts]
    true = {(i, j) for j in range(len(texts)) for i in range(j) if jaccard(sets[i], sets[j]) >= 0.8}
    first = duplicates(texts)
    found = {j for j in range(len(texts)) if first[j] != j}
    assert all(jaccard(sets[j], sets[int(first[j])]) > 0.6 for j in found)
    wanted = {j for _, j in true}
    assert len(found & wanted) >= 0.99 * len(wanted)
    assert not found - wanted
    screen = Near()
    assert {i for i, t in enumerate(texts) if screen.like(t)} == found


def test_screens_keep_the_first_and_count_the_rest() -> None:
    screens = [Exact(), Near(), Similar(lambda many: np.array([[1.0, 0.0]] * len(many)), 0.9)]
    rows = [{"t": t} for t in ("Hello  world", "hello world", "something else entirely")]
    dropped: Counter[str] = Counter()
    assert list(screened(rows, lambda r: str(r["t"]), screens, dropped)) == rows[:1]
    assert dropped == {"the same": 1, "the same meaning": 1}
    angles = Similar(lambda many: np.array([[np.cos(len(t)), np.sin(len(t))] for t in many]), 0.99)
    assert [angles.like("x" * n) for n in range(7)] == [False] * 6 + [False]
    assert angles.like("y" * 6)


def test_contamination_finds_runs_of_thirteen_words() -> None:
    rng = random.Random(3)
    held = text(rng, 60)
    screen = Contamination({"test": [held]})
    assert screen.like("and so " + " ".join(held.split()[20:33]).upper() + "!")
    assert not screen.like(" ".join(held.split()[20:32]))
    assert not screen.like(text(rng, 60))
    assert screen.where("and so", held) == "test"
    assert screen.where("and so", text(rng, 60)) == ""
    assert screen.texts == {"test": 1}
    short = Contamination({"bench": ["What is a faction?"]})
    assert short.like("what is a FACTION")
    assert not short.like("what is a faction to you")


SOURCE = "I hold that “ambition” must be made\nto counteract ambition — in 1788 as now. Men are no angels."


@pytest.mark.parametrize(
    ("quote", "pieces"),
    [
        ("ambition must be made to counteract", None),
        (
            '"ambition" must be made to counteract ambition - in 1788',
            ["ambition” must be made\nto counteract ambition — in 1788"],
        ),
        ("made to counteract … Men are no angels.", ["made\nto counteract", "Men are no angels"]),
        ("Men are no angels … made to counteract", None),
        ("no angels", None),
        ("Men are angels.", None),
        ("men are no angels", None),
        ("", None),
    ],
)
def test_quotations_are_checked_by_string(quote: str, pieces: list[str] | None) -> None:
    spans = find_quote(quote, SOURCE)
    assert (spans and [SOURCE[a:b] for a, b in spans]) == pieces


@settings(max_examples=60, deadline=None)
@given(start=st.integers(0, 60), length=st.integers(20, 60))
def test_every_copied_run_of_words_is_found(start: int, length: int) -> None:
    quote = SOURCE[start : start + length]
    spans = find_quote(quote, SOURCE)
    if len(quote.split()) >= 6:
        assert spans is not None
        assert all(0 <= a < b <= len(SOURCE) for a, b in spans)


def test_claims_beyond_their_quotation() -> None:
    quote = "ambition must be made to counteract ambition in 1788"
    assert supported("Ambition counteracts ambition.", quote) == ""
    assert supported("In 1789 ambition was counteracted.", quote) == "a number that is not quoted"
    assert supported("Parliament should receive greater powers forthwith.", quote) == "little of the claim is quoted"


def test_diversity() -> None:
    assert distinct(["a b a b"], 2) == pytest.approx(2 / 3)
    assert distinct([]) == 0
    assert unseen("aab") == pytest.approx(1 / 3)
    assert unseen([]) == 1
    assert vendi(list("abcd"), lambda many: np.eye(8)[: len(many)]) == pytest.approx(4)
    assert vendi(list("abcd"), lambda many: np.ones((len(many), 1))) == pytest.approx(1)
