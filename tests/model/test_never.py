"""What a rule forbids is not said, however its tokens fall; everything else still can be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.examples import Role, Turn
from gemel.feedback import Feedback
from gemel.model.base import Base
from gemel.model.engine import Engine
from gemel.model.never import Never, forbidden
from gemel.model.twin import Instructed, load_twin, ruled
from gemel.model.voice import Voice
from gemel.speaker import Sampling
from tests.tiny import tiny_base
from tests.twins import twin_config, twin_workspace

ASKED = [Turn(role=Role.other, parts=("what is the dog called?",), name="Mara")]


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("I never say dear", ("dear",)),
        ("Never say hello.", ("hello",)),
        ('Don\'t write "best regards" or "Cheers" at the end.', ("best regards", "cheers")),
        ("do not use amazing, super or awesome!", ("amazing", "super", "awesome")),
        ("I would never say “kind regards”", ("kind regards",)),
        ("I always say hello", ()),
        ("Be short.", ()),
        ("Never say anything about my work to people I do not know", ()),
    ],
)
def test_which_rules_are_understood(rule: str, words: tuple[str, ...]) -> None:
    assert forbidden([rule]) == words


@pytest.fixture(name="base", scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


def never(base: Base, *words: str) -> Never:
    rows = base.model.config.vocab_size
    return Never(words, base.template.codec, rows, base.template.piece)


def test_the_last_token_of_a_forbidden_word_is_stopped(base: Base) -> None:
    stops = never(base, "dear")
    for text in ("my dear", "Dear", "o DEAR", "(dear"):
        *before, last = base.template.codec.encode(text)
        assert last in stops(before), text
    for text in ("endear", "deal", "year"):
        *before, last = base.template.codec.encode(text)
        assert last not in stops(before), text
    *before, last = base.template.codec.encode("with best regards")
    assert last in never(base, "best regards")(before)


@given(st.lists(st.sampled_from([*"dear bst,\n"]), max_size=40))
def test_what_is_let_through_holds_no_forbidden_word(base: Base, letters: list[str]) -> None:
    stops, ids = never(base, "dear", "be"), list[int]()
    for token in base.template.codec.encode("".join(letters)):
        if token not in stops(ids):
            ids.append(token)
    assert not re.search(r"\b(dear|be)\b", base.template.piece(ids))


def test_a_voice_does_not_say_it(base: Base) -> None:
    engine = Engine(base)
    sampling = [Sampling(max_tokens=60, seed=seed) for seed in range(6)]
    free = Voice(engine, me="Tom")
    word = max(
        re.findall(r"[a-z]+", " ".join(free.reply(ASKED, sampling=s).text.casefold() for s in sampling)), key=len
    )
    bound = Voice(engine, me="Tom", never=(word,))
    said = [bound.reply(ASKED, sampling=s).text.casefold() for s in sampling]
    assert not any(re.search(rf"(?<!\w){word}(?!\w)", text) for text in said)
    engine.close()


def test_a_quotation_that_holds_it_is_not_shown(tmp_path: Path) -> None:
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path)
    quoted = []
    for rule in ("Always be kind.", "Never say beagle."):
        store = Feedback(workspace.feedback_path)
        store.add_rule(rule)
        store.close()
        twin = load_twin(workspace, config, "assisted")
        reply = twin.reply(ASKED, sampling=Sampling(max_tokens=20, seed=1))
        quoted.append(" ".join(p for c in reply.extra["candidates"] if c.past for p in c.parts))
        twin.close()
    assert "beagle" in quoted[0]
    assert "beagle" not in quoted[1]


def test_further_rules_hold_for_a_server_too(tmp_path: Path) -> None:
    workspace = twin_workspace(tmp_path, run=False)
    twin = load_twin(workspace, twin_config(tmp_path, server="http://127.0.0.1:9/v1", server_model="m"), "prompted")
    told = ruled(twin, twin.speakers, ["Never say hello."])["prompted"]
    assert isinstance(told, Instructed)
    assert "Never say hello." in told.preface(ASKED)[0].text
    assert ruled(twin, twin.speakers, []) is twin.speakers
    twin.close()


def test_a_rule_holds_for_the_trained_voice_at_once(tmp_path: Path) -> None:
    """The base is far too small to be told anything."""
    workspace, config = twin_workspace(tmp_path), twin_config(tmp_path)
    sampling = [Sampling(max_tokens=60, seed=seed) for seed in range(6)]
    before = load_twin(workspace, config, "voice")
    texts = [before.reply(ASKED, sampling=s).text.casefold() for s in sampling]
    before.close()
    word = max(re.findall(r"[a-z]+", " ".join(texts)), key=len)
    store = Feedback(workspace.feedback_path)
    store.add_rule(f"I never say {word}.")
    store.close()
    after = load_twin(workspace, config, "voice")
    assert not any(re.search(rf"(?<!\w){word}(?!\w)", after.reply(ASKED, sampling=s).text.casefold()) for s in sampling)
    after.close()
