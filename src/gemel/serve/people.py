"""Routes of who may do what: pairing and devices, people and their consent, what is stored, forgetting."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Path, Request
from pydantic import BaseModel, Field

from gemel.people import Consent
from gemel.pipeline.forget import forget, set_consent
from gemel.privacy.holdings import holdings
from gemel.serve.access import need
from gemel.serve.faults import Forbidden, NotFound
from gemel.serve.house import House
from gemel.serve.own import Done
from gemel.serve.security import SCOPES, Device, Devices
from gemel.serve.shapes import ErrorBody, Strict

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/api", tags=["privacy"], responses=ERRORS)
Scope = Literal["chat", "names", "train", "admin"]


class PairRequest(Strict):
    """The code that `gemel serve` shows."""

    code: str = Field(min_length=4, max_length=20)
    name: str = Field(default="a browser", min_length=1, max_length=80)
    scopes: list[Scope] = Field(default_factory=lambda: list(get_args(Scope)), min_length=1, max_length=4)
    """What the device wants to do; it gets no more than the code gives."""


class Paired(BaseModel):
    """The token of this device; it is shown this once."""

    id: str
    token: str
    scopes: list[str]


class DeviceInfo(BaseModel):
    """Something that may talk to the server."""

    id: str
    name: str
    scopes: list[str]
    created: float
    used: float
    this: bool
    """It is the device that asks."""


class CodeRequest(Strict):
    """What another device shall be allowed to do."""

    scopes: list[Scope] = Field(default=["chat"], min_length=1, max_length=4)


class Code(BaseModel):
    """A pairing code: works once, for ten minutes."""

    code: str
    seconds: int = 600


class PersonInfo(BaseModel):
    """Somebody of the chats."""

    id: str
    name: str
    me: bool
    consent: Literal["include", "context", "exclude"]
    names: list[str]


class ConsentRequest(Strict):
    """What somebody's messages may be used for."""

    consent: Literal["include", "context", "exclude"]


class ForgetRequest(Strict):
    """What to forget, for good."""

    kind: Literal["person", "thread", "message", "source"]
    which: str = Field(min_length=1, max_length=200)


class ForgottenInfo(BaseModel):
    """What was deleted, by place."""

    records: int
    counts: dict[str, int]
    runs: list[str]
    """Voices that may not speak until trained again."""


class StoredInfo(BaseModel):
    """What is stored, replaced and sent; the parts of `gemel privacy report --json`."""

    places: list[dict[str, Any]]
    people: list[dict[str, Any]]
    replaced: dict[str, int]
    entities: dict[str, int]
    topics: dict[str, int]
    own_records: int
    sent: list[dict[str, Any]]
    unservable: list[str]


@router.post("/pair", status_code=201)
async def pair(request: Request, body: PairRequest) -> Paired:
    """Exchange a pairing code for a token."""
    devices: Devices = request.app.state.devices
    found = devices.pair(body.code, body.name, only=body.scopes)
    if found is None:
        raise Forbidden("this code is wrong, used or too old", hint="`gemel serve` shows a new one.")
    device, token = found
    return Paired(id=device.id, token=token, scopes=list(device.scopes))


@router.get("/devices")
async def devices(request: Request) -> list[DeviceInfo]:
    """Who may talk to this server."""
    need(request, "admin")
    held: Devices = request.app.state.devices
    this: Device = request.scope["device"]
    return [
        DeviceInfo(id=d.id, name=d.name, scopes=list(d.scopes), created=d.created, used=d.used, this=d.id == this.id)
        for d in held.all()
    ]


@router.post("/devices/code", status_code=201)
async def code(request: Request, body: CodeRequest) -> Code:
    """A code to pair another device with."""
    need(request, "admin")
    held: Devices = request.app.state.devices
    return Code(code=held.code([s for s in SCOPES if s in body.scopes]))


@router.delete("/devices/{device}")
async def revoke(request: Request, device: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]) -> Done:
    """Take a device's token away."""
    need(request, "admin")
    held: Devices = request.app.state.devices
    if not held.revoke(device):
        raise NotFound("there is no such device")
    return Done()


@router.get("/people")
async def people(request: Request) -> list[PersonInfo]:
    """Everyone in the chats."""
    need(request, "admin")
    house: House = request.app.state.house
    return [
        PersonInfo(id=p.id, name=p.name, me=p.me, consent=p.consent.value, names=list(p.names))
        for p in await house.run(house.workspace.people)
    ]


@router.put("/people/{person}/consent")
async def consent(
    request: Request, person: Annotated[str, Path(min_length=1, max_length=200)], body: ConsentRequest
) -> PersonInfo:
    """Set what somebody's messages may be used for; excluding clears what was made of them."""
    need(request, "admin")
    house: House = request.app.state.house
    if house.workspace.people().by_id(person) is None:
        raise NotFound("there is no such person")
    await house.run(set_consent, house.workspace, person, Consent(body.consent))
    house.wipe()
    found = house.workspace.people().by_id(person)
    assert found is not None
    return PersonInfo(id=found.id, name=found.name, me=found.me, consent=found.consent.value, names=list(found.names))


@router.post("/forget")
async def forgetting(request: Request, body: ForgetRequest) -> ForgottenInfo:
    """Forget somebody, a thread, a message or a source, everywhere."""
    need(request, "admin")
    house: House = request.app.state.house
    done = await house.run(forget, house.workspace, body.kind, body.which)
    house.wipe()
    return ForgottenInfo(records=done.records, counts=dict(done.counts), runs=list(done.runs))


@router.get("/privacy")
async def privacy(request: Request) -> StoredInfo:
    """What is stored, replaced and sent. Reads every record: slow on large corpora."""
    need(request, "admin")
    house: House = request.app.state.house
    found = await house.run(holdings, house.workspace, house.config)
    return StoredInfo(**found.to_dict())
