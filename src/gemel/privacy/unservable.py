"""A voice that was trained on what has been forgotten since must not speak again until it is trained anew.

`unservable.json` in a run's folder says so, with the reason; whatever loads a run asks here first.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

from gemel.errors import Refused
from gemel.workspace import atomic

__all__ = ["MARK", "is_unservable", "mark_unservable", "refuse_unservable"]

MARK = "unservable.json"


def mark_unservable(run: Path, reason: str) -> None:
    """Mark a run's folder; the first reason stays."""
    if not is_unservable(run):
        with atomic(run / MARK) as path:
            path.write_text(json.dumps({"reason": reason, "time": time.time()}), encoding="utf-8")


def is_unservable(run: Path) -> bool:
    """Whether the run is marked."""
    return (run / MARK).exists()


def refuse_unservable(run: Path) -> None:
    """Let a run pass that may be loaded.

    Raises:
        Refused: when it was trained on what was forgotten.
    """
    if is_unservable(run):
        raise Refused(
            f"the voice {run.name} was trained on something that has been forgotten or excluded since",
            hint="Run `gemel build` and `gemel train` to make a new one.",
        )
