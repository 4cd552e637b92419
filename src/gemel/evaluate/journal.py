"""Append-only JSON lines that survive a kill: what was already answered or scored is not done again."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any

__all__ = ["Journal"]


class Journal:
    """Rows by key, in a file that belongs to one fingerprint.

    Args:
        path: the file; None keeps the rows in memory only.
        fingerprint: what the rows depend on; rows of another fingerprint are dropped.
    """

    def __init__(self, path: Path | None, fingerprint: str = "") -> None:
        self.path = path
        self.rows: dict[str, dict[str, Any]] = {}
        self._lock = Lock()
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_bytes().split(b"\n") if path.exists() else []
        head = _parse(lines[0]) if lines else None
        if head is None or head.get("fingerprint") != fingerprint:
            path.write_text(json.dumps({"fingerprint": fingerprint}) + "\n", encoding="utf-8")
            return
        for line in lines[1:]:
            if (row := _parse(line)) is not None:
                self.rows[row["key"]] = row
        if lines[-1]:  # killed in the middle of a line
            with path.open("ab") as file:
                file.write(b"\n")

    def __contains__(self, key: str) -> bool:
        return key in self.rows

    def __getitem__(self, key: str) -> dict[str, Any]:
        return self.rows[key]

    def add(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Append rows, each with a `key`, and flush them; threads may share a journal."""
        new = [dict(r) for r in rows]
        lines = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in new)
        with self._lock:
            self.rows.update((r["key"], r) for r in new)
            if self.path is not None:
                with self.path.open("a", encoding="utf-8") as file:
                    file.write(lines)


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) else None
