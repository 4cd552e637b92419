"""Discord: DiscordChatExporter's JSON, and the official package, which holds only one's own messages.

Messages of bots are left out. Mentions stand in the text as the exporter writes them; custom emoji become
`:name:`. Files of one channel merge by their message ids.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, Reaction, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source
from gemel.sources._json import JsonStream, array, dictionary, rows, text_of

_EXPORTER = re.compile(r'^\s*\{\s*"guild"\s*:\s*\{.*"channel"\s*:\s*\{', re.DOTALL)
_PACKAGE = re.compile(r'^\s*\[\s*\{\s*"ID"\s*:\s*"?\d+"?,\s*"Timestamp"\s*:', re.DOTALL)
_PACKAGE_CSV = "ID,Timestamp,Contents,Attachments"
_CHANNEL = re.compile(r'^\s*\{\s*"id"\s*:\s*"\d{15,}"\s*,\s*"type"\s*:')
_ACCOUNT = re.compile(r'^\s*\{\s*"id"\s*:\s*"\d{15,}"\s*,\s*"username"\s*:')
_EMOJI = re.compile(r"<a?:(\w+):\d+>")
_LINK = re.compile(r"^https?://\S+$")
_TEXTS = ("Default", "Reply", "ThreadStarterMessage", "0", "19", "")


@SOURCES.register("discord")
class Discord(Source):
    """Offsets are positions in the file's list of messages, from 0."""

    name = "discord"
    title = "Discord"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head_text
        if entry.suffix == "json":
            return any(p.search(head) for p in (_EXPORTER, _PACKAGE, _CHANNEL, _ACCOUNT))
        return entry.suffix == "csv" and head.startswith(_PACKAGE_CSV)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        titles, me = {}, ""
        for entry in entries:
            if _ACCOUNT.search(entry.head_text):
                account = dictionary(_whole(entry))
                me = text_of(account.get("username"))
                yield Owner(source=self.name, id="me", name=me)
            elif _CHANNEL.search(entry.head_text):
                titles[entry.parts[:-1]] = dictionary(_whole(entry))
        for entry in entries:
            if _EXPORTER.search(entry.head_text):
                yield from _exported(entry)
            elif entry.suffix == "csv" or _PACKAGE.search(entry.head_text):
                yield from _package(entry, titles.get(entry.parts[:-1], {}), me or "me")


def _whole(entry: Entry) -> Any:
    with entry.open() as file:
        return JsonStream(file, entry.name).value()


def _exported(entry: Entry) -> Iterator[Item]:
    channel: dict[str, Any] = {}
    with entry.open() as file:
        stream = JsonStream(file, entry.name)
        for key in stream.keys():  # noqa: SIM118 - a cursor, not a mapping
            if key == "channel":
                channel = dictionary(stream.value())
            elif key == "messages" and stream.peek() == "[":
                for index in stream.elements():
                    yield _message(dictionary(stream.value()), channel, entry, index)
            else:
                stream.skip()


def _message(row: Mapping[str, Any], channel: Mapping[str, Any], entry: Entry, index: int) -> Item:
    when, author = _time(row.get("timestamp")), dictionary(row.get("author"))
    if when is None or not row.get("id"):
        return ParseError(source="discord", file=entry.name, offset=index, reason="a message without id or time")
    if author.get("isBot"):
        return LeftOut(source="discord", file=entry.name, offset=index, reason="written by a bot")
    thread = str(channel.get("id", ""))
    text = _EMOJI.sub(r":\1:", text_of(row.get("content")))
    media = [text_of(a.get("fileName")) for a in map(dictionary, array(row.get("attachments")))]
    reference = dictionary(row.get("reference")).get("messageId")
    forwarded = dictionary(row.get("forwardedMessage"))
    return Message(
        id=stable_id("discord", thread, row["id"]),
        source="discord",
        thread=stable_id("discord", thread),
        thread_title=text_of(channel.get("name")),
        group=text_of(channel.get("type")) != "DirectTextChat",
        time=when,
        precision=Precision.millisecond,
        sender=str(author.get("id", "")),
        sender_name=text_of(author.get("nickname")) or text_of(author.get("name")),
        text=text or text_of(forwarded.get("content")),
        kind=_kind(row, text, media),
        media=tuple(m for m in media if m),
        reply_to=stable_id("discord", thread, reference) if reference else None,
        edited=bool(row.get("timestampEdited")),
        forwarded=bool(forwarded),
        reactions=tuple(_reactions(row.get("reactions"))),
        file=entry.name,
        offset=index,
    )


def _kind(row: Mapping[str, Any], text: str, media: Sequence[str]) -> Kind:
    type_ = str(row.get("type", ""))
    if type_ not in _TEXTS:
        return Kind.call if type_ == "Call" else Kind.system
    if row.get("stickers") and not text:
        return Kind.sticker
    if media:
        return Kind.voice if media[0].startswith("voice-message") else Kind.media
    if not text:
        return Kind.media
    return Kind.link if _LINK.match(text) else Kind.text


def _reactions(value: Any) -> Iterator[Reaction]:
    for reaction in map(dictionary, array(value)):
        emoji = text_of(dictionary(reaction.get("emoji")).get("name"))
        for user in map(dictionary, array(reaction.get("users"))):
            yield Reaction(emoji, str(user.get("id", "")))


def _time(value: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)


def _package(entry: Entry, channel: Mapping[str, Any], me: str) -> Iterator[Item]:
    """`messages.json` or `messages.csv` of one channel: everything in it is one's own."""
    thread = str(channel.get("id") or entry.parts[-2 if len(entry.parts) > 1 else -1])
    for index, row in _package_rows(entry):
        fields = dictionary(row)
        when = _time(fields.get("Timestamp"))
        if when is None:
            yield ParseError(source="discord", file=entry.name, offset=index, reason="a message without a time")
            continue
        text = _EMOJI.sub(r":\1:", text_of(fields.get("Contents")))
        attached = text_of(fields.get("Attachments")).split()
        yield Message(
            id=stable_id("discord", thread, fields.get("ID")),
            source="discord",
            thread=stable_id("discord", thread),
            thread_title=text_of(channel.get("name")),
            group=str(channel.get("type", "")) not in ("DM", "1"),
            time=when,
            sender="me",
            sender_name=me,
            text=text,
            kind=_kind({}, text, attached),
            media=tuple(a.rpartition("/")[2].partition("?")[0] for a in attached),
            file=entry.name,
            offset=index,
        )


def _package_rows(entry: Entry) -> Iterator[tuple[int, Any]]:
    if entry.suffix == "json":
        yield from rows(entry)
        return
    with io.TextIOWrapper(entry.open(), encoding="utf-8-sig", errors="replace", newline="") as file:
        try:
            yield from enumerate(csv.DictReader(file))
        except csv.Error:
            yield -1, None
