"""What stands between the network and the twin: hosts, origins, sizes, devices with their tokens, headers.

Bound to loopback a server is still reached by every page the owner opens: a name that rebinds to
127.0.0.1 (DNS rebinding), cross-site requests that need no preflight, and other users of the machine.
So: an allow-list of hosts (421), origin and Sec-Fetch-Site checks (403), a token on every route (401), a
cap on bodies (413), and a content policy that runs nothing from elsewhere.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from gemel.workspace import atomic

__all__ = ["CSP", "OPEN", "SCOPES", "Device", "Devices", "Shield"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPES = ("chat", "names", "train", "admin")
"""chat: talk and judge; names: see real names; train: run jobs; admin: devices, people, consent."""
OPEN = frozenset(["/", "/health", "/api/pair", "/favicon.ico"])
"""Paths that need no token; nor do the files of the page under /static/, and links under /open/ are tokens."""
EXTENSIONS = ("chrome-extension://", "moz-extension://")
"""Origins that no web page can have: an extension that its user installed, which still needs a token."""
CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
_HEADERS = (
    (b"content-security-policy", CSP.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
CODE_SECONDS = 600
"""A pairing code works once, for so long."""
READ_AWAY = 2**24
"""Bytes of a refused body that are still read, so that its sender gets to see the answer."""
TRIES = 5
"""Wrong codes after which every waiting code is void."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Something that may talk to the server."""

    id: str
    name: str
    scopes: tuple[str, ...]
    token: str
    """SHA-256 of the token (which has 256 random bits), hex."""
    created: float
    used: float = 0.0


class Devices:
    """Tokens and pairing codes. Tokens are kept as hashes; a code lives in memory only.

    Args:
        path: the JSON file, mode 0600.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._codes: dict[str, tuple[float, tuple[str, ...]]] = {}
        self._failures = 0
        self._read = 0.0
        self._devices: dict[str, Device] = {}
        self._refresh()

    def code(self, scopes: Iterable[str] = SCOPES) -> str:
        """A new pairing code (40 bits, for people to type)."""
        alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
        code = "".join(secrets.choice(alphabet) for _ in range(8))
        with self._lock:
            self._failures = 0
            self._codes[code] = (time.monotonic() + CODE_SECONDS, tuple(scopes))
        return code

    def pair(self, code: str, name: str, *, only: Iterable[str] = SCOPES) -> tuple[Device, str] | None:
        """Exchange a code for a token; None when the code is wrong, used, or too old.

        Args:
            only: what the device asks for; it gets no more than the code gives.
        """
        with self._lock:
            wanted = code.strip().upper().replace("-", "")
            found = next((c for c in self._codes if hmac.compare_digest(c.encode(), wanted.encode())), None)
            until, scopes = self._codes.pop(found) if found else (0.0, ())
            if time.monotonic() >= until:
                self._failures += 1
                if self._failures >= TRIES:
                    self._codes.clear()
                return None
        return self.add(name, [s for s in scopes if s in set(only)])

    def add(self, name: str, scopes: Iterable[str]) -> tuple[Device, str]:
        """A new device and its token, which is shown this once."""
        token = f"gemel-{secrets.token_urlsafe(32)}"
        device = Device(
            id=secrets.token_hex(8), name=name[:80], scopes=tuple(scopes), token=_hash(token), created=time.time()
        )
        with self._lock:
            self._refresh()
            self._devices[device.id] = device
            self._write()
        return device, token

    def revoke(self, device: str) -> bool:
        """Take a device's token away; False when there is none of this id."""
        with self._lock:
            self._refresh()
            found = self._devices.pop(device, None) is not None
            if found:
                self._write()
            return found

    def all(self) -> list[Device]:
        """Every device, the oldest first."""
        with self._lock:
            self._refresh()
            return sorted(self._devices.values(), key=lambda d: d.created)

    def by_token(self, token: str) -> Device | None:
        """Whose token this is."""
        with self._lock:
            self._refresh()
            wanted = _hash(token)
            found = next((d for d in self._devices.values() if hmac.compare_digest(d.token, wanted)), None)
            if found is not None and time.time() - found.used > 60:
                found = self._devices[found.id] = replace(found, used=time.time())
            return found

    def _refresh(self) -> None:
        """Read the file again when another process wrote it."""
        if not self.path.exists():
            return
        changed = self.path.stat().st_mtime_ns
        if changed != self._read:
            rows = json.loads(self.path.read_text(encoding="utf-8"))
            self._devices = {row["id"]: Device(**{**row, "scopes": tuple(row["scopes"])}) for row in rows}
            self._read = changed

    def _write(self) -> None:
        with atomic(self.path) as path:
            path.write_text(json.dumps([asdict(d) for d in self._devices.values()], indent=1), encoding="utf-8")
            path.chmod(0o600)
        self._read = self.path.stat().st_mtime_ns


