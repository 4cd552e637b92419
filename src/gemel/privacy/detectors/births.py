"""Dates of birth: a date beside a word for being born, in English, German, Spanish, Italian, French and Vietnamese.

Other dates stay: they are what conversations are about.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_MONTH = (
    r"(?:jan|feb|mär|mar|apr|mai|may|jun|jul|aug|sep|okt|oct|nov|dez|dec|ene|abr|ago|dic|gen|mag|giu|lug|set|ott|fév|avr|aoû|déc)"
    r"[a-zéûñ]*\.?"
)
_DATE = re.compile(
    rf"(?:\d{{1,2}}\s?[./\-]\s?\d{{1,2}}\s?[./\-]\s?(?:\d{{4}}|\d{{2}})|\d{{4}}[./\-]\d{{1,2}}[./\-]\d{{1,2}}"
    rf"|\d{{1,2}}(?:st|nd|rd|th|\.|º)?\s(?:de\s|of\s)?{_MONTH}(?:,?\s(?:de\s|del\s)?\d{{2,4}})?"
    rf"|{_MONTH}\s\d{{1,2}}(?:st|nd|rd|th)?,?\s\d{{4}}|\d{{1,2}} tháng \d{{1,2}}(?: năm \d{{4}})?"
    r")(?!\d)"
)
_CUE_WORDS = """
born birthday birthdate birth bday dob geboren geb geburtstag geburtsdatum nacido nacida nací naci nacimiento
cumpleaños cumple nato nata nascita compleanno né née naissance anniversaire sinh sn sinhnhật
"""
_CUES = frozenset(_CUE_WORDS.split())


@DETECTORS.register("births")
class Births(Detector):
    """The day on which somebody was born."""

    rank = 26

    def find(self, view: View) -> Iterator[Span]:
        cues = sorted(_CUES & view.vocabulary)
        if not cues or not view.atoms:
            return
        seen: set[int] = set()
        for at, _ in view.where(cues):
            first = at - len(view.before(at, 24))
            last = at + len(view.after(at, 44))
            for match in _DATE.finditer(view.lower, first, last):
                if match.start() not in seen and not view.lower[match.start() - 1 : match.start()].isdigit():
                    seen.add(match.start())
                    yield Span(match.start(), match.end(), "birth")
