"""Whether bench questions or answers stand in the training data: runs of 13 words, and close embeddings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from gemel.evaluate.bench.files import Question
from gemel.evaluate.duplicates import Runs
from gemel.evaluate.sample import Embed
from gemel.model.embed import HashEmbedder

__all__ = ["Contamination", "contamination"]

CLOSE = 0.9
"""Cosine from which a training reply counts as the same as an expert's answer."""
_LIKELY, _BLOCK = 20, 4096
"""Training replies embedded for an answer, and how many are compared by spelling at a time."""


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
    known = [q.id for q in questions if q.id in expert]
    close: list[str] = []
    if embed is not None and known and learned:
        near = _likely([expert[q] for q in known], learned)
        texts = sorted({learned[i] for row in near for i in row})
        place = {text: i for i, text in enumerate(texts)}
        similar = embed([expert[q] for q in known]) @ embed(texts).T  # (answers, texts)
        for q, row, candidates in zip(known, similar, near):
            if max(row[place[learned[i]]] for i in candidates) >= CLOSE:
                close.append(q)
    return Contamination(runs=tuple(shared), close=tuple(close))


def _likely(answers: Sequence[str], learned: Sequence[str]) -> list[list[int]]:
    """For each answer the training replies that share most spelling with it: only these are worth embedding."""
    hashed = HashEmbedder()
    known = hashed.encode(answers)
    best = np.full((len(answers), 0), 0.0, dtype=np.float32)
    where = np.zeros((len(answers), 0), dtype=np.int64)
    for start in range(0, len(learned), _BLOCK):
        similar = known @ hashed.encode(learned[start : start + _BLOCK]).T
        best = np.concatenate([best, similar], axis=1)
        where = np.concatenate([where, np.tile(np.arange(similar.shape[1]) + start, (len(answers), 1))], axis=1)
        kept = np.argsort(-best, axis=1)[:, :_LIKELY]
        best, where = np.take_along_axis(best, kept, 1), np.take_along_axis(where, kept, 1)
    return [row.tolist() for row in where]
