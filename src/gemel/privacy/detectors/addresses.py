"""Postal addresses: a house number beside a word for a street, with what follows of flat, postcode and town;
postcodes beside a town or state. English, German, Spanish, Italian, French and Vietnamese forms.

Towns and countries by themselves stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.common import english_words
from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_NAME = r"[^\W\d_][\w.'’\-]*"
_STRONG = "street|str|st|avenue|ave|road|rd|lane|ln|boulevard|blvd|parkway|highway|crescent|terrace"
_WEAK = (
    "drive|dr|av|court|ct|place|pl|square|sq|ter|close|circle|cir|way|trail|grove|gardens|walk|mews|row|hill|quay|alley"
)
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
    rf"(?P<name>(?:{_NAME} ?){{1,4}}?)[ ,]{{1,2}}(?:n[º°.]?\s?|nr\.?\s?|số )?"
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
        "damm",
        "ufer",
        "steig",
        "straat",
    ),
    *("laan", "gatan", "vägen", "vej", "katu", "veien"),
)
_LAST = frozenset(e[-1] for e in _ENDS)
_GERMAN = re.compile(
    rf"[^\W\d_][\w\-]*(?:{'|'.join(map(re.escape, _ENDS))})$|[^\W\d_][\w\-]* (?:str\.|straße|weg|platz)$"
)
_GERMAN_END = re.compile(
    rf"\s?\d{{1,3}}\s?(?:[a-f](?![^\W_]))?(?![^\W_]|[.:]\d){_FLAT}(?:[,\n ]{{1,3}}\d{{4,5}}(?: {_NAME}){{1,2}})?"
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
_CUES = frozenset(cue + point for cue in f"{_STRONG}|{_WEAK}".split("|") for point in ("", *".,;!?)"))
_PARTICLES = frozenset({"de", "la", "del", "della", "dei", "san", "santa", "le", "des", "du"})
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
_DISTRICTS = frozenset(f"{a}{dot}{n}" for a in "pq" for dot in ("", ".") for n in range(1, 31))
_VIET = frozenset({"đường", "phố", "ngõ", "hẻm", "đ.", "phường", "quận", "huyện", "p.", "q.", "tp.", "xã"}) | _DISTRICTS
_ADDRESS = frozenset({"address", "adresse", "dirección", "direccion", "indirizzo", "anschrift"})
_TOLD = re.compile(
    r"(?:\s(?:is|ist|es|è|lautet)\s?:?|\s?:)\s+(?=[^\n.!?\x00]{0,40}\d)(?![\d.:]+\s)[^\W_][^\n!?\x00]{5,60}?(?=[.!?;\n\x00]|$)"
)
_FLATS = frozenset({"apt", "apartment", "suite", "flat", "po"})
_LONE = re.compile(r"(?:apt\.?|apartment|suite|flat|po box)\s?#?\s?\d{1,5}[a-z]?(?![^\W_]|\.\d)")


@DETECTORS.register("addresses")
class Addresses(Detector):
    """Where somebody lives."""

    rank = 44

    def find(self, view: View) -> Iterator[Span]:
        if not view.atoms:
            return
        vocabulary = view.vocabulary
        english = not _CUES.isdisjoint(vocabulary)
        low = view.lower
        for start, end in view.atoms:
            if end - start > 6:
                continue
            last = low[start - 1 : start]
            last = low[start - 2 : start - 1] if last == " " else last
            if last in _LAST and low[max(0, start - 12) : start].rstrip(" ").endswith(_ENDS):
                yield from self._german(view, start)
            following = low[end + 1 : end + 49].split(None, 7)
            if english and not _CUES.isdisjoint(following):
                yield from self._english(view, start)
            if not _VIET.isdisjoint(following):
                local = _VIETNAMESE.match(low, start, min(len(low), start + 130))
                if local and not local.group().isascii():
                    yield from _whole(local, view)
        for word in _FIRST & vocabulary:
            for at, _ in view.where([word]):
                romance = _ROMANCE.match(low, at, min(len(low), at + 120))
                if romance and not _spoken(view, *romance.span("name")):
                    yield from _whole(romance, view)
        for at, word in view.where(_ADDRESS & vocabulary):
            yield from _whole(_TOLD.match(low, at + len(word), min(len(low), at + 90)), view)
        for at, _ in view.where(_FLATS & vocabulary):
            yield from _whole(_LONE.match(low, at), view)

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


def _spoken(view: View, start: int, end: int) -> bool:
    """Whether a name of a street is rather a phrase of English: `via my phone 5`."""
    words = view.text[start:end].split()
    return any(w.islower() and (w in _SMALL or (w in english_words() and w not in _PARTICLES)) for w in words)


def _whole(match: re.Match[str] | None, view: View) -> Iterator[Span]:
    if match:
        yield from _span(view, match.start(), match.end())


def _span(view: View, start: int, end: int) -> Iterator[Span]:
    border = view.text.find("\x00", start, end)
    if border < 0:
        yield Span(start, len(view.text[:end].rstrip(" ,\n")), "address")
