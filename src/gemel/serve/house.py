"""The twin as the server holds it: loaded once, changed when another run is promoted or something is
forgotten, with a bounded queue, a cache of deterministic answers and figures of what it did.

Speakers are synchronous; `House.stream` runs one in a thread and hands its pieces to the event loop.
Leaving the stream early cancels the generation.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from gemel.config import Config
from gemel.errors import Busy, ResourceError
from gemel.examples import Example, TraitValue, Turn, to_json
from gemel.feedback import Feedback
from gemel.model.display import Display
from gemel.model.outgoing import Outgoing
from gemel.model.twin import Twin
from gemel.model.voice import Voice
from gemel.serve.metrics import Metrics
from gemel.serve.voices import Chosen, Voices, slug
from gemel.speaker import Reply, Sampling
from gemel.workspace import Workspace

__all__ = ["Chosen", "House", "Seat", "Wanted", "slug"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A reply that is asked for."""

    turns: tuple[Turn, ...]
    chosen: Chosen
    sampling: Sampling
    traits: Mapping[str, TraitValue] | None = None
    top: int | None = None
    """Alternatives in log-probabilities; None: no log-probabilities."""

    @property
    def way(self) -> str:
        """How it is answered."""
        return self.chosen.way

    @property
    def key(self) -> str | None:
        """The same for requests that must give the same answer; None where chance decides."""
        if self.sampling.temperature > 0 and self.sampling.seed is None:
            return None
        said = to_json(Example(id="", kind="chat", turns=self.turns))
        rest = [repr(self.chosen), repr(self.sampling), sorted((self.traits or {}).items()), self.top]
        return hashlib.sha256(json.dumps([said, rest], default=str).encode()).hexdigest()


class House:
    """Everything that a route needs.

    Args:
        workspace: whose twin it is.
        config: its configuration.
    """

    def __init__(self, workspace: Workspace, config: Config) -> None:
        self.workspace = workspace
        self.config = config
        self.metrics = Metrics(self)
        self.display = Display(workspace, config)
        self.feedback = Feedback(workspace.feedback_path)
        self.draining = False
        self.busy = 0
        self.cache: OrderedDict[str, Reply] = OrderedDict()
        self._emptied = 0
        self.voices = Voices(workspace, config, self._empty)
        self.outgoing = Outgoing(workspace, config)
        self._room = config.serve.queue + config.serve.batch
        self._pool = ThreadPoolExecutor(self._room, thread_name_prefix="gemel-reply")

    # the twin -------------------------------------------------------------------
    def twin(self) -> Twin:
        """The twin as it is on disk now."""
        return self.voices.twin()

    @property
    def loaded(self) -> Twin | None:
        """The twin, if it is loaded already."""
        return self.voices.loaded

    @property
    def disclosure(self) -> str:
        """What every answer is headed with."""
        return self.loaded.disclosure if self.loaded is not None else "AI imitation of a person"

    def model_ids(self) -> dict[str, str]:
        """Model id → way to answer, of the current twin."""
        name = slug(self.twin().name)
        return {f"{name}-{way}": way for way in self.twin().speakers}

    # answering --------------------------------------------------------------------
    def seat(self) -> Seat:
        """A place in the bounded queue, given back when its `with` block ends.

        Raises:
            Busy: when every place is taken.
            ResourceError: while the server shuts down.
        """
        if self.draining:
            raise ResourceError("the server is shutting down", hint="Try again in a moment.")
        if self.busy >= self._room:
            self.metrics.refused.inc()
            raise Busy("too many requests are waiting", hint="Try again in a moment.")
        return Seat(self)

    async def stream(self, wanted: Wanted) -> AsyncIterator[str | Reply]:
        """Pieces of text and last the `Reply`; inside a `seat`."""
        key = wanted.key
        if key is not None and (kept := self.cache.get(key)) is not None:
            self.cache.move_to_end(key)
            self.metrics.hits.inc()
            yield kept.text
            yield kept
            return
        began, emptied = time.monotonic(), self._emptied
        first = True
        async for piece in self._bridge(wanted):
            if first:
                self.metrics.first.labels(wanted.way).observe(time.monotonic() - began)
                first = False
            if isinstance(piece, Reply):
                self.metrics.note(wanted.way, piece, time.monotonic() - began)
                if key is not None and piece.finish in ("stop", "length") and emptied == self._emptied:
                    self._keep(key, piece)
            yield piece

    async def reply(self, wanted: Wanted) -> Reply:
        """The whole reply; inside a `seat`."""
        done: Reply | None = None
        async for piece in self.stream(wanted):
            if isinstance(piece, Reply):
                done = piece
        assert done is not None
        return done

    async def run(self, call: Any, *args: Any) -> Any:
        """Something slow, in a thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, call, *args)

    async def _bridge(self, wanted: Wanted) -> AsyncIterator[str | Reply]:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | Reply | BaseException] = asyncio.Queue()
        left = threading.Event()

        def work() -> None:
            try:
                for piece in self._pieces(wanted):
                    if left.is_set():
                        break
                    if piece == "":
                        continue
                    loop.call_soon_threadsafe(pieces.put_nowait, piece)
            except BaseException as error:
                loop.call_soon_threadsafe(pieces.put_nowait, error)

        running = loop.run_in_executor(self._pool, work)
        try:
            while True:
                piece = await pieces.get()
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
                if isinstance(piece, Reply):
                    break
        finally:
            left.set()
            await asyncio.shield(running)

    def _pieces(self, wanted: Wanted) -> Iterator[str | Reply]:
        speaker = self.voices.speaker(wanted.chosen)
        if isinstance(speaker, Voice):
            said = speaker.stream(wanted.turns, sampling=wanted.sampling, traits=wanted.traits, top=wanted.top)
        else:
            said = speaker.stream(wanted.turns, sampling=wanted.sampling, traits=wanted.traits)
        yield from self.outgoing.pieces(said)

    def _keep(self, key: str, reply: Reply) -> None:
        if self.config.serve.cache:
            self.cache[key] = reply
            while len(self.cache) > self.config.serve.cache:
                self.cache.popitem(last=False)

    def version_of(self, speaker: str) -> str:
        """Id of the run behind a model id, of the current one where the id says nothing; "" where there is none."""
        chosen = self.voices.ids().get(speaker) if self.loaded is not None else None
        return chosen.run if chosen is not None else self.workspace.current() or ""

    def _empty(self) -> None:
        """Drop every cached answer; those under way are not kept either."""
        self._emptied += 1
        self.cache.clear()

    def renew(self) -> None:
        """Load the twin again at the next request: its rules changed."""
        self.voices.renew()

    def wipe(self) -> None:
        """Drop every cached answer and what the engine still holds: something was forgotten."""
        self._empty()
        if self.loaded is not None and self.loaded.engine is not None:
            self.loaded.engine.clear()
        self.renew()

    def trait_names(self) -> list[str]:
        """Traits that the voice was trained on."""
        from gemel.traits import TraitSpec

        path = self.workspace.run(self.twin().run or "-") / "traits.json"
        return [field.name for field in TraitSpec.load(path).fields] if path.exists() else []

    # the end ------------------------------------------------------------------------
    async def drain(self, *, seconds: float = 30.0) -> None:
        """Refuse what is new, let what runs finish, then let go of everything."""
        self.draining = True
        until = time.monotonic() + seconds
        while self.busy and time.monotonic() < until:
            await asyncio.sleep(0.05)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.voices.close()
        self.outgoing.close()
        self.feedback.close()


class Seat:
    """One place in the queue."""

    def __init__(self, house: House) -> None:
        self._house = house
        house.busy += 1

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._house.busy -= 1
