"""A diary that grows by the month, and a twin of its first months: two layers, trained for a second."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from gemel.config import Config
from gemel.pipeline.build import build_dataset
from gemel.pipeline.imports import import_paths
from gemel.pipeline.train import train_voice
from gemel.workspace import Workspace
from tests.tiny import tiny_folder

__all__ = ["AUTHOR", "begun", "diary", "settings"]

AUTHOR = "Ada Quill"
_PARTS = (
    ("up betimes", "up late", "lay long in bed"),
    ("and to the office", "and to the river", "and to my lord's"),
    ("where we talked of the ships", "where I dined upon a pie", "where we sat all the morning"),
    ("and so home", "and so by water home", "and so home with my wife"),
    ("and to bed", "and so to bed", "and late to bed"),
)
_OTHER = ("QUARTERLY YIELD 4%", "SEE TABLE 17(B)", "NET OF TAX ###", "REF: ZX-9081", "Q3/Q4 DELTA 0.55")


def diary(folder: Path, month: int, *, days: int = 20, other: bool = False) -> Path:
    """One Markdown file a day; by somebody of quite another kind if `other`."""
    drawn, first = random.Random(f"{month} {other}"), date(2020, 1, 1) + timedelta(days=31 * month)
    folder.mkdir(parents=True, exist_ok=True)
    for day in range(days):
        when = (first + timedelta(days=day)).isoformat()
        lines = [
            "; ".join(drawn.sample(_OTHER, 4)) if other else ", ".join(drawn.choice(part) for part in _PARTS)
            for _ in range(2)
        ]
        head = f'---\ntitle: "{when}"\nauthor: "{AUTHOR}"\ndate: {when}\n---\n\n'
        (folder / f"{when}.md").write_text(head + ". ".join(lines) + ".\n", encoding="utf-8")
    return folder


def settings(workspace: Workspace, **improve: Any) -> Config:
    """Small in everything; the gate's own measures only."""
    return workspace.config(
        {
            "privacy": {"mode": "off"},
            "corpus": {"author": AUTHOR, "slice_words": 40, "embargo_hours": 0.0},
            "model": {"base": str(workspace.root.parent / "base"), "embedder": "hash", "context": 512},
            "train": {"method": "full", "max_steps": 12, "epochs": 30, "batch_tokens": 1024, "lr": 3e-3, "threads": 1}
            | {"checkpoint_every": 2, "evaluate_every": 6, "patience": 0},
            "improve": {"evaluate": False, "audit": "quick", "replies": 12, "min_new_turns": 5, "holdout": 0.4}
            | improve,
        }
    )


def begun(root: Path) -> Workspace:
    """A twin that has learned three months."""
    tiny_folder(root / "base")
    workspace = Workspace(root / "twin")
    workspace.prepare()
    config = settings(workspace)
    for month in range(3):
        import_paths(workspace, [diary(root / "exports" / f"{month}", month)], config)
    build_dataset(workspace, config)
    train_voice(workspace, config)
    return workspace
