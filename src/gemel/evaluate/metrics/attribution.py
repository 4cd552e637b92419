"""Whose text is it when all that was said in a session is read together?"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.authors import Authors
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of

_WORDS = 400
"""Words of one text."""
_TEXTS = 5
"""Texts an author needs."""


@metric("attribution", title="Attributed to the person", unit="share of sessions")
def attribution(sample: Sample) -> Statistic:
    """Share of sessions whose replies, read together, go to the person among all authors, by word rates."""
    pooled: dict[int, list[str]] = defaultdict(list)
    for i, text in zip(sample.index, sample.said):
        pooled[int(i)].append(text)
    long = {s: text for s, parts in pooled.items() if len((text := "\n".join(parts)).split()) >= _WORDS // 2}
    if len(long) < 5:
        raise TooLittle(f"{len(long)} sessions have {_WORDS // 2} words, at least 5 are needed")
    authors = _authors(sample)
    right = [float(authors.nearest(text) == "") for text in long.values()]
    return mean_of(np.array(right), np.array(list(long), dtype=np.int64), sample.sessions)


def _authors(sample: Sample) -> Authors:
    """The person is the author ""; fitted once for all systems."""
    if "attribution" in sample.shared.cache:
        return sample.shared.cache["attribution"]
    sessions = {c.session for c in sample.cases}
    written: dict[str, list[str]] = {"": []}
    for pool in sample.shared.own:
        if pool.session not in sessions:
            written[""].append(pool.turn.text)
    for pool in sample.shared.others:
        written.setdefault(pool.turn.name or "somebody", []).append(pool.turn.text)
    texts = {author: _cut(rows) for author, rows in written.items()}
    known = {author: rows for author, rows in texts.items() if len(rows) >= _TEXTS}
    if "" not in known or len(known) < 2:
        raise TooLittle(f"fewer than two authors with {_TEXTS} texts of {_WORDS} words")
    sample.shared.cache["attribution"] = Authors(known)
    return sample.shared.cache["attribution"]


def _cut(texts: list[str]) -> list[str]:
    flat = " ".join(texts).split()
    return [" ".join(flat[i : i + _WORDS]) for i in range(0, len(flat) - _WORDS + 1, _WORDS)]
