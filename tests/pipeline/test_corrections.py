"""Corrections become examples to learn from, under pseudonyms, and only where that is allowed."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from gemel.config import PrivacySection
from gemel.feedback import Feedback, Said
from gemel.people import Consent, Handle, People, Person
from gemel.pipeline.corrections import BEFORE, KIND, corrections, edits_hash
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.workspace import Workspace


@pytest.fixture(name="workspace")
def _workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "twin")
    workspace.prepare()
    mara = Person(id="p2", name="Mara Novak", handles=(Handle("whatsapp", "m", "Mara Novak"),))
    out = Person(id="p3", name="Otto Stein", handles=(Handle("whatsapp", "o", "Otto Stein"),), consent=Consent.exclude)
    me = Person(id="p1", name="Thomas", handles=(Handle("whatsapp", "t", "Thomas"),), me=True)
    workspace.save_people(People([me, mara, out]))
    return workspace


def found(workspace: Workspace) -> list[str]:
    scrubber = Scrubber(Vault(workspace.private / "vault.sqlite"), workspace.people(), PrivacySection())
    made = list(corrections(workspace, scrubber, me="Tom"))
    assert all((e.kind, e.split, len(e.learned)) == (KIND, "train", 1) for e in made)
    return [" ".join(t.text for t in e.turns) for e in made]


def talk(workspace: Workspace, better: str, *, recipient: str = "", consent: str = "train", turns: int = 1) -> None:
    with closing(Feedback(workspace.feedback_path)) as store:
        number, parent = store.begin("a talk", recipient=recipient, consent=consent), None
        for i in range(turns):
            parent = store.add(number, Said(role="other", parts=(f"question {i} from Mara Novak",), parent=parent))
            parent = store.add(number, Said(role="me", parts=("Certainly.",), parent=parent))
        assert parent is not None
        store.edit(parent, [better])


def test_nothing_said_nothing_learned(workspace: Workspace) -> None:
    assert found(workspace) == []
    assert edits_hash(workspace) == ""


def test_names_and_addresses_are_scrubbed(workspace: Workspace) -> None:
    talk(workspace, "write to Mara Novak at mara@example.org", recipient="Mara Novak")
    (text,) = found(workspace)
    assert "Novak" not in text
    assert "mara@example.org" not in text


def test_consent_is_kept(workspace: Workspace) -> None:
    talk(workspace, "kept only", consent="keep")
    talk(workspace, "with somebody excluded", recipient="Otto Stein")
    assert found(workspace) == []
    assert edits_hash(workspace) != ""  # the excluded talk is scrubbed out at the time, not in the hash
    talk(workspace, "allowed")
    assert [t.endswith("allowed") for t in found(workspace)] == [True]


def test_a_long_talk_is_cut_and_another_edit_is_another_data_set(workspace: Workspace) -> None:
    talk(workspace, "so it goes", turns=20)
    (text,) = found(workspace)
    assert text.count("question") == BEFORE / 2
    before = edits_hash(workspace)
    talk(workspace, "and so on")
    assert edits_hash(workspace) != before
