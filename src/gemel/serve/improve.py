"""Routes of learning on: rounds, promotion and going back, what was said about the twin; and the schedule."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

from gemel.config import Config
from gemel.errors import GemelError
from gemel.feedback import Judged
from gemel.improve.schedule import DAY, Due, due
from gemel.pipeline.promote import ensure_good, promote, roll_back, runs
from gemel.pipeline.retrain import accept, aside, brought, rounds
from gemel.serve.access import need
from gemel.serve.faults import NotFound
from gemel.serve.house import House
from gemel.serve.jobs import Jobs
from gemel.serve.monitor import Lookout
from gemel.serve.own import ERRORS, Done, Key
from gemel.serve.shapes import Strict
from gemel.workspace import Workspace

__all__ = ["Clock", "router"]

router = APIRouter(prefix="/api", tags=["improve"], responses=ERRORS)
Run = Annotated[str, Path(pattern=r"^[\w][\w.-]{0,119}$")]
TICK = 60.0
"""Seconds between two looks at the schedule."""


class VoiceInfo(BaseModel):
    """A trained voice and what the gate said of it."""

    id: str
    current: bool
    finished: float
    start: str
    """The voice it went on from; empty for the base."""
    bits: float | None
    outcome: str
    """promoted, proposed, kept, or empty where no gate was asked."""
    reasons: list[str]
    trouble: str
    """Why it cannot speak; empty when it can."""


class RoundInfo(BaseModel):
    """One round of learning on."""

    number: int
    began: float
    ended: float
    current: str
    candidate: str
    outcome: str
    """promoted, proposed, kept, set aside, nothing; empty while it is not over."""
    reasons: list[str]
    steps: dict[str, str]


class ImproveInfo(BaseModel):
    """Where learning on stands."""

    scheduled: bool
    """The server retrains by itself."""
    due: bool
    why: str
    at: float
    """When it is due by the calendar, seconds since the epoch."""
    set_aside: int
    """Records that were not learned because they do not look like the person's."""
    voices: list[VoiceInfo]
    rounds: list[RoundInfo]


class PromoteRequest(Strict):
    """Make a voice the twin."""

    anyway: bool = False
    """Also when the gate kept it back."""


class Promoted(BaseModel):
    """Which voice is the twin now."""

    run: str


class JudgedInfo(BaseModel):
    """An answer of the twin that was judged."""

    id: str
    conversation: str
    title: str
    recipient: str
    consent: Literal["train", "keep"]
    parts: list[str]
    edit: list[str]
    rating: int
    speaker: str
    version: str
    """Run that said it."""
    time: float


class ConsentRequest(Strict):
    """What a conversation may be used for."""

    consent: Literal["train", "keep"]


@router.get("/improve")
async def state(request: Request) -> ImproveInfo:
    """Voices, rounds, and when the next one is due."""
    need(request, "train")
    house: House = request.app.state.house
    info: ImproveInfo = await house.run(_state, house.workspace, house.config)
    return info


@router.post("/improve/accept")
async def accept_aside(request: Request) -> Done:
    """Let what was set aside be learned from after all, at the next round."""
    need(request, "train")
    house: House = request.app.state.house
    return Done(done=await house.run(accept, house.workspace) > 0)


@router.post("/runs/{run}/promote")
async def promote_run(request: Request, run: Run, body: PromoteRequest) -> Promoted:
    """Make a voice the twin, in one atomic change; a damaged one is refused."""
    need(request, "train")
    house: House = request.app.state.house
    if not (house.workspace.run(run) / "manifest.json").is_file():
        raise NotFound("there is no such voice")
    await house.run(lambda: promote(house.workspace, run, reason="promoted in the app", anyway=body.anyway))
    return Promoted(run=run)


@router.post("/rollback")
async def rollback(request: Request) -> Promoted:
    """Go back to the voice that was the twin before."""
    need(request, "train")
    house: House = request.app.state.house
    return Promoted(run=await house.run(roll_back, house.workspace))


@router.get("/feedback")
async def feedback(request: Request) -> list[JudgedInfo]:
    """Every judged answer, the latest conversation first."""
    need(request, "names")
    house: House = request.app.state.house
    return [_judged(j) for j in await house.run(house.feedback.judged)]


