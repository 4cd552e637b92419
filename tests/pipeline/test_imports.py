"""Importing: what adds up, what merges, who is me, what is refused, and what a killed import leaves."""

from __future__ import annotations

import json
import logging
import os
import random
import signal
import stat
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from sources.chats import Line, messenger, messenger_new, telegram, whatsapp

from gemel.config import parse
from gemel.errors import DamagedExport, DataError, GemelError, PersonUnknown, UnknownFormat, UnsafeArchive
from gemel.pipeline.forget import forget
from gemel.pipeline.import_report import ImportReport
from gemel.pipeline.imports import import_paths
from gemel.records import Message, read_records
from gemel.track import Event, listening
from gemel.workspace import Workspace

START = datetime(2023, 6, 13, 13, 55, tzinfo=UTC)
CANARY = "xylophone-quartz-canary"


def talk(n: int = 8, other: str = "Bo", start: datetime = START) -> list[Line]:
    return [Line(start + timedelta(minutes=3 * k), ("Ana", other)[k % 2], f"message {k} to {other}") for k in range(n)]


def run(root: Path, *paths: Path, ask: Any = None, **section: Any) -> ImportReport:
    return import_paths(Workspace(root / "twin"), paths, parse({"import": section}), ask=ask)


def texts(root: Path, source: str) -> list[str]:
    path = root / "twin" / "records" / source / f"{source}.parquet"
    return [r.text for r in read_records(path) if isinstance(r, Message)]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def nothing_written(root: Path) -> bool:
    return not list((root / "twin" / "records").glob("*")) and not (root / "twin" / "private" / "people.json").exists()


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """One export of each kind."""
    folder = tmp_path / "exports"
    write(folder / "WhatsApp Chat with Bo.txt", whatsapp(talk(), "android dot"))
    write(folder / "messages/inbox/bo_1/message_1.json", messenger(talk()))
    write(folder / "Bo_1.json", messenger_new(talk()))
    write(folder / "result.json", telegram(talk()))
    write(folder / "post.md", "---\ntitle: T\nauthor: Ana\n---\n# T\n\nA text.\n")
    write(
        folder / "profiles.csv", "age,height,income,drinks,drugs,sex,essay0\n22,75,-1,socially,never,m,hello\n,,,,,,\n"
    )
    write(folder / "photo.jpg", "not really")
    write(folder / "tool.bin", "?")
    return folder


def test_the_sums_of_the_report_add_up(tmp_path: Path, mixed: Path) -> None:
    report = run(tmp_path, mixed)
    assert report.adds_up
    by_name = {s.source: s for s in report.sources}
    assert set(by_name) == {"whatsapp", "messenger", "telegram", "writings", "profiles"}
    assert (report.me, report.media, dict(report.unknown)) == ("Ana", 1, {"bin": 1})
    whatsapp_ = by_name["whatsapp"]
    assert (whatsapp_.read, whatsapp_.kept, whatsapp_.chats, whatsapp_.people, whatsapp_.mine) == (8, 8, 1, 2, 4)
    assert (whatsapp_.first, whatsapp_.last, dict(whatsapp_.kinds)) == ("2023-06-13", "2023-06-13", {"text": 8})
    assert (by_name["messenger"].chats, by_name["messenger"].files) == (2, 2)
    assert dict(by_name["profiles"].left_out) == {"a profile with nothing filled in": 1}
    assert [p.name for p in Workspace(tmp_path / "twin").people()] == ["Ana", "Bo"]


def test_the_same_again_changes_nothing(tmp_path: Path, mixed: Path) -> None:
    run(tmp_path, mixed)
    files = {p: p.stat().st_mtime_ns for p in (tmp_path / "twin" / "records").rglob("*") if p.is_file()}
    again = run(tmp_path, mixed)
    assert all(s.up_to_date for s in again.sources)
    assert again.me == "Ana"
    assert files == {p: p.stat().st_mtime_ns for p in (tmp_path / "twin" / "records").rglob("*") if p.is_file()}


def test_overlapping_exports_of_a_chat_merge(tmp_path: Path) -> None:
    lines = talk(30)
    for name, part in (("1/WhatsApp Chat with Bo.txt", lines[8:]), ("2/WhatsApp Chat with Bo.txt", lines[:20])):
        write(tmp_path / "in" / name, whatsapp(part, "android dot"))
    report = run(tmp_path, tmp_path / "in")
    assert texts(tmp_path, "whatsapp") == [x.text for x in lines]
    assert (report.sources[0].kept, report.sources[0].duplicates, report.sources[0].chats) == (30, 12, 1)
    assert report.adds_up


