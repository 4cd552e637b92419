"""Whose words are whose, what is talked about, how easily it reads, how the vocabulary grows.

"Your words" are those with the largest log-odds against others under an informative Dirichlet prior (Monroe, Colaresi
and Quinn 2008, "Fightin' Words", doi:10.1093/pan/mpn018), as z-scores. Topics are factors of a TF-IDF matrix (NMF).
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import polars as pl
import regex

from gemel.text import sentences, words

__all__ = ["growth", "log_odds", "readability", "topics"]

SURE = 3.29
"""z-score from which a word is shown: one in a thousand by chance, for there are thousands of words."""
PRIOR = 500.0
"""Pseudo-words of the prior, spread as all words together are."""
_VOWELS = regex.compile(r"[aeiouy]+")


def log_odds(counts: pl.DataFrame, *, top: int = 20, least: int = 5) -> dict[str, list[dict[str, Any]]]:
    """The most telling words of either side.

    Args:
        counts: columns gram, you, others.
        least: occurrences a word needs on the side it is shown for.

    Returns:
        "you" and "others": rows of gram, z, you, others, strongest first.
    """
    you, others = counts["you"].to_numpy().astype(float), counts["others"].to_numpy().astype(float)
    if not you.sum() or not others.sum():
        return {"you": [], "others": []}
    prior = PRIOR * (you + others) / (you + others).sum()
    odds = [
        np.log(side + prior) - np.log(np.maximum(side.sum() + PRIOR - side - prior, 1e-9)) for side in (you, others)
    ]
    z = (odds[0] - odds[1]) / np.sqrt(1 / (you + prior) + 1 / (others + prior))
    ranked = counts.with_columns(z=pl.Series(z)).sort(["z", "gram"], descending=[True, False])
    mine = ranked.filter((pl.col("you") >= least) & (pl.col("z") > SURE)).head(top)
    theirs = ranked.filter((pl.col("others") >= least) & (pl.col("z") < -SURE)).reverse().head(top)
    return {"you": mine.to_dicts(), "others": theirs.with_columns(z=-pl.col("z")).to_dicts()}


def topics(texts: Sequence[str], *, stop: Collection[str] = (), count: int = 8, terms: int = 8) -> list[dict[str, Any]]:
    """What texts are about: rows of words (strongest first) and share of the texts' weight; empty when too few.

    Args:
        texts: each a day of a conversation or a slice of a document: single messages are too short.
        stop: words that say nothing of a topic, in lower case.
    """
    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    if len(texts) < 40:
        return []
    vectorizer = TfidfVectorizer(
        token_pattern=r"(?u)\b[^\W\d_]{3,}\b",
        stop_words=sorted({w for w in {*ENGLISH_STOP_WORDS, *stop} for w in _pieces(w)}),
        min_df=max(3, len(texts) // 1000),
        max_df=0.3,
        max_features=4000,
        sublinear_tf=True,
    )
    try:
        matrix = vectorizer.fit_transform(texts)
    except ValueError:  # nothing but stop words
        return []
    if matrix.shape[1] < 3 * count:
        return []
    model = NMF(n_components=count, init="nndsvd", random_state=0, max_iter=150, tol=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a rough factorisation names topics as well
        weights = model.fit_transform(matrix)
    names = vectorizer.get_feature_names_out()
    shares = weights.sum(axis=0) / max(weights.sum(), 1e-9)
    rows: list[dict[str, Any]] = [
        {"words": [str(names[i]) for i in np.argsort(-part, kind="stable")[:terms]], "share": float(share)}
        for part, share in zip(model.components_, shares)
    ]
    return sorted((r for r in rows if r["share"] > 0), key=lambda r: -r["share"])


def _pieces(word: str) -> list[str]:
    """A stop word as the vectoriser would cut it, so that it matches."""
    return list(regex.findall(r"[^\W\d_]{3,}", word.lower())) or [word]


def growth(tokens: Sequence[str], *, points: int = 60) -> list[tuple[int, int]]:
    """How many different words the first n words hold, at `points` places."""
    marks = {max(1, round(len(tokens) * i / points)) for i in range(1, points + 1)} if tokens else set()
    seen: set[str] = set()
    curve = [(0, 0)] if tokens else []
    for i, token in enumerate(tokens, 1):
        seen.add(token)
        if i in marks:
            curve.append((i, len(seen)))
    return curve


def readability(text: str) -> dict[str, float] | None:
    """Words per sentence, letters per word, and for English Flesch reading ease and Flesch–Kincaid grade.

    Syllables are counted as runs of vowels, a final silent e left out: within about a tenth of a dictionary's count.
    None below 100 words.
    """
    tokens = [w for w in words(text) if w[0].isalpha()]
    if len(tokens) < 100:
        return None
    per_sentence = len(tokens) / max(1, len(sentences(text)))
    syllables = sum(map(_syllables, tokens)) / len(tokens)
    return {
        "words per sentence": per_sentence,
        "letters per word": sum(map(len, tokens)) / len(tokens),
        "reading ease": 206.835 - 1.015 * per_sentence - 84.6 * syllables,
        "grade": 0.39 * per_sentence + 11.8 * syllables - 15.59,
    }


def _syllables(word: str) -> int:
    low = word.lower()
    count = len(_VOWELS.findall(low))
    return max(1, count - (low.endswith("e") and not low.endswith("le")))
