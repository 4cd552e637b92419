"""Logs of IRC clients: irssi, WeeChat, HexChat, ZNC and the Ubuntu archive.

A line's time has often no date: that comes from "Log opened" and "Day changed" lines or from the file's name;
a file without any is refused. Joins, parts and bots' notices are system lines. `* nick does` is text of nick.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, stable_id
from gemel.sources import SOURCES, Entry, Item, Source

_CLOCK = r"\[?(?:(?P<day>\d{4}-\d\d-\d\d)[ T])?(?P<time>\d\d:\d\d(?::\d\d)?)\]?"
_SAID = re.compile(rf"^{_CLOCK}[ \t]+<[ @+%~&]?(?P<nick>[^\s<>]{{1,40}})>[ \t]?(?P<text>.*)$")
_ACTION = re.compile(rf"^{_CLOCK}[ \t]+\*[ \t]+(?P<nick>[^\s*]{{1,40}}) (?P<text>.*)$")
_WEECHAT = re.compile(rf"^{_CLOCK}\t[ @+%~&]?(?P<nick>[^\s\t]{{1,40}})\t(?P<text>.*)$")
_NOTICE = re.compile(rf"^{_CLOCK}[ \t]+(?:-!-|\*\*\*|===|-->|<--|--|-\S+-)|^=== ")
_OPENED = re.compile(
    r"^(?:--- |\*\*\*\* |Session Start: )(?:Log opened|Day changed|BEGIN LOGGING AT|LOGGING)?[ ]?(?P<rest>.+\d{4}.*)$"
)
_NAME_DATE = re.compile(r"((?:19|20)\d\d)[-_.]?(\d\d)[-_.]?(\d\d)")
_MONTHS = dict(zip(["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"], range(1, 13)))
_SEEN = 50_000
"""Lines that are remembered to tell equal ones in the same minute apart."""
_ARROWS = frozenset({"-->", "<--", "--", "*", "=!=", "<->"})


@SOURCES.register("irc")
class Irc(Source):
    """Offsets are line numbers from 1."""

    name = "irc"
    title = "IRC"
    rank = 5
    by_time = False

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix not in ("log", "txt", "weechatlog", ""):
            return False
        lines = [line for line in entry.head_text.splitlines()[:60] if line.strip()]
        said = sum(bool(_SAID.match(x) or _WEECHAT.match(x)) for x in lines)
        known = said + sum(bool(_NOTICE.match(x) or _OPENED.match(x) or _ACTION.match(x)) for x in lines)
        return said >= 1 and known >= 0.8 * len(lines)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            yield from _log(entry)


def _log(entry: Entry) -> Iterator[Item]:
    found = _NAME_DATE.search(entry.parts[-1])
    day = _date(*map(int, found.groups())) if found else None
    channel = _NAME_DATE.sub("", entry.stem).strip("-_. ") or (entry.parts[-2] if len(entry.parts) > 1 else entry.stem)
    last, seen = "", Counter[tuple[str, ...]]()
    for number, line in enumerate(entry.lines(), 1):
        if not line.strip():
            continue
        if opened := _OPENED.match(line):
            day, last = _written(opened["rest"]) or day, ""
            continue
        match = _SAID.match(line) or _WEECHAT.match(line) or _ACTION.match(line) or _NOTICE.match(line)
        if match is None:
            yield _error(entry, number, "a line that is no message")
            continue
        clock = match["time"] or last or "00:00"
        if match["day"]:
            day = _date(*map(int, match["day"].split("-")))
        elif day and last and clock < last and last[:2] == "23":
            day += timedelta(days=1)  # past midnight without a line that says so
        last = clock
        if len(seen) > _SEEN:
            seen.clear()
        fields = match.groupdict()
        yield _message(entry, number, channel, day, clock, fields.get("nick") or "", fields.get("text") or line, seen)


def _message(
    entry: Entry,
    number: int,
    channel: str,
    day: date | None,
    clock: str,
    nick: str,
    text: str,
    seen: Counter[tuple[str, ...]],
) -> Item:
    if day is None:
        return _error(entry, number, "a line before any date")
    try:
        when = datetime.fromisoformat(f"{day.isoformat()} {clock}").replace(tzinfo=UTC)
    except ValueError:
        return _error(entry, number, "a time that does not exist")
    notice = not nick or nick in _ARROWS
    key = (day.isoformat(), clock, nick, text)
    seen[key] += 1
    return Message(
        id=stable_id("irc", channel, *key, seen[key]),
        source="irc",
        thread=stable_id("irc", channel),
        thread_title=channel,
        group=True,
        time=when,
        precision=Precision.second if len(clock) > 5 else Precision.minute,
        zone_known=False,
        sender="" if notice else nick,
        sender_name="" if notice else nick,
        text=text,
        kind=Kind.system if notice else Kind.text,
        file=entry.name,
        offset=number,
    )


def _error(entry: Entry, number: int, reason: str) -> ParseError:
    return ParseError(source="irc", file=entry.name, offset=number, reason=reason)


def _written(text: str) -> date | None:
    """ "Sat Jun 03 13:55:01 2023", "Sat Jun 03 2023"."""
    words = text.lower().replace(",", "").split()
    month = next((_MONTHS[w[:3]] for w in words if w[:3] in _MONTHS), 0)
    year = next((int(w) for w in words if re.fullmatch(r"(?:19|20)\d\d", w)), 0)
    day = next((int(w) for w in words if re.fullmatch(r"\d\d?", w)), 0)
    return _date(year, month, day)


def _date(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day)
    except ValueError:
        return None
