"""The shape of a WhatsApp file's message headers, found from the file itself.

One file is written by one phone in one locale, so its headers share one shape: brackets or a dash, the
separator and digits of the date, seconds or not, AM/PM or not. A line of another shape is somebody's text
(pasted chats, "12:30 is when…"). Day or month first is decided from all dates of the file.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import pairwise

__all__ = ["MARKS", "Clock", "Order", "Shape", "decide_order", "find_shape"]

MARKS = "\u200e\u200f\ufeff\u202a\u202b\u202c\u2066\u2067\u2068\u2069"
"""Marks of direction, byte order and isolation that WhatsApp strews into its lines."""

_S = r"[ \u00a0\u202f]"
_GENERAL = re.compile(
    rf"^[{MARKS}]*(?P<open>\[?)"
    rf"(?P<date>(?P<a>\d{{1,4}})(?P<sep>[./\-]){_S}?(?P<b>\d{{1,2}})(?P=sep){_S}?(?P<c>\d{{1,4}}))"
    rf"(?P<comma>\.?,?){_S}*(?:(?P<word>[^\W\d]{{1,4}}\.?){_S})?"
    rf"(?P<time>(?P<early>[^\W\d]{{1,3}})?\d{{1,2}}(?P<colon>[:.])\d{{2}}(?P<seconds>[:.]\d{{2}})?"
    rf"(?P<half>{_S}?(?:[AaPp]\.?{_S}?[Mm]\.?))?)"
    rf"(?P<close>\]|{_S}[\-–]{_S}|:{_S})"
)
_HALF = re.compile(r"[AaPp]")
_LATE = ("下午", "오후", "午後", "晚上", "ch", "pm")
_EARLY = ("上午", "오전", "午前", "凌晨", "中午", "早上", "sa", "am")

Order = str
"""dmy, mdy or ymd."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What all headers of a file have in common."""

    pattern: re.Pattern[str]
    """Matches a header; group 1 is the date, group 2 the time."""
    separator: str
    year_first: bool
    """The first part has four digits."""
    seconds: bool
    bracket: bool
    key: tuple[str, ...]
    """Equal for files written under the same locale."""


def find_shape(lines: Iterable[str]) -> Shape | None:
    """The commonest header shape among the first lines of a file, if any line has one."""
    found: Counter[tuple[str, ...]] = Counter()
    for line in lines:
        if match := _GENERAL.match(line):
            found[_key(match)] += 1
    return _shape(found.most_common(1)[0][0]) if found else None


def _key(match: re.Match[str]) -> tuple[str, ...]:
    year = "first" if len(match["a"]) == 4 else "four" if len(match["c"]) == 4 else "two"
    flags = ("early" if match["early"] else "", "seconds" if match["seconds"] else "", "half" if match["half"] else "")
    close = match["close"].strip(" \u00a0\u202f")
    return (match["open"], year, match["sep"], match["comma"], match["word"] or "", match["colon"], *flags, close)


def _shape(key: tuple[str, ...]) -> Shape:
    opening, year, separator, comma, word, colon, early, seconds, half, close = key
    parts = {"first": ("4", "1,2", "1,2"), "four": ("1,2", "1,2", "4"), "two": ("1,2", "1,2", "2")}[year]
    day = rf"{re.escape(separator)}{_S}?".join(rf"\d{{{p}}}" for p in parts)
    clock = rf"\d{{1,2}}{re.escape(colon)}\d{{2}}" + (r"[:.]\d{2}" if seconds else "")
    if early:
        clock = rf"(?:[^\W\d]{{1,3}})?{clock}"
    if half:
        clock += rf"{_S}?[AaPp]\.?{_S}?[Mm]\.?"
    middle = re.escape(comma) + rf"{_S}*" + (rf"{re.escape(word)}{_S}" if word else "")
    ending = r"\]" if close == "]" else rf":{_S}" if close == ":" else rf"{_S}[\-–]{_S}"
    pattern = re.compile(
        rf"[{MARKS}]*{re.escape(opening)}({day}){middle}({clock}){ending}{_S if close == ']' else ''}?"
    )
    return Shape(pattern, separator, year == "first", bool(seconds), close == "]", key)


def decide_order(shape: Shape, dates: Iterable[str]) -> Order | None:
    """Which part of the dates is the day; None where the dates allow two readings.

    Args:
        dates: the distinct neighbouring dates of the file, in file order, as written.
    """
    if shape.year_first:
        return "ymd"
    triples = [_numbers(d) for d in dates]
    broken = {order: _violations(order, triples) for order in ("dmy", "mdy", "ymd")}
    if broken["ymd"] < min(broken["dmy"], broken["mdy"]) and "two" in shape.key:
        return "ymd"
    if broken["dmy"] != broken["mdy"]:
        return "dmy" if broken["dmy"] < broken["mdy"] else "mdy"
    if shape.separator == ".":
        return "dmy"  # no locale writes month.day.year
    first = sum(x[0] != y[0] for x, y in pairwise(triples))
    second = sum(x[1] != y[1] for x, y in pairwise(triples))
    if first == second:
        return None
    return "dmy" if first > second else "mdy"


def _numbers(text: str) -> tuple[int, int, int]:
    a, b, c = (int(part) for part in re.findall(r"\d+", text))
    return a, b, c


def _violations(order: Order, triples: list[tuple[int, int, int]]) -> int:
    """How badly a reading fits: impossible dates weigh a hundred, steps back in time one."""
    count, last = 0, None
    for triple in triples:
        day = _date(order, triple)
        if day is None:
            count += 100
        elif last is not None and day < last:
            count += 1
        last = day or last
    return count


def _date(order: Order, triple: tuple[int, int, int]) -> date | None:
    year, month, day = (triple[order.index(part)] for part in "ymd")
    try:
        return date(year + 2000 if year < 100 else year, month, day)
    except ValueError:
        return None


class Clock:
    """Reads a file's dates and times once their order is known; remembers what it has read."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._days: dict[str, date | None] = {}
        self._times: dict[str, time | None] = {}

    def read(self, day: str, clock: str) -> datetime | None:
        """The time as if UTC; None where it cannot be one."""
        if day not in self._days:
            self._days[day] = _date(self._order, _numbers(day))
        if clock not in self._times:
            self._times[clock] = _time(clock)
        d, t = self._days[day], self._times[clock]
        return None if d is None or t is None else datetime.combine(d, t, UTC)


def _time(text: str) -> time | None:
    word = ""
    try:
        if text[2:3] == ":" and len(text) in (5, 8):
            return time.fromisoformat(text)
        parts = [int(part) for part in text.replace(".", ":").split(":")]
    except ValueError:  # a half of the day before or after the figures
        parts = [int(part) for part in re.findall(r"\d+", text)]
        word = re.sub(r"[\d:.\s]", "", text).lower()
    hour, minute, second = (*parts, 0)[:3]
    half = _HALF.search(word)
    late = word.startswith(_LATE) or (half is not None and half[0] == "p")
    if late and hour < 12:
        hour += 12
    elif hour == 12 and not late and (half is not None or word.startswith(_EARLY)) and not word.startswith("中午"):
        hour = 0
    try:
        return time(hour, minute, second)
    except ValueError:
        return None
