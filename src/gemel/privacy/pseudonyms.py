"""Names that stand for people: plausible, belonging to no language in particular, rarely borne by anyone.

The order is fixed and says nothing about whom a name stands for. A person keeps one name; a nickname
or surname of theirs becomes a form of it, so that every surface can be restored exactly.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, product

__all__ = ["forms", "given_names"]

_HEADS = (
    *("Tav", "Mir", "Jor", "Kel", "Lor", "Zel", "Bren", "Dav", "Fer", "Hel", "Ril", "Sor"),
    *("Ver", "Yor", "Cal", "Nev", "Par", "Elv", "Orl", "Mal", "Vin", "Tor", "Sel", "Ilv"),
)
_TAILS = ("ian", "ona", "eth", "in", "ilo", "ane", "ek", "isa", "on", "emi", "ar", "iel", "ut", "oren")
_LINKS = ("am", "el", "or", "iv", "an", "us")
_SUFFIXES = ("sen", "ik", "elo", "ard", "ova", "int", "oli", "um", "esk", "ando", "erin", "yt")


def given_names() -> Iterator[str]:
    """Names without end, the short ones first, neighbours unlike each other."""
    for links in count():
        for link in product(_LINKS, repeat=links):
            for shift in range(len(_TAILS)):
                for i, head in enumerate(_HEADS):
                    yield head + "".join(link) + _TAILS[(shift + i) % len(_TAILS)]


def forms(name: str) -> Iterator[str]:
    """The name itself, then its further forms, without end."""
    for size in count():
        for suffixes in product(_SUFFIXES, repeat=size):
            yield name + "".join(suffixes)
