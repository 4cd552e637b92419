"""Routes of talks with the twin and of judgement on them: turns, ratings, edits, rules, votes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field, StringConstraints

from gemel.errors import DataError
from gemel.feedback import Said, Vote
from gemel.serve.access import need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.own import ERRORS, Done, Key, Words
from gemel.serve.shapes import Strict

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["twin"], responses=ERRORS)
T = TypeVar("T")


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


@router.get("/conversations")
async def conversations(request: Request, q: Annotated[str, Query(max_length=200)] = "") -> list[ConversationInfo]:
    """All talks, or those in which something was said, the latest first."""
    need(request, "names")
    house: House = request.app.state.house
    rows = await house.run(house.feedback.search, q) if q else await house.run(house.feedback.conversations)
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
        version=await house.run(house.version_of, body.speaker) if body.role == "me" else "",
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
