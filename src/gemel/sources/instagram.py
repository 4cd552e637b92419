"""Instagram's JSON download, recognised by its folders or by what only Instagram writes in a message.

A single `message_1.json` out of its folder cannot be told from Messenger's and is read as that.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gemel.config import ImportSection
from gemel.sources import SOURCES, Entry, Item, Source
from gemel.sources._meta import is_older, is_owner, read_threads

_FOLDER = re.compile(r"instagram", re.IGNORECASE)
_OWN = re.compile(r'"profile_user"\s*:')
_WRITTEN = re.compile(r'"link": "https://www\.instagram\.com/(?:reel|p|stories)/|"thread_path": "inbox/[^"]*_1\d{16}"')


@SOURCES.register("instagram")
class Instagram(Source):
    """Offsets are positions in the file's list of messages, from 0."""

    name = "instagram"
    title = "Instagram"
    rank = -1

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix != "json":
            return False
        head = entry.head_text
        inside = any(_FOLDER.search(part) for part in entry.parts)
        return (is_older(head) and (inside or _WRITTEN.search(head) is not None)) or (
            inside and (is_owner(head) or _OWN.search(head) is not None)
        )

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        yield from read_threads(self.name, entries)
