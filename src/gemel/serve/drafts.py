"""Replies drafted in other programs (the browser extension), and what their owner made of them.

A device that may only chat can write here and read nothing back: what the twin drafted, what was sent
instead, and to whom, kept as a conversation of its own, where retraining finds it beside all other feedback.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from gemel.feedback import Said
from gemel.serve.access import need
from gemel.serve.house import House
from gemel.serve.own import ERRORS
from gemel.serve.shapes import Strict

__all__ = ["router"]

router = APIRouter(prefix="/api", tags=["twin"], responses=ERRORS)
Text = Annotated[str, StringConstraints(max_length=20_000)]


class DraftRequest(Strict):
    """A draft, and what became of it."""

    asked: Text = ""
    """What it answers."""
    draft: Text = Field(min_length=1)
    final: Text = Field(min_length=1)
    """What the owner put in its place; the same as the draft when nothing was changed."""
    recipient: str = Field(default="", max_length=100)
    speaker: str = Field(default="", max_length=100)
    """Model id that drafted it."""


class DraftKept(BaseModel):
    """The draft as kept."""

    id: str
    edited: bool


@router.post("/drafts", status_code=201)
async def keep(request: Request, body: DraftRequest) -> DraftKept:
    """Keep a draft: an edit where the owner changed it, a good rating where not."""
    need(request, "chat")
    house: House = request.app.state.house
    return await house.run(_keep, house, body)  # type: ignore[no-any-return]


def _keep(house: House, body: DraftRequest) -> DraftKept:
    store = house.feedback
    talk = store.begin("Drafts", recipient=body.recipient)
    parent = None
    if asked := _parts(body.asked):
        parent = store.add(talk, Said(role="other", parts=asked, name=body.recipient))
    drafted, final = _parts(body.draft), _parts(body.final)
    version, extra = house.version_of(body.speaker), {"origin": "draft"}
    turn = Said(role="me", parts=drafted, parent=parent, speaker=body.speaker, version=version, extra=extra)
    said = store.add(talk, turn)
    if final == drafted:
        store.rate(said, 1)
    else:
        store.edit(said, final)
    return DraftKept(id=said, edited=final != drafted)


def _parts(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.split("\n") if line.strip())
