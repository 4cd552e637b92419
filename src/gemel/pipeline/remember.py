"""The stage that makes a twin usable without training: its card is measured, its memory indexed.

Skipped where both are up to date; only what is new is embedded.
"""

from __future__ import annotations

from gemel.config import Config
from gemel.model.twin import prepare
from gemel.workspace import Workspace

__all__ = ["remember"]


def remember(workspace: Workspace, config: Config, dataset: str = "main") -> str:
    """Measure the card and index the memory; returns what was done, in one line.

    Raises:
        MissingStage: when nothing was built yet.
        TooLittle: when no turn of the person is in the data set.
    """
    with workspace.lock("remember"):
        parts = prepare(workspace, config, dataset)
        turns = len(parts.memory)
        parts.memory.close()
    return f"{turns:,} turns remembered" + ("" if parts.changed else " (up to date)")
