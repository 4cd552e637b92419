"""Plain text and Markdown: papers, posts, chapters, notes; one file is one document.

Title, date and author come from the front matter, else from the first heading and the file's name. Headings
stay; front matter, fenced code, tables, images, reference lists, HTML comments and the licence pages around
books of Project Gutenberg go. What remains is as typed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any

import yaml

from gemel.config import ImportSection
from gemel.errors import DataError
from gemel.records import Document, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source
from gemel.sources._entries import LONGEST_LINE

_MARKDOWN = frozenset({"md", "markdown", "mdx", "mkd", "dj", "qmd"})
_PLAIN = frozenset({"txt", "text", "rst", "org", "adoc"})
LARGEST = 1 << 26
"""Bytes of one document."""
_FRONT = re.compile(r"\A---[ \t]*\r?\n(?P<yaml>.*?)\r?\n(?:---|\.\.\.)[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_TOML = re.compile(r"\A\+\+\+[ \t]*\r?\n(?P<toml>.*?)\r?\n\+\+\+[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^(?P<f>```+|~~~+)[^\n]*\n.*?(?:^(?P=f)[ \t]*$|\Z)", re.DOTALL | re.MULTILINE)
_TABLE = re.compile(r"^[ \t]*\|.*\|[ \t]*$\n?", re.MULTILINE)
_COMMENT = re.compile(r"<!--.*?-->", re.DOTALL)
_IMAGE = re.compile(r"!\[[^\]\n]*\]\([^)\n]*\)|!\[[^\]\n]*\]\[[^\]\n]*\]")
_LINK = re.compile(r"\[(?P<text>[^\]\n]+)\](?:\([^)\n]*\)|\[[^\]\n]*\])")
_DEFINITION = re.compile(r"^[ \t]{0,3}\[[^\]\n]+\]:[ \t]+\S.*$\n?", re.MULTILINE)
_REFERENCES = re.compile(
    r"^#{1,6}[ \t]+(?:references|bibliography|literatur|works cited|tài liệu tham khảo)[ \t#]*$.*",
    re.IGNORECASE | re.MULTILINE | re.DOTALL,
)
_HEADING = re.compile(r"^#{1,2}[ \t]+(?P<title>[^\n#]+?)[ \t#]*$|^(?P<under>[^\n]+)\n(?:=+|-{3,})[ \t]*$", re.MULTILINE)
_GUTENBERG = re.compile(
    r"\A.*?\*\*\* ?START OF (?:THE|THIS) PROJECT GUTENBERG[^\n]*\n(?P<body>.*?)"
    r"(?:\*\*\* ?END OF (?:THE|THIS) PROJECT GUTENBERG.*)?\Z",
    re.DOTALL,
)
_NAME_DATE = re.compile(r"(?:^|[^\d])((?:19|20)\d\d)[-_.](\d\d)[-_.](\d\d)(?:[^\d]|$)")
_LEGAL = re.compile(r"^(?:licen[cs]e|copying|notice|copyright|unlicense)\b", re.IGNORECASE)
_BLANKS = re.compile(r"\n{3,}")


@SOURCES.register("writings")
class Writings(Source):
    """The last to be asked: any text file with a suffix of prose. Offsets are 0."""

    name = "writings"
    title = "Texts"
    kind = Document
    rank = 90

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        return entry.suffix in _MARKDOWN | _PLAIN and bool(entry.head_text or not entry.size)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            yield _document(entry)


def _document(entry: Entry) -> Item:
    if _LEGAL.match(entry.stem):
        return LeftOut(source="writings", file=entry.name, offset=0, reason="a licence or notice")
    try:
        raw = entry.text(LARGEST)
    except DataError:
        return ParseError(source="writings", file=entry.name, offset=0, reason="a text larger than 64 MB")
    raw = raw.replace("\r\n", "\n")
    if max(map(len, raw.split("\n"))) > LONGEST_LINE:
        return ParseError(
            source="writings", file=entry.name, offset=0, reason="a line of more than a million characters"
        )
    fields, body = _front(raw)
    if entry.suffix in _MARKDOWN:
        heading = _HEADING.search(body[:2000])
        body = _prose(body)
    else:
        heading = None
        if match := _GUTENBERG.match(body):
            body = match["body"]
    body = _BLANKS.sub("\n\n", body).strip()
    if not body:
        return LeftOut(source="writings", file=entry.name, offset=0, reason="an empty text")
    title = _field(fields, "title") or ((heading["title"] or heading["under"]).strip() if heading else "")
    return Document(
        id=stable_id("writings", title, body),
        source="writings",
        text=body,
        title=title or entry.stem.replace("_", " "),
        author=_field(fields, "author", "authors", "by"),
        time=_date(fields, entry.stem),
        file=entry.name,
    )


def _front(raw: str) -> tuple[Mapping[str, Any], str]:
    """Fields of the front matter (YAML or TOML) and what follows it; broken front matter stays in the text."""
    if match := _FRONT.match(raw):
        try:
            fields = yaml.safe_load(match["yaml"])
        except (yaml.YAMLError, ValueError, RecursionError):
            return {}, raw
        if isinstance(fields, dict):
            return {str(k).lower(): v for k, v in fields.items()}, raw[match.end() :]
    if match := _TOML.match(raw):
        import tomllib

        try:
            return {k.lower(): v for k, v in tomllib.loads(match["toml"]).items()}, raw[match.end() :]
        except tomllib.TOMLDecodeError:
            return {}, raw
    return {}, raw


def _field(fields: Mapping[str, Any], *names: str) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, list):
            value = ", ".join(str(v.get("name", "") if isinstance(v, dict) else v) for v in value)
        elif isinstance(value, dict):
            value = value.get("name")
        if value:
            return str(value).strip()
    return ""


def _date(fields: Mapping[str, Any], stem: str) -> datetime | None:
    for name in ("date", "published", "created", "time"):
        value = fields.get(name)
        if isinstance(value, str):
            try:
                value = datetime.fromisoformat(value.strip()[:25])
            except ValueError:
                continue
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
        if isinstance(value, date):
            return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if match := _NAME_DATE.search(stem):
        try:
            return datetime.fromisoformat("-".join(match.groups())).replace(tzinfo=UTC)
        except ValueError:
            return None
    return None


def _prose(body: str) -> str:
    """Markdown without what is not prose; emphasis and headings stay as typed."""
    body = _COMMENT.sub("", _FENCE.sub("", body))
    body = _REFERENCES.sub("", body)
    body = _DEFINITION.sub("", _TABLE.sub("", _IMAGE.sub("", body)))
    return _LINK.sub(r"\g<text>", body)
