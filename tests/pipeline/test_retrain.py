"""Rounds of learning on: what is better gets in, what is not stays out with its reason, and a kill costs nothing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from pipeline.diary import begun, diary, settings

from gemel.errors import Busy, MissingStage
from gemel.examples import Example
from gemel.feedback import Feedback, Said, Vote
from gemel.pipeline.compose import NEXT
from gemel.pipeline.corrections import KIND
from gemel.pipeline.evaluate import read_split
from gemel.pipeline.promote import gate_of, promote, roll_back, runs
from gemel.pipeline.retrain import STEPS, Round, accept, aside, improve, rounds
from gemel.pipeline.seal import HELD, check, learned
from gemel.pipeline.watch import state_of, watch
from gemel.workspace import Manifest, Workspace


@pytest.fixture(name="first", scope="module")
def _first(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return begun(tmp_path_factory.mktemp("first"))


@pytest.fixture(name="workspace")
def _workspace(first: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(first.root.parent, tmp_path / "copy")
    return Workspace(tmp_path / "copy" / "twin")


def month(workspace: Workspace, number: int, *, days: int = 20, other: bool = False) -> Path:
    return diary(workspace.root.parent / "exports" / f"{number}{other}", number, days=days, other=other)


def learn(workspace: Workspace, number: int, **improve_settings: object) -> Round:
    return improve(workspace, settings(workspace, promote="auto", **improve_settings), [month(workspace, number)])


def split(workspace: Workspace, name: str, dataset: str = "main" + NEXT) -> list[Example]:
    return list(read_split(workspace.dataset(dataset), name))


def test_a_better_voice_becomes_the_twin_and_one_can_go_back(workspace: Workspace) -> None:
    before = workspace.current()
    done = learn(workspace, 3)
    assert list(done.steps) == list(STEPS)
    assert (done.outcome, workspace.current()) == ("promoted", done.candidate)
    assert done.reasons[0].startswith("better: likelihood")
    assert roll_back(workspace) == before
    outcomes = {r.id: (r.outcome, r.current, r.start) for r in runs(workspace)}
    assert outcomes[done.candidate] == ("promoted", False, before)
    promote(workspace, done.candidate)
    assert workspace.current() == done.candidate


def test_what_was_held_out_stays_held_out_for_good(workspace: Workspace) -> None:
    first = learned(workspace.run(workspace.current() or ""))
    one, two = learn(workspace, 3), learn(workspace, 4)
    assert [one.outcome, two.outcome] == ["promoted", "promoted"]
    last = learned(workspace.run(two.candidate))
    assert first is not None
    assert last is not None
    assert first["test"] < last["test"]
    assert last["test"].isdisjoint(last["train"] | last["valid"])
    assert first["train"] < last["train"]  # a warm start still knows what it learned before


def test_a_voice_that_passes_may_only_be_proposed(workspace: Workspace) -> None:
    before = workspace.current()
    done = improve(workspace, settings(workspace, promote="ask"), [month(workspace, 3)])
    assert (done.outcome, workspace.current()) == ("proposed", before)
    assert next(r for r in runs(workspace) if r.id == done.candidate).outcome == "proposed"


def test_a_voice_that_is_no_better_is_kept_with_its_reason(workspace: Workspace) -> None:
    before = workspace.current()
    config = settings(workspace, promote="auto")
    still = config.model_copy(update={"train": config.train.model_copy(update={"lr": 1e-9})})
    done = improve(workspace, still, [month(workspace, 3)])
    assert (done.outcome, workspace.current()) == ("kept", before)
    assert done.reasons[0].startswith("no gain beyond noise")
    manifest = Manifest.read(workspace.run(done.candidate))
    assert manifest is not None
    assert gate_of(manifest)["reasons"] == done.reasons
    with pytest.raises(Exception, match="the gate kept this voice back"):
        promote(workspace, done.candidate)
    promote(workspace, done.candidate, anyway=True)
    assert workspace.current() == done.candidate


def test_somebody_elses_text_is_set_aside_until_it_is_accepted(workspace: Workspace) -> None:
    before, strange = workspace.current(), month(workspace, 3, other=True)
    config = settings(workspace, promote="auto")
    done = improve(workspace, config, [strange])
    assert (done.outcome, workspace.current()) == ("set aside", before)
    assert len(aside(workspace)) == 20
    reading = state_of(workspace).latest()["unseen_share"]
    assert reading.value < 0.5  # the monitor rings, too
    assert state_of(workspace).alarms["unseen_share"].up
    assert watch(workspace, config).refused.startswith("0 sessions are new")  # it was read once
    again = improve(workspace, config)
    assert again.outcome == "nothing"
    assert accept(workspace) == 20
    assert aside(workspace) == []


def test_without_the_screen_the_gate_stops_it(workspace: Workspace) -> None:
    before = workspace.current()
    bare = settings(workspace, promote="auto", screen=False)
    done = improve(workspace, bare, [month(workspace, 3, other=True)])
    assert (done.outcome, workspace.current()) == ("kept", before)
    assert any("does not look like yours" in reason for reason in done.reasons)


def test_too_little_is_not_learned_and_what_came_since_is(workspace: Workspace) -> None:
    config = settings(workspace, promote="auto")
    few = improve(workspace, config, [month(workspace, 3, days=2)])
    assert few.outcome == "nothing"
    assert "at least 5 are wanted" in few.reasons[0]
    assert improve(workspace, config, [month(workspace, 4)]).outcome == "promoted"
    assert [r.number for r in rounds(workspace)] == [2, 1]


def talk(workspace: Workspace, better: str, *, consent: str = "train") -> None:
    with closing(Feedback(workspace.feedback_path)) as store:
        number = store.begin("a talk", consent=consent)
        asked = store.add(number, Said(role="other", parts=("how was the day?",), name="Mara"))
        said = store.add(number, Said(role="me", parts=("Dear Mara",), parent=asked, version="r1"))
        store.edit(said, [better])


def test_corrections_are_learned_and_never_measured_on(workspace: Workspace) -> None:
    talk(workspace, "lay long in bed")
    talk(workspace, "not for learning", consent="keep")
    config = settings(workspace, promote="auto")
    done = improve(workspace, config)  # nothing was brought: the correction alone is reason enough
    assert "1 corrections" in done.steps["compose"]
    learnt = [e for e in split(workspace, "train") if e.kind == KIND]
    assert len(learnt) == config.improve.corrections
    assert {e.learned[0].text for e in learnt} == {"lay long in bed"}
    assert [t.learn for t in learnt[0].turns] == [False, True]
    for name in HELD[1:]:
        assert not any(e.kind == KIND for d in ("main", "main" + NEXT) for e in split(workspace, name, d))
    assert done.outcome in ("promoted", "kept")


def test_votes_against_the_candidate_stop_it(workspace: Workspace) -> None:
    """A round that was killed before its decision may meet votes on its candidate."""
    before = workspace.current() or ""

    class Killed(Exception):
        pass

    def stop(step: str, said: str) -> None:
        if step == "audit":
            raise Killed

    config = settings(workspace, promote="auto")
    with pytest.raises(Killed):
        improve(workspace, config, [month(workspace, 3)], after=stop)
    candidate = rounds(workspace)[0].candidate
    rows = [{"id": "old", "run": before}, {"id": "new", "run": candidate}]
    (workspace.root / "arms.json").write_text(json.dumps(rows), encoding="utf-8")
    with closing(Feedback(workspace.feedback_path)) as store:
        for i in range(12):
            store.vote(Vote(f"q{i}", "new", "old", "b"))
    done = improve(workspace, config)
    assert (done.number, done.outcome, workspace.current()) == (1, "kept", before)
    assert "blind votes prefer the current voice (12 to 0)" in done.reasons


def test_a_damaged_voice_is_left_before_anything_is_built_on_it(workspace: Workspace) -> None:
    before = workspace.current()
    done = learn(workspace, 3)
    file = max(workspace.run(done.candidate).rglob("*.safetensors"), key=lambda f: f.stat().st_size)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    file.write_bytes(raw)
    again = learn(workspace, 4)
    assert again.steps["check"] == f"{done.candidate} was damaged: back to {before}"
    assert again.current == before
    assert again.outcome == "promoted"
    assert "damaged" in next(r for r in runs(workspace) if r.id == done.candidate).trouble


@pytest.mark.slow
def test_a_round_with_report_and_audit(workspace: Workspace) -> None:
    done = learn(workspace, 3, evaluate=True, audit="full")
    assert list(done.steps) == list(STEPS)
    assert done.steps["evaluate"] not in ("", "not asked for")
    assert done.steps["audit"] not in ("", "leaks were compared only")
    assert done.outcome == ("kept" if done.failed else "promoted")
    assert all(any(f in reason for reason in done.reasons) for f in done.failed)


def test_one_round_at_a_time_and_none_without_a_voice(workspace: Workspace, tmp_path: Path) -> None:
    with workspace.lock("improve", name="improve.lock"), pytest.raises(Busy):
        improve(workspace, settings(workspace))
    with pytest.raises(MissingStage, match="no voice to improve"):
        improve(Workspace(tmp_path / "none"), settings(workspace))


KILLED = """
import os, signal, sys
from pathlib import Path
from gemel.track import listening
from gemel.pipeline.retrain import improve
from gemel.workspace import Workspace
from pipeline.diary import settings

