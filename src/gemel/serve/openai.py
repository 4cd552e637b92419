"""The routes that OpenAI clients know: models, chat completions, completions, embeddings."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from gemel.errors import ConfigError
from gemel.examples import Role, TraitValue, Turn
from gemel.model.twin import choose_embedder
from gemel.serve.access import granted, need
from gemel.serve.faults import NoModel, envelope
from gemel.serve.house import Chosen, House, Seat, Wanted
from gemel.serve.shapes import (
    ChatRequest,
    Choice,
    Completion,
    CompletionRequest,
    Embedding,
    EmbeddingRequest,
    Embeddings,
    ErrorBody,
    Logprobs,
    Model,
    Models,
    Own,
    ReplyMessage,
    Source,
    TokenLogprob,
    TopLogprob,
    Usage,
)
from gemel.speaker import Reply, Sampling
from gemel.workspace import Manifest

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS)
DEFAULT_TOKENS = 200
ROLES = {
    "system": Role.system,
    "developer": Role.system,
    "user": Role.other,
    "assistant": Role.me,
    "data": Role.data,
    "prompt": Role.prompt,
}


@router.get("/models")
async def models(request: Request) -> Models:
    """Ways to answer, each as a model."""
    need(request, "chat")
    house: House = request.app.state.house
    ids = await house.run(house.voices.ids)
    return Models(data=[_model(house, number, chosen) for number, chosen in ids.items()])


@router.get("/models/{model}")
async def model(request: Request, model: str) -> Model:
    """One way to answer."""
    need(request, "chat")
    house: House = request.app.state.house
    return _model(house, model, await _chosen(house, model))


@router.post("/chat/completions", response_model=Completion)
async def chat(request: Request, body: ChatRequest) -> Response | Completion:
    """Answer a conversation as the person would; streams server-sent events with `stream`."""
    need(request, "chat")
    house: House = request.app.state.house
    chosen = await _chosen(house, body.model)
    if body.logprobs and chosen.way == "assisted":
        raise ConfigError("logprobs are not supported by 'assisted'", hint="Ask the model id that ends in -voice.")
    names = granted(request, "names")
    turns = await house.run(_turns, house, body, names)
    wanted = Wanted(
        turns=turns,
        chosen=chosen,
        sampling=_sampling(body, chosen, body.max_completion_tokens or body.max_tokens),
        traits=_traits(body.traits),
        top=(body.top_logprobs or 0) if body.logprobs else None,
    )
    return await _answer(request, house, _Asked(body.model, True, [wanted] * (body.n or 1), names, body))


@router.post("/completions", response_model=Completion)
async def complete(request: Request, body: CompletionRequest) -> Response | Completion:
    """Answer a single message."""
    need(request, "chat")
    house: House = request.app.state.house
    chosen = await _chosen(house, body.model)
    names = granted(request, "names")
    prompts = [body.prompt] if isinstance(body.prompt, str) else body.prompt
    wanted = []
    for prompt in prompts:
        text = await house.run(house.display.inward, prompt) if names else prompt
        turn = Turn(role=Role.other, parts=tuple(text.split("\n")), name=house.twin().partner)
        sampling = _sampling(body, chosen, body.max_tokens)
        wanted += [Wanted(turns=(turn,), chosen=chosen, sampling=sampling)] * (body.n or 1)
    return await _answer(request, house, _Asked(body.model, False, wanted, names, body))


@router.post("/embeddings")
async def embeddings(request: Request, body: EmbeddingRequest) -> Embeddings:
    """Texts as unit vectors, by the embedder of memory."""
    need(request, "chat")
    house: House = request.app.state.house
    if body.model not in ("minilm", "hash", house.config.model.embedder):
        raise _no_model(body.model)
    texts = [body.input] if isinstance(body.input, str) else body.input
    with house.seat():
        rows = await house.run(lambda: choose_embedder(body.model).encode(texts))
    coded = body.encoding_format == "base64"
    data = [
        Embedding(index=i, embedding=base64.b64encode(row.astype("<f4").tobytes()).decode() if coded else row.tolist())
        for i, row in enumerate(rows)
    ]
    count = sum(len(t.split()) for t in texts)
    return Embeddings(data=data, model=body.model, usage=Usage(prompt_tokens=count, total_tokens=count))


def _no_model(name: str) -> NoModel:
    return NoModel(f"there is no model '{name[:80]}'", hint="GET /v1/models lists them.")


class _Asked:
    """One request with everything its answers need."""

    def __init__(
        self, model: str, is_chat: bool, wanted: Sequence[Wanted], names: bool, body: ChatRequest | CompletionRequest
    ) -> None:
        self.model, self.is_chat, self.names = model, is_chat, names
        self.stream = bool(body.stream)
        self.usage = bool(body.stream_options and body.stream_options.include_usage)
        self.logprobs = isinstance(body, ChatRequest) and bool(body.logprobs)
        self.run = wanted[0].chosen.run
        self.wanted = [_seeded(w, i) for i, w in enumerate(wanted)]
        self.id = f"{'chatcmpl' if is_chat else 'cmpl'}-{uuid4().hex[:24]}"
        self.created = int(time.time())


class _Seated(StreamingResponse):
    """A stream that gives its seat back however it ends."""

    def __init__(self, house: House, asked: _Asked, seat: Seat) -> None:
        super().__init__(_events(house, asked), media_type="text/event-stream")
        self._seat = seat

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        with self._seat:
            await super().__call__(scope, receive, send)


async def _answer(request: Request, house: House, asked: _Asked) -> Response | Completion:
    seat = house.seat()
    if asked.stream:
        return _Seated(house, asked, seat)
    with seat:
        work = asyncio.ensure_future(_all(house, asked.wanted))
        gone = asyncio.ensure_future(_gone(request))
        await asyncio.wait((work, gone), return_when=asyncio.FIRST_COMPLETED)
        gone.cancel()
        if not work.done():
            work.cancel()
            return Response(status_code=499)  # nobody is there to read it
        replies = work.result()
    choices = [_choice(house, asked, i, reply) for i, reply in enumerate(replies)]
    return Completion(
        id=asked.id,
        object="chat.completion" if asked.is_chat else "text_completion",
        created=asked.created,
        model=asked.model,
        choices=choices,
        usage=_usage(replies),
        system_fingerprint=asked.run,
    )


async def _events(house: House, asked: _Asked) -> AsyncIterator[str]:
    replies: list[Reply] = []
    try:
        for index, wanted in enumerate(asked.wanted):
            if asked.is_chat:
                yield _chunk(house, asked, index, {"role": "assistant", "content": ""})
            held = ""
            async for piece in house.stream(wanted):
                if isinstance(piece, Reply):
                    replies.append(piece)
                    continue
                held += piece
                end = len(held) if not asked.names else max(held.rfind(" "), held.rfind("\n")) + 1
                if end:
                    yield _chunk(house, asked, index, {"content": _outward(house, asked, held[:end])})
                    held = held[end:]
            if held:
                yield _chunk(house, asked, index, {"content": _outward(house, asked, held)})
            yield _chunk(house, asked, index, {}, done=replies[-1])
        if asked.usage:
            yield _chunk(house, asked, None, {}, usage=_usage(replies))
        yield "data: [DONE]\n\n"
    except Exception as error:
        yield f"data: {json.dumps(envelope(error)[1])}\n\n"


def _chunk(
    house: House,
    asked: _Asked,
    index: int | None,
    delta: dict[str, str],
    *,
    done: Reply | None = None,
    usage: Usage | None = None,
) -> str:
    choices: list[dict[str, Any]] = []
    if index is not None:
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": None}
        if asked.is_chat:
            choice["delta"] = delta
        else:
            choice["text"] = delta.get("content", "")
        if done is not None:
            last = _choice(house, asked, index, done)
            choice["finish_reason"] = last.finish_reason
            choice["logprobs"] = last.logprobs.model_dump() if last.logprobs else None
            choice["gemel"] = last.gemel.model_dump() if last.gemel else None
        choices.append(choice)
    row: dict[str, Any] = {
        "id": asked.id,
        "object": "chat.completion.chunk" if asked.is_chat else "text_completion",
        "created": asked.created,
        "model": asked.model,
        "system_fingerprint": asked.run,
        "choices": choices,
    }
    if asked.usage:
        row["usage"] = usage.model_dump() if usage else None
    return f"data: {json.dumps(row, ensure_ascii=False)}\n\n"


def _choice(house: House, asked: _Asked, index: int, reply: Reply) -> Choice:
    text = _outward(house, asked, reply.text)
    own = Own(
        disclosure=house.disclosure,
        parts=[_outward(house, asked, part) for part in reply.parts],
        quoted=reply.quoted,
        citations=[
            Source(record=c.record, quote=_outward(house, asked, c.quote), score=c.score, title=c.title)
            for c in reply.citations
        ],
    )
    return Choice(
        index=index,
        message=ReplyMessage(content=text) if asked.is_chat else None,
        text=None if asked.is_chat else text,
        logprobs=_logprobs(asked, reply),
        finish_reason="length" if reply.finish == "length" else "stop",
        gemel=own,
    )


def _logprobs(asked: _Asked, reply: Reply) -> Logprobs | None:
    if not asked.logprobs or "chances" not in reply.extra:
        return None  # a text that the guard has changed has none

    def one(token: str, value: float) -> dict[str, Any]:
        return {"token": token, "logprob": max(value, -9999.0), "bytes": list(token.encode())}

    return Logprobs(
        content=[
            TokenLogprob(**one(c.text, c.logprob), top_logprobs=[TopLogprob(**one(t, v)) for t, v in c.top])
            for c in reply.extra["chances"]
        ]
    )


def _turns(house: House, body: ChatRequest, names: bool) -> tuple[Turn, ...]:
    """Messages as turns, with the owner's names turned into the twin's."""
    twin = house.twin()
    turns = []
    for message in body.messages:
        role = ROLES[message.role]
        text = house.display.inward(message.text) if names else message.text
        name = {Role.me: twin.me, Role.other: twin.partner}.get(role, "")
        if message.name and role is Role.other:
            name = house.display.inward(message.name) if names else message.name
        parts = tuple(p for p in text.split("\n") if p.strip()) if role is not Role.system else (text,)
        turns.append(Turn(role=role, parts=parts or ("",), name=name))
    return tuple(turns)


def _sampling(body: ChatRequest | CompletionRequest, chosen: Chosen, most: int | None) -> Sampling:
    return Sampling(
        temperature=chosen.temperature if body.temperature is None else body.temperature,
        top_p=chosen.top_p if body.top_p is None else body.top_p,
        max_tokens=most or DEFAULT_TOKENS,
        stop=body.stops,
        seed=body.seed,
    )


def _traits(given: dict[str, float | str | list[str] | None] | None) -> dict[str, TraitValue] | None:
    return None if given is None else {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


def _seeded(wanted: Wanted, index: int) -> Wanted:
    """The i-th of several answers to the same has a seed of its own."""
    if index == 0 or wanted.sampling.seed is None:
        return wanted
    return replace(wanted, sampling=replace(wanted.sampling, seed=wanted.sampling.seed + index))


def _usage(replies: Sequence[Reply]) -> Usage:
    read, written = sum(r.tokens_in for r in replies), sum(r.tokens_out for r in replies)
    return Usage(prompt_tokens=read, completion_tokens=written, total_tokens=read + written)


def _outward(house: House, asked: _Asked, text: str) -> str:
    return house.display.outward(text) if asked.names else text


async def _chosen(house: House, model: str) -> Chosen:
    ids = await house.run(house.voices.ids)
    if model not in ids:
        raise _no_model(model)
    found: Chosen = ids[model]
    return found


def _model(house: House, number: str, chosen: Chosen) -> Model:
    twin = house.twin()
    made = Manifest.read(house.workspace.run(chosen.run)) if chosen.run else None
    card = house.workspace.card_path
    created = made.finished if made else card.stat().st_mtime if card.exists() else 0
    return Model(
        id=number,
        created=int(created),
        way=chosen.way,
        run=chosen.run,
        arm=chosen.arm,
        current=chosen.run == twin.run,
        disclosure=twin.disclosure,
    )


async def _all(house: House, wanted: Sequence[Wanted]) -> list[Reply]:
    return list(await asyncio.gather(*(house.reply(w) for w in wanted)))


async def _gone(request: Request) -> None:
    """Returns when the client hangs up."""
    while not await request.is_disconnected():
        await asyncio.sleep(0.1)
