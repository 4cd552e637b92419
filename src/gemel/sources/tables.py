"""Tables of messages: WeChat's usual exporters by their columns, any other table by `[import.columns]`.

CSV, TSV, JSON lines and Parquet, streamed. The mapping names the columns of time, sender and text, and may name
those of thread, title, id and me (a column that is true in the owner's rows).
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from gemel.config import ImportSection
from gemel.errors import ConfigError, DamagedExport
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, Owner, Source

ROLES = frozenset({"time", "sender", "text", "thread", "title", "id", "me", "type"})
NEEDED = ("time", "sender", "text")
WECHAT: Mapping[str, str] = {
    "time": "CreateTime",
    "sender": "Sender",
    "text": "StrContent",
    "thread": "TalkerId",
    "title": "Remark",
    "me": "IsSender",
    "type": "Type",
}
"""Columns of the common exporters of WeChat's database."""
_WECHAT_KINDS = {
    "1": Kind.text,
    "3": Kind.media,
    "34": Kind.voice,
    "42": Kind.contact,
    "43": Kind.media,
    "47": Kind.sticker,
    "48": Kind.location,
    "49": Kind.link,
    "50": Kind.call,
    "10000": Kind.system,
    "10002": Kind.system,
}
_TRUE = frozenset({"1", "true", "yes", "y", "t", "me"})
_LINK = re.compile(r"^https?://\S+$")
_FORMATS = ("%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S", "%Y/%m/%d %H:%M", "%d.%m.%Y %H:%M:%S", "%d.%m.%Y %H:%M")
_LATEST = 4_102_444_800
_SEEN = 50_000


@SOURCES.register("tables")
class Tables(Source):
    """Offsets are row numbers from 1, the header not counted."""

    name = "tables"
    title = "Tables of messages"
    rank = 30

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        return bool(_mapping(entry, section))

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        told: set[str] = set()
        for entry in entries:
            mapping, seen = _mapping(entry, section), Counter[tuple[Any, ...]]()
            for number, row in _rows(entry):
                if row is None:
                    yield _error(entry, number, "a row that cannot be read")
                    continue
                item = _message(row, mapping, entry, number, seen)
                if isinstance(item, Message) and _own(row, mapping) and item.sender not in told:
                    told.add(item.sender)
                    yield Owner(source=self.name, id=item.sender, name=item.sender_name)
                yield item


def _mapping(entry: Entry, section: ImportSection) -> Mapping[str, str]:
    """Role → column of this table; empty where it is no table of messages that is known.

    Raises:
        ConfigError: when the configured mapping names a role that does not exist or lacks a needed one.
    """
    columns = section.columns
    if columns and (wrong := columns.keys() - ROLES):
        raise ConfigError(f"import.columns: '{min(wrong)}' is no role", hint=f"Known: {', '.join(sorted(ROLES))}")
    if columns and (missing := [r for r in NEEDED if r not in columns]):
        raise ConfigError(
            f"import.columns lacks {', '.join(missing)}", hint="Name the columns of time, sender and text."
        )
    have = _names(entry)
    if columns and set(columns.values()) <= have:
        return columns
    return WECHAT if set(WECHAT.values()) - {"Remark"} <= have else {}


def _names(entry: Entry) -> set[str]:
    if entry.suffix in ("csv", "tsv"):
        first = entry.head_text.partition("\n")[0].rstrip("\r")
        try:
            return {c.strip() for c in next(csv.reader([first], delimiter=_delimiter(first)), [])}
        except csv.Error:
            return set()
    if entry.suffix in ("jsonl", "ndjson"):
        try:
            row = json.loads(entry.head_text.partition("\n")[0])
        except (ValueError, RecursionError):
            return set()
        return set(row) if isinstance(row, dict) else set()
    if entry.suffix == "parquet" and entry.head[:4] == b"PAR1":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with entry.on_disk() as path:
            try:
                return set(pq.read_schema(path).names)
            except (pa.ArrowInvalid, OSError):
                return set()
    return set()


def _delimiter(line: str) -> str:
    return max(",\t;", key=line.count)


def _rows(entry: Entry) -> Iterator[tuple[int, Mapping[str, Any] | None]]:
    if entry.suffix in ("jsonl", "ndjson"):
        for number, line in enumerate(entry.lines(), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield number, row if isinstance(row, dict) else None
    elif entry.suffix == "parquet":
        yield from _parquet(entry)
    else:
        csv.field_size_limit(1 << 20)
        with io.TextIOWrapper(entry.open(), encoding=entry.encoding, errors="replace", newline="") as file:
            reader = csv.DictReader(file, delimiter=_delimiter(entry.head_text.partition("\n")[0]))
            number = 0
            while True:
                number += 1
                try:
                    yield number, next(reader)
                except StopIteration:
                    return
                except csv.Error:
                    yield number, None


def _parquet(entry: Entry) -> Iterator[tuple[int, Mapping[str, Any]]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    with entry.on_disk() as path:
        try:
            for batch in pq.ParquetFile(path).iter_batches(batch_size=4096):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
        except (pa.ArrowInvalid, OSError) as error:
            raise DamagedExport(f"{entry.name} is damaged or incomplete", hint="Export it again.") from error


def _error(entry: Entry, number: int, reason: str) -> ParseError:
    return ParseError(source="tables", file=entry.name, offset=number, reason=reason)


def _own(row: Mapping[str, Any], mapping: Mapping[str, str]) -> bool:
    return "me" in mapping and str(row.get(mapping["me"], "")).strip().lower() in _TRUE


def _message(
    row: Mapping[str, Any], mapping: Mapping[str, str], entry: Entry, number: int, seen: Counter[tuple[Any, ...]]
) -> Item:
    def field(role: str) -> str:
        value = row.get(mapping.get(role, ""))
        return "" if value is None else str(value).strip()

    when = _time(row.get(mapping["time"]))
    if when is None:
        return _error(entry, number, "a row without a time")
    sender = field("sender") or ("me" if _own(row, mapping) else field("thread"))
    if not sender:
        return _error(entry, number, "a row without a sender")
    thread, text = field("thread") or entry.stem, field("text")
    key = (thread, when, sender, text)
    seen[key] += 1
    repeat = seen[key]
    if len(seen) > _SEEN:
        seen.clear()
    kind = _WECHAT_KINDS.get(field("type"), Kind.text) if mapping is WECHAT else Kind.text
    if kind is Kind.text:
        kind = Kind.link if _LINK.match(text) else Kind.text if text else Kind.media
    return Message(
        id=stable_id("tables", thread, field("id") or (*key, repeat)),
        source="tables",
        thread=stable_id("tables", thread),
        thread_title=field("title") or thread,
        group=thread.endswith("@chatroom"),
        time=when,
        precision=Precision.second,
        sender=sender,
        sender_name=sender,
        text=text if kind in (Kind.text, Kind.link, Kind.system) else "",
        kind=kind,
        file=entry.name,
        offset=number,
    )


def _time(value: Any) -> datetime | None:
    """ISO 8601, seconds or milliseconds since 1970, or one of the common written forms."""
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    text = str(value or "").strip()
    if re.fullmatch(r"\d{9,13}(?:\.\d+)?", text):
        seconds = float(text) / (1000 if float(text) > _LATEST else 1)
        return datetime.fromtimestamp(seconds, UTC) if 0 < seconds < _LATEST else None
    try:
        when = datetime.fromisoformat(text)
        return when if when.tzinfo else when.replace(tzinfo=UTC)
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
    return None
