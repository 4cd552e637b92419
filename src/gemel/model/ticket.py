"""What the engine is asked for and what it gives back: a request, its ticket on the way, its result.

Tokens only; text, names and stop strings are the voice's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor

from gemel.model.draw import Chances, Dice, Warmth

__all__ = ["Generated", "Request", "Ticket", "Totals"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What to go on from, and how."""

    ids: Sequence[int]
    """The prompt; at least one token."""
    max_tokens: int = 200
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    stop_ids: frozenset[int] = frozenset()
    banned: frozenset[int] = frozenset()
    """Tokens that are never drawn."""
    never: Callable[[list[int]], frozenset[int]] | None = None
    """Told all tokens so far, those that may not be drawn next."""
    min_tokens: int = 1
    """Tokens before a stop token may be drawn."""
    stop: Callable[[list[int]], bool] | None = None
    """Told all tokens so far after each one; True ends the reply."""
    top: int | None = None
    """How many alternatives' log-probabilities are wanted with each token's; None: no log-probabilities."""
    z: Tensor | None = None
    """Trait vector (d,) for a spliced model; None: the base as it is."""
    adapter: str = ""
    """Which adapter of the engine's answers; "": the model as it was loaded."""
    warmth: Warmth | None = None
    """Moves the temperature with what the next token leaves open; None: it stays."""
    given: Sequence[int] = ()
    """A reply whose log-probabilities are wanted; nothing is drawn, and the result holds one chance a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """What came out."""

    ids: tuple[int, ...]
    """Without the stop token."""
    finish: str
    """stop, length, cancelled, or scored for a given reply."""
    chances: tuple[Chances, ...] = ()
    """One a token where `top` was given."""
    reused: int = 0
    """Prompt tokens that needed no reading."""
    first: float = 0.0
    """Seconds from submission to the first token."""
    seconds: float = 0.0


@dataclass(slots=True)
class Totals:
    """Counters since the engine began, for metrics and health."""

    requests: int = 0
    tokens: int = 0
    read: int = 0
    """Prompt tokens read."""
    reused: int = 0
    """Prompt tokens found in a slot."""
    steps: int = 0
    cancelled: int = 0


class Ticket:
    """A request on its way. Iterating gives tokens as they come; `result` waits for the end."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.ids: list[int] = []
        self.chances: list[Chances] = []
        self.reused = 0
        self.dice = Dice(request.temperature, request.top_p, request.seed, warmth=request.warmth)
        self._born = time.monotonic()
        self._first = 0.0
        self._cancelled = threading.Event()
        self._events: queue.SimpleQueue[int | Generated | BaseException] = queue.SimpleQueue()
        self._end: Generated | BaseException | None = None

    def __iter__(self) -> Iterator[int]:
        while self._end is None:
            event = self._events.get()
            if isinstance(event, int):
                yield event
            else:
                self._end = event
        if isinstance(self._end, BaseException):
            raise self._end

    def result(self) -> Generated:
        """Wait for the end."""
        for _ in self:
            pass
        assert isinstance(self._end, Generated)
        return self._end

    def wait(self, seconds: float) -> bool:
        """Wait for the end, so long at most; whether it is there."""
        until = time.monotonic() + seconds
        while self._end is None:
            try:
                event = self._events.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                return False
            self._end = None if isinstance(event, int) else event
        return True

    def cancel(self) -> None:
        """Ask it to end; what was generated until then is its result."""
        self._cancelled.set()

    # for the engine ---------------------------------------------------------
    @property
    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled.is_set()

    def take(self, token: int) -> str:
        """Add a drawn token; returns why it ends here, or ""."""
        self._first = self._first or time.monotonic()
        if token in self.request.stop_ids:
            return "stop"
        self.ids.append(token)
        self._events.put(token)
        if self.request.stop is not None and self.request.stop(self.ids):
            return "stop"
        return "length" if len(self.ids) >= self.request.max_tokens else ""

    def finish(self, why: str) -> None:
        """Hand over the result."""
        now = time.monotonic()
        self._events.put(
            Generated(
                ids=tuple(self.ids),
                finish=why,
                chances=tuple(self.chances[: len(self.ids)]),
                reused=self.reused,
                first=(self._first or now) - self._born,
                seconds=now - self._born,
            )
        )

    def fail(self, error: BaseException) -> None:
        """Hand over an error."""
        self._events.put(error)
