"""Replacing what identifies people, before anything is learned.

`Scrubber` promises: what its detectors find is not in what it returns; scrubbing twice is scrubbing once;
one person, number or address has one pseudonym wherever it stands; the vault's owner can restore the text
exactly. It promises nothing about what no detector finds: who is meant by "my boss in Oslo" stays.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice

from gemel.config import PrivacySection
from gemel.errors import ConfigError
from gemel.people import Consent, People, Person
from gemel.privacy.common import family_first
from gemel.privacy.detectors import DETECTORS, Detector, Setup
from gemel.privacy.detectors.names import FORGOTTEN, name_words
from gemel.privacy.gone import Gone
from gemel.privacy.topics import TOPICS, topics
from gemel.privacy.vault import NAME, TAG, Vault, case_of, with_case
from gemel.privacy.view import BORDER, Span, View
from gemel.records import Message, Profile, Record

__all__ = ["Scrubber"]

_BLOCK = 2_000
"""Records read together."""
_CHARACTERS = 16_384
"""Characters looked at together; what is made of them should stay in the processor's cache."""
_ROUNDS = 4
"""A replacement may uncover something; so many looks are enough (a test holds it to that)."""


class Scrubber:
    """Detectors, a vault and what is known about people, put to work on texts and records.

    Args:
        vault: where pseudonyms are kept.
        people: whose names are known, with their consent.
        section: mode, detectors, what to keep.
        detectors: further detectors, e.g. one that uses a model.

    Raises:
        ConfigError: when the section names a detector or topic that does not exist.
    """

    def __init__(
        self, vault: Vault, people: People, section: PrivacySection | None = None, *, detectors: Iterable[Detector] = ()
    ) -> None:
        self.vault = vault
        self.people = people
        self.section = section or PrivacySection()
        self.counts: Counter[str] = Counter()
        """Replacements made, by kind; records left out, by `topic …`."""
        if unknown := sorted(set(self.section.exclude_topics) - set(TOPICS)):
            raise ConfigError(
                f"privacy.exclude_topics: there is no topic {', '.join(unknown)}", hint=f"Known: {', '.join(TOPICS)}"
            )
        self._gone = Gone(vault)
        setup = Setup(self.section, people, self._gone.names)
        wanted = self.section.detectors
        chosen = [DETECTORS.get(n) for n in wanted] if wanted else [d for _, d in DETECTORS if not d.extra]
        self.detectors = (*(d(setup) for d in chosen), *detectors)
        self._keep = frozenset(k.casefold() for k in self.section.keep)
        self._avoid = frozenset(w.lower() for p in people for n in p.names for w in name_words(n)) | self._keep
        if self.section.mode != "off":
            for person in people:
                self._person(person)

    def text(self, text: str) -> str:
        """One text, scrubbed. In mode `drop` a text that holds anything but known names becomes empty."""
        return self.texts([text])[0] or ""

    def texts(self, texts: Sequence[str]) -> list[str | None]:
        """Many texts at once, which is much faster; None for one that mode `drop` drops."""
        return self._scrubbed(texts, drop=self.section.mode == "drop")

    def hidden(self, text: str) -> str:
        """One text, scrubbed and never dropped."""
        return self._scrubbed([text], drop=False)[0] or ""

    def _scrubbed(self, texts: Sequence[str], *, drop: bool) -> list[str | None]:
        out: list[str | None] = list(texts)
        if self.section.mode == "off":
            return out
        pending = [i for i, t in enumerate(texts) if t]
        for _ in range(_ROUNDS):
            if not pending:
                break
            found = self._find([out[i] or "" for i in pending])
            touched = []
            for i, spans in zip(pending, found):
                if drop and any(s.kind != NAME for s in spans):
                    out[i] = None
                elif spans:
                    out[i] = self._replace(out[i] or "", spans)
                    touched.append(i)
            pending = touched
        return out

    def findings(self, text: str) -> list[Span]:
        """What would be replaced in a text, in order, without overlaps."""
        return self._find([text])[0] if text else []

    def record(self, record: Record) -> Record | None:
        """A record, scrubbed; None when consent, forgetting, a topic or mode `drop` keeps it out.

        Ids (record, thread, sender, recipients) stay: they are keys. Whoever writes them where they
        could be read maps people through `name`.
        """
        return next(self.records([record]))

    def records(self, records: Iterable[Record]) -> Iterator[Record | None]:
        """Many records in order, None for each that is kept out: its neighbours are not adjacent."""
        source = iter(records)
        while chunk := list(islice(source, _BLOCK)):
            allowed = [self.allows(r) and not self._sensitive(r) for r in chunk]
            fields = [_texts_of(r) if ok else [] for r, ok in zip(chunk, allowed)]
            clean = iter(self.texts([t for texts in fields for t in texts]))
            for record, ok, texts in zip(chunk, allowed, fields):
                new = [next(clean) for _ in texts]
                dropped = any(t is None for t in new)
                yield self._with(record, [t or "" for t in new]) if ok and not dropped else None

    def allows(self, record: Record) -> bool:
        """Whether consent lets a record be used at all."""
        if self._gone.holds(record):
            return False
        person = self.people.by_handle(record.source, record.sender) if isinstance(record, Message) else None
        return person is None or person.me or person.consent is not Consent.exclude

    def _sensitive(self, record: Record) -> bool:
        """Whether a record touches a topic that is to be kept out."""
        wanted = self.section.exclude_topics
        touched = topics("\n".join(_texts_of(record))).intersection(wanted) if wanted else frozenset()
        self.counts.update(f"topic {topic}" for topic in touched)
        return bool(touched)

    def name(self, source: str, handle: str, shown_name: str = "") -> str:
        """The name of a speaker as examples have it: the person's pseudonym, the shown name in mode `off`."""
        person = self.people.by_handle(source, handle)
        if self.section.mode == "off":
            return shown_name or (person.name if person else "") or handle
        if person is not None:
            return self._person(person)
        return self.vault.pseudonym(NAME, shown_name or handle, entity=f"{source}:{handle}", avoid=self._avoid)

    def _person(self, person: Person) -> str:
        """The pseudonym of a person: what stands for the word that they are called by."""
        words = [w for n in person.names for w in name_words(n)]
        called = words[-1:] if words and words[0].lower() in family_first() else words[:1]
        first = _titled(called[0]) if called else person.name or person.id
        return self.vault.pseudonym(NAME, first, entity=person.id, avoid=self._avoid)

    def _find(self, texts: Sequence[str]) -> list[list[Span]]:
        """Spans of every text, relative to it."""
        out: list[list[Span]] = [[] for _ in texts]
        for block in _blocks(texts):
            starts = [0]
            for i in block:
                starts.append(starts[-1] + len(texts[i]) + 1)
            for span in self._best(View(BORDER.join([texts[i] for i in block]))):
                nth = bisect_right(starts, span.start) - 1
                moved = span._replace(start=span.start - starts[nth], end=span.end - starts[nth])
                out[block[nth]].append(moved)
        return out

    def _best(self, view: View) -> list[Span]:
        """All findings without overlaps: the better rank wins, then the longer one; pseudonyms are left alone."""
        found = [(d.rank, s.start - s.end, s) for d in self.detectors for s in d.find(view)]
        if not found:
            return []
        found.sort(key=lambda f: (f[0], f[1], f[2].start))
        taken = _Intervals()
        if "[" in view.text:
            for match in TAG.finditer(view.text):
                taken.add(match.start(), match.end())
        kept = []
        for _, _, span in found:
            if taken.free(span.start, span.end) and not self._kept(view, span):
                taken.add(span.start, span.end)
                kept.append(span)
        return sorted(kept)

    def _kept(self, view: View, span: Span) -> bool:
        return bool(self._keep) and view.text[span.start : span.end].casefold() in self._keep

    def _replace(self, text: str, spans: list[Span]) -> str:
        pieces, end = [], 0
        for span in spans:
            self.counts[span.kind] += 1
            pieces += [text[end : span.start], self.stand_in(span, text[span.start : span.end])]
            end = span.end
        return "".join([*pieces, text[end:]])

    def stand_in(self, span: Span, surface: str) -> str:
        """What stands for something found, written like this."""
        if self.section.mode == "redact" or span.key == FORGOTTEN:
            return f"[{span.kind}]"
        if span.kind != NAME:
            return self.vault.pseudonym(span.kind, surface, entity=span.key)
        titled = _titled(surface)
        stand_in = self.vault.pseudonym(NAME, titled, entity=span.key or titled.lower(), avoid=self._avoid)
        return stand_in if titled != surface and case_of(titled) != "title" else with_case(stand_in, case_of(surface))

    def _with(self, record: Record, texts: list[str]) -> Record:
        if isinstance(record, Message):
            shown = self.name(record.source, record.sender, record.sender_name) if record.sender else ""
            text, title, *media = texts
            return replace(record, text=text, thread_title=title, media=tuple(media), sender_name=shown, file="")
        if isinstance(record, Profile):
            return replace(record, essays=dict(zip(record.essays, texts)), file="")
        text, title = texts
        return replace(record, text=text, title=title, file="")


