"""`gemel talk` through a pipe: answers, commands, what is kept, mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gemel.cli.talk import command
from gemel.feedback import Feedback
from gemel.workspace import Workspace
from tests.twins import twin_workspace


@pytest.fixture(name="workspace", scope="module")
def _workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root = tmp_path_factory.mktemp("talk")
    workspace = twin_workspace(root)
    text = f'[model]\nbase = "{(root / "base").as_posix()}"\nembedder = "hash"\n'
    workspace.config_path.write_text(text, encoding="utf-8")
    return workspace


def talk(workspace: Workspace, *lines: str, options: tuple[str, ...] = ()) -> Result:
    arguments = ["--twin", str(workspace.root), "--seed", "1", "--max-tokens", "12", *options]
    return CliRunner().invoke(command, arguments, input="\n".join(lines) + "\n")


def test_a_piped_conversation_is_readable_and_repeatable(workspace: Workspace) -> None:
    first = talk(workspace, "what is the dog called?", options=("--voice",))
    assert first.exit_code == 0
    assert first.output.startswith("Mara: what is the dog called?\nThomas: ")
    assert talk(workspace, "what is the dog called?", options=("--voice",)).output == first.output


def test_why_and_the_source_of_a_quotation(workspace: Workspace) -> None:
    told = talk(workspace, "/why", "what is the dog called?", "/why").output
    assert "Nothing was answered yet." in told
    assert "By assisted" in told
    assert "quoted  Bruno, he is a lazy beagle" in told


def test_judgement_is_kept(workspace: Workspace) -> None:
    talk(
        workspace,
        "hello",
        "/bad",
        "/edit yo / what now",
        "/rule Never say hello.",
        "and now?",
        "/good",
        "/quit",
        "unheard",
    )
    store = Feedback(workspace.feedback_path)
    assert store.edits()[-1].better == ("yo", "what now")
    assert [r.text for r in store.rules()] == ["Never say hello."]
    latest = store.messages(store.conversations()[0].id)
    assert [m.rating for m in latest if m.role == "me"] == [-1, 1]
    assert {m.version for m in latest if m.role == "me"} == {"r1"}
    assert "unheard" not in [p for m in latest for p in m.parts]


def test_commands_that_make_no_sense_say_so(workspace: Workspace) -> None:
    told = talk(
        workspace, "/fly", "/memory", "/temperature hot", "/again", "/to", "/to Nobody", "/save /nowhere/x"
    ).output
    for said in (
        "no command /fly",
        "has no 'memory'",
        "It goes from 0 to 2",
        "Nothing was asked yet",
        "Known: Mara (4)",
        "never met",
        "cannot be written",
    ):
        assert said in told


def test_a_conversation_is_written_to_a_file(workspace: Workspace, tmp_path: Path) -> None:
    talk(workspace, "hi", f"/save {tmp_path / 'talk.txt'}")
    text = (tmp_path / "talk.txt").read_text(encoding="utf-8")
    assert text.startswith("AI imitation of Thomas")
    assert "Mara: hi" in text


def test_a_rule_holds_from_the_next_answer_on(workspace: Workspace) -> None:
    asked, why = "what is the dog called?", "quoted  Bruno, he is a lazy beagle"
    lines = (asked, "/why", "/rule I never say beagle", "/new", asked, "/why")
    before, after = talk(workspace, *lines, options=("--assisted",)).output.split(
        "Kept: it holds from the next answer on."
    )
    assert why in before
    assert why not in after
    assert "can only avoid words" in talk(workspace, "/rule Be short.").output
