"""Postal addresses: a house number beside a word for a street, with what follows of flat, postcode and town;
post boxes; what is said to be an address. English, German, Spanish, Italian, French and Vietnamese forms, and the
commonest of their neighbours. Towns and countries by themselves stay.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from gemel.privacy.common import english_words
from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.detectors._streets import (
    APART,
    BEFORE,
    BEFORE_FLAT,
    BOX_LOW,
    ENDS,
    ENGLISH_LOW,
    FRENCH,
    GERMAN_CODE,
    GERMAN_END_LOW,
    GERMAN_LOW,
    LANE_LOW,
    LIVES,
    LONE_LOW,
    PREPOSED,
    REST,
    REST_LOW,
    ROMANCE_LOW,
    STRONG,
    TOLD_LOW,
    VIETNAMESE_LOW,
    WEAK,
    ZIP_LOW,
    words,
)
from gemel.privacy.view import BORDER, Span, View

_REACH = 160
"""Characters looked at from the beginning of an address."""
_SMALL = frozenset(
    words("""the a an in on at to of my your his her our their this that by per and or for from down up off one same
    other minute minutes min mins hour hours day days week weeks month months year years people miles km times all is
    was are it its some any no with more every each across along am pm""")
)
_CUES = frozenset(cue + point for cue in f"{STRONG}|{WEAK}".split("|") for point in ("", ".,", *".,;!?)"))
_FRENCH = frozenset(
    words(
        "rue avenue av av. boulevard bd bd. place chemin impasse allée quai route cours passage square ruelle sentier"
    )
)
_PARTICLES = frozenset({"de", "la", "del", "della", "dei", "san", "santa", "le", "des", "du"})
_FIRST = frozenset(
    words("""calle avenida avda av plaza plazuela paseo camino carrer carretera ronda glorieta rambla via viale piazza
    piazzetta piazzale corso vicolo largo lungomare contrada strada rue avenue boulevard chemin impasse rua rúa travessa
    praça ul ulica đường phố ngõ hẻm""")
)
_LANES = frozenset(words("ngõ ngách hẻm kiệt thôn ấp tổ"))
_DISTRICTS = frozenset(f"{a}{dot}{n}" for a in "pq" for dot in ("", ".") for n in range(1, 31))
_VIET = _DISTRICTS | frozenset(words("đường phố ngõ hẻm đ. phường quận huyện p. q. tp. xã"))
_VIET_CITIES = frozenset({"hà", "sài", "hồ", "đà", "hải", "cần", "nha", "vũng"})
_ADDRESS = frozenset(words("address adresse dirección direccion indirizzo anschrift"))
_LIVING = frozenset(words("live lives living lived moved wohne wohnt vivo vive abito abita habite"))
_BOXES = frozenset(words("box postbox postfach apartado apo fpo dpo"))
_FLATS = frozenset({"apt", "apartment", "suite", "flat"})
_ZIPS = frozenset({"zip", "zipcode", "postcode", "plz", "postal"})
_STREETS = (*ENDS, *(f" {a}" for a in APART))
_LAST = frozenset(e[-2:] for e in _STREETS)


@DETECTORS.register("addresses")
class Addresses(Detector):
    """Where somebody lives."""

    rank = 44

    def find(self, view: View) -> Iterator[Span]:
        if not view.atoms:
            return
        open_ = -1, -1
        for start, end in sorted(_grown(view, *core) for core in self._cores(view)):
            if start > open_[1]:
                yield from _span(view, *open_)
                open_ = start, end
            open_ = open_[0], max(end, open_[1])
        yield from _span(view, *open_)

    def _cores(self, view: View) -> Iterator[tuple[int, int]]:
        vocabulary, low = view.vocabulary, view.lower
        english, french = not _CUES.isdisjoint(vocabulary), not _FRENCH.isdisjoint(vocabulary)
        for start, end in view.atoms:
            if end - start > 6:
                continue
            stop = start - (low[start - 1 : start] == " ")
            if low[stop - 2 : stop] in _LAST and low.endswith(_STREETS, 0, stop):
                yield from _german(view, start)
            code = GERMAN_CODE.match(view.text, start, start + 80) if stop < start else None
            if code and (head := PREPOSED.search(_before(view, start, 48))):
                yield start - len(head.group()), code.end()
            after = low[end : end + 1]
            if not (after in " ,/" or after.isalpha()):
                continue
            following = low[end + 1 : end + 49].split(None, 7)
            if english and not _CUES.isdisjoint(following):
                yield from _english(view, start)
            if french and not _FRENCH.isdisjoint(following[:3]):
                match = FRENCH.match(view.text, start, start + _REACH)
                if match and not _spoken(view, *match.span("name")):
                    yield match.span()
            if not low.isascii() and not (_VIET | _VIET_CITIES).isdisjoint(following):
                local = VIETNAMESE_LOW.match(low, start, start + _REACH)
                if local and not local.group().isascii():
                    yield local.span()
        yield from self._told(view)

    def _told(self, view: View) -> Iterator[tuple[int, int]]:
        """Addresses that a word announces."""
        vocabulary, low, text = view.vocabulary, view.lower, view.text
        short = [(at, "c/") for at in _occurrences(low, "c/")] if "c" in vocabulary else []
        for at, word in chain(view.where(_FIRST & vocabulary), short):
            romance = ROMANCE_LOW.match(low, at, at + _REACH)
            if romance and not _spoken(view, *romance.span("name")):
                yield romance.span()
            elif word in _LANES and (lane := LANE_LOW.match(low, at, at + _REACH)):
                yield lane.span()
        for at, word in view.where(_ADDRESS & vocabulary):
            if match := TOLD_LOW.match(low, at + len(word), at + 90):
                yield match.span()
        for at, word in view.where(_ZIPS & vocabulary):
            if match := ZIP_LOW.match(low, at + len(word), at + 40):
                yield match.span("what")
        for at, _ in view.where(_LIVING & vocabulary):
            if match := LIVES.match(text, at, at + 90):
                yield match.span("what")
        for at, _ in view.where(_BOXES & vocabulary):
            if match := BOX_LOW.search(low, max(0, at - 12), at + 32):
                yield match.span()
        for at, _ in view.where(_FLATS & vocabulary):
            if match := LONE_LOW.match(low, at):
                street = BEFORE_FLAT.search(_before(view, at, 70))
                yield (at - len(street.group()) if street else at, match.end())


def _occurrences(text: str, piece: str) -> Iterator[int]:
    at = text.find(piece)
    while at >= 0:
        yield at
        at = text.find(piece, at + 1)


def _english(view: View, start: int) -> Iterator[tuple[int, int]]:
    """A number, a name that is no phrase of everyday speech, a word for a street."""
    match = ENGLISH_LOW.match(view.lower, start, start + _REACH)
    if match is None or not _SMALL.isdisjoint(match["name"].split()):
        return
    capital = view.text[match.start("name") : match.end("name")][:1].isupper()
    if capital or not match["weak"]:
        yield match.span()


def _german(view: View, start: int) -> Iterator[tuple[int, int]]:
    """A street that is one word, or ends in a word for one."""
    before = view.before(start, 48)
    number = GERMAN_END_LOW.match(view.lower, start)
    if number and (match := GERMAN_LOW.search(before.rstrip(" "))):
        begin = start - len(before) + match.start()
        name = match.group().split()
        if len(name) == 1 and name[0] in english_words():
            return
        if len(name) == 3 and not view.text[begin].isupper():
            begin += len(name[0]) + 1
        yield begin, number.end()


def _spoken(view: View, start: int, end: int) -> bool:
    """Whether a name of a street is rather a phrase of English: `via my phone 5`."""
    said = view.text[start:end].split()
    return any(w.islower() and (w in _SMALL or (w in english_words() and w not in _PARTICLES)) for w in said)


def _before(view: View, position: int, size: int) -> str:
    """Up to `size` characters before a position as they stand, of the same message."""
    return view.text[max(0, position - size) : position].rpartition(BORDER)[2]


def _grown(view: View, start: int, end: int) -> tuple[int, int]:
    """The address with a flat before it, and with flat, town, country and postcode after it."""
    if match := BEFORE.search(_before(view, start, 24)):
        start -= len(match.group())
    rest = REST.match(view.text, end, end + _REACH)
    if rest is None or not rest.group():
        rest = REST_LOW.match(view.lower, end, end + _REACH)
    return start, rest.end() if rest else end


def _span(view: View, start: int, end: int) -> Iterator[Span]:
    if start >= 0 and view.text.find(BORDER, start, end) < 0:
        yield Span(start, start + len(view.text[start:end].rstrip(" ,\n")), "address")
