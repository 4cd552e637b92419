"""The last look at text that goes out: eight words in a row of somebody else, and what the detectors find.

Eight words in a row are kept as hashes, so that the index gives nobody's words away by itself. What the person
wrote too (a song both quoted, a phrase of both) is not somebody else's. Paraphrase passes: see `gemel audit`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple

from gemel.privacy.scrub import Scrubber
from gemel.records import Message, read_records
from gemel.text import fold, words
from gemel.workspace import Workspace, atomic, fingerprint, hash_file

__all__ = ["LENGTH", "Finding", "Guard", "Quotes", "guard_of"]

LENGTH = 8
"""Words in a row that count as somebody's."""
_CUT = "…"


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
    """Of others' messages as typed and as scrubbed: the twin writes pseudonyms where they wrote names."""
    own: set[int] = set()
    others: set[int] = set()
    for file in files:
        raw, again = read_records(file), read_records(file)
        for record, clean in zip(raw, scrubber.records(again)):
            if not isinstance(record, Message):
                continue
            person = scrubber.people.by_handle(record.source, record.sender)
            texts = [record.text, clean.text if isinstance(clean, Message) else ""]
            (own if person is not None and person.me else others).update(h for t in texts for h, _, _ in _runs(t))
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
        return self.scrubber.text("".join([*pieces, text[end:]]))
