"""Exports of blogs and newsletters: WordPress (WXR), Substack (posts.csv and HTML files), Ghost (JSON).

Published posts and pages are documents; drafts, attachments, menus and comments are left out.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from gemel.config import ImportSection
from gemel.records import Document, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source
from gemel.sources._entries import damaged
from gemel.sources._html import plain_text
from gemel.sources._json import JsonStream, array, dictionary, text_of

LARGEST = 1 << 28
_WXR = re.compile(r"<rss\b[^>]*wordpress\.org/export/|xmlns:wp=", re.DOTALL)
_GHOST = re.compile(r'"db"\s*:\s*\[\s*\{\s*"meta"\s*:')
_SUBSTACK = {"post_id", "post_date", "is_published", "title"}
_SUBSTACK_FILE = re.compile(r"/posts/(\d{6,}\.[\w%.-]+)\.html$")
_SHORTCODE = re.compile(r"\[/?[a-z_]+(?: [^\]\n]*)?\]|<!-- /?wp:.*?-->", re.DOTALL)
_PROSE_TYPES = ("post", "page")


@SOURCES.register("blogs")
class Blogs(Source):
    """Offsets are the post's number in its file, from 0."""

    name = "blogs"
    title = "Blogs and newsletters"
    kind = Document

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head_text
        if entry.suffix == "xml":
            return _WXR.search(head) is not None
        if entry.suffix == "csv":
            return set(head.partition("\n")[0].rstrip("\r").split(",")) >= _SUBSTACK
        if entry.suffix == "html":
            return _SUBSTACK_FILE.search(f"/{entry.name}") is not None
        return entry.suffix == "json" and _GHOST.search(head) is not None

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        posts: dict[str, Mapping[str, str]] = {}
        for entry in entries:
            if entry.suffix == "csv":
                with io.TextIOWrapper(entry.open(), encoding="utf-8-sig", errors="replace", newline="") as file:
                    try:
                        posts |= {row.get("post_id") or "": row for row in csv.DictReader(file)}
                    except csv.Error as error:
                        raise damaged(entry.name) from error
        for entry in entries:
            match entry.suffix:
                case "xml":
                    yield from _wordpress(entry)
                case "json":
                    yield from _ghost(entry)
                case "html":
                    name = _SUBSTACK_FILE.search(f"/{entry.name}")
                    yield _substack(entry, posts.get(name[1] if name else "", {}))


def _document(entry: Entry, index: int, number: str, title: str, author: str, text: str, when: datetime | None) -> Item:
    if not text:
        return LeftOut(source="blogs", file=entry.name, offset=index, reason="a post without words")
    return Document(
        id=stable_id("blogs", number or title, "" if number else text),
        source="blogs",
        text=text,
        title=title,
        author=author,
        time=when,
        file=entry.name,
        offset=index,
    )


def _left_out(entry: Entry, index: int, reason: str) -> LeftOut:
    return LeftOut(source="blogs", file=entry.name, offset=index, reason=reason)


def _substack(entry: Entry, row: Mapping[str, str]) -> Item:
    if row and row.get("is_published", "").lower() not in ("true", "1"):
        return _left_out(entry, 0, "a draft")
    text = plain_text(entry.text(LARGEST))
    title = row.get("title") or entry.stem.partition(".")[2].replace("-", " ")
    return _document(entry, 0, row.get("post_id", ""), title, "", text, _iso(row.get("post_date")))


def _wordpress(entry: Entry) -> Iterator[Item]:
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import iterparse

    authors: dict[str, str] = {}
    index = -1
    try:
        with entry.open() as file:
            for _, element in iterparse(file, events=("end",)):
                if element.tag.endswith("}author") and "wordpress" in element.tag:
                    authors[_child(element, "author_login")] = _child(element, "author_display_name")
                if element.tag == "item":
                    index += 1
                    yield _wordpress_post(element, authors, entry, index)
                    element.clear()
    except (XmlError, DefusedXmlException, ValueError) as error:
        raise damaged(entry.name) from error


def _child(element: Element, name: str) -> str:
    """Text of a child by its local name; of several, the first that is not an excerpt."""
    for child in element:
        local = str(child.tag).rpartition("}")[2]
        if local == name and "excerpt" not in str(child.tag):
            return child.text or ""
    return ""


def _wordpress_post(element: Element, authors: Mapping[str, str], entry: Entry, index: int) -> Item:
    kind, status = _child(element, "post_type"), _child(element, "status")
    if kind not in _PROSE_TYPES:
        return _left_out(entry, index, "an attachment, menu or revision")
    if status not in ("publish", "private"):
        return _left_out(entry, index, "a draft")
    creator = _child(element, "creator")
    content = _SHORTCODE.sub("", _child(element, "encoded"))
    if "<p" not in content:  # older posts separate paragraphs by blank lines
        content = "".join(f"<p>{p}</p>" for p in content.split("\n\n"))
    when = _iso(_child(element, "post_date_gmt")) or _iso(_child(element, "post_date"))
    title = _child(element, "title")
    return _document(
        entry, index, _child(element, "guid"), title, authors.get(creator) or creator, plain_text(content), when
    )


def _ghost(entry: Entry) -> Iterator[Item]:
    if entry.size > LARGEST:
        yield ParseError(source="blogs", file=entry.name, offset=0, reason="an export larger than 256 MB")
        return
    with entry.open() as file:
        root = dictionary(JsonStream(file, entry.name).value())
    data = dictionary(dictionary((array(root.get("db")) or [{}])[0]).get("data"))
    users = {str(u.get("id")): text_of(u.get("name")) for u in map(dictionary, array(data.get("users")))}
    by_post: dict[str, str] = {}
    for row in map(dictionary, array(data.get("posts_authors"))):
        by_post.setdefault(str(row.get("post_id")), users.get(str(row.get("author_id")), ""))
    for index, post in enumerate(map(dictionary, array(data.get("posts")))):
        if post.get("status") != "published":
            yield _left_out(entry, index, "a draft")
            continue
        number, when = str(post.get("id", "")), _iso(post.get("published_at"))
        text = plain_text(text_of(post.get("html"))) or text_of(post.get("plaintext")).strip()
        yield _document(entry, index, number, text_of(post.get("title")), by_post.get(number, ""), text, when)


def _iso(value: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text_of(value).strip())
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
