"""Writers of exports: the same conversation in each format, for round trips, benchmarks and bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, NamedTuple

NB, NNB, LRM = "\u00a0", "\u202f", "\u200e"


class Line(NamedTuple):
    """One message of a conversation."""

    time: datetime
    sender: str
    text: str


def _clock12(t: datetime, seconds: bool) -> str:
    return f"{t.hour % 12 or 12}:{t:%M}" + (f":{t:%S}" if seconds else "")


def _half(t: datetime, am: str, pm: str) -> str:
    return pm if t.hour >= 12 else am


WHATSAPP: dict[str, Callable[[datetime, str], str]] = {
    "ios slash": lambda t, n: f"[{t:%d/%m/%y, %H:%M:%S}] {n}: ",
    "ios dot": lambda t, n: f"[{t:%d.%m.%y, %H:%M:%S}] {n}: ",
    "ios us": lambda t, n: f"[{t.month}/{t.day}/{t:%y}, {_clock12(t, True)}{NNB}{_half(t, 'AM', 'PM')}] {n}: ",
    "ios year first": lambda t, n: f"[{t:%Y/%m/%d, %H:%M:%S}] {n}: ",
    "ios marked": lambda t, n: f"{LRM}[{t:%d/%m/%Y, %H:%M:%S}] {n}: ",
    "ios unsaved": lambda t, n: f"[{t:%d/%m/%y, %H:%M:%S}] ~{NB}{n}: ",
    "android long year": lambda t, n: f"{t:%d/%m/%Y, %H:%M} - {n}: ",
    "android short year": lambda t, n: f"{t:%d/%m/%y, %H:%M} - {n}: ",
    "android us": lambda t, n: f"{t.month}/{t.day}/{t:%y}, {_clock12(t, False)} {_half(t, 'AM', 'PM')} - {n}: ",
    "android us narrow": lambda t, n: (
        f"{t.month}/{t.day}/{t:%y}, {_clock12(t, False)}{NNB}{_half(t, 'AM', 'PM')} - {n}: "
    ),
    "android dot": lambda t, n: f"{t:%d.%m.%y, %H:%M} - {n}: ",
    "android spanish": lambda t, n: (
        f"{t.day}/{t.month}/{t:%Y}, {_clock12(t, False)} {_half(t, 'a', 'p')}.{NB}m. - {n}: "
    ),
    "android finnish": lambda t, n: f"{t.day}.{t.month}.{t:%Y} klo {t.hour}.{t:%M} - {n}: ",
    "android iso": lambda t, n: f"{t:%Y-%m-%d, %H:%M} - {n}: ",
}
"""The fourteen header shapes."""


def whatsapp(lines: Sequence[Line], shape: str, *, end: str = "\n") -> str:
    """A WhatsApp text file."""
    header = WHATSAPP[shape]
    return "".join(header(x.time, x.sender) + x.text.replace("\n", end) + end for x in lines)


def mojibake(text: str) -> str:
    """UTF-8 bytes as Latin-1, as Facebook writes them."""
    return text.encode("utf-8").decode("latin-1")


def messenger(lines: Sequence[Line], title: str = "Bo") -> str:
    """A `message_1.json` of the older download: newest first."""
    people = dict.fromkeys(x.sender for x in lines)
    return json.dumps(
        {
            "participants": [{"name": mojibake(name)} for name in people],
            "messages": [
                {
                    "sender_name": mojibake(x.sender),
                    "timestamp_ms": int(x.time.timestamp() * 1000),
                    "content": mojibake(x.text),
                    "is_geoblocked_for_viewer": False,
                }
                for x in reversed(lines)
            ],
            "title": mojibake(title),
            "is_still_participant": True,
            "thread_path": "inbox/bo_1",
            "magic_words": [],
        }
    )


def messenger_new(lines: Sequence[Line], title: str = "Bo") -> str:
    """A `NAME_1.json` of the end-to-end-encrypted download."""
    people = dict.fromkeys(x.sender for x in lines)
    rows = [
        {
            "isUnsent": False,
            "media": [],
            "reactions": [],
            "senderName": x.sender,
            "text": x.text,
            "timestamp": int(x.time.timestamp() * 1000),
            "type": "text",
        }
        for x in reversed(lines)
    ]
    return json.dumps({"participants": list(people), "threadName": title, "messages": rows}, ensure_ascii=False)


def telegram(lines: Sequence[Line], name: str = "Bo") -> str:
    """A `result.json` of one chat."""
    ids = {sender: f"user{n}" for n, sender in enumerate(dict.fromkeys(x.sender for x in lines), 1)}
    rows: list[dict[str, Any]] = [
        {
            "id": n,
            "type": "message",
            "date": x.time.strftime("%Y-%m-%dT%H:%M:%S"),
            "date_unixtime": str(int(x.time.timestamp())),
            "from": x.sender,
            "from_id": ids[x.sender],
            "text": x.text,
            "text_entities": [],
        }
        for n, x in enumerate(lines, 1)
    ]
    return json.dumps({"name": name, "type": "personal_chat", "id": 77, "messages": rows}, ensure_ascii=False, indent=1)
