"""Slack's export: a zip or folder with users.json, lists of channels, and a folder per channel with a file per day.

Text comes from the rich-text blocks where they are, for the plain field may be cut. Mentions, channels and
links are written out; bots and joins are left out or marked. The export does not say whose it is.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, Reaction, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source
from gemel.sources._json import array, dictionary, rows, text_of

_DAY = re.compile(r"\d{4}-\d\d-\d\d\.json$")
_LISTS = ("channels.json", "groups.json", "dms.json", "mpims.json")
_USERS = ("users.json", "org_users.json")
_MESSAGE = re.compile(r'"ts"\s*:\s*"\d{9,11}\.\d+"')
_MARKED = re.compile(r"<([@#!]?)([^<>|]*)(?:\|([^<>]*))?>")
_LINK = re.compile(r"^https?://\S+$")
_SPOKEN = frozenset({"", "me_message", "thread_broadcast", "file_share", "file_comment"})
_LATEST = 4_102_444_800


@SOURCES.register("slack")
class Slack(Source):
    """Offsets are positions in the day's list, from 0."""

    name = "slack"
    title = "Slack"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        last, head = entry.parts[-1], entry.head_text
        if last in _USERS:
            return '"profile"' in head and '"id"' in head
        if last in _LISTS:
            return '"members"' in head and '"id"' in head
        return bool(_DAY.search(last)) and _MESSAGE.search(head) is not None

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        names: dict[str, str] = {}
        channels: dict[str, tuple[str, bool]] = {}
        members: dict[str, list[str]] = {}
        days: list[Entry] = []
        for entry in entries:
            if entry.parts[-1] in _USERS:
                names |= dict(_user(dictionary(row)) for _, row in rows(entry))
            elif entry.parts[-1] in _LISTS:
                single = entry.parts[-1] == "dms.json"
                for row in (dictionary(r) for _, r in rows(entry)):
                    label = text_of(row.get("name")) or text_of(row.get("id"))
                    channels[label] = (text_of(row.get("id")), not single)
                    if single:
                        members[label] = array(row.get("members"))
            else:
                days.append(entry)
        for entry in sorted(days, key=lambda e: e.parts):
            folder = entry.parts[-2] if len(entry.parts) > 1 else entry.stem
            title = ", ".join(names.get(text_of(m), text_of(m)) for m in members.get(folder, ())) or folder
            yield from _day(entry, title, *channels.get(folder, (folder, True)), names)


def _user(row: Mapping[str, Any]) -> tuple[str, str]:
    profile = dictionary(row.get("profile"))
    fields = (profile.get("display_name"), profile.get("real_name"), row.get("real_name"), row.get("name"))
    return text_of(row.get("id")), next((f for f in map(text_of, fields) if f), text_of(row.get("id")))


def _day(entry: Entry, title: str, channel: str, group: bool, names: Mapping[str, str]) -> Iterator[Item]:
    for index, row in rows(entry):
        fields = dictionary(row)
        try:
            seconds = float(fields["ts"])
        except (KeyError, TypeError, ValueError):
            seconds = -1.0
        if not 0 < seconds < _LATEST:
            yield ParseError(source="slack", file=entry.name, offset=index, reason="a message without a time")
            continue
        subtype, user = text_of(fields.get("subtype")), text_of(fields.get("user"))
        if subtype == "bot_message" or fields.get("bot_id") or user == "USLACKBOT":
            yield LeftOut(source="slack", file=entry.name, offset=index, reason="written by a bot")
            continue
        text = _blocks(fields.get("blocks"), names) or plain(text_of(fields.get("text")), names)
        files = [text_of(f.get("name")) for f in map(dictionary, array(fields.get("files")))]
        root = text_of(fields.get("thread_ts"))
        spoken = subtype in _SPOKEN and bool(user)
        yield Message(
            id=stable_id("slack", channel, fields["ts"], user),
            source="slack",
            thread=stable_id("slack", channel),
            thread_title=title,
            group=group,
            time=datetime.fromtimestamp(seconds, UTC),
            precision=Precision.millisecond,
            sender=user if spoken else "",
            sender_name=names.get(user, user),
            text=text,
            kind=_kind(text, files, spoken, subtype),
            media=tuple(f for f in files if f),
            reply_to=stable_id("slack", channel, root, text_of(fields.get("parent_user_id")))
            if root and root != fields["ts"]
            else None,
            edited="edited" in fields,
            reactions=tuple(_reactions(fields.get("reactions"))),
            file=entry.name,
            offset=index,
        )


def _kind(text: str, files: Sequence[str], spoken: bool, subtype: str) -> Kind:
    if subtype == "tombstone":
        return Kind.deleted
    if not spoken:
        return Kind.system
    if files or not text:
        return Kind.media
    return Kind.link if _LINK.match(text) else Kind.text


def _reactions(value: Any) -> Iterator[Reaction]:
    for reaction in map(dictionary, array(value)):
        for user in array(reaction.get("users")):
            yield Reaction(f":{text_of(reaction.get('name'))}:", text_of(user))


def plain(text: str, names: Mapping[str, str]) -> str:
    """Slack's markup written out: `<@U1>` → @name, `<#C1|name>` → #name, `<url|label>` → label, entities."""

    def written(match: re.Match[str]) -> str:
        mark, target, label = match[1], match[2], match[3]
        if mark == "@":
            return f"@{label or names.get(target, target)}"
        if mark in ("#", "!"):
            return f"{'#' if mark == '#' else '@'}{label or target}"
        return label or target.removeprefix("mailto:")

    return html.unescape(_MARKED.sub(written, text))


def _blocks(value: Any, names: Mapping[str, str]) -> str:
    """The text of rich-text blocks; "" where there are none."""
    blocks = [b for b in map(dictionary, array(value)) if b.get("type") == "rich_text"]
    return "".join(_element(e, names) for block in blocks for e in array(block.get("elements"))).strip("\n")


def _element(value: Any, names: Mapping[str, str], depth: int = 0) -> str:
    element = dictionary(value)
    inner = array(element.get("elements"))
    match element.get("type"):
        case "text":
            return text_of(element.get("text"))
        case "link":
            return text_of(element.get("text")) or text_of(element.get("url"))
        case "emoji":
            return _emoji(element)
        case "user":
            user = text_of(element.get("user_id"))
            return f"@{names.get(user, user)}"
        case "broadcast":
            return f"@{text_of(element.get('range'))}"
    if depth > 8:
        return ""
    joined = "".join(_element(e, names, depth + 1) for e in inner)
    return (
        f"{joined}\n" if element.get("type") in ("rich_text_section", "rich_text_preformatted") and joined else joined
    )


def _emoji(element: Mapping[str, Any]) -> str:
    try:
        return "".join(chr(int(code, 16)) for code in text_of(element.get("unicode")).split("-")) or _name(element)
    except (ValueError, OverflowError):
        return _name(element)


def _name(element: Mapping[str, Any]) -> str:
    return f":{text_of(element.get('name'))}:"
