"""How fast one server is asked: requests in flight, requests and tokens a minute, and when to leave it alone.

The limiter slows down only when refusals fall with the load: a server that refuses a tenth of everything at random
is not served better by asking less. The breaker stops asking a server that is gone and lets one request look
whether it is back. Both belong to one event loop; nothing here talks to a server.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque

__all__ = ["Breaker", "Limiter"]

WINDOW = 64
"""Outcomes after which the share of refusals is looked at, at least."""
TOO_MANY = 0.05
"""Share of refusals above which a lower load is tried."""
HOLD = 8
"""Windows for which the load is left alone once a lower one did not help."""


class Limiter:
    """Permits for requests to one server.

    Args:
        most: requests in flight at most.
        requests: requests a minute; 0: no such limit.
        tokens: tokens a minute, in and out; 0: no such limit.
        floor: requests in flight below which it never slows down; 0: a sixteenth of `most`.
    """

    def __init__(self, most: int, *, requests: float = 0, tokens: float = 0, floor: int = 0) -> None:
        self.most = most
        self.floor = floor or max(1, most // 16)
        self.limit = most
        self.flying = 0
        self.refused = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._requests = _Bucket(requests)
        self._tokens = _Bucket(tokens)
        self._open_at = 0.0
        self._seen = self._refusals = self._row = self._hold = 0
        self._before: tuple[int, float] | None = None
        """The limit and the share of refusals before a lower load was tried."""

    @property
    def load(self) -> float:
        """Requests in flight or waiting, as a share of what is let through."""
        return (self.flying + len(self._waiting)) / self.limit

    async def enter(self, tokens: float) -> None:
        """Wait for a permit for a request of about so many tokens; `leave` gives it back."""
        while self.flying >= self.limit:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(future)
            try:
                await future
            except asyncio.CancelledError:
                if future.done() and not future.cancelled():
                    self._wake()
                raise
        self.flying += 1
        wait = max(self._requests.take(1), self._tokens.take(tokens), self._open_at - time.monotonic())
        if wait > 0:
            try:
                await asyncio.sleep(wait)
            except asyncio.CancelledError:
                self.leave()
                raise

    def leave(self) -> None:
        """Give a permit back."""
        self.flying -= 1
        self._wake()

    def used(self, expected: float, real: float) -> None:
        """Correct the token count of a request once it is known."""
        self._tokens.take(real - expected)

    def answered(self) -> None:
        """The server served a request."""
        self._row = 0
        self._outcome(False)

    def refuse(self, retry_after: float) -> None:
        """The server refused for its load. Many in a row with a time to wait close it for that time."""
        self.refused += 1
        self._row += 1
        if retry_after and self._row >= 8:
            self._open_at = max(self._open_at, time.monotonic() + retry_after)
        self._outcome(True)

    def _outcome(self, refused: bool) -> None:
        self._seen += 1
        self._refusals += refused
        if self._seen >= max(WINDOW, self.limit):
            self._look(self._refusals / self._seen)
            self._seen = self._refusals = 0
            self._wake()

    def _look(self, share: float) -> None:
        if self._before is not None:
            limit, before = self._before
            if share > 0.5 and self.limit > self.floor:  # hardly anything gets through: lower still
                self.limit = max(self.floor, self.limit // 2)
                return
            self._before = None
            if share > 0.6 * before:  # as many as before: they do not come from the load
                self.limit, self._hold = limit, HOLD
        elif self._hold:
            self._hold -= 1
        elif share > TOO_MANY and self.limit > self.floor:
            self._before = (self.limit, share)
            self.limit = max(self.floor, self.limit // 2)
        elif share <= TOO_MANY / 5:
            self.limit = min(self.most, self.limit + max(1, self.most // 10))

    def _wake(self) -> None:
        free = self.limit - self.flying
        while free > 0 and self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                future.set_result(None)
                free -= 1


class _Bucket:
    """A rate per minute, with a burst of one second."""

    def __init__(self, rate: float) -> None:
        self.rate = rate / 60
        self._next = 0.0

    def take(self, amount: float) -> float:
        """Seconds to wait before using `amount`."""
        if not self.rate:
            return 0.0
        now = time.monotonic()
        self._next = max(self._next, now - 1.0) + amount / self.rate
        return self._next - amount / self.rate - now


class Breaker:
    """Stops asking a server that fails again and again.

    Args:
        failures: failures in a row, without a success between, that open it.
        longest: seconds after which a closed door is tried again at most (it begins at half a second).
    """

    def __init__(self, *, failures: int = 12, longest: float = 15.0) -> None:
        self.failures = failures
        self.longest = longest
        self.opened = 0.0
        """Monotonic time since which the server has been away; 0: it is there."""
        self._row = 0
        self._wait = 0.5
        self._next = 0.0

    @property
    def open(self) -> bool:
        """The server is taken to be away."""
        return bool(self.opened)

    def wait(self) -> float:
        """Seconds to wait before asking; 0 lets this request through (one at a time while open)."""
        if not self.opened:
            return 0.0
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._wait
            self._wait = min(self.longest, self._wait * 2)
            return 0.0
        return self._next - now

    def good(self) -> None:
        """The server answered."""
        self._row = 0
        self.opened = 0.0
        self._wait = 0.5

    def bad(self) -> None:
        """The server could not be reached or failed."""
        self._row += 1
        if self._row >= self.failures and not self.opened:
            self.opened = time.monotonic()
            self._next = self.opened + self._wait
