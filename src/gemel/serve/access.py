"""What a device may do, asked inside a route; that it has a token at all was checked before."""

from __future__ import annotations

from fastapi import Request

from gemel.serve.faults import Forbidden
from gemel.serve.security import Device

__all__ = ["granted", "need"]


def granted(request: Request, scope: str) -> bool:
    """Whether the device that asks has this scope."""
    device: Device = request.scope["device"]
    return scope in device.scopes


def need(request: Request, scope: str) -> None:
    """Let a request pass that has the scope.

    Raises:
        Forbidden: when it has not.
    """
    if not granted(request, scope):
        raise Forbidden(
            f"this device may not do that: it lacks the scope '{scope}'", hint="Pair it again with that scope."
        )
