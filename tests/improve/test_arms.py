"""Arms are read strictly, and there are always two to compare once there is a voice."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gemel.errors import ConfigError
from gemel.improve.arms import FILE, Arm, arms, save
from gemel.privacy.unservable import mark_unservable
from gemel.workspace import Manifest, Workspace


def voice(workspace: Workspace, run: str, finished: float) -> None:
    workspace.run(run).mkdir(parents=True)
    Manifest(stage="train", fingerprint=run, finished=finished).write(workspace.run(run))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path)
    made.prepare()
    return made


def test_what_is_compared_when_nobody_says(workspace: Workspace) -> None:
    assert arms(workspace) == []
    voice(workspace, "Run_1", 10.0)
    workspace.promote("Run_1")
    assert [(a.id, a.run, a.temperature) for a in arms(workspace)] == [
        ("run-1", "Run_1", 1.0),
        ("run-1-cooler", "Run_1", 0.7),
    ]
    voice(workspace, "r2", 20.0)
    voice(workspace, "r3", 15.0)
    assert [a.run for a in arms(workspace)] == ["Run_1", "r2"]
    mark_unservable(workspace.run("r2"), "forgotten")
    assert [a.run for a in arms(workspace)] == ["Run_1", "r3"]


def test_what_is_written_is_read(workspace: Workspace) -> None:
    wanted = [Arm(id="warm", title="as it is"), Arm(id="cool", temperature=0.5, rules=("I never say dear",))]
    save(workspace, wanted)
    assert arms(workspace) == wanted
    assert arms(workspace)[1].sampling(seed=3).temperature == 0.5


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ("{", "not valid JSON"),
        ({"id": "x"}, "a list of arms"),
        ([{"id": "x", "colour": "red"}], "unknown colour"),
        ([{"id": "x"}], "there are 1 arms"),
        ([{"id": "x"}, {"id": "x", "temperature": 0.5}], "two arms are called x"),
        ([{"id": "x"}, {"id": "y"}], "x and y do not differ"),
        ([{"id": "X Y"}, {"id": "y", "top_p": 0.5}], "lower-case letters"),
        ([{"id": "x"}, {"id": "y", "temperature": 9}], "temperature has to be"),
        ([{"id": "x"}, {"id": "y", "temperature": "hot"}], "temperature has to be"),
        ([{"id": "x"}, {"id": "y", "way": "loud"}], "way has to be"),
        ([{"id": "x"}, {"id": "y", "rules": [""]}], "rules of at most"),
        ([{"id": "x"}, {"id": "y", "run": 7}], "have to be text"),
    ],
)
def test_mistakes_are_told(workspace: Workspace, rows: object, told: str) -> None:
    text = rows if isinstance(rows, str) else json.dumps(rows)
    (workspace.root / FILE).write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=told):
        arms(workspace)
