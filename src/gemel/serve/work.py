"""Routes of long work: what is brought, and the jobs that work on it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from gemel.errors import DataError
from gemel.serve.access import need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.jobs import Job, Jobs
from gemel.serve.own import Done
from gemel.serve.plan import available
from gemel.serve.shapes import ErrorBody, Strict
from gemel.workspace import Workspace, atomic

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/api", tags=["work"], responses=ERRORS)
Name = Annotated[str, Path(pattern=r"^[^/\\\x00-\x1f]{1,200}$")]
Key = Annotated[str, Path(pattern="^[0-9a-f]{8,40}$")]


class Upload(BaseModel):
    """A file that was brought."""

    name: str
    bytes: int


class JobRequest(Strict):
    """What to do."""

    kind: Literal["import", "build", "remember", "train", "evaluate", "audit", "make", "improve"]
    files: list[Annotated[str, Field(max_length=200)]] = Field(default_factory=list, max_length=100)
    """Names of uploads, for import and make."""
    me: str = Field(default="", max_length=200)
    minutes: float | None = Field(default=None, gt=0, le=10_000)
    base: str = Field(default="", max_length=200)
    """Base to train, for train and make: one that `/api/plan` has at hand; "": as configured."""


class JobInfo(BaseModel):
    """A piece of work."""

    id: str
    kind: str
    state: Literal["running", "done", "failed", "stopped", "lost"]
    created: float
    finished: float
    summary: str
    error: str
    hint: str
    candidates: list[str]
    """Who may be the owner, where an import could not tell: start it again with one of them as `me`."""
    params: dict[str, Any]


@router.put("/inbox/{name}", status_code=201)
async def bring(request: Request, name: Name) -> Upload:
    """Bring an export, as the raw body. Nothing is unpacked here."""
    need(request, "train")
    workspace: Workspace = request.app.state.house.workspace
    if name.startswith(".") or name.endswith((" ", ".")) or re.search(r'[<>:"|?*]', name):
        raise DataError("a file may not have that name")
    size = 0
    with atomic(workspace.root / "uploads" / name) as path:
        with path.open("wb") as file:
            async for chunk in request.stream():
                size += len(chunk)
                await asyncio.to_thread(file.write, chunk)
        path.chmod(0o600)
    return Upload(name=name, bytes=size)


@router.get("/inbox")
async def brought(request: Request) -> list[Upload]:
    """What was brought."""
    need(request, "train")
    folder = request.app.state.house.workspace.root / "uploads"
    files = sorted(folder.glob("[!.]*")) if folder.exists() else []
    return [Upload(name=f.name, bytes=f.stat().st_size) for f in files]


@router.delete("/inbox/{name}")
async def drop(request: Request, name: Name) -> Done:
    """Delete what was brought."""
    need(request, "train")
    path = request.app.state.house.workspace.root / "uploads" / name
    if name.startswith(".") or not path.is_file():
        raise NotFound("there is no such file")
    path.unlink()
    return Done()


@router.get("/jobs")
async def jobs(request: Request) -> list[JobInfo]:
    """All jobs, the newest first."""
    need(request, "train")
    held: Jobs = request.app.state.jobs
    return [_info(j) for j in await asyncio.to_thread(held.all)]


@router.post("/jobs", status_code=201)
async def start(request: Request, body: JobRequest) -> JobInfo:
    """Start a job; it survives a reload of the page and a restart of the server."""
    need(request, "train")
    held: Jobs = request.app.state.jobs
    folder = held.workspace.root / "uploads"
    if missing := [n for n in body.files if "/" in n or "\\" in n or n.startswith(".") or not (folder / n).is_file()]:
        raise NotFound(f"{len(missing)} of the files were not brought", hint="PUT /api/inbox/NAME brings one.")
    configured = request.app.state.house.config.model.base
    if body.base and not await asyncio.to_thread(available, body.base, configured):
        raise NotFound("this base is not on this machine", hint="Nothing is fetched: put its folder in gemel.toml.")
    params = body.model_dump(exclude={"kind"}, exclude_none=True)
    return _info(await asyncio.to_thread(held.start, body.kind, params))


@router.get("/jobs/{job}")
async def job(request: Request, job: Key) -> JobInfo:
    """One job."""
    need(request, "train")
    return _info(await _job(request, job))


@router.post("/jobs/{job}/stop")
async def stop(request: Request, job: Key) -> Done:
    """Stop a job; the same job started again goes on where it was."""
    need(request, "train")
    held: Jobs = request.app.state.jobs
    await _job(request, job)
    return Done(done=await asyncio.to_thread(held.stop, job))


@router.get("/jobs/{job}/events", response_class=StreamingResponse)
async def events(
    request: Request, job: Key, last_event_id: Annotated[str, Header(max_length=20)] = ""
) -> StreamingResponse:
    """Progress as server-sent events; `Last-Event-ID` goes on after a reload. Ends with an event `end`."""
    need(request, "train")
    await _job(request, job)
    after = int(last_event_id) if last_event_id.isdecimal() and last_event_id.isascii() else 0
    return StreamingResponse(_follow(request, job, after), media_type="text/event-stream")


async def _follow(request: Request, number: str, after: int) -> AsyncIterator[str]:
    held: Jobs = request.app.state.jobs
    house: House = request.app.state.house
    while True:
        found = await asyncio.to_thread(held.get, number)
        for at, line in await asyncio.to_thread(held.events, number, after):
            after = at
            yield f"id: {at}\nevent: progress\ndata: {line}\n\n"
        if found is None or found.state != "running":
            said = _info(found).model_dump() if found else {}
            yield f"event: end\ndata: {json.dumps(said, ensure_ascii=False)}\n\n"
            return
        if house.draining:
            return
        yield ": still here\n\n"
        await asyncio.sleep(0.5)


async def _job(request: Request, number: str) -> Job:
    held: Jobs = request.app.state.jobs
    found = await asyncio.to_thread(held.get, number)
    if found is None:
        raise NotFound("there is no such job")
    return found


def _info(job: Job) -> JobInfo:
    return JobInfo(
        id=job.id,
        kind=job.kind,
        state=job.state,  # type: ignore[arg-type]
        created=job.created,
        finished=job.finished,
        summary=job.summary,
        error=job.error,
        hint=job.hint,
        candidates=list(job.candidates),
        params=dict(job.params),
    )
