"""`gemel improve`, `runs`, `monitor` and `feedback` as their user meets them: what is said, and what mistakes say."""

from __future__ import annotations

import json
import shutil
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner
from pipeline.diary import begun, diary, settings

from gemel.cli import feedback as feedback_command
from gemel.cli import improve, main, monitor, runs
from gemel.feedback import Feedback, Said, Vote
from gemel.pipeline.train import to_toml
from gemel.workspace import Workspace


@pytest.fixture(name="first", scope="module")
def _first(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    workspace = begun(tmp_path_factory.mktemp("first"))
    toml = to_toml(settings(workspace).model_dump(mode="json", by_alias=True))
    workspace.config_path.write_text(toml, encoding="utf-8")
    return workspace


@pytest.fixture(name="twin")
def _twin(first: Workspace, tmp_path: Path) -> Path:
    return Path(shutil.copytree(first.root.parent, tmp_path / "copy")) / "twin"


def gemel(twin: Path, name: str, *arguments: str) -> str:
    module = {"improve": improve, "runs": runs, "monitor": monitor, "feedback": feedback_command}[name]
    done = CliRunner().invoke(module.command, ["--twin", str(twin), *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(capsys: pytest.CaptureFixture[str], twin: Path, *arguments: str) -> tuple[int, str]:
    """Exit code and what stands on standard error."""
    name, *rest = arguments
    with pytest.raises(SystemExit) as ended:
        main([name, "--twin", str(twin), *rest])
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return int(ended.value.code or 0), said


def test_a_round_is_told_listed_and_gone_back_from(twin: Path, tmp_path: Path) -> None:
    before = Workspace(twin).current()
    assert gemel(twin, "improve", "--status") == "There was no round yet.\n"
    told = gemel(twin, "improve", str(diary(tmp_path / "march", 3)))
    candidate = next(line for line in told.splitlines() if line.startswith("train: ")).split()[1].rstrip(":")
    assert "Round 1: the candidate passed the gate and waits for you." in told
    assert f"`gemel runs promote {candidate}` makes it the twin." in told
    assert f"The twin is {before}." in told
    assert "proposed" in gemel(twin, "improve", "--status")
    assert f"The twin is {candidate} now." in gemel(twin, "runs", "promote", candidate)
    assert candidate in gemel(twin, "runs")
    assert gemel(twin, "runs", "rollback") == f"The twin is {before} again.\n"
    few = gemel(twin, "improve", "--when-changed", "1000")
    assert "at least 1,000 are wanted" in few


def test_what_was_set_aside_is_told_and_accepted(twin: Path, tmp_path: Path) -> None:
    strange = str(diary(tmp_path / "strange", 3, other=True))
    told = gemel(twin, "improve", "--promote", strange)
    assert "the new text does not look like yours and was not learned" in told
    assert "`gemel improve --accept` learns it after all" in told
    rings = gemel(twin, "monitor", "--status", "--quiet")
    assert "Alarm: Much of the gain is lost on new messages." in rings
    learned = gemel(twin, "improve", "--promote", "--accept", "--no-screen")
    assert learned.startswith("20 records that were set aside may be learned.")
    assert "train: " in learned  # and the gate says what it thinks of it


def test_a_look_is_told(twin: Path) -> None:
    assert "There is no reading yet" in gemel(twin, "monitor", "--status")
    told = gemel(twin, "monitor")
    assert "Likeness on new text was not read: 0 sessions are new" in told
    assert told.endswith("No alarm is up.\n")
    assert gemel(twin, "monitor", "--quiet") == ""


def test_feedback_is_looked_through_and_taken_along(twin: Path, tmp_path: Path) -> None:
    with closing(Feedback(Workspace(twin).feedback_path)) as store:
        talk = store.begin("a talk", recipient="Mara")
        asked = store.add(talk, Said(role="other", parts=("how are you?",), name="Mara"))
        said = store.add(talk, Said(role="me", parts=("Dear Mara",), parent=asked, version="main-1"))
        store.rate(said, -1)
        store.edit(said, ["hey"])
        rule = store.add_rule("I never say dear")
        store.vote(Vote("q", "main-1", "main-2", "b"))
    listed = gemel(twin, "feedback")
    assert '- "Dear Mara" → "hey"' in listed
    assert "main-1" in listed
    assert "rule: I never say dear" in listed
    assert "1 edits, 1 rules, 1 votes" in listed
    shown = gemel(twin, "feedback", "show", said[:6])
    assert shown == "Mara: how are you?\ntwin: Dear Mara\n  [does not sound like me]\n  [better: hey]\n"
    gemel(twin, "feedback", "allow", talk, "keep")
    assert "  keep  " in gemel(twin, "feedback", "list")
    out = tmp_path / "feedback.jsonl"
    assert gemel(twin, "feedback", "export", str(out)).startswith("3 rows in ")
    assert {json.loads(line)["kind"] for line in out.read_text(encoding="utf-8").splitlines()} == {
        "conversation",
        "rule",
        "vote",
    }
    assert gemel(twin, "feedback", "drop", rule[:8]) == "The rule is gone.\n"
    gemel(twin, "feedback", "drop", said)
    assert "0 ratings, 0 edits, 0 rules, 1 votes" in gemel(twin, "feedback", "list")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("runs", "promote", "nothing"), 4, "gemel runs"),
        (("runs", "rollback"), 4, "no earlier voice"),
        (("feedback", "list"), 3, "there is no feedback yet"),
        (("improve", "--when-changed", "0"), 2, "when-changed"),
        (("improve", "no-such-file"), 2, "no-such-file"),
    ],
)
def test_mistakes_are_told(
    twin: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended, said = refused(capsys, twin, *arguments)
    assert told in said
    assert ended == code


def test_without_a_voice(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("improve", "monitor"):
        ended, said = refused(capsys, tmp_path / "none", name)
        assert (ended, "gemel make" in said) == (4, True)
