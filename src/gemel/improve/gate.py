"""The gate: whether a newly trained voice may take the place of the current one. Pure functions over measurements.

A candidate passes when it is worse beyond noise in nothing that is measured (likelihood and choice test on held-out
replies, old ones and new ones apart; leaks; blind votes) and better beyond noise in likelihood or choice. All
intervals are paired bootstraps over sessions at 95 %. Otherwise the current voice stays, with the reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gemel.evaluate.statistics import (
    LEAST_SESSIONS,
    Floats,
    Index,
    apply,
    bootstrap,
    draws,
    interval,
    ratio_of,
    sign_flip,
    sums,
)

__all__ = ["Blind", "Carried", "Decision", "Finding", "Leak", "Replies", "carried", "choice", "decide", "likelihood"]

RESAMPLES = 2000
ALPHA = 0.05
ROUNDING = 1e-4
"""A smaller difference is arithmetic: a voice that learned nothing differs by it from the one it went on from."""
FOREIGN = 0.5
"""New text on which the voice keeps less than this share of its gain over the base is taken for somebody else's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replies:
    """Two systems on the same N held-out replies."""

    sessions: Index
    """(N,) session number of each reply."""
    bytes: Floats
    """(N,) UTF-8 bytes."""
    before: Floats
    """(N,) bits under the current voice."""
    after: Floats
    """(N,) bits under the candidate."""
    right_before: Floats
    """(N,) 1 where the current voice found the true reply, its share at ties; NaN where it was not asked."""
    right_after: Floats

    @property
    def count(self) -> int:
        """Independent sessions."""
        return int(self.sessions.max()) + 1 if len(self.sessions) else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A difference, candidate against current, positive when the candidate is better."""

    name: str
    value: float
    low: float
    high: float
    p: float
    """Two-sided sign-flip test over sessions: a bootstrap alone is too sure of a few differences among many zeros."""
    unit: str
    n: int
    sessions: int

    @property
    def known(self) -> bool:
        """Whether there is enough for an interval."""
        return bool(np.isfinite(self.low) and np.isfinite(self.high))

    @property
    def better(self) -> bool:
        """Beyond noise."""
        return self.known and self.low > 0 and self.value >= ROUNDING and self.p <= ALPHA

    @property
    def worse(self) -> bool:
        """Beyond noise."""
        return self.known and self.high < 0 and self.value <= -ROUNDING and self.p <= ALPHA

    def __str__(self) -> str:
        if not self.known:
            return f"{self.name}: too few sessions ({self.sessions})"
        return f"{self.name} {self.value:+.4f} {self.unit} ({self.low:+.4f} to {self.high:+.4f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Leak:
    """How much a voice knows by heart, before and after; higher is worse."""

    name: str
    before: float
    after: float
    low: float
    """Lower end of the 95 % interval of the rise; NaN where it could not be measured."""

    @property
    def up(self) -> bool:
        """Beyond noise."""
        return bool(np.isfinite(self.low) and self.low > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blind:
    """Blind votes between the candidate and the current voice, judged by an anytime-valid test."""

    wins: int = 0
    losses: int = 0
    worse: bool = False
    """The evidence says that the candidate is preferred less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What the gate says."""

    passed: bool
    reasons: tuple[str, ...]
    """Why not, or what is better."""
    findings: tuple[Finding, ...]
    leaks: tuple[Leak, ...]
    blind: Blind = Blind()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        raw = asdict(self)
        for row in (*raw["findings"], *raw["leaks"]):
            row.update({k: None for k, v in row.items() if isinstance(v, float) and not np.isfinite(v)})
        return raw


def likelihood(replies: Replies, name: str = "likelihood", *, seed: int = 0) -> Finding:
    """Bits per byte that the candidate saves."""
    gained = sums(replies.before - replies.after, replies.sessions, replies.count)
    size = sums(replies.bytes, replies.sessions, replies.count)
    return _finding(name, gained, size, "bits per byte", len(replies.bytes), seed)


def choice(replies: Replies, name: str = "choice", *, seed: int = 0) -> Finding:
    """Share of replies that the candidate finds more often than the current voice."""
    asked = np.isfinite(replies.right_before) & np.isfinite(replies.right_after)
    difference = np.where(asked, replies.right_after - replies.right_before, 0.0)
    gained = sums(difference, replies.sessions, replies.count)
    size = sums(asked.astype(np.float64), replies.sessions, replies.count)
    return _finding(name, gained, size, "share found", int(asked.sum()), seed)


def _finding(name: str, gained: Floats, size: Floats, unit: str, n: int, seed: int) -> Finding:
    kept = size > 0
    count = int(kept.sum())
    value = low = high = p = float("nan")
    if count:
        value, low, high = bootstrap(ratio_of(gained[kept], size[kept]), draws(count, RESAMPLES, seed=seed))
        p = sign_flip(gained[kept], seed=seed)
    return Finding(name=name, value=value, low=low, high=high, p=p, unit=unit, n=n, sessions=count)


def decide(
    findings: Sequence[Finding],
    leaks: Sequence[Leak] = (),
    *,
    failed: Sequence[str] = (),
    blind: Blind = Blind(),
    foreign: str = "",
) -> Decision:
    """Let the candidate through, or say why not.

    Args:
        findings: likelihood and choice, on old and on new held-out replies.
        leaks: what each voice knows by heart.
        failed: limits that the audit found broken.
        blind: votes on the two.
        foreign: why the new text is taken for somebody else's; a gain on such text is no gain.
    """
    against = [f"worse: {f}" for f in findings if f.worse]
    against += [f"leaks more: {leak.name} {leak.before:.3f} to {leak.after:.3f}" for leak in leaks if leak.up]
    against += [f"audit: {reason}" for reason in failed]
    if foreign:
        against.append(f"the new text does not look like yours: {foreign}")
    if blind.worse:
        against.append(f"blind votes prefer the current voice ({blind.losses} to {blind.wins})")
    gains = [f"better: {f}" for f in findings if f.better]
    if not any(f.known for f in findings):
        against.append(f"fewer than {LEAST_SESSIONS} held-out sessions: no difference can be seen")
    elif not gains:
        against.append("no gain beyond noise: " + "; ".join(str(f) for f in findings if f.known))
    reasons = tuple(against) if against else tuple(gains)
    return Decision(passed=not against, reasons=reasons, findings=tuple(findings), leaks=tuple(leaks), blind=blind)


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """How much of what the current voice learned of the person holds for new text."""

    new: float
    """Bits per byte that the voice saves against the base on new text."""
    old: float
    """The same on held-out text of before."""
    share: float
    """new ÷ old."""
    low: float
    high: float
    """95 % interval of the share; NaN where it cannot be told."""
    sessions: int
    """New sessions."""

    @property
    def foreign(self) -> bool:
        """Whether the new text is taken for somebody else's."""
        return bool(np.isfinite(self.high) and self.high < FOREIGN)

    def __str__(self) -> str:
        if not np.isfinite(self.high):
            return "it cannot be told whether the new text is yours: too little held-out text"
        return (
            f"on the new text the voice gains {self.new:+.3f} bits per byte, on your earlier text {self.old:+.3f}: "
            f"{self.share:.0%} ({self.low:.0%} to {self.high:.0%})"
        )


def carried(new: tuple[Floats, Floats], old: tuple[Floats, Floats], *, seed: int = 0) -> Carried:
    """Compare what the voice gains on new text with what it gains on earlier text that it has not seen either.

    Args:
        new: (S,) bits that the voice saves against the base in each new session, and (S,) bytes.
        old: the same for earlier held-out sessions.
    """
    counts = len(new[0]), len(old[0])
    nan = float("nan")
    gains = [float(bits.sum() / size.sum()) if size.sum() else nan for bits, size in (new, old)]
    low = high = nan
    if min(counts) >= LEAST_SESSIONS:
        drawn = [
            apply(ratio_of(*side), draws(n, RESAMPLES, seed=seed + i))
            for i, (side, n) in enumerate(zip((new, old), counts))
        ]
        if float(np.quantile(drawn[1], 0.025)) > 0:  # else the voice knows too little to tell by
            low, high = interval(drawn[0] / drawn[1], min(counts))
    return Carried(
        new=gains[0],
        old=gains[1],
        share=gains[0] / gains[1] if gains[1] else nan,
        low=low,
        high=high,
        sessions=counts[0],
    )
