"""One human across handles and apps, with consent; pseudonyms hang on the person, not the handle."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from gemel.text import fold

__all__ = ["Consent", "Handle", "People", "Person"]


class Consent(StrEnum):
    """What may be done with somebody's messages. The default keeps others' words out of what is learned."""

    include = "include"  # may be learned from
    context = "context"  # stands as context of the person's own turns, pseudonymised
    exclude = "exclude"  # removed everywhere, also as context


class Handle(NamedTuple):
    """How one app knows somebody."""

    source: str
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One human."""

    id: str
    name: str
    handles: tuple[Handle, ...]
    me: bool = False
    consent: Consent = Consent.context
    aliases: tuple[str, ...] = ()
    """Nicknames and other names the owner gave or that were found in the chats."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every distinct name of the person, the chosen one first."""
        return tuple(dict.fromkeys([self.name, *(h.name for h in self.handles if h.name), *self.aliases]))


class People:
    """All persons of a workspace, found by handle. Immutable in use: changes make a new one."""

    def __init__(self, persons: Iterable[Person] = ()) -> None:
        self.persons = tuple(persons)
        self._by_handle = {(h.source, h.id): p for p in self.persons for h in p.handles}
        self._by_id = {p.id: p for p in self.persons}

    def __iter__(self) -> Iterator[Person]:
        return iter(self.persons)

    def __len__(self) -> int:
        return len(self.persons)

    @property
    def me(self) -> Person | None:
        """The person whose twin is made, once known."""
        return next((p for p in self.persons if p.me), None)

    def by_handle(self, source: str, handle: str) -> Person | None:
        """Who is behind a platform's id."""
        return self._by_handle.get((source, handle))

    def by_id(self, person: str) -> Person | None:
        """The person of this id."""
        return self._by_id.get(person)

    def find(self, name: str) -> list[Person]:
        """Everyone who has this id, handle or name, ignoring case and spacing."""
        wanted = fold(name)
        return [
            p
            for p in self.persons
            if wanted in {fold(n) for n in p.names} or wanted in {p.id, *(fold(h.id) for h in p.handles)}
        ]

    def with_person(self, person: Person) -> People:
        """The same people with one added or replaced (by id)."""
        kept = [person if p.id == person.id else p for p in self.persons]
        return People(kept if person.id in self._by_id else [*kept, person])

    def with_me(self, person: str) -> People:
        """The same people with `person` (an id) as the one whose twin is made."""
        return People(replace(p, me=p.id == person) for p in self.persons)

    def save(self, path: Path) -> None:
        """Write as JSON; the caller makes the write atomic."""
        rows = [
            {
                "id": p.id,
                "name": p.name,
                "me": p.me,
                "consent": p.consent.value,
                "aliases": list(p.aliases),
                "handles": [list(h) for h in p.handles],
            }
            for p in self.persons
        ]
        path.write_text(json.dumps(rows, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> People:
        """Read what `save` wrote; nobody if there is no file."""
        if not path.exists():
            return cls()
        return cls(
            Person(
                id=row["id"],
                name=row["name"],
                me=row["me"],
                consent=Consent(row["consent"]),
                aliases=tuple(row["aliases"]),
                handles=tuple(Handle(*h) for h in row["handles"]),
            )
            for row in json.loads(path.read_text(encoding="utf-8"))
        )
