"""Small made-up chats for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from gemel.people import Consent, Handle, People, Person
from gemel.records import Kind, Message, Record

START = datetime(2024, 1, 1, 9, tzinfo=UTC)
PEOPLE = People(
    [
        Person(id="me", name="Ada", handles=(Handle("chat", "ada", "Ada"),), me=True),
        Person(id="bob", name="Bob", handles=(Handle("chat", "bob", "Bob"),)),
        Person(id="cyd", name="Cyd", handles=(Handle("chat", "cyd", "Cyd"),)),
        Person(id="dan", name="Dan", handles=(Handle("chat", "dan", "Dan"),), consent=Consent.exclude),
    ]
)


class Plain:
    """A scrubber that keeps the text and leaves out whom consent excludes, or messages with `SECRET`."""

    def records(self, records: Iterable[Record]) -> Iterator[Record | None]:
        for record in records:
            person = PEOPLE.by_handle("chat", record.sender) if isinstance(record, Message) else None
            gone = person is not None and person.consent is Consent.exclude
            gone = gone or (isinstance(record, Message) and "SECRET" in record.text)
            yield None if gone else record

    def name(self, source: str, handle: str, shown_name: str = "") -> str:
        return f"<{handle}>"


def chat(
    lines: Sequence[tuple[str, str]],
    *,
    thread: str = "t",
    start: datetime | None = START,
    step: float = 30.0,
    group: bool = False,
    gaps: Sequence[float] = (),
    kind: Kind = Kind.text,
) -> list[Message]:
    """Messages from (sender, text), `step` seconds apart or by `gaps` (seconds before each)."""
    messages, now = [], start
    for i, (sender, text) in enumerate(lines):
        if now is not None:
            now += timedelta(seconds=gaps[i] if gaps else step * bool(i))
        messages.append(
            Message(
                id=f"{thread}-{i}",
                source="chat",
                thread=thread,
                group=group,
                time=now,
                sender=sender,
                sender_name=sender.title(),
                text=text,
                kind=kind,
            )
        )
    return messages
