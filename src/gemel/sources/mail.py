"""Mail: mbox (Takeout's too), Maildir and single .eml files, streamed mail by mail.

A mail is a message of its thread (References, In-Reply-To), with only what its sender typed: quotations,
signatures, forwards and HTML go. Lists, bulk and automatic answers are left out. The owner is who sent what
lies among the sent, and to whom the mails were delivered.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.errors import MessageError
from email.header import decode_header
from email.message import Message as Mail
from email.utils import getaddresses, parsedate_to_datetime

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source
from gemel.sources._html import plain_text
from gemel.sources._mailtext import own_words

_FROM = re.compile(rb"From \S.*\d{4}\s*$|From - |From MAILER-DAEMON", re.IGNORECASE)
_HEADERS = re.compile(rb"\A(?:[A-Za-z][A-Za-z0-9-]*:[^\n]*\n(?:[ \t][^\n]*\n)*){1,}", re.MULTILINE)
_KNOWN = re.compile(
    rb"^(?:Message-ID|From|Received|Return-Path|MIME-Version|Delivered-To|Subject):", re.IGNORECASE | re.MULTILINE
)
_QUOTED_FROM = re.compile(rb"^>(>*From )", re.MULTILINE)
_MAILDIR = re.compile(r"/(?:cur|new)/[^/]+$")
_SENT = re.compile(
    r"(?:^|[,/.\s])(?:Sent|Gesendet|Envoyés|Enviados|Inviata|Đã gửi|\[?Gmail\]?/Sent Mail)", re.IGNORECASE
)
_IDS = re.compile(r"<([^<>\s]+)>")
LARGEST = 1 << 26
"""Bytes of one mail; attachments make them long."""
_QUOTES = frozenset({"gmail_quote", "gmail_extra", "moz-cite-prefix", "yahoo_quoted", "gmail_signature", "blockquote"})


@SOURCES.register("mail")
class MailSource(Source):
    """Offsets are bytes from the start of the mbox, 0 for single mails."""

    name = "mail"
    title = "Mail"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head
        if entry.suffix in ("mbox", "mbx", "") and _FROM.match(head.partition(b"\n")[0]):
            return True
        if _FROM.match(head):  # some programs leave the mbox's line above a single mail
            head = head.partition(b"\n")[2]
        mail = entry.suffix in ("eml", "emlx") or _MAILDIR.search(entry.name) is not None
        return mail and _HEADERS.match(head.replace(b"\r\n", b"\n")) is not None and _KNOWN.search(head) is not None

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        owners: set[str] = set()
        for entry in entries:
            sent_folder = _SENT.search(entry.name) is not None
            for offset, content in _mails(entry):
                if content is None:
                    yield _error(entry, offset, "a mail larger than 64 MB")
                    continue
                try:
                    mail = message_from_bytes(content, policy=policy.compat32)
                    for owner in _owners(mail, sent=sent_folder) - owners:
                        owners.add(owner)
                        yield Owner(source="mail", id=owner)
                    yield _message(mail, entry, offset)
                except (MessageError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
                    yield _error(entry, offset, "a mail whose structure is broken")


def _error(entry: Entry, offset: int, reason: str) -> ParseError:
    return ParseError(source="mail", file=entry.name, offset=offset, reason=reason)


def _mails(entry: Entry) -> Iterator[tuple[int, bytes | None]]:
    """(offset, bytes) of every mail; None in place of one that is too large."""
    if entry.suffix in ("eml", "emlx") or _MAILDIR.search(entry.name):
        with entry.open() as file:
            content = file.read(LARGEST + 1)
        yield 0, content if len(content) <= LARGEST else None
        return
    lines: list[bytes] = []
    size = at = start = 0
    blank = True
    with entry.open() as file:
        while line := file.readline(1 << 16):
            if blank and _FROM.match(line):
                if lines:
                    yield start, _QUOTED_FROM.sub(rb"\1", b"".join(lines)) if size <= LARGEST else None
                lines, size, start = [], 0, at
            else:
                size += len(line)
                if size <= LARGEST:
                    lines.append(line)
            blank = line in (b"\n", b"\r\n")
            at += len(line)
    if lines:
        yield start, _QUOTED_FROM.sub(rb"\1", b"".join(lines)) if size <= LARGEST else None


def _message(mail: Mail, entry: Entry, offset: int) -> Item:
    if reason := _unwanted(mail):
        return LeftOut(source="mail", file=entry.name, offset=offset, reason=reason)
    sender = _addresses(mail, "From")
    when = _time(mail)
    if not sender or when is None:
        return _error(entry, offset, "a mail without sender or date")
    text = own_words(_body(mail))
    own_id = _one_id(mail, "Message-ID") or stable_id(sender[0][0], when, text)
    before = _IDS.findall(_header(mail, "References")) or _IDS.findall(_header(mail, "In-Reply-To"))
    answered = (_IDS.findall(_header(mail, "In-Reply-To")) or before or [""])[-1]
    recipients = tuple(dict.fromkeys(a for name in ("To", "Cc") for a, _ in _addresses(mail, name)))
    files = tuple(f for part in mail.walk() if (f := _filename(part)))
    return Message(
        id=stable_id("mail", own_id),
        source="mail",
        thread=stable_id("mail", before[0] if before else own_id),
        thread_title=re.sub(
            r"^(?:(?:re|aw|fwd?|wg|sv|tr|rv)\s*:\s*)+", "", _header(mail, "Subject"), flags=re.IGNORECASE
        ),
        group=len(recipients) > 1,
        time=when,
        sender=sender[0][0],
        sender_name=sender[0][1],
        recipients=recipients,
        text=text,
        kind=Kind.text if text else Kind.media,
        media=files,
        reply_to=stable_id("mail", answered) if answered else None,
        forwarded=_header(mail, "Subject").lower().startswith(("fwd:", "fw:", "wg:")) and not text,
        file=entry.name,
        offset=offset,
    )


def _unwanted(mail: Mail) -> str:
    """Why a mail is not between people, or ""."""
    if (
        mail.get("List-Id")
        or mail.get("List-Unsubscribe")
        or _header(mail, "Precedence").lower() in ("bulk", "list", "junk")
    ):
        return "from a list or in bulk"
    if _header(mail, "Auto-Submitted").lower() not in ("", "no") or mail.get("X-Autoreply"):
        return "an automatic answer"
    if re.match(
        r"(?:no-?reply|do-?not-?reply|mailer-daemon|postmaster|notifications?)[@+]",
        (_addresses(mail, "From") or [("", "")])[0][0],
    ):
        return "written by a machine"
    labels = _header(mail, "X-Gmail-Labels").lower()
    return "spam, bin or draft" if re.search(r"\b(?:spam|trash|bin|papierkorb|draft|entwurf)", labels) else ""


def _owners(mail: Mail, *, sent: bool) -> set[str]:
    """The account's addresses: who sent a mail that lies among the sent, and where mails were delivered."""
    found = {a.lower() for a in re.findall(r"[^\s<>,;]+@[^\s<>,;]+", _header(mail, "Delivered-To"))}
    if (sent and not mail.get("Received") and not found) or _SENT.search(_header(mail, "X-Gmail-Labels")):
        found |= {address for address, _ in _addresses(mail, "From")[:1]}
    return found


