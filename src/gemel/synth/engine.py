"""Rows through stages of questions to teachers: bounded, without barriers, exactly resumable.

Each answer goes into a journal under the key of its call; what a run gives is a pure function of its input and the
journal (`results`), so order, kills, shards and retries change nothing about it. A row that got no usable answer is
listed in the dead letters with its reason and is not asked again until that is wanted. Nothing is ever made null.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from gemel.errors import ConfigError, GemelError
from gemel.records import stable_id
from gemel.remote import Client, Completion, Dead, Endpoint, Gone, Request
from gemel.synth.journal import Journal
from gemel.synth.template import BadOutput, Call, Template
from gemel.track import LONGEST, emit, progress

__all__ = ["Engine", "Failed", "Rejected", "Report", "Row", "Stage", "results", "row_id"]

Row = dict[str, Any]


class Rejected(Exception):
    """A stage's `finish` throws a usable answer away; the message is short and countable."""


def merge(row: Row, given: Row) -> Iterable[Row]:
    """The row with the fields of the answer."""
    yield {**row, **given}


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One question per row, and what becomes of the answer."""

    template: Template
    finish: Callable[[Row, Row], Iterable[Row]] = merge
    """(row, fields of the answer) → rows; raises `Rejected`."""
    samples: int = 1
    """Answers per row."""


class Failed(NamedTuple):
    """A row without a result, and why."""

    id: str
    stage: str
    reason: str


@dataclass
class Report:
    """What happened in a run."""

    rows_in: int = 0
    asked: int = 0
    """Calls that were answered now."""
    known: int = 0
    """Calls whose answer was there."""
    dead: Counter[str] = field(default_factory=Counter)
    """Rows without an answer, by reason."""
    refused: Counter[str] = field(default_factory=Counter)
    """Failed attempts by reason; repaired ones too."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Answers thrown away by reason."""
    tokens_in: int = 0
    tokens_out: int = 0
    cost: float = 0.0
    stopped: str = ""
    """Why no more was asked: budget; empty: everything was."""

    def plus(self, other: Report) -> Report:
        """Two shards' reports as one."""
        stopped = self.stopped or other.stopped
        merged = {k: getattr(self, k) + getattr(other, k) for k in vars(self) if k != "stopped"}
        return Report(**merged, stopped=stopped)


def row_id(row: Mapping[str, Any]) -> str:
    """A row's own id, or a hash of its content."""
    return str(row["id"]) if row.get("id") else stable_id(*(f"{k}={row[k]!r}" for k in sorted(row)))


def _known(stage: Stage, row: Row, call: Call, journal: Journal) -> Row | None:
    """The fields of the kept answer; None where there is none that is usable."""
    if call.key not in journal or (kept := journal.get(call.key)) is None:
        return None
    try:
        return stage.template.parse(kept["text"], row)
    except BadOutput:
        return None


def _expand(stage: Stage, row: Row, sample: int, key: str, given: Row, model: str) -> list[Row]:
    out = []
    for i, made in enumerate(stage.finish(row, given)):
        name = stable_id(row_id(row), stage.template.name, sample, i)
        step = {"from": row_id(row), "call": key, "template": stage.template.id, "model": model}
        out.append({**made, "id": name, "made": [*row.get("made", ()), step]})
    return out


def results(
    stages: Sequence[Stage], rows: Iterable[Row], journal: Journal, *, model: str, rejected: Counter[str] | None = None
) -> Iterator[Row | Failed]:
    """What the journal gives for the rows, in their order; nothing is asked."""
    for row in rows:
        yield from _walk(stages, row, journal, model, Counter() if rejected is None else rejected)


