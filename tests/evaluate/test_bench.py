"""A scripted judge with planted biases is seen through; controls, gates, formats, resuming."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from gemel.errors import DataError, TooLittle
from gemel.evaluate.bench import strength
from gemel.evaluate.bench.contamination import contamination
from gemel.evaluate.bench.controls import controls, flatten
from gemel.evaluate.bench.files import (
    Answered,
    Judgment,
    Question,
    export_pairs,
    export_three_way,
    import_three_way,
    read_rows,
    write_rows,
)
from gemel.evaluate.bench.judge import judge_all, orders, parse, task
from gemel.evaluate.bench.result import result
from gemel.evaluate.bench.strength import comparisons, fit, fit_with_intervals
from gemel.evaluate.journal import Journal
from gemel.examples import TraitValue, Turn
from gemel.speaker import Reply, Sampling, Speaker

PLAIN = Sampling()
TRUE = {"null": 0.0, "base": 1.0, "voice": 2.0, "retest": 3.0}
POSITION, LENGTH, INJECTION = 0.8, 0.6, 1.5
QUESTIONS = [Question(id=f"q{i}", text=f"What of {i}?") for i in range(240)]


def made_answers(systems: Sequence[str] = tuple(TRUE)) -> dict[str, dict[str, str]]:
    """Answers of random length that carry their system's mark."""
    rng = random.Random(0)
    out = {s: {q.id: f"[{s}] " + "word " * rng.randint(2, 60) for q in QUESTIONS} for s in systems}
    out["injection"] = {q: text.replace("[null]", "[null] [inject]") for q, text in out["null"].items()}
    return out


class Scripted(Speaker):
    """Chooses by planted strengths, with a liking for the first place, for length and for notes to the judge."""

    name = "scripted"

    def __init__(self, *, position: float = POSITION, length: float = LENGTH, injection: float = INJECTION) -> None:
        self.position, self.length, self.injection = position, length, injection

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        text = turns[-1].text
        shown = re.split(r"\n\nAnswer [ABC]:\n", text)[1:]
        rng = random.Random(text)
        utility = []
        for place, answer in enumerate(shown):
            system = re.search(r"\[(\w+)\]", answer)
            u = TRUE[system[1]] if system else 0.0
            u += self.position * (place == 0) + self.length * math.log1p(len(answer.split()))
            u += self.injection * ("[inject]" in answer)
            utility.append(u - math.log(-math.log(rng.random())))  # Gumbel noise: Plackett-Luce
        ranked = sorted(range(len(shown)), key=lambda i: -utility[i])
        said = " > ".join("ABC"[i] for i in ranked)
        return Reply(parts=(f"identity: {said}\nstance: {said}\nquality: {said}",))


def judged(judge: Speaker, answers: Mapping[str, Mapping[str, str]], *, size: int = 2) -> list[Judgment]:
    questions = QUESTIONS if size == 2 else QUESTIONS[:80]
    return judge_all(judge, "scripted", questions, answers, journal=Journal(None), size=size)


@pytest.fixture(scope="module")
def pairs() -> list[Judgment]:
    return judged(Scripted(), made_answers())


def test_planted_strengths_and_biases_come_back(pairs: list[Judgment]) -> None:
    found = fit_with_intervals(comparisons(pairs, "identity", made_answers()), reference="null", resamples=30)
    for system, planted in TRUE.items():
        assert found.systems[system] == pytest.approx(planted, abs=0.25), system
    assert found.position[0] == pytest.approx(POSITION, abs=0.2)
    assert found.length == pytest.approx(LENGTH, abs=0.2)
    assert found.injection == pytest.approx(INJECTION, abs=0.3)
    for name in ("position", "length", "injection"):
        assert found.intervals[name][0] > 0, name


