"""Taking records out of every kind of file that gemel keeps them in, each file whole or not at all.

Each function says how much it took out. Deleted rows of SQLite files are overwritten, and the files are
compacted, so that nothing can be read back from their free pages.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Container, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from gemel.examples import read_examples, write_examples
from gemel.privacy.guard import Quotes
from gemel.records import Document, Message, Profile, Record, read_records, stable_id, write_records
from gemel.workspace import Manifest, atomic

__all__ = ["erase_examples", "erase_folder", "erase_lines", "erase_passages", "erase_records", "erase_rows"]

Kept = Callable[[Record], Record | None]
"""What becomes of a record: the same, a changed one, or None."""


def erase_records(file: Path, keep: Kept, named: Callable[[str], bool] = lambda text: False) -> int:
    """Take records out of a source's Parquet file and correct its manifest.

    Args:
        file: records/<source>/<source>.parquet.
        keep: what becomes of each record.
        named: whether a text names who is forgotten; such names of files become hashes in manifest and errors.
    """
    gone = changed = 0
    kind: type[Record] = _kind(file)

    def kept() -> Iterator[Record]:
        nonlocal gone, changed
        for record in read_records(file):
            new = keep(record)
            gone += new is None
            changed += new is not None and new is not record
            if new is not None:
                yield new

    with atomic(file) as path:
        left = write_records(path, kept(), kind)
    _rename(file.with_name(f"{file.stem}.errors.jsonl"), named)
    manifest = Manifest.read(file.parent)
    if gone + changed and manifest is not None:
        extra = {**manifest.extra, "forgotten": manifest.extra.get("forgotten", 0) + gone}
        if "report" in extra:
            extra["report"] = {**extra["report"], "total": left}
        inputs = {stable_id(k) if named(k) else k: v for k, v in manifest.inputs.items()}
        replace(manifest, inputs=inputs, counts={**manifest.counts, "records": left}, extra=extra).write(file.parent)
    return gone + changed


def _rename(errors: Path, named: Callable[[str], bool]) -> None:
    """Hide names in the list of what could not be read."""
    if not errors.exists():
        return
    rows = [json.loads(line) for line in errors.read_text(encoding="utf-8").splitlines()]
    if any(named(row["file"]) for row in rows):
        with atomic(errors) as path, path.open("w", encoding="utf-8") as out:
            for row in rows:
                file = stable_id(row["file"]) if named(row["file"]) else row["file"]
                out.write(json.dumps({**row, "file": file}, ensure_ascii=False) + "\n")


def _kind(file: Path) -> type[Record]:
    import pyarrow.parquet as pq

    with pq.ParquetFile(file) as opened:
        name = (opened.schema_arrow.metadata or {}).get(b"gemel.record", b"Message").decode()
    kinds: dict[str, type[Record]] = {"Message": Message, "Document": Document, "Profile": Profile}
    return kinds[name]


def erase_examples(folder: Path, ids: Container[str], person: str = "") -> int:
    """Take the examples that stand on these records out of every split of a data set."""
    total = 0
    for file in sorted(folder.glob("*.parquet")):
        examples = list(read_examples(file))
        left = [e for e in examples if not _stands_on(e.provenance, (t.ids for t in e.turns), ids)]
        if len(left) < len(examples):
            with atomic(file) as path:
                write_examples(path, left)
        total += len(examples) - len(left)
    manifest = Manifest.read(folder)
    if manifest is not None and (total or person):
        people = {name: i for name, i in manifest.extra.get("people", {}).items() if i != person}
        extra = {**manifest.extra, "people": people, "forgotten": manifest.extra.get("forgotten", 0) + total}
        replace(manifest, extra=extra).write(folder)
    return total


def _stands_on(provenance: Iterable[str], turns: Iterable[Iterable[str]], ids: Container[str]) -> bool:
    return any(p in ids for p in provenance) or any(i in ids for turn in turns for i in turn)


def erase_passages(path: Path, ids: Iterable[str]) -> int:
    """Take records out of the memory: rows of the table `passages` by their column `record`."""
    if not path.exists():
        return 0
    with closing(_open(path)) as db:
        if ("passages",) not in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            return 0
        with db:
            gone = sum(db.execute("DELETE FROM passages WHERE record = ?", (i,)).rowcount for i in ids)
        if gone:
            _compact(db)
    return gone


def erase_lines(path: Path, ids: Container[str]) -> int:
    """Take the lines of a JSON-lines journal out that name one of these ids anywhere."""
    gone = 0
    with atomic(path) as temporary, temporary.open("w", encoding="utf-8") as out:
        for line in path.read_text(encoding="utf-8").splitlines(keepends=True):
            if _names(line, ids):
                gone += 1
            else:
                out.write(line)
    return gone


def _names(line: str, ids: Container[str]) -> bool:
    try:
        return any(s in ids for s in _strings(json.loads(line)))
    except ValueError:
        return False  # a torn last line names nobody; its owner mends it


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner)


def erase_rows(path: Path, ids: frozenset[str], quotes: Quotes, names: frozenset[str]) -> int:
    """Take the rows out of every table of a SQLite file that name an id, quote eight words, or name a person.

    Args:
        path: the file; nothing happens when it is not there.
        ids: record ids.
        quotes: of what was forgotten.
        names: lower-cased words that stand for a person, pseudonyms among them.
    """
    if not path.exists():
        return 0
    gone = 0
    with closing(_open(path)) as db:
        tables = [
            r[0] for r in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE TABLE%'")
        ]
        for table in tables:
            if table.startswith("sqlite_"):
                continue
            quoted = '"' + table.replace('"', '""') + '"'
            rows = db.execute(f"SELECT rowid, * FROM {quoted}").fetchall() if _has_rowid(db, quoted) else []
            bad = [row[0] for row in rows if any(_mentions(v, ids, quotes, names) for v in row[1:])]
            with db:
                db.executemany(f"DELETE FROM {quoted} WHERE rowid = ?", [(r,) for r in bad])
            gone += len(bad)
        if gone:
            _compact(db)
    return gone


def _mentions(value: Any, ids: frozenset[str], quotes: Quotes, names: frozenset[str]) -> bool:
    if not isinstance(value, str) or not value:
        return False
    from gemel.privacy.view import View

    view = View(value)
    return not (names.isdisjoint(view.vocabulary) and ids.isdisjoint(view.vocabulary)) or any(quotes.find(value))


def _has_rowid(db: sqlite3.Connection, table: str) -> bool:
    try:
        db.execute(f"SELECT rowid FROM {table} LIMIT 1")
    except sqlite3.OperationalError:
        return False
    return True


def erase_folder(path: Path) -> int:
    """Remove a folder or file of things that can be made again; 1 if it was there."""
    if not path.exists():
        return 0
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    return 1


def _open(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30)
    db.execute("PRAGMA secure_delete = ON")
    db.execute("PRAGMA foreign_keys = ON")
    return db


def _compact(db: sqlite3.Connection) -> None:
    """Overwrite what full-text indices and free pages still hold."""
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE sql LIKE '%USING fts5%' AND sql NOT LIKE '%fts5vocab%'"
    ):
        db.execute(f'INSERT INTO "{name}" ("{name}") VALUES (\'optimize\')')
    db.commit()
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
