"""A measured number with everything needed to believe it, or the reason why it is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

__all__ = ["Score", "Verdict"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """One metric of one system on one set of replies."""

    metric: str
    system: str
    value: float | None
    unit: str = ""
    better: str = "higher"
    """higher, lower, or a target such as "0.5" or "1"."""
    n: int = 0
    """Replies measured."""
    sessions: int = 0
    """Independent units of the interval."""
    low: float | None = None
    high: float | None = None
    """95 % bootstrap interval over sessions."""
    floor: float | None = None
    """Best-prompted base or another person of the same chats, whichever is better."""
    ceiling: float | None = None
    """The person against their own disjoint sessions."""
    permuted: float | None = None
    """The same metric with each prediction paired with another context."""
    relative: float | None = None
    """S* = (value - floor) / (ceiling - floor)."""
    relative_low: float | None = None
    relative_high: float | None = None
    p: float | None = None
    """Adjusted (Holm) p-value of the difference to the floor, where a test was made."""
    refused: str = ""
    """Why no number is given, for a person to read."""
    group: str = "all"
    """The slice: all, or e.g. contact:…, register:…, language:…"""
    extra: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {**asdict(self), "extra": dict(self.extra)}

    @classmethod
    def from_dict(cls, raw: Mapping[str, Any]) -> Score:
        """The score that `to_dict` wrote."""
        return cls(**raw)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a set of scores says in one sentence, and how sure that is."""

    sentence: str
    level: str
    """refused, none, some, close or indistinguishable."""
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
