from __future__ import annotations

import json
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus.chats import PEOPLE, chat

from gemel.cli.report import command
from gemel.config import parse
from gemel.errors import MissingStage, PersonUnknown
from gemel.people import People
from gemel.pipeline.portrait import write_portrait
from gemel.records import Document, Message, Profile, write_records
from gemel.workspace import Manifest, Workspace

CONFIG = parse({"corpus": {"languages": ["en"]}})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "twin")
    made.save_people(PEOPLE)
    for name, kind, records in (
        ("chat", Message, chat([("bob", "hello?"), ("ada", "hi there")] * 30)),
        ("writings", Document, [Document(id="d", source="writings", text="One two three. " * 60, title="T")]),
        ("profiles", Profile, [Profile(id="p", source="profiles", traits={"height": 70.0})]),
    ):
        (made.records / name).mkdir(parents=True)
        write_records(made.records / name / f"{name}.parquet", records, kind)
        Manifest(stage="import", fingerprint=name).write(made.records / name)
    return made


def test_page_and_json_hold_all_three_kinds(workspace: Workspace):
    place = write_portrait(workspace, CONFIG)
    facts = json.loads(place.with_suffix(".json").read_text(encoding="utf-8"))
    assert facts["messages"]["counts"]["messages"] == 60
    assert facts["writings"]["words"] == 180
    assert facts["profiles"]["profiles"] == 1
    assert "A portrait of Ada" in place.read_text(encoding="utf-8")
    if sys.platform != "win32":
        assert stat.S_IMODE(place.stat().st_mode) == 0o600


def test_what_is_up_to_date_is_not_drawn_again(workspace: Workspace):
    place = write_portrait(workspace, CONFIG)
    place.write_text("kept", encoding="utf-8")
    assert write_portrait(workspace, CONFIG).read_text(encoding="utf-8") == "kept"
    Manifest(stage="import", fingerprint="new").write(workspace.records / "chat")
    assert write_portrait(workspace, CONFIG).read_text(encoding="utf-8") != "kept"


def test_nothing_imported_or_nobody_known_is_said(tmp_path: Path, workspace: Workspace):
    with pytest.raises(MissingStage):
        write_portrait(Workspace(tmp_path / "empty"), CONFIG)
    workspace.save_people(People())
    with pytest.raises(PersonUnknown):
        write_portrait(workspace, CONFIG)


def test_the_command_tells_where_and_prints_json(workspace: Workspace):
    result = CliRunner().invoke(command, ["--twin", str(workspace.root)])
    assert result.exit_code == 0, result.output
    assert "portrait.html" in result.output
    result = CliRunner().invoke(command, ["--twin", str(workspace.root), "--json"])
    assert json.loads(result.output)["name"] == "Ada"