def _texts_of(record: Record) -> list[str]:
    if isinstance(record, Message):
        return [record.text, record.thread_title, *record.media]
    if isinstance(record, Profile):
        return list(record.essays.values())
    return [record.text, record.title]


def _titled(surface: str) -> str:
    """`Anna` for anna and ANNA; anything that cannot be had back from its case stays as it is."""
    titled = surface[:1].upper() + surface[1:].lower()
    return titled if case_of(titled) == "title" and with_case(titled, case_of(surface)) == surface else surface


def _blocks(texts: Sequence[str]) -> Iterator[list[int]]:
    """Indices of texts to look at together: plain ASCII apart, because it is faster."""
    plain = [i for i, text in enumerate(texts) if text.isascii()]
    other = [i for i, text in enumerate(texts) if not text.isascii()] if len(plain) < len(texts) else []
    for indices in (plain, other):
        start = size = 0
        for end, i in enumerate(indices, 1):
            size += len(texts[i])
            if size >= _CHARACTERS or end == len(indices):
                yield from _unbordered(texts, indices[start:end])
                start, size = end, 0


def _unbordered(texts: Sequence[str], block: list[int]) -> Iterator[list[int]]:
    """The block, or each of its texts alone when one of them holds the character that would part them."""
    if any(BORDER in texts[i] for i in block):
        yield from ([i] for i in block)
    else:
        yield block


class _Intervals:
    """Stretches of a text that are taken."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def free(self, start: int, end: int) -> bool:
        return self._taken.isdisjoint(range(start, end))

    def add(self, start: int, end: int) -> None:
        self._taken.update(range(start, end))
