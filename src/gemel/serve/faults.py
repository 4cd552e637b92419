"""Errors on their way out: gemel's tree, validation and the unexpected, all in OpenAI's envelope.

Nothing that a person wrote is quoted, and no traceback leaves the server.
"""

from __future__ import annotations

import logging
from typing import Any

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException as StarletteHTTPException

from gemel.errors import Busy, DataError, GemelError, Missing, MissingModel, Refused, RemoteError, ResourceError
from gemel.serve.security import TooLarge

__all__ = ["Forbidden", "NoModel", "NotFound", "envelope", "install"]

log = logging.getLogger("gemel.serve")


class NotFound(GemelError):
    """There is nothing of this id."""

    code = "not_found"


class NoModel(NotFound):
    """There is no model of this id."""

    code = "model_not_found"


class Forbidden(Refused):
    """The device's scopes do not allow it."""


_STATUS: tuple[tuple[type[BaseException], int], ...] = (
    (NotFound, 404),
    (Busy, 429),
    (ResourceError, 503),
    (Refused, 403),
    (RemoteError, 503),
    (MissingModel, 409),
    (Missing, 409),
    (DataError, 400),
    (GemelError, 400),
)


def envelope(error: BaseException) -> tuple[int, dict[str, Any]]:
    """HTTP status and body for an error."""
    if isinstance(error, TooLarge) or isinstance(error.__cause__, TooLarge):
        return 413, _body("the request is too large", 413, "too_large")
    if isinstance(error, GemelError):
        code = error.code if isinstance(error, NotFound) else type(error).__name__.lower()
        return _status(error), _body(error.message, _status(error), code, hint=error.hint)
    if isinstance(error, RequestValidationError):
        first = error.errors()[0]
        where = ".".join(str(p) for p in first["loc"] if p != "body")
        known = {"extra_forbidden": "unknown_parameter", "missing": "missing_parameter"}
        said = "is not supported" if first["type"] == "extra_forbidden" else str(first["msg"]).lower()
        return 400, _body(f"{where or 'the body'}: {said}"[:300], 400, known.get(first["type"], "invalid_value"), where)
    if isinstance(error, StarletteHTTPException | HTTPException):
        return error.status_code, _body(str(error.detail)[:200], error.status_code, "http")
    log.error("unexpected %s in a request", type(error).__name__)
    return 500, _body("something went wrong inside gemel", 500, "internal")


def install(app: FastAPI) -> None:
    """Let every error of the app leave by `envelope`."""

    async def leave(_request: Request, error: Exception) -> JSONResponse:
        status, body = envelope(error)
        headers = {"retry-after": "2"} if status in (429, 503) else {}
        return JSONResponse(body, status_code=status, headers=headers)

    for kind in (GemelError, TooLarge, RequestValidationError, StarletteHTTPException, Exception):
        app.add_exception_handler(kind, leave)


def _status(error: GemelError) -> int:
    return next(status for kind, status in _STATUS if isinstance(error, kind))


def _body(message: str, status: int, code: str, param: str | None = None, *, hint: str = "") -> dict[str, Any]:
    kind = "invalid_request_error" if status < 500 and status != 429 else "server_error"
    if status == 429:
        kind = "rate_limit_error"
    return {"error": {"message": message, "type": kind, "param": param or None, "code": code, "hint": hint or None}}
