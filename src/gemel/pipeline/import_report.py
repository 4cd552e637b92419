"""What an import says it did: for each source what was read, kept and left out, by reason, adding up.

read = kept + duplicates + left out + errors, always. What is now in the workspace (chats, people, kinds,
dates, languages) is counted from the Parquet file itself, in bounded memory.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from gemel.corpus.identify import Sighting

__all__ = ["Contents", "ImportReport", "SourceReport", "contents"]

SAMPLE = 400
"""Texts among which languages are counted."""
SHORTEST = 20
"""Characters from which the language of a text is worth asking for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceReport:
    """One source's part of an import."""

    source: str
    title: str
    record: str
    """Message, Document or Profile."""
    files: int = 0
    read: int = 0
    """Rows met in this import."""
    kept: int = 0
    """Of these, new in the workspace."""
    duplicates: int = 0
    """Of these, there already or met twice."""
    errors: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, int] = field(default_factory=dict)
    total: int = 0
    """Records of the source in the workspace now."""
    chats: int = 0
    groups: int = 0
    people: int = 0
    mine: int = 0
    """Records written by the owner."""
    kinds: Mapping[str, int] = field(default_factory=dict)
    first: str = ""
    """Date of the oldest record, YYYY-MM-DD."""
    last: str = ""
    languages: Mapping[str, float] = field(default_factory=dict)
    """Share of each language in a sample of longer texts."""
    up_to_date: bool = False
    """Nothing was read: the same files were imported before."""

    @property
    def adds_up(self) -> bool:
        """Whether every row read is accounted for."""
        return self.read == self.kept + self.duplicates + sum(self.errors.values()) + sum(self.left_out.values())

    @classmethod
    def load(cls, row: Mapping[str, Any], *, up_to_date: bool) -> SourceReport:
        """From a manifest."""
        return cls(**{**row, "up_to_date": up_to_date})


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportReport:
    """The whole import."""

    sources: tuple[SourceReport, ...]
    me: str = ""
    people: int = 0
    unknown: Mapping[str, int] = field(default_factory=dict)
    """Suffix → files that no source recognises."""
    media: int = 0
    """Pictures, sounds and films, which hold no text."""

    @property
    def adds_up(self) -> bool:
        """Whether every source's sums do."""
        return all(source.adds_up for source in self.sources)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(slots=True)
class Contents:
    """What a Parquet file of records holds."""

    rows: int = 0
    threads: set[str] = field(default_factory=set)
    groups: set[str] = field(default_factory=set)
    writers: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(handle, name) → messages."""
    written: int = 0
    """Threads in which anybody wrote."""
    presence: Counter[str] = field(default_factory=Counter)
    """Handle → threads in which it wrote."""
    kinds: Counter[str] = field(default_factory=Counter)
    first: int | None = None
    """Milliseconds since 1970."""
    last: int | None = None
    sample: list[str] = field(default_factory=list)

    def sightings(self, source: str) -> list[Sighting]:
        """Everyone who wrote, under the name used most."""
        best: dict[str, tuple[int, str]] = {}
        total: Counter[str] = Counter()
        for (handle, name), count in self.writers.items():
            total[handle] += count
            best[handle] = max(best.get(handle, (0, "")), (count, name))
        return [
            Sighting(source=source, id=h, name=best[h][1], messages=total[h], threads=self.presence[h])
            for h in total
            if h
        ]

    @property
    def dates(self) -> tuple[str, str]:
        """First and last day, YYYY-MM-DD."""
        return _day(self.first), _day(self.last)


def _day(millis: int | None) -> str:
    return "" if millis is None else datetime.fromtimestamp(millis / 1000, UTC).date().isoformat()


def contents(path: Path) -> Contents:
    """Count a Parquet file of records, row group by row group."""
    found = Contents()
    pairs: set[tuple[str, str]] = set()
    with pq.ParquetFile(path) as file:
        found.rows = file.metadata.num_rows
        names = file.schema_arrow.names
        wanted = [
            n for n in ("thread", "group", "sender", "sender_name", "author", "kind", "time", "text") if n in names
        ]
        every = max(1, file.num_row_groups * 64 // SAMPLE)
        for group in range(file.num_row_groups):
            columns = wanted if group % every == 0 else [n for n in wanted if n != "text"]
            _count(file.read_row_group(group, columns=columns), found, pairs)
    found.presence.update(handle for handle, _ in pairs)
    found.written = len({thread for _, thread in pairs})
    return found


def _count(table: pa.Table, found: Contents, pairs: set[tuple[str, str]]) -> None:
    columns = set(table.column_names)
    if "thread" in columns:
        found.threads.update(pc.unique(table["thread"]).to_pylist())
        found.groups.update(pc.unique(table.filter(table["group"])["thread"]).to_pylist())
        counted = table.group_by(["thread", "sender", "sender_name"]).aggregate([([], "count_all")]).to_pylist()
        for row in counted:
            if row["sender"]:
                found.writers[row["sender"], row["sender_name"]] += row["count_all"]
                pairs.add((row["sender"], row["thread"]))
        found.kinds.update({r["values"]: r["counts"] for r in pc.value_counts(table["kind"]).to_pylist()})
    if "author" in columns:
        found.writers.update(
            {(r["values"], r["values"]): r["counts"] for r in pc.value_counts(table["author"]).to_pylist()}
        )
    if "time" in columns and table["time"].null_count < len(table):
        span = pc.min_max(table["time"].cast(pa.int64())).as_py()
        found.first = span["min"] if found.first is None else min(found.first, span["min"])
        found.last = span["max"] if found.last is None else max(found.last, span["max"])
    if "text" in columns and len(found.sample) < SAMPLE:
        long = table.filter(pc.greater_equal(pc.utf8_length(table["text"]), SHORTEST))["text"]
        step = max(1, len(long) // 64)
        found.sample += [
            text[:1000] for text in long.take(pa.array(range(0, len(long), step), pa.int64())).to_pylist()[:64]
        ]
