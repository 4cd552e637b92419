"""The twin of a workspace: its ways to answer, quotations with their source, names at display, refusals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest
import torch

from gemel.config import parse
from gemel.errors import ConfigError, MissingStage, Refused
from gemel.examples import Role, TraitValue, Turn
from gemel.feedback import Feedback, Said
from gemel.model.assisted import situation
from gemel.model.base import load_run, save_base_file
from gemel.model.display import Display
from gemel.model.preface import remembering
from gemel.model.twin import Instructed, Twin, load_twin, prepare
from gemel.pipeline.remember import remember
from gemel.privacy.unservable import mark_unservable
from gemel.privacy.vault import Vault
from gemel.speaker import Reply, Sampling, Speaker
from gemel.workspace import Workspace
from tests.tiny import START
from tests.twins import FACTS, twin_config, twin_workspace

ASKED = [Turn(role=Role.other, parts=("what is the dog called?",), name="Mara", time=START)]


@pytest.fixture(name="twin", scope="module")
def _twin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Twin]:
    root = tmp_path_factory.mktemp("twin")
    twin = load_twin(twin_workspace(root), twin_config(root), batch=8)
    yield twin
    twin.close()


def test_a_small_base_answers_assisted_by_default(twin: Twin) -> None:
    assert twin.answer == "assisted"
    assert twin.disclosure == "AI imitation of Thomas"
    assert twin.me == "Tom"
    assert twin.partner == "Mara"


def test_assisted_quotes_with_the_source_or_generates(twin: Twin) -> None:
    reply = twin.reply(ASKED, sampling=Sampling(max_tokens=12, seed=1))
    candidates = reply.extra["candidates"]
    quoted = {c.parts: c.past.record for c in candidates if c.past}
    assert quoted[("Bruno, he is a lazy beagle",)] == "m2.0"
    assert [c.gain for c in candidates] == sorted((c.gain for c in candidates), reverse=True)
    assert reply.parts == candidates[0].parts
    assert reply.quoted == (candidates[0].past is not None)
    assert bool(reply.citations) == reply.quoted
    again = twin.reply(ASKED, sampling=Sampling(max_tokens=12, seed=1))
    assert again.parts == reply.parts


def test_the_voice_alone_never_quotes_and_streams(twin: Twin) -> None:
    *pieces, reply = twin.speakers["voice"].stream(ASKED, sampling=Sampling(max_tokens=12, seed=1))
    assert isinstance(reply, Reply)
    assert pieces
    assert not reply.quoted
    assert not reply.citations


@pytest.mark.parametrize("weights", ["auto", "exact"])
def test_a_voice_stored_in_half_precision_answers_here(tmp_path: Path, weights: Literal["auto", "exact"]) -> None:
    """As one that was trained on an accelerator and brought home."""
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path, precision="bf16")
    loaded = load_run(workspace.run("r1"), config.model)
    loaded.model.save_pretrained(workspace.run("r1") / "model")
    save_base_file(workspace.run("r1"), loaded, "")
    config = parse({"model": {"embedder": "hash", "context": 512}, "serve": {"weights": weights}})
    twin = load_twin(workspace, config, batch=4)
    assert twin.engine.base.dtype is torch.bfloat16
    for way in ("voice", "assisted"):
        reply = twin.speakers[way].reply(ASKED, sampling=Sampling(max_tokens=12, seed=1))
        assert reply.parts
        assert reply.tokens_out > 0
    twin.close()


def test_the_situation_is_what_came_since_the_last_answer() -> None:
    turns = [*ASKED, Turn(role=Role.me, parts=("Bruno",)), Turn(role=Role.other, parts=("ha", "nice"))]
    assert situation(turns) == "ha\nnice"


class Recorder(Speaker):
    """Keeps what it was asked."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = Sampling(),  # noqa: B008
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        self.turns = list(turns)
        return Reply(parts=("ok",))


def test_instructions_carry_card_facts_and_manner_or_the_order_not_to_invent(twin: Twin) -> None:
    inner = Recorder()
    speaker = Instructed(inner, remembering(twin.card, twin.memory), name="memory")
    speaker.reply(ASKED)
    system, facts, *_ = inner.turns
    assert system.role is Role.system
    assert "You write as Tom" in system.text
    assert facts.role is Role.data
    assert "Bruno, he is a lazy beagle" in facts.text
    speaker.reply([Turn(role=Role.other, parts=("who won the 1998 world cup?",))])
    assert "say that you do not know" in inner.turns[0].text
    assert all("cello" not in t.text for t in inner.turns)


def test_without_a_voice_the_card_is_told(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path, run=False)
    feedback = Feedback(workspace.feedback_path)
    feedback.add_rule("Never say hello.")
    number = feedback.begin()
    said = feedback.add(number, Said(role="me", parts=("Certainly!",)))
    feedback.edit(said, ["sure"])
    feedback.close()
    twin = load_twin(workspace, twin_config(tmp_path), "prompted")
    assert twin.card.rules == ("Never say hello.",)
    assert twin.card.corrections[0].better == "sure"
    assert twin.run == ""
    assert twin.reply(ASKED, sampling=Sampling(max_tokens=5, seed=1)).text
    twin.close()


def test_preparing_is_skipped_when_up_to_date(tmp_path: Path) -> None:
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path)
    assert remember(workspace, config) == "4 turns remembered"
    assert remember(workspace, config) == "4 turns remembered (up to date)"
    workspace.card_path.unlink()  # as `gemel forget` does
    assert prepare(workspace, config).changed


def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingStage):
        load_twin(Workspace(tmp_path / "nothing"), twin_config(tmp_path))
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path)
    with pytest.raises(ConfigError, match="cannot answer by 'memory'"):
        load_twin(workspace, config, "memory")
    mark_unservable(workspace.run("r1"), "somebody was forgotten")
    with pytest.raises(Refused):
        load_twin(workspace, config)


def test_names_come_back_for_the_owner_only(tmp_path: Path) -> None:
    workspace, config = twin_workspace(tmp_path, run=False), twin_config(tmp_path)
    vault = Vault(workspace.vault_path)
    stands = vault.pseudonym("name", "Thomas", entity="p1")
    vault.close()
    display = Display(workspace, config)
    inside = display.inward("is Thomas at home?")
    assert "Thomas" not in inside
    assert stands in inside
    assert display.outward(inside) == "is Thomas at home?"
    pieces = [inside[i : i + 2] for i in range(0, len(inside), 2)]
    assert "".join(display.stream(pieces)) == "is Thomas at home?"
    off = Display(workspace, config.model_copy(update={"privacy": config.privacy.model_copy(update={"mode": "off"})}))
    assert off.outward(inside) == inside
    assert FACTS