def _header(mail: Mail, name: str) -> str:
    """A header, decoded; what cannot be decoded is replaced, line breaks become spaces."""
    value = mail.get(name)
    if value is None:
        return ""
    try:
        pieces = decode_header(value)
    except (MessageError, ValueError):
        return " ".join(str(value).split())
    return " ".join("".join(_decoded(p, charset) for p, charset in pieces).split())


def _decoded(piece: str | bytes, charset: str | None) -> str:
    if isinstance(piece, str):
        return piece.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    for name in (charset, "utf-8"):
        try:
            if name and name.lower() != "unknown-8bit":
                return piece.decode(name)
        except (LookupError, UnicodeDecodeError):
            continue
    return piece.decode("cp1252", "replace")


def _addresses(mail: Mail, name: str) -> list[tuple[str, str]]:
    """(address, shown name) of a header."""
    values = [str(v).encode("utf-8", "surrogateescape").decode("utf-8", "replace") for v in mail.get_all(name, [])]
    found = []
    for shown, address in getaddresses([" ".join(v.split()) for v in values]):
        if "@" in address:
            pieces = decode_header(shown) if "=?" in shown else [(shown, None)]
            found.append((address.lower(), "".join(_decoded(p, c) for p, c in pieces).strip()))
    return found


def _one_id(mail: Mail, name: str) -> str:
    ids = _IDS.findall(_header(mail, name))
    return ids[0] if ids else _header(mail, name)


def _time(mail: Mail) -> datetime | None:
    received = [str(v).rpartition(";")[2] for v in mail.get_all("Received", [])]
    for value in (mail.get("Date"), *received):
        try:
            when = parsedate_to_datetime(str(value).strip())
        except (TypeError, ValueError, IndexError, OverflowError):
            continue
        if 1970 <= when.year < 2100:
            return (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def _filename(part: Mail) -> str:
    name = part.get_filename()
    return (
        ""
        if not name
        else "".join(_decoded(p, c) for p, c in decode_header(name))
        if "=?" in name
        else _decoded(name, None)
    )


def _body(mail: Mail) -> str:
    """The text part, else the HTML part as text; attached mails are not looked into."""
    plain, rich = [], []
    stack = [mail]
    while stack:
        part = stack.pop(0)
        if part.is_multipart():
            if part.get_content_type() != "message/rfc822":
                stack[:0] = [p for p in part.get_payload() if isinstance(p, Mail)]
            continue
        if part.get_content_disposition() == "attachment" or part.get_filename():
            continue
        if part.get_content_type() == "text/plain":
            plain.append(_payload(part))
        elif part.get_content_type() == "text/html":
            rich.append(_payload(part))
    if any(p.strip() for p in plain):
        return "\n".join(plain)
    return "\n".join(plain_text(r, drop=_QUOTES) for r in rich)


def _payload(part: Mail) -> str:
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    charset = str(part.get_content_charset() or "utf-8")
    return _decoded(content, "gb18030" if charset in ("gb2312", "gbk") else charset)
