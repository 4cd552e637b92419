"""A bounded fuzz of every source: damaged copies of its golden cases give items or a GemelError, never a crash."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
from pathlib import Path

import pytest

from gemel.config import ImportSection
from gemel.errors import GemelError
from gemel.records import Document, Message, ParseError, Profile
from gemel.sources import SOURCES, LeftOut, Owner, opened

HERE = Path(__file__).parent
ROUNDS = 25
ITEMS = (Message, Document, Profile, ParseError, LeftOut, Owner)
TOKENS = [
    *(
        b"\x00",
        b"\xff\xfe",
        b'"',
        b"{",
        b"}",
        b"[",
        b"]",
        b"null",
        b"-1",
        b"1e999",
        b"9" * 400,
        b"\\ud800",
        b"\n",
        b":",
    ),
    *(
        b",",
        b"<",
        b"]]>",
        "\u202f\u200e".encode(),
        b"\xf0\x9f\x91",
        b"true",
        b'""',
        b"[[[[",
        b"&#0;",
        b"--",
        b"=?q?=FF?=",
    ),
]


def damage(content: bytes, chance: random.Random) -> bytes:
    """A few random edits: bytes changed, pieces cut, copied or replaced by what parsers dislike."""
    data = bytearray(content)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        size = min(len(data) - at, chance.choice((1, 1, 2, 8, 60)))
        match chance.randrange(5):
            case 0:
                data[at : at + size] = chance.randbytes(size)
            case 1:
                del data[at : at + size]
            case 2:
                data[at:at] = data[at : at + size]
            case 3:
                data[at : at + size] = chance.choice(TOKENS)
            case _:
                data[at:at] = chance.choice(TOKENS)
    return bytes(data) if chance.random() > 0.1 else bytes(data[: chance.randrange(len(data) + 1)])


@pytest.mark.parametrize("name", SOURCES.names())
def test_damaged_files_never_crash_a_source(name: str, tmp_path: Path) -> None:
    source, section = SOURCES.get(name)(), ImportSection(day_first=True)
    cases = sorted(p for p in (HERE / name).glob("*/input") if p.is_dir())
    chance = random.Random(name)
    seen = 0
    for turn in range(ROUNDS):
        folder = tmp_path / str(turn)
        shutil.copytree(chance.choice(cases), folder)
        settings = ImportSection(**_settings(cases[0])) if name == "profiles" else section
        victim = chance.choice([p for p in sorted(folder.rglob("*")) if p.is_file()])
        victim.write_bytes(damage(victim.read_bytes(), chance))
        try:
            with opened([folder], settings) as entries:
                mine = [e for e in entries if source.claims(e, settings)]
                for item in source.read(mine, settings) if mine else ():
                    assert isinstance(item, ITEMS)
                    _sound(item)
                    seen += 1
        except GemelError:
            pass
        shutil.rmtree(folder)
    assert seen


def _settings(case: Path) -> dict[str, object]:
    path = case.parent / "settings.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else {}


def _sound(item: object) -> None:
    """Fields are of their types, so that Parquet takes them."""
    if isinstance(item, Message):
        assert all(
            isinstance(getattr(item, n), str) for n in ("id", "thread", "thread_title", "sender", "sender_name", "text")
        )
        assert all(isinstance(m, str) for m in item.media)
        assert all(isinstance(r.emoji, str) and isinstance(r.sender, str) for r in item.reactions)
        assert item.time is None or item.time.tzinfo is not None
        assert item.reply_to is None or isinstance(item.reply_to, str)
    if isinstance(item, Document):
        assert all(isinstance(getattr(item, n), str) for n in ("id", "text", "title", "author"))
        assert item.time is None or item.time.tzinfo is not None
    if dataclasses.is_dataclass(item) and not isinstance(item, Owner):
        assert isinstance(item.offset, int)  # type: ignore[attr-defined]
        assert not item.file.startswith("/")  # type: ignore[attr-defined]
