"""Routes of the blind comparison: a pair of answers by two arms, a vote, and what the votes say.

Which arm wrote which answer stays here under a number that is used once, until the vote is in. A pair that nobody
votes on is dropped after an hour. Votes are kept as ids of arms and a hash of the question, without any text.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Annotated, Literal

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field, StringConstraints

from gemel.errors import ConfigError, MissingStage
from gemel.examples import Role, Turn
from gemel.feedback import Vote
from gemel.improve.arms import MOST, Arm, arms, save
from gemel.improve.evidence import Evidence, evidence, pairs_of
from gemel.privacy.unservable import refuse_unservable
from gemel.records import stable_id
from gemel.serve.access import granted, need
from gemel.serve.faults import NotFound
from gemel.serve.house import Chosen, House
from gemel.serve.own import ERRORS, Message
from gemel.serve.shapes import Strict
from gemel.speaker import Reply

__all__ = ["Arena", "router"]

router = APIRouter(prefix="/api/compare", tags=["compare"], responses=ERRORS)
PENDING = 64
"""Pairs that wait for a vote at most."""
SECONDS = 3600.0
"""A pair waits so long."""
WORDS = 200
"""Tokens of an answer at most."""
ArmId = Annotated[str, StringConstraints(min_length=1, max_length=40)]


class ArmInfo(Strict):
    """One way for the twin to be."""

    id: ArmId
    title: str = Field(default="", max_length=100)
    run: str = Field(default="", max_length=100)
    way: Literal["voice", "assisted", "memory", "prompted"] = "voice"
    rules: list[Annotated[str, StringConstraints(min_length=1, max_length=400)]] = Field(default=[], max_length=20)
    temperature: float = Field(default=1.0, ge=0, le=2)
    top_p: float = Field(default=1.0, gt=0, le=1)


class Weighed(BaseModel):
    """What the votes on two arms say; every figure holds whenever one looks."""

    a: str
    b: str
    wins: int
    """Votes for a."""
    losses: int
    """Votes for b."""
    ties: int
    e: float
    """E-value against "no preference"."""
    threshold: float
    """A decision needs so much of it."""
    p: float
    better: float
    """Probability that a wins more often than b."""
    rate: float | None
    low: float
    high: float
    """95 % of the share of a."""
    decision: str
    """a, b, alike, or empty while it is open."""
    needed: int | None
    """Further votes until a decision if the rate stays; null when none is in sight."""


class Comparison(BaseModel):
    """The arms, and what is known about each pair of them."""

    arms: list[ArmInfo]
    pairs: list[Weighed]
    former: list[Weighed]
    """Pairs with an arm that is none any more."""
    votes: int


class ArmsRequest(Strict):
    """What shall be compared."""

    arms: list[ArmInfo] = Field(min_length=2, max_length=MOST)


class PairRequest(Strict):
    """A conversation that both arms answer."""

    messages: list[Message] = Field(min_length=1, max_length=100)
    arms: list[ArmId] = Field(default=[], max_length=2)
    """Two arms; none: the pair that most needs a vote."""


class Pair(BaseModel):
    """Two answers, in an order that only the server knows."""

    nonce: str
    first: list[str]
    second: list[str]
    same: bool
    """Both are the same text: only a tie makes sense."""


class VoteRequest(Strict):
    """Which answer sounds more like the person."""

    nonce: str = Field(min_length=8, max_length=64)
    choice: Literal["first", "second", "tie"]


class Revealed(BaseModel):
    """Which arm wrote which answer, and what the votes say now."""

    first: str
    second: str
    evidence: Weighed


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A pair that was shown."""

    arms: tuple[str, str]
    """In the order in which they were shown."""
    question: str
    time: float


