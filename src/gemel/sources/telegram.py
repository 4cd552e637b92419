"""Telegram: `result.json` of one chat or of a whole account, as Telegram Desktop writes it.

Accounts reach gigabytes: the file is streamed, one message at a time. Text that Telegram splits into entities
is put together as typed. Messages forwarded or sent through a bot are marked, for they are not the sender's words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

from gemel.config import ImportSection
from gemel.errors import UnknownFormat
from gemel.records import Kind, Message, ParseError, Reaction, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source
from gemel.sources._json import JsonStream, array, dictionary, text_of

_ACCOUNT = re.compile(r'"(?:chats|left_chats)"\s*:\s*\{')
_CHAT = re.compile(r'"messages"\s*:\s*\[')
_ROW = re.compile(r'"date_unixtime"\s*:|"from_id"\s*:|"actor_id"\s*:')
_SINGLES = ("personal_chat", "bot_chat", "saved_messages", "verify_codes", "replies")
_LINK = re.compile(r"^https?://\S+$")
_KINDS = {"sticker": Kind.sticker, "voice_message": Kind.voice}
_LATEST = 4_102_444_800
"""Seconds at the year 2100."""


@dataclass
class _Chat:
    """The head of a chat, as far as it has been read when a message comes."""

    name: str = ""
    type: str = ""
    id: str = ""

    @property
    def group(self) -> bool:
        return bool(self.type) and self.type not in _SINGLES

    @property
    def key(self) -> str:
        return self.id or self.name

    @cached_property
    def thread(self) -> str:
        return stable_id("telegram", self.key)


@SOURCES.register("telegram")
class Telegram(Source):
    """Offsets are positions in the chat's list of messages, from 0."""

    name = "telegram"
    title = "Telegram"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix == "html" and b'class="page_wrap"' in entry.head and b"Exported Data" in entry.head:
            raise UnknownFormat(
                f"{entry.name} is Telegram's export as HTML, which lacks ids",
                hint="Export again in Telegram Desktop with the format JSON, or remove the HTML files.",
            )
        if entry.suffix != "json":
            return False
        head = entry.head_text
        if '"sender_name"' in head or '"guild"' in head:
            return False
        return bool(_ACCOUNT.search(head) or (_CHAT.search(head) and _ROW.search(head))) or (
            '"personal_information"' in head and '"user_id"' in head
        )

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            with entry.open() as file:
                yield from _root(JsonStream(file, entry.name), entry)


def _root(stream: JsonStream, entry: Entry) -> Iterator[Item]:
    """A file is a chat, or an account that lists chats; both are read in one pass."""
    chat = _Chat()
    for key in stream.keys():  # noqa: SIM118 - a cursor, not a mapping
        if key == "personal_information":
            yield from _owner(stream.value())
        elif key in ("chats", "left_chats") and stream.peek() == "{":
            for inner in stream.keys():  # noqa: SIM118
                if inner == "list" and stream.peek() == "[":
                    for _ in stream.elements():
                        yield from _chat(stream, _Chat(), entry)
                else:
                    stream.skip()
        else:
            yield from _field(stream, key, chat, entry)


def _chat(stream: JsonStream, chat: _Chat, entry: Entry) -> Iterator[Item]:
    for key in stream.keys():  # noqa: SIM118
        yield from _field(stream, key, chat, entry)


def _field(stream: JsonStream, key: str, chat: _Chat, entry: Entry) -> Iterator[Item]:
    if key == "messages" and stream.peek() == "[":
        yield from _messages(stream, chat, entry)
    elif key in ("name", "type", "id"):
        value = stream.value()
        setattr(chat, key, "" if value is None else str(value))
    else:
        stream.skip()


def _owner(information: Any) -> Iterator[Owner]:
    fields = dictionary(information)
    if user := fields.get("user_id"):
        name = " ".join(filter(None, (text_of(fields.get("first_name")), text_of(fields.get("last_name")))))
        yield Owner(source="telegram", id=f"user{user}", name=name)


