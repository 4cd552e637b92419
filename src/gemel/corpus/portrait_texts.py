"""The portrait of writings and of profiles, as plain data.

Writings: size, readability, vocabulary growth, topics, and the words that tell one author from the others. Profiles:
how each trait is distributed, and how much of it is missing. Documents pass one by one; a sample is kept for topics.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import polars as pl

from gemel.config import CorpusSection
from gemel.corpus.sessions import own_document
from gemel.corpus.tally import Tally
from gemel.corpus.wording import growth, log_odds, readability, topics
from gemel.corpus.writings import slice_text
from gemel.records import Document, Profile
from gemel.text import words
from gemel.traits import KNOWN, LEFT_OUT

__all__ = ["profiles", "writings"]

GROWTH_WORDS = 500_000
"""Words that the curve of the vocabulary covers at most."""
TOPIC_SLICES = 4_000
"""Slices that topics are found in at most."""


def writings(documents: Iterable[Document], section: CorpusSection) -> dict[str, Any]:
    """Facts about the person's documents, beside those of other authors; {} when there are none."""
    tally, rows = Tally(), []
    tokens: list[str] = []
    slices: list[str] = []
    authors: Counter[str] = Counter()
    batch: list[tuple[bool, str]] = []
    for document in documents:
        mine = own_document(document, section.author)
        authors[document.author or "(no author)"] += 1
        batch.append((mine, document.text))
        if len(batch) >= 64:
            _count(tally, batch)
            batch = []
        if not mine:
            continue
        said = [w.lower() for w in words(document.text)]
        tokens += said[: max(0, GROWTH_WORDS - len(tokens))]
        slices += slice_text(document.text, section.slice_words)[: max(0, TOPIC_SLICES - len(slices))]
        measured = readability(document.text)
        rows.append({"words": len(said), "year": document.time.year if document.time else None, **(measured or {})})
    _count(tally, batch)
    if not rows:
        return {}
    single = tally.counts(pair=False)
    common = single.sort(["you", "gram"], descending=[True, False])["gram"].head(100).to_list()
    return {
        "documents": len(rows),
        "words": sum(r["words"] for r in rows),
        "authors": authors.most_common(12),
        "lengths": sorted(r["words"] for r in rows),
        "readability": {
            key: [r[key] for r in rows if key in r]
            for key in ("words per sentence", "letters per word", "reading ease", "grade")
        },
        "growth": growth(tokens),
        "telling": {"words": log_odds(single), "pairs": log_odds(tally.counts(pair=True))},
        "topics": {"n": len(slices), "rows": topics(slices, stop=common)},
    }


def _count(tally: Tally, batch: list[tuple[bool, str]]) -> None:
    tally.add(pl.DataFrame(batch, schema={"mine": pl.Boolean, "text": pl.String}, orient="row"))


def profiles(items: Iterable[Profile]) -> dict[str, Any]:
    """Facts about profiles; {} when there are none.

    A number's bins span its 1st to 99th per cent, outliers counted in the outer ones; a category shows its commonest.
    """
    numbers: defaultdict[str, list[float]] = defaultdict(list)
    categories: defaultdict[str, Counter[str]] = defaultdict(Counter)
    given: Counter[str] = Counter()
    essays: Counter[str] = Counter()
    names: dict[str, None] = {}
    total = 0
    for profile in items:
        total += 1
        for name, value in profile.traits.items():
            if name in LEFT_OUT:
                continue
            names.setdefault(name)
            nothing = KNOWN[name].nothing if name in KNOWN else ()
            if value is None or value == () or str(value).strip() in ("", *nothing):
                continue
            given[name] += 1
            number = _number(value)
            if number is not None:
                numbers[name].append(number)
            else:
                categories[name].update(value if isinstance(value, tuple) else [str(value)])
        essays.update(k for k, v in profile.essays.items() if v.strip())
    if not total:
        return {}
    traits = []
    for name in names:
        row: dict[str, Any] = {"name": name, "missing": 1 - given[name] / total}
        if len(numbers[name]) > sum(categories[name].values()):
            row |= _histogram(np.asarray(numbers[name]), log=name in KNOWN and KNOWN[name].log)
        else:
            row |= {"top": categories[name].most_common(8), "distinct": len(categories[name])}
        traits.append(row)
    return {"profiles": total, "traits": traits, "essays": [(k, v / total) for k, v in essays.most_common()]}


def _number(value: object) -> float | None:
    if isinstance(value, int | float):
        return float(value)
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _histogram(values: np.ndarray, *, log: bool) -> dict[str, Any]:
    """Up to 24 bins: of whole width for whole numbers, of equal ratio where the number is taken by its logarithm."""
    low, high = (float(v) for v in np.percentile(values, [1, 99]))
    if log and low > 0 and high > low:
        edges = np.geomspace(low, high, 13)
    elif np.all(values == np.round(values)):
        step = max(1, np.ceil((high - low + 1) / 24))
        edges = np.arange(low, high + step + 1, step)
    else:
        edges = np.linspace(low, high if high > low else low + 1, 25)
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), bins=edges)
    return {"edges": edges.tolist(), "counts": counts.tolist(), "median": float(np.median(values))}
