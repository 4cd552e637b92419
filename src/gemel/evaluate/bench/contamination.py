"""Whether bench questions or answers stand in the training data: runs of 13 words, and close embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gemel.evaluate.bench.files import Question
from gemel.evaluate.duplicates import Runs
from gemel.evaluate.sample import Embed

__all__ = ["Contamination", "contamination"]

CLOSE = 0.9
"""Cosine from which a training reply counts as the same as an expert's answer."""


@dataclass(frozen=True, kw_only=True)
class Contamination:
    """Ids of questions that training may have seen."""

    runs: tuple[str, ...]
    """Question or expert's answer shares 13 consecutive words with the training text."""
    close: tuple[str, ...]
    """The expert's answer is nearly a training reply by its embedding."""


def contamination(
    questions: Sequence[Question], expert: Mapping[str, str], learned: Sequence[str], embed: Embed | None = None
) -> Contamination:
    """Compare a bench with the training text.

    Args:
        expert: question id → the person's own answer.
        learned: training replies.
    """
    runs = Runs(learned, length=13)
    shared = [q.id for q in questions if any(runs.share(t) > 0 for t in (q.text, expert.get(q.id, "")))]
    close: list[str] = []
    known = [q.id for q in questions if q.id in expert]
    if embed is not None and known and learned:
        similar = embed([expert[q] for q in known]) @ embed(list(learned)).T
        close = [q for q, row in zip(known, similar) if row.max() >= CLOSE]
    return Contamination(runs=tuple(shared), close=tuple(close))
