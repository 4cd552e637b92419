"""An OpenAI-compatible server that streams slowly and obeys whatever it reads: the worst model there is."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = ["Gullible", "gullible"]

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

    def words(self, body: dict[str, Any]) -> list[str]:
        """The answer, by words."""
        if self.trigger in json.dumps(body, ensure_ascii=False):
            return [self.secret]
        return [f"word{i} " for i in range(WORDS)]


@contextmanager
def gullible(trigger: str, secret: str, *, pause: float = 0.0) -> Iterator[tuple[str, Gullible]]:
    """Yields its address and what it saw."""
    mind = Gullible(trigger, secret, pause)

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            body = json.dumps({"object": "list", "data": [{"id": "obedient", "object": "model"}]}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            mind.asked.append(body)
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            try:
                for word in mind.words(body):
                    row = {"choices": [{"index": 0, "delta": {"content": word}}]}
                    self.wfile.write(f"data: {json.dumps(row)}\r\n\r\n".encode())
                    self.wfile.flush()
                    time.sleep(mind.pause)
                self.wfile.write(b"data: [DONE]\n\n")
            except OSError:
                mind.cut.set()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", mind
    server.shutdown()
    server.server_close()
