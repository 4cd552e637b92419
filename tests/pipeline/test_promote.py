"""Promoting and going back are one atomic change, like a stack; what cannot speak is passed over and refused."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path

import pytest

from gemel.errors import DamagedCheckpoint, MissingStage, Refused
from gemel.feedback import Feedback, Vote
from gemel.improve.gate import Blind
from gemel.pipeline.promote import blind, drop, ensure_good, note_gate, promote, roll_back, runs
from gemel.pipeline.seal import check, learned, save_learned, weights_of
from gemel.privacy.unservable import mark_unservable
from gemel.workspace import Manifest, Workspace


@pytest.fixture(name="workspace")
def _workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "twin")
    workspace.prepare()
    for number in range(1, 5):
        voice(workspace, f"r{number}", float(number))
    return workspace


def voice(workspace: Workspace, run: str, finished: float) -> None:
    """A voice of a few bytes; nothing here reads them."""
    folder = workspace.run(run)
    (folder / "adapter").mkdir(parents=True)
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(run.encode() * 9)
    Manifest(stage="train", fingerprint=run, finished=finished, extra={"weights": weights_of(folder)}).write(folder)


def damage(workspace: Workspace, run: str) -> None:
    (workspace.run(run) / "adapter" / "adapter_model.safetensors").write_bytes(b"other")


def promoted(workspace: Workspace, *names: str) -> None:
    for name in names:
        promote(workspace, name)


def test_going_back_undoes_promotions_and_does_not_go_round_in_circles(workspace: Workspace) -> None:
    promoted(workspace, "r1", "r2", "r3")
    assert roll_back(workspace) == "r2"
    assert roll_back(workspace) == "r1"
    with pytest.raises(MissingStage, match="no earlier voice"):
        roll_back(workspace)
    promoted(workspace, "r4")
    assert roll_back(workspace) == "r1"
    assert {r.id: r.outcome for r in runs(workspace)} == {"r1": "promoted", "r2": "", "r3": "", "r4": ""}


def test_what_cannot_speak_is_passed_over(workspace: Workspace) -> None:
    promoted(workspace, "r1", "r2", "r3", "r4")
    damage(workspace, "r3")
    mark_unservable(workspace.run("r2"), "forgotten")
    assert roll_back(workspace) == "r1"


def test_a_damaged_voice_is_left_once(workspace: Workspace) -> None:
    assert ensure_good(workspace) is None
    promoted(workspace, "r1", "r2")
    assert ensure_good(workspace) is None
    damage(workspace, "r2")
    assert ensure_good(workspace) == "r2"
    assert workspace.current() == "r1"
    assert ensure_good(workspace) is None
    damage(workspace, "r1")
    with pytest.raises(MissingStage):
        ensure_good(workspace)
    assert workspace.current() == "r1"  # nothing better: it is told, not hidden


def test_refusals_change_nothing(workspace: Workspace) -> None:
    promoted(workspace, "r1")
    before = workspace.current_path.read_bytes()
    damage(workspace, "r2")
    mark_unservable(workspace.run("r3"), "forgotten")
    note_gate(workspace, "r4", {"outcome": "kept", "reasons": ["worse: likelihood"]})
    for run, error in (("r2", DamagedCheckpoint), ("r3", Refused), ("r4", Refused), ("r9", DamagedCheckpoint)):
        with pytest.raises(error):
            promote(workspace, run)
    (workspace.run("r4") / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(DamagedCheckpoint, match=r"adapter_model\.safetensors"):
        check(workspace.run("r4"))
    assert workspace.current_path.read_bytes() == before
    assert json.loads(before)["run"] == "r1"


def test_blind_votes_are_heeded(workspace: Workspace) -> None:
    promoted(workspace, "r1", "r4")
    with closing(Feedback(workspace.feedback_path)) as store:
        for i in range(12):
            store.vote(Vote(f"q{i}", "r3", "r4", "b"))  # the arms when nobody chose any: the voice and the newest other
    assert blind(workspace, "r3", "r4") == Blind(wins=0, losses=12, worse=True)
    with pytest.raises(Refused, match="12 to 0"):
        promote(workspace, "r3")
    promote(workspace, "r2")  # nobody voted on it
    promote(workspace, "r4")
    promote(workspace, "r3", anyway=True)
    assert workspace.current() == "r3"


def test_the_twin_is_not_deleted(workspace: Workspace) -> None:
    promoted(workspace, "r1", "r2")
    with pytest.raises(Refused):
        drop(workspace, "r2")
    for name in ("../runs/r1", "r9"):
        with pytest.raises(MissingStage):
            drop(workspace, name)
    drop(workspace, "r1")
    with pytest.raises(MissingStage):
        roll_back(workspace)


def test_what_was_learned_is_remembered_by_split(workspace: Workspace) -> None:
    folder = workspace.run("r1")
    assert learned(folder) is None
    save_learned(folder, {"train": ["b", "a", "a"], "test": ["c"]})
    assert learned(folder) == {"train": {"a", "b"}, "valid": frozenset(), "test": {"c"}}
