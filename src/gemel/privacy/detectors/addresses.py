"""Postal addresses: a house number beside a word for a street, with what follows of flat, postcode and town;
postcodes beside a town or state. English, German, Spanish, Italian, French and Vietnamese forms.

Towns and countries by themselves stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_NAME = r"[^\W\d_][\w.'’\-]*"
_STRONG = "street|str|st|avenue|ave|road|rd|lane|ln|boulevard|blvd|parkway|highway|crescent|terrace|drive|dr"
_WEAK = "av|court|ct|place|pl|square|sq|ter|close|circle|cir|way|trail|grove|gardens|walk|mews|row|hill|quay|alley|loop"
_FLAT = (
    r"(?:[,\n ]{0,3}(?:apt|apartment|suite|ste|unit|flat|room|floor|fl|whg|wohnung|piso|puerta|interno|int|scala|stock"
    r"|tầng|phòng|p\.?o\.? box|box)\.?\s?#?\s?\d{1,5}[a-z]?)?"
)
_POSTCODE = r"(?:\d{5}(?:-\d{4})?|[a-z]{1,2}\d[a-z0-9]? ?\d[a-z]{2})(?!\d)"
_TOWN = rf"(?:,[\n ]{{0,4}}{_NAME}(?: {_NAME}){{0,2}}(?:[,\n ]{{1,4}}[a-z]{{2}})?(?:[,\n ]{{1,4}}{_POSTCODE})?)?"
_ENGLISH = re.compile(
    rf"\d{{1,6}}[a-z]?,? (?P<name>(?:{_NAME} |\d{{1,3}}(?:st|nd|rd|th) ){{1,4}}?)"
    rf"(?:{_STRONG}|(?P<weak>{_WEAK}))(?![^\W_])\.?{_FLAT}{_TOWN}"
)
_ROMANCE = re.compile(
    r"(?<![^\W_])(?:calle|c/|avenida|avda\.?|av\.|plaza|paseo|camino|carrer|carretera|via|viale|piazza|corso|vicolo|largo"
    r"|strada|rue|avenue|boulevard|chemin|impasse|rua|travessa|praça|ul\.|đường|phố|ngõ|hẻm)\s?"
    rf"(?:{_NAME}[ ,]{{1,2}}){{1,5}}?(?:n[º°.]?\s?|nr\.?\s?|số )?"
    rf"\d{{1,5}}[a-z]?(?![^\W_]|[.:,]\d){_FLAT}(?:[,\n ]{{1,3}}\d{{5}}(?: {_NAME}){{1,2}})?"
)
_DISTRICT = rf"(?:phường|p\.?|quận|q\.?|huyện|xã|tp\.?|thành phố) ?(?:\d{{1,2}}|{_NAME}(?: {_NAME}){{0,2}})"
_VIETNAMESE = re.compile(
    rf"(?:số (?:nhà )?)?\d{{1,5}}(?:/\d{{1,4}}){{0,3}}[a-z]?,? (?:đường|phố|ngõ|hẻm|đ\.)"
    rf" (?:{_NAME} ?){{1,4}}(?:, ?{_DISTRICT})*"
    rf"|\d{{1,5}}(?:/\d{{1,4}}){{0,3}} (?:{_NAME}[ ,]+){{1,4}}?{_DISTRICT}(?:, ?{_DISTRICT})*"
)
_ENDS = (
    *(
        "straße",
        "strasse",
        "str.",
        "strase",
        "weg",
        "platz",
        "gasse",
        "allee",
        "ring",
        "damm",
        "ufer",
        "steig",
        "straat",
    ),
    *("laan", "gatan", "vägen", "vej", "gade", "tie", "katu", "gata", "veien"),
)
_POINTS = re.compile(r"[.,;!?)\n]")
_LAST = frozenset(e[-1] for e in _ENDS)
_GERMAN = re.compile(
    rf"[^\W\d_][\w\-]*(?:{'|'.join(map(re.escape, _ENDS))})$|[^\W\d_][\w\-]* (?:str\.|straße|weg|platz)$"
)
_GERMAN_END = re.compile(
    rf"\s?\d{{1,4}}\s?(?:[a-f](?![^\W_]))?(?![^\W_]|[.:]\d){_FLAT}(?:[,\n ]{{1,3}}\d{{4,5}}(?: {_NAME}){{1,2}})?"
)
_SMALL = frozenset(
    {
        "the",
        "a",
        "an",
        "in",
        "on",
        "at",
        "to",
        "of",
        "my",
        "your",
        "his",
        "her",
        "our",
        "their",
        "this",
        "that",
        "by",
        "per",
    }
    | {
        "and",
        "or",
        "for",
        "from",
        "down",
        "up",
        "off",
        "one",
        "same",
        "other",
        "minute",
        "minutes",
        "min",
        "mins",
        "hour",
    }
    | {
        "hours",
        "day",
        "days",
        "week",
        "weeks",
        "month",
        "months",
        "year",
        "years",
        "people",
        "miles",
        "km",
        "times",
        "all",
    }
    | {
        "is",
        "was",
        "are",
        "it",
        "its",
        "some",
        "any",
        "no",
        "with",
        "more",
        "every",
        "each",
        "across",
        "along",
        "am",
        "pm",
    }
)
_CUES = frozenset(f"{_STRONG}|{_WEAK}".split("|"))
_FIRST = frozenset(
    {
        "calle",
        "c",
        "avenida",
        "avda",
        "av",
        "plaza",
        "paseo",
        "camino",
        "carrer",
        "carretera",
        "via",
        "viale",
        "piazza",
        "corso",
    }
    | {
        "vicolo",
        "largo",
        "strada",
        "rue",
        "avenue",
        "boulevard",
        "chemin",
        "impasse",
        "rua",
        "travessa",
        "praça",
        "ul",
        "đường",
    }
    | {"phố", "ngõ", "hẻm"}
)
_VIET = frozenset({"đường", "phố", "ngõ", "hẻm", "phường", "quận"})
_ADDRESS = frozenset({"address", "adresse", "dirección", "direccion", "indirizzo", "anschrift"})
_TOLD = re.compile(
    r"(?:\s(?:is|ist|es|è|lautet))?\s?:?\s+(?=[^\n.!?\x00]{0,40}\d)[^\W_][^\n!?\x00]{5,60}?(?=[.!?;\n\x00]|$)"
)
_LONE = re.compile(
    r"(?<![^\W_])(?:apt|apartment|suite|ste|unit|flat|po box|p\.o\. box|psc|unit)\.?\s?#?\s?\d{1,5}[a-z]?(?![^\W_])"
)


@DETECTORS.register("addresses")
class Addresses(Detector):
    """Where somebody lives."""

    rank = 44

    def find(self, view: View) -> Iterator[Span]:
        if not view.atoms:
            return
        vocabulary = view.vocabulary
        english = not _CUES.isdisjoint(vocabulary)
        vietnamese = not _VIET.isdisjoint(vocabulary)
        low = view.lower
        for start, end in view.atoms:
            if end - start > 6:
                continue
            last = low[start - 1 : start]
            last = low[start - 2 : start - 1] if last == " " else last
            if last in _LAST and low[max(0, start - 12) : start].rstrip(" ").endswith(_ENDS):
                yield from self._german(view, start)
            if english and _cued(low[end : end + 48]):
                yield from self._english(view, start)
            if vietnamese:
                yield from _whole(_VIETNAMESE.match(low, start, min(len(low), start + 130)), view)
        for word in _FIRST & vocabulary:
            for at, _ in view.where([word]):
                yield from _whole(_ROMANCE.match(low, at, min(len(low), at + 120)), view)
        for at, word in view.where(_ADDRESS & vocabulary):
            yield from _whole(_TOLD.match(low, at + len(word), min(len(low), at + 90)), view)
        if not {"apt", "apartment", "suite", "flat", "box", "psc"}.isdisjoint(vocabulary):
            for match in _LONE.finditer(low):
                yield from _whole(match, view)

    def _english(self, view: View, start: int) -> Iterator[Span]:
        """A number, a name that is no phrase of everyday speech, a word for a street."""
        match = _ENGLISH.match(view.lower, start, min(len(view.lower), start + 130))
        if match is None or not _SMALL.isdisjoint(match["name"].split()):
            return
        capital = view.text[match.start("name") : match.end("name")][:1].isupper()
        if capital or not match["weak"]:
            yield from _whole(match, view)

    def _german(self, view: View, start: int) -> Iterator[Span]:
        before = view.before(start, 40).rstrip(" ")
        gap = len(view.before(start, 40)) - len(before)
        street, number = _GERMAN.search(before), _GERMAN_END.match(view.lower, start)
        if street and number:
            name = street.group().split(" ")[-1]
            yield from _span(view, start - gap - len(name), number.end())


def _cued(after: str) -> bool:
    """Whether a word for a street is among the words after a number."""
    return after[:2].lstrip(" ,").isalpha() and not _CUES.isdisjoint(_POINTS.sub(" ", after).split())


def _whole(match: re.Match[str] | None, view: View) -> Iterator[Span]:
    if match:
        yield from _span(view, match.start(), match.end())


def _span(view: View, start: int, end: int) -> Iterator[Span]:
    border = view.text.find("\x00", start, end)
    if border < 0:
        yield Span(start, len(view.text[:end].rstrip(" ,\n")), "address")
