"""Names of the people in the chats, known from the exports themselves: given names and surnames, nicknames,
diminutives, genitives, names typed in lower case, without their accents, drawn out or with one slip of the finger.

The ways to write a name are enumerated once, a word never seen before is compared with the names once; a text
is then searched by intersecting its words with that set, which costs the same for three people as for three
thousand. Words that are also common words
(Mark, Rose, May) count only when capitalised inside a sentence or beside another name of the same person.
People who are only talked about are not found here: see `ner`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

from gemel.people import People, Person
from gemel.privacy.common import common_words, generic_words
from gemel.privacy.detectors import DETECTORS, Detector, Setup
from gemel.privacy.nicknames import Slips, diminutives, nicknames
from gemel.privacy.view import BORDER, Span, View

__all__ = ["FORGOTTEN", "Entry", "Names", "name_words", "written_names"]

_WORD = re.compile(r"[^\W_]+")
_ENDS = frozenset(".!?…\n:;\"'“”„»«" + BORDER)
_BETWEEN = re.compile(r" (?:[^\W\d_]\.?|thị|văn|de|de la|von|van|van der|della|di) ")
_MOST_PLAIN = 500_000
"""Words remembered as being no slip."""
FORGOTTEN = "forgotten"
"""Whose a name is that is only known by its hash."""
GIVEN, DERIVED, SLIP = 3, 2, 1
"""How certain a written word is a name: as given, a nickname or inflection, a slip."""
_MARKS = re.compile(r"[\u0300-\u036f]")


class Entry(NamedTuple):
    """Whose a written word is."""

    person: str
    """Person id, or "surname:…" where several people share the word."""
    common: bool
    """Also a common word."""
    stem: int
    """How many of its characters are the name; the rest is a grammatical ending that stays."""
    certain: int
    """`GIVEN`, `DERIVED` or `SLIP`."""


def name_words(name: str) -> list[str]:
    """The words of a shown name that name somebody: no numbers, initials or words such as `mum` or `work`."""
    composed = unicodedata.normalize("NFC", name)
    return [w for w in _WORD.findall(composed) if w.isalpha() and w.lower() not in generic_words() and _long_enough(w)]


def written_names(person: Person) -> frozenset[str]:
    """Every way to write the names of one person, lower-cased, word by word."""
    return frozenset(_table(People([person])))


@DETECTORS.register("names")
class Names(Detector):
    """Names of known people."""

    rank = 60

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        kept = {k.lower() for k in setup.section.keep}
        self.table: dict[str, Entry] = {w: e for w, e in _table(setup.people).items() if w not in kept}
        self.unspaced = {w: e for w, e in self.table.items() if not _spaced(w)}
        self.decomposed = {d: e for w, e in self.table.items() if (d := unicodedata.normalize("NFD", w)) != w}
        self._slips = Slips(w for w, e in self.table.items() if e.certain == GIVEN)
        self._plain = set(kept)

    def find(self, view: View) -> Iterator[Span]:
        met = view.vocabulary - self._plain
        hits = [word for word in met if word in self.table or self._meet(word)]
        yield from _joined(view, sorted(self._spans(view, hits)))
        if self.unspaced and not view.text.isascii():
            yield from _inside(view, self.unspaced)
        if self.decomposed and not unicodedata.is_normalized("NFC", view.text):
            for start, word in view.where(w for w in self.decomposed if w in view.lower):
                yield Span(start, start + len(word), "name", self.decomposed[word].person)

    def _meet(self, word: str) -> bool:
        """Decide once about a word never seen before: a slip of a name, the name of somebody forgotten, or neither."""
        if self.setup.forgotten(word):
            self.table[word] = Entry(FORGOTTEN, word in common_words(), len(word), DERIVED)
            return True
        meant = self._slips.meant(word) if word not in common_words() and word not in generic_words() else ""
        if meant:
            self.table[word] = Entry(self.table[meant].person, False, len(word), SLIP)
            return True
        if len(self._plain) > _MOST_PLAIN:
            self._plain.clear()
        self._plain.add(word)
        return False

    def _spans(self, view: View, words: list[str]) -> Iterator[Span]:
        for start, word in view.where(words):
            entry = self.table[word]
            if not entry.common or self._named(view, start, start + len(word), entry):
                yield Span(start, start + entry.stem, "name", entry.person)

    def _named(self, view: View, start: int, end: int, entry: Entry) -> bool:
        """Whether a word that is also a common word stands for a person here."""
        text = view.text
        if text[start:end].istitle() and text[max(0, start - 2) : start].rstrip(" \t")[-1:] not in _ENDS | {""}:
            return True
        before, right = _WORD.findall(view.before(start, 24)), _WORD.search(view.after(end, 24))
        beside = (before[-1] if before else "", right.group() if right else "")
        return any(w in self.table and self.table[w].person == entry.person for w in beside)


def _joined(view: View, spans: list[Span]) -> list[Span]:
    """Two names of one person with an initial or particle between them as one."""
    out: list[Span] = []
    for span in spans:
        last = out[-1] if out else None
        if last is not None and last.key == span.key and _BETWEEN.fullmatch(view.lower, last.end, span.start):
            out[-1] = Span(last.start, span.end, "name", span.key)
        else:
            out.append(span)
    return out


def _inside(view: View, words: dict[str, Entry]) -> Iterator[Span]:
    low = view.lower
    for word, entry in words.items():
        start = low.find(word)
        while start >= 0:
            yield Span(start, start + len(word), "name", entry.person)
            start = low.find(word, start + len(word))


def _table(people: People) -> dict[str, Entry]:
    """Every way to write the names of these people, lower-cased."""
    table: dict[str, Entry] = {}
    given: dict[str, list[str]] = {}
    for person in people:
        for name in person.names:
            for word in name_words(name):
                owners = given.setdefault(word.lower(), [])
                if person.id not in owners:
                    owners.append(person.id)
    for word, owners in given.items():
        owner = owners[0] if len(owners) == 1 or _first_word(people, owners[0]) == word else f"surname:{word}"
        table[word] = Entry(owner, word in common_words(), len(word), GIVEN)
    for word, entry in list(table.items()):
        for written, stem in _written(word, first=_is_first(people, word)):
            if written not in common_words() | generic_words() and written not in table:
                table[written] = Entry(entry.person, entry.common, stem, DERIVED)
    return table


def _first_word(people: People, person: str) -> str:
    found = people.by_id(person)
    words = name_words(found.name) if found else []
    return words[0].lower() if words else ""


def _is_first(people: People, word: str) -> bool:
    return any(name_words(n)[:1] and name_words(n)[0].lower() == word for p in people for n in p.names)


def _written(word: str, *, first: bool) -> Iterator[tuple[str, int]]:
    """(written, characters of the name in it) for the ways in which a word of a name is written."""
    if not _spaced(word):
        return
    bases = dict.fromkeys([word, *(u for u in _unaccented(word) if len(u) >= 3)])
    if first:
        bases.update(dict.fromkeys(n for b in list(bases) for n in nicknames(b)))
    for base in bases:
        yield base, len(base)
        yield base + "s", len(base)
        if first and len(base) >= 3:
            for n in range(1, 6):
                yield base + base[-1] * n, len(base) + n
            for written in diminutives(base):
                yield written, len(written)


def _unaccented(word: str) -> list[str]:
    if word.isascii():
        return []
    plain = unicodedata.normalize("NFD", word.replace("đ", "d").replace("ø", "o").replace("ł", "l").replace("ß", "ss"))
    german = word.replace("ä", "ae").replace("ö", "oe").replace("ü", "ue").replace("ß", "ss")
    return [_MARKS.sub("", plain), german]


def _spaced(word: str) -> bool:
    """Whether words of this script are parted by spaces (not so in Chinese, Japanese and Thai)."""
    return not any("\u0e00" <= c <= "\u0eff" or "\u3040" <= c <= "\u9fff" for c in word)


def _long_enough(word: str) -> bool:
    return len(word) >= 2 and (len(word) >= 3 or word[0].isupper() or not word.isascii())
