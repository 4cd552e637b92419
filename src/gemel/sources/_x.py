"""What the two sources of the X (Twitter) archive share: its files are JavaScript assignments of a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from gemel.sources import Entry
from gemel.sources._json import JsonStream, dictionary, text_of

__all__ = ["account", "is_part", "parts"]

_ASSIGNMENT = re.compile(r"\A\ufeff?\s*window\.YTD\.([a-z_]+)\.part\d+\s*=\s*")


def is_part(entry: Entry, *names: str) -> bool:
    """Whether the file holds one of the archive's lists."""
    match = _ASSIGNMENT.match(entry.head_text) if entry.suffix == "js" else None
    return match is not None and match[1] in names


def parts(entry: Entry) -> Iterator[tuple[int, dict[str, Any]]]:
    """(index, element) of the list."""
    match = _ASSIGNMENT.match(entry.head_text)
    with entry.open() as file:
        stream = JsonStream(file, entry.name, skip=match.end() if match else 0)
        for index in stream.elements():
            yield index, dictionary(stream.value())


def account(entry: Entry) -> tuple[str, str]:
    """(id, shown name) of the archive's owner."""
    for _, row in parts(entry):
        fields = dictionary(row.get("account"))
        return text_of(fields.get("accountId")), text_of(fields.get("accountDisplayName"))
    return "", ""
