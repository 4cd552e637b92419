"""Sensitive topics: health, sex, politics, religion, finance, minors, by the words that belong to them.

A lexicon in five languages (`words/topics.txt`). It finds that a topic is touched, not what is said about it, and
misses what is said in other words: a count, and a coarse sieve for those who want a topic kept out.
"""

from __future__ import annotations

from collections.abc import Set
from functools import cache

from gemel.privacy.common import lines
from gemel.privacy.view import View

__all__ = ["TOPICS", "topics"]

TOPICS = ("finance", "health", "minors", "politics", "religion", "sex")


@cache
def _lexicon() -> dict[str, frozenset[str]]:
    """Word → its topics."""
    found: dict[str, set[str]] = {}
    for line in lines("topics.txt"):
        topic, _, words = line.partition(":")
        for word in words.split():
            found.setdefault(word, set()).add(topic)
    return {word: frozenset(names) for word, names in found.items()}


def topics(text: str | View) -> frozenset[str]:
    """The topics that a text touches."""
    view = text if isinstance(text, View) else View(text)
    lexicon = _lexicon()
    hits: Set[str] = lexicon.keys() & view.vocabulary
    return frozenset().union(*(lexicon[word] for word in hits))