def test_a_later_export_adds_what_is_new(tmp_path: Path) -> None:
    lines = talk(30)
    first = write(tmp_path / "a" / "WhatsApp Chat with Bo.txt", whatsapp(lines[5:20], "android dot"))
    second = write(tmp_path / "b" / "WhatsApp Chat with Bo.txt", whatsapp(lines[10:], "android dot"))
    earlier = write(tmp_path / "c" / "WhatsApp Chat with Bo (1).txt", whatsapp(lines[:6], "android dot"))
    run(tmp_path, first)
    report = run(tmp_path, second)
    assert (report.sources[0].read, report.sources[0].kept, report.sources[0].duplicates) == (20, 10, 10)
    run(tmp_path, earlier)
    assert texts(tmp_path, "whatsapp") == [x.text for x in lines]


def test_what_was_forgotten_does_not_come_back_with_a_newer_export(tmp_path: Path) -> None:
    chats = [whatsapp(talk(n), "android dot") for n in (4, 8)]
    run(tmp_path, write(tmp_path / "a" / "WhatsApp Chat with Bo.txt", chats[0]), me="Ana")
    forget(Workspace(tmp_path / "twin"), "person", "Bo")
    report = run(tmp_path, write(tmp_path / "b" / "WhatsApp Chat with Bo.txt", chats[1]), me="Ana")
    assert report.sources[0].left_out == {"forgotten": 4}
    assert texts(tmp_path, "whatsapp") == [f"message {k} to Bo" for k in (0, 2, 4, 6)]


def test_two_zips_of_one_download_share_their_threads(tmp_path: Path) -> None:
    lines = talk(30)
    for number, (folder, part) in enumerate((("inbox", lines[:18]), ("e2ee_cutover", lines[12:])), 1):
        with zipfile.ZipFile(tmp_path / f"facebook-{number}.zip", "w") as archive:
            archive.writestr(f"your_facebook_activity/messages/{folder}/bo_1/message_1.json", messenger(part))
    report = run(tmp_path, tmp_path / "facebook-1.zip", tmp_path / "facebook-2.zip", me="Ana")
    assert texts(tmp_path, "messenger") == [x.text for x in lines]
    assert (report.sources[0].chats, report.sources[0].duplicates) == (1, 6)


def test_an_edited_message_replaces_what_was_there(tmp_path: Path) -> None:
    lines = talk(6)
    run(tmp_path, write(tmp_path / "a.json", telegram(lines)))
    lines[2] = lines[2]._replace(text="edited since")
    report = run(tmp_path, write(tmp_path / "b.json", telegram(lines)))
    assert texts(tmp_path, "telegram") == [x.text for x in lines]
    assert (report.sources[0].kept, report.sources[0].duplicates) == (0, 6)


def test_threads_lie_together_and_in_order(tmp_path: Path) -> None:
    """Messages of many threads, read in pieces that alternate, come out thread by thread."""
    parts = {name: talk(40, name) for name in ("Bo", "Cy", "Di")}
    for k in range(4):
        for name, lines in parts.items():
            piece = lines[10 * k : 10 * k + 14]
            write(tmp_path / "in" / str(k) / f"WhatsApp Chat with {name}.txt", whatsapp(piece, "ios dot"))
    run(tmp_path, tmp_path / "in")
    table = pq.read_table(tmp_path / "twin" / "records" / "whatsapp" / "whatsapp.parquet")
    threads = table["thread_title"].to_pylist()
    assert threads == sorted(threads, key=threads.index)
    assert texts(tmp_path, "whatsapp") == [x.text for name in dict.fromkeys(threads) for x in parts[name]]


def test_a_change_of_settings_reads_again(tmp_path: Path) -> None:
    lines = [Line(datetime(2023, 6, 3, 9, tzinfo=UTC), who, "hi") for who in ("Ana", "Bo")]
    chat = write(tmp_path / "WhatsApp Chat with Bo.txt", whatsapp(lines, "android short year"))
    assert run(tmp_path, chat, day_first=True).sources[0].first == "2023-06-03"
    report = run(tmp_path, chat, day_first=False)
    assert (report.sources[0].first, report.sources[0].total) == ("2023-03-06", 2)


# who is me --------------------------------------------------------------
def test_the_name_in_every_thread_is_me(tmp_path: Path) -> None:
    for number, name in enumerate(("Bo", "Cy")):
        write(tmp_path / "in" / f"{number}.txt", whatsapp(talk(8, name), "ios dot"))
    assert run(tmp_path, tmp_path / "in").me == "Ana"


