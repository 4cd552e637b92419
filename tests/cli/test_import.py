"""`gemel import` and `gemel doctor` as typed: the report, the exit codes, no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemel.cli import main

CHAT = "03.06.23, 13:55 - Ana: hello\n03.06.23, 13:56 - Bo: hi there\n14.06.23, 13:56 - Ana: bye\n"


def call(*args: object) -> int:
    with pytest.raises(SystemExit) as caught:
        main([str(a) for a in args])
    return int(caught.value.code or 0)


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "WhatsApp Chat with Bo.txt"
    path.write_text(CHAT, encoding="utf-8")
    return path


def test_the_report_is_for_people(chat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("import", chat, "--twin", tmp_path / "twin") == 0
    out = capsys.readouterr().out
    assert "You are Ana: 2 of the messages are yours. 2 people in all." in out
    assert "2023-06-03 – 2023-06-14" in out
    assert "hello" not in out
    assert call("import", chat, "--twin", tmp_path / "twin") == 0
    assert "imported before; nothing to do" in capsys.readouterr().out


def test_json_adds_up(chat: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("import", chat, "--twin", tmp_path / "twin", "--json") == 0
    source = json.loads(capsys.readouterr().out)["sources"][0]
    assert source["read"] == source["kept"] + source["duplicates"] == 3


def test_several_names_are_all_me(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text(CHAT.replace("Bo", "Ana B."), encoding="utf-8")
    assert call("import", tmp_path / "a.txt", "--twin", tmp_path / "twin", "--me", "Ana", "--me", "Ana B.") == 0
    assert "You are Ana: 3 of the messages are yours. 1 people in all." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "content", "code", "words"),
    [
        ("x.bin", "\0", 3, "no known export"),
        ("x.txt", CHAT, 3, "--me"),
        ("x.zip", "PK", 3, "damaged"),
        ("x.txt", "03/06/23, 13:55 - Ana: hello\n03/06/23, 13:56 - Bo: hi\n", 3, "--day-first"),
    ],
)
def test_errors_are_sentences_with_their_exit_code(
    name: str, content: str, code: int, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert call("import", tmp_path / name, "--twin", tmp_path / "twin") == code
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert "hello" not in said


def test_doctor_names_what_there_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("doctor", "--twin", tmp_path / "twin") == 0
    out = capsys.readouterr().out
    assert "Cores" in out
    assert "GPU" in out
    assert "Hub" not in out
    assert not (tmp_path / "twin").exists()
