"""Questions with the author's own takes: from slices of documents to examples for the twin.

Every claim of an answer must quote the text, and the quotation is checked by string; claims that fail are dropped,
and an answer without any is rejected. By default the answer is made of the author's own sentences, those that were
quoted, so that a teacher's style does not get into the voice. An example keeps the split and session of its text:
what comes from a test document is never made in the first place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise

import regex

from gemel.errors import Refused
from gemel.examples import Example, Role, Turn
from gemel.records import stable_id
from gemel.synth.engine import Rejected, Row, Stage
from gemel.synth.ground import Span, find_quote, supported
from gemel.synth.template import load_template
from gemel.text import fold

__all__ = ["ALLOWED", "as_example", "knowledge_example", "pair_stages", "slices_of"]

ALLOWED = ("train", "valid")
"""Splits that may be asked about."""
_SENTENCE_END = regex.compile(r"(?<=[.!?…。！？][\"'”’)\]]*)\s+|\n\s*\n")


def slices_of(examples: Iterable[Example], language: str, *, count: int) -> Iterator[Row]:
    """One row for each slice of a document, with its split.

    Raises:
        Refused: when a slice of another split than `ALLOWED` is given.
    """
    for example in examples:
        if example.kind != "slice":
            continue
        if example.split not in ALLOWED:
            raise Refused("a text that is kept for testing would have been asked about")
        asked, own = example.turns[:-1], example.turns[-1]
        yield {
            "id": example.id,
            "text": own.text,
            "title": asked[0].text if asked else "",
            "count": count,
            "language": language,
            "split": example.split,
            "session": example.session,
            "name": own.name,
            "sources": list(example.provenance),
        }


def pair_stages(*, answers: str = "own") -> list[Stage]:
    """Questions on each text, then an answer to each question.

    Args:
        answers: `own` (the quoted sentences of the author) or `told` (the claims in the teacher's words).
    """
    return [
        Stage(template=load_template("text_questions"), finish=_questions),
        Stage(template=load_template("text_answer"), finish=_grounded(answers)),
    ]


def _questions(row: Row, given: Row) -> Iterable[Row]:
    for question in {fold(q): q.strip() for q in reversed(given["questions"])}.values():
        yield {**row, "question": question}


def _grounded(answers: str) -> Callable[[Row, Row], Iterable[Row]]:
    def finish(row: Row, given: Row) -> Iterable[Row]:
        if not given["claims"]:
            raise Rejected("the text does not answer")
        kept, dropped = [], []
        for item in given["claims"]:
            spans = find_quote(item["quote"], row["text"])
            wrong = "the quotation is not in the text" if spans is None else supported(item["claim"], item["quote"])
            if spans is None or wrong:
                dropped.append(wrong)
            else:
                kept.append({"claim": item["claim"].strip(), "spans": [list(s) for s in spans]})
        if not kept:
            raise Rejected(dropped[0])
        spans_ = [Span(*s) for k in kept for s in k["spans"]]
        answer = _own_words(row["text"], spans_) if answers == "own" else " ".join(k["claim"] for k in kept)
        yield {**row, "answer": answer, "claims": kept, "dropped_claims": len(dropped)}

    return finish


def _own_words(text: str, spans: Iterable[Span]) -> str:
    """The sentences in which the spans lie, in the order of the text, neighbours joined as they stand."""
    edges = [0, *(m.end() for m in _SENTENCE_END.finditer(text)), len(text)]
    sentences = [(a, b) for a, b in pairwise(edges) if a < b]
    wanted = [i for i, (a, b) in enumerate(sentences) if any(s.start < b and s.end > a for s in spans)]
    out = ""
    for position, i in enumerate(wanted):
        piece = text[slice(*sentences[i])]
        out += piece if not position or wanted[position - 1] == i - 1 else f" {piece}"
    return out.strip()


def as_example(row: Row) -> Example:
    """A checked pair as an example of kind `qa`."""
    return Example(
        id=stable_id("qa", row["id"]),
        kind="qa",
        turns=(
            Turn(role=Role.prompt, parts=(row["question"],)),
            Turn(role=Role.me, parts=(row["answer"],), name=row["name"], learn=True, ids=tuple(row["sources"])),
        ),
        session=row["session"],
        provenance=(*row["sources"], *(step["from"] for step in row["made"])),
        split=row["split"],
    )


def knowledge_example(row: Row) -> Example:
    """A persona's question and answer as an example of kind `knowledge`; the persona is the instruction."""
    asked = row.get("question") or row.get("instruction") or ""
    who = str(row.get("persona", ""))
    return Example(
        id=stable_id("knowledge", row["id"]),
        kind="knowledge",
        turns=(
            *((Turn(role=Role.system, parts=(who,)),) if who else ()),
            Turn(role=Role.prompt, parts=(asked,)),
            Turn(role=Role.me, parts=(row["answer"],), learn=True),
        ),
        session=stable_id("persona", who),
        provenance=tuple(step["from"] for step in row.get("made", ())),
        traits={"domain": row["domain"]} if row.get("domain") else {},
        split="train",
    )
