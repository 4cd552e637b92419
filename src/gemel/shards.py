"""The same function over many shards: here, in local processes, or on Ray.

A place is written `here`, `local`, `local:4`, `ray` or `ray://host:port`. The function is importable (not a lambda),
its argument and result can be pickled, and it knows nothing of the other shards: what comes back is in the order
of the shards, so that every place gives the same. There is no scheduler here beyond "as many at once as there are
workers", and nothing is retried: what a shard wrote by itself is there when it is run again.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, TypeVar

from gemel.errors import ConfigError, MissingExtra

__all__ = ["Place", "over", "shard_of"]

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Place:
    """Where shards are worked on."""

    kind: str
    """here, local or ray."""
    workers: int = 1
    """Processes; 0: as many as there are cores (local), or as Ray gives (ray)."""
    address: str = ""
    """Of a running Ray; empty: one is started here."""

    @classmethod
    def parse(cls, text: str) -> Place:
        """`here`, `local`, `local:4`, `ray`, `ray:4` or `ray://host:port`.

        Raises:
            ConfigError: for anything else.
        """
        if text.startswith("ray://"):
            return cls("ray", 0, text)
        kind, _, number = text.partition(":")
        if kind in ("here", "local", "ray") and (not number or (number.isdecimal() and int(number) > 0)):
            if kind == "here":
                return cls("here")
            return cls(kind, int(number) if number else (os.cpu_count() or 1) if kind == "local" else 0)
        raise ConfigError(f"no such place to work: '{text}'", hint="Use here, local:4, ray or ray://host:port.")


def shard_of(key: str, count: int) -> int:
    """The shard of a key: stable over machines, versions and runs."""
    return int.from_bytes(blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) % count


def over(function: Callable[[T], R], shards: Sequence[T], place: Place) -> Iterator[R]:
    """The function's results, in the order of the shards.

    Raises:
        MissingExtra: when Ray is asked for and not installed.
    """
    if place.kind == "here":
        yield from map(function, shards)
    elif place.kind == "local":
        # spawn: a forked process would share open connections and locks
        workers = max(1, min(place.workers, len(shards)))
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            yield from pool.map(function, shards)
    else:
        yield from _on_ray(function, shards, place)


def _on_ray(function: Callable[[T], R], shards: Sequence[T], place: Place) -> Iterator[R]:
    try:
        import ray
    except ImportError:
        raise MissingExtra("ray", extra="ray") from None
    mine = not ray.is_initialized()
    if mine:
        given: dict[str, Any] = {"address": place.address} if place.address else {"num_cpus": place.workers or None}
        ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False, **given)
    try:
        task = ray.remote(function)
        for reference in [task.remote(shard) for shard in shards]:
            yield ray.get(reference)
    finally:
        if mine:
            ray.shutdown()
