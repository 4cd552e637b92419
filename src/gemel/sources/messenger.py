"""Facebook Messenger: the JSON download of both generations, as zips, unpacked folders or single files.

A thread may be spread over several folders and zips. The HTML download is recognised and answered with how to
get the JSON.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gemel.config import ImportSection
from gemel.errors import UnknownFormat
from gemel.sources import SOURCES, Entry, Item, Source
from gemel.sources._meta import is_encrypted, is_older, is_owner, read_threads

_HTML = re.compile(
    rb'class="_a6-[gp]|<title>[^<]{1,80}</title>.{0,20000}class="_3-95|class="message_header"', re.DOTALL
)


@SOURCES.register("messenger")
class Messenger(Source):
    """Offsets are positions in the file's list of messages, from 0."""

    name = "messenger"
    title = "Facebook Messenger"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix == "json":
            head = entry.head_text
            return is_older(head) or is_encrypted(head) or is_owner(head)
        if entry.suffix in ("html", "htm") and _HTML.search(entry.head):
            raise UnknownFormat(
                f"{entry.name} is Meta's download as HTML, which lacks exact times and ids",
                hint="Ask for the download again with the format JSON, or remove the HTML files.",
            )
        return False

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        yield from read_threads(self.name, entries)
