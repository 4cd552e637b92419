"""Running the application with uvicorn: sockets, the pairing code, a graceful end."""

from __future__ import annotations

import socket
from collections.abc import Callable, Sequence
from types import FrameType
from typing import NamedTuple

import uvicorn

from gemel.config import Config
from gemel.errors import MissingStage, ResourceError
from gemel.serve.app import LOOPBACK, create_app
from gemel.serve.house import House
from gemel.serve.security import Devices
from gemel.workspace import Workspace

__all__ = ["Address", "issue", "serve"]


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int
    names: Sequence[str] = ()
    """Further names that a request may be addressed to."""

    @property
    def loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in ("localhost", "::1") or self.host.startswith("127.")

    @property
    def hosts(self) -> tuple[str, ...]:
        """Names that the Host header may have."""
        own = f"[{self.host}]" if ":" in self.host else self.host
        return (*LOOPBACK, own, *self.names)


def issue(workspace: Workspace, name: str, scopes: Sequence[str]) -> str:
    """A new token for a program; only its hash is kept."""
    workspace.prepare()
    return Devices(workspace.private / "devices.json").add(name, scopes)[1]


def serve(workspace: Workspace, config: Config, address: Address, *, told: Callable[[str], None]) -> None:
    """Serve until stopped; what runs then may finish.

    Raises:
        ResourceError: when the port is taken.
    """
    workspace.prepare()
    listening = _listen(address)
    port = listening.getsockname()[1]
    app = create_app(workspace, config, hosts=address.hosts)
    shown = f"[{address.host}]" if ":" in address.host else address.host
    told(_greeting(app.state.house))
    told(f"Page:  http://{shown}:{port}/#pair={app.state.devices.code()}   (opens once, within ten minutes)")
    told(f"API:   http://{shown}:{port}/v1   (`gemel serve --token NAME` makes a key for a program)")
    told("Ctrl-C ends it.")
    settings = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=30,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
        ws="none",
    )
    _Server(settings, app.state.house).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Says that it ends as soon as it is asked to: what follows a job without end then lets go."""

    def __init__(self, config: uvicorn.Config, house: House) -> None:
        super().__init__(config)
        self._house = house

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._house.draining = True
        super().handle_exit(sig, frame)


def _greeting(house: House) -> str:
    try:
        twin = house.twin()
    except MissingStage:
        return "There is no twin here yet: the page makes one."
    return f"{twin.disclosure}: {twin.answer}" + (f", voice {twin.run}" if twin.run else ", no voice yet")


def _listen(address: Address) -> socket.socket:
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address.host, address.port))
    except OSError as error:
        sock.close()
        raise ResourceError(
            f"port {address.port} of {address.host} cannot be taken", hint="Another server may run there: try --port 0."
        ) from error
    sock.listen(512)
    return sock
