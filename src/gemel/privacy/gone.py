"""What was forgotten for good, so that a newer export cannot bring it back.

Messages, threads and sources are known by their ids. Of a person nothing readable is kept: their handles and the
ways to write their names stand as hashes under a key of the vault, so that a name can be recognised but not read.
"""

from __future__ import annotations

from contextlib import closing

from gemel.people import Person
from gemel.privacy.detectors.names import written_names
from gemel.privacy.vault import Vault
from gemel.records import Document, Message, Record
from gemel.text import fold
from gemel.workspace import Workspace

__all__ = ["Gone", "forget_person", "gone_from", "was_forgotten"]

_WHAT = ("message", "thread", "source", "handle", "word")


class Gone:
    """What a vault remembers as forgotten, as of now.

    Args:
        vault: where it is written down, and only read while this is made; None: nothing is.
    """

    def __init__(self, vault: Vault | None) -> None:
        kept = {w: vault.forgotten(w) if vault is not None else frozenset[str]() for w in _WHAT}
        self._messages, self._threads, self._sources, self._handles, self._words = (kept[w] for w in _WHAT)
        self._seal = vault.sealer() if vault is not None and (self._handles or self._words) else None
        self._known: dict[tuple[str, str], bool] = {}

    def __bool__(self) -> bool:
        """Whether anything was forgotten at all."""
        return bool(self._messages or self._threads or self._sources or self._handles or self._words)

    def holds(self, record: Record) -> bool:
        """Whether a record must not come back: itself, its thread, its source or who wrote it was forgotten."""
        if record.id in self._messages or record.source in self._sources:
            return True
        if isinstance(record, Message):
            return record.thread in self._threads or self._handle(record.source, record.sender)
        return isinstance(record, Document) and bool(record.author) and self._handle("", fold(record.author))

    def names(self, word: str) -> bool:
        """Whether a lower-cased word names somebody who was forgotten."""
        return self._seal is not None and self._seal(word) in self._words

    def _handle(self, source: str, handle: str) -> bool:
        if self._seal is None:
            return False
        known = self._known.get((source, handle))
        if known is None:
            known = self._known[source, handle] = self._seal(source, handle) in self._handles
        return known


def gone_from(workspace: Workspace) -> Gone:
    """What was forgotten in a workspace. It can be asked at any time later: everything needed is read now."""
    if not workspace.vault_path.exists():
        return Gone(None)
    with closing(Vault(workspace.vault_path)) as vault:
        return Gone(vault)


def forget_person(vault: Vault, person: Person, time: float) -> None:
    """Write down that a person must not come back, in a form that tells nobody who it was.

    Args:
        time: seconds since the epoch.
    """
    names = [fold(n) for n in person.names]
    handles = [*((h.source, h.id) for h in person.handles), *(("", n) for n in names)]
    vault.mark_forgotten("handle", [vault.seal(*h) for h in handles], time)
    vault.mark_forgotten("person", [vault.seal(n) for n in (person.id, *names)], time)
    vault.mark_forgotten("word", [vault.seal(w) for w in written_names(person)], time)


def was_forgotten(vault: Vault, name: str) -> bool:
    """Whether somebody of this name or id was forgotten."""
    return bool({vault.seal(name), vault.seal(fold(name))} & vault.forgotten("person"))