def test_an_open_question_is_asked_and_never_guessed(tmp_path: Path) -> None:
    chat = write(tmp_path / "chat.txt", whatsapp(talk(), "ios dot"))
    with pytest.raises(PersonUnknown, match="does not tell") as caught:
        run(tmp_path, chat)
    assert set(caught.value.candidates) == {"Ana", "Bo"}
    assert nothing_written(tmp_path)
    assert run(tmp_path, chat, ask=lambda error: error.candidates[1]).me == caught.value.candidates[1]
    assert run(tmp_path, chat).sources[0].up_to_date


def test_a_chat_without_the_person_is_refused(tmp_path: Path) -> None:
    chat = write(tmp_path / "chat.txt", whatsapp(talk(), "ios dot"))
    with pytest.raises(PersonUnknown, match="nobody in whatsapp is called Zoe"):
        run(tmp_path, chat, me="Zoe")
    assert nothing_written(tmp_path)


def test_documents_need_no_me(tmp_path: Path) -> None:
    assert run(tmp_path, write(tmp_path / "a.md", "# A\n\nwords\n")).me == ""


# bad input --------------------------------------------------------------
def zipped(path: Path, *members: tuple[str, bytes], change: Callable[[zipfile.ZipInfo], None] | None = None) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            if change:
                change(info)
            archive.writestr(info, content)
    return path


def truncated(folder: Path) -> Path:
    path = zipped(folder / "x.zip", ("_chat.txt", whatsapp(talk(2000), "ios dot").encode()))
    path.write_bytes(path.read_bytes()[:-400])
    return path


def corrupt(folder: Path) -> Path:
    path = zipped(folder / "x.zip", ("_chat.txt", random.Random(0).randbytes(80_000)), ("b.md", b"# hello\n" * 4000))
    content = bytearray(path.read_bytes())
    content[-900:-700] = b"\0" * 200
    path.write_bytes(bytes(content))
    return path


def link(info: zipfile.ZipInfo) -> None:
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16


