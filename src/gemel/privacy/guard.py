"""The last look at text that goes out: eight words in a row of somebody else, and what the detectors find.

Eight words in a row are kept as hashes, so that the index gives nobody's words away by itself. What the person
wrote too (a song both quoted, a phrase of both) is not somebody else's. Text that comes in pieces passes a
`Window`, which holds the last words back until it is known what they belong to. Paraphrase passes: see `gemel audit`.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from gemel.people import Consent
from gemel.privacy.scrub import Scrubber
from gemel.privacy.view import Span
from gemel.records import Message, read_records
from gemel.text import fold, words
from gemel.workspace import Workspace, atomic, fingerprint, hash_file

__all__ = ["LENGTH", "Finding", "Guard", "Quotes", "Window", "guard_of"]

LENGTH = 8
"""Words in a row that count as somebody's."""
_CUT = "…"
_HELD = 48
"""Characters held back at least: a card's number with a space after every digit is shorter."""
_MOST = 400
"""Characters held back at most."""
_BEHIND = 160
"""Characters that have left and are still looked at: the word before a number says what it is."""
_START = re.compile(r"(?<!\S)\S*$")


class Finding(NamedTuple):
    """Something that should not go out: text[start:end]."""

    start: int
    end: int
    kind: str
    """`quote`, or the kind of the detector."""


class Quotes:
    """Hashes (64 bits) of every eight words in a row of some texts, sorted."""

    def __init__(self, hashes: Iterable[int] = ()) -> None:
        self._hashes = array("Q", sorted(set(hashes)))

    @classmethod
    def of(cls, texts: Iterable[str], *, own: Iterable[str] = ()) -> Quotes:
        """Of others' texts, without what stands in the person's own."""
        return cls({h for t in texts for h, _, _ in _runs(t)} - {h for t in own for h, _, _ in _runs(t)})

    def __len__(self) -> int:
        return len(self._hashes)

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Stretches of a text that stand in the others', overlapping ones as one."""
        start = end = -1
        for value, first, last in _runs(text):
            at = bisect_left(self._hashes, value)
            if at == len(self._hashes) or self._hashes[at] != value:
                continue
            if first > end and end >= 0:
                yield start, end
                start = first
            start, end = (first if end < 0 else start), last
        if end >= 0:
            yield start, end

    def save(self, path: Path) -> None:
        """Write to a file, atomically."""
        with atomic(path) as temporary:
            temporary.write_bytes(self._hashes.tobytes())

    @classmethod
    def load(cls, path: Path) -> Quotes:
        """Read what `save` wrote."""
        quotes = cls()
        quotes._hashes.frombytes(path.read_bytes())
        return quotes


def _runs(text: str) -> Iterator[tuple[int, int, int]]:
    """(hash, start, end) of every `LENGTH` words in a row."""
    found = words(text)
    if len(found) < LENGTH:
        return
    spans, position = [], 0
    for word in found:
        position = text.index(word, position)
        spans.append((position, position + len(word)))
        position += len(word)
    folded = [fold(word).replace("’", "'") for word in found]
    for i in range(len(found) - LENGTH + 1):
        digest = blake2b(" ".join(folded[i : i + LENGTH]).encode("utf-8", "replace"), digest_size=8).digest()
        yield int.from_bytes(digest, "little"), spans[i][0], spans[i + LENGTH - 1][1]


def guard_of(workspace: Workspace, scrubber: Scrubber) -> Guard:
    """The guard of a workspace. Its index is kept in private/ and made anew when records or people change."""
    files = workspace.record_files()
    made = {f.parent.name: hash_file(f) for f in files}
    if workspace.people_path.exists():
        made["people"] = hash_file(workspace.people_path)
    path = workspace.private / f"others-{fingerprint('others', made, scrubber.section)}.u64"
    if not path.exists():
        for old in workspace.private.glob("others-*.u64"):
            old.unlink()
        _quotes(files, scrubber).save(path)
    return Guard(Quotes.load(path), scrubber)


