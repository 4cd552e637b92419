"""WhatsApp: the text file that "Export chat" writes, alone, in a folder or in its zip.

Reads every header shape of `_whatsapp_shape`, messages of several lines, system lines of both phones,
attachments with captions, polls, locations, deletions and edits. Times are local without a zone; the order
in the file is the truth. Does not read WhatsApp's databases.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice

from gemel.config import ImportSection
from gemel.errors import DataError
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source
from gemel.sources._entries import LONGEST_LINE
from gemel.sources._whatsapp_shape import MARKS, Clock, Order, Shape, decide_order, find_shape
from gemel.sources._whatsapp_words import (
    ATTACHED,
    CALL,
    CALL_END,
    CHAT_TITLE,
    DELETED,
    DELETED_BY_ME,
    EDITED,
    SYSTEM,
    kind_of_omitted,
    omitted,
)

_LRM = "\u200e"
_STRIP = str.maketrans("", "", MARKS)
_LOCATION = re.compile(
    r"^(?:[^\W\d][^\n:]{0,40}: )?https?://(?:maps\.(?:google|apple)\.com|goo\.gl/maps)\S*", re.IGNORECASE
)
_TAGGED = re.compile(rf"{_LRM}?<[^<>:\n]{{2,30}}: (?P<file>[^<>\n]+\.\w{{2,5}})>$", re.MULTILINE)
_POLL = re.compile(r"^\w[\w ]{2,25}:\n.*\n(?:.*\n)*[\u200e]?\w+: .+\(", re.UNICODE)
_LINK = re.compile(r"^https?://\S+$")
_TELLS = re.compile(r"[<(:\n]")
"""Without one of these a text is no attachment, edit, place, poll or link."""
_COPY = re.compile(r"(?: \(\d+\)|[ _-]\d+)$")
_BY_ME = "\x00me"
"""Stands for the text of a message that the phone's owner deleted, which tells who that is."""
_BY_ADMIN = "this message was deleted by admin"
_SEEN = 50_000
"""Messages that are remembered to tell equal ones in the same minute apart."""


@dataclass
class _Chat:
    """One file and what a first look at it found."""

    entry: Entry
    shape: Shape
    order: Order | None
    title: str
    senders: Counter[str] = field(default_factory=Counter)
    colons: dict[str, str] = field(default_factory=dict)
    """First part of a name that holds ": " → the whole name."""
    start: str = ""
    """The first header line."""

    @property
    def group(self) -> bool:
        """More than two write, or one writes who is neither the title nor alone with it."""
        return len(self.senders) > 2

    @property
    def thread(self) -> str:
        """What re-exports of the chat share: its title, else its pair of people, else its first line."""
        if self.title:
            return stable_id("whatsapp", self.title)
        people = sorted(self.senders) if len(self.senders) == 2 else [self.start]
        return stable_id("whatsapp", *people)


