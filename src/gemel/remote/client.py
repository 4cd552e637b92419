"""The asynchronous client of OpenAI-compatible servers.

A request waits for a permit, is retried in place with jitter until its deadline, and ends as a `Completion` or
as `Dead` with a countable reason. A server that stays away raises `Gone`, so that a run stops and can be resumed
instead of burning its rows. Neither texts nor keys ever appear in an error.
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import orjson

from gemel.errors import ConfigError, RemoteError
from gemel.remote.limit import Breaker, Limiter
from gemel.remote.wire import Pool, TooLong, compact

__all__ = ["KEY", "Client", "Completion", "Dead", "Endpoint", "Gone", "Request", "Usage"]

KEY = "GEMEL_API_KEY"
"""Environment variable with the key of a server that wants one."""
OVERLOADED = frozenset({408, 425, 429, 503, 529})
NEVER = frozenset({401, 403, 404, 405})
"""Statuses that end a run when the server has not yet answered anything."""
ATTEMPTS = 16
LONGEST_BODY = 32 * 2**20
"""Bytes of an answer at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A server and the model asked there."""

    address: str
    """Base address, with or without /v1."""
    model: str = ""
    concurrency: int = 64
    """Requests in flight at most."""
    requests_per_minute: float = 0
    tokens_per_minute: float = 0
    price_in: float = 0.0
    """Cost of a million tokens read, in the server's currency."""
    price_out: float = 0.0
    """Cost of a million tokens written."""
    key: str = field(default="", repr=False)
    """Empty: from the environment (GEMEL_API_KEY)."""

    @property
    def base(self) -> str:
        """The address with the version path.

        Raises:
            ConfigError: when it is no http address.
        """
        parts = urlsplit(self.address if "//" in self.address else f"http://{self.address}")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(
                "the address of a server must be like http://localhost:8000/v1",
                hint="Give it with http:// or https://.",
            )
        base = parts.geturl().rstrip("/")
        return base if parts.path.strip("/") else f"{base}/v1"

    @property
    def shown(self) -> str:
        """The address without user and password, for messages."""
        parts = urlsplit(self.base)
        return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "") + parts.path

    @property
    def local(self) -> bool:
        """The server runs on this machine."""
        return (urlsplit(self.base).hostname or "") in ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One question to a model."""

    messages: Sequence[Mapping[str, Any]]
    """Chat messages; a single one with role `completion` asks /completions."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """temperature, max_tokens, seed, stop, response_format, …, as the server takes them."""


class Usage(NamedTuple):
    """Tokens, as the server counts them (0 where it does not)."""

    tokens_in: int
    tokens_out: int


class Completion(NamedTuple):
    """What a model answered."""

    text: str
    finish: str
    usage: Usage
    attempts: int
    endpoint: str


class Dead(NamedTuple):
    """A request that got no answer; `reason` is short and countable."""

    reason: str
    attempts: int


class Gone(RemoteError):
    """The server cannot be reached, or refuses to serve at all."""


class Client:
    """Asks one endpoint; use as an asynchronous context manager inside the loop that asks.

    Args:
        deadline: seconds a request may take, retries included.
        patience: seconds a server may be away before `Gone` is raised; such waiting is not part of the deadline.
    """

    def __init__(self, endpoint: Endpoint, *, deadline: float = 120.0, patience: float = 120.0) -> None:
        self.endpoint = endpoint
        self.deadline = deadline
        self.patience = patience
        self.limiter = Limiter(
            endpoint.concurrency, requests=endpoint.requests_per_minute, tokens=endpoint.tokens_per_minute
        )
        self.breaker = Breaker()
        self.refusals: Counter[str] = Counter()
        """Failed attempts by reason, also those that were repaired by a retry."""
        self.spent = 0.0
        self.served = 0
        self._structured = True
        key = endpoint.key or os.environ.get(KEY, "")
        self.pool = Pool(endpoint.base, {"Authorization": f"Bearer {key}"} if key else {}, longest=LONGEST_BODY)

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self.pool.close()

    async def ask(self, request: Request) -> Completion | Dead:
        """Ask until there is an answer, the deadline passes or the server says never.

        Raises:
            Gone: the server stays away, or refuses the key, the address or the model from the start.
        """
        tokens = _estimate(request) if self.endpoint.tokens_per_minute else 0.0
        end = time.monotonic() + self.deadline
        reason, attempt = "deadline", 0
        while attempt < ATTEMPTS and time.monotonic() < end:
            end += await self._there()
            await self.limiter.enter(tokens)
            attempt += 1
            try:
                answer = await self._once(request, attempt)
            finally:
                self.limiter.leave()
            if isinstance(answer, Completion):
                self._count(answer, tokens)
                return answer
            reason = answer.reason
            self.refusals[reason] += 1
            if answer.final:
                break
            pause = max(answer.wait, random.uniform(0.5, 1.0) * min(8.0, 0.05 * 2**attempt))
            if time.monotonic() + pause >= end:
                break
            await asyncio.sleep(pause)
        return Dead(reason, attempt)

    async def models(self) -> list[str]:
        """Names of the models that the server offers.

        Raises:
            Gone: when it cannot be reached.
        """
        try:
            raw = orjson.loads((await self.pool.ask("/models", None, timeout=self.deadline)).body)
        except (OSError, TooLong, ValueError) as error:
            raise self._gone("cannot be reached") from error
        rows = raw.get("data") if isinstance(raw, dict) else None
        return [str(r["id"]) for r in rows if isinstance(r, dict) and "id" in r] if isinstance(rows, list) else []

    def lines(self, request: Request) -> AsyncGenerator[bytes, None]:
        """The lines of an answer as the server writes them; asked once, no limit is kept, errors are the pool's."""
        path, body = self._body(request, stream=True)
        return self.pool.lines(path, body, silence=self.deadline)

    def _body(self, request: Request, **more: Any) -> tuple[str, bytes]:
        """Where the request goes, and its JSON."""
        raw: dict[str, Any] = {"model": self.endpoint.model, **request.parameters, **more}
        if not self._structured:
            raw.pop("response_format", None)
        if len(request.messages) == 1 and request.messages[0]["role"] == "completion":
            return "/completions", compact({**raw, "prompt": request.messages[0]["content"]})
        return "/chat/completions", compact({**raw, "messages": request.messages})

    async def _there(self) -> float:
        """Wait while the server is away; returns the seconds waited."""
        start = time.monotonic()
        while (wait := self.breaker.wait()) > 0:
            if time.monotonic() - self.breaker.opened > self.patience:
                raise self._gone("does not answer any more")
            await asyncio.sleep(wait * random.uniform(1.0, 1.2))
        return time.monotonic() - start

    async def _once(self, request: Request, attempt: int) -> Completion | _Failed:
        path, body = self._body(request)
        try:  # a third: a hung attempt leaves time for two more before the deadline
            status, headers, raw = await self.pool.ask(path, body, timeout=self.deadline / 3)
        except TooLong:
            return _Failed("answer too long", final=True)
        except TimeoutError:
            return _Failed("timeout")
        except OSError:
            self.breaker.bad()
            return _Failed("connection")
        if status == 200:
            return self._parse(raw, attempt)
        return self._refused(
            status, _seconds(headers.get(b"retry-after", b"")), "response_format" in request.parameters
        )

    def _refused(self, status: int, wait: float, structured: bool) -> _Failed:
        if status in OVERLOADED:
            self.limiter.refuse(wait)
            return _Failed(f"status {status}", wait=wait)
        if status >= 500:
            self.breaker.bad()
            return _Failed(f"status {status}", wait=wait)
        if status in (400, 422) and structured and self._structured and not self.served:
            self._structured = False  # the server knows no response_format; the output is checked anyway
            return _Failed(f"status {status}")
        if status in NEVER and not self.served:
            what = {401: "wants a key", 403: "refuses the key"}.get(status, "does not know this address or model")
            raise self._gone(f"{what} (status {status})")
        return _Failed(f"status {status}", final=True)

    def _parse(self, raw: bytes, attempt: int) -> Completion | _Failed:
        try:
            answer = orjson.loads(raw)
            choice = answer["choices"][0]
            message = choice.get("message")
            text = message["content"] if message is not None else choice["text"]
            usage = answer.get("usage") or {}
            used = Usage(int(usage.get("prompt_tokens") or 0), int(usage.get("completion_tokens") or 0))
            finish = str(choice.get("finish_reason") or "stop")
        except (ValueError, KeyError, IndexError, TypeError, AttributeError):
            return _Failed("malformed answer")
        if not isinstance(text, str) or not text:
            return _Failed("empty answer")
        return Completion(text, finish, used, attempt, self.endpoint.shown)

    def _count(self, answer: Completion, expected: float) -> None:
        self.breaker.good()
        self.limiter.answered()
        self.served += 1
        price = answer.usage.tokens_in * self.endpoint.price_in + answer.usage.tokens_out * self.endpoint.price_out
        self.spent += price / 1e6
        if expected:
            self.limiter.used(expected, float(sum(answer.usage)) or expected)

    def _gone(self, why: str) -> Gone:
        return Gone(
            f"the server {self.endpoint.shown} {why}",
            hint=f"Check the address, the model's name and {KEY}; the same command goes on where it stopped.",
        )


class _Failed(NamedTuple):
    """One attempt without an answer."""

    reason: str
    wait: float = 0.0
    """Seconds the server asks to wait."""
    final: bool = False


def _estimate(request: Request) -> float:
    """Tokens in and out, about: four characters a token, and half of what may be written."""
    said = sum(len(str(m["content"])) for m in request.messages) / 4
    return said + float(request.parameters.get("max_tokens") or 512) / 2


def _seconds(value: bytes) -> float:
    """Retry-After in seconds (a date is taken as one second)."""
    try:
        return min(120.0, max(0.0, float(value)))
    except ValueError:
        return 1.0 if value else 0.0
