"""What a workspace holds, what is replaced in it, and what would be sent where: the facts of the privacy report.

Counts, sizes and ids only; no text and, unless asked for, no names.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from gemel.config import Config
from gemel.people import Person
from gemel.privacy.scrub import Scrubber
from gemel.privacy.topics import topics
from gemel.privacy.unservable import is_unservable
from gemel.privacy.vault import Vault
from gemel.records import Message, Record, read_records
from gemel.track import watch
from gemel.workspace import Manifest, Workspace

__all__ = ["Holdings", "Place", "Sent", "holdings"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One thing on disk."""

    name: str
    what: str
    raw: bool
    """Holds text as it was typed, with names."""
    bytes: int
    count: int | None = None
    unit: str = ""
    mode: str = ""
    """Permissions, e.g. 0600; empty where the system has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """Something that leaves the process when a stage runs."""

    setting: str
    host: str
    local: bool
    """The host is this machine."""
    what: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdings:
    """The whole report."""

    places: tuple[Place, ...]
    people: tuple[Person, ...]
    messages: dict[str, int]
    """Messages by person id."""
    replaced: dict[str, int]
    """Replacements by kind, in all records that consent lets through."""
    entities: dict[str, int]
    """Different things with a pseudonym, by kind."""
    topics: dict[str, int]
    """Records of the owner that touch a sensitive topic."""
    own: int
    """Records of the owner looked at for topics."""
    sent: tuple[Sent, ...]
    unservable: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without names."""
        return {
            "places": [{k: getattr(p, k) for k in Place.__dataclass_fields__} for p in self.places],
            "people": [
                {"id": p.id, "me": p.me, "consent": p.consent.value, "messages": self.messages.get(p.id, 0)}
                for p in self.people
            ],
            "replaced": self.replaced,
            "entities": self.entities,
            "topics": self.topics,
            "own_records": self.own,
            "sent": [{k: getattr(s, k) for k in Sent.__dataclass_fields__} for s in self.sent],
            "unservable": list(self.unservable),
        }


def holdings(workspace: Workspace, config: Config) -> Holdings:
    """Look at a workspace: every record is read and scrubbed once, nothing but the vault is written."""
    people = workspace.people()
    me = people.me
    messages: Counter[str] = Counter()
    touched: Counter[str] = Counter()
    own = 0

    def seen(records: Iterable[Record]) -> Iterator[Record]:
        nonlocal own
        for record in records:
            person = people.by_handle(record.source, record.sender) if isinstance(record, Message) else me
            if person is not None and isinstance(record, Message):
                messages[person.id] += 1
            if person is not None and person.me and not hasattr(record, "essays"):
                own += 1
                touched.update(topics(record.text))
            yield record

    with closing(Vault(workspace.vault_path)) as vault:
        scrubber = Scrubber(vault, people, config.privacy)
        for _ in scrubber.records(seen(watch(_records(workspace), "look", unit="records"))):
            pass
        replaced = {k: n for k, n in scrubber.counts.items() if not k.startswith("topic ")}
        entities = dict(vault.counts())
    runs = sorted(workspace.runs.glob("*/")) if workspace.runs.exists() else []
    return Holdings(
        places=tuple(_places(workspace)),
        people=people.persons,
        messages=dict(messages),
        replaced=dict(sorted(replaced.items())),
        entities=dict(sorted(entities.items())),
        topics=dict(sorted(touched.items())),
        own=own,
        sent=tuple(_sent(config)),
        unservable=tuple(run.name for run in runs if is_unservable(run)),
    )


def _records(workspace: Workspace) -> Iterator[Record]:
    for file in workspace.record_files():
        yield from read_records(file)


def _places(workspace: Workspace) -> Iterator[Place]:
    root = workspace.root
    known = (
        (workspace.inbox, "exports as you put them there", True),
        (workspace.vault_path, "what stands for what", True),
        (workspace.people_path, "who is who, with consent", True),
        (workspace.records, "records as they were typed", True),
        (root / "dataset", "examples, scrubbed", False),
        (workspace.memory_path, "your own words, searchable, scrubbed", False),
        (workspace.card_path, "your measured habits and rules", False),
        (workspace.portrait, "the portrait of your corpus", True),
        (root / "synth", "synthetic data and its cache", False),
        (workspace.runs, "trained voices: weights know what they were trained on", False),
        (root / "evals", "evaluations with replies", False),
        (workspace.feedback_path, "conversations with the twin, ratings, edits", True),
    )
    for path, what, raw in known:
        if path.exists():
            files = [path] if path.is_file() else [f for f in path.rglob("*") if f.is_file()]
            count, unit = _count(workspace, path)
            mode = f"{path.stat().st_mode & 0o777:04o}" if os.name == "posix" else ""
            size = sum(f.stat().st_size for f in files)
            name = path.relative_to(root).as_posix() + ("/" if path.is_dir() else "")
            yield Place(name=name, what=what, raw=raw, bytes=size, count=count, unit=unit, mode=mode)


def _count(workspace: Workspace, path: Path) -> tuple[int | None, str]:
    if path == workspace.records:
        made = [Manifest.read(f.parent) for f in workspace.record_files()]
        return sum(m.counts.get("records", 0) for m in made if m), "records"
    if path == workspace.root / "dataset":
        made = [Manifest.read(f) for f in path.glob("*/")]
        return sum(m.counts.get(s, 0) for m in made if m for s in ("train", "valid", "test", "contacts")), "examples"
    if path == workspace.runs:
        return len(list(path.glob("*/"))), "voices"
    if path == workspace.people_path:
        return len(workspace.people()), "people"
    return None, ""


def _sent(config: Config) -> Iterator[Sent]:
    """Everything that the configuration would send to another process, and what."""
    servers = (
        (
            "model.server",
            config.model.server,
            "your question, the card and the passages of memory that fit it, scrubbed",
        ),
        ("synth.teacher", config.synth.teacher, "the scrubbed text that synthesis is grounded on, and its prompts"),
    )
    for setting, address, what in servers:
        if address:
            host = urlsplit(address if "//" in address else f"//{address}").hostname or address
            yield Sent(setting=setting, host=host, local=host in _LOOPBACK, what=what)
    for sink in config.train.sinks:
        if sink != "tensorboard":
            yield Sent(setting="train.sinks", host=sink, local=False, what="numbers and ids of training, no text")
