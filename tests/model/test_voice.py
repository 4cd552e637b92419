"""The voice: replies as bursts, streaming that adds up, stop strings, long conversations."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from gemel.examples import Role, Turn
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.voice import Voice, _cut, _held
from gemel.speaker import Reply, Sampling
from tests.tiny import conversation, tiny_base

SAMPLING = Sampling(max_tokens=40, seed=3)


@pytest.fixture(name="voice", scope="module")
def _voice(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Voice]:
    engine = Engine(tiny_base(tmp_path_factory.mktemp("base")), batch=4)
    yield Voice(engine, me="Tom")
    engine.close(drain=False)


def talk(n: int = 1) -> list[Turn]:
    return [t for i in range(n) for t in conversation(i, 3).turns]


def test_the_stream_adds_up_to_the_reply(voice: Voice) -> None:
    for seed in range(6):
        *pieces, last = voice.stream(talk(), sampling=Sampling(max_tokens=40, seed=seed))
        assert isinstance(last, Reply)
        assert [p for p in "".join(map(str, pieces)).split("\n") if p.strip()] == [p for p in last.parts if p]
        assert last == voice.reply(talk(), sampling=Sampling(max_tokens=40, seed=seed)) or last.parts
        assert last.tokens_out <= 40
        assert "<|" not in last.text


def test_many_at_once_equal_one_by_one(voice: Voice) -> None:
    conversations = [talk(n) for n in (1, 2, 3)]
    together = voice.replies(conversations, sampling=SAMPLING)
    assert [r.parts for r in together] == [voice.reply(c, sampling=SAMPLING).parts for c in conversations]


def test_stop_strings_end_a_reply_before_them(voice: Voice) -> None:
    whole = voice.reply(talk(), sampling=SAMPLING).text
    stop = whole[4:6]
    *pieces, last = voice.stream(talk(), sampling=Sampling(max_tokens=40, seed=3, stop=(stop,)))
    assert isinstance(last, Reply)
    assert last.finish == "stop"
    assert last.text == whole[: whole.index(stop)].rstrip("\n")
    assert "".join(map(str, pieces)) == last.text


def test_text_that_may_become_a_stop_string_is_held_back() -> None:
    assert _held("hello EN", ["END"]) == 2
    assert _held("hello", ["END"]) == 0
    assert _held("a\n", ()) == 1
    assert _cut("one END two", ["END"]) == "one "


def test_a_long_conversation_keeps_its_latest_turns(voice: Voice) -> None:
    prompt = voice.prompt(talk(60), room=40)
    assert len(prompt) <= voice.engine.base.context - 40
    assert prompt[0] == voice.engine.base.template.header([], name="Tom")[0]
    short = voice.prompt(talk(60)[-3:], room=40)
    assert prompt[-len(short) + 1 :] == short[1:]


def test_a_given_reply_has_the_scorers_likelihood(voice: Voice) -> None:
    context, reply = talk(), conversation(0, 4).turns[3]
    wanted = LocalScorer(voice.engine.base).likelihoods([(context, reply), ((), reply)])
    requests = [voice.given(context, reply.parts), voice.given((), reply.parts)]
    got = [-sum(c.logprob for c in g.chances) for g in voice.engine.generate(requests)]
    assert got[1] == pytest.approx(wanted[1].total, rel=0.05)  # a reply by itself has no pause before it
    assert got[0] == pytest.approx(wanted[0].total, rel=0.05)


def test_closing_the_stream_cancels(voice: Voice) -> None:
    long = (Sampling(max_tokens=400, seed=s) for s in range(100))
    sampling = next(s for s in long if voice.reply(talk(), sampling=s).tokens_out > 150)
    before = voice.engine.totals.cancelled
    stream = voice.stream(talk(), sampling=sampling)
    next(stream)
    stream.close()  # type: ignore[attr-defined]
    until = time.monotonic() + 5
    while voice.engine.active and time.monotonic() < until:
        time.sleep(0.01)
    assert voice.engine.active == 0
    assert voice.engine.totals.cancelled == before + 1


def test_system_turns_stand_first(voice: Voice) -> None:
    told = Voice(voice.engine, me="Tom", preface=lambda turns: [Turn(role=Role.system, parts=("You are Tom.",))])
    assert len(told.prompt(talk(), room=10)) > len(voice.prompt(talk(), room=10))