root, export, where = sys.argv[1:]
def kill(event):
    if where and where == " ".join(str(v) for v in (event.name, *event.fields.values()))[: len(where)]:
        os.kill(os.getpid(), signal.SIGKILL)
workspace = Workspace(Path(root))
with listening(kill):
    done = improve(workspace, settings(workspace, promote="auto"), [Path(export)])
print(done.number, done.outcome, done.candidate)
"""


def process(workspace: Workspace, export: Path, where: str) -> subprocess.CompletedProcess[str]:
    """One round in a process that kills itself at an event, as hard as a power cut."""
    here = Path(__file__).parents[1]
    path = os.pathsep.join((str(here), str(here.parent), os.environ.get("PYTHONPATH", "")))
    command = [sys.executable, "-c", KILLED, str(workspace.root), str(export), where]
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_killed_at_every_step_it_goes_on_and_comes_to_the_same(workspace: Workspace, tmp_path: Path) -> None:
    beside = Workspace(shutil.copytree(workspace.root.parent, tmp_path / "beside") / "twin")
    export = month(workspace, 3)
    points = [f"improve.step {step} begin" for step in STEPS]
    at = points.index("improve.step compare begin")
    points[at:at] = ["train.step 3", "train.done"]
    points.append("improve.promoted")
    for votes, point in enumerate(points, 1):
        with closing(Feedback(workspace.feedback_path)) as store:
            store.vote(Vote(f"q{votes}", "x", "y", "a"))
        before = rounds(workspace)
        killed = process(workspace, export, point)
        assert killed.returncode == -signal.SIGKILL, (point, killed.stdout, killed.stderr[-500:])
        after = rounds(workspace)
        if before:  # what was done is not forgotten
            assert before[0].steps.items() <= after[0].steps.items()
        with closing(Feedback(workspace.feedback_path)) as store:
            assert len(store.votes()) == votes
    last = process(workspace, export, "")
    assert last.returncode == 0, last.stderr[-500:]
    ended = {r.number: r for r in rounds(workspace)}
    assert ended[1].outcome == "promoted"
    assert workspace.current() == ended[1].candidate
    whole = process(beside, export, "")
    assert whole.stdout.split()[:2] == ["1", "promoted"], whole.stderr[-500:]
    weights = [(gate_of(m), m.extra["weights"]) for w in (workspace, beside) if (m := check(w.run(w.current() or "")))]
    assert weights[0] == weights[1]
