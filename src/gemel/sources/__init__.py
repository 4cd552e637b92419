"""Reading exports: one file per format, each unknown to the others.

A source claims files by their content and turns them into records, row by row, in bounded memory. Whatever
it meets leaves as exactly one item (a record, a `ParseError` or a `LeftOut`), so that the report's sums add
up. Modules whose names begin with an underscore are what all sources stand on.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from gemel.config import ImportSection
from gemel.records import Message, ParseError, Record
from gemel.registry import Registry
from gemel.sources._entries import Entry, opened

__all__ = ["SOURCES", "Entry", "Item", "LeftOut", "Owner", "Source", "opened"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A row that was understood and is left out on purpose; the report groups by reason."""

    source: str
    file: str
    offset: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """The export says whose account it is: the handle of "me". Not a row; counted nowhere."""

    source: str
    id: str
    name: str = ""


Item = Record | ParseError | LeftOut | Owner


class Source(ABC):
    """One export format."""

    name: ClassVar[str]
    """As registered, e.g. whatsapp."""
    title: ClassVar[str]
    """For people, e.g. WhatsApp."""
    kind: ClassVar[type[Record]] = Message
    """The one kind of record it yields."""
    rank: ClassVar[int] = 0
    """Who is asked first: lower ranks recognise their files more surely."""
    by_time: ClassVar[bool] = True
    """Whether the clock orders a thread; False where the order in the file is the truth."""

    @abstractmethod
    def claims(self, entry: Entry, section: ImportSection) -> bool:
        """Whether the file is of this format, judged by its content."""

    @abstractmethod
    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        """Everything in `entries` (all claimed by this source), thread by thread where the format allows.

        Raises:
            DamagedExport: when a file cannot be read to its end.
        """


SOURCES: Registry[type[Source]] = Registry("source", "gemel.sources")