def _quotes(files: Iterable[Path], scrubber: Scrubber) -> Quotes:
    """Of others' messages as typed and as scrubbed: the twin writes pseudonyms where they wrote names.

    Whoever agreed to be included may be quoted.
    """
    own: set[int] = set()
    others: set[int] = set()
    for file in files:
        raw, again = read_records(file), read_records(file)
        for record, clean in zip(raw, scrubber.records(again)):
            if not isinstance(record, Message):
                continue
            person = scrubber.people.by_handle(record.source, record.sender)
            texts = [record.text, clean.text if isinstance(clean, Message) else ""]
            free = person is not None and (person.me or person.consent is Consent.include)
            (own if free else others).update(h for t in texts for h, _, _ in _runs(t))
    return Quotes(others - own)


class Guard:
    """Looks at outgoing text.

    Args:
        others: texts of others, or an index of them made before.
        scrubber: its detectors find, its vault replaces.
    """

    def __init__(self, others: Iterable[str] | Quotes, scrubber: Scrubber) -> None:
        self.quotes = others if isinstance(others, Quotes) else Quotes.of(others)
        self.scrubber = scrubber

    def check(self, text: str) -> list[Finding]:
        """Everything that should not go out, in order."""
        quotes = [Finding(start, end, "quote") for start, end in self.quotes.find(text)]
        return sorted([*quotes, *(Finding(s.start, s.end, s.kind) for s in self.scrubber.findings(text))])

    def clean(self, text: str) -> str:
        """The text with others' words cut out and the rest scrubbed."""
        pieces, end = [], 0
        for start, stop in self.quotes.find(text):
            pieces += [text[end:start], _CUT]
            end = stop
        return self.scrubber.hidden("".join([*pieces, text[end:]]))

    def spans(self, text: str) -> list[Span]:
        """What `clean` takes out, without overlaps: a quote hides what stands in it. In mode `off` quotes alone."""
        quotes = [Span(start, end, "quote") for start, end in self.quotes.find(text)]
        found = self.scrubber.findings(text) if self.scrubber.section.mode != "off" else []
        return sorted([*quotes, *(s for s in found if all(s.end <= q.start or q.end <= s.start for q in quotes))])

    def replace(self, text: str, spans: Iterable[Span], start: int, end: int) -> str:
        """text[start:end] without these spans, of which the first may have begun before."""
        pieces, done = [], start
        for span in spans:
            if span.start < end:
                known = span.kind != "quote" and span.start >= start
                stand_in = self.scrubber.stand_in(span, text[span.start : span.end]) if known else _CUT
                pieces += [text[done : max(done, span.start)], stand_in]
                done = span.end
        clean = "".join([*pieces, text[done:end]])
        return self.clean(clean) if pieces else clean

    def window(self) -> Window:
        """For one text that comes in pieces."""
        return Window(self)

    def stream(self, pieces: Iterable[str]) -> Iterator[str]:
        """The same as `clean` for text that comes in pieces; see `Window`."""
        window = self.window()
        for piece in pieces:
            if ready := window.add(piece):
                yield ready
        if rest := window.end():
            yield rest


class Window:
    """One text on its way out. Its last eight words, and at least 48 characters, wait until more has come or it ends.

    Something longer than 400 characters without a white space may leave in parts.
    """

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._text = ""
        """What left last, and what waits."""
        self._left = 0
        """Characters of it that have left."""

    def add(self, piece: str) -> str:
        """What may leave now."""
        self._text += piece
        found = words(self._text[self._left :])
        if len(self._text) - self._left <= _HELD or len(found) <= LENGTH:
            return self._release(len(self._text) - _MOST)
        return self._release(max(self._before(found[-LENGTH:]), len(self._text) - _MOST))

    def end(self) -> str:
        """The rest."""
        return self._release(len(self._text))

    def _before(self, last: list[str]) -> int:
        """Where the last words begin, and whatever is written together with them."""
        at = len(self._text)
        for word in reversed(last):
            at = self._text.rindex(word, 0, at)
        at = min(at, len(self._text) - _HELD)
        together = _START.search(self._text, 0, at)
        return together.start() if together else at

    def _release(self, end: int) -> str:
        """What stands before `end`, clean; findings are not cut in two."""
        if end <= self._left:
            return ""
        spans = self._guard.spans(self._text)
        end = next((s.start for s in spans if s.start < end < s.end), end)
        if end <= self._left:
            return ""
        ready = self._guard.replace(self._text, [s for s in spans if s.end > self._left], self._left, end)
        drop = max(0, end - _BEHIND)
        self._text, self._left = self._text[drop:], end - drop
        return ready
