"""A look at the twin reads new messages once, tells drift of the person from that of the twin, and keeps no text."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from gemel.config import Config
from gemel.errors import MissingStage
from gemel.examples import Example, Role, Turn, write_examples
from gemel.feedback import Feedback, Said
from gemel.pipeline.seal import save_learned
from gemel.pipeline.watch import state_of, watch
from gemel.workspace import Workspace
from tests.tiny import START
from tests.twins import twin_config, twin_workspace

CANARY = "zqcanary"


def chat(name: str, day: int, *said: str) -> Example:
    time = START + timedelta(days=day)
    return Example(
        id=name,
        kind="chat",
        session=name,
        provenance=(f"{name}.o", f"{name}.m"),
        turns=(
            Turn(role=Role.other, parts=(f"{CANARY} how was day {day}?",), name="Mara", ids=(f"{name}.o",), time=time),
            Turn(role=Role.me, parts=said, name="Tom", learn=True, ids=(f"{name}.m",), time=time),
        ),
    )


def chats(name: str, count: int, start: int, *, end: str = "") -> list[Example]:
    rows = ["walked the dog to the lake", "stayed in and read", "too much work again", "cooked for my sister"]
    return [
        chat(f"{name}{i}", start + i, f"{rows[i % 4]} on day {start + i}{end}", f"and slept {i % 3} hours{end}")
        for i in range(count)
    ]


def import_more(workspace: Workspace, *more: Example) -> None:
    write_examples(
        workspace.dataset("main") / "train.parquet", [*chats("a", 60, 0), *(e for e in more if e.split != "test")]
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = twin_workspace(tmp_path, examples=chats("a", 60, 0))
    write_examples(made.dataset("main") / "test.parquet", [e.with_split("test") for e in chats("t", 10, 70)])
    ids = {split: {i for e in rows for i in e.provenance} for split, rows in (("train", chats("a", 60, 0)),)}
    save_learned(made.run("r1"), {**ids, "test": {i for e in chats("t", 10, 70) for i in e.provenance}})
    return made


@pytest.fixture
def config(tmp_path: Path, workspace: Workspace) -> Config:
    return twin_config(tmp_path)


def talk(workspace: Workspace, count: int, text: str) -> None:
    with closing(Feedback(workspace.feedback_path)) as store:
        for i in range(count):
            number = store.begin(f"{CANARY} {i}")
            store.add(number, Said(role="other", parts=(f"{CANARY} hello",)))
            store.add(number, Said(role="me", parts=(text.format(i=i), f"it is {i} now")))


def test_each_import_is_read_once(workspace: Workspace, config: Config) -> None:
    nothing = watch(workspace, config, now=1.0)
    assert nothing.refused.startswith("0 sessions are new")
    assert "unseen_gain" not in nothing.state.readings
    import_more(workspace, *chats("b", 9, 90))
    look = watch(workspace, config, now=2.0)
    assert look.refused == ""
    found = look.state.latest()
    assert found["unseen_bits"].n == 9
    assert found["unseen_bits"].run == "r1"
    gain = found["unseen_gain"]
    assert gain.value == pytest.approx(found["unseen_base_bits"].value - found["unseen_bits"].value)
    assert gain.low is not None
    assert gain.high is not None
    assert gain.low <= gain.value <= gain.high
    again = watch(workspace, config, now=3.0)
    assert again.refused
    assert len(again.state.readings["unseen_gain"]) == 1
    import_more(workspace, *chats("b", 9, 90), *chats("c", 6, 100))
    third = watch(workspace, config, now=4.0)
    assert [r.n for r in third.state.readings["unseen_gain"]] == [9, 6]
    assert state_of(workspace) == third.state


def test_an_untrained_voice_is_no_better_than_its_base_and_rings(workspace: Workspace, config: Config) -> None:
    import_more(workspace, *chats("b", 9, 90))
    look = watch(workspace, config)
    assert look.state.latest()["unseen_gain"].value == pytest.approx(0, abs=1e-6)  # the run is the base itself
    assert look.state.alarms["unseen_gain"].up == (look.state.latest()["unseen_gain"].value <= 0)


def test_the_person_drifts_and_the_twin_does_not(workspace: Workspace, config: Config) -> None:
    talk(workspace, 30, "walked about {i}")
    import_more(workspace, *chats("b", 20, 90, end="!!!"))
    look = watch(workspace, config)
    assert look.person.level > 1.5
    assert look.state.alarms["person_drift"].up
    assert look.twin.level == 1.0
    assert not look.state.alarms["twin_drift"].up


def test_the_twin_drifts_and_has_tics(workspace: Workspace, config: Config) -> None:
    talk(workspace, 24, "walked about {i}")
    talk(workspace, 12, "honestly my friend that is {i} 😀")
    import_more(workspace, *chats("b", 20, 20))
    look = watch(workspace, config)
    assert look.twin.level > 1.5
    assert look.state.alarms["twin_drift"].up
    assert any("honestly" in p.text for p in look.tics.phrases)
    assert look.state.latest()["tic_phrases"].value >= 1


def test_numbers_and_ids_alone_are_kept(workspace: Workspace, config: Config) -> None:
    talk(workspace, 30, "honestly my friend {i}")
    import_more(workspace, *chats("b", 9, 90))
    watch(workspace, config)
    files = [f for f in (workspace.root / "monitor").rglob("*") if f.is_file()]
    assert {f.name for f in files} == {"state.json", "losses.jsonl", "learned.parquet"}
    for file in files:
        content = file.read_bytes()
        assert not any(word in content for word in (CANARY.encode(), b"honestly", b"walked", b"slept"))


def test_without_a_voice_there_is_nothing_to_watch(tmp_path: Path) -> None:
    with pytest.raises(MissingStage):
        watch(Workspace(tmp_path / "none"), Config())
