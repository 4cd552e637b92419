"""Progress and events: silent unless someone listens.

Stages call `emit` and `progress`; the command line, the server and a run's `events.jsonl` listen.
Values are numbers, flags and short identifiers, never what a person wrote: a string longer than
`LONGEST` is refused at the source so that no message can slip into a log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TypeVar

__all__ = ["LONGEST", "Event", "Listener", "Value", "emit", "listening", "progress", "watch"]

Value = float | int | str | bool | None
LONGEST = 120
"""Characters a string value may have."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: a name such as `import.file` or `train.step`, and its figures."""

    name: str
    fields: Mapping[str, Value]
    time: float = field(default_factory=time.time)
    """Seconds since the epoch."""


Listener = Callable[[Event], None]
_listeners: ContextVar[tuple[Listener, ...]] = ContextVar("gemel_listeners", default=())


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Hear every event emitted inside the block (in this thread or task)."""
    token = _listeners.set((*_listeners.get(), listener))
    try:
        yield
    finally:
        _listeners.reset(token)


def emit(name: str, **fields: Value) -> None:
    """Tell whoever listens.

    Raises:
        ValueError: when a string value is longer than `LONGEST`.
    """
    for key, value in fields.items():
        if isinstance(value, str) and len(value) > LONGEST:
            raise ValueError(f"event field {key!r} is too long to be an identifier")
    if listeners := _listeners.get():
        event = Event(name, fields)
        for listener in listeners:
            listener(event)


@contextmanager
def progress(name: str, *, total: int | None = None, unit: str = "") -> Iterator[Callable[[int], None]]:
    """Report the progress of something long; yields `advance(n)`.

    Emits `progress` events at most ten times a second, the first and the last always.
    """
    start = time.monotonic()
    done = 0
    told = 0.0

    def tell(*, finished: bool) -> None:
        seconds = time.monotonic() - start
        emit("progress", task=name, done=done, total=total, unit=unit, seconds=round(seconds, 3), finished=finished)

    def advance(n: int = 1) -> None:
        nonlocal done, told
        done += n
        now = time.monotonic()
        if now - told >= 0.1:
            told = now
            tell(finished=False)

    tell(finished=False)
    yield advance
    tell(finished=True)


def watch(items: Iterable[T], name: str, *, total: int | None = None, unit: str = "") -> Iterator[T]:
    """The same items, with progress reported as they pass."""
    with progress(name, total=total, unit=unit) as advance:
        for item in items:
            yield item
            advance(1)
