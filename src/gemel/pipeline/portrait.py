"""`gemel report`: the portrait of what was imported, as one HTML page and as JSON.

Needs no scrubbing, no data set and no model: it is the first thing that can be shown. It holds names and words from the
corpus, so its files can be read by their owner alone.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq

from gemel import __version__
from gemel.config import Config
from gemel.corpus.portrait import COLUMNS, Messages
from gemel.corpus.portrait_page import portrait_page
from gemel.corpus.portrait_texts import profiles, writings
from gemel.errors import PersonUnknown, TooLittle
from gemel.people import People
from gemel.pipeline.build import inputs_of
from gemel.records import Document, Profile, Record, read_records
from gemel.track import progress, watch
from gemel.workspace import Manifest, Workspace, atomic_folder, fingerprint

__all__ = ["facts_of", "write_portrait"]

BATCH = 65_536
"""Messages looked at together."""


def write_portrait(workspace: Workspace, config: Config) -> Path:
    """Write portrait.html and portrait.json, unless they are up to date; returns the page.

    Raises:
        MissingStage: when nothing was imported.
        PersonUnknown: when there are messages, but it is not known whose.
        TooLittle: when the records hold nothing.
    """
    inputs = inputs_of(workspace)
    with workspace.lock("portrait"):
        wanted = fingerprint("portrait", inputs, config.corpus, {"name": config.name})
        if not workspace.fresh(workspace.portrait, wanted):
            facts = facts_of(workspace.record_files(), workspace.people(), config)
            with atomic_folder(workspace.portrait) as folder:
                for name, text in (
                    ("portrait.json", json.dumps(facts, ensure_ascii=False, indent=1)),
                    ("portrait.html", portrait_page(facts)),
                ):
                    (folder / name).write_text(text, encoding="utf-8")
                    (folder / name).chmod(0o600)
                Manifest(stage="portrait", fingerprint=wanted, inputs=inputs).write(folder)
    return workspace.portrait / "portrait.html"


def facts_of(files: Sequence[Path], people: People, config: Config) -> dict[str, Any]:
    """The facts about record files (see `corpus.portrait` and `corpus.portrait_texts`)."""
    kinds: dict[str, list[Path]] = {"Message": [], "Document": [], "Profile": []}
    for file in files:
        kinds[(pq.read_schema(file).metadata or {}).get(b"gemel.record", b"Message").decode()].append(file)
    me = people.me
    facts: dict[str, Any] = {"version": __version__, "name": config.name or (me.name if me else config.corpus.author)}
    if kinds["Message"]:
        if me is None:
            raise PersonUnknown(
                "it is not known which messages are yours",
                hint="Run `gemel import --me NAME` with your name as the exports have it.",
            )
        facts["messages"] = _messages(kinds["Message"], people, config)
    documents = (r for r in watch(_records(kinds["Document"]), "look at documents") if isinstance(r, Document))
    facts["writings"] = writings(documents, config.corpus) if kinds["Document"] else {}
    facts["profiles"] = profiles(r for r in _records(kinds["Profile"]) if isinstance(r, Profile))
    if not any(facts.get(k) for k in ("messages", "writings", "profiles")):
        raise TooLittle("there is nothing to draw a portrait of", hint="Import something with text of yours.")
    return facts


def _messages(files: Sequence[Path], people: People, config: Config) -> dict[str, Any]:
    total = 0
    for path in files:
        with pq.ParquetFile(path) as file:
            total += file.metadata.num_rows
    collected = Messages(people, config.corpus, rows=total)
    with progress("look at messages", total=total, unit="messages") as advance:
        for batch in _batches(files):
            collected.add(batch)
            advance(batch.height)
    return collected.facts()


def _batches(files: Sequence[Path]) -> Iterator[pl.DataFrame]:
    for path in files:
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=BATCH, columns=list(COLUMNS)):
                frame = pl.from_arrow(batch)
                if isinstance(frame, pl.DataFrame):
                    yield frame.with_columns(pl.col("text").fill_null(""), pl.col("forwarded").fill_null(False))


def _records(files: Sequence[Path]) -> Iterator[Record]:
    return chain.from_iterable(read_records(f) for f in files)
