"""gemel's own routes: the twin, its versions, its memory, and why it said something."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from gemel.errors import NotAScorer
from gemel.examples import Role, Turn
from gemel.model.voice import Voice
from gemel.serve.access import granted, need
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody, Source, Strict
from gemel.workspace import Manifest

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/api", tags=["twin"], responses=ERRORS)
Key = Annotated[str, Path(pattern="^[0-9a-f]{8,40}$")]
Words = Annotated[str, StringConstraints(min_length=1, max_length=4000, strip_whitespace=True)]


class Done(BaseModel):
    """It was done."""

    done: bool = True


class TwinInfo(BaseModel):
    """Who answers, and how."""

    name: str
    disclosure: str
    run: str
    answer: str
    ways: dict[str, str]
    """Model id → way to answer."""
    base: str
    parameters: int
    context: int
    partners: list[str]
    """Who the person writes with, the most usual first."""
    traits: list[str]
    remembered: int
    card: str


class RunInfo(BaseModel):
    """A trained voice."""

    id: str
    current: bool
    servable: bool
    finished: float


class Found(BaseModel):
    """What memory has to say."""

    support: float
    """Probability that the best passage supports an answer."""
    answerable: bool
    citations: list[Source]


class Message(Strict):
    """One turn for `why`."""

    role: Literal["user", "assistant"]
    text: str = Field(max_length=8000)
    name: str = Field(default="", max_length=100)


class WhyRequest(Strict):
    """A conversation and an answer to explain."""

    messages: list[Message] = Field(min_length=1, max_length=500)
    answer: Words


class WordGain(BaseModel):
    """A piece of an answer."""

    text: str
    nats: float
    """log p with the conversation minus log p without it."""


class Why(BaseModel):
    """Where an answer comes from."""

    words: list[WordGain]
    total: float
    """Nats that the conversation adds."""
    similar: list[Source]
    """The person's own replies to similar situations."""
    support: float


@router.get("/twin")
async def twin(request: Request) -> TwinInfo:
    """Who answers, and how."""
    need(request, "chat")
    house: House = request.app.state.house
    found = await house.run(house.twin)
    names = granted(request, "names")
    shown = (lambda text: house.display.outward(text)) if names else (lambda text: text)
    base = found.engine.base if found.engine is not None else None
    return TwinInfo(
        name=found.name,
        disclosure=found.disclosure,
        run=found.run,
        answer=found.answer,
        ways=house.model_ids(),
        base=base.name if base else house.config.model.server,
        parameters=base.parameters if base else 0,
        context=base.context if base else 0,
        partners=[shown(p) for p in list(found.card.partners)[:50]],
        traits=house.trait_names(),
        remembered=len(found.memory),
        card=shown(found.card.text()),
    )


@router.get("/runs")
async def runs(request: Request) -> list[RunInfo]:
    """Trained voices, the newest first."""
    need(request, "chat")
    house: House = request.app.state.house
    workspace = house.workspace
    out = []
    for folder in sorted(workspace.runs.glob("*/")) if workspace.runs.exists() else []:
        manifest = Manifest.read(folder)
        if manifest is not None:
            out.append(
                RunInfo(
                    id=folder.name,
                    current=folder.name == workspace.current(),
                    servable=not (folder / "unservable.json").exists(),
                    finished=manifest.finished,
                )
            )
    return sorted(out, key=lambda r: -r.finished)


@router.get("/memory")
async def memory(
    request: Request,
    q: Annotated[str, Query(min_length=1, max_length=1000)],
    k: Annotated[int, Query(ge=1, le=50)] = 5,
) -> Found:
    """Search the person's own words; says when nothing supports an answer."""
    need(request, "chat")
    house: House = request.app.state.house
    names = granted(request, "names")

    def search() -> Found:
        asked = house.display.inward(q) if names else q
        hits = house.twin().memory.search(asked, k)
        support = hits[0].score if hits else 0.0
        return Found(support=support, answerable=support >= 0.5, citations=[_source(house, c, names) for c in hits])

    found: Found = await house.run(search)
    return found


@router.post("/why")
async def why(request: Request, body: WhyRequest) -> Why:
    """How much each piece of an answer owes to the conversation, and what is similar in memory."""
    need(request, "chat")
    house: House = request.app.state.house
    names = granted(request, "names")
    with house.seat():
        found: Why = await house.run(_why, house, body, names)
        return found


def _why(house: House, body: WhyRequest, names: bool) -> Why:
    twin = house.twin()
    voice = twin.speakers.get("voice")
    if not isinstance(voice, Voice):
        raise NotAScorer("this twin answers by a server that gives no log-probabilities", hint="Use a local base.")
    inward: Callable[[str], str] = house.display.inward if names else str
    outward: Callable[[str], str] = house.display.outward if names else str
    turns = [
        Turn(
            role=Role.me if m.role == "assistant" else Role.other,
            parts=tuple(inward(m.text).split("\n")),
            name=twin.me if m.role == "assistant" else inward(m.name) or twin.partner,
        )
        for m in body.messages
    ]
    parts = inward(body.answer).split("\n")
    told, alone = voice.engine.generate([voice.given(turns, parts), voice.given((), parts)])
    codec = voice.engine.base.template.codec
    words: list[WordGain] = []
    for a, b in zip(told.chances, alone.chances):
        text, gain = codec.decode([a.token]), a.logprob - b.logprob
        if words and not text.startswith((" ", "\n")):
            words[-1] = WordGain(text=words[-1].text + text, nats=words[-1].nats + gain)
        else:
            words.append(WordGain(text=text, nats=gain))
    asked = " ".join(t.text for t in turns if t.role is Role.other)[-1000:]
    similar = [
        Source(record=p.record, quote=outward("\n".join(p.parts)), score=p.score, title=p.title or p.time[:10])
        for p in twin.memory.replies(asked, 5)
    ]
    total = sum(w.nats for w in words)
    shown = [WordGain(text=outward(w.text), nats=w.nats) for w in words]
    return Why(words=shown, total=total, similar=similar, support=twin.memory.find(inward(body.answer)).support)


def _source(house: House, c: Any, names: bool) -> Source:
    quote = house.display.outward(c.quote) if names else c.quote
    return Source(record=c.record, quote=quote, score=c.score, title=c.title)
