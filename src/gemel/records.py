"""What someone wrote, as the sources hand it over: messages, documents, profiles.

Records are raw: the text is as typed, nothing is scrubbed. A row that could not be understood is a
`ParseError`, which is a value and never raised, so that one bad row costs one row.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import Any

__all__ = [
    "Document",
    "Kind",
    "Message",
    "ParseError",
    "Precision",
    "Profile",
    "Reaction",
    "Record",
    "read_records",
    "stable_id",
    "write_records",
]


class Kind(StrEnum):
    """What a message is. Only `text` (and captions of media) is ever learned from."""

    text = "text"
    media = "media"
    sticker = "sticker"
    voice = "voice"
    link = "link"
    location = "location"
    poll = "poll"
    call = "call"
    contact = "contact"
    system = "system"
    deleted = "deleted"


class Precision(StrEnum):
    """How finely the export tells the time."""

    millisecond = "millisecond"
    second = "second"
    minute = "minute"
    day = "day"


@dataclass(frozen=True, slots=True)
class Reaction:
    """An emoji somebody put on a message."""

    emoji: str
    sender: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message of a conversation."""

    id: str
    """Stable: the same message in another export of the same chat has the same id."""
    source: str
    """Name of the importer, e.g. whatsapp."""
    thread: str
    thread_title: str = ""
    group: bool = False
    time: datetime | None = None
    """Always aware. Where the export gives local time without zone, it is written as if UTC."""
    precision: Precision = Precision.second
    zone_known: bool = True
    sender: str = ""
    """The platform's id of the sender; the name where there is no id; "" for system lines."""
    sender_name: str = ""
    recipients: tuple[str, ...] = ()
    text: str = ""
    kind: Kind = Kind.text
    media: tuple[str, ...] = ()
    """Names of attached files, relative to the export."""
    reply_to: str | None = None
    """Id of the message it answers."""
    edited: bool = False
    forwarded: bool = False
    reactions: tuple[Reaction, ...] = ()
    language: str | None = None
    file: str = ""
    """File inside the export (never an absolute path)."""
    offset: int = 0
    """Line number, byte offset or row in `file`, as the source documents it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text that stands by itself: a paper, a post, a chapter, a mail."""

    id: str
    source: str
    text: str
    title: str = ""
    author: str = ""
    time: datetime | None = None
    language: str | None = None
    file: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """A row about a person: traits as given (unparsed) and essays by prompt."""

    id: str
    source: str
    traits: Mapping[str, str | float | tuple[str, ...] | None] = field(default_factory=dict)
    essays: Mapping[str, str] = field(default_factory=dict)
    """Prompt → answer; only the ones that were given."""
    file: str = ""
    offset: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseError:
    """A row that could not be understood. Says where and why; never quotes the text."""

    source: str
    file: str
    offset: int
    reason: str
    """A short, countable phrase: the report groups by it."""


Record = Message | Document | Profile


def stable_id(*parts: object) -> str:
    """A short hash (80 bits, hex) of what a platform keeps fixed about a record."""
    return blake2b("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass"), digest_size=10).hexdigest()


def _schema(kind: type[Record]) -> Any:
    import pyarrow as pa

    columns: dict[type[Record], list[tuple[str, Any]]] = {
        Message: [
            *[(n, pa.string()) for n in ("id", "source", "thread", "thread_title")],
            ("group", pa.bool_()),
            ("time", pa.timestamp("ms", tz="UTC")),
            ("precision", pa.string()),
            ("zone_known", pa.bool_()),
            ("sender", pa.string()),
            ("sender_name", pa.string()),
            ("recipients", pa.list_(pa.string())),
            ("text", pa.string()),
            ("kind", pa.string()),
            ("media", pa.list_(pa.string())),
            ("reply_to", pa.string()),
            ("edited", pa.bool_()),
            ("forwarded", pa.bool_()),
            ("reactions", pa.list_(pa.struct([("emoji", pa.string()), ("sender", pa.string())]))),
            ("language", pa.string()),
            ("file", pa.string()),
            ("offset", pa.int64()),
        ],
        Document: [
            *[(n, pa.string()) for n in ("id", "source", "text", "title", "author")],
            ("time", pa.timestamp("ms", tz="UTC")),
            ("language", pa.string()),
            ("file", pa.string()),
            ("offset", pa.int64()),
        ],
        Profile: [
            *[(n, pa.string()) for n in ("id", "source", "traits", "essays", "file")],
            ("offset", pa.int64()),
        ],
    }
    return pa.schema(columns[kind], metadata={"gemel.record": kind.__name__})


def write_records(path: Path, records: Iterable[Record], kind: type[Record], *, batch: int = 16_384) -> int:
    """Write records of one kind to Parquet in bounded memory; returns how many.

    The caller makes the write atomic (see `workspace.atomic`).
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = _schema(kind)
    fields = attrgetter(*schema.names)
    count = 0
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        rows = map(fields, records)
        while piece := list(islice(rows, batch)):
            arrays = [_array(name, schema.field(name).type, column) for name, column in zip(schema.names, zip(*piece))]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(piece)
    return count


def _array(name: str, type_: Any, column: tuple[Any, ...]) -> Any:
    import pyarrow as pa

    if name == "reactions":
        column = tuple([{"emoji": r.emoji, "sender": r.sender} for r in value] if value else () for value in column)
    elif name in ("traits", "essays"):
        column = tuple(json.dumps(dict(value), ensure_ascii=False) for value in column)
    try:
        return pa.array(column, type=type_)
    except UnicodeEncodeError:  # lone surrogates cannot be stored
        return pa.array([_storable(value) for value in column], type=type_)


def _storable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode("utf-8") if isinstance(value, str) else value


def read_records(path: Path) -> Iterator[Record]:
    """Read what `write_records` wrote, in order, in bounded memory."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        kind = (file.schema_arrow.metadata or {}).get(b"gemel.record", b"Message").decode()
        makers: dict[str, Callable[[dict[str, Any]], Record]] = {
            "Message": _message,
            "Document": _document,
            "Profile": _profile,
        }
        make = makers[kind]
        for batch in file.iter_batches(batch_size=16_384):
            for row in batch.to_pylist():
                yield make(row)


def _message(row: dict[str, Any]) -> Message:
    row["kind"] = Kind(row["kind"])
    row["precision"] = Precision(row["precision"])
    row["recipients"] = tuple(row["recipients"] or ())
    row["media"] = tuple(row["media"] or ())
    row["reactions"] = tuple(Reaction(r["emoji"], r["sender"]) for r in row["reactions"] or ())
    return Message(**row)


def _document(row: dict[str, Any]) -> Document:
    return Document(**row)


def _profile(row: dict[str, Any]) -> Profile:
    traits = json.loads(row.pop("traits"))
    row["traits"] = {k: tuple(v) if isinstance(v, list) else v for k, v in traits.items()}
    row["essays"] = json.loads(row.pop("essays"))
    return Profile(**row)
