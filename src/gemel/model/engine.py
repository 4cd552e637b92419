"""Answers many chats at once: a queue, slots of a key-value cache, one worker that decodes all active rows.

A request joins between two steps (continuous batching), starts from the longest prefix that any slot
still holds, and ends by a stop token, a stop rule, its length or cancellation. The same request with the
same seed gives the same tokens whatever else is running. The engine knows tokens only: text, names and
stop strings are the voice's.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from gemel.errors import Busy, ModelError
from gemel.model.base import Base
from gemel.model.decode import Decoder, decoder_for
from gemel.model.draw import Chances, Dice, draw, log_probabilities

__all__ = ["Engine", "Generated", "Request", "Ticket", "Totals"]

CHUNK = 512
"""Prompt tokens read in one pass."""
WORTH = 8
"""A prefix of fewer tokens is not copied."""


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
    min_tokens: int = 1
    """Tokens before a stop token may be drawn."""
    stop: Callable[[list[int]], bool] | None = None
    """Told all tokens so far after each one; True ends the reply."""
    top: int | None = None
    """How many alternatives' log-probabilities are wanted with each token's; None: no log-probabilities."""
    z: Tensor | None = None
    """Trait vector (d,) for a spliced model."""
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
        self.dice = Dice(request.temperature, request.top_p, request.seed)
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


@dataclass(slots=True)
class _Slot:
    ids: list[int] = field(default_factory=list)
    """What the cache holds."""
    key: bytes = b""
    """The traits it was read under: a prefix is only good for the same ones."""
    ticket: Ticket | None = None
    used: float = 0.0
    next: int = 0
    """The drawn token that is not in the cache yet."""


class Engine:
    """Batched decoding of one base.

    Args:
        base: the model.
        batch: chats decoded together at most.
        waiting: requests that may wait beyond those; more are refused with `Busy`.
        int8: round the weights where the processor gains by it.
    """

    def __init__(self, base: Base, *, batch: int = 16, waiting: int = 1024, int8: bool = False) -> None:
        self.base = base
        self.batch = batch
        self.limit = waiting
        self.totals = Totals()
        self._decoder: Decoder = decoder_for(base, batch, int8=int8)
        self._splice = getattr(base.model, "splice", None)
        self._slots = [_Slot() for _ in range(batch)]
        self._queue: deque[Ticket] = deque()
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closing = False

    @property
    def active(self) -> int:
        """Chats being decoded."""
        return sum(slot.ticket is not None for slot in self._slots)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    def submit(self, request: Request) -> Ticket:
        """Queue a request.

        Raises:
            Busy: when too many wait already, or the engine is closing.
            ModelError: when the prompt leaves no room for an answer.
        """
        room = self.base.context - len(request.ids) - len(request.given)
        if not request.ids or room < 1:
            raise ModelError(
                f"a prompt of {len(request.ids)} tokens does not fit a context of {self.base.context}",
                hint="Shorten the conversation or set model.context higher.",
            )
        ticket = Ticket(replace(request, max_tokens=min(request.max_tokens, room)))
        with self._wake:
            if self._closing:
                raise Busy("the engine is shutting down", hint="Try again in a moment.")
            if len(self._queue) >= self.limit:
                raise Busy("too many requests are waiting", hint="Try again in a moment.")
            self._queue.append(ticket)
            self.totals.requests += 1
            if self._worker is None:
                self._worker = threading.Thread(target=self._work, name="gemel-engine", daemon=True)
                self._worker.start()
            self._wake.notify()
        return ticket

    def generate(self, requests: Sequence[Request]) -> list[Generated]:
        """Answer several requests together, in the given order."""
        tickets = [self.submit(request) for request in requests]
        return [ticket.result() for ticket in tickets]

    def clear(self) -> None:
        """Forget what idle slots still hold."""
        with self._wake:
            for slot in self._slots:
                if slot.ticket is None:
                    slot.ids = []

    def close(self, *, drain: bool = True, timeout: float = 30.0) -> None:
        """Stop: let what is running finish (or cancel it), refuse what is new."""
        with self._wake:
            self._closing = True
            if not drain:
                for ticket in [*self._queue, *(s.ticket for s in self._slots if s.ticket)]:
                    ticket.cancel()
            self._wake.notify()
        if self._worker is not None:
            self._worker.join(timeout)

    # the worker -------------------------------------------------------------
    def _work(self) -> None:
        with torch.inference_mode():
            while self._wait():
                try:
                    self._admit()
                    self._step()
                except BaseException as error:
                    self._drop(error)
                    if not isinstance(error, Exception):
                        raise

    def _wait(self) -> bool:
        with self._wake:
            while not self._queue and not self.active:
                if self._closing:
                    return False
                self._wake.wait()
        return True

    def _drop(self, error: BaseException) -> None:
        """An error in the model ends whatever is running; the next requests start clean."""
        for slot in self._slots:
            if slot.ticket is not None:
                slot.ticket.fail(error)
            slot.ticket, slot.ids = None, []

    def _admit(self) -> None:
        while self._queue and self.active < self.batch:
            with self._wake:
                ticket = self._queue.popleft()
            if ticket.cancelled:
                self._end(None, ticket, "cancelled")
                continue
            self._begin(ticket)

    def _begin(self, ticket: Ticket) -> None:
        """Read a prompt into a slot and draw its first token."""
        request = ticket.request
        ids = list(request.ids)
        key = b"" if request.z is None else request.z.cpu().numpy().tobytes()
        number, held = self._place(ids, key)
        slot = self._slots[number]
        slot.ids, slot.key, slot.ticket = ids[:held], key, ticket
        ticket.reused = held
        self.totals.reused += held
        self.totals.read += len(ids) - held
        logits = None
        for at in range(held, len(ids), CHUNK):
            if ticket.cancelled:
                return self._end(slot, ticket, "cancelled")
            chunk = ids[at : at + CHUNK]
            logits = self._forward([chunk], [number], [at])
            slot.ids.extend(chunk)
        assert logits is not None
        if request.given:
            return self._score(slot, ticket, number, logits)
        return self._advance([slot], logits[:, -1])

    def _score(self, slot: _Slot, ticket: Ticket, number: int, first: Tensor) -> None:
        """Log-probabilities of a given reply; `first` (1, 1, vocabulary) are the scores of its first token."""
        given = list(ticket.request.given)
        scores = first[0]
        if len(given) > 1:
            rest = self._forward([given[:-1]], [number], [len(slot.ids)], keep=len(given) - 1)
            scores = torch.cat((scores, rest[0]))
            slot.ids.extend(given[:-1])
        logs = torch.log_softmax(scores, -1).gather(1, torch.tensor(given, device=scores.device)[:, None])[:, 0]
        ticket.ids = given
        ticket.chances = [Chances(token, value) for token, value in zip(given, logs.tolist())]
        self._end(slot, ticket, "scored")

    def _place(self, ids: list[int], key: bytes) -> tuple[int, int]:
        """The slot for a prompt and how many of its tokens the slot then holds."""
        shared = [_common(slot.ids, ids) if slot.key == key else 0 for slot in self._slots]
        idle = [i for i, slot in enumerate(self._slots) if slot.ticket is None]
        best = max(range(len(shared)), key=lambda i: (shared[i], self._slots[i].ticket is None))
        held = min(shared[best], len(ids) - 1)
        if held >= WORTH and best in idle:
            return best, held
        target = min(idle, key=lambda i: (bool(self._slots[i].ids), self._slots[i].used, i))
        if held < WORTH:
            return target, 0
        self._decoder.copy(best, target, held)
        return target, held

    def _step(self) -> None:
        """Draw one token for every active row."""
        for slot in self._slots:
            if slot.ticket is not None and slot.ticket.cancelled:
                self._end(slot, slot.ticket, "cancelled")
        rows = [i for i, slot in enumerate(self._slots) if slot.ticket is not None]
        if not rows:
            return
        self.totals.steps += 1
        low, high = rows[0], rows[-1] + 1  # idle rows in between are computed and ignored
        block = self._slots[low:high]
        tokens = [[slot.next if slot.ticket else 0] for slot in block]
        logits = self._forward(tokens, list(range(low, high)), [len(slot.ids) for slot in block])
        kept = [i for i, slot in enumerate(block) if slot.ticket is not None]
        active = [block[i] for i in kept]
        for slot in active:
            slot.ids.append(slot.next)
        self._advance(active, logits[:, -1] if len(kept) == len(block) else logits[kept, -1])

    def _forward(self, tokens: list[list[int]], rows: list[int], start: list[int], *, keep: int = 1) -> Tensor:
        device = self.base.device
        if self._splice is not None:
            owners = [self._slots[row].ticket for row in rows]
            vectors = [t.request.z if t is not None else None for t in owners]
            known = next((z for z in vectors if z is not None), None)
            self._splice.set(None if known is None else torch.stack([known if z is None else z for z in vectors]))
        ids, at = torch.tensor(tokens, device=device), torch.tensor(start, device=device)
        return self._decoder.step(ids, at, slice(rows[0], rows[-1] + 1), keep=keep)

    def _advance(self, slots: Sequence[_Slot], logits: Tensor) -> None:
        """Draw for these slots from logits (len(slots), vocabulary) and end what is done."""
        tickets = [slot.ticket for slot in slots if slot.ticket is not None]
        raw = logits.clone() if any(t.request.top is not None for t in tickets) else logits
        for ticket in tickets:
            request = ticket.request
            ticket.dice.banned = request.banned
            if len(ticket.ids) < request.min_tokens:
                ticket.dice.banned |= request.stop_ids
        drawn = draw(logits, [t.dice for t in tickets])
        for row, (slot, ticket, token) in enumerate(zip(slots, tickets, drawn)):
            if ticket.request.top is not None:
                ticket.chances.append(log_probabilities(raw[row], token, ticket.request.top))
            self.totals.tokens += 1
            slot.next = token
            if why := ticket.take(token):
                self._end(slot, ticket, why)

    def _end(self, slot: _Slot | None, ticket: Ticket, why: str) -> None:
        if slot is not None:
            slot.ticket, slot.used = None, time.monotonic()
        self.totals.cancelled += why == "cancelled"
        ticket.finish(why)


def _common(a: Sequence[int], b: Sequence[int]) -> int:
    """Length of the common beginning."""
    most = min(len(a), len(b))
    if a[:most] == b[:most]:
        return most
    low, high = 0, most
    while low + 1 < high:
        middle = (low + high) // 2
        if a[low:middle] == b[low:middle]:
            low = middle
        else:
            high = middle
    return low
