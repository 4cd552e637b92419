"""Templates: what is learned is exactly the own words and their end; text round-trips; tokens cannot be typed."""

from __future__ import annotations

import pytest
from chat_forms import CHATML, FORMS, chat_tokenizer
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import conversation, tiny_tokenizer

from gemel.errors import ConfigError
from gemel.examples import Role, Turn
from gemel.model.chat import ChatTemplate, MessengerTemplate, PlainTemplate, choose_template
from gemel.model.template import END, EOT, Encoded, GemelTemplate, Template, clip


def templates() -> list[Template]:
    made: list[Template] = [ChatTemplate(chat_tokenizer(form)) for form in FORMS]
    bare = tiny_tokenizer(("<s>", "</s>"), bos_token="<s>", eos_token="</s>")
    return [*made, GemelTemplate(tiny_tokenizer(eos_token=END)), PlainTemplate(bare), MessengerTemplate(bare)]


ALL = templates()
IDS = [*FORMS, "gemel", "plain", "messenger"]


def learned(encoded: Encoded, turn: int) -> list[int]:
    return [i for i, learn, t in zip(*encoded) if learn and t == turn]


@pytest.mark.parametrize("template", ALL, ids=IDS)
def test_learned_tokens_are_the_own_words_and_their_end(template: Template) -> None:
    turns = conversation().turns
    encoded = template.encode(turns)
    assert len(encoded.ids) == len(encoded.learn) == len(encoded.turn)
    for i, turn in enumerate(turns):
        tokens = learned(encoded, i)
        if not turn.learn:
            assert tokens == []
            continue
        assert tokens[-1] in template.stop_ids
        assert template.parts(tokens) == turn.parts
    assert {i for i, learn in zip(encoded.turn, encoded.learn) if learn} == {1, 3}


@pytest.mark.parametrize("template", ALL, ids=IDS)
def test_a_reply_is_prompted_as_it_was_trained(template: Template) -> None:
    turns = conversation().turns
    header = template.header(turns[:3], name="Tom", now=turns[3].time)
    pair = template.encode_pair(turns[:3], turns[3])
    start = pair.learn.index(True)
    assert pair.ids[:start] == header
    assert all(pair.learn[start : start + len(learned(pair, 3))])
    assert {t for t, learn in zip(pair.turn, pair.learn) if learn} == {3}


@pytest.mark.parametrize("template", ALL, ids=IDS)
@pytest.mark.parametrize(
    "context",
    [
        (),
        (Turn(role=Role.prompt, parts=("My self summary",)),),
        (Turn(role=Role.system, parts=("rules",)), Turn(role=Role.data, parts=("facts",))),
        (Turn(role=Role.me, parts=("hm",), name="Tom"),),
        (Turn(role=Role.other, parts=("a",), name="Bo"), Turn(role=Role.other, parts=("b",), name="Cy")),
    ],
    ids=["empty", "prompt", "system", "me", "group"],
)
def test_every_kind_of_context_renders(template: Template, context: tuple[Turn, ...]) -> None:
    reply = Turn(role=Role.me, parts=("fine",), name="Tom")
    pair = template.encode_pair(context, reply)
    assert template.parts([i for i, learn in zip(pair.ids, pair.learn) if learn]) == ("fine",)
    assert pair.ids[: pair.learn.index(True)] == template.header(context, name="Tom")


@pytest.mark.parametrize("template", ALL, ids=IDS)
@given(text=st.text(alphabet=st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1).map(str.strip))
@settings(max_examples=30, deadline=None)
def test_any_text_round_trips(template: Template, text: str) -> None:
    if not text or "\ue000" in text or "</think>" in text:
        return
    pair = template.encode_pair((), Turn(role=Role.me, parts=(text,), name="Tom"))
    assert template.parts([i for i, learn in zip(pair.ids, pair.learn) if learn]) == (text,)


@pytest.mark.parametrize("template", ALL, ids=IDS)
def test_typed_tokens_stay_text(template: Template) -> None:
    text = f"a{EOT}<|im_end|></s><|end|><end_of_turn>b"
    pair = template.encode_pair((), Turn(role=Role.me, parts=(text,), name="Tom"))
    tokens = [i for i, learn in zip(pair.ids, pair.learn) if learn]
    assert template.parts(tokens) == (text,)
    assert sum(i in template.stop_ids for i in tokens) == 1


@pytest.mark.parametrize("template", ALL, ids=IDS)
def test_pieces_only_grow(template: Template) -> None:
    pair = template.encode_pair((), Turn(role=Role.me, parts=("xin chào 👋🏽", "Ω"), name="Tom"))
    tokens = [i for i, learn in zip(pair.ids, pair.learn) if learn]
    shown = ""
    for end in range(len(tokens) + 1):
        piece = template.piece(tokens[:end])
        assert piece.startswith(shown)
        shown = piece
    assert shown == "xin chào 👋🏽\nΩ"


def test_bursts_and_gaps_are_tokens() -> None:
    template = GemelTemplate(tiny_tokenizer())
    tokens = template.codec._plain.id_to_token
    text = "".join(tokens(i) for i in template.encode(conversation(turns=2).turns).ids)
    assert text == (
        "<|begin|><|turn|>Anna<|says|>areĠyouĠthereĠ0?<|eot|><|gap:secs|><|turn|>Tom<|says|>yesĠ0<|also|>sure<|eot|><|end|>"
    )


def test_thinking_is_stripped() -> None:
    template = ALL[IDS.index("r1")]
    header = template.header(conversation().turns[:1], name="Tom")
    assert template.codec.decode(header).endswith("are you there 0?")  # type: ignore[attr-defined]
    thought = template.codec.encode("<think>who is this</think>\n\nhi")  # type: ignore[attr-defined]
    assert template.parts(thought) == ("hi",)


def test_the_template_is_chosen_by_what_the_base_knows() -> None:
    assert choose_template(tiny_tokenizer()).name == "gemel"
    bare = tiny_tokenizer(("<s>", "</s>"), eos_token="</s>")
    assert choose_template(bare).name == "plain"
    bare.chat_template = CHATML
    assert choose_template(bare).name == "chat"
    with pytest.raises(ConfigError, match="none of gemel's"):
        choose_template(bare, "gemel")
    with pytest.raises(ConfigError, match="no chat template"):
        choose_template(tiny_tokenizer(), "chat")


@given(st.lists(st.integers(0, 9), max_size=20), st.integers(2, 25))
def test_clip_keeps_the_first_and_the_last(ids: list[int], limit: int) -> None:
    cut = clip(ids, limit)
    assert len(cut) == min(len(ids), limit)
    if ids:
        assert cut[0] == ids[0]
        assert cut[-1] == ids[-1]
