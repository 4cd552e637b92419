"""The last look at what a twin says, on every way out: serve, talk, drafts.

Eight words in a row of somebody else are cut, what the detectors find becomes a tag. Text that is streamed waits
for its last words. What was changed carries no log-probabilities: they would tell what stood there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from gemel.config import Config
from gemel.privacy.guard import Guard, guard_of
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.speaker import Citation, Reply
from gemel.workspace import Workspace

__all__ = ["Outgoing"]


class Outgoing:
    """The guard of a workspace as its records and people are now.

    Args:
        workspace: whose records, people and vault.
        config: `privacy`.
    """

    def __init__(self, workspace: Workspace, config: Config) -> None:
        self._workspace, self._section = workspace, config.privacy
        self._lock = threading.RLock()
        self._vault: Vault | None = None
        self._made: tuple[Any, ...] | None = None
        self._guard: Guard | None = None

    def text(self, text: str) -> str:
        """One text as it may leave."""
        with self._lock:
            return self.guard().clean(text) if text else text

    def pieces(self, pieces: Iterable[str | Reply]) -> Iterator[str | Reply]:
        """A reply as it is streamed: pieces as they may leave, then the `Reply` made of them."""
        with self._lock:
            window = self.guard().window()
        raw, said, held = "", "", ""
        for piece in pieces:
            if isinstance(piece, Reply):
                with self._lock:
                    rest = window.add(held) + window.end()
                said += rest
                if rest:
                    yield rest
                yield self._reply(piece, said, changed=said != raw)
                return
            raw += piece
            held += piece
            if not any(c.isspace() for c in held):
                yield ""  # nothing to look at inside a word, but whoever listens may leave
                continue
            with self._lock:
                ready = window.add(held)
            held = ""
            said += ready
            yield ready

    def guard(self) -> Guard:
        """The guard; made anew when records or people have changed."""
        with self._lock:
            made = self._state()
            if self._guard is None or made != self._made:
                self._workspace.prepare()
                self._vault = self._vault or Vault(self._workspace.vault_path)
                scrubber = Scrubber(self._vault, self._workspace.people(), self._section)
                self._guard, self._made = guard_of(self._workspace, scrubber), made
            return self._guard

    def close(self) -> None:
        """Let go of the vault."""
        with self._lock:
            if self._vault is not None:
                self._vault.close()
            self._vault = self._guard = None

    def _reply(self, reply: Reply, said: str, *, changed: bool) -> Reply:
        citations = tuple(Citation(c.record, self.text(c.quote), c.score, c.title) for c in reply.citations)
        if not changed and citations == reply.citations:
            return reply
        extra = {k: v for k, v in reply.extra.items() if k not in ("chances", "candidates")} if changed else reply.extra
        parts = tuple(p for p in said.split("\n") if p.strip()) or ("",)
        return replace(reply, parts=parts if changed else reply.parts, citations=citations, extra=extra)

    def _state(self) -> tuple[Any, ...]:
        places = [*self._workspace.record_files(), self._workspace.people_path]
        return tuple((p, p.stat().st_mtime_ns) for p in places if p.exists())