@SOURCES.register("whatsapp")
class WhatsApp(Source):
    """`_chat.txt` and `WhatsApp Chat with NAME.txt`; offsets are line numbers from 1."""

    name = "whatsapp"
    title = "WhatsApp"
    by_time = False

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix not in ("txt", "") or not entry.head:
            return False
        lines = entry.head_text.splitlines()[:40]
        shape = find_shape(lines)
        if shape is None:
            return False
        headers = sum(shape.pattern.match(line) is not None for line in lines)
        # A diary has dated lines too, but not a sender or a notice after each of them at the very beginning.
        return shape.pattern.match(lines[0]) is not None or headers >= max(2, len(lines) // 4)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        chats = [chat for entry in entries if (chat := _look(entry)) is not None]
        _settle(chats, section)
        for chat in chats:
            yield from _owner(chat)
            yield from _messages(chat)


def _look(entry: Entry) -> _Chat | None:
    """The first pass: shape, order of day and month, who writes."""
    shape = find_shape(islice(entry.lines(), 400))
    if shape is None:
        return None
    match, dates, start = shape.pattern.match, [""], ""
    senders = Counter[str]()
    seconds: dict[str, str] = {}
    for line in entry.lines():
        if (header := match(line)) is None:
            continue
        if header[1] != dates[-1]:
            dates.append(header[1])
        head, colon, tail = line[header.end() :].partition(": ")
        start = start or line
        if colon and not _is_notice(head, tail):
            senders[head] += 1
            second, more, _ = tail.partition(": ")
            if seconds.setdefault(head, second if more else "") != second or not more:
                seconds[head] = ""
    colons = {head: f"{head}: {second}" for head, second in seconds.items() if second and senders[head] >= 3}
    names = Counter[str]()
    for head, count in senders.items():
        names[_name(colons.get(head, head))] += count
    title = _title(entry)
    if len(names) > 2 and names.get(title):
        del names[title]  # an iPhone writes a group's notices under the group's own name
    return _Chat(entry, shape, decide_order(shape, dates[1:]), title, names, colons, start)


def _is_notice(head: str, tail: str) -> bool:
    """A line whose colon is inside a notice ('Ana changed the subject to "x: y"'), or iOS's marked notice."""
    return (tail.startswith(_LRM) and SYSTEM.search(tail) is not None) or _is_notice_head(head)


@lru_cache(maxsize=4096)
def _is_notice_head(head: str) -> bool:
    return len(head) > 100 or (
        SYSTEM.search(head) is not None and (head.count('"') % 2 == 1 or "“" in head or len(head) > 40)
    )


def _settle(chats: Sequence[_Chat], section: ImportSection) -> None:
    """Dates that a file alone leaves open follow the other files of the same shape, then the setting.

    Raises:
        DataError: when neither decides.
    """
    known: dict[tuple[str, ...], set[Order]] = {}
    for chat in chats:
        if chat.order:
            known.setdefault(chat.shape.key, set()).add(chat.order)
    for chat in chats:
        if chat.order is None and len(alike := known.get(chat.shape.key, set())) == 1:
            (chat.order,) = alike
        elif chat.order is None and section.day_first is not None:
            chat.order = "dmy" if section.day_first else "mdy"
    if open_files := [chat.entry.name for chat in chats if chat.order is None]:
        raise DataError(
            f"{open_files[0]}: its dates can be read as day/month or as month/day",
            hint="Say which with --day-first or --month-first.",
        )


def _title(entry: Entry) -> str:
    """Who the chat is with, from the names of the file and of the archives and folders around it."""
    for part in reversed(entry.parts):
        stem = _COPY.sub("", re.sub(r"\.(txt|zip)$", "", part, flags=re.IGNORECASE))
        if match := CHAT_TITLE.match(stem):
            return _name(match["title"])
    return ""


def _name(raw: str) -> str:
    return raw.translate(_STRIP).replace("\u00a0", " ").replace("\u202f", " ").strip().removeprefix("~").strip()


def _owner(chat: _Chat) -> Iterator[Owner]:
    """In a chat of two that is named after one of them, the other one exported it."""
    others = [name for name in chat.senders if name != chat.title]
    if chat.title in chat.senders and len(others) == 1 and not chat.group:
        yield Owner(source="whatsapp", id=others[0], name=others[0])


def _messages(chat: _Chat) -> Iterator[Item]:
    names: dict[str, str] = {}
    clock = Clock(chat.order or "dmy")
    thread, group = chat.thread, chat.group
    recipients = {a: tuple(b for b in chat.senders if b != a) for a in chat.senders} if len(chat.senders) == 2 else {}
    precision = Precision.second if chat.shape.seconds else Precision.minute
    seen: Counter[int] = Counter()
    told = False
    for number, (day, hour), first, rest in _blocks(chat.entry, chat.shape):
        when = clock.read(day, hour)
        if when is None:
            yield _error(chat.entry, number, "a time that does not exist")
            continue
        if len(rest) and sum(map(len, rest)) > LONGEST_LINE:
            yield _error(chat.entry, number, "a message longer than a million characters")
            continue
        raw, text = _split(first, chat)
        sender = names.get(raw)
        if sender is None:
            sender = names[raw] = _name(raw)
        if rest:
            text = "\n".join([text, *rest])
        kind, text, media, edited = _classify(text, sender, chat)
        if kind is Kind.deleted and text == _BY_ME:
            if not told:
                yield Owner(source="whatsapp", id=sender, name=sender)
            told, text = True, ""
        if kind is Kind.system:
            sender = ""
        base = hash((when, sender, text, media))
        n = seen[base]
        seen[base] = n + 1
        if len(seen) > _SEEN:
            seen.clear()
        yield Message(
            id=stable_id(thread, int(when.timestamp()), sender, text, *media, n),
            source="whatsapp",
            thread=thread,
            thread_title=chat.title,
            group=group,
            time=when,
            precision=precision,
            zone_known=False,
            sender=sender,
            sender_name=sender,
            recipients=recipients.get(sender, ()),
            text=text,
            kind=kind,
            media=media,
            edited=edited,
            file=chat.entry.name,
            offset=number,
        )


def _blocks(entry: Entry, shape: Shape) -> Iterator[tuple[int, tuple[str, str], str, list[str]]]:
    """(line number, (date, time), rest of the header's line, further lines) of each message."""
    match = shape.pattern.match
    held: tuple[int, tuple[str, str], str, list[str]] | None = None
    for number, line in enumerate(entry.lines(), 1):
        header = match(line)
        if header is not None:
            if held is not None:
                yield held
            held = number, (header[1], header[2]), line[header.end() :], []
        elif held is not None:
            held[3].append(line)
    if held is not None:
        yield held


def _split(first: str, chat: _Chat) -> tuple[str, str]:
    """Sender ("" for a notice) and text of a header line."""
    head, colon, tail = first.partition(": ")
    if not colon:
        if first.endswith(":") and _name(first[:-1]) in chat.senders:
            return first[:-1], ""
        return "", first
    if _is_notice(head, tail):
        return "", first
    whole = chat.colons.get(head)
    return (whole, first[len(whole) + 2 :]) if whole else (head, tail)


def _error(entry: Entry, number: int, reason: str) -> ParseError:
    return ParseError(source="whatsapp", file=entry.name, offset=number, reason=reason)


def _classify(text: str, sender: str, chat: _Chat) -> tuple[Kind, str, tuple[str, ...], bool]:
    """Kind, text as typed (captions stay, placeholders go), file names, edited."""
    if not sender:
        return Kind.system, text.translate(_STRIP), (), False
    marked = _LRM in text
    if not marked and not _TELLS.search(text) and (len(text) > 60 or _is_plain(text)):
        return Kind.text, text, (), False  # the common case: a sentence
    edited = False
    if ("<" in text) and (match := EDITED.search(text)):
        text, edited = text[: match.start()], True
    automatic = text.startswith(_LRM)
    bare = text.translate(_STRIP) if marked else text
    if match := _TAGGED.search(text):
        caption = f"{text[: match.start()]}{text[match.end() :]}".translate(_STRIP).strip("\n ")
        return _media_kind(match["file"]), _without_pages(caption, match["file"]), (match["file"],), edited
    if "(" in bare and (match := ATTACHED.match(bare)):
        return _media_kind(match["file"]), bare[match.end() :].lstrip("\n"), (match["file"],), edited
    first, _, more = bare.partition("\n")
    if omitted(first, automatic=automatic):
        return Kind(kind_of_omitted(first)), more, (), edited
    kind = _automatic(bare, automatic, sender, chat)
    if kind is Kind.deleted:
        return kind, _BY_ME if _phrase(bare) in DELETED_BY_ME else "", (), edited
    return kind, text.lstrip(_LRM) if kind is Kind.text else bare, (), edited


def _is_plain(text: str) -> bool:
    """Whether a short line without brackets and colons is none that a phone writes."""
    phrase = _phrase(text)
    return not (phrase in DELETED or phrase in DELETED_BY_ME or phrase.startswith(CALL) or text.endswith(" omitted"))


def _automatic(bare: str, automatic: bool, sender: str, chat: _Chat) -> Kind:
    """What is left: deletions, calls, places, polls, notices, links and text."""
    if len(bare) < 90:
        phrase = _phrase(bare)
        if phrase in DELETED or phrase in DELETED_BY_ME or (automatic and phrase.startswith(_BY_ADMIN)):
            return Kind.deleted
        if phrase.startswith(CALL) and (automatic or _ends_as_call(phrase)):
            return Kind.call
    if "://" in bare and _LOCATION.match(bare):
        return Kind.location
    if "\n" in bare and _POLL.match(bare) and (automatic or bare.startswith("POLL:")):
        return Kind.poll
    if automatic and (SYSTEM.search(bare) or sender == chat.title or sender not in chat.senders):
        return Kind.system
    return Kind.link if bare.startswith("http") and _LINK.match(bare) else Kind.text


def _ends_as_call(phrase: str) -> bool:
    """People write of calls too: without iOS's mark nothing but a duration or a time may follow the words."""
    return any(phrase.startswith(c) and CALL_END.fullmatch(phrase, len(c)) for c in CALL)


def _phrase(text: str) -> str:
    return text.rstrip(".").lower()


def _without_pages(caption: str, file: str) -> str:
    """An iPhone writes a document as `name.pdf • 12 pages <attached: …>`: that is no caption."""
    return "" if " • " in caption and caption.split(" • ")[0].strip() in file else caption


def _media_kind(file: str) -> Kind:
    name = file.upper()
    if name.endswith((".OPUS", ".M4A", ".AMR", ".OGG")) or "-AUDIO-" in name or name.startswith(("PTT-", "AUD-")):
        return Kind.voice
    if name.endswith(".WEBP") or "-STICKER-" in name or name.startswith("STK-"):
        return Kind.sticker
    return Kind.contact if name.endswith(".VCF") else Kind.media
