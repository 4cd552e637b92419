"""Signal: the Markdown (or text) that signal-export writes, one `chat.md` in a folder per conversation.

Lines begin with `[2023-06-03 13:55] NAME: `; "Me" is the owner. Reactions and quotes stand as signal-export
writes them and are taken off the text. Key changes and timers are notices. Does not open Signal's database.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from gemel.config import ImportSection
from gemel.records import Kind, Message, ParseError, Precision, Reaction, stable_id
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source
from gemel.sources._entries import LONGEST_LINE

_HEAD = re.compile(r"\[(\d{4}-\d\d-\d\d),? (\d\d:\d\d(?::\d\d)?)\] ([^:\n]{1,80}): ?")
_REACTIONS = re.compile(r"\n?\(- (.+) -\)\s*$")
_ATTACHED = re.compile(r"!?\[[^\]\n]*\]\((\.?/?media/[^)\n]+)\) *\n?")
_QUOTE = re.compile(r"\A(?:>[^\n]*(?:\n|\Z))+\n?")
_NOTICE = re.compile(r"^(?:.* )?(?:safety number|disappearing message|key change|Sicherheitsnummer)", re.IGNORECASE)


@SOURCES.register("signal")
class Signal(Source):
    """Offsets are line numbers from 1."""

    name = "signal"
    title = "Signal"
    rank = -1
    by_time = False

    def claims(self, entry: Entry, section: ImportSection) -> bool:
        if entry.suffix not in ("md", "txt"):
            return False
        lines = entry.head_text.splitlines()[:30]
        heads = [m for line in lines if (m := _HEAD.match(line))]
        return bool(heads) and _HEAD.match(lines[0]) is not None and (entry.suffix == "md" or len(heads[0][2]) == 5)

    def read(self, entries: Sequence[Entry], section: ImportSection) -> Iterator[Item]:
        for entry in entries:
            yield from _chat(entry)


def _chat(entry: Entry) -> Iterator[Item]:
    title = entry.parts[-2] if entry.stem in ("chat", "index") and len(entry.parts) > 1 else entry.stem
    blocks = list(_blocks(entry))
    people = {name for _, _, name, _ in blocks}
    if "Me" in people:
        yield Owner(source="signal", id="Me", name="")
    seen: Counter[tuple[str, str, str]] = Counter()
    for number, clock, name, text in blocks:
        try:
            when = datetime.fromisoformat(clock).replace(tzinfo=UTC)
        except ValueError:
            yield ParseError(source="signal", file=entry.name, offset=number, reason="a time that does not exist")
            continue
        if len(text) > LONGEST_LINE:
            yield ParseError(
                source="signal", file=entry.name, offset=number, reason="a message longer than a million characters"
            )
            continue
        if _NOTICE.match(text) and len(text) < 120:
            yield LeftOut(source="signal", file=entry.name, offset=number, reason="a change of keys or timer")
            continue
        text, reactions = _reactions(text)
        media = tuple(_ATTACHED.findall(text))
        text = _QUOTE.sub("", _ATTACHED.sub("", text)).strip("\n")
        n = seen[clock, name, text]
        seen[clock, name, text] += 1
        yield Message(
            id=stable_id("signal", title, clock, name, text, *media, n),
            source="signal",
            thread=stable_id("signal", title),
            thread_title=title,
            group=len(people) > 2,
            time=when,
            precision=Precision.minute if len(clock) == 16 else Precision.second,
            zone_known=False,
            sender=name,
            sender_name="" if name == "Me" else name,
            text=text,
            kind=Kind.media if media or not text else Kind.text,
            media=media,
            reactions=reactions,
            file=entry.name,
            offset=number,
        )


def _blocks(entry: Entry) -> Iterator[tuple[int, str, str, str]]:
    """(line number, time, sender, text) of each message."""
    held: tuple[int, str, str, list[str]] | None = None
    for number, line in enumerate(entry.lines(), 1):
        if head := _HEAD.match(line):
            if held:
                yield (*held[:3], "\n".join(held[3]).rstrip("\n"))
            held = number, f"{head[1]} {head[2]}", head[3].strip(), [line[head.end() :].rstrip()]
        elif held:
            held[3].append(line.rstrip())
    if held:
        yield (*held[:3], "\n".join(held[3]).rstrip("\n"))


def _reactions(text: str) -> tuple[str, tuple[Reaction, ...]]:
    """`(- Bo: 👍, Cy: ❤ -)` at the end of a message."""
    match = _REACTIONS.search(text)
    if not match:
        return text, ()
    pairs = (part.rpartition(": ") for part in match[1].split(", "))
    return text[: match.start()], tuple(Reaction(emoji.strip(), who.strip()) for who, _, emoji in pairs if who)
