"""How given names are shortened, made small and mistyped.

`words/nicknames.txt` covers names common in English, German, Spanish, Italian and Vietnamese chats; the rules
of diminutives and of slips are language-wide and only applied to names that are known.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from gemel.privacy.common import lines

__all__ = ["diminutives", "nicknames", "slips"]

_NEIGHBOURS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "awdx", "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm", "k": "jil",
    "l": "kop", "z": "asx", "x": "zsc", "c": "xdv", "v": "cfb", "b": "vgn", "n": "bhm", "m": "njk",
}  # fmt: skip
_SOUNDS = {"c": "k", "k": "c", "i": "y", "y": "i", "z": "s", "f": "v", "v": "f", "e": "a", "a": "e", "o": "u", "u": "o"}


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
    yield from (name + e for e in ("chen", "lein", "i", "y", "ie", "le"))
    if len(stem) >= 3:
        yield from (
            stem + e for e in ("ito", "ita", "ino", "ina", "etto", "etta", "uccio", "uccia", "i", "y", "ie", "chen")
        )


def slips(name: str) -> Iterator[str]:
    """The name with one slip: a letter left out, doubled, swapped with the next, or struck beside or by sound."""
    for i, letter in enumerate(name):
        if i:
            yield name[:i] + name[i + 1 :]
        yield name[: i + 1] + name[i:]
        if i + 1 < len(name) and letter != name[i + 1]:
            yield name[:i] + name[i + 1] + letter + name[i + 2 :]
        for other in _NEIGHBOURS.get(letter, "") + _SOUNDS.get(letter, ""):
            yield name[:i] + other + name[i + 1 :]
            yield name[:i] + other + name[i:]
            yield name[: i + 1] + other + name[i + 1 :]
