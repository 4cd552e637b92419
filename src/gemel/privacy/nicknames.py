"""How given names are shortened, made small and mistyped.

`words/nicknames.txt` covers names common in English, German, Spanish, Italian and Vietnamese chats; the rules
of diminutives and of slips hold for any language and only applied to names that are known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache

from gemel.privacy.common import lines

__all__ = ["Slips", "diminutives", "nicknames"]


@cache
def _table() -> dict[str, tuple[str, ...]]:
    table: dict[str, tuple[str, ...]] = {}
    for line in lines("nicknames.txt"):
        names, _, short = line.partition(":")
        for name in names.split():
            table[name] = (*table.get(name, ()), *(s for s in short.split() if s != name))
    return table


def nicknames(name: str) -> tuple[str, ...]:
    """Short forms of a lower-cased given name."""
    return _table().get(name, ())


def diminutives(name: str) -> Iterator[str]:
    """Small and fond forms of a lower-cased given name."""
    stem = name.rstrip("aeiouy")
    yield from (name + e for e in ("chen", "lein", "i", "y", "ie"))
    if len(stem) >= 3:
        yield from (
            stem + e for e in ("ito", "ita", "ino", "ina", "etto", "etta", "uccio", "uccia", "i", "y", "ie", "chen")
        )


class Slips:
    """Finds which name a mistyped word means: one letter left out, added, changed or swapped with the next,
    the first letter right, names of five letters up (after SymSpell's index of deletions, W. Garbe 2012).
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = frozenset(n for n in names if len(n) >= 5)
        self._index: dict[str, list[str]] = {}
        for name in sorted(self._names):
            for key in {name, *_shorter(name)}:
                self._index.setdefault(key, []).append(name)

    def meant(self, word: str) -> str:
        """The name, or "" if the word is none with one slip. Both lower-cased."""
        if len(word) < 4 or word in self._names:
            return ""
        for key in (word, *_shorter(word)):
            for name in self._index.get(key, ()):
                if name[0] == word[0] and _one_slip(name, word):
                    return name
        return ""


def _shorter(word: str) -> list[str]:
    return [word[:i] + word[i + 1 :] for i in range(len(word))]


def _one_slip(name: str, word: str) -> bool:
    if abs(len(name) - len(word)) == 1:
        return True  # one is the other with a letter left out, as the index says
    if len(name) != len(word):
        return False
    apart = [i for i, (a, b) in enumerate(zip(name, word)) if a != b]
    if len(apart) == 2 and apart[1] == apart[0] + 1:
        return name[apart[0]] == word[apart[1]] and name[apart[1]] == word[apart[0]]
    return len(apart) == 1