BAD: dict[str, tuple[Callable[[Path], Path], type[GemelError], str]] = {
    "truncated zip": (truncated, DamagedExport, "x.zip"),
    "wrong format": (lambda f: write(f / "x.bin", "\0\1\2"), UnknownFormat, "no known export"),
    "nothing there": (lambda f: f / "missing.zip", DataError, "there is no file"),
    "empty chat": (lambda f: write(f / "_chat.txt", ""), DataError, "nothing in these files"),
    "empty folder": (lambda f: f, UnknownFormat, "no known export"),
    "a line of ten megabytes": (lambda f: write(f / "x.txt", "word " * 2_000_000), DataError, "million characters"),
    "a message of ten megabytes": (
        lambda f: write(f / "x.txt", "03.06.23, 13:55 - Ana: " + "word " * 2_000_000),
        DataError,
        "million characters",
    ),
    "zip slip": (lambda f: zipped(f / "x.zip", ("../../_chat.txt", b"x")), UnsafeArchive, "outside"),
    "absolute name": (lambda f: zipped(f / "x.zip", ("/etc/_chat.txt", b"x")), UnsafeArchive, "outside"),
    "drive letter": (lambda f: zipped(f / "x.zip", ("C:/_chat.txt", b"x")), UnsafeArchive, "outside"),
    "backslashes": (lambda f: zipped(f / "x.zip", ("a\\..\\..\\_chat.txt", b"x")), UnsafeArchive, "outside"),
    "link in a zip": (lambda f: zipped(f / "x.zip", ("_chat.txt", b"/etc/passwd"), change=link), UnsafeArchive, "link"),
    "zip bomb": (lambda f: zipped(f / "x.zip", ("_chat.txt", b"\n" * (1 << 26))), UnsafeArchive, "times its size"),
    "broken JSON": (lambda f: write(f / "result.json", telegram(talk())[:-200]), DamagedExport, "near character"),
    "endless nesting": (
        lambda f: write(f / "result.json", '{"messages": [{"from_id": ' + "[" * 200_000),
        DamagedExport,
        "result.json",
    ),
    "Facebook as HTML": (
        lambda f: write(f / "message_1.html", '<html><head><title>Bo</title></head><div class="_a6-g">'),
        UnknownFormat,
        "Meta's download as HTML",
    ),
    "Facebook as old HTML": (
        lambda f: write(f / "messages.htm", '<html><div class="thread"><div class="message_header">'),
        UnknownFormat,
        "Meta's download as HTML",
    ),
    "Telegram as HTML": (
        lambda f: write(f / "messages.html", '<html><title>Exported Data</title><div class="page_wrap">'),
        UnknownFormat,
        "Telegram's export as HTML",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_refused_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    make, error, words = BAD[name]
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(error, match=words):
        run(tmp_path, make(folder))
    assert nothing_written(tmp_path)


def test_a_corrupt_member_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    with pytest.raises(GemelError):
        run(tmp_path, corrupt(folder))
    assert nothing_written(tmp_path)


def test_many_small_bombs_are_one_bomb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", *[(f"{n}.txt", b"\n" * (1 << 19)) for n in range(300)])
    with pytest.raises(UnsafeArchive, match="times its size"):
        run(tmp_path, path, max_ratio=100)


def test_an_encrypted_zip_says_what_to_do(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("_chat.txt", b"x" * 30))
    content = bytearray(path.read_bytes())
    for magic, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(magic) + at] |= 1
    path.write_bytes(bytes(content))
    with pytest.raises(DamagedExport, match="encrypted"):
        run(tmp_path, path)


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_below_a_folder_are_not_followed(tmp_path: Path) -> None:
    secret = write(tmp_path / "elsewhere" / "secret.md", "# secret\n\nwords\n")
    write(tmp_path / "in" / "a.md", "# open\n\nwords\n")
    (tmp_path / "in" / "b.md").symlink_to(secret)
    (tmp_path / "in" / "c").symlink_to(secret.parent)
    assert run(tmp_path, tmp_path / "in").sources[0].files == 1


def test_a_bad_file_spoils_no_earlier_import(tmp_path: Path, mixed: Path) -> None:
    run(tmp_path, mixed)
    before = texts(tmp_path, "telegram")
    with pytest.raises(DamagedExport):
        run(tmp_path, write(tmp_path / "new" / "result.json", telegram(talk(20))[:-100]))
    assert texts(tmp_path, "telegram") == before


# killed -----------------------------------------------------------------
def big(folder: Path) -> Path:
    for name in ("Bo", "Cy"):
        write(folder / f"WhatsApp Chat with {name}.txt", whatsapp(talk(15_000, name), "ios dot"))
    write(folder / "result.json", telegram(talk(8_000, "Di")))
    return folder


def everything(root: Path) -> dict[str, list[dict[str, Any]]]:
    return {
        path.parent.name: pq.read_table(path).to_pylist() for path in (root / "twin" / "records").glob("*/*.parquet")
    }


@pytest.mark.skipif(os.name == "nt", reason="no SIGKILL there")
def test_killed_at_any_moment_the_same_command_finishes_the_same(tmp_path: Path) -> None:
    exports = big(tmp_path / "in")
    run(tmp_path / "whole", exports)
    command = [sys.executable, "-m", "gemel", "import", str(exports), "--twin", str(tmp_path / "cut" / "twin")]
    killed = 0
    for wait in (0.6, 0.9, 1.3):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(wait)
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
            killed += 1
        process.wait()
    assert killed
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert everything(tmp_path / "cut") == everything(tmp_path / "whole")
    assert not list((tmp_path / "cut" / "twin" / "records").glob(".*"))


# privacy ----------------------------------------------------------------
def test_no_text_in_logs_events_errors_or_manifests(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    lines = [x._replace(text=f"{CANARY} {x.text}") for x in talk()]
    folder = tmp_path / "in"
    write(folder / "WhatsApp Chat with Bo.txt", whatsapp(lines, "ios dot") + f"[99.99.23, 13:55:01] Ana: {CANARY}\n")
    rows = json.loads(telegram(lines))
    rows["messages"] += [{"type": "message", "text": CANARY}, CANARY]
    write(folder / "result.json", json.dumps(rows))
    write(folder / "profiles.csv", f"age,height,income,drinks,drugs,sex,essay0\n22,{CANARY}\n22,70,1,a,b,m,{CANARY}\n")
    write(folder / "a.md", f"# T\n\n{CANARY}\n")
    heard: list[Event] = []
    with listening(heard.append):
        report = run(tmp_path, folder)
    said = [json.dumps(report.plain()), caplog.text, *capsys.readouterr(), *(repr(e) for e in heard)]
    broken = write(tmp_path / "broken" / "result.json", json.dumps(rows)[:-30])
    with pytest.raises(DamagedExport) as caught:
        run(tmp_path, broken)
    said += [str(caught.value)]
    for path in (tmp_path / "twin").rglob("*"):
        if path.is_file() and path.suffix != ".parquet":
            said.append(path.read_text(encoding="utf-8"))
    assert len(heard) > 3
    assert sum(sum(s.errors.values()) for s in report.sources) == 4
    assert not [s for s in said if CANARY in s]
