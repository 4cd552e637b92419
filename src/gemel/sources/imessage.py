"""iMessage: `chat.db` of macOS or of an iPhone's backup, with its `-wal` and `-shm` beside it.

The database is copied and opened read-only. Where the text column is empty the text is read out of
`attributedBody` by its length prefix. Tapbacks become reactions; retracted messages are marked deleted.
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, Reaction, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source
from gemel.sources._entries import damaged

_EPOCH = datetime(2001, 1, 1, tzinfo=UTC)
_NANOSECONDS = 10**11
"""Dates above this count nanoseconds, below seconds (before macOS 10.13)."""
_TAPBACKS = {2000: "❤", 2001: "👍", 2002: "👎", 2003: "😂", 2004: "‼", 2005: "❓"}
_OBJECT = "\ufffc"
_WANTED = ("attributedBody", "thread_originator_guid", "date_edited", "date_retracted", "associated_message_type",
           "associated_message_guid", "associated_message_emoji", "item_type", "balloon_bundle_id", "is_audio_message",
           "cache_has_attachments")  # fmt: skip
"""Columns that not every version has."""


@SOURCES.register("imessage")
class IMessage(Source):
    """Offsets are the message's ROWID."""

    name = "imessage"
    title = "iMessage"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.name.endswith((".db-wal", ".db-shm")):
            return True
        return entry.head[:15] == b"SQLite format 3" and b"chat_message_join" in entry.head

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        beside = {e.name: e for e in entries}
        yield Owner(source=self.name, id="me")
        for entry in entries:
            if entry.head[:15] == b"SQLite format 3":
                with tempfile.TemporaryDirectory(prefix="gemel-") as folder:
                    path = _copied(entry, beside, Path(folder))
                    try:
                        with closing(sqlite3.connect(path)) as database:
                            database.execute("PRAGMA query_only = 1")
                            yield from _messages(database, entry)
                    except sqlite3.Error as error:
                        raise damaged(entry.name) from error


def _copied(entry: Entry, beside: dict[str, Entry], folder: Path) -> Path:
    with ExitStack() as stack:
        for suffix in ("", "-wal", "-shm"):
            if found := beside.get(entry.name + suffix):
                shutil.copyfile(stack.enter_context(found.on_disk()), folder / f"chat.db{suffix}")
    return folder / "chat.db"


def _messages(database: sqlite3.Connection, entry: Entry) -> Iterator[Item]:
    database.row_factory = sqlite3.Row
    database.text_factory = lambda raw: raw.decode("utf-8", "replace")
    have = {row[1] for row in database.execute("PRAGMA table_info(message)")}
    optional = "".join(f", m.{name}" if name in have else f", NULL AS {name}" for name in _WANTED)
    reactions = _reactions(database, have)
    files = defaultdict(list)
    for row in database.execute(
        "SELECT j.message_id AS id, a.transfer_name AS name FROM message_attachment_join j "
        "JOIN attachment a ON a.ROWID = j.attachment_id"
    ):
        files[row["id"]].append(row["name"] or "")
    people = defaultdict(set)
    for row in database.execute(
        "SELECT j.chat_id AS chat, h.id AS handle FROM chat_handle_join j JOIN handle h ON h.ROWID = j.handle_id"
    ):
        people[row["chat"]].add(str(row["handle"]))
    query = (
        f"SELECT m.ROWID AS id, m.guid, m.text, m.date, m.is_from_me, h.id AS handle, c.ROWID AS chat, "
        f"c.chat_identifier AS thread, c.display_name AS title{optional} FROM message m "
        "JOIN chat_message_join j ON j.message_id = m.ROWID JOIN chat c ON c.ROWID = j.chat_id "
        "LEFT JOIN handle h ON h.ROWID = m.handle_id ORDER BY c.ROWID, m.date, m.ROWID"
    )
    for row in database.execute(query):
        if 2000 <= (row["associated_message_type"] or 0) < 4000:
            continue
        yield _message(row, entry, files[row["id"]], people[row["chat"]], tuple(reactions[str(row["guid"])]))


