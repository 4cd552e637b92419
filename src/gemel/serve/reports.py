"""Pages that stages wrote, links that open them once, the last audit, and what is stored about the owner as a file.

A page in a tab of its own cannot send a token, so a link is made for it: it opens one thing, once, for a minute.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi import Path as InPath
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel

from gemel.serve.access import need
from gemel.serve.export import FILE, export
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody
from gemel.workspace import Workspace

__all__ = ["Links", "opener", "router"]

ERRORS: dict[int | str, dict[str, Any]] = {s: {"model": ErrorBody} for s in (401, 403, 404, 421, 429, 503)}
router = APIRouter(prefix="/api", tags=["work"], responses=ERRORS)
opener = APIRouter()
SECONDS = 60
"""A link opens for so long."""
HEADERS = {
    # a page brings its own style and nothing else; the sandbox takes its origin away
    "content-security-policy": (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'; sandbox"
    ),
    "x-frame-options": "SAMEORIGIN",
}
Id = Annotated[str, InPath(max_length=200)]


class Report(BaseModel):
    """A page that a stage wrote."""

    id: str
    title: str
    changed: float


class Link(BaseModel):
    """Where a page opens, once."""

    path: str
    seconds: int = SECONDS


class AuditInfo(BaseModel):
    """What the voice that speaks now knows by heart, as `gemel audit` found it."""

    run: str
    passed: bool
    failures: list[str]
    exposure: float | None
    """Mean bits by which a canary is likelier than chance."""
    epsilon: float | None
    """Lower bound at 95 % confidence."""
    extraction: float | None
    """Share of training replies that come out verbatim."""
    membership: float | None
    """AUC; 0.5 is none."""
    canaries: int


class Links:
    """Links that were not opened yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: dict[str, tuple[float, Path]] = {}

    def make(self, path: Path) -> str:
        """A name of 256 random bits under which `path` opens."""
        name = secrets.token_urlsafe(32)
        with self._lock:
            now = time.monotonic()
            self._made = {k: v for k, v in self._made.items() if v[0] > now}
            self._made[name] = (now + SECONDS, path)
        return name

    def take(self, name: str) -> Path | None:
        """What a link opens; None when it is unknown, used or too old."""
        with self._lock:
            until, path = self._made.pop(name, (0.0, None))
        return path if time.monotonic() < until else None


@router.get("/reports")
async def reports(request: Request) -> list[Report]:
    """Pages that stages wrote: the portrait, the data set, training, likeness."""
    need(request, "names")
    found = _reports(request.app.state.house.workspace)
    return [Report(id=k, title=t, changed=p.stat().st_mtime) for k, (t, p) in found.items()]


@router.get("/reports/{report}", response_class=FileResponse)
async def report(request: Request, report: Id) -> FileResponse:
    """One page. It brings its own style, so its policy allows that and nothing else."""
    need(request, "names")
    return FileResponse(_report(request, report), headers=HEADERS)


@router.post("/reports/{report}/link", status_code=201)
async def link(request: Request, report: Id) -> Link:
    """A link that opens the page once, in a tab of its own."""
    need(request, "names")
    links: Links = request.app.state.links
    return Link(path=f"/open/{links.make(_report(request, report))}")


@opener.get("/open/{name}", include_in_schema=False)
async def open_link(request: Request, name: Id) -> Response:
    """What a link stands for; it needs no token, since it is one."""
    links: Links = request.app.state.links
    path = links.take(name)
    if path is None or not path.is_file():
        raise NotFound("this link was used or is too old")
    return FileResponse(path, headers=HEADERS)


@router.get("/audit")
async def audit(request: Request) -> AuditInfo:
    """The last audit of the voice that speaks now."""
    need(request, "chat")
    workspace: Workspace = request.app.state.house.workspace
    path = workspace.eval(workspace.current() or "-") / "audit.json"
    if not path.is_file():
        raise NotFound("this voice was not audited yet", hint="`gemel audit` audits it.")
    said = json.loads(path.read_text(encoding="utf-8"))
    finite = {
        k: v if isinstance(v, int | float) and v == v and abs(v) != float("inf") else None for k, v in said.items()
    }
    numbers = {k: finite[k] for k in ("exposure", "epsilon", "extraction", "membership")}
    return AuditInfo(
        run=said["run"], passed=said["passed"], failures=said["failures"], canaries=said["canaries"], **numbers
    )


@router.get("/privacy/export", response_class=Response)
async def exported(request: Request) -> Response:
    """Everything that is stored about the owner, as a zip: their own words, settings, talks, figures.

    Other people's words, the vault, tokens and weights are not in it.
    """
    need(request, "admin")
    need(request, "names")
    house: House = request.app.state.house
    with house.seat():
        data: bytes = await house.run(export, house.workspace, house.feedback)
    headers = {"content-disposition": f'attachment; filename="{FILE}"'}
    return Response(data, media_type="application/zip", headers=headers)


def _report(request: Request, name: str) -> Path:
    found = _reports(request.app.state.house.workspace)
    if name not in found:
        raise NotFound("there is no such report")
    return found[name][1]


def _reports(workspace: Workspace) -> dict[str, tuple[str, Path]]:
    out = {"portrait": ("Portrait", workspace.portrait / "portrait.html")}
    for folder, key, title in (
        ("dataset", "dataset", "Data set"),
        ("runs", "run", "Training"),
        ("evals", "likeness", "Likeness"),
    ):
        pages = sorted(workspace.root.glob(f"{folder}/*/report.html"))
        out |= {f"{key}-{p.parent.name}": (f"{title}: {p.parent.name}", p) for p in pages}
    return {k: v for k, v in out.items() if v[1].is_file()}
