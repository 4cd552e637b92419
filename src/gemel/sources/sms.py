"""Text messages from the Android app SMS Backup & Restore (XML), streamed.

The app writes emoji as two character references of surrogates, which no XML parser accepts; they are joined
first. Sent messages are the owner's. Pictures of MMS are named, not read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from xml.etree.ElementTree import Element
from xml.etree.ElementTree import ParseError as XmlError

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source
from gemel.sources._entries import damaged

_ROOT = re.compile(r"<smses\b")
_PAIR = re.compile(r"&#(5[5-6]\d{3});&#(5[6-7]\d{3});")
_LONE = re.compile(r"&#(?:x[dD][89a-fA-F]\w\w|5[5-7]\d{3}|0|x0);")
_LINK = re.compile(r"^https?://\S+$")
_LATEST = 4_102_444_800_000


@SOURCES.register("sms")
class Sms(Source):
    """Offsets are the message's number in the file, from 1."""

    name = "sms"
    title = "SMS Backup & Restore"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        return entry.suffix == "xml" and _ROOT.search(entry.head_text) is not None

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        yield Owner(source=self.name, id="me")
        for entry in entries:
            for number, element in enumerate(_elements(entry), 1):
                yield _message(element, entry, number)


class _Messages:
    """A parser's target that keeps only messages, each until it has been handed over."""

    def __init__(self) -> None:
        self.done: list[Element] = []
        self._open: list[Element] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; what is not inside a message is passed over."""
        if self._open or tag in ("sms", "mms"):
            element = Element(tag, attributes)
            if self._open:
                self._open[-1].append(element)
            self._open.append(element)

    def end(self, tag: str) -> None:
        """An element ends."""
        if self._open:
            element = self._open.pop()
            if not self._open:
                self.done.append(element)

    def data(self, text: str) -> None:
        """Text between elements says nothing here."""

    def close(self) -> None:
        """The end of the file."""


def _elements(entry: Entry) -> Iterator[Element]:
    """Every `<sms>` and `<mms>`."""
    from defusedxml import DefusedXmlException
    from defusedxml.ElementTree import DefusedXMLParser

    target = _Messages()
    parser = DefusedXMLParser(target=target)
    try:
        for line in entry.lines():
            parser.feed(_LONE.sub("\ufffd", _PAIR.sub(_joined, line)) + "\n")
            yield from target.done
            target.done.clear()
        parser.close()
    except (XmlError, DefusedXmlException) as error:
        raise damaged(entry.name) from error


def _joined(match: re.Match[str]) -> str:
    high, low = int(match[1]), int(match[2])
    if 0xD800 <= high < 0xDC00 <= low < 0xE000:
        return chr(0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00))
    return "\ufffd"


def _message(element: Element, entry: Entry, number: int) -> Item:
    row: Mapping[str, str] = element.attrib
    try:
        when = int(row.get("date", ""))
    except ValueError:
        when = -1
    if not 0 < when < _LATEST:
        return ParseError(source="sms", file=entry.name, offset=number, reason="a message without a time")
    mms = element.tag == "mms"
    sent = row.get("msg_box" if mms else "type") == "2"
    addresses = _addresses(row)
    contact = _given(row.get("contact_name")) or row.get("address", "")
    parts = list(element.iter("part")) if mms else []
    text = "\n".join(p.get("text", "") for p in parts if p.get("ct") == "text/plain") if mms else row.get("body", "")
    media = tuple(
        p.get("cl") or p.get("name") or ""
        for p in parts
        if p.get("ct", "").partition("/")[0] in ("image", "video", "audio")
    )
    sender = "me" if sent else _sender(element, addresses)
    return Message(
        id=stable_id("sms", *addresses, when, row.get("type", row.get("msg_box")), text),
        source="sms",
        thread=stable_id("sms", *addresses),
        thread_title=contact,
        group=len(addresses) > 1,
        time=datetime.fromtimestamp(when / 1000, UTC),
        precision=Precision.millisecond,
        sender=sender,
        sender_name="" if sent else contact if len(addresses) == 1 else sender,
        recipients=tuple(addresses) if sent else ("me",),
        text=text,
        kind=Kind.media if media else Kind.link if _LINK.match(text) else Kind.text,
        media=media,
        file=entry.name,
        offset=number,
    )


def _given(value: str | None) -> str:
    return "" if value in (None, "(Unknown)", "null") else str(value)


def _addresses(row: Mapping[str, str]) -> list[str]:
    """The other side's numbers, without their punctuation so that one number is one thread."""
    numbers = (re.sub(r"[\s()\-.]", "", a) for a in row.get("address", "").split("~"))
    return sorted({n for n in numbers if n})


def _sender(element: Element, addresses: Sequence[str]) -> str:
    """Who wrote a received MMS: the address of type 137 (from)."""
    for address in element.iter("addr"):
        if address.get("type") == "137":
            return re.sub(r"[\s()\-.]", "", address.get("address", ""))
    return addresses[0] if addresses else "unknown"
