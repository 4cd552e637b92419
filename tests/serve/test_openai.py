"""The real `openai` client against a real port, and what the routes refuse."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import openai
import pytest
from starlette.testclient import TestClient

ASK: list[Any] = [{"role": "user", "content": "what is the dog called?"}]


@pytest.fixture(name="ai", scope="module")
def _ai(address: tuple[str, str]) -> openai.OpenAI:
    return openai.OpenAI(base_url=f"{address[0]}/v1", api_key=address[1], max_retries=0)


def test_models(ai: openai.OpenAI) -> None:
    ids = [m.id for m in ai.models.list()]
    ways = ["thomas-voice", "thomas-assisted", "thomas-prompted"]
    arms = ["thomas-arm-r1", "thomas-arm-r1-cooler"]
    assert ids == [*ways, "thomas", "thomas-voice@r1", "thomas-assisted@r1", *arms]
    assert ai.models.retrieve("thomas-voice").owned_by == "gemel"
    assert ai.models.retrieve("thomas-arm-r1-cooler").model_extra["arm"] == "r1-cooler"


def test_a_reply_with_usage_and_disclosure(ai: openai.OpenAI) -> None:
    raw = ai.chat.completions.with_raw_response.create(model="thomas-voice", messages=ASK, seed=1, max_tokens=12)
    assert raw.headers["x-gemel-disclosure"] == "AI imitation of Thomas"
    done = raw.parse()
    assert done.choices[0].message.content
    assert done.choices[0].finish_reason in ("stop", "length")
    assert 0 < done.usage.completion_tokens <= 12
    assert done.usage.total_tokens == done.usage.prompt_tokens + done.usage.completion_tokens
    assert done.system_fingerprint == "r1"


def test_a_stream_is_the_same_reply(ai: openai.OpenAI) -> None:
    common: dict[str, Any] = {"model": "thomas-voice", "messages": ASK, "seed": 2, "max_tokens": 30, "temperature": 0.8}
    whole = ai.chat.completions.create(**common).choices[0].message.content
    chunks = list(ai.chat.completions.create(**common, stream=True, stream_options={"include_usage": True}))
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text.strip() == whole
    assert chunks[-1].usage.completion_tokens > 0
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")


def test_several_answers_stop_strings_and_limits(ai: openai.OpenAI) -> None:
    done = ai.chat.completions.create(model="thomas-voice", messages=ASK, n=3, seed=5, max_completion_tokens=20)
    texts = [c.message.content for c in done.choices]
    assert len(set(texts)) > 1
    whole = texts[0]
    stop = whole[2:4]
    cut = ai.chat.completions.create(model="thomas-voice", messages=ASK, seed=5, max_tokens=20, stop=[stop])
    assert cut.choices[0].message.content == (whole[: whole.index(stop)].strip("\n") or "")
    assert cut.choices[0].finish_reason == "stop"


def test_log_probabilities(ai: openai.OpenAI) -> None:
    done = ai.chat.completions.create(
        model="thomas-voice", messages=ASK, seed=1, max_tokens=5, logprobs=True, top_logprobs=2
    )
    content = done.choices[0].logprobs.content
    assert len(content) == done.usage.completion_tokens
    assert all(c.logprob <= 0 and len(c.top_logprobs) == 2 for c in content)


def test_assisted_marks_quotations(ai: openai.OpenAI) -> None:
    done = ai.chat.completions.create(model="thomas-assisted", messages=ASK, seed=1, max_tokens=12)
    own = done.choices[0].model_extra["gemel"]
    assert own["disclosure"] == "AI imitation of Thomas"
    assert own["quoted"] == bool(own["citations"])


def test_completions_and_embeddings(ai: openai.OpenAI) -> None:
    done = ai.completions.create(model="thomas-voice", prompt="how is your sister?", max_tokens=8, seed=1)
    assert done.choices[0].text
    many = ai.embeddings.create(model="hash", input=["a cello", "a dog"])  # base64 by default
    assert np.linalg.norm(many.data[0].embedding) == pytest.approx(1, abs=1e-5)
    assert many.data[0].embedding != many.data[1].embedding


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ({"tools": []}, "tools"),
        ({"presence_penalty": 0.5}, "presence_penalty"),
        ({"logit_bias": {"5": 1}}, "logit_bias"),
        ({"response_format": {"type": "json_object"}}, "response_format.type"),
        ({"top_logprobs": 3}, ""),
        ({"temperature": 9}, "temperature"),
        ({"stop": ["a"] * 9}, "stop"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "messages.0.role"),
        ({"n": 99}, "n"),
        ({"stream_options": {"include_usage": True}}, ""),
        ({"made_up": 1}, "made_up"),
    ],
)
def test_what_is_not_supported_is_refused(client: TestClient, extra: dict[str, Any], param: str) -> None:
    answer = client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": ASK} | extra)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["type"] == "invalid_request_error"
    assert (error["param"] or "") == param
    assert "cello" not in answer.text


def test_neutral_values_are_accepted(client: TestClient) -> None:
    body = {"model": "thomas-voice", "messages": ASK, "max_tokens": 3, "presence_penalty": 0, "logit_bias": {}, "n": 1}
    assert client.post("/v1/chat/completions", json=body).status_code == 200


def test_errors_of_the_client_library(ai: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        ai.chat.completions.create(model="gpt-4", messages=ASK)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError, match="logprobs"):
        ai.chat.completions.create(model="thomas-assisted", messages=ASK, logprobs=True)
    stranger = openai.OpenAI(base_url=str(ai.base_url), api_key="wrong", max_retries=0)
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def test_deterministic_answers_are_kept_and_wiped(client: TestClient) -> None:
    house = client.app.state.house  # type: ignore[attr-defined]
    body = {"model": "thomas-voice", "messages": ASK, "temperature": 0, "max_tokens": 6}
    house.cache.clear()
    first = client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"]
    tokens = house.twin().engine.totals.tokens
    assert client.post("/v1/chat/completions", json=body).json()["choices"][0]["message"] == first
    assert house.twin().engine.totals.tokens == tokens
    client.post("/v1/chat/completions", json=body | {"temperature": 1, "seed": None})
    assert len(house.cache) == 1
    house.wipe()
    assert not house.cache


def test_a_system_message_and_parts_are_read(client: TestClient) -> None:
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": "are you there"}]
    messages = [{"role": "system", "content": "You are Tom."}, {"role": "user", "content": parts, "name": "Mara"}]
    answer = client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": messages, "max_tokens": 3})
    assert answer.status_code == 200


def test_base64_embeddings_are_little_endian_floats(client: TestClient) -> None:
    rows = [
        client.post("/v1/embeddings", json={"model": "hash", "input": "x y", "encoding_format": f}).json()["data"][0]
        for f in ("float", "base64")
    ]
    decoded = np.frombuffer(base64.b64decode(rows[1]["embedding"]), "<f4")
    assert decoded.tolist() == pytest.approx(rows[0]["embedding"])


def test_a_long_conversation_does_not_break(client: TestClient) -> None:
    long = [{"role": ("user", "assistant")[i % 2], "content": "word " * 60} for i in range(99)]
    answer = client.post("/v1/chat/completions", json={"model": "thomas-voice", "messages": long, "max_tokens": 400})
    assert answer.status_code == 200
    assert json.loads(answer.text)["usage"]["prompt_tokens"] <= 512
