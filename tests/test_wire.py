"""HTTP as servers really speak it: framings, early and late ends, kept connections, what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

import pytest

from gemel.errors import ConfigError
from gemel.remote.wire import Answer, Broken, Pool, TooLong, Unserved, compact

T = TypeVar("T")
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ngood"


def talk(
    answers: list[bytes], ask: Callable[[Pool, list[bytes]], Awaitable[T]], *, longest: int = 1000, base: str = ""
) -> tuple[T, int]:
    """What `ask` gives with a server that says these things in turn; and how many connections it saw.

    An answer ending in `!` closes the connection, an empty one says nothing.
    """

    async def work() -> tuple[T, int]:
        seen: list[bytes] = []
        handlers: list[asyncio.Task[None] | None] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while head := await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b"":
                length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
                seen.append(head + await reader.readexactly(length))
                answer = answers[len(seen) - 1]
                for i in range(0, len(answer), 7):  # in pieces, as networks do
                    writer.write(answer[i : i + 7].removesuffix(b"!"))
                    await asyncio.sleep(0)
                if answer.endswith(b"!"):
                    return

        async def quiet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            handlers.append(asyncio.current_task())
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await serve(reader, writer)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

        async with await asyncio.start_server(quiet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            pool = Pool(base.format(port=port) or f"http://127.0.0.1:{port}/v1", {}, longest=longest)
            try:
                return await ask(pool, seen), len(handlers)
            finally:
                await pool.close()
                await asyncio.wait([t for t in handlers if t], timeout=5.0)

    return asyncio.run(work())


async def ask(pool: Pool, _: list[bytes]) -> Answer:
    return await pool.ask("/chat", b"{}", timeout=2.0)


@pytest.mark.parametrize(
    "said",
    [
        PLAIN,
        b"HTTP/1.1 100 Continue\r\n\r\n" + PLAIN,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\ngo\r\n2;x=y\r\nod\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nServer: x\r\n\r\ngood!",
        b"HTTP/1.0 200 OK\r\nServer: x\r\nContent-Length: 4\r\n\r\ngood!",
    ],
)
def test_every_framing_gives_the_body(said: bytes) -> None:
    (status, _, body), _ = talk([said], ask)
    assert (status, body) == (200, b"good")


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\ngood!", Broken),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ngo!", Broken),
        (b"SSH-2.0-OpenSSH_9.6\r\n", Broken),
        (b"!", Broken),
        (b"", TimeoutError),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000, TooLong),
    ],
)
def test_what_is_no_answer_is_an_error(said: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        talk([said], lambda pool, _: pool.ask("/chat", b"{}", timeout=0.3))


def test_connections_are_kept_and_lost_ones_replaced() -> None:
    async def often(pool: Pool, seen: list[bytes]) -> list[bytes]:
        for _ in range(4):
            assert (await pool.ask("/chat", b"{}", timeout=2.0)).body == b"good"
            await asyncio.sleep(0.02)
        return seen

    seen, connections = talk([PLAIN, PLAIN, PLAIN + b"!", PLAIN], often)
    assert connections == 2
    assert seen[0].startswith(b"POST /v1/chat HTTP/1.1\r\nHost: 127.0.0.1:")
    assert seen[0].endswith(b"Content-Length: 2\r\n\r\n{}")


def test_lines_come_as_they_are_written() -> None:
    async def read(pool: Pool, _: list[bytes]) -> list[bytes]:
        return [line async for line in pool.lines("/chat", b"{}", silence=1.0)]

    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\na\nb\r\n\r\n4\r\nc\nde\r\n0\r\n\r\n"
    assert talk([chunked], read)[0] == [b"a", b"b\r", b"c", b"de"]
    with pytest.raises(Unserved, match="503"):
        talk([b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"], read)
    with pytest.raises(TimeoutError):
        talk([b""], lambda pool, _: anext(pool.lines("/chat", b"{}", silence=0.1)))


def test_leaving_in_the_middle_ends_the_connection() -> None:
    async def leave(pool: Pool, _: list[bytes]) -> bytes:
        lines = pool.lines("/chat", b"{}", silence=1.0)
        first = await anext(lines)
        await lines.aclose()
        task = asyncio.create_task(pool.ask("/chat", b"{}", timeout=9.0))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (await pool.ask("/chat", b"{}", timeout=2.0)).body == b"good"
        return first

    half = b"HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\none\ntwo"
    assert talk([half, b"", PLAIN], leave) == (b"one", 3)


def test_user_and_password_become_a_header_and_bad_keys_are_refused() -> None:
    async def sent(pool: Pool, seen: list[bytes]) -> bytes:
        await pool.ask("/models", None, timeout=2.0)
        return seen[0]

    head, _ = talk([PLAIN], sent, base="http://u:p%21@localhost:{port}/a b")
    assert head.startswith(b"GET /a%20b/models HTTP/1.1\r\n")
    assert b"Authorization: Basic dTpwIQ==\r\n" in head
    assert b"Host: localhost:" in head
    with pytest.raises(ConfigError, match="Authorization"):
        Pool("http://x/v1", {"Authorization": "Bearer a\r\nX: y"}, longest=1)


def test_json_is_the_same_for_the_same_and_holds_half_pairs() -> None:
    assert compact({"b": 1, "a": "é"}, ordered=True) == '{"a":"é","b":1}'.encode()
    assert compact({"a": "x\ud83d"}) == b'{"a":"x?"}'