def _messages(stream: JsonStream, chat: _Chat, entry: Entry) -> Iterator[Item]:
    senders: dict[str, str] = {}
    for index, row in enumerate(stream.values()):
        if not isinstance(row, dict):
            yield ParseError(source="telegram", file=entry.name, offset=index, reason="a message that is no object")
            continue
        message = _message(row, chat, entry.name, index)
        if isinstance(message, Message) and message.sender:
            senders.setdefault(message.sender, message.sender_name)
        yield message
    others = [s for s, name in senders.items() if name != chat.name]
    if chat.type == "personal_chat" and len(senders) == 2 and len(others) == 1:
        # The chat bears the contact's name, so whoever else writes in it made the export.
        yield Owner(source="telegram", id=others[0], name=senders[others[0]])


def _message(row: Mapping[str, Any], chat: _Chat, file: str, index: int) -> Item:
    when, zone_known = _time(row)
    if when is None:
        return ParseError(source="telegram", file=file, offset=index, reason="a message without a time")
    service = row.get("type") == "service"
    name = text_of(row.get("actor" if service else "from"))
    sender = row.get("actor_id" if service else "from_id")
    sender = f"user{sender}" if isinstance(sender, int) else text_of(sender) or name
    if not sender and not service:
        sender = name = "Deleted account"
    number = row.get("id", f"{when.timestamp()}-{index}")
    reply = row.get("reply_to_message_id")
    kind = Kind.system if service else _kind(row)
    text = text_of(row.get("action")) if service else _flat(row.get("text"))
    if service and row.get("action") == "phone_call":
        kind = Kind.call
    if kind is Kind.text and text.startswith("http") and _LINK.match(text):
        kind = Kind.link
    return Message(
        id=stable_id("telegram", chat.key, number),
        source="telegram",
        thread=chat.thread,
        thread_title=chat.name or ("Saved messages" if chat.type == "saved_messages" else ""),
        group=chat.group,
        time=when,
        zone_known=zone_known,
        sender="" if kind is Kind.system else sender,
        sender_name=name,
        text=text or _question(row.get("poll")),
        kind=kind,
        media=tuple(_media(row)) if "photo" in row or "file" in row else (),
        reply_to=None if reply is None else stable_id("telegram", chat.key, reply),
        edited="edited" in row or "edited_unixtime" in row,
        forwarded="forwarded_from" in row or "via_bot" in row or "saved_from" in row,
        reactions=tuple(_reactions(row["reactions"])) if "reactions" in row else (),
        file=file,
        offset=index,
    )


def _time(row: Mapping[str, Any]) -> tuple[datetime | None, bool]:
    """(time, whether its zone is known): exports before 2021 have local time only."""
    try:
        seconds = int(row["date_unixtime"])
        if 0 < seconds < _LATEST:
            return datetime.fromtimestamp(seconds, UTC), True
    except (KeyError, TypeError, ValueError):
        pass
    try:
        when = datetime.fromisoformat(row["date"])
    except (KeyError, TypeError, ValueError):
        return None, False
    return (when if when.tzinfo else when.replace(tzinfo=UTC)), when.tzinfo is not None


def _kind(row: Mapping[str, Any]) -> Kind:
    if "poll" in row:
        return Kind.poll
    if "location_information" in row or "place_name" in row:
        return Kind.location
    if "contact_information" in row:
        return Kind.contact
    if media := row.get("media_type"):
        return _KINDS.get(str(media), Kind.media)
    shown = "photo" in row or "file" in row or "game_title" in row or "invoice_information" in row
    return Kind.media if shown else Kind.text


def _flat(text: Any) -> str:
    """A string, or a list of strings and entities, as one string."""
    if isinstance(text, str):
        return text
    return "".join(part if isinstance(part, str) else text_of(dictionary(part).get("text")) for part in array(text))


def _question(poll: Any) -> str:
    return text_of(dictionary(poll).get("question"))


def _media(row: Mapping[str, Any]) -> Iterator[str]:
    for key in ("photo", "file"):
        if (name := text_of(row.get(key))) and not name.startswith("("):  # "(File not included. …)"
            yield name


def _reactions(value: Any) -> Iterator[Reaction]:
    for reaction in map(dictionary, array(value)):
        emoji = text_of(reaction.get("emoji"))
        recent = reaction.get("recent")
        for who in map(dictionary, array(recent)):
            if emoji:
                yield Reaction(emoji, text_of(who.get("from_id")) or text_of(who.get("from")))
