"""The ledger of consent: what each contact allows, and every change of it, with its time.

The state lives in the people's file; the ledger is a journal beside it that is only added to. It holds
ids and decisions, no names. How a decision reaches what was already made is in `gemel.pipeline.forget`.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gemel.errors import PersonUnknown, Refused
from gemel.people import Consent, People, Person
from gemel.workspace import Workspace

__all__ = ["Decision", "decide", "decisions", "person_called"]


class Decision(NamedTuple):
    """One line of the ledger."""

    time: float
    """Seconds since the epoch."""
    person: str
    before: str
    after: str


def person_called(people: People, name: str) -> Person:
    """The one person of this id, handle or name.

    Raises:
        PersonUnknown: when there is none, or more than one.
    """
    found = people.find(name)
    if len(found) == 1:
        return found[0]
    if not found:
        raise PersonUnknown("nobody here has that name", hint="`gemel privacy report --people` lists everyone.")
    raise PersonUnknown(
        f"{len(found)} people have that name", hint="Give an id instead: " + ", ".join(p.id for p in found)
    )


def decide(workspace: Workspace, person: Person, consent: Consent) -> Person:
    """Set what somebody allows and write it down. The caller holds the workspace's lock.

    Raises:
        Refused: for the person whose twin it is.
    """
    if person.me:
        raise Refused("this is the person whose twin it is", hint="Consent is for the others.")
    changed = replace(person, consent=consent)
    if changed != person:
        workspace.save_people(workspace.people().with_person(changed))
        path = _path(workspace)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        with os.fdopen(os.open(path, flags, 0o600), "a", encoding="utf-8") as file:
            line = Decision(time.time(), person.id, person.consent.value, consent.value)
            file.write(json.dumps(line._asdict()) + "\n")
    return changed


def decisions(workspace: Workspace) -> Iterator[Decision]:
    """Every decision, oldest first."""
    path = _path(workspace)
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            yield Decision(**json.loads(line))


def _path(workspace: Workspace) -> Path:
    return workspace.private / "consent.jsonl"