def test_an_unbiased_judge_shows_no_bias() -> None:
    rows = comparisons(judged(Scripted(position=0, length=0, injection=0), made_answers()), "identity", made_answers())
    found = fit_with_intervals(rows, reference="null", resamples=40)
    for name in ("position", "length", "injection"):
        low, high = found.intervals[name]
        assert low - 0.05 <= 0 <= high + 0.05, name


def test_without_length_control_the_longer_system_wins() -> None:
    answers = made_answers()
    answers["base"] = {q: text + "word " * 300 for q, text in answers["base"].items()}
    rows = comparisons(judged(Scripted(length=1.0), answers), "identity", answers)
    raw, controlled = (fit(rows, reference="null", length=flag) for flag in (False, True))
    assert raw.systems["base"] > TRUE["base"] + 1
    assert abs(controlled.systems["base"] - TRUE["base"]) < 0.6


def test_triples_by_plackett_luce() -> None:
    answers = {s: a for s, a in made_answers().items() if s != "injection"}
    found = fit(comparisons(judged(Scripted(), answers, size=3), "identity", answers), reference="null")
    for system, planted in TRUE.items():
        assert found.systems[system] == pytest.approx(planted, abs=0.3), system
    assert found.position[0] == pytest.approx(POSITION, abs=0.25)


@pytest.mark.parametrize("size", [2, 3])
def test_the_gradient_is_the_derivative(size: int) -> None:
    answers = {s: a for s, a in made_answers().items() if size == 2 or s != "injection"}
    rows = comparisons(judged(Scripted(), answers, size=size)[:60], "identity", answers)
    if size == 2:
        rows[0] = strength.Comparison("q", rows[0].shown, (), rows[0].lengths)
    else:
        rows[0] = strength.Comparison("q", rows[0].shown, rows[0].ranked[:1], rows[0].lengths)
    data = strength._data(rows, "null", True)
    rng = np.random.default_rng(0)
    x = rng.normal(0, 0.3, data.slopes.shape[2])
    weights = rng.random(len(data.tie))
    numeric = approx_fprime(x, lambda v: strength._loss(v, data, weights)[0], 1e-6)
    np.testing.assert_allclose(strength._loss(x, data, weights)[1], numeric, atol=1e-3)


def test_orders_are_balanced() -> None:
    assert sorted(orders(["a", "b", "c"])) == sorted(
        [("a", "b"), ("b", "a"), ("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")]
    )
    assert len(list(orders(["a", "b", "c"], size=3))) == 6


def test_disagreement_between_orders_is_a_tie_and_told() -> None:
    first = [
        Judgment(question=f"q{i}", judge="j", shown=shown, ranking={"identity": (shown[0],)})
        for i in range(12)
        for shown in (("a", "b"), ("b", "a"))
    ]
    found = result(QUESTIONS, {}, first)
    share = found.shares["identity"][0]
    assert (share.value, share.disagreed, share.n) == (0.5, 12, 12)
    assert found.exploratory
    assert "200" in found.refused
    assert not found.strengths


def test_two_judges_agree_as_far_as_they_do_and_people_stand_apart() -> None:
    def said(judge: str, winners: str) -> list[Judgment]:
        return [
            Judgment(question=f"q{i}", judge=judge, shown=shown, ranking={"identity": (winner,)})
            for i, winner in enumerate(winners)
            for shown in (("a", "b"), ("b", "a"))
        ]

    rows = [*said("maker/Llama-3", "aaabbbaaab"), *said("qwen2", "aaabbbbbbb")]
    people = [
        Judgment(question=f"q{i}", judge=f"r{i % 2}", shown=("b", "a"), ranking={"identity": ("a",)}) for i in range(6)
    ]
    found = result(QUESTIONS, {}, rows, human=people)
    by = {(a.one, a.two): a for a in found.agreement["identity"]}
    two = by[("maker/Llama-3", "qwen2")]
    assert (two.n, two.share) == (10, 0.7)
    assert two.low < 0.7 < two.high
    assert two.kappa == pytest.approx((0.7 - 0.46) / (1 - 0.46))
    assert by[("human", "qwen2")].share == 0.5
    assert [(s.system, s.value) for s in found.human] == [("a", 1.0), ("b", 0.0)]
    assert {s.system: s.wins for s in found.shares["identity"]} == {"a": 4.5, "b": 5.5}  # the judges alone
    assert found.notes == ()
    json.dumps(found.to_dict(), allow_nan=False)
    one = result(QUESTIONS, {}, said("Llama-3-8B", "ab"), teacher="maker/llama-70b")
    assert "one family" in one.notes[0]
    assert "synthetic" in one.notes[1]


