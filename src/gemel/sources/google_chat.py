"""Google Chat from Takeout: `Groups/…/messages.json` with `group_info.json`; `Users/…/user_info.json` is the owner."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source
from gemel.sources._json import array, dictionary, rows, text_of

_MESSAGES = re.compile(r'"messages"\s*:\s*\[\s*\{\s*"creator"\s*:')
_GROUP = re.compile(r'"members"\s*:\s*\[\s*\{\s*"name"\s*:')
_USER = re.compile(r'"user"\s*:\s*\{\s*"name"\s*:')
_LINK = re.compile(r"^https?://\S+$")
_TIME = re.compile(r"\w+, (\w+) (\d{1,2}), (\d{4}) at (\d{1,2}):(\d\d):(\d\d)[\s\u202f]?([AP]M)? ?UTC")
_MONTHS = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)


@SOURCES.register("google_chat")
class GoogleChat(Source):
    """Offsets are positions in the file's list of messages, from 0."""

    name = "google_chat"
    title = "Google Chat"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head_text
        match entry.parts[-1]:
            case "user_info.json":
                return _USER.search(head) is not None
            case "group_info.json":
                return _GROUP.search(head) is not None
        return entry.suffix == "json" and _MESSAGES.search(head) is not None

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        titles: dict[tuple[str, ...], str] = {}
        names: dict[str, str] = {}
        me = ""
        for entry in entries:
            if entry.parts[-1] == "user_info.json":
                user = dictionary(dictionary(_whole(entry)).get("user"))
                me = _handle(user)
                yield Owner(source=self.name, id=me, name=text_of(user.get("name")))
            elif entry.parts[-1] == "group_info.json":
                info = dictionary(_whole(entry))
                members = [dictionary(m) for m in array(info.get("members"))]
                names |= {_handle(m): text_of(m.get("name")) for m in members}
                groups[entry.parts[:-1]] = tuple(map(_handle, members))
                titles[entry.parts[:-1]] = text_of(info.get("name"))
        for entry in entries:
            if entry.parts[-1] not in ("user_info.json", "group_info.json"):
                place = entry.parts[:-1]
                others = (names.get(m, m) for m in groups.get(place, ()) if m != me)
                title = titles.get(place) or ", ".join(others) or entry.parts[-2 if len(entry.parts) > 1 else -1]
                for index, row in rows(entry, "messages"):
                    yield _message(dictionary(row), title, groups.get(place, ()), entry, index)


def _whole(entry: Entry) -> Any:
    from gemel.sources._json import JsonStream

    with entry.open() as file:
        return JsonStream(file, entry.name).value()


def _handle(user: Mapping[str, Any]) -> str:
    return text_of(user.get("email")) or text_of(user.get("name"))


def _message(row: Mapping[str, Any], title: str, members: Sequence[str], entry: Entry, index: int) -> Item:
    creator = dictionary(row.get("creator"))
    if creator.get("user_type") == "Bot":
        return LeftOut(source="google_chat", file=entry.name, offset=index, reason="written by a bot")
    when = _time(text_of(row.get("created_date")))
    if when is None:
        return ParseError(source="google_chat", file=entry.name, offset=index, reason="a message without a time")
    sender, text = _handle(creator), text_of(row.get("text"))
    deleted = row.get("message_state") == "DELETED"
    files = tuple(text_of(f.get("export_name")) for f in map(dictionary, array(row.get("attached_files"))))
    folder = entry.parts[-2] if len(entry.parts) > 1 else entry.stem
    kind = (
        Kind.deleted if deleted else Kind.media if files or not text else Kind.link if _LINK.match(text) else Kind.text
    )
    others = [m for m in members if m != sender]
    return Message(
        id=stable_id("google_chat", text_of(row.get("message_id")) or (folder, index)),
        source="google_chat",
        thread=stable_id("google_chat", folder),
        thread_title=title,
        group=len(members) > 2 or folder.startswith("Space"),
        time=when,
        sender=sender,
        sender_name=text_of(creator.get("name")),
        recipients=tuple(others) if len(members) == 2 else (),
        text=text,
        kind=kind,
        media=files,
        edited="updated_date" in row,
        file=entry.name,
        offset=index,
    )


def _time(text: str) -> datetime | None:
    """ "Saturday, June 3, 2023 at 1:55:01 PM UTC", with a narrow space before PM in newer exports."""
    match = _TIME.search(text)
    if not match or match[1] not in _MONTHS:
        return None
    hour = int(match[4]) % 12 + 12 * (match[7] == "PM") if match[7] else int(match[4])
    try:
        return datetime(
            int(match[3]), _MONTHS.index(match[1]) + 1, int(match[2]), hour, int(match[5]), int(match[6]), tzinfo=UTC
        )
    except ValueError:
        return None
