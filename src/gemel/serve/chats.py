"""Chat by chat, what was imported: who is in it, how much of it is the owner's, and what would be replaced.

It answers the question that is asked before anything is learned: shall this chat take part? Only the owner's
own device may ask, since a preview quotes messages as they were typed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import groupby

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gemel.config import Config
from gemel.people import People
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.records import Message, read_records
from gemel.serve.access import need
from gemel.serve.house import House
from gemel.serve.own import ERRORS
from gemel.workspace import Workspace

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["privacy"], responses=ERRORS)
LOOKED = 300
"""Messages of a chat that are looked through, the first ones."""
LINES = 3
"""Lines of a preview."""
WIDTH = 200
"""Characters of a line at most."""


class PreviewLine(BaseModel):
    """A message before and after replacing."""

    before: str
    after: str


class ChatInfo(BaseModel):
    """One chat of the import."""

    id: str
    source: str
    title: str
    messages: int
    own: int
    """Messages of the owner."""
    people: list[str]
    """Ids of the others, who wrote most first."""
    first: float | None
    last: float | None
    """Unix seconds of the first and the last message."""
    looked: int
    """Messages that were looked through for what follows."""
    replaced: dict[str, int]
    """Replacements by kind."""
    preview: list[PreviewLine]


@dataclass(slots=True)
class _Chat:
    """A chat while it is read."""

    source: str
    title: str = ""
    own: int = 0
    times: list[float] = field(default_factory=list)
    writers: Counter[str] = field(default_factory=Counter)
    messages: int = 0
    texts: list[str] = field(default_factory=list)

    def read(self, messages: Iterable[Message], people: People) -> None:
        for message in messages:
            person = people.by_handle(message.source, message.sender)
            self.messages += 1
            self.title = self.title or message.thread_title
            if person is not None and person.me:
                self.own += 1
            elif person is not None:
                self.writers[person.id] += 1
            if message.time is not None:
                self.times.append(message.time.timestamp())
            if message.text and len(self.texts) < LOOKED:
                self.texts.append(message.text)


@router.get("/chats")
async def chats(request: Request) -> list[ChatInfo]:
    """Every chat, the one with most messages first."""
    need(request, "admin")
    need(request, "names")
    house: House = request.app.state.house
    found: list[ChatInfo] = await house.run(_chats, house.workspace, house.config)
    return found


def _chats(workspace: Workspace, config: Config) -> list[ChatInfo]:
    people, held = workspace.people(), dict[str, _Chat]()
    for path in workspace.record_files():
        messages = (r for r in read_records(path) if isinstance(r, Message))
        for thread, group in groupby(messages, key=lambda m: m.thread):
            held.setdefault(thread, _Chat(path.parent.name)).read(group, people)
    with closing(Vault(workspace.vault_path)) as vault:
        scrubber = Scrubber(vault, people, config.privacy)
        told = [_told(thread, chat, scrubber) for thread, chat in held.items()]
    return sorted(told, key=lambda c: -c.messages)


def _told(thread: str, chat: _Chat, scrubber: Scrubber) -> ChatInfo:
    before = Counter(scrubber.counts)
    clean = scrubber.texts(chat.texts)
    return ChatInfo(
        id=thread,
        source=chat.source,
        title=chat.title,
        messages=chat.messages,
        own=chat.own,
        people=[p for p, _ in chat.writers.most_common()],
        first=min(chat.times, default=None),
        last=max(chat.times, default=None),
        looked=len(chat.texts),
        replaced=dict(sorted((scrubber.counts - before).items())),
        preview=list(_preview(chat.texts, clean)),
    )


def _preview(before: list[str], after: list[str | None]) -> Iterator[PreviewLine]:
    """The shortest messages in which something is replaced: they say the most at a glance."""
    changed = [(b, a) for b, a in zip(before, after) if a is not None and a != b]
    for b, a in sorted(changed, key=lambda pair: len(pair[0]))[:LINES]:
        yield PreviewLine(before=b[:WIDTH], after=a[:WIDTH])
