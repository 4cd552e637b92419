"""Tables of profiles: OkCupid's columns are known, any other table by a field map in gemel.toml.

CSV, TSV, JSON lines and Parquet, streamed row by row. Traits stay as given: numbers as numbers, many-valued
fields as tuples, ordinals and categories as their text; what is missing is missing. Essays lose their HTML.
Columns of no use for writing (location, last_online) are left out.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from gemel.config import ImportSection
from gemel.errors import ConfigError, DamagedExport
from gemel.records import ParseError, Profile, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Source

ESSAYS = (
    "My self summary",
    "What I'm doing with my life",
    "I'm really good at",
    "The first thing people usually notice about me",
    "Favorite books, movies, shows, music, and food",
    "The six things I could never do without",
    "I spend a lot of time thinking about",
    "On a typical Friday night I am",
    "The most private thing I'm willing to admit",
    "You should message me if",
)
"""OkCupid's prompts, essay0 to essay9."""

OKCUPID: Mapping[str, str] = {
    **dict.fromkeys(("age", "height", "income"), "number"),
    **dict.fromkeys(("drinks", "drugs", "smokes", "education"), "ordinal"),
    **dict.fromkeys(("body_type", "diet", "job", "orientation", "sex", "status"), "category"),
    **dict.fromkeys(("ethnicity", "pets", "offspring", "speaks"), "many"),
    **dict.fromkeys(("religion", "sign"), "modified"),
    **dict.fromkeys(("location", "last_online"), "skip"),
    **{f"essay{n}": "essay" for n in range(10)},
}
"""OkCupid's columns; height in inches, income in US dollars a year."""

_KINDS = frozenset({"number", "ordinal", "category", "many", "modified", "essay", "skip"})
_BREAK = re.compile(r"<br\s*/?>\s*|</p>\s*", re.IGNORECASE)
_TAG = re.compile(r"</?[A-Za-z][^<>]*>")
_PARTS = {
    "pets": re.compile(r"\s+and\s+|,\s*"),
    "offspring": re.compile(r",?\s+(?:and|but)\s+|,\s*"),
}
_COMMA = re.compile(r"\s*[,;]\s*")
_MODIFIER = re.compile(r"\s+(?:and|but)\s+")
_FIELD_LIMIT = 1 << 20

Trait = str | float | tuple[str, ...] | None


@SOURCES.register("profiles")
class Profiles(Source):
    """Offsets are row numbers from 1, the header not counted."""

    name = "profiles"
    title = "Profiles"
    kind = Profile
    rank = 40

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        columns = _columns(entry)
        return len(OKCUPID.keys() & columns) >= 6 or bool(field_map(section).keys() & columns)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            yield from read_table(entry, {**OKCUPID, **field_map(section)})


def field_map(section: ImportSection) -> Mapping[str, str]:
    """The map of gemel.toml.

    Raises:
        ConfigError: when it names a kind that does not exist.
    """
    for column, kind in section.fields.items():
        if kind not in _KINDS:
            raise ConfigError(
                f"import.fields.{column}: '{kind}' is no kind of field", hint=f"Known: {', '.join(sorted(_KINDS))}"
            )
    return section.fields


def _columns(entry: Entry) -> set[str]:
    """Names of the columns, from the first line."""
    if entry.suffix == "parquet" and entry.head[:4] == b"PAR1":
        import pyarrow as pa
        import pyarrow.parquet as pq

        with entry.on_disk() as path:
            try:
                return set(pq.read_schema(path).names)
            except (pa.ArrowInvalid, OSError):
                return set()
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
    return set()


def _delimiter(line: str) -> str:
    return max(",\t;", key=line.count)


