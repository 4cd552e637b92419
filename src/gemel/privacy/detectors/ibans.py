"""International bank account numbers: country, check digits modulo 97 (ISO 13616), spaced or not, in any case.

A mistyped one fails the check; it is still taken where a word for an account stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_SHAPE = re.compile(r"[a-z]{2}[ \-]?\d\d(?:[ \-]?[a-z0-9]){10,31}(?![a-z0-9])")
_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789 -")
_NEAR = re.compile(r"\b(?:iban|account|konto\w*|cuenta|conto|tài khoản|bank\w*)\b")
_COUNTRIES = {
    15: "no",
    16: "be",
    18: "dk fi nl",
    19: "si",
    20: "at ee lt lu xk",
    21: "ch hr li lv",
    22: "bg de gb ie rs",
    23: "ae il",
    24: "ad cz es ro sa se sk",
    25: "pt",
    26: "is tr",
    27: "fr gr it mc sm",
    28: "cy hu pl",
    29: "br ua",
    31: "mt",
}
"""Length of an IBAN → countries."""
_LENGTHS = {country: size for size, countries in _COUNTRIES.items() for country in countries.split()}


def valid(iban: str) -> bool:
    """Whether lower-cased letters and digits without spaces are an IBAN."""
    if _LENGTHS.get(iban[:2]) != len(iban):
        return False
    return int("".join(str(int(c, 36)) for c in iban[4:] + iban[:4])) % 97 == 1


@DETECTORS.register("ibans")
class Ibans(Detector):
    """An account's number. Words may follow with a space: the country says where it ends."""

    rank = 30

    def find(self, view: View) -> Iterator[Span]:
        low = view.lower
        for start, end in view.atoms:
            first = start - 2 if low[start - 2 : start].isalpha() else start - 3
            if (
                end - start < 2
                or first < 0
                or low[first : first + 2] not in _LENGTHS
                or low[first - 1 : first].isalnum()
            ):
                continue
            size = _LENGTHS[low[first : first + 2]]
            stop, plain = first, ""
            while (
                stop < len(low)
                and len(plain) < size
                and ((low[stop].isascii() and low[stop].isalnum()) or low[stop] in " -")
            ):
                plain += low[stop] if low[stop].isalnum() else ""
                stop += 1
            if low[stop : stop + 1].isalnum() or len(plain) != size:
                continue
            if valid(plain) or (_SHAPE.fullmatch(low, first, stop) and _NEAR.search(view.before(first, 40))):
                yield Span(first, stop, "iban", plain)
