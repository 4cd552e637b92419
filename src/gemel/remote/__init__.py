"""Any OpenAI-compatible server: asked many times at once, retried in place, slowed only when that helps.

`Client` is the asynchronous core of synthesis; `RemoteSpeaker` is the same behind the plain `Speaker`
interface, for the twin, judges and benchmarks. Embeddings, images and tools are not covered.
"""

from __future__ import annotations

from gemel.remote.client import Client, Completion, Dead, Endpoint, Gone, Request, Usage
from gemel.remote.limit import Breaker, Limiter
from gemel.remote.speaker import RemoteSpeaker, messages_of

__all__ = [
    "Breaker",
    "Client",
    "Completion",
    "Dead",
    "Endpoint",
    "Gone",
    "Limiter",
    "RemoteSpeaker",
    "Request",
    "Usage",
    "messages_of",
]
