"""The twin inside another program of its owner, without a server: for `gemel mcp` and for `llm`.

What is asked and answered passes the same doors as elsewhere: the guard looks at everything that leaves, and
real names appear only where the owner asked for them. The twin is loaded when it is first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from gemel.config import Config
from gemel.examples import Role, Turn
from gemel.model.display import Display
from gemel.model.outgoing import Outgoing
from gemel.model.twin import Twin, load_twin
from gemel.speaker import Citation, Reply, Sampling
from gemel.workspace import Workspace

__all__ = ["Companion", "Found", "Line"]

ANSWERABLE = 0.5
"""Support from which memory is said to know something."""


class Line(NamedTuple):
    """One turn of a conversation."""

    role: Role
    text: str
    name: str = ""


class Found(NamedTuple):
    """What memory has to say."""

    answerable: bool
    support: float
    """Probability that the best passage supports an answer."""
    citations: tuple[Citation, ...]


class Companion:
    """A twin to ask.

    Args:
        workspace: whose.
        config: its configuration.
        names: give real names out and take them in; else pseudonyms stay as they are.
        answer: one of its ways to answer; "": as configured.

    Raises:
        MissingStage: when nothing was built yet.
    """

    def __init__(self, workspace: Workspace, config: Config, *, names: bool = False, answer: str = "") -> None:
        workspace.need(workspace.dataset("main"), "the data set", "gemel build")
        self.workspace, self.config, self.answer = workspace, config, answer
        self._names = names
        self._lock = threading.Lock()
        self._twin: Twin | None = None
        self._display, self._outgoing = Display(workspace, config), Outgoing(workspace, config)

    @property
    def twin(self) -> Twin:
        """The twin, loaded at the first call."""
        with self._lock:
            if self._twin is None:
                self._twin = load_twin(self.workspace, self.config, self.answer or None, batch=4)
            return self._twin

    def stream(self, lines: Sequence[Line], *, sampling: Sampling, way: str = "") -> Iterator[str | Reply]:
        """Pieces of the answer as they may leave, then the whole `Reply`; by the way given, where the twin has it."""
        speaker = self.twin.speakers.get(way, self.twin)
        pieces = self._outgoing.pieces(speaker.stream(self._turns(lines), sampling=sampling))
        done: list[Reply] = []

        def words() -> Iterator[str]:
            for piece in pieces:
                if isinstance(piece, Reply):
                    done.append(piece)
                else:
                    yield piece

        yield from self._display.stream(words()) if self._names else words()
        yield self._shown(done[0])

    def ask(self, lines: Sequence[Line], *, sampling: Sampling, way: str = "") -> Reply:
        """The whole answer."""
        return next(piece for piece in self.stream(lines, sampling=sampling, way=way) if isinstance(piece, Reply))

    def search(self, query: str, count: int) -> Found:
        """The person's own words on something."""
        hits = self.twin.memory.search(self._inward(query), count)
        support = hits[0].score if hits else 0.0
        shown = tuple(c._replace(quote=self._outward(self._outgoing.text(c.quote))) for c in hits)
        return Found(answerable=support >= ANSWERABLE, support=support, citations=shown)

    def close(self) -> None:
        """Let go of the twin and the vault."""
        self._outgoing.close()
        if self._twin is not None:
            self._twin.close()

    def _turns(self, lines: Sequence[Line]) -> list[Turn]:
        twin = self.twin
        usual = {Role.me: twin.me, Role.other: twin.partner}
        return [
            Turn(
                role=line.role,
                parts=tuple(p for p in self._inward(line.text).split("\n") if p.strip()) or ("",),
                name=self._inward(line.name) or usual.get(line.role, ""),
            )
            for line in lines
        ]

    def _shown(self, reply: Reply) -> Reply:
        quotes = tuple(c._replace(quote=self._outward(c.quote)) for c in reply.citations)
        return replace(reply, parts=tuple(map(self._outward, reply.parts)), citations=quotes)

    def _inward(self, text: str) -> str:
        return self._display.inward(text) if self._names else text

    def _outward(self, text: str) -> str:
        return self._display.outward(text) if self._names else text
