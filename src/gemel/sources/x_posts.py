"""Posts of an X (Twitter) archive, each a document. Reposts are not one's own words and are left out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from gemel.config import ImportSection
from gemel.records import Document, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source
from gemel.sources._json import dictionary, text_of
from gemel.sources._x import is_part, parts

_REPOST = re.compile(r"^RT @\w+: ")
_TRAILING = re.compile(r"(?:\s*https://t\.co/\w+)+$")
_LISTS = ("tweets", "tweet", "community_tweet")


@SOURCES.register("x_posts")
class XPosts(Source):
    """Offsets are positions in the archive's list, from 0."""

    name = "x_posts"
    title = "X posts"
    kind = Document

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        return is_part(entry, *_LISTS)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            for index, row in parts(entry):
                yield _post(dictionary(row.get("tweet") or row), entry, index)


def _post(row: dict[str, object], entry: Entry, index: int) -> Item:
    try:
        when = datetime.strptime(text_of(row.get("created_at")), "%a %b %d %H:%M:%S %z %Y")
    except ValueError:
        return ParseError(source="x_posts", file=entry.name, offset=index, reason="a post without a time")
    text = html.unescape(text_of(row.get("full_text")) or text_of(row.get("text")))
    if _REPOST.match(text):
        return LeftOut(source="x_posts", file=entry.name, offset=index, reason="a repost")
    text = _TRAILING.sub("", text).strip()
    if not text:
        return LeftOut(source="x_posts", file=entry.name, offset=index, reason="a post without words")
    number = text_of(row.get("id_str")) or text_of(row.get("id"))
    return Document(
        id=stable_id("x_posts", number or text), source="x_posts", text=text, time=when, file=entry.name, offset=index
    )
