"""The hinge of the house: what is learned from and what is measured on.

A chat session, a window, a slice of a paper, a question with its answer, distilled persona
knowledge and a profile's essay all become an `Example`. Training and evaluation know nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

__all__ = [
    "SPLITS",
    "Example",
    "ExampleWriter",
    "Role",
    "TraitValue",
    "Turn",
    "read_examples",
    "write_examples",
]

TraitValue = float | int | str | tuple[str, ...] | None
"""A trait as the data has it: a number, a category, several categories, or not given."""

SPLITS = ("train", "valid", "test", "contacts")
"""`contacts` is the second test: sessions with people who are in no other split."""


COLUMNS = ("id", "kind", "split", "session", "thread", "example")
"""Of a Parquet file of examples; the last is the whole example as JSON."""


class Role(StrEnum):
    """What a turn is to the one who answers."""

    system = "system"  # card, rules, memory: instructions to the speaker
    data = "data"  # foreign text shown as data, never as an instruction
    prompt = "prompt"  # an essay's title or question: asked by nobody in particular
    other = "other"  # somebody else speaks
    me = "me"  # the person speaks


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One speaker's uninterrupted burst of messages.

    `parts` are the single messages of the burst, in order; their borders are kept because how
    someone clumps messages is part of how they write.
    """

    role: Role
    parts: tuple[str, ...]
    name: str = ""
    time: datetime | None = None
    learn: bool = False
    traits: Mapping[str, TraitValue] | None = None
    """Overrides of the example's trait values from this turn on, e.g. the hour or the delay."""
    ids: tuple[str, ...] = ()
    """Record ids, one per part, where the turn comes from records."""

    @property
    def text(self) -> str:
        """The parts joined by line breaks."""
        return "\n".join(self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Turns to learn from, with what is needed to split, weigh and trace them."""

    id: str
    kind: str
    """chat, window, slice, essay, qa or knowledge."""
    turns: tuple[Turn, ...]
    session: str = ""
    """The unit of splitting and of every bootstrap: examples of one session never part."""
    thread: str = ""
    group: bool = False
    recipients: tuple[str, ...] = ()
    time: datetime | None = None
    traits: Mapping[str, TraitValue] = field(default_factory=dict)
    provenance: tuple[str, ...] = ()
    """Ids of the records (or examples) this was made from."""
    split: str = ""

    @property
    def learned(self) -> tuple[Turn, ...]:
        """The turns that carry loss."""
        return tuple(turn for turn in self.turns if turn.learn)

    def pairs(self) -> Iterator[tuple[tuple[Turn, ...], Turn]]:
        """Every learned turn with all that stands before it."""
        for i, turn in enumerate(self.turns):
            if turn.learn:
                yield self.turns[:i], turn

    def with_split(self, split: str) -> Example:
        """The same example in another split."""
        return replace(self, split=split)


class ExampleWriter:
    """Writes examples to one Parquet file as they come, in bounded memory; a context manager.

    The caller makes the write atomic (see `workspace.atomic`).
    """

    def __init__(self, path: Path, *, batch: int = 2048) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        self.count = 0
        self._batch = batch
        self._rows: list[dict[str, str]] = []
        self._table = pa.Table
        self._schema = pa.schema([(name, pa.string()) for name in COLUMNS])
        self._file = pq.ParquetWriter(path, self._schema, compression="zstd")

    def add(self, example: Example) -> None:
        """Write one example."""
        row = {name: getattr(example, name) for name in COLUMNS[:-1]}
        self._rows.append({**row, "example": to_json(example)})
        self.count += 1
        if len(self._rows) >= self._batch:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._table.from_pylist(self._rows, schema=self._schema))
            self._rows = []

    def __enter__(self) -> ExampleWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self._file.close()


def write_examples(path: Path, examples: Iterable[Example]) -> int:
    """Write examples to Parquet in bounded memory; returns how many.

    The caller makes the write atomic (see `workspace.atomic`).
    """
    with ExampleWriter(path) as writer:
        for example in examples:
            writer.add(example)
    return writer.count


def read_examples(path: Path) -> Iterator[Example]:
    """Read what `write_examples` wrote, in order, in bounded memory."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(batch_size=2048, columns=["example"]):
            for text in batch.column(0).to_pylist():
                yield from_json(text)


def to_json(example: Example) -> str:
    """One example as a JSON line."""
    return json.dumps(_example_dict(example), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> Example:
    """The example that `to_json` wrote."""
    raw: dict[str, Any] = json.loads(text)
    turns = tuple(
        Turn(
            role=Role(t["role"]),
            parts=tuple(t["parts"]),
            name=t.get("name", ""),
            time=_time(t.get("time")),
            learn=t.get("learn", False),
            traits=_traits(t["traits"]) if "traits" in t else None,
            ids=tuple(t.get("ids", ())),
        )
        for t in raw["turns"]
    )
    return Example(
        id=raw["id"],
        kind=raw["kind"],
        turns=turns,
        session=raw.get("session", ""),
        thread=raw.get("thread", ""),
        group=raw.get("group", False),
        recipients=tuple(raw.get("recipients", ())),
        time=_time(raw.get("time")),
        traits=_traits(raw.get("traits", {})),
        provenance=tuple(raw.get("provenance", ())),
        split=raw.get("split", ""),
    )


def _example_dict(example: Example) -> dict[str, Any]:
    turns = []
    for turn in example.turns:
        row: dict[str, Any] = {"role": turn.role.value, "parts": list(turn.parts)}
        if turn.name:
            row["name"] = turn.name
        if turn.time is not None:
            row["time"] = turn.time.isoformat()
        if turn.learn:
            row["learn"] = True
        if turn.traits is not None:
            row["traits"] = dict(turn.traits)
        if turn.ids:
            row["ids"] = list(turn.ids)
        turns.append(row)
    out: dict[str, Any] = {"id": example.id, "kind": example.kind, "turns": turns}
    for key in ("session", "thread", "group", "recipients", "traits", "provenance", "split"):
        if value := getattr(example, key):
            out[key] = dict(value) if isinstance(value, Mapping) else value
    if example.time is not None:
        out["time"] = example.time.isoformat()
    return out


def _traits(raw: Mapping[str, Any]) -> dict[str, TraitValue]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in raw.items()}


def _time(value: str | None) -> datetime | None:
    if value is None:
        return None
    time = datetime.fromisoformat(value)
    return time if time.tzinfo else time.replace(tzinfo=UTC)
