"""Attack: the twin recites a friend's words and a number in the terminal; the guard stands there too."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from gemel.cli.talk import command
from gemel.model.twin import Twin
from gemel.speaker import Reply
from tests.serve.test_outgoing import OWN, SAID, Parrot, leaks, with_friend


def test_talk_shows_nothing_that_others_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = with_friend(tmp_path)
    text = f'[model]\nbase = "{(tmp_path / "base").as_posix()}"\nembedder = "hash"\n'
    workspace.config_path.write_text(text, encoding="utf-8")

    def recite(self: Twin, turns: Any, **given: Any) -> Iterator[str | Reply]:
        return Parrot(SAID, 3).stream(turns)

    monkeypatch.setattr(Twin, "stream", recite)
    told = CliRunner().invoke(command, ["--twin", str(workspace.root)], input="what did Mara write?\n")
    assert told.exit_code == 0, told.output
    assert OWN in told.output
    assert leaks(told.output) == []
