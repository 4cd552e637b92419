"""Chats with assistants: the `conversations.json` of ChatGPT and of Claude. The prompts are one's own words.

ChatGPT keeps a tree of edits and retries: the branch that was last open is read, from its end to the root.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source
from gemel.sources._json import array, dictionary, rows, text_of

_CHATGPT = re.compile(r'"mapping"\s*:\s*\{')
_CLAUDE = re.compile(r'"chat_messages"\s*:\s*\[')
_LATEST = 4_102_444_800


@SOURCES.register("assistants")
class Assistants(Source):
    """Offsets are the conversation's position in the file."""

    name = "assistants"
    title = "Chats with assistants"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        head = entry.head_text
        return entry.suffix == "json" and bool(_CHATGPT.search(head) or _CLAUDE.search(head))

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        yield Owner(source=self.name, id="me")
        for entry in entries:
            for index, row in rows(entry):
                fields = dictionary(row)
                if "mapping" in fields:
                    yield from _chatgpt(fields, entry, index)
                elif "chat_messages" in fields:
                    yield from _claude(fields, entry, index)
                else:
                    reason = "a conversation of an unknown kind"
                    yield ParseError(source=self.name, file=entry.name, offset=index, reason=reason)


def _chatgpt(fields: Mapping[str, Any], entry: Entry, index: int) -> Iterator[Item]:
    mapping = dictionary(fields.get("mapping"))
    thread = text_of(fields.get("conversation_id")) or text_of(fields.get("id")) or text_of(fields.get("title"))
    branch, seen = [], set()
    at = text_of(fields.get("current_node")) or next(reversed(mapping), "")
    while at and at not in seen:
        seen.add(at)
        node = dictionary(mapping.get(at))
        branch.append(dictionary(node.get("message")))
        at = text_of(node.get("parent"))
    for message in reversed(branch):
        role = text_of(dictionary(message.get("author")).get("role"))
        content = dictionary(message.get("content"))
        text = "\n".join(p for p in array(content.get("parts")) if isinstance(p, str)).strip()
        if not message or role not in ("user", "assistant") or not text:
            if message:
                yield LeftOut(source="assistants", file=entry.name, offset=index, reason="a tool's or empty turn")
            continue
        when = _seconds(message.get("create_time")) or _seconds(fields.get("create_time"))
        yield _item(thread, fields.get("title"), message.get("id"), when, role == "user", text, entry, index)


def _claude(fields: Mapping[str, Any], entry: Entry, index: int) -> Iterator[Item]:
    for message in map(dictionary, array(fields.get("chat_messages"))):
        text = text_of(message.get("text")) or "\n".join(
            text_of(c.get("text")) for c in map(dictionary, array(message.get("content"))) if c.get("type") == "text"
        )
        if not text.strip():
            yield LeftOut(source="assistants", file=entry.name, offset=index, reason="a tool's or empty turn")
            continue
        own = message.get("sender") == "human"
        thread, when = text_of(fields.get("uuid")), _iso(message.get("created_at"))
        yield _item(thread, fields.get("name"), message.get("uuid"), when, own, text.strip(), entry, index)


def _item(
    thread: str, title: Any, number: Any, when: datetime | None, own: bool, text: str, entry: Entry, index: int
) -> Item:
    if when is None:
        return ParseError(source="assistants", file=entry.name, offset=index, reason="a turn without a time")
    return Message(
        id=stable_id("assistants", thread, number or (when, text)),
        source="assistants",
        thread=stable_id("assistants", thread),
        thread_title=text_of(title),
        time=when,
        precision=Precision.millisecond,
        sender="me" if own else "assistant",
        sender_name="" if own else "Assistant",
        recipients=("assistant",) if own else ("me",),
        text=text,
        kind=Kind.text,
        file=entry.name,
        offset=index,
    )


def _seconds(value: Any) -> datetime | None:
    if isinstance(value, int | float) and 0 < value < _LATEST:
        return datetime.fromtimestamp(value, UTC)
    return None


def _iso(value: Any) -> datetime | None:
    try:
        when = datetime.fromisoformat(text_of(value))
    except ValueError:
        return None
    return when if when.tzinfo else when.replace(tzinfo=UTC)
