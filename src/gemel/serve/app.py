"""The application: OpenAI's routes, gemel's own, the page, health and metrics, behind the shield.

`create_app` builds it for a workspace; `gemel serve` runs it with uvicorn. The plain page under
`static/` works without a build; where the bundle of the web app is installed, that is served instead.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal

from fastapi import FastAPI, Request, Response
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel

from gemel import __version__
from gemel.config import Config
from gemel.serve import (
    chats,
    compare,
    drafts,
    faults,
    improve,
    likeness,
    monitor,
    openai,
    own,
    people,
    plan,
    reports,
    synth,
    talks,
    traits,
    work,
)
from gemel.serve.access import need
from gemel.serve.explorer import Desk
from gemel.serve.house import House
from gemel.serve.jobs import Jobs
from gemel.serve.security import Devices, Shield
from gemel.workspace import Workspace

__all__ = ["LOOPBACK", "STATIC", "create_app", "page"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
STATIC = Path(__file__).parent / "static"
"""The plain page."""


class Health(BaseModel):
    """Whether the server answers."""

    status: Literal["ok", "draining"]


def page() -> Path:
    """The folder of the page: the bundle where it is installed, else the plain one."""
    bundle = STATIC / "app"
    return bundle if (bundle / "index.html").exists() else STATIC


def create_app(
    workspace: Workspace, config: Config, *, hosts: Iterable[str] = LOOPBACK, folder: Path | None = None
) -> FastAPI:
    """The application for one workspace.

    Args:
        hosts: names it answers under.
        folder: of the page; None: the bundle where it is installed, else the plain one.
    """
    house = House(workspace, config)
    devices = Devices(workspace.private / "devices.json")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        clock = asyncio.create_task(improve.Clock(workspace, config, app.state.jobs, app.state.lookout).run())
        yield
        clock.cancel()
        await house.drain()

    app = FastAPI(
        title="gemel",
        version=__version__,
        description="A digital twin, served to its owner. Every answer is an AI imitation and says so in a header.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    app.state.house, app.state.devices = house, devices
    app.state.jobs = Jobs(workspace)
    app.state.desk, app.state.planner = Desk(workspace, config), plan.Planner(workspace, config)
    app.state.links = reports.Links()
    app.state.arena, app.state.lookout = compare.Arena(house), monitor.Lookout(house)
    faults.install(app)
    for part in (
        openai,
        own,
        people,
        chats,
        work,
        drafts,
        likeness,
        plan,
        reports,
        synth,
        talks,
        traits,
        compare,
        improve,
        monitor,
    ):
        app.include_router(part.router)
    app.include_router(reports.opener)
    folder = folder or page()

    @app.get("/", include_in_schema=False)
    async def index() -> FileResponse:
        return FileResponse(folder / "index.html")

    @app.get("/favicon.ico", include_in_schema=False)
    async def icon() -> Response:
        return Response(status_code=204)

    @app.get("/health", tags=["server"])
    async def health() -> Health:
        """Whether the server answers; needs no token and tells nothing else."""
        return Health(status="draining" if house.draining else "ok")

    @app.get("/metrics", tags=["server"], response_class=Response)
    async def metrics(request: Request) -> Response:
        """Figures in Prometheus' format."""
        need(request, "admin")
        return Response(house.metrics.text(), media_type="text/plain; version=0.0.4")

    app.mount("/static", StaticFiles(directory=folder), name="static")
    app.add_middleware(Shield, devices=devices, hosts=hosts, disclosure=lambda: house.disclosure)
    return app
