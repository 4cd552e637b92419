"""Papers, pages and books: PDF, Word, HTML, EPUB. One file (of a book: one chapter) is one document.

Page furniture goes: running heads and page numbers of PDFs, navigation of web pages, reference lists, tables.
Words broken at a line's end are joined. Scanned pages hold no text and are reported as such.
"""

from __future__ import annotations

import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from gemel.config import ImportSection
from gemel.errors import DataError, MissingExtra
from gemel.records import Document, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source
from gemel.sources._html import plain_text

LARGEST = 1 << 28
"""Bytes of one file; books with pictures are long."""
CHAPTER = 1 << 24
"""Bytes of one chapter of a book."""
SHORTEST = 200
"""Characters below which a chapter is a title page or a contents list."""
_REFERENCES = re.compile(
    r"^\s*(?:\d+\.?\s*)?(?:references|bibliography|works cited|literatur(?:verzeichnis)?|tài liệu tham khảo)\s*$",
    re.IGNORECASE | re.MULTILINE,
)
_HYPHEN = re.compile(r"(\w)-\n(?=[a-zà-ÿ])")
_PAGE = re.compile(r"^[\s\-–]*(?:page\s*)?\d{1,4}(?:\s*(?:/|of)\s*\d{1,4})?[\s\-–]*$", re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.IGNORECASE | re.DOTALL)
_META = re.compile(r"<meta\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""(\w[\w:-]*)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_HTML = re.compile(r"<(?:!doctype html|html|head|body|article|h1|p)\b", re.IGNORECASE)
_NOT_PROSE = frozenset({"table", "figure", "references", "reference", "header"})

Text = tuple[str, str, str, datetime | None]
"""Title, author, text, date."""


@SOURCES.register("papers")
class Papers(Source):
    """Offsets are the chapter's number in a book, else 0. Needs the `documents` extra for PDF and Word."""

    name = "papers"
    title = "Papers and pages"
    kind = Document
    rank = 80

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head
        match entry.suffix:
            case "pdf":
                return b"%PDF-" in head[:1024]
            case "docx" | "epub":
                return head[:4] == b"PK\x03\x04"
            case "html" | "htm" | "xhtml":
                return _HTML.search(entry.head_text) is not None
        return False

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            yield from _documents(entry)


def _documents(entry: Entry) -> Iterator[Item]:
    reader = _READERS[entry.suffix]
    try:
        texts = list(reader(entry))
    except (DataError, MissingExtra):
        raise
    except Exception as error:
        reason = f"a {entry.suffix} that cannot be read ({type(error).__name__})"
        yield ParseError(source="papers", file=entry.name, offset=0, reason=reason)
        return
    for number, (title, author, text, time) in enumerate(texts):
        text = re.sub(r"\n{3,}", "\n\n", text).strip()
        if not text or (len(texts) > 1 and len(text) < SHORTEST):
            reason = "a page without text (scanned?)" if len(texts) == 1 else "a title page or list"
            yield LeftOut(source="papers", file=entry.name, offset=number, reason=reason)
            continue
        yield Document(
            id=stable_id("papers", title, text),
            source="papers",
            text=text.encode("utf-8", "replace").decode("utf-8"),
            title=title.strip() or entry.stem.replace("_", " "),
            author=author.strip(),
            time=time,
            file=entry.name,
            offset=number,
        )


def _pdf(entry: Entry) -> Iterator[Text]:
    try:
        import pypdfium2
    except ImportError as error:
        raise MissingExtra("pypdfium2", extra="documents") from error
    document = pypdfium2.PdfDocument(entry.bytes(LARGEST))
    try:
        fields = document.get_metadata_dict()
        pages = []
        for page in document:
            text_page = page.get_textpage()
            pages.append(text_page.get_text_bounded().replace("\r\n", "\n"))
            text_page.close()
            page.close()
    finally:
        document.close()
    stamp = re.sub(r"\D", "", fields.get("CreationDate", ""))[:8]
    yield fields.get("Title", ""), fields.get("Author", ""), _flowing(pages), _day(stamp)


def _flowing(pages: Sequence[str]) -> str:
    """Pages as one text: heads and feet that repeat, page numbers and references out, broken words joined."""
    lines = [page.strip().split("\n") for page in pages if page.strip()]
    edges = Counter(_edge(line) for page in lines for line in {*page[:1], *page[-1:]})
    kept = []
    for page in lines:
        inner = [
            line
            for k, line in enumerate(page)
            if not _PAGE.match(line) and not (k in (0, len(page) - 1) and edges[_edge(line)] > max(2, len(lines) // 4))
        ]
        kept.append("\n".join(inner))
    # PDFium marks a hyphen at a line's end with U+0002 or U+FFFE and has joined the word already.
    text = _HYPHEN.sub(r"\1", re.sub("[\x02\ufffe]\n?", "", "\n".join(kept)))
    references = list(_REFERENCES.finditer(text))
    if references and references[-1].start() > len(text) // 2:
        text = text[: references[-1].start()]
    return _unwrapped(text)


def _edge(line: str) -> str:
    return re.sub(r"\d+", "#", line.strip())


def _unwrapped(text: str) -> str:
    """Lines of a paragraph joined: a line goes on unless it is short or ends a sentence."""
    lines = text.split("\n")
    width = sorted(len(line) for line in lines)[len(lines) * 3 // 4] if lines else 0
    out: list[str] = []
    for line in lines:
        goes_on = bool(out) and len(out[-1].rpartition("\n")[2]) > 0 and not out[-1].endswith("\n")
        out.append((" " if goes_on else "") + line.strip())
        ends = (
            not line.strip() or (len(line) < 0.7 * width) or (len(line) < 0.9 * width and line.rstrip()[-1:] in ".!?:")
        )
        if ends:
            out.append("\n\n")
    return "".join(out)


def _docx(entry: Entry) -> Iterator[Text]:
    try:
        import docx
    except ImportError as error:
        raise MissingExtra("docx", extra="documents") from error
    with entry.on_disk() as path:
        _bounded(path)
        document = docx.Document(str(path))
    fields = document.core_properties
    made = fields.created or fields.modified
    parts = []
    for paragraph in document.paragraphs:
        level = re.fullmatch(r"Heading (\d)", (paragraph.style.name or "") if paragraph.style else "")
        parts.append(f"{'#' * int(level[1])} {paragraph.text}" if level and paragraph.text else paragraph.text)
    time = made.replace(tzinfo=UTC) if made and not made.tzinfo else made
    yield fields.title or "", fields.author or "", "\n\n".join(p for p in parts if p.strip()), time


def _bounded(path: Path) -> None:
    """Word and EPUB files are zips: refuse one that unpacks without bound."""
    with zipfile.ZipFile(path) as archive:
        if sum(info.file_size for info in archive.infolist()) > LARGEST:
            raise DataError(f"{path.name} unpacks to more than {LARGEST >> 20} MB")


def _html(entry: Entry) -> Iterator[Text]:
    markup = entry.text(CHAPTER)
    fields = _metas(markup)
    title = fields.get("og:title") or plain_text((_TITLE.search(markup) or ["", ""])[1])
    author = fields.get("author") or fields.get("article:author") or ""
    yield (
        title,
        author,
        plain_text(markup, drop=_NOT_PROSE),
        _iso(fields.get("article:published_time") or fields.get("date")),
    )


def _metas(markup: str) -> Mapping[str, str]:
    import html

    found: dict[str, str] = {}
    for tag in _META.findall(markup[:65_536]):
        fields = {k.lower(): html.unescape(a or b) for k, a, b in _ATTRIBUTE.findall(tag)}
        name = fields.get("name") or fields.get("property")
        if name and fields.get("content"):
            found.setdefault(name.lower(), fields["content"])
    return found


def _epub(entry: Entry) -> Iterator[Text]:
    """Chapters in the order of the book's spine."""
    from defusedxml import ElementTree

    with entry.on_disk() as path:
        _bounded(path)
        with zipfile.ZipFile(path) as book:
            container = ElementTree.fromstring(book.read("META-INF/container.xml"))
            place = next(e.get("full-path") for e in container.iter() if e.tag.endswith("}rootfile"))
            package = ElementTree.fromstring(book.read(place))
            files = {e.get("id"): e.get("href") for e in package.iter() if e.tag.endswith("}item")}
            title, author, when = (_named(package, name) for name in ("title", "creator", "date"))
            for reference in (e for e in package.iter() if e.tag.endswith("}itemref")):
                href = files.get(reference.get("idref"))
                name = str(PurePosixPath(place).parent / href) if href else ""
                if name not in book.namelist() or book.getinfo(name).file_size > CHAPTER:
                    continue
                text = plain_text(book.read(name).decode("utf-8", "replace"), drop=_NOT_PROSE)
                yield f"{title}: {text.partition(chr(10))[0][:80]}", author, text, _iso(when)


def _named(package: Any, name: str) -> str:
    return next((e.text or "" for e in package.iter() if str(e.tag).endswith(f"}}{name}")), "")


def _iso(value: str | None) -> datetime | None:
    try:
        when = datetime.fromisoformat((value or "").strip()[:25])
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _day(stamp: str) -> datetime | None:
    return _iso(f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:]}") if len(stamp) == 8 else None


_READERS: Mapping[str, Callable[[Entry], Iterator[Text]]] = {
    "pdf": _pdf,
    "docx": _docx,
    "epub": _epub,
    **dict.fromkeys(("html", "htm", "xhtml"), _html),
}
