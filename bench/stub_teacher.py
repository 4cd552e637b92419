"""A loopback server that answers like a teacher after a fixed time, with faults: the other side of bench/synth.py.

Speaks just enough HTTP/1.1 to be much cheaper than what is measured against it. Faults are drawn by a hash of the
request and how often it came, so that every client meets the same ones.

    python bench/stub_teacher.py --port 0 --latency 0.05 --faults
    python bench/stub_teacher.py --port 8010 --quoting

With `--quoting` it answers the two prompts of `gemel synth qa` as a teacher should who has nothing of its own to say:
it asks about the longest words of a sentence, and claims what the fitting sentence says, which it quotes. So the way
from texts to a trained twin can be walked without any model.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections import Counter
from hashlib import blake2b

TAGGED = "<answer>The tide comes in twice a day because the moon pulls at the sea.</answer>"


SENTENCE = re.compile(r"[^.!?;]{40,400}[.!?;]")
WORD = re.compile(r"[a-z]{7,}")


def quoting(body: bytes) -> str:
    """The answer to a prompt of `gemel synth qa`: questions on a text, or claims with quotations."""
    said = json.loads(body)["messages"][-1]["content"]
    text, _, asked = said.removeprefix("<text").partition(">")[2].partition("</text>")
    sentences = [m.group().strip() for m in SENTENCE.finditer(text)]
    wanted = re.search(r"Question to the author: (.*)", asked)
    if wanted is None:
        count = int(asked.partition("Write ")[2].partition(" ")[0])
        longest = [sorted(set(WORD.findall(s)), key=len)[-3:] for s in sentences]
        asks = [f"What do you think of {', '.join(w[:-1])} and {w[-1]}?" for w in longest if len(w) > 1]
        return json.dumps({"questions": asks[:: max(1, len(asks) // count)][:count]})
    words = set(WORD.findall(wanted[1]))
    best = max(sentences, key=lambda s: len(words & set(WORD.findall(s))), default="")
    fits = bool(words & set(WORD.findall(best)))
    return json.dumps({"claims": [{"claim": best, "quote": best}] if fits else []})


class Teacher:
    """Counts what it served; faults are (share, status): 0 hangs, -1 is malformed."""

    def __init__(self, latency: float, *, faults: bool, quotes: bool = False) -> None:
        self.latency = latency
        self.quotes = quotes
        self.faults = ((0.10, 429), (0.05, 500), (0.01, 0), (0.01, -1)) if faults else ()
        self.permanent = 0.02 if faults else 0.0
        self.seen: Counter[bytes] = Counter()
        self.served: Counter[bytes] = Counter()
        self.good = _completion(TAGGED)

    def __call__(self, body: bytes) -> bytes | None:
        """The response to a request's body; None: none ever."""
        key = blake2b(body[body.find(b'"messages"') :], digest_size=8).digest()
        if self.permanent and key[0] / 256 < self.permanent:
            return _answer(400, {"error": {"message": "never"}})
        self.seen[key] += 1
        draw = blake2b(key + bytes([self.seen[key] % 256]), digest_size=4).digest()
        rest = int.from_bytes(draw) / 2**32
        for share, status in self.faults:
            if rest < share:
                if status == -1:
                    return _raw(200, b'{"choices": [')
                return _answer(status, {"error": {"message": "no"}}) if status else None
            rest -= share
        self.served[key] += 1
        return _completion(quoting(body)) if self.quotes else self.good


def _raw(status: int, body: bytes) -> bytes:
    head = b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    return head % (status, len(body)) + body


def _answer(status: int, body: object) -> bytes:
    return _raw(status, json.dumps(body).encode())


def _completion(text: str) -> bytes:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop", "index": 0}
    usage = {"prompt_tokens": 40, "completion_tokens": 20, "total_tokens": 60}
    told = {"id": "x", "object": "chat.completion", "created": 0, "model": "m"}
    return _answer(200, {**told, "choices": [choice], "usage": usage})


class Wire(asyncio.Protocol):
    """One connection, one request at a time."""

    def __init__(self, teacher: Teacher) -> None:
        self.teacher = teacher
        self.data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        head = self.data.find(b"\r\n\r\n")
        if head < 0:
            return
        if self.data.startswith(b"GET"):
            self.data = b""
            counts = self.teacher.served
            self.transport.write(_answer(200, {"served": sum(counts.values()), "distinct": len(counts)}))
            return
        low = self.data[:head].lower()
        at = low.find(b"content-length:")
        length = int(low[at + 15 :].split(b"\r\n", 1)[0])
        if len(self.data) < head + 4 + length:
            return
        body, self.data = self.data[head + 4 : head + 4 + length], self.data[head + 4 + length :]
        answer = self.teacher(body)
        if answer is None:
            return
        if self.teacher.latency:
            asyncio.get_running_loop().call_later(self.teacher.latency, self._write, answer)
        else:
            self._write(answer)

    def _write(self, answer: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(answer)


async def serve(port: int, teacher: Teacher) -> None:
    """Serve until killed; the port is the first line of stdout."""
    server = await asyncio.get_running_loop().create_server(lambda: Wire(teacher), "127.0.0.1", port, backlog=1024)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.05)
    parser.add_argument("--faults", action="store_true")
    parser.add_argument("--quoting", action="store_true")
    asked = parser.parse_args()
    try:
        asyncio.run(serve(asked.port, Teacher(asked.latency, faults=asked.faults, quotes=asked.quoting)))
    except KeyboardInterrupt:
        sys.exit(130)