class Arena:
    """Lets arms answer, and remembers which of them wrote what until the vote.

    Args:
        house: the twin as the server holds it.
    """

    def __init__(self, house: House) -> None:
        self._house = house
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._lock = threading.Lock()

    def comparison(self) -> Comparison:
        """What is known."""
        found, votes = arms(self._house.workspace), self._house.feedback.votes()
        pairs = list(combinations(sorted(a.id for a in found), 2))
        former = [p for p in pairs_of(votes) if p not in pairs]
        return Comparison(
            arms=[ArmInfo(**{**asdict(a), "rules": list(a.rules)}) for a in found],
            pairs=[_weighed(evidence(votes, *p)) for p in pairs],
            former=[_weighed(evidence(votes, *p)) for p in former],
            votes=len(votes),
        )

    def pair(self, body: PairRequest, names: bool) -> Pair:
        """Two answers to one conversation.

        Raises:
            MissingStage: when there are no two arms.
            ConfigError: when an arm is not known, or cannot answer in its way.
            Refused: when an arm's voice knows something that was forgotten.
        """
        order = list(self._chosen(body.arms))
        secrets.SystemRandom().shuffle(order)
        turns = self._turns(body, names)
        said = [self._reply(arm, turns, names) for arm in order]
        nonce = secrets.token_hex(12)
        question = stable_id(*(t.text for t in turns))
        with self._lock:
            now = time.monotonic()
            self._waiting[nonce] = _Waiting((order[0].id, order[1].id), question, now)
            while len(self._waiting) > PENDING or next(iter(self._waiting.values())).time < now - SECONDS:
                self._waiting.popitem(last=False)
        return Pair(nonce=nonce, first=said[0], second=said[1], same=said[0] == said[1])

    def vote(self, body: VoteRequest) -> Revealed:
        """Keep a vote and tell what it was about.

        Raises:
            NotFound: when the pair was voted on already, or is too old.
        """
        with self._lock:
            shown = self._waiting.pop(body.nonce, None)
        if shown is None or shown.time < time.monotonic() - SECONDS:
            raise NotFound("this pair was voted on already, or is too old", hint="Ask for another pair.")
        first, second = shown.arms
        a, b = sorted(shown.arms)
        winner = {"first": first, "second": second}.get(body.choice)
        choice = "tie" if winner is None else "a" if winner == a else "b"
        self._house.feedback.vote(Vote(shown.question, a, b, choice), {"first": first})
        return Revealed(first=first, second=second, evidence=_weighed(evidence(self._house.feedback.votes(), a, b)))

    def _chosen(self, wanted: Sequence[str]) -> tuple[Arm, Arm]:
        found = {arm.id: arm for arm in arms(self._house.workspace)}
        if len(found) < 2:
            raise MissingStage("there are no two arms to compare", hint="Train a voice first: `gemel train`.")
        if wanted:
            if len(set(wanted)) != 2 or not set(wanted) <= set(found):
                raise ConfigError("these are no two arms", hint=f"Known: {', '.join(found)}")
            return found[wanted[0]], found[wanted[1]]
        votes = self._house.feedback.votes()
        said = [evidence(votes, *pair) for pair in combinations(sorted(found), 2)]
        neediest = min(said, key=lambda e: (bool(e.decision), e.votes, secrets.randbelow(1000)))
        return found[neediest.a], found[neediest.b]

    def _turns(self, body: PairRequest, names: bool) -> list[Turn]:
        inward = self._house.display.inward if names else str
        twin = self._house.twin()
        return [
            Turn(
                role=Role.me if m.role == "assistant" else Role.other,
                parts=tuple(inward(m.text).split("\n")),
                name=twin.me if m.role == "assistant" else inward(m.name) or twin.partner,
            )
            for m in body.messages
        ]

    def _reply(self, arm: Arm, turns: Sequence[Turn], names: bool) -> list[str]:
        run = arm.run or self._house.workspace.current() or ""
        if run:
            refuse_unservable(self._house.workspace.run(run))
        speaker = self._house.voices.speaker(Chosen(way=arm.way, run=run, rules=tuple(arm.rules)))
        reply: Reply = speaker.reply(turns, sampling=arm.sampling(max_tokens=WORDS))
        shown = self._house.display.outward if names else str
        return [shown(part) for part in self._house.outgoing.text(reply.text).split("\n") if part.strip()] or [""]


def _weighed(found: Evidence) -> Weighed:
    return Weighed(**asdict(found))


@router.get("")
async def comparison(request: Request) -> Comparison:
    """The arms and what the votes say about each pair."""
    need(request, "chat")
    house, arena = _of(request)
    return await house.run(arena.comparison)  # type: ignore[no-any-return]


@router.put("/arms")
async def choose(request: Request, body: ArmsRequest) -> Comparison:
    """Say what shall be compared."""
    need(request, "train")
    house, arena = _of(request)
    wanted = [Arm(**{**a.model_dump(), "rules": tuple(a.rules)}) for a in body.arms]
    for arm in wanted:
        if arm.run and not house.workspace.run(arm.run).joinpath("manifest.json").exists():
            raise ConfigError(f"the arm '{arm.id}' names a voice that is not there")
    await house.run(save, house.workspace, wanted)
    return await house.run(arena.comparison)  # type: ignore[no-any-return]


@router.post("/pair")
async def pair(request: Request, body: PairRequest) -> Pair:
    """Two answers by two arms, without telling which is whose."""
    need(request, "chat")
    house, arena = _of(request)
    with house.seat():
        return await house.run(arena.pair, body, granted(request, "names"))  # type: ignore[no-any-return]


@router.post("/vote", status_code=201)
async def vote(request: Request, body: VoteRequest) -> Revealed:
    """Which answer sounds more like the person; each pair has one vote."""
    need(request, "chat")
    house, arena = _of(request)
    return await house.run(arena.vote, body)  # type: ignore[no-any-return]


def _of(request: Request) -> tuple[House, Arena]:
    return request.app.state.house, request.app.state.arena