def test_triples_give_shares_too() -> None:
    rows = [
        Judgment(question=f"q{i}", judge="j", shown=("expert", "voice", "base"), ranking={"quality": ranking})
        for i, ranking in enumerate([("voice",), ("voice",), ("expert",), ("expert", "voice", "base")])
    ]
    shares = {(s.system, s.against): (s.wins, s.n) for s in result(QUESTIONS, {}, rows).shares["quality"]}
    assert shares[("voice", "base")] == (3.0, 3)  # "expert was best" says nothing of these two
    assert shares[("expert", "voice")] == (2.0, 4)


def test_a_model_that_cannot_judge_is_named() -> None:
    rows = [Judgment(question="q0", judge="j", shown=shown, ranking={}) for shown in (("a", "b"), ("b", "a"))]
    found = result(QUESTIONS, {}, rows)
    assert "could not be read" in found.gates[0]
    assert "could not be read" in found.html("x")


def identity_only(judgments: Sequence[Judgment]) -> list[Judgment]:
    return [replace(j, ranking={"identity": j.ranking["identity"]}) for j in judgments]


def test_controls_that_win_close_the_bench(pairs: list[Judgment]) -> None:
    answers = made_answers()
    pairs = identity_only(pairs)
    found = result(QUESTIONS, answers, pairs, resamples=4)
    assert not found.exploratory
    assert any("must lose" in g for g in found.gates)
    assert found.score == {}
    honest = identity_only(judged(Scripted(position=0, length=0, injection=-3), answers))
    rows = [j for j in honest if not {"null", "injection"} & set(j.shown) or "retest" not in j.shown]
    sure = [
        Judgment(question=q.id, judge="scripted", shown=shown, ranking={"identity": ("retest",)})
        for q in QUESTIONS
        for shown in (("null", "retest"), ("retest", "null"))
    ]
    passed = result(QUESTIONS, answers, [*rows, *sure], resamples=4)
    assert not passed.gates
    assert "one family" in passed.notes[0]
    value, low, high = passed.score["voice"]
    assert 0 < passed.score["base"][0] < value < 1
    assert low < value < high
    assert "Bench" in passed.html("x")
    json.dumps(passed.to_dict(), allow_nan=False)


def test_parsing_is_forgiving_but_never_guesses() -> None:
    assert parse("Identity: B > A\nstance = tie\nquality: A", ("x", "y")) == {
        "identity": ("y", "x"),
        "stance": ("x=y",),
        "quality": ("x",),
    }
    assert parse("I think the first is better", ("x", "y")) == {}
    assert parse("identity: C > A", ("x", "y")) == {}


def test_the_judge_sees_no_names_and_the_reference_only_when_given() -> None:
    text = "\n".join(t.text for t in task("Why?", ["one", "two"], "the reference"))
    assert "the reference" in text
    assert "twin" not in text
    assert "Reference" not in task("Why?", ["one", "two"])[-1].text


def test_judging_resumes(tmp_path: Path) -> None:
    class Counting(Scripted):
        calls = 0

        def reply(self, turns, **options):  # type: ignore[no-untyped-def]
            Counting.calls += 1
            return super().reply(turns, **options)

    answers = {s: dict(list(a.items())[:4]) for s, a in made_answers().items()}
    for _ in range(2):
        judge_all(Counting(), "c", QUESTIONS[:4], answers, journal=Journal(tmp_path / "j.jsonl", "f"))
    assert Counting.calls == 4 * 20


