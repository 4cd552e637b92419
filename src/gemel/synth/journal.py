"""An append-only file of calls: what was answered is never asked again, whenever the process was killed.

One JSON object a line, with a checksum as its last field. Rows are written as soon as the event loop turns and
forced to the disk by whoever calls `sync`; a torn last line is cut when the file is opened, a damaged line inside is
left out, counted and so asked again. One process writes; the file lock says so to a second one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from zlib import crc32

import orjson
import portalocker

from gemel.errors import Busy
from gemel.remote.wire import compact

__all__ = ["Journal"]

_HEAD = b'{"key":"'
_TAIL = b',"crc":"00000000"}\n'
_KEY = 32
"""Hex digits of a key."""


class Journal:
    """Rows by key, on disk; the index (16 bytes of key and an offset a row) is in memory.

    Args:
        path: the file; made when the first row is added.
        below: another journal that is looked into as well, e.g. the merged one below a shard's own.
        write: lock the file for writing and cut a torn tail.

    Raises:
        Busy: when another process writes the same file.
    """

    def __init__(self, path: Path, *, below: Journal | None = None, write: bool = True) -> None:
        self.path = path
        self.below = below
        self.damaged = 0
        self._at: dict[bytes, int] = {}
        self._waiting: list[bytes] = []
        self._lock: Any = None
        self._reader: Any = None
        if write:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = path.with_name(f".{path.name}.lock").open("a")
            try:
                portalocker.lock(self._lock, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.exceptions.LockException as error:
                self._lock.close()
                raise Busy(f"another process writes {path.name}", hint="Wait for it to end, or stop it.") from error
            path.touch()
        self._file: Any = path.open("r+b" if write else "rb", buffering=0) if path.exists() else None
        self._size = self._index(cut=write) if self._file else 0
        self._next = self._size

    def __len__(self) -> int:
        return len(self._at)

    def __contains__(self, key: str) -> bool:
        return bytes.fromhex(key) in self._at or (self.below is not None and key in self.below)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Rows in the order in which their keys first came."""
        for key in list(self._at):
            yield self._read(self._at[key])

    @property
    def pending(self) -> bool:
        """Rows were added that are not yet written."""
        return bool(self._waiting)

    def get(self, key: str) -> dict[str, Any] | None:
        """The row of a key, or None."""
        offset = self._at.get(bytes.fromhex(key))
        if offset is not None:
            return self._read(offset)
        return self.below.get(key) if self.below is not None else None

    def add(self, key: str, row: Mapping[str, Any]) -> None:
        """Keep a row; it is on its way to the disk after `flush`."""
        body = compact({"key": key, **row})
        line = b'%b,"crc":"%08x"}\n' % (body[:-1], crc32(body[:-1]))
        self._at[bytes.fromhex(key)] = self._next
        self._next += len(line)
        self._waiting.append(line)

    def flush(self) -> None:
        """Hand waiting rows to the system; they survive this process."""
        if self._waiting:
            data = b"".join(self._waiting)
            self._waiting.clear()
            self._file.seek(self._size)
            while data:
                data = data[self._file.write(data) :]
            self._size = self._next

    def sync(self) -> None:
        """Force what was flushed onto the disk; may be called from another thread."""
        if self._file is not None and not self._file.closed:
            os.fsync(self._file.fileno())

    def absorb(self, other: Journal) -> int:
        """Take over the rows of another journal that are not here; returns how many."""
        before = len(self)
        for row in other:
            if (key := row.pop("key")) not in self:
                row.pop("crc")
                self.add(key, row)
        self.flush()
        return len(self) - before

    def close(self) -> None:
        """Write what is waiting and let go of the file."""
        if self._lock is not None:
            self.flush()
            self.sync()
            self._lock.close()
            self._lock = None
        for file in (self._file, self._reader):
            if file is not None:
                file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self, offset: int) -> dict[str, Any]:
        if offset >= self._size:
            self.flush()
        if self._reader is None:
            self._reader = self.path.open("rb")
        self._reader.seek(offset)
        row: dict[str, Any] = orjson.loads(self._reader.readline())
        return row

    def _index(self, *, cut: bool) -> int:
        good = offset = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    break
                offset, start = offset + len(line), offset
                body = line[: -len(_TAIL)]
                if line.startswith(_HEAD) and line[len(body) :] == b',"crc":"%08x"}\n' % crc32(body):
                    key = line[len(_HEAD) : len(_HEAD) + _KEY]
                    self._at[bytes.fromhex(key.decode())] = start
                else:
                    self.damaged += 1
                good = offset
        if cut and good < self.path.stat().st_size:
            self._file.truncate(good)
        return good