class Shield:
    """ASGI middleware that every request passes first.

    Args:
        app: what it stands before.
        devices: who may come in.
        hosts: names that the Host header may have, without port.
        disclosure: what every answer is headed with.
        max_body: bytes a request may bring; uploads have a cap of their own.
        max_upload: bytes under /api/inbox.
    """

    def __init__(
        self,
        app: App,
        *,
        devices: Devices,
        hosts: Iterable[str],
        disclosure: Callable[[], str],
        max_body: int = 2**20,
        max_upload: int = 2**33,
    ) -> None:
        self.app = app
        self.devices = devices
        self.hosts = frozenset(hosts)
        self.disclosure = disclosure
        self.max_body, self.max_upload = max_body, max_upload

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no websockets here
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refused = self._check(scope, headers)
        if refused is not None:
            await _refuse(send, *refused)
            return
        limit = self.max_upload if scope["path"].startswith("/api/inbox") else self.max_body
        if (size := int(headers.get("content-length") or 0)) > limit:
            if size <= READ_AWAY:
                await _read_away(receive)
            await _refuse(send, 413, "the request is too large", "too_large")
            return
        await self.app(scope, _capped(receive, limit), self._headed(send))

    def _check(self, scope: Scope, headers: dict[str, str]) -> tuple[int, str, str] | None:
        host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
        if host not in self.hosts:
            return 421, "this server does not answer under that name", "misdirected"
        origin = headers.get("origin")
        extension = origin is not None and origin.startswith(EXTENSIONS)
        if origin is not None and not extension and origin.partition("://")[2] != headers.get("host"):
            return 403, "requests from other sites are refused", "cross_site"
        if not extension and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return 403, "requests from other sites are refused", "cross_site"
        if not headers.get("content-length", "0").isdecimal():
            return 400, "the content length is not a number", "bad_request"
        path = scope["path"]
        if path in OPEN or path.startswith(("/static/", "/open/")):
            return None
        kind, _, token = headers.get("authorization", "").partition(" ")
        device = self.devices.by_token(token.strip()) if kind.lower() == "bearer" else None
        if device is None:
            return 401, "a token is needed: pair this device with the code that `gemel serve` shows", "no_token"
        scope["device"] = device
        return None

    def _headed(self, send: Send) -> Send:
        async def headed(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                said = self.disclosure().encode("ascii", "backslashreplace")
                extra = [*_HEADERS, (b"x-gemel-disclosure", said)]
                known = {k.lower() for k, _ in message.get("headers", [])}
                message["headers"] = [*message.get("headers", []), *(h for h in extra if h[0] not in known)]
            await send(message)

        return headed


class TooLarge(Exception):
    """A body without a length went past the cap."""


def _capped(receive: Receive, limit: int) -> Receive:
    taken = 0

    async def capped() -> MutableMapping[str, Any]:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > limit:
            raise TooLarge
        return message

    return capped


async def _read_away(receive: Receive) -> None:
    """Read a body and keep nothing of it."""
    while (message := await receive())["type"] == "http.request" and message.get("more_body"):
        pass


async def _refuse(send: Send, status: int, text: str, code: str) -> None:
    body = json.dumps({"error": {"message": text, "type": "invalid_request_error", "param": None, "code": code}})
    headers = [*_HEADERS, (b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body.encode()})


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