def test_other_answers_are_judged_anew() -> None:
    journal = Journal(None)
    answers = {s: {"q0": f"[{s}] one"} for s in ("null", "base")}
    for text in ("[base] one", "[base] two", "[base] two"):
        answers["base"]["q0"] = text
        judge_all(Scripted(), "c", QUESTIONS[:1], answers, journal=journal)
    assert len(journal.rows) == 4


def test_controls_are_what_they_say() -> None:
    expert = {q.id: f"I LOVE it!!! Soooo good 😀 number {q.id}" for q in QUESTIONS[:3]}
    found = controls(QUESTIONS[:3], expert)
    assert {a.text for a in found["null"]} == {"I don't know."}
    assert all("evaluator" in a.text for a in found["injection"])
    assert all(a.text != expert[a.question] and a.text in expert.values() for a in found["style-only"])
    assert flatten("I LOVE it!!! Soooo good 😀") == "i love it\nsoo good"


def test_contamination_is_found() -> None:
    seen = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen"
    questions = [Question(id="a", text="Fresh question?"), Question(id="b", text=seen)]
    found = contamination(questions, {"a": "a fresh answer"}, [f"so {seen} then"])
    assert found.runs == ("b",)


def test_rows_round_trip_and_bad_lines_are_named(tmp_path: Path) -> None:
    rows = [Judgment(question="q", judge="j", shown=("a", "b"), ranking={"quality": ("a", "b")})]
    write_rows(tmp_path / "j.jsonl", rows)
    assert read_rows(tmp_path / "j.jsonl", Judgment) == rows
    write_rows(tmp_path / "a.jsonl", [Answered(question="q", text="secret words")])
    with (tmp_path / "a.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"nonsense": 1}\n')
    with pytest.raises(DataError, match="line 2") as caught:
        read_rows(tmp_path / "a.jsonl", Answered)
    assert "secret" not in str(caught.value)
    assert read_rows(tmp_path / "none.jsonl", Question) == []


def test_three_way_comparisons_come_in_and_go_out(tmp_path: Path) -> None:
    rows = [
        {
            "question": f"Q{i}?",
            "expert": "e",
            "finetuned_answer": "f",
            "base": "b",
            "winner": ["finetuned", "expert"][i % 2],
        }
        for i in range(10)
    ]
    path = tmp_path / "three.json"
    path.write_text(json.dumps(rows), encoding="utf-8")
    questions, answers, judgments = import_three_way(path)
    assert (len(questions), sorted(answers), len(judgments)) == (10, ["base", "expert", "voice"], 10)
    assert judgments[0].ranking["quality"] == ("voice",)
    table = {s: {a.question: a.text for a in rows_} for s, rows_ in answers.items()}
    out = export_three_way(questions, table, judgments)
    (tmp_path / "again.json").write_text(out, encoding="utf-8")
    assert import_three_way(tmp_path / "again.json")[1] == answers
    found = fit(comparisons(judgments, "quality", table), reference="base")
    assert found.systems["voice"] > 0
    path.write_text('{"x": 1}', encoding="utf-8")
    with pytest.raises(DataError):
        import_three_way(path)


def test_pairs_go_out_as_arena_rows(pairs: list[Judgment]) -> None:
    rows = [json.loads(line) for line in export_pairs(QUESTIONS, made_answers(), pairs[:4]).splitlines()]
    assert len(rows) == 12
    assert {r["winner"] for r in rows} <= {"model_a", "model_b", "tie"}


def test_nothing_judged_is_an_error() -> None:
    with pytest.raises(TooLittle, match="judged"):
        result(QUESTIONS, {}, [])
