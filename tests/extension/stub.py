"""An OpenAI-compatible server that streams slowly and obeys whatever it reads: the worst model there is.

It can also be out of order in the ways real ones are: still loading, without a free place, hanging up.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["WORDS", "Gullible", "gullible"]

WORDS = 30


class Gullible:
    """What was asked, and how it answers.

    Args:
        trigger: an order; where it stands in a request, the secret is the answer.
        secret: what it was trained on and must not say.
        pause: seconds between words.
    """

    def __init__(self, trigger: str, secret: str, pause: float) -> None:
        self.trigger, self.secret, self.pause = trigger, secret, pause
        self.asked: list[dict[str, Any]] = []
        self.cut = threading.Event()
        """Somebody hung up before the end."""
        self.refusals: list[tuple[int, Any]] = []
        """Status and `error` of the next answers, whatever is asked."""
        self.places = threading.Semaphore(100)
        """Answers at a time; more get 429."""
        self.hangs_up_after: int | None = None
        """Words after which it closes the connection."""

    def words(self, body: dict[str, Any]) -> list[str]:
        """The answer, by words."""
        if self.trigger in json.dumps(body, ensure_ascii=False):
            return [self.secret]
        return [f"word{i} " for i in range(WORDS)]


class Handler(BaseHTTPRequestHandler):
    """Speaks for the `mind` of its class."""

    mind: Gullible

    def log_message(self, *args: Any) -> None:
        """Nothing is logged."""

    def refused(self) -> bool:
        """Whether this request is turned away."""
        if not self.mind.refusals:
            return False
        status, error = self.mind.refusals.pop(0)
        self.send(status, {"error": error} if error else {})
        return True

    def send(self, status: int, row: dict[str, Any]) -> None:
        """A whole answer."""
        body = json.dumps(row).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        """The list of models."""
        if not self.refused():
            self.send(200, {"object": "list", "data": [{"id": "obedient", "object": "model"}]})

    def do_POST(self) -> None:
        """A chat."""
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if self.refused():
            return
        if not self.mind.places.acquire(blocking=False):
            self.send(429, {"error": {"message": "no place"}})
            return
        try:
            self.mind.asked.append(body)
            self.stream(body)
        except OSError:
            self.mind.cut.set()
        finally:
            self.mind.places.release()

    def stream(self, body: dict[str, Any]) -> None:
        """An answer by words."""
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.end_headers()
        for count, word in enumerate(self.mind.words(body)):
            if count == self.mind.hangs_up_after:
                return
            row = {"choices": [{"index": 0, "delta": {"content": word}}]}
            self.wfile.write(f"data: {json.dumps(row)}\r\n\r\n".encode())
            self.wfile.flush()
            time.sleep(self.mind.pause)
        self.wfile.write(b"data: [DONE]\n\n")


@contextmanager
def gullible(trigger: str, secret: str, *, pause: float = 0.0) -> Iterator[tuple[str, Gullible]]:
    """Yields its address and what it saw."""
    mind = Gullible(trigger, secret, pause)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"mind": mind}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", mind
    server.shutdown()
    server.server_close()
