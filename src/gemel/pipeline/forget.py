"""`gemel forget` and the reach of consent: what somebody takes back is taken out of everything that was made of it.

Order matters for a kill at any moment: first it is written down that it must not come back and the voices
trained on it are marked, then everything made of it is cleared, the records last; the same command again
finishes. What it cannot reach is said: the export itself, copies elsewhere, what others wrote about the person.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from gemel.errors import DataError
from gemel.examples import read_examples
from gemel.people import Consent, People, Person
from gemel.privacy.common import common_words
from gemel.privacy.consent import decide, person_called
from gemel.privacy.detectors.names import name_words
from gemel.privacy.erase import (
    erase_examples,
    erase_folder,
    erase_lines,
    erase_passages,
    erase_records,
    erase_rows,
)
from gemel.privacy.gone import forget_person, was_forgotten
from gemel.privacy.guard import Quotes
from gemel.privacy.scrub import Scrubber
from gemel.privacy.unservable import is_unservable, mark_unservable
from gemel.privacy.vault import NAME, Vault
from gemel.records import Message, Profile, Record, read_records
from gemel.text import fold
from gemel.track import emit
from gemel.workspace import Manifest, Workspace

__all__ = ["Forgotten", "Kind", "forget", "set_consent"]

Kind = Literal["person", "thread", "message", "source"]
_REMAINS = (
    "exports in inbox/ and wherever else you keep them",
    "what was exported or shared before",
    "what others wrote about it; names in it are replaced from the data set on",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What was taken out, and what was not reached."""

    records: int
    counts: Mapping[str, int]
    """Place → how many rows, lines or files."""
    runs: tuple[str, ...]
    """Voices that must not speak any more."""
    current: str | None
    """The voice that is the twin now, if one is left."""
    remains: tuple[str, ...] = _REMAINS


@dataclass(frozen=True, slots=True)
class _Target:
    """What is to go."""

    kind: Kind
    id: str
    person: Person | None = None

    def holds(self, record: Record) -> bool:
        """Whether a record goes."""
        if self.kind == "source":
            return record.source == self.id
        if self.kind == "message":
            return record.id == self.id
        if not isinstance(record, Message):
            author = getattr(record, "author", "")
            return self.person is not None and bool(author) and fold(author) in {fold(n) for n in self.person.names}
        if self.kind == "thread":
            return record.thread == self.id
        return self.person is not None and (record.source, record.sender) in self._handles()

    def without(self, record: Record) -> Record | None:
        """The record without the person's reactions, address and name in titles; None when it goes as a whole."""
        if self.holds(record):
            return None
        if self.person is None or not isinstance(record, Message):
            return record
        handles = {h for s, h in self._handles() if s == record.source}
        reactions = tuple(r for r in record.reactions if r.sender not in handles)
        recipients = tuple(r for r in record.recipients if r not in handles)
        title = "" if self.named(record.thread_title) else record.thread_title
        file = "" if self.named(record.file) else record.file
        changed = replace(record, reactions=reactions, recipients=recipients, thread_title=title, file=file)
        return record if changed == record else changed

    def named(self, text: str) -> bool:
        """Whether a title or the name of a file has the person's name in it."""
        folded = fold(text)
        return self.person is not None and any(fold(n) in folded for n in self.person.names if n)

    def _handles(self) -> set[tuple[str, str]]:
        return {(h.source, h.id) for h in self.person.handles} if self.person else set()


def forget(workspace: Workspace, kind: Kind, which: str) -> Forgotten:
    """Forget a person (name, handle or id), a thread (id or title), a message (id) or a source (name).

    Raises:
        DataError: when there is no such thing, or more than one.
        Refused: when it is the person whose twin it is.
    """
    with workspace.lock("forget"):
        target = _target(workspace, kind, which)
        if target.person is not None:
            decide(workspace, target.person, Consent.exclude)
        done = _clear(workspace, target, records=True)
        if target.person is not None:  # last, so that a killed run can be repeated by the same name
            workspace.save_people(People(p for p in workspace.people() if p.id != target.id))
        return done


def set_consent(workspace: Workspace, name: str, consent: Consent) -> Forgotten | None:
    """Set what a contact allows. Excluding somebody clears what was made of their words; the records stay.

    Raises:
        PersonUnknown: when there is nobody of that name, or more than one.
        Refused: when it is the person whose twin it is.
    """
    with workspace.lock("consent"):
        person = person_called(workspace.people(), name)
        decide(workspace, person, consent)
        if consent is not Consent.exclude:
            return None
        return _clear(workspace, _Target("person", person.id, person), records=False)


def _target(workspace: Workspace, kind: Kind, which: str) -> _Target:
    people = workspace.people()
    with closing(Vault(workspace.vault_path)) as vault:
        if kind == "person" and not people.find(which) and was_forgotten(vault, which):
            return _Target(kind, "")
        earlier = vault.forgotten(kind)
    if kind == "person":
        person = person_called(people, which)
        return _Target(kind, person.id, person)
    found = {which} if which in earlier else set[str]()
    for record in _records(workspace):
        if (kind == "source" and record.source == which) or (kind == "message" and record.id == which):
            found.add(which)
        elif kind == "thread" and isinstance(record, Message) and which in (record.thread, record.thread_title):
            found.add(record.thread)
    if not found:
        raise DataError(f"there is no such {kind}", hint="`gemel privacy report` lists sources and people.")
    if len(found) > 1:
        raise DataError(f"{len(found)} threads have that title", hint="Give an id: " + ", ".join(sorted(found)))
    return _Target(kind, found.pop())


def _records(workspace: Workspace) -> Iterator[Record]:
    for file in workspace.record_files():
        yield from read_records(file)


