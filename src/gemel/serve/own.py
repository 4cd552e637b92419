"""gemel's own routes: the twin, its memory, why it said something, conversations and judgement."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from gemel.errors import DataError, NotAScorer
from gemel.examples import Role, Turn
from gemel.feedback import Said, Vote
from gemel.model.voice import Voice
from gemel.serve.access import granted, need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody, Source, Strict
from gemel.workspace import Manifest

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/api", tags=["twin"], responses=ERRORS)
T = TypeVar("T")
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


class ConversationInfo(BaseModel):
    """A talk with the twin."""

    id: str
    title: str
    recipient: str
    created: float
    changed: float


class NewConversation(Strict):
    """Begin a talk."""

    title: str = Field(default="", max_length=200)
    recipient: str = Field(default="", max_length=100)


class Rename(Strict):
    """Another title."""

    title: str = Field(max_length=200)


class SaidInfo(BaseModel):
    """One turn of a talk."""

    id: str
    parent: str | None
    role: Literal["me", "other"]
    """me: the twin; other: the owner."""
    name: str
    parts: list[str]
    speaker: str
    time: float
    rating: int
    edit: list[str]
    extra: dict[str, Any]


class NewSaid(Strict):
    """A turn to keep."""

    role: Literal["me", "other"]
    parts: list[Annotated[str, StringConstraints(max_length=20_000)]] = Field(min_length=1, max_length=200)
    name: str = Field(default="", max_length=100)
    parent: str | None = Field(default=None, max_length=40)
    speaker: str = Field(default="", max_length=100)
    extra: dict[str, str | float | bool | None] = Field(default_factory=dict, max_length=20)


class Rating(Strict):
    """1 sounds like me, -1 does not, 0 takes it back."""

    value: Literal[-1, 0, 1]


class EditRequest(Strict):
    """What the owner would have said; empty takes it back."""

    parts: list[Annotated[str, StringConstraints(max_length=20_000)]] = Field(max_length=200)


class RuleInfo(BaseModel):
    """Something that always holds."""

    id: str
    text: str


class NewRule(Strict):
    """Something that shall always hold."""

    text: Words


class VoteRequest(Strict):
    """One blind choice between two systems."""

    question: str = Field(max_length=100)
    a: str = Field(max_length=100)
    b: str = Field(max_length=100)
    choice: Literal["a", "b", "tie"]


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


@router.get("/conversations")
async def conversations(request: Request) -> list[ConversationInfo]:
    """All talks, the latest first."""
    need(request, "names")
    house: House = request.app.state.house
    rows = await house.run(house.feedback.conversations)
    return [ConversationInfo(**row._asdict()) for row in rows]


@router.post("/conversations", status_code=201)
async def begin(request: Request, body: NewConversation) -> ConversationInfo:
    """Begin a talk."""
    need(request, "names")
    house: House = request.app.state.house
    number = await house.run(lambda: house.feedback.begin(body.title, recipient=body.recipient))
    rows = await house.run(house.feedback.conversations)
    return next(ConversationInfo(**row._asdict()) for row in rows if row.id == number)


@router.patch("/conversations/{conversation}")
async def rename(request: Request, conversation: Key, body: Rename) -> Done:
    """Give a talk another title."""
    need(request, "names")
    house: House = request.app.state.house
    return _found(await house.run(house.feedback.rename, conversation, body.title))


@router.delete("/conversations/{conversation}")
async def delete(request: Request, conversation: Key) -> Done:
    """Delete a talk with all judgement on it."""
    need(request, "names")
    house: House = request.app.state.house
    return _found(await house.run(house.feedback.delete, conversation))


@router.get("/conversations/{conversation}/messages")
async def messages(request: Request, conversation: Key) -> list[SaidInfo]:
    """Every turn of a talk, all branches."""
    need(request, "names")
    house: House = request.app.state.house
    return [_said(s) for s in await house.run(house.feedback.messages, conversation)]


@router.post("/conversations/{conversation}/messages", status_code=201)
async def add(request: Request, conversation: Key, body: NewSaid) -> SaidInfo:
    """Keep a turn."""
    need(request, "names")
    house: House = request.app.state.house
    said = Said(
        role=body.role,
        parts=tuple(body.parts),
        name=body.name,
        parent=body.parent,
        speaker=body.speaker,
        extra=body.extra,
    )
    await house.run(_or_none, house.feedback.add, conversation, said)
    return _said(said)


@router.put("/messages/{message}/rating")
async def rate(request: Request, message: Key, body: Rating) -> Done:
    """Sounds like me, or not."""
    need(request, "names")
    house: House = request.app.state.house
    await house.run(_or_none, house.feedback.rate, message, body.value)
    return Done()


@router.put("/messages/{message}/edit")
async def edit(request: Request, message: Key, body: EditRequest) -> Done:
    """What the owner would have said."""
    need(request, "names")
    house: House = request.app.state.house
    await house.run(_or_none, house.feedback.edit, message, body.parts)
    return Done()


@router.get("/rules")
async def rules(request: Request) -> list[RuleInfo]:
    """What always holds."""
    need(request, "names")
    house: House = request.app.state.house
    return [RuleInfo(id=r.id, text=r.text) for r in await house.run(house.feedback.rules)]


@router.post("/rules", status_code=201)
async def add_rule(request: Request, body: NewRule) -> RuleInfo:
    """Let something always hold."""
    need(request, "names")
    house: House = request.app.state.house
    number = await house.run(house.feedback.add_rule, body.text)
    await house.run(house.renew)
    return RuleInfo(id=number, text=body.text)


@router.delete("/rules/{rule}")
async def remove_rule(request: Request, rule: Key) -> Done:
    """Forget a rule."""
    need(request, "names")
    house: House = request.app.state.house
    done = _found(await house.run(house.feedback.remove_rule, rule))
    await house.run(house.renew)
    return done


@router.post("/votes", status_code=201)
async def vote(request: Request, body: VoteRequest) -> Done:
    """One blind choice between two systems."""
    need(request, "chat")
    house: House = request.app.state.house
    await house.run(house.feedback.vote, Vote(body.question, body.a, body.b, body.choice))
    return Done()


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


def _said(said: Said) -> SaidInfo:
    return SaidInfo(
        id=said.id,
        parent=said.parent,
        role="me" if said.role == "me" else "other",
        name=said.name,
        parts=list(said.parts),
        speaker=said.speaker,
        time=said.time,
        rating=said.rating,
        edit=list(said.edit),
        extra=dict(said.extra),
    )


def _found(there: bool) -> Done:
    if not there:
        raise NotFound("there is nothing of this id")
    return Done()


def _or_none(call: Callable[..., T], *args: Any) -> T:
    """The store's "no such row" is a 404 here."""
    try:
        return call(*args)
    except DataError as error:
        raise NotFound(error.message) from error
