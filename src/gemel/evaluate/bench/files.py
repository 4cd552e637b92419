"""The bench on disk: `questions.jsonl`, `answers/<system>.jsonl`, `judgments/<judge>.jsonl`, as JSON lines.

Also reads and writes the three-way comparison JSON that opinion benches use (question, expert's answer,
fine-tuned answer, base answer) and pairwise rows as `question, answer_a, answer_b, winner`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from gemel.errors import DataError
from gemel.records import stable_id
from gemel.workspace import atomic

__all__ = [
    "ASPECTS",
    "Answered",
    "Judgment",
    "Question",
    "export_pairs",
    "export_three_way",
    "import_three_way",
    "read_rows",
    "write_rows",
]

ASPECTS = ("identity", "stance", "quality")
"""What a judge decides on, apart from each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Something to ask."""

    id: str
    text: str
    document: str = ""
    """Where it was drawn from; a second level of clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A system's answer to a question."""

    question: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgment:
    """One decision of one judge in one order."""

    question: str
    judge: str
    shown: tuple[str, ...]
    """Systems in the order in which the judge saw them."""
    ranking: Mapping[str, tuple[str, ...]]
    """Aspect → systems, the best first; a single entry of all systems joined by "=" is a tie; empty: unreadable."""


Row = TypeVar("Row", Question, Answered, Judgment)


def read_rows(path: Path, kind: type[Row]) -> list[Row]:
    """Read rows of one kind; none where there is no file.

    Raises:
        DataError: naming the line that does not fit.
    """
    if not path.exists():
        return []
    out = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
        if line.strip():
            try:
                raw = json.loads(line)
                if kind is Judgment:
                    raw["shown"] = tuple(raw["shown"])
                    raw["ranking"] = {k: tuple(v) for k, v in raw["ranking"].items()}
                elif kind is Question and "id" not in raw:
                    raw["id"] = stable_id(raw["text"])
                out.append(kind(**raw))
            except (ValueError, TypeError, KeyError, AttributeError) as error:
                raise DataError(
                    f"{path.name}, line {number} is not a {kind.__name__.lower()}",
                    hint=f"Each line is a JSON object with {', '.join(kind.__dataclass_fields__)}.",
                ) from error
    return out


def write_rows(path: Path, rows: Iterable[Question | Answered | Judgment]) -> None:
    """Write rows, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic(path) as temporary:
        temporary.write_text("".join(json.dumps(asdict(r), ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")


_NAMES = {
    "expert": ("expert", "human", "reference", "person", "author", "gold"),
    "voice": ("finetuned", "fine_tuned", "fine-tuned", "twin", "voice", "model", "tuned"),
    "base": ("base", "baseline", "original", "vanilla"),
}


def import_three_way(path: Path) -> tuple[list[Question], dict[str, list[Answered]], list[Judgment]]:
    """Read a three-way comparison: a list (or `comparisons`) of question, three answers, and a winner if any.

    Raises:
        DataError: when it is no such file.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
        rows = raw["comparisons"] if isinstance(raw, dict) else raw
        questions, answers, judgments = [], {name: [] for name in _NAMES}, []  # type: ignore[var-annotated]
        for row in rows:
            text = str(row.get("question") or row["prompt"])
            question = Question(id=str(row.get("id") or stable_id(text)), text=text)
            questions.append(question)
            given = {**row, **row.get("answers", {})}
            for system in _NAMES:
                if (said := _pick(given, system)) is not None:
                    answers[system].append(Answered(question=question.id, text=said))
            if ranked := _ranked(row):
                shown = tuple(row.get("order") or _NAMES)
                judgments.append(
                    Judgment(
                        question=question.id,
                        judge=str(row.get("judge", "imported")),
                        shown=tuple(_system(s) for s in shown),
                        ranking={"quality": ranked},
                    )
                )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path.name} is not a three-way comparison",
            hint="A list of objects with question, expert, finetuned and base, and winner where there is one.",
        ) from error
    return questions, {k: v for k, v in answers.items() if v}, judgments


def _pick(row: Mapping[str, Any], system: str) -> str | None:
    for name in _NAMES[system]:
        for key in (name, f"{name}_answer", f"answer_{name}", f"{name}_response"):
            if isinstance(row.get(key), str):
                return str(row[key])
    return None


def _system(name: str) -> str:
    folded = name.lower().removesuffix("_answer")
    return next((system for system, names in _NAMES.items() if folded in names), name)


def _ranked(row: Mapping[str, Any]) -> tuple[str, ...]:
    if isinstance(row.get("ranking"), list):
        return tuple(_system(s) for s in row["ranking"])
    winner = row.get("winner") or row.get("best")
    return (_system(str(winner)),) if winner else ()


def export_three_way(
    questions: Sequence[Question], answers: Mapping[str, Mapping[str, str]], judgments: Sequence[Judgment] = ()
) -> str:
    """The same format, as JSON: one row per question that all three answered, with judgments where they are."""
    by_question = {j.question: j for j in judgments if len(j.shown) == 3}
    rows = []
    for q in questions:
        row: dict[str, Any] = {"id": q.id, "question": q.text}
        for system, name in (("expert", "expert"), ("voice", "finetuned"), ("base", "base")):
            if (said := answers.get(system, {}).get(q.id)) is not None:
                row[name] = said
        if (found := by_question.get(q.id)) is not None:
            row |= {"judge": found.judge, "order": list(found.shown), "ranking": list(found.ranking.get("quality", ()))}
        if len(row) >= 5:
            rows.append(row)
    return json.dumps(rows, ensure_ascii=False, indent=1)


def export_pairs(
    questions: Sequence[Question], answers: Mapping[str, Mapping[str, str]], judgments: Sequence[Judgment]
) -> str:
    """Pairwise rows as the arena benches have them: question, model_a, model_b, answers, winner (JSON lines)."""
    texts = {q.id: q.text for q in questions}
    lines = []
    for j in judgments:
        if len(j.shown) != 2 or j.question not in texts:
            continue
        a, b = j.shown
        for aspect, ranked in j.ranking.items():
            winner = {a: "model_a", b: "model_b"}.get(ranked[0], "tie") if ranked else "unreadable"
            row = {
                "question_id": j.question,
                "question": texts[j.question],
                "model_a": a,
                "model_b": b,
                "answer_a": answers.get(a, {}).get(j.question, ""),
                "answer_b": answers.get(b, {}).get(j.question, ""),
                "judge": j.judge,
                "aspect": aspect,
                "winner": winner,
            }
            lines.append(json.dumps(row, ensure_ascii=False) + "\n")
    return "".join(lines)
