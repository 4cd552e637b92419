"""Direct messages of an X (Twitter) archive. Names are numbers there; the owner's number is in `account.js`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source
from gemel.sources._json import array, dictionary, text_of
from gemel.sources._x import account, is_part, parts

_LINK = re.compile(r"^https?://\S+$")
_LISTS = ("direct_messages", "direct_message", "direct_messages_group", "direct_message_group_headers")


@SOURCES.register("x_messages")
class XMessages(Source):
    """Offsets are the conversation's position in the archive's list, from 0."""

    name = "x_messages"
    title = "X messages"

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        return is_part(entry, "account", *_LISTS)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            if is_part(entry, "account"):
                number, name = account(entry)
                if number:
                    yield Owner(source=self.name, id=number, name=name)
                continue
            for index, row in parts(entry):
                conversation = dictionary(row.get("dmConversation"))
                thread = text_of(conversation.get("conversationId"))
                for event in array(conversation.get("messages")):
                    for kind, fields in dictionary(event).items():
                        yield _message(kind, dictionary(fields), thread, entry, index)


def _message(kind: str, row: dict[str, object], thread: str, entry: Entry, index: int) -> Item:
    try:
        when = datetime.fromisoformat(text_of(row.get("createdAt")))
    except ValueError:
        return ParseError(source="x_messages", file=entry.name, offset=index, reason="a message without a time")
    text = text_of(row.get("text"))
    media = tuple(text_of(u).rpartition("/")[2] for u in array(row.get("mediaUrls")))
    spoken = kind == "messageCreate"
    to = text_of(row.get("recipientId"))
    what = Kind.media if media or not text else Kind.link if _LINK.match(text) else Kind.text
    return Message(
        id=stable_id("x_messages", thread, text_of(row.get("id")) or when),
        source="x_messages",
        thread=stable_id("x_messages", thread),
        thread_title=thread,
        group="-" not in thread,
        time=when if when.tzinfo else when.replace(tzinfo=UTC),
        precision=Precision.millisecond,
        sender=text_of(row.get("senderId")) if spoken else "",
        sender_name=text_of(row.get("senderId")),
        recipients=(to,) if to else (),
        text=text,
        kind=what if spoken else Kind.system,
        media=media,
        file=entry.name,
        offset=index,
    )
