"""HTTP/1.1 over kept connections: as much of it as asking a model a hundred thousand times needs.

The parser is httptools (llhttp, in C); what a request costs here is one write, one read and one future. Covered are
TLS, chunked and unframed bodies, timeouts, lines as they come, and JSON both ways. Not covered, on purpose: proxies,
redirects (a key would follow them), compression, cookies.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, NamedTuple, cast
from urllib.parse import quote, unquote, urlsplit

import httptools
import orjson

from gemel.errors import ConfigError

__all__ = ["Answer", "Broken", "Pool", "TooLong", "Unserved", "compact"]

CONNECT = 10.0
"""Seconds a connection may take to be made."""


class Answer(NamedTuple):
    """What a server said."""

    status: int
    headers: dict[bytes, bytes]
    """Names in lower case."""
    body: bytes


class Broken(ConnectionError):
    """The connection could not be made, ended early, or what came is no HTTP."""


class TooLong(Exception):
    """The answer has more bytes than are read."""


class Unserved(Exception):
    """A stream ended in another status than 200."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")


class _Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, longest: int) -> None:
        self.longest = longest
        self.transport: asyncio.Transport
        self.open = True
        self.parser = httptools.HttpResponseParser(self)
        self.done: asyncio.Future[Answer] | None = None
        self.piece: Callable[[bytes], object]

    def begin(self, data: bytes, piece: Callable[[bytes], object] | None = None) -> asyncio.Future[Answer]:
        """Send a request; `piece` is given the body as it comes, else it is in the answer."""
        self.headers: dict[bytes, bytes] = {}
        self.body: list[bytes] = []
        self.size = 0
        self.piece = piece or self.body.append
        self.done = asyncio.get_running_loop().create_future()
        self.transport.write(data)
        return self.done

    def fail(self, error: Exception) -> None:
        """End the request and the connection."""
        self.open = False
        if self.done is not None and not self.done.done():
            self.done.set_exception(error)
        self.transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.done is None or self.done.done():
            return self.fail(Broken("an answer to nothing"))
        self.size += len(data)
        if self.size > self.longest:
            return self.fail(TooLong())
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.fail(Broken("no HTTP"))

    def connection_lost(self, exc: Exception | None) -> None:
        self.open = False
        if self.done is None or self.done.done():
            return
        framed = b"content-length" in self.headers or b"transfer-encoding" in self.headers
        if exc is None and self.headers and not framed:  # a body without a length ends with the connection
            self._finish()
        else:
            self.done.set_exception(Broken("the connection was closed"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        self.piece(body)

    def on_message_complete(self) -> None:
        if self.parser.get_status_code() < 200:  # 100 Continue and its like come before the answer
            self.headers.clear()
        else:
            self.open = self.open and self.parser.should_keep_alive()
            self._finish()

    def _finish(self) -> None:
        assert self.done is not None
        if not self.done.done():
            self.done.set_result(Answer(self.parser.get_status_code(), self.headers, b"".join(self.body)))


class Pool:
    """Connections to one server, as many as are in use at once.

    Args:
        base: http or https address; its path is put before every path, user and password become a header.
        headers: sent with every request.
        longest: bytes of an answer at most.

    Raises:
        ConfigError: when a header cannot be sent, e.g. a key with a line break.
    """

    def __init__(self, base: str, headers: Mapping[str, str], *, longest: int) -> None:
        parts = urlsplit(base)
        self.longest = longest
        self.host = parts.hostname or ""
        self.tls = ssl.create_default_context() if parts.scheme == "https" else None
        self.port = parts.port or (443 if self.tls else 80)
        self.prefix = quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~")
        own = {"Host": parts.netloc.rpartition("@")[2], "Content-Type": "application/json", "User-Agent": "gemel"}
        if parts.username:
            login = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            own["Authorization"] = f"Basic {b64encode(login.encode()).decode()}"
        self._head = _headers({**own, **headers})
        self._heads: dict[str, bytes] = {}
        self._free: list[_Wire] = []
        self._all: set[_Wire] = set()
        self._known = ""
        """The host's address that answered last."""

    async def ask(self, path: str, body: bytes | None, *, timeout: float) -> Answer:
        """POST a body, or GET where there is none.

        Raises:
            Broken: no connection, or it ended before the answer.
            TooLong: more bytes than are read.
            TimeoutError: nothing came in time.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        wire = await self._take(min(CONNECT, timeout))
        timer = loop.call_at(end, wire.fail, TimeoutError())
        try:
            return await wire.begin(self._request(path, body))
        finally:
            timer.cancel()
            self._give(wire)

    async def lines(self, path: str, body: bytes, *, silence: float) -> AsyncGenerator[bytes, None]:
        """POST a body; the lines of the answer as they come.

        Args:
            silence: seconds without a byte after which it ends.

        Raises:
            Unserved: the status was not 200; other errors as in `ask`.
        """
        wire = await self._take(CONNECT)
        pieces: asyncio.Queue[bytes] = asyncio.Queue()
        try:
            done = wire.begin(self._request(path, body), pieces.put_nowait)
            done.add_done_callback(lambda _: pieces.put_nowait(b""))
            rest = b""
            while piece := await asyncio.wait_for(pieces.get(), silence):
                *found, rest = (rest + piece).split(b"\n")
                for line in found:
                    yield line
            if (status := done.result().status) != 200:
                raise Unserved(status)
            yield rest
        finally:
            self._give(wire)

    async def close(self) -> None:
        """Close all connections."""
        for wire in list(self._all):
            wire.fail(Broken("closed"))
        self._all.clear()
        self._free.clear()
        await asyncio.sleep(0)

    def _request(self, path: str, body: bytes | None) -> bytes:
        head = self._heads.get(path)
        if head is None:
            verb = "GET" if body is None else "POST"
            head = self._heads[path] = f"{verb} {self.prefix}{path} HTTP/1.1\r\n".encode() + self._head
        return head + b"\r\n" if body is None else b"%bContent-Length: %d\r\n\r\n%b" % (head, len(body), body)

    async def _take(self, limit: float) -> _Wire:
        while self._free:
            if (wire := self._free.pop()).open:
                return wire
            self._all.discard(wire)
        more: dict[str, Any] = {"ssl": self.tls, "server_hostname": self.host} if self.tls else {}
        if not self._known:
            more["happy_eyeballs_delay"] = 0.25
        made = asyncio.get_running_loop().create_connection(
            lambda: _Wire(self.longest), self._known or self.host, self.port, **more
        )
        try:
            transport, wire = await asyncio.wait_for(made, limit)
        except (OSError, UnicodeError) as error:  # TimeoutError is one too
            self._known = ""
            raise Broken("no connection") from error
        self._known = str(transport.get_extra_info("peername")[0])
        self._all.add(wire)
        return wire

    def _give(self, wire: _Wire) -> None:
        """Keep a connection whose answer is there; end any other."""
        if wire.open and wire.done is not None and wire.done.done() and not wire.done.cancelled():
            self._free.append(wire)
            return
        if wire.done is not None:
            wire.done.cancel()
        wire.fail(Broken("given up"))
        self._all.discard(wire)


def _headers(given: Mapping[str, str]) -> bytes:
    for name, value in given.items():
        if not value.isascii() or not value.isprintable():
            raise ConfigError(
                f"the header {name} of a request cannot be sent", hint="Is there a stray sign in the key?"
            )
    return "".join(f"{k}: {v}\r\n" for k, v in given.items()).encode("ascii")


def compact(value: object, *, ordered: bool = False) -> bytes:
    """JSON without spaces, its keys sorted if `ordered`; half a surrogate pair becomes a question mark."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS if ordered else None)
    except TypeError:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=ordered)
        return text.encode("utf-8", "replace")