def _walk(
    stages: Sequence[Stage], row: Row, journal: Journal, model: str, rejected: Counter[str]
) -> Iterator[Row | Failed]:
    if not stages:
        yield row
        return
    stage = stages[0]
    for sample in range(stage.samples):
        call = stage.template.call(row, model=model, sample=sample)
        given = _known(stage, row, call, journal)
        if given is None:
            yield Failed(row_id(row), stage.template.name, "no answer")
            continue
        try:
            made = _expand(stage, row, sample, call.key, given, model)
        except Rejected as error:
            rejected[f"{stage.template.name}: {error}"] += 1
            continue
        for child in made:
            yield from _walk(stages[1:], child, journal, model, rejected)


class Engine:
    """Fills a journal.

    Args:
        endpoints: servers with the same model; each has its own limits.
        journal: answers; open for writing.
        dead: rows without an answer; open for writing.
        model: the model's name in keys and rows.
        deadline: seconds a call may take, retries included.
        patience: seconds a server may be away.
        budget: stop asking when the cost would pass this; 0: no bound.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        journal: Journal,
        dead: Journal,
        *,
        model: str = "",
        deadline: float = 120.0,
        patience: float = 120.0,
        budget: float = 0.0,
    ) -> None:
        if not endpoints:
            raise ConfigError("no teacher is named", hint="Give --teacher http://localhost:8000/v1 --model NAME.")
        if budget and not any(e.price_in or e.price_out for e in endpoints):
            raise ConfigError("a budget needs prices", hint="Give --price-in and --price-out (per million tokens).")
        self.clients = [Client(e, deadline=deadline, patience=patience) for e in endpoints]
        self.journal = journal
        self.dead = dead
        self.model = model or endpoints[0].model
        self.budget = budget
        self.report = Report()
        self._gone: set[int] = set()

    def run(
        self, stages: Sequence[Stage], rows: Iterable[Row], *, total: int | None = None, name: str = "ask"
    ) -> Report:
        """Ask everything that is not in the journal.

        Raises:
            Gone: when no server is left; what was answered is kept.
        """
        try:
            asyncio.run(self._run(stages, rows, total, name))
        except BaseExceptionGroup as group:
            raise _first(group) from None
        finally:
            self.journal.flush()
            self.dead.flush()
            self.report.cost = self.spent
            for client in self.clients:
                self.report.refused.update(client.refusals)
                client.refusals.clear()
        return self.report

    @property
    def spent(self) -> float:
        """Cost so far."""
        return sum(c.spent for c in self.clients)

    async def _run(self, stages: Sequence[Stage], rows: Iterable[Row], total: int | None, name: str) -> None:
        workers = sum(c.endpoint.concurrency for c in self.clients)
        queues: list[asyncio.Queue[Row | None]] = [asyncio.Queue(2 * workers) for _ in stages]
        async with AsyncExitStack() as stack:
            for client in self.clients:
                await stack.enter_async_context(client)
            with progress(name, total=total, unit="rows") as advance:
                timer = asyncio.create_task(self._timer())
                try:
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._feed(rows, queues[0]))
                        for i, stage in enumerate(stages):
                            after = queues[i + 1] if i + 1 < len(stages) else None
                            group.create_task(
                                self._stage(stage, queues[i], after, workers, advance if i == 0 else None)
                            )
                finally:
                    timer.cancel()
                    with suppress(asyncio.CancelledError):
                        await timer

    async def _timer(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            await asyncio.to_thread(self.journal.sync)
            refused = sum((c.refusals for c in self.clients), Counter[str]())
            why = ", ".join(f"{n} {reason}" for reason, n in refused.most_common(3))[:LONGEST]
            r, tokens = self.report, self.report.tokens_in + self.report.tokens_out
            counts = {"answered": r.asked, "known": r.known, "refused": refused.total(), "tokens": tokens}
            emit("synth.state", **counts, why=why, cost=self.spent)

    async def _feed(self, rows: Iterable[Row], queue: asyncio.Queue[Row | None]) -> None:
        for row in rows:
            self.report.rows_in += 1
            await queue.put(row)
        await queue.put(None)

    async def _stage(
        self,
        stage: Stage,
        queue: asyncio.Queue[Row | None],
        after: asyncio.Queue[Row | None] | None,
        workers: int,
        advance: Callable[[int], None] | None,
    ) -> None:
        async def work() -> None:
            while (row := await queue.get()) is not None:
                for sample in range(stage.samples):
                    for child in await self._one(stage, row, sample):
                        if after is not None:
                            await after.put(child)
                if advance is not None:
                    advance(1)
            queue.put_nowait(None)  # for the next worker; nothing else comes any more

        async with asyncio.TaskGroup() as group:
            for _ in range(workers):
                group.create_task(work())
        if after is not None:
            await after.put(None)

    async def _one(self, stage: Stage, row: Row, sample: int) -> list[Row]:
        call = stage.template.call(row, model=self.model, sample=sample)
        given = _known(stage, row, call, self.journal)
        if given is not None:
            self.report.known += 1
        else:
            given, reason = await self._ask(stage, row, call)
            if given is None:
                self._bury(stage, row, call, reason)
                return []
        try:
            return _expand(stage, row, sample, call.key, given, self.model)
        except Rejected as error:
            self.report.rejected[f"{stage.template.name}: {error}"] += 1
            return []

    async def _ask(self, stage: Stage, row: Row, call: Call) -> tuple[Row | None, str]:
        """The fields of a usable answer, which is then kept; or None and the reason."""
        if call.key in self.dead:
            known = self.dead.get(call.key)
            return None, str(known["reason"]) if known else "dead"
        reason = ""
        for attempt in range(stage.template.tries):
            if self._no_money():
                self.report.stopped = "budget"
                return None, "budget"
            answer = await self._anywhere(stage.template.again(call, attempt))
            if not isinstance(answer, Completion):
                return None, answer.reason
            self.report.asked += 1
            self.report.tokens_in += answer.usage.tokens_in
            self.report.tokens_out += answer.usage.tokens_out
            try:
                given = stage.template.parse(answer.text, row)
            except BadOutput as error:
                reason = f"output: {error}"
                continue
            if not self.journal.pending:
                asyncio.get_running_loop().call_soon(self.journal.flush)
            used = {"in": answer.usage.tokens_in, "out": answer.usage.tokens_out, "attempts": answer.attempts}
            self.journal.add(call.key, {"text": answer.text, "model": self.model, **used})
            await asyncio.sleep(0)  # written before this worker asks again: a kill repeats one call a worker at most
            return given, ""
        return None, reason

    async def _anywhere(self, request: Request) -> Completion | Dead:
        while True:
            open_ = [i for i in range(len(self.clients)) if i not in self._gone]
            best = min(open_, key=lambda i: (self.clients[i].breaker.open, self.clients[i].limiter.load))
            try:
                return await self.clients[best].ask(request)
            except Gone:
                self._gone.add(best)
                if len(self._gone) == len(self.clients):
                    raise

    def _no_money(self) -> bool:
        if not self.budget:
            return False
        served = sum(c.served for c in self.clients)
        flying = sum(c.limiter.flying for c in self.clients)
        return self.spent + flying * (self.spent / served if served else 0.0) >= self.budget

    def _bury(self, stage: Stage, row: Row, call: Call, reason: str) -> None:
        self.report.dead[f"{stage.template.name}: {reason}"] += 1
        if reason == "budget" or call.key in self.dead:
            return
        if not self.dead.pending:
            asyncio.get_running_loop().call_soon(self.dead.flush)
        self.dead.add(call.key, {"row": row_id(row), "stage": stage.template.name, "reason": reason})


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The deliberate error of a group, else any."""
    flat: list[BaseException] = []
    pending: list[BaseException] = [group]
    while pending:
        error = pending.pop(0)
        pending.extend(error.exceptions) if isinstance(error, BaseExceptionGroup) else flat.append(error)
    return next((e for e in flat if isinstance(e, GemelError)), flat[0])