def _clear(workspace: Workspace, target: _Target, *, records: bool) -> Forgotten:
    gone = [r for r in _records(workspace) if target.holds(r)]
    ids = frozenset(r.id for r in gone)
    counts: Counter[str] = Counter()
    with closing(Vault(workspace.vault_path)) as vault:
        if records:
            _write_down(vault, target, ids)
        names = _names(vault, workspace.people(), target.person)
        touched = _touched(workspace, ids) if ids else frozenset[str]()
        runs = _mark(workspace, touched, target.kind) if ids else ()
        for run in runs:
            counts["evaluations"] += erase_folder(workspace.eval(run))
        _clear_made(workspace, target, gone, names, counts)
        if records:
            counts["vault"] += _clear_vault(vault, workspace.people(), gone, target.person)
    if records:
        for file in workspace.record_files():
            if target.kind != "source" or file.parent.name == target.id:
                counts["records"] += erase_records(file, target.without, target.named)
    emit("forget.done", kind=target.kind, concerned=len(gone), runs=len(runs), **counts)
    return Forgotten(records=len(gone), counts=dict(+counts), runs=runs, current=workspace.current())


def _write_down(vault: Vault, target: _Target, ids: Iterable[str]) -> None:
    """That it must not come back."""
    if target.person is not None:
        forget_person(vault, target.person, time.time())
    elif target.id:
        vault.mark_forgotten(target.kind, [target.id], time.time())
    vault.mark_forgotten("message", ids, time.time())


def _clear_made(
    workspace: Workspace, target: _Target, gone: list[Record], names: frozenset[str], counts: Counter[str]
) -> None:
    """Everything that was made of the records."""
    ids = frozenset(r.id for r in gone)
    person = target.person.id if target.person else ""
    for folder in sorted((workspace.root / "dataset").glob("*/")):
        counts["examples"] += erase_examples(folder, ids, person)
    counts["memory"] += erase_passages(workspace.memory_path, sorted(ids))
    quotes = Quotes.of(t for r in gone for t in _texts(r))
    counts["feedback"] += erase_rows(workspace.feedback_path, ids, quotes, names)
    for file in sorted((workspace.root / "synth").glob("*.jsonl")):
        counts["synthetic"] += erase_lines(file, ids)
    if ids:
        for cache in _caches(workspace):
            counts["caches"] += erase_folder(cache)


def _caches(workspace: Workspace) -> list[Path]:
    """What can be made again and may hold forgotten words."""
    synth = workspace.root / "synth"
    beside = [p for p in synth.iterdir() if p.suffix != ".jsonl"] if synth.exists() else []
    made = [workspace.root / "cache", workspace.portrait, workspace.card_path, *workspace.private.glob("others-*.u64")]
    return [*beside, *made]


def _texts(record: Record) -> Iterable[str]:
    return record.essays.values() if isinstance(record, Profile) else (record.text,)


def _names(vault: Vault, people: People, person: Person | None) -> frozenset[str]:
    """Words that mean a person in conversations with the twin: their pseudonyms, names that are theirs alone."""
    if person is None:
        return frozenset()
    words = {w.lower() for n in person.names for w in name_words(n)}
    others = {w.lower() for p in people if p.id != person.id for n in p.names for w in name_words(n)}
    pseudonyms = {form.lower() for form in vault.pseudonyms(NAME, person.id)}
    return frozenset(words - others - common_words() | pseudonyms)


def _clear_vault(vault: Vault, people: People, gone: list[Record], person: Person | None) -> int:
    """Pseudonyms of the person, and of the numbers and addresses that stood in what is gone."""
    forms = vault.remove(NAME, person.id) if person else 0
    scrubber = Scrubber(vault, People(p for p in people if person is None or p.id != person.id))
    for record in gone:
        for text in _texts(record):
            for span in scrubber.findings(text):
                if span.kind != NAME:
                    forms += vault.remove(span.kind, span.key or text[span.start : span.end])
    return forms


def _touched(workspace: Workspace, ids: frozenset[str]) -> frozenset[str]:
    """Data sets that hold an example made of these records."""
    out = set()
    for folder in (workspace.root / "dataset").glob("*/"):
        for file in folder.glob("*.parquet"):
            for example in read_examples(file):
                if not ids.isdisjoint(example.provenance) or any(not ids.isdisjoint(t.ids) for t in example.turns):
                    out.add(folder.name)
                    break
    return frozenset(out)


def _mark(workspace: Workspace, touched: frozenset[str], kind: str) -> tuple[str, ...]:
    """Mark the voices that may know what is gone: those trained on a data set that held it, or on one that is
    no longer the one on disk, of which that cannot be said.
    """
    marked = []
    for folder in sorted(workspace.runs.glob("*/")) if workspace.runs.exists() else []:
        manifest = Manifest.read(folder)
        if manifest is not None and _may_know(workspace, manifest, touched):
            mark_unservable(folder, f"a {kind} it was trained on was forgotten or excluded")
            marked.append(folder.name)
    current = workspace.current()
    if current is not None and is_unservable(workspace.run(current)):
        workspace.promote(_fallback(workspace), reason="the voice before knew something that was forgotten")
    return tuple(marked)


def _may_know(workspace: Workspace, run: Manifest, touched: frozenset[str]) -> bool:
    name = str(run.extra.get("dataset", ""))
    built = Manifest.read(workspace.dataset(name)) if name else None
    same = built is not None and built.fingerprint == run.inputs.get("dataset")
    return name in touched or not same


def _fallback(workspace: Workspace) -> str | None:
    """The voice promoted most recently before that may still speak."""
    history = json.loads(workspace.current_path.read_text(encoding="utf-8")).get("history", [])
    for entry in history:
        run = entry.get("run")
        if run and workspace.run(run).exists() and not is_unservable(workspace.run(run)):
            return str(run)
    return None
