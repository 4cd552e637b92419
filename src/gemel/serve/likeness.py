"""How alike the twin is, as the last evaluation of the speaking voice found it: verdict and scores as data."""

from __future__ import annotations

import json
from typing import Any

from fastapi import APIRouter, Request
from pydantic import BaseModel

from gemel.serve.access import need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {s: {"model": ErrorBody} for s in (401, 403, 404, 421)}
router = APIRouter(prefix="/api", tags=["twin"], responses=ERRORS)


class VerdictInfo(BaseModel):
    """What the scores come to."""

    sentence: str
    level: str
    reasons: list[str]
    warnings: list[str]


class ScoreInfo(BaseModel):
    """One metric of one system, with its 95 % interval where there is one."""

    metric: str
    system: str
    value: float | None
    unit: str = ""
    better: str = ""
    low: float | None = None
    high: float | None = None
    refused: str = ""
    group: str = ""


class Likeness(BaseModel):
    """An evaluation."""

    run: str
    verdict: VerdictInfo
    scores: list[ScoreInfo]


@router.get("/likeness")
async def likeness(request: Request) -> Likeness:
    """The evaluation of the voice that speaks now."""
    need(request, "chat")
    house: House = request.app.state.house
    run = house.workspace.current() or ""
    path = house.workspace.root / "evals" / run / "scores.json"
    if not run or not path.is_file():
        raise NotFound("this voice was not measured yet", hint="`gemel evaluate` measures it.")
    return Likeness.model_validate(json.loads(path.read_text(encoding="utf-8")))
