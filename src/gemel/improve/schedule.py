"""When a retraining is due: after so many days, or when enough of the person's own turns are new. Pure functions."""

from __future__ import annotations

from typing import NamedTuple

from gemel.config import ImproveSection

__all__ = ["DAY", "Due", "due"]

DAY = 86_400.0
"""Seconds."""
LEAST_PAUSE = 3600.0
"""Seconds between two rounds, however much is new."""


class Due(NamedTuple):
    """Whether to retrain now."""

    now: bool
    reason: str
    """Why, or why not yet."""
    at: float
    """Seconds since the epoch of the next time it is due by the calendar."""


def due(section: ImproveSection, *, now: float, last: float, changed: bool, unfinished: bool = False) -> Due:
    """Whether a round is due.

    Args:
        section: `every_days`.
        now: seconds since the epoch.
        last: when the last round began; 0: never.
        changed: whether something was brought since.
        unfinished: whether a round was begun and not ended.
    """
    at = last + section.every_days * DAY
    if now - last < LEAST_PAUSE:
        return Due(False, "the last round began less than an hour ago", at)
    if unfinished:
        return Due(True, "a round was begun and not finished", at)
    if changed:
        return Due(True, "something new was brought", at)
    if now >= at:
        return Due(
            True, f"the last round began more than {section.every_days:g} days ago" if last else "never done yet", at
        )
    return Due(False, "nothing new", at)
