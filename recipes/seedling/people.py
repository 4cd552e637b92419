"""Three people that bases are compared on: their examples, split in time, as gemel builds them."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemel.cli.demo import ASSETS, HAMILTON, HIGGINS
from gemel.examples import Example, Role, Turn, read_examples
from gemel.pipeline.build import build_dataset
from gemel.pipeline.imports import import_paths
from gemel.workspace import Manifest, Workspace

COURT = "conversations/supreme_court_1995_2005.jsonl.gz"
JUSTICE = "Antonin Scalia"
HEARINGS = 60
"""Of the justice's hearings, the latest so many."""
TURNS = 12
"""Turns of an example of a hearing."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody to make a twin of."""

    name: str
    train: list[Example]
    valid: list[Example]
    test: list[Example]


def _shipped(name: str, export: str, settings: Mapping[str, Any]) -> Callable[[Path, Path | None], Person | None]:
    def make(folder: Path, _: Path | None) -> Person:
        workspace = Workspace(folder)
        workspace.prepare()
        config = workspace.config({**settings, "privacy": {"mode": "off"}})
        if Manifest.read(workspace.dataset()) is None:
            import_paths(workspace, [ASSETS / export], config)
            build_dataset(workspace, config)
        train, valid, test = (
            list(read_examples(workspace.dataset() / f"{s}.parquet")) for s in ("train", "valid", "test")
        )
        return Person(name, train, valid, test)

    return make


def _justice(_: Path, data: Path | None) -> Person | None:
    if data is None:
        return None
    hearings: dict[str, list[Turn]] = {}
    with gzip.open(data / COURT, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["speaker"] and row["text"].strip():
                own = row["speaker"] == JUSTICE
                turn = Turn(
                    role=Role.me if own else Role.other, parts=(row["text"].strip(),), name=row["speaker"], learn=own
                )
                hearings.setdefault(row["hearing"], []).append(turn)
    heard = {h: t for h, t in hearings.items() if any(turn.learn for turn in t)}
    names = list(heard)[-HEARINGS:]
    a, b = int(0.7 * len(names)), int(0.8 * len(names))
    parts = [[e for n in some for e in _pieces(n, heard[n])] for some in (names[:a], names[a:b], names[b:])]
    return Person(JUSTICE, *parts)


def _pieces(hearing: str, turns: Sequence[Turn]) -> list[Example]:
    cut = [tuple(turns[i : i + TURNS]) for i in range(0, len(turns), TURNS)]
    return [
        Example(id=f"{hearing}-{i}", kind="chat", turns=piece, session=hearing, thread=hearing, group=True)
        for i, piece in enumerate(cut)
        if any(t.learn for t in piece)
    ]


PEOPLE: Mapping[str, Callable[[Path, Path | None], Person | None]] = {
    "higgins": _shipped("Henry Higgins", "pygmalion.zip", HIGGINS),
    "hamilton": _shipped("Alexander Hamilton", "federalist.zip", HAMILTON),
    "justice": _justice,
}
"""Each makes its person under a folder, from what ships or from the shared data; None where that is missing."""
