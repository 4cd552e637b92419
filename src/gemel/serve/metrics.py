"""Figures for Prometheus: latency, tokens, queue, cache, memory. Numbers and ways only, never text."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from gemel.speaker import Reply

if TYPE_CHECKING:
    from gemel.serve.house import House

__all__ = ["Metrics"]

_SECONDS = (0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5, 1, 2, 5, 15, 60)


class Metrics:
    """All figures of one server."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.registry = CollectorRegistry()
        r = self.registry
        self.replies = Counter("gemel_replies", "Replies by way and how they ended", ["way", "finish"], registry=r)
        self.tokens = Counter("gemel_tokens", "Tokens by way, read and written", ["way", "direction"], registry=r)
        self.first = Histogram(
            "gemel_first_piece_seconds", "Until the first piece", ["way"], registry=r, buckets=_SECONDS
        )
        self.whole = Histogram("gemel_reply_seconds", "Until the whole reply", ["way"], registry=r, buckets=_SECONDS)
        self.hits = Counter("gemel_cache_hits", "Replies from the cache", registry=r)
        self.refused = Counter("gemel_refused", "Requests refused because the queue was full", registry=r)
        gauges = {
            "gemel_requests_in_flight": ("Requests running or waiting", lambda: house.busy),
            "gemel_engine_waiting": ("Requests waiting for a slot", lambda: self._engine("waiting")),
            "gemel_engine_active": ("Chats being decoded", lambda: self._engine("active")),
            "gemel_prefix_tokens_reused": ("Prompt tokens that were not read again", lambda: self._total("reused")),
            "gemel_prompt_tokens_read": ("Prompt tokens read", lambda: self._total("read")),
            "gemel_cache_entries": ("Replies in the cache", lambda: len(house.cache)),
            "gemel_memory_bytes": ("Resident memory", lambda: psutil.Process().memory_info().rss),
            "gemel_gpu_memory_bytes": ("Memory taken on the accelerator", _gpu),
        }
        for name, (text, value) in gauges.items():
            Gauge(name, text, registry=r).set_function(value)

    def note(self, way: str, reply: Reply, seconds: float) -> None:
        """A finished reply."""
        self.replies.labels(way, reply.finish).inc()
        self.tokens.labels(way, "in").inc(reply.tokens_in)
        self.tokens.labels(way, "out").inc(reply.tokens_out)
        self.whole.labels(way).observe(seconds)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)

    def _engine(self, name: str) -> float:
        twin = self._house.loaded
        return float(getattr(twin.engine, name)) if twin is not None and twin.engine is not None else 0.0

    def _total(self, name: str) -> float:
        twin = self._house.loaded
        return float(getattr(twin.engine.totals, name)) if twin is not None and twin.engine is not None else 0.0


def _gpu() -> float:
    import torch

    return float(torch.cuda.memory_allocated()) if torch.cuda.is_available() else 0.0