@router.get("/feedback/export", response_class=StreamingResponse)
async def export(request: Request) -> StreamingResponse:
    """Conversations with their judgement, rules and votes, as JSON lines with real names."""
    need(request, "names")
    house: House = request.app.state.house

    def lines() -> Iterator[str]:
        for row in house.feedback.export():
            yield json.dumps(row, ensure_ascii=False) + "\n"

    headers = {"content-disposition": 'attachment; filename="feedback.jsonl"'}
    return StreamingResponse(lines(), media_type="application/x-ndjson", headers=headers)


@router.put("/conversations/{conversation}/consent")
async def consent(request: Request, conversation: Key, body: ConsentRequest) -> Done:
    """Say whether corrections in a talk may be learned from."""
    need(request, "names")
    house: House = request.app.state.house
    if not await house.run(house.feedback.allow, conversation, body.consent):
        raise NotFound("there is no such conversation")
    return Done()


def _state(workspace: Workspace, config: Config) -> ImproveInfo:
    now = when(workspace, config)
    return ImproveInfo(
        scheduled=config.improve.scheduled,
        due=now.now,
        why=now.reason,
        at=now.at,
        set_aside=len(aside(workspace)),
        voices=[
            VoiceInfo(
                id=r.id,
                current=r.current,
                finished=r.finished,
                start=r.start,
                bits=r.bits,
                outcome=r.outcome,
                reasons=list(r.reasons),
                trouble=r.trouble,
            )
            for r in runs(workspace)
        ],
        rounds=[
            RoundInfo(
                number=r.number,
                began=r.began,
                ended=r.ended,
                current=r.current,
                candidate=r.candidate,
                outcome=r.outcome,
                reasons=r.reasons,
                steps=r.steps,
            )
            for r in rounds(workspace)
        ],
    )


def _judged(judged: Judged) -> JudgedInfo:
    talk, said = judged
    fields: dict[str, Any] = {"title": talk.title, "recipient": talk.recipient, "consent": talk.consent}
    return JudgedInfo(
        id=said.id,
        conversation=talk.id,
        parts=list(said.parts),
        edit=list(said.edit),
        rating=said.rating,
        speaker=said.speaker,
        version=said.version,
        time=said.time,
        **fields,
    )


# the schedule ---------------------------------------------------------------
def when(workspace: Workspace, config: Config) -> Due:
    """Whether a round is due now."""
    found = rounds(workspace)
    last = found[0].began if found else 0.0
    new = any(path.stat().st_mtime > last for path in brought(workspace))
    open_round = bool(found) and not found[0].outcome
    return due(config.improve, now=time.time(), last=last, changed=new, unfinished=open_round)


class Clock:
    """Looks at the twin once a day, and starts a round as a job when one is due; one thing at a time.

    Args:
        jobs: where the round runs, in a process of its own.
        lookout: takes the looks; None: nobody does.
    """

    def __init__(self, workspace: Workspace, config: Config, jobs: Jobs, lookout: Lookout | None = None) -> None:
        self.workspace, self.config, self.jobs, self.lookout = workspace, config, jobs, lookout
        self._looked = 0.0

    async def run(self) -> None:
        """Look once a minute until cancelled; at first, leave a voice whose weights are damaged."""
        with suppress(GemelError):
            await asyncio.to_thread(ensure_good, self.workspace)
        while self.config.improve.scheduled:
            with suppress(GemelError, OSError):
                await asyncio.to_thread(self.tick)
            await asyncio.sleep(TICK)

    def tick(self) -> bool:
        """Start a round if it is due; whether one was started."""
        if self.workspace.current() is None or any(j.state == "running" for j in self.jobs.all()):
            return False
        if self.lookout is not None and self._look(self.lookout):
            return False
        if not when(self.workspace, self.config).now or self._tried():
            return False
        self.jobs.start("improve")
        return True

    def _look(self, lookout: Lookout) -> bool:
        """Whether a look is being taken, begun now if there was none for a day: before a round learns what is new."""
        if not lookout.running and time.time() - self._looked >= DAY:
            self._looked = time.time()
            lookout.begin()
        return lookout.running

    def _tried(self) -> bool:
        """Whether a round was tried within the hour; one that fails is not tried every minute."""
        return any(j.kind == "improve" and time.time() - j.created < 3600 for j in self.jobs.all())
