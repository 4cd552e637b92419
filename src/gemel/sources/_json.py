"""JSON of any size, value by value, in bounded memory.

Elements are decoded out of a sliding window, many at once where they stand on lines of their own, so that an account
of gigabytes streams at the scanner's speed. Damage is told with its position and never repaired silently.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import Any, BinaryIO

import orjson

from gemel.sources._entries import Entry, damaged

__all__ = ["JsonStream", "array", "dictionary", "rows", "text_of"]

CHUNK = 1 << 20
LARGEST = 1 << 25
"""Characters of one decoded value (a message, never a list of messages)."""
_SPACE = re.compile(r"[ \t\r\n]*")
_NEXT = re.compile(r",[ \t]*\r?\n[ \t]*\{")
_raw_decode = json.JSONDecoder(strict=False).raw_decode


class JsonStream:
    """A cursor over a JSON text; after each key or element its value must be taken.

    Args:
        stream: UTF-8 bytes (a byte-order mark is passed over).
        name: of the file, for errors.
        skip: characters to pass over before the JSON begins, e.g. of a JavaScript assignment.
    """

    def __init__(self, stream: BinaryIO, name: str, *, skip: int = 0) -> None:
        self._stream, self._name = stream, name
        self._decode = codecs.getincrementaldecoder("utf-8-sig")("replace").decode
        self._text, self._at, self._passed, self._ended = "", 0, 0, False
        self._fill()
        self._at = skip

    def peek(self) -> str:
        """The next character that is not white space; "" at the end."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill():
                return ""

    def value(self) -> Any:
        """The next value, decoded whole."""
        self.peek()
        size = CHUNK
        while True:
            try:
                value, end = _raw_decode(self._text, self._at)
                # A number may go on in what has not been read yet: "1" of "1.5".
                if self._ended or (end < len(self._text) and self._text[end] not in ".eE+-"):
                    self._at = end
                    return value
            except RecursionError as error:
                raise self._damaged() from error
            except ValueError as error:
                if self._ended or len(self._text) - self._at > LARGEST:
                    raise self._damaged() from error
            self._fill(size)
            size *= 2

    def keys(self) -> Iterator[str]:
        """The keys of the object that comes next; take each key's value before asking for the next key."""
        self._take("{")
        if self._more("}"):
            return
        while True:
            key = self.value()
            self._take(":")
            yield str(key)
            if self._after("}"):
                return

    def elements(self) -> Iterator[int]:
        """Indices of the array that comes next; take each element before asking for the next index."""
        self._take("[")
        if self._more("]"):
            return
        index = 0
        while True:
            yield index
            index += 1
            if self._after("]"):
                return

    def values(self) -> Iterator[Any]:
        """The elements of the array that comes next, decoded.

        Where each begins on a line of its own, as exports have it, all of those at hand are decoded at once (and an
        integer beyond 64 bits, which no export has, comes as a float).
        """
        for _ in self.elements():
            self.peek()
            start = self._passed + self._at
            yield self.value()
            yield from self._likewise(start - self._passed)

    def _likewise(self, start: int) -> Iterator[Any]:
        """The elements at hand that follow one which began at `start` and look like it, but the last.

        No string of valid JSON holds a line break, so that what parses between two borders is a run of elements.
        """
        text, end = self._text, self._at
        line = text.rfind("\n", start, end)
        follows = _NEXT.match(text, end)
        if follows is None or text[start] != "{":
            return
        closing = text[line:end] if line >= 0 and not text[line : end - 1].strip() else "}"
        border = closing + follows[0]
        stop = text.rfind(border, end)
        if stop < 0:
            return
        first, last = follows.end() - 1, stop + len(closing)
        try:
            found = orjson.loads(f"[{text[first:last]}]")
        except ValueError:
            return  # the slower scanner is more forgiving, and tells what is wrong
        self._at = last
        yield from found

    def skip(self) -> None:
        """Pass over the next value, whatever its size."""
        match self.peek():
            case "{":
                for _ in self.keys():
                    self.skip()
            case "[":
                for _ in self.elements():
                    self.skip()
            case _:
                self.value()

    def _take(self, char: str) -> None:
        if self.peek() != char:
            raise self._damaged()
        self._at += 1

    def _more(self, closing: str) -> bool:
        """Whether the container is empty; takes its end then."""
        if self.peek() == closing:
            self._at += 1
            return True
        return False

    def _after(self, closing: str) -> bool:
        """Take the comma or the end that follows an element; True at the end."""
        char = self.peek()
        if char not in (",", closing) or not char:
            raise self._damaged()
        self._at += 1
        return char == closing

    def _fill(self, size: int = CHUNK) -> bool:
        if self._ended:
            return False
        data = self._stream.read(size)
        self._ended = not data
        self._passed += self._at
        self._text = self._text[self._at :] + self._decode(data, not data)
        self._at = 0
        return True

    def _damaged(self) -> Exception:
        return damaged(self._name, f" near character {self._passed + self._at:,}")


def rows(entry: Entry, key: str = "") -> Iterator[tuple[int, Any]]:
    """(index, element) of the array that is the file, or that stands under `key` at its top."""
    with entry.open() as file:
        stream = JsonStream(file, entry.name)
        if not key:
            yield from enumerate(stream.values())
            return
        for name in stream.keys():  # noqa: SIM118 - a cursor, not a mapping
            if name == key and stream.peek() == "[":
                yield from enumerate(stream.values())
            else:
                stream.skip()


def dictionary(value: Any) -> dict[str, Any]:
    """The value if it is an object, else an empty one: fields of a row that are not what they should be."""
    return value if isinstance(value, dict) else {}


def array(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def text_of(value: Any) -> str:
    """The value if it is a string, else ""."""
    return value if isinstance(value, str) else ""
