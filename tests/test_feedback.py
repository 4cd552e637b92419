"""The store of feedback: branches, judgement that can be taken back, and nothing acknowledged is lost."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from gemel.errors import DamagedCheckpoint, DataError
from gemel.feedback import Edit, Feedback, Said, Vote


@pytest.fixture(name="store")
def _store(tmp_path: Path) -> Feedback:
    return Feedback(tmp_path / "feedback.sqlite")


def talk(store: Feedback) -> tuple[str, list[str]]:
    number = store.begin("a talk", recipient="Mara")
    asked = store.add(number, Said(role="other", parts=("hi",), name="Mara"))
    first = store.add(number, Said(role="me", parts=("Hello!", "How are you?"), parent=asked, speaker="voice"))
    other = store.add(number, Said(role="me", parts=("hey",), parent=asked, speaker="assisted", extra={"seed": 3}))
    return number, [asked, first, other]


def test_branches(store: Feedback) -> None:
    number, (asked, first, other) = talk(store)
    assert [m.id for m in store.messages(number)] == [asked, first, other]
    assert [m.parts for m in store.thread(other)] == [("hi",), ("hey",)]
    assert store.thread(other)[1].extra == {"seed": 3}
    assert store.conversations()[0].title == "a talk"
    assert store.rename(number, "another")
    assert store.conversations()[0].title == "another"


def test_talks_are_found_by_title_and_by_what_was_said(store: Feedback) -> None:
    number, _ = talk(store)
    other = store.begin("Phở")
    store.add(other, Said(role="other", parts=("Ăn ở đâu?", "100% sure")))
    assert [c.id for c in store.search("A TALK")] == [number]
    assert [c.id for c in store.search("ăn Ở")] == [other]
    assert [c.id for c in store.search("0%")] == [other]
    assert store.search("nothing of the kind") == []


def test_judgement_can_be_changed_and_taken_back(store: Feedback) -> None:
    _, (_, first, other) = talk(store)
    store.rate(first, -1)
    store.rate(first, 1)
    store.edit(first, ["hey hey"])
    assert store.thread(first)[-1].rating == 1
    assert store.edits() == [Edit(first, ("Hello!", "How are you?"), ("hey hey",))]
    assert [(len(b), s.id) for b, s in store.rated()] == [(1, first)]
    store.rate(first, 0)
    store.edit(first, [])
    assert list(store.rated()) == []
    with pytest.raises(DataError):
        store.rate("nothing", 1)
    store.vote(Vote("q1", "base", "voice", "b"))
    assert store.votes() == [Vote("q1", "base", "voice", "b")]
    with pytest.raises(DataError):
        store.vote(Vote("q1", "base", "voice", "both"))
    store.rate(other, 1)


def test_rules_are_kept_once(store: Feedback) -> None:
    rule = store.add_rule(" never say hello ")
    assert store.add_rule("never say hello") == rule
    assert [r.text for r in store.rules()] == ["never say hello"]
    assert store.remove_rule(rule)
    assert not store.remove_rule(rule)


def test_deleting_a_conversation_takes_everything_with_it(store: Feedback) -> None:
    number, (_, first, _) = talk(store)
    store.rate(first, 1)
    store.edit(first, ["x"])
    assert store.delete(number)
    assert set(store.counts().values()) == {0}
    with pytest.raises(DataError):
        store.add(number, Said(role="me", parts=("x",)))


def test_many_threads_and_a_second_process(store: Feedback, tmp_path: Path) -> None:
    number = store.begin()
    workers = [
        threading.Thread(target=lambda: [store.add(number, Said(role="me", parts=("x",))) for _ in range(20)])
        for _ in range(5)
    ]
    for worker in workers:
        worker.start()
    beside = Feedback(tmp_path / "feedback.sqlite")
    beside.add(number, Said(role="other", parts=("y",)))
    for worker in workers:
        worker.join()
    assert store.counts()["messages"] == 101


def test_what_was_acknowledged_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom gemel.feedback import *\n"
        f"s = Feedback(Path({str(path)!r})); n = s.begin()\n"
        "for i in range(50):\n    s.add(n, Said(role='me', parts=(str(i),)))\n    print(i, flush=True)\n"
        "s._db.execute('BEGIN IMMEDIATE')\n"
        "s._db.execute(\"INSERT INTO rules VALUES ('half', 'written', 0)\")\nos.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == -9
    counts = Feedback(path).counts()
    assert counts["messages"] == len(done.stdout.split()) == 50
    assert counts["rules"] == 0


def test_versions_consent_and_export(store: Feedback) -> None:
    number = store.begin("drafts", recipient="Mara", consent="keep")
    said = store.add(number, Said(role="me", parts=("Dear Mara",), speaker="tom-voice", version="main-1"))
    store.edit(said, ["hey Mara"])
    store.vote(Vote("q", "main-1", "main-2", "b"), {"device": "d1"})
    store.add_rule("never say dear")
    assert store.thread(said)[0].version == "main-1"
    ((talk, judged),) = store.judged()
    assert (talk.consent, judged.edit) == ("keep", ("hey Mara",))
    assert store.allow(number, "train")
    assert not store.allow("0" * 32, "train")
    with pytest.raises(DataError):
        store.allow(number, "sell")
    rows = {row["kind"]: row for row in store.export()}
    assert rows["conversation"]["consent"] == "train"
    assert rows["conversation"]["messages"][0]["edit"] == ("hey Mara",)
    assert rows["vote"] | {"id": "", "time": 0} == {
        "kind": "vote",
        "id": "",
        "question": "q",
        "a": "main-1",
        "b": "main-2",
        "choice": "b",
        "time": 0,
        "extra": {"device": "d1"},
    }
    assert rows["rule"]["text"] == "never say dear"


def test_a_store_of_an_earlier_version_is_renewed(tmp_path: Path) -> None:
    path = tmp_path / "feedback.sqlite"
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("CREATE TABLE conversations (id TEXT PRIMARY KEY, title, recipient, created, changed)")
        old.execute(
            "CREATE TABLE messages (id TEXT PRIMARY KEY, conversation, parent, role, name, parts, speaker, time, extra)"
        )
        old.execute("INSERT INTO conversations VALUES ('c', 'old', '', 1, 1)")
        old.execute("INSERT INTO messages VALUES ('m', 'c', NULL, 'me', '', '[\"hi\"]', 'voice', 1, '{}')")
    for store in (Feedback(path), Feedback(path)):
        assert store.conversations()[0].consent == "train"
        assert store.messages("c")[0].version == ""
        store.close()


def test_a_damaged_file_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "feedback.sqlite").write_bytes(b"this is no database" * 100)
    with pytest.raises(DamagedCheckpoint, match=r"feedback\.sqlite"):
        Feedback(tmp_path / "feedback.sqlite")