def _reactions(database: sqlite3.Connection, have: set[str]) -> dict[str, list[Reaction]]:
    """Guid of a message → tapbacks on it; one that was taken back (3000 and up) goes."""
    found: dict[str, dict[tuple[str, int], Reaction]] = defaultdict(dict)
    if "associated_message_type" in have:
        emoji = "m.associated_message_emoji" if "associated_message_emoji" in have else "NULL"
        for type_, target, symbol, mine, handle in database.execute(
            f"SELECT m.associated_message_type, m.associated_message_guid, {emoji}, m.is_from_me, h.id FROM message m "
            "LEFT JOIN handle h ON h.ROWID = m.handle_id WHERE m.associated_message_type >= 2000 ORDER BY m.date"
        ):
            guid = str(target or "").rpartition("/")[2].removeprefix("bp:")
            who = "me" if mine else str(handle or "")
            kind = int(type_) % 1000
            if type_ >= 3000:
                found[guid].pop((who, kind), None)
            else:
                found[guid][who, kind] = Reaction(str(symbol or _TAPBACKS.get(int(type_), "•")), who)
    return defaultdict(list, {guid: list(by.values()) for guid, by in found.items()})


def _message(row: Any, entry: Entry, files: list[str], people: set[str], reactions: tuple[Reaction, ...]) -> Item:
    when = _time(row["date"])
    if when is None:
        return ParseError(source="imessage", file=entry.name, offset=row["id"], reason="a message without a time")
    text = (str(row["text"] or "") or body(row["attributedBody"])).replace(_OBJECT, "").strip()
    sender = "me" if row["is_from_me"] else str(row["handle"] or "")
    notice = bool(row["item_type"]) or not sender
    kind = Kind.text if text else Kind.media
    if files or row["balloon_bundle_id"]:
        kind = Kind.voice if row["is_audio_message"] else Kind.media if files else Kind.link
    if row["date_retracted"]:
        kind, text = Kind.deleted, ""
    reply = row["thread_originator_guid"]
    thread = str(row["thread"] or row["chat"])
    return Message(
        id=stable_id("imessage", row["guid"]),
        source="imessage",
        thread=stable_id("imessage", thread),
        thread_title=str(row["title"] or "") or (", ".join(sorted(people)) or thread),
        group=len(people) > 1,
        time=when,
        precision=Precision.millisecond if row["date"] > _NANOSECONDS else Precision.second,
        sender="" if notice else sender,
        sender_name="" if sender == "me" else sender,
        recipients=tuple(sorted(people)) if sender == "me" and len(people) == 1 else (),
        text=text,
        kind=Kind.system if notice else kind,
        media=tuple(f for f in files if f),
        reply_to=stable_id("imessage", reply) if reply else None,
        edited=bool(row["date_edited"]) and not row["date_retracted"],
        reactions=reactions,
        file=entry.name,
        offset=row["id"],
    )


def _time(value: Any) -> datetime | None:
    if not isinstance(value, int) or value <= 0:
        return None
    try:
        when = _EPOCH + timedelta(microseconds=value / 1000 if value > _NANOSECONDS else value * 1_000_000)
    except OverflowError:
        return None
    return when if when.year < 2100 else None


def body(blob: Any) -> str:
    """The string of an archived attributed text (typedstream): after NSString's class, a length, then UTF-8.

    The length is one byte, or 0x81 and two bytes, or 0x82 and four, little-endian.
    """
    if not isinstance(blob, bytes) or (at := blob.find(b"NSString")) < 0:
        return ""
    at = blob.find(b"+", at)
    if at < 0 or at + 2 > len(blob):
        return ""
    width = {0x81: 2, 0x82: 4}.get(blob[at + 1], 0)
    start = at + 2 + width
    size = int.from_bytes(blob[at + 2 : start], "little") if width else blob[at + 1]
    return blob[start : start + size].decode("utf-8", "replace")
