"""An explanation over a real (tiny) voice: words add up, own words and rules stand beside."""

from __future__ import annotations

from pathlib import Path

import pytest
from twins import twin_config, twin_workspace

from gemel.errors import NotAScorer
from gemel.examples import Role, Turn
from gemel.feedback import Feedback
from gemel.model.twin import prepare
from gemel.pipeline.why import Explainer


def test_a_reply_is_explained_by_words_own_messages_and_rules(tmp_path: Path) -> None:
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path)
    feedback = Feedback(workspace.feedback_path)
    feedback.add_rule("never mention the harbour")
    feedback.close()
    parts = prepare(workspace, config)
    try:
        explainer = Explainer(workspace, config, "r1", me="Tom")
        asked = (Turn(role=Role.other, parts=("which instrument?",), name="Mara"),)
        found = explainer.explain(asked, ("I played the cello",), memory=parts.memory, card=parts.card)
    finally:
        parts.memory.close()
    assert [w.text.strip() for w in found.words] == ["I", "played", "the", "cello"]
    assert found.total == pytest.approx(sum(w.bits for w in found.words) + found.end)
    assert found.total == pytest.approx(0.0, abs=1e-3)  # this voice is its base
    assert "cello" in found.similar[0].text
    assert found.habits[0] == "rule: never mention the harbour"
    assert found.traits == {}


def test_without_a_voice_there_is_nothing_to_explain(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path, run=False)
    with pytest.raises(NotAScorer, match="voice"):
        Explainer(workspace, twin_config(tmp_path), "", me="Tom")