def read_table(entry: Entry, fields: Mapping[str, str]) -> Iterator[Item]:
    """Every row of a table as a profile, with the kind of each column given."""
    for number, row in _rows(entry):
        if isinstance(row, str):
            yield ParseError(source="profiles", file=entry.name, offset=number, reason=row)
            continue
        traits, essays = _profile(row, fields)
        if not traits and not essays:
            yield LeftOut(source="profiles", file=entry.name, offset=number, reason="a profile with nothing filled in")
            continue
        yield Profile(
            id=stable_id("profiles", entry.parts[-1], number, json.dumps([traits, essays], sort_keys=True)),
            source="profiles",
            traits=traits,
            essays=essays,
            file=entry.name,
            offset=number,
        )


def _rows(entry: Entry) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    """(row number, columns, or why the row cannot be used)."""
    if entry.suffix == "parquet":
        yield from _parquet(entry)
    elif entry.suffix in ("jsonl", "ndjson"):
        for number, line in enumerate(entry.lines(), 1):
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                row = None
            yield number, row if isinstance(row, dict) else "a line that is no JSON object"
    else:
        yield from _csv(entry)


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


def _csv(entry: Entry) -> Iterator[tuple[int, Mapping[str, Any] | str]]:
    csv.field_size_limit(_FIELD_LIMIT)
    with io.TextIOWrapper(entry.open(), encoding=entry.encoding, errors="replace", newline="") as file:
        reader = csv.reader(file, delimiter=_delimiter(entry.head_text.partition("\n")[0]))
        try:
            header = [column.strip() for column in next(reader, [])]
        except csv.Error as error:
            raise DamagedExport(f"{entry.name}: its first line is no CSV", hint="Export it again.") from error
        number = 0
        while True:
            number += 1
            try:
                row = next(reader)
            except StopIteration:
                return
            except csv.Error:
                yield number, "a row that is no CSV"
                continue
            if not row:
                number -= 1
            elif len(row) != len(header):
                yield number, "a row with another number of columns"
            else:
                yield number, dict(zip(header, row))


def _profile(row: Mapping[str, Any], fields: Mapping[str, str]) -> tuple[dict[str, Trait], dict[str, str]]:
    traits: dict[str, Trait] = {}
    essays: dict[str, str] = {}
    for column, value in row.items():
        kind = fields.get(column, "skip")
        if kind == "essay":
            if text := plain(str(value or "")):
                essays[_prompt(column)] = text
        elif kind == "modified":
            traits.update(_modified(column, value))
        elif kind in _READ and (trait := _READ[kind](column, value)) is not None:
            traits[column] = trait
    return traits, essays


def _prompt(column: str) -> str:
    return ESSAYS[int(column[5:])] if re.fullmatch(r"essay\d", column) else column


def plain(text: str) -> str:
    """An essay without its HTML: breaks become line breaks, links their text, entities their character."""
    text = _TAG.sub("", _BREAK.sub("\n", text))
    return re.sub(r"\n{3,}", "\n\n", html.unescape(text)).strip()


def _clean(value: Any) -> str:
    return "" if value is None else html.unescape(str(value)).replace("’", "'").strip()


def _number(column: str, value: Any) -> float | None:
    """A number; OkCupid writes −1 for an income that is not given."""
    try:
        number = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return None if number != number or abs(number) == float("inf") or (column == "income" and number < 0) else number


def _text(column: str, value: Any) -> str | None:
    return _clean(value) or None


def _many(column: str, value: Any) -> tuple[str, ...] | None:
    if isinstance(value, list | tuple):
        return tuple(_clean(v) for v in value) or None
    parts = _PARTS.get(column, _COMMA).split(_clean(value))
    return tuple(p for p in parts if p) or None


def _modified(column: str, value: Any) -> Iterator[tuple[str, str]]:
    """ "agnosticism and very serious about it" → the value and, under NAME_modifier, how seriously."""
    main, *rest = _MODIFIER.split(_clean(value), maxsplit=1)
    if main:
        yield column, main
    if rest:
        yield f"{column}_modifier", rest[0]


_READ: Mapping[str, Callable[[str, Any], Trait]] = {
    "number": _number,
    "ordinal": _text,
    "category": _text,
    "many": _many,
}
