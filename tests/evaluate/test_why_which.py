"""A reply explained word by word; the blind page and its votes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from made_people import chat

from gemel.errors import DataError
from gemel.evaluate.answers import Answer
from gemel.evaluate.cases import cases_of
from gemel.evaluate.ngram import NgramScorer
from gemel.evaluate.which import Place, ballots, count_votes, which_page
from gemel.evaluate.why import followed, why
from gemel.examples import Example, Role, TraitValue, Turn
from gemel.model.card import Card
from gemel.speaker import Likelihood, Scorer


class Fixed(Scorer):
    """One token per word; each costs what the table says, less one nat per trait given."""

    def __init__(self, cost: Mapping[str, float]) -> None:
        self.cost = cost

    def likelihoods(
        self,
        pairs: Sequence[tuple[Sequence[Turn], Turn]],
        *,
        traits: Sequence[Mapping[str, TraitValue] | None] | None = None,
    ) -> list[Likelihood]:
        out = []
        for i, (_, reply) in enumerate(pairs):
            tokens = [t for part in reply.parts for t in re.findall(r"\s*\S+", part)]
            given = len(traits[i] or {}) if traits else 0
            nats = [self.cost[t.strip()] for t in tokens] + [2.0 - given]
            out.append(Likelihood(nats=tuple(nats), tokens=(*tokens, ""), bytes=len(reply.text)))
        return out


def test_words_carry_what_the_twin_gains_and_all_adds_up() -> None:
    base, twin = Fixed({"well": 3.0, "indeed": 5.0, "bye": 1.0}), Fixed({"well": 3.0, "indeed": 1.0, "bye": 2.0})
    reply = Turn(role=Role.me, parts=("well indeed", "bye"), name="Anna")
    found = why(twin, base, (), reply)
    assert [(w.text, w.part) for w in found.words] == [("well ", 0), ("indeed", 0), ("bye", 1)]
    bits = [w.bits for w in found.words]
    assert bits[2] == pytest.approx(-1 / 0.6931, abs=1e-3)
    assert bits[0] + bits[1] == pytest.approx(4 / 0.6931, abs=1e-3)
    assert bits[1] > 5 * abs(bits[0])  # the space before "indeed" belongs to its token
    assert found.total == pytest.approx(sum(bits) + found.end)


def test_traits_add_what_leaving_them_out_costs() -> None:
    scorer = Fixed({"well": 1.0})
    found = why(scorer, scorer, (), Turn(role=Role.me, parts=("well",)), traits={"year": 2020, "hour": 9})
    assert found.traits == {k: pytest.approx(1 / 0.6931, abs=1e-3) for k in ("year", "hour")}


def test_habits_of_the_card_are_told_where_the_reply_follows_them() -> None:
    turns = tuple(
        Turn(
            role=Role.me if i % 2 else Role.other, parts=("ok cool 🎉" if i % 2 else "Well, I see.",), learn=bool(i % 2)
        )
        for i in range(40)
    )
    measured = Card.measure([Example(id="e", kind="chat", turns=turns)], name="Anna", languages=("en",))
    card = replace(measured, rules=("never say sorry",))
    found = followed(card, ("ok fine 🎉",))
    assert found[0] == "rule: never say sorry"
    assert any("small letter" in h for h in found)
    assert any("🎉" in h for h in found)
    assert any("“ok”" in h for h in found)
    assert followed(card, ("It is a very long story, which I should not like to tell you today at all.",)) == found[:1]


def test_tokens_without_text_are_stretched_over_it() -> None:
    class Bytes(NgramScorer):
        def likelihoods(self, pairs, *, traits=None):  # type: ignore[no-untyped-def]
            return [Likelihood(nats=(1.0, 1.0, 0.5), tokens=("\ufffd", "\ufffd", ""), bytes=8) for _ in pairs]

    found = why(Bytes([]), Fixed({"đượcđược": 4.0}), (), Turn(role=Role.me, parts=("đượcđược",)))
    assert found.words[0].bits == pytest.approx(2 / 0.6931, abs=1e-3)


def page(items: int = 8) -> tuple[str, dict[str, Place]]:
    cases = cases_of([chat(i) for i in range(6)], [], limit=30).cases
    answers = [Answer(case=c.id, system="voice", parts=("</script><b>made up",)) for c in cases]
    return which_page("Anna <i>", cases, answers, items=items)


def test_the_page_is_blind_closed_and_safe() -> None:
    html, key = page()
    assert {place.side for place in key.values()} == {"l", "r"}
    assert html.count("</script>") == 1
    assert "Anna &lt;i&gt;" in html
    assert "voice" not in html
    assert "default-src 'none'" in html
    for item, place in key.items():
        assert f'"{item}"' in html
        assert place.case not in html


def test_votes_come_back_with_an_interval(tmp_path: Path) -> None:
    _, key = page()
    first, second = tmp_path / "a.json", tmp_path / "b.json"
    first.write_text(json.dumps({"votes": {k: v.side for k, v in key.items()}}), encoding="utf-8")
    wrong = {k: "l" if v.side == "r" else "r" for k, v in key.items()}
    second.write_text(json.dumps({"votes": wrong}), encoding="utf-8")
    rows = ballots([first, second, first], key)
    found = count_votes([j for votes in rows.values() for j in votes])
    assert (found.found, found.n, found.voters) == (8, 16, 2)
    assert found.low < 0.5 < found.high
    assert "50%" in found.sentence
    assert {j.question for votes in rows.values() for j in votes} == {p.case for p in key.values()}
    second.write_text(json.dumps({"votes": {"other": "l"}}), encoding="utf-8")
    with pytest.raises(DataError, match="another page"):
        ballots([second], key)
    second.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="no votes"):
        ballots([second], key)
