"""Forgetting and excluding reach everything that was made, and canaries turn up nowhere."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from gemel.cli.forget import command as forget_command
from gemel.cli.privacy import command as privacy_command
from gemel.config import parse
from gemel.errors import DataError, PersonUnknown, Refused
from gemel.examples import read_examples
from gemel.people import Consent, Handle, People, Person
from gemel.pipeline.build import build_dataset
from gemel.pipeline.forget import forget, set_consent
from gemel.privacy.consent import decisions
from gemel.privacy.guard import guard_of
from gemel.privacy.scrub import Scrubber
from gemel.privacy.unservable import is_unservable, refuse_unservable
from gemel.privacy.vault import Vault
from gemel.records import Document, Message, Reaction, read_records, write_records
from gemel.track import Event, listening
from gemel.workspace import Manifest, Workspace

CANARY = "zqcanary"
SAID = f"the {CANARY} word of anna stands in every one of her messages here"
CONFIG = parse({})


def messages() -> Iterator[Message]:
    start = datetime(2023, 1, 1, tzinfo=UTC)
    for thread, other in (("t-anna", "Anna Schmidt"), ("t-bea", "Bea Vogel")):
        for day in range(40):
            for i in range(6):
                mine = i % 2 == 1
                text = (
                    f"own words number {day} and {i} of mine"
                    if mine
                    else f"{SAID} {day}"
                    if "anna" in thread
                    else f"bea {day}"
                )
                yield Message(
                    id=f"{thread}-{day}-{i}",
                    source="whatsapp",
                    thread=thread,
                    thread_title=f"{CANARY} with {other}",
                    time=start + timedelta(days=day, minutes=i),
                    sender="Tom" if mine else other,
                    sender_name="Tom" if mine else other,
                    recipients=(other,) if mine else ("Tom",),
                    text=text + (" call 0170 1234567" if day == 3 and "anna" in thread and not mine else ""),
                    reactions=(Reaction("❤", other),) if mine and day == 5 else (),
                )


def person(name: str, key: str, me: bool = False) -> Person:
    return Person(id=key, name=name, handles=(Handle("whatsapp", name, name),), me=me)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "twin")
    made.prepare()
    made.save_people(
        People([person("Tom", "me", me=True), person("Anna Schmidt", "p-anna"), person("Bea Vogel", "p-bea")])
    )
    folder = made.records / "whatsapp"
    folder.mkdir(parents=True)
    count = write_records(folder / "whatsapp.parquet", messages(), Message)
    Manifest(
        stage="import",
        fingerprint="f1",
        inputs={"chat with Anna Schmidt.txt": "d1", "chat with Bea Vogel.txt": "d2"},
        counts={"records": count},
        extra={"report": {"total": count}},
    ).write(folder)
    lines = [
        {"kind": "error", "file": f"chat with {w}.txt", "offset": 3, "reason": "no date"} for w in ("Anna Schmidt", "x")
    ]
    (folder / "whatsapp.errors.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    essays = made.records / "writings"
    essays.mkdir()
    write_records(
        essays / "writings.parquet", [Document(id="d1", source="writings", text="an essay of mine")], Document
    )
    Manifest(stage="import", fingerprint="f2", counts={"records": 1}).write(essays)
    built = build_dataset(made, CONFIG)
    for run, dataset in (("r1", built.fingerprint), ("r2", "older"), ("r3", "of another")):
        made.run(run).mkdir(parents=True)
        name = "other" if run == "r3" else "main"
        Manifest(stage="train", fingerprint=run, inputs={"dataset": dataset}, extra={"dataset": name}).write(
            made.run(run)
        )
    made.promote("r1")
    (made.eval("r1")).mkdir(parents=True)
    (made.eval("r1") / "replies.jsonl").write_text("{}\n", encoding="utf-8")
    _memory(made.memory_path)
    _feedback(made)
    made.synth("qa").parent.mkdir()
    rows = [{"question": "q", "provenance": ["t-anna-3-0"]}, {"question": "q", "provenance": ["t-bea-3-1"]}]
    made.synth("qa").write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    (made.synth("qa").parent / "qa.cache.sqlite").write_bytes(b"cached")
    return made


def _memory(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE passages (record TEXT, text TEXT)")
        rows = [(f"t-{who}-{day}-1", f"own {CANARY}{who}") for who in ("anna", "bea") for day in range(40)]
        db.executemany("INSERT INTO passages VALUES (?, ?)", rows)
        db.commit()


def _feedback(workspace: Workspace) -> None:
    with closing(Vault(workspace.vault_path)) as vault:
        anna = vault.pseudonym("name", "Anna", entity="p-anna")
    with closing(sqlite3.connect(workspace.feedback_path)) as db:
        db.execute("CREATE TABLE ratings (text TEXT, score REAL)")
        rows = [(f"ask {anna} about it", 1.0), ("hello", 0.5), (f"she said: {SAID}", 0.1), ("what did anna say", 0.0)]
        db.executemany("INSERT INTO ratings VALUES (?, ?)", rows)
        db.commit()


def rows(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def everything(workspace: Workspace, *, but: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes]]:
    """Bytes of every file of the workspace, Parquet unpacked."""
    for file in workspace.root.rglob("*"):
        name = file.relative_to(workspace.root).as_posix()
        if file.is_file() and not name.startswith(but):
            if file.suffix == ".parquet" and "dataset" in name:
                yield name, repr(list(read_examples(file))).encode()
            elif file.suffix == ".parquet":
                yield name, repr(list(read_records(file))).encode()
            else:
                yield name, file.read_bytes()


def test_a_person_is_gone_everywhere(workspace: Workspace) -> None:
    done = forget(workspace, "person", "anna schmidt")
    assert done.records == 120
    assert done.counts["records"] >= 120
    assert done.counts["examples"] > 0
    assert done.counts["synthetic"] == 1
    assert done.counts["caches"] == 1
    left = list(read_records(workspace.records / "whatsapp" / "whatsapp.parquet"))
    assert len(left) == 360
    assert not any("Anna Schmidt" in (m.sender, *m.recipients, *(r.sender for r in m.reactions)) for m in left)
    for example in read_examples(workspace.dataset() / "train.parquet"):
        assert not any(i.startswith("t-anna") and int(i[-1]) % 2 == 0 for turn in example.turns for i in turn.ids)
    assert workspace.people().by_id("p-anna") is None
    for name, content in everything(workspace):
        assert SAID.encode() not in content, name
        assert b"Anna" not in content, name
    assert [r[0] for r in rows(workspace.feedback_path, "SELECT text FROM ratings")] == ["hello"]
    manifest = Manifest.read(workspace.records / "whatsapp")
    assert manifest is not None
    assert manifest.counts["records"] == 360
    assert manifest.fingerprint == "f1"


def test_voices_that_knew_fall_silent(workspace: Workspace) -> None:
    done = forget(workspace, "thread", "t-anna")
    assert set(done.runs) == {"r1", "r2", "r3"}  # of r2 and r3 it cannot be said what they saw
    assert workspace.current() is None
    assert not workspace.eval("r1").exists()
    with pytest.raises(Refused, match="r1"):
        refuse_unservable(workspace.run("r1"))


def test_a_voice_that_cannot_know_speaks_on(workspace: Workspace) -> None:
    other = workspace.dataset("other")
    other.mkdir()
    Manifest(stage="build", fingerprint="of another").write(other)
    workspace.promote("r3")
    workspace.promote("r1")
    done = forget(workspace, "person", "Anna Schmidt")
    assert "r3" not in done.runs
    assert workspace.current() == "r3"
    refuse_unservable(workspace.run("r3"))


def test_memory_forgets_and_leaves_no_bytes(workspace: Workspace) -> None:
    forget(workspace, "thread", f"{CANARY} with Anna Schmidt")
    assert rows(workspace.memory_path, "SELECT count(*) FROM passages") == [(40,)]
    assert f"{CANARY}anna".encode() not in workspace.memory_path.read_bytes()


def test_a_message_a_source(workspace: Workspace) -> None:
    assert forget(workspace, "message", "t-bea-0-1").records == 1
    assert forget(workspace, "source", "writings").records == 1
    assert list(read_records(workspace.records / "writings" / "writings.parquet")) == []
    with pytest.raises(DataError):
        forget(workspace, "source", "telegram")
    with pytest.raises(PersonUnknown):
        forget(workspace, "person", "nobody")


def test_what_is_forgotten_does_not_come_back(workspace: Workspace) -> None:
    before = build_dataset(workspace, CONFIG)
    saved = (workspace.records / "whatsapp" / "whatsapp.parquet").read_bytes()
    forget(workspace, "person", "Anna Schmidt")
    (workspace.records / "whatsapp" / "whatsapp.parquet").write_bytes(saved)  # imported again
    after = build_dataset(workspace, CONFIG)
    assert after.fingerprint != before.fingerprint
    for name, content in everything(workspace, but=("records",)):
        assert CANARY.encode() not in content or not name.startswith("dataset"), name


def test_again_finishes_what_was_killed(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    import gemel.pipeline.forget as module

    def killed(*_: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "erase_lines", killed)
    with pytest.raises(KeyboardInterrupt):
        forget(workspace, "person", "Anna Schmidt")
    assert is_unservable(workspace.run("r1"))
    monkeypatch.undo()
    done = forget(workspace, "person", "Anna Schmidt")
    assert done.records == 120
    assert done.counts["synthetic"] == 1
    assert forget(workspace, "person", "Anna Schmidt").records == 0  # nobody here knows who that was
    assert forget(workspace, "person", "p-anna").records == 0


def test_excluding_keeps_the_records_and_can_be_undone(workspace: Workspace) -> None:
    done = set_consent(workspace, "Anna Schmidt", Consent.exclude)
    assert done is not None
    assert done.counts.get("records", 0) == 0
    assert is_unservable(workspace.run("r1"))
    build_dataset(workspace, CONFIG)
    text = "".join(c.decode("utf-8", "replace") for n, c in everything(workspace) if n.startswith("dataset"))
    assert CANARY not in text
    assert set_consent(workspace, "Anna Schmidt", Consent.context) is None
    build_dataset(workspace, CONFIG)
    assert any(CANARY.encode() in c for n, c in everything(workspace) if n.startswith("dataset"))
    assert [(d.before, d.after) for d in decisions(workspace)] == [("context", "exclude"), ("exclude", "context")]


def test_the_owner_is_not_forgotten_this_way(workspace: Workspace) -> None:
    with pytest.raises(Refused):
        forget(workspace, "person", "Tom")
    with pytest.raises(Refused):
        set_consent(workspace, "Tom", Consent.exclude)


def test_no_text_in_events_errors_and_manifests(workspace: Workspace) -> None:
    heard: list[Event] = []
    with listening(heard.append):
        forget(workspace, "thread", "t-anna")
        for kind, which in (("thread", CANARY), ("message", CANARY), ("person", CANARY)):
            with pytest.raises(DataError) as caught:
                forget(workspace, kind, which)  # type: ignore[arg-type]
            assert CANARY not in str(caught.value)
    assert heard
    assert CANARY not in repr(heard)
    for name, content in everything(workspace, but=("records/whatsapp/whatsapp.parquet", "dataset", "memory")):
        assert CANARY.encode() not in content, name


def test_the_guard_of_a_workspace_knows_raw_and_scrubbed_words(workspace: Workspace) -> None:
    with closing(Vault(workspace.vault_path)) as vault:
        scrubber = Scrubber(vault, workspace.people())
        guard = guard_of(workspace, scrubber)
        assert [f.kind for f in guard.check(SAID)] == ["quote", "name"]
        assert [f.kind for f in guard.check(scrubber.text(SAID))] == ["quote"]
        assert guard.check("own words number 3 and 1 of mine") == []
        assert len(guard_of(workspace, scrubber).quotes) == len(guard.quotes)
        set_consent(workspace, "Anna Schmidt", Consent.include)
        agreed = guard_of(workspace, Scrubber(vault, workspace.people()))
        assert [f.kind for f in agreed.check(SAID)] == ["name"]
        set_consent(workspace, "Anna Schmidt", Consent.context)
        assert "quote" in [f.kind for f in guard_of(workspace, Scrubber(vault, workspace.people())).check(SAID)]
    assert len(list(workspace.private.glob("others-*.u64"))) == 1
    forget(workspace, "person", "Anna Schmidt")
    assert not list(workspace.private.glob("others-*.u64"))


def test_the_report(workspace: Workspace) -> None:
    shown = CliRunner().invoke(privacy_command, ["report", "--twin", str(workspace.root)])
    assert shown.exit_code == 0, shown.output
    assert "Leaves this machine: nothing." in shown.output
    assert "phone" in shown.output
    assert CANARY not in shown.output
    assert "Anna" not in shown.output
    (workspace.config_path).write_text('[synth]\nteacher = "https://api.example.org/v1"\n', encoding="utf-8")
    made = CliRunner().invoke(privacy_command, ["report", "--json", "--twin", str(workspace.root)])
    facts = json.loads(made.stdout)
    assert facts["sent"] == [
        {"setting": "synth.teacher", "host": "api.example.org", "local": False, "what": facts["sent"][0]["what"]}
    ]
    assert facts["replaced"]["phone"] == 3
    assert {p["id"]: p["messages"] for p in facts["people"]}["p-anna"] == 120
    named = CliRunner().invoke(privacy_command, ["report", "--people", "--twin", str(workspace.root)])
    assert "Anna Schmidt" in named.output


def test_the_commands(workspace: Workspace) -> None:
    run = CliRunner()
    twin = ["--twin", str(workspace.root)]
    assert run.invoke(privacy_command, ["consent", "Bea Vogel", *twin]).output.startswith("context (0 changes")
    assert "noted: include" in run.invoke(privacy_command, ["consent", "Bea Vogel", "include", *twin]).output
    assert "[phone-" in run.invoke(privacy_command, ["check", "call 0170 1234567", *twin]).output
    assert run.invoke(forget_command, ["person", "Bea Vogel", *twin], input="n\n").exit_code != 0
    told = run.invoke(forget_command, ["person", "Bea Vogel", "--yes", *twin])
    assert told.exit_code == 0, told.output
    assert "120 records concerned" in told.output
    assert "inbox/" in told.output
