"""Which unit goes where: train, valid and test in order of time, with an embargo between them.

A unit is a session, a document or a profile, never a window: what overlaps stays together. An embargo longer than a
quarter of the time that a split spans would swallow a short corpus; it is then shortened, and the caller is told.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, TypeVar

__all__ = ["EMBARGO", "Placed", "Unit", "heldout", "in_order", "shuffled"]

EMBARGO = "embargo"
"""The place of a unit that is left out because it lies too close behind a border."""

K = TypeVar("K", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Unit(Generic[K]):
    """Something that is never parted, with when it began and ended (seconds, or ranks where there is no time)."""

    key: K
    start: float
    end: float


@dataclass(frozen=True, slots=True)
class Placed(Generic[K]):
    """Where each unit went: a split or `EMBARGO`; and the two embargoes that were kept, in seconds."""

    places: dict[K, str] = field(default_factory=dict)
    embargoes: tuple[float, float] = (0.0, 0.0)


def in_order(units: Sequence[Unit[K]], shares: tuple[float, float, float], *, embargo: float = 0.0) -> Placed[K]:
    """Split by time: every train unit ends before the first valid one begins, and so on.

    Args:
        units: in any order; ties in time are settled by the key's text.
        shares: of train, valid and test; from three units on each share above 0 gets at least one.
        embargo: seconds between the end of one split and the beginning of the next.
    """
    ranked = sorted(units, key=lambda u: (u.start, u.end, str(u.key)))
    counts = _counts(len(ranked), shares)
    train, rest = ranked[: counts[0]], ranked[counts[0] :]
    valid, test = rest[: counts[1]], rest[counts[1] :]
    places = {u.key: "train" for u in train}
    kept: list[float] = []
    end = max((u.end for u in train), default=float("-inf"))
    for name, part in (("valid", valid), ("test", test)):
        room = (part[-1].start - end) / 4 if part and end > float("-inf") else embargo
        border = max(0.0, min(embargo, room))
        places.update({u.key: name if u.start >= end + border else EMBARGO for u in part})
        kept.append(border)
        end = max([end, *(u.end for u in part if places[u.key] == name)])
    return Placed(places, (kept[0], kept[1]))


def shuffled(keys: Sequence[str], shares: tuple[float, float, float]) -> dict[str, str]:
    """Split what has no time: by rank of a stable hash of the key."""
    ranked = sorted(set(keys), key=_hash)
    return in_order([Unit(k, i, i) for i, k in enumerate(ranked)], shares).places


def heldout(contacts: Sequence[str], share: float) -> frozenset[str]:
    """The contacts kept for the second test, chosen by a stable hash; nobody below five contacts."""
    if share <= 0 or len(contacts) < 5:
        return frozenset()
    return frozenset(sorted(set(contacts), key=_hash)[: max(1, round(share * len(contacts)))])


def _counts(n: int, shares: tuple[float, float, float]) -> tuple[int, int, int]:
    whole = sum(shares) or 1.0
    later = [round(n * s / whole) for s in shares[1:]]
    if n >= 3:
        later = [max(1, c) if s > 0 else 0 for c, s in zip(later, shares[1:])]
    elif n == 2:
        later = [0, 1 if shares[2] > 0 else 0]
    else:
        later = [0, 0]
    return n - sum(later), later[0], later[1]


def _hash(key: str) -> bytes:
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()
