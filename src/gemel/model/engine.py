"""Answers many chats at once: a queue, slots of a key-value cache, one worker that decodes all active rows.

A request joins between two steps (continuous batching), starts from the longest prefix that any slot
still holds, and ends by a stop token, a stop rule, its length or cancellation. The same request with the
same seed gives the same tokens whatever else is running, and each may name the adapter that answers it.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from gemel.errors import Busy, ModelError
from gemel.model.adapters import Pair
from gemel.model.base import Base
from gemel.model.decode import Decoder, decoder_for
from gemel.model.draw import Chances, draw, log_probabilities
from gemel.model.ticket import Generated, Request, Ticket, Totals

__all__ = ["Engine", "Generated", "Request", "Ticket", "Totals"]

CHUNK = 512
"""Prompt tokens read in one pass."""
WORTH = 8
"""A prefix of fewer tokens is not copied."""
SMALL = 50_000_000
"""Weights below which one thread decodes on a CPU: the products of a step are over before two have met."""


@dataclass(slots=True)
class _Slot:
    ids: list[int] = field(default_factory=list)
    """What the cache holds."""
    key: tuple[str, bytes] = ("", b"")
    """The adapter and the traits it was read under: a prefix is only good for the same ones."""
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
        self._splice: Any = getattr(base.model, "splice", None)
        self._slots = [_Slot() for _ in range(batch)]
        self._queue: deque[Ticket] = deque()
        self._wake = threading.Condition()
        self._worker: threading.Thread | None = None
        self._closing = False
        self.threads = 1 if base.device.type == "cpu" and base.parameters < SMALL else torch.get_num_threads()
        """Threads that decode, until the first request."""

    @property
    def active(self) -> int:
        """Chats being decoded."""
        return sum(slot.ticket is not None for slot in self._slots)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._queue)

    def add(self, name: str, pairs: Mapping[str, Pair]) -> None:
        """Let requests name an adapter: low-rank changes of the linear layers, by path, to the loaded weights.

        Raises:
            ModelError: when a path is not one of the model's.
        """
        with self._wake:
            self._decoder.add(name, pairs)

    @property
    def adapters(self) -> frozenset[str]:
        """The adapters that requests may name."""
        return self._decoder.adapters.names

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
        if request.adapter and request.adapter not in self.adapters:
            raise ModelError(f"there is no adapter '{request.adapter}' here")
        ticket = Ticket(replace(request, max_tokens=min(request.max_tokens, room)))
        with self._wake:
            if self._closing:
                raise Busy("the engine is shutting down", hint="Try again in a moment.")
            if len(self._queue) >= self.limit:
                raise Busy("too many requests are waiting", hint="Try again in a moment.")
            self._queue.append(ticket)
            self.totals.requests += 1
            if self._worker is None:
                self._worker = self._started()
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
    def _started(self) -> threading.Thread:
        """The thread that decodes. It keeps the number of threads that holds when torch first hears of it."""
        began = threading.Event()
        worker = threading.Thread(target=self._work, args=(began,), name="gemel-engine", daemon=True)
        cores = torch.get_num_threads()
        torch.set_num_threads(self.threads)
        worker.start()
        began.wait()
        torch.set_num_threads(cores)
        return worker

    def _work(self, began: threading.Event) -> None:
        torch.get_num_threads()
        began.set()
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
        key = request.adapter, b"" if request.z is None else request.z.cpu().numpy().tobytes()
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

    def _place(self, ids: list[int], key: tuple[str, bytes]) -> tuple[int, int]:
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
        asked = [t.request if (t := self._slots[row].ticket) is not None else None for row in rows]
        self._decoder.adapters.choose(["" if r is None else r.adapter for r in asked])
        if self._splice is not None:
            self._condition([None if r is None else r.z for r in asked])
        ids, at = torch.tensor(tokens, device=device), torch.tensor(start, device=device)
        return self._decoder.step(ids, at, slice(rows[0], rows[-1] + 1), keep=keep)

    def _condition(self, vectors: Sequence[Tensor | None]) -> None:
        """Set the traits (d,) of each row; a row without any is answered by the base as it is."""
        some = next((z for z in vectors if z is not None), None)
        if some is None:
            self._splice.set(None)
            return
        moved = torch.tensor([0.0 if z is None else 1.0 for z in vectors], device=self.base.device)
        z = torch.stack([torch.zeros_like(some) if z is None else z for z in vectors])
        self._splice.set(z, moved=moved)

    def _advance(self, slots: Sequence[_Slot], logits: Tensor) -> None:
        """Draw for these slots from logits (len(slots), vocabulary) and end what is done."""
        tickets = [slot.ticket for slot in slots if slot.ticket is not None]
        raw = logits.clone() if any(t.request.top is not None for t in tickets) else logits
        for ticket in tickets:
            request = ticket.request
            ticket.dice.banned = request.banned | (request.never(ticket.ids) if request.never else frozenset())
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
