"""Routes of the traits: what the voice depends on, coupled essays, derivatives, loudness, effects, inversion.

What they show is the model's behaviour, not the world's. One request computes at a time, beside the chats.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from fastapi import APIRouter, Request

from gemel.errors import ConfigError, MissingStage
from gemel.fields import Category, Many, Number, Ordinal, Scalar
from gemel.fields import Field as Trait
from gemel.model.conditioned import Conditioned
from gemel.model.effects import Effect
from gemel.model.invert import Inversion
from gemel.serve import explorer
from gemel.serve.access import granted, need
from gemel.serve.explorer import Desk, profile_of, unit_of
from gemel.serve.house import House
from gemel.serve.shapes import ErrorBody
from gemel.serve.trait_shapes import (
    EffectPoint,
    EffectsInfo,
    EffectsRequest,
    EssayInfo,
    EssaysInfo,
    EssaysRequest,
    EssayWord,
    GradientInfo,
    GradientRequest,
    Interval,
    InversionInfo,
    InversionsInfo,
    InvertRequest,
    LoudnessInfo,
    LoudnessRequest,
    SlopeWord,
    Strength,
    TraitInfo,
    TraitsInfo,
    Values,
)

__all__ = ["router"]

ERRORS: dict[int | str, dict[str, Any]] = {
    s: {"model": ErrorBody} for s in (400, 401, 403, 404, 409, 413, 421, 429, 503)
}
router = APIRouter(prefix="/api/traits", tags=["traits"], responses=ERRORS)
T = TypeVar("T")


@router.get("")
async def traits(request: Request) -> TraitsInfo:
    """What the voice depends on; no traits where it depends on none."""
    need(request, "chat")

    def tell(twin: Conditioned, control: Conditioned | None) -> TraitsInfo:
        _, outward = _names(request)
        return TraitsInfo(
            splice=True,
            control=control is not None,
            traits=[_trait(field, outward) for field in twin.spec.fields],
            guidance=Strength() if twin.spec.missing == "learned" else None,
        )

    try:
        return await _asked(request, tell)
    except MissingStage:
        return TraitsInfo(splice=False, control=False, traits=[], guidance=None)


@router.post("/essays")
async def essays(request: Request, body: EssaysRequest) -> EssaysInfo:
    """Essays that share their chance: only what the traits touch differs, and is marked."""
    need(request, "chat")
    inward, outward = _names(request)

    def write(twin: Conditioned, _: Conditioned | None) -> EssaysInfo:
        if body.shade:
            twin.spec.scalar(body.shade)
        found = explorer.essays(
            twin,
            inward(body.prompt),
            [_profile(twin, s, inward) for s in body.settings],
            seed=body.seed,
            max_tokens=body.max_tokens,
            trait=body.shade,
            guidance=body.guidance,
            previous=body.compare == "previous",
        )
        return EssaysInfo(essays=[_essay(request, essay, outward) for essay in found], seed=body.seed)

    return await _asked(request, write)


@router.post("/loudness")
async def loudness(request: Request, body: LoudnessRequest) -> list[LoudnessInfo]:
    """How strongly what is written depends on each trait."""
    need(request, "chat")
    inward, _ = _names(request)

    def measure(twin: Conditioned, control: Conditioned | None) -> list[LoudnessInfo]:
        profile = _profile(twin, body.setting, inward)
        found = explorer.loudness(
            twin, control, inward(body.prompt), profile, count=body.essays, max_tokens=body.max_tokens
        )
        return [LoudnessInfo(trait=n, loudness=_interval(e), control=floor) for n, (e, floor) in found.items()]

    return await _asked(request, measure)


@router.post("/gradient")
async def gradient(request: Request, body: GradientRequest) -> GradientInfo:
    """The derivative of a text's probability, word by word, and its check."""
    need(request, "chat")
    inward, outward = _names(request)

    def derive(twin: Conditioned, _: Conditioned | None) -> GradientInfo:
        found = explorer.slopes(
            twin,
            inward(body.text),
            body.trait,
            prompt=inward(body.prompt),
            profile=_profile(twin, body.setting, inward),
            check=body.finite_difference,
        )
        checks: list[float | None] = [w.value for w in found.checked] or [None] * len(found.words)
        said = [
            SlopeWord(text=outward(w.text), value=w.value, per_unit=w.value / found.sd, checked=check)
            for w, check in zip(found.words, checks)
        ]
        return GradientInfo(
            trait=body.trait,
            at=found.shown,
            sd=found.sd,
            words=said,
            score=sum(w.value for w in found.words),
            checked=sum(w.value for w in found.checked) if found.checked else None,
            logp=found.logp,
            cut=found.cut,
        )

    return await _asked(request, derive)


@router.post("/effects")
async def effects(request: Request, body: EffectsRequest) -> EffectsInfo:
    """How many words, or mentions of one word, an essay has along a trait."""
    need(request, "chat")
    inward, _ = _names(request)

    def curve(twin: Conditioned, _: Conditioned | None) -> EffectsInfo:
        found = explorer.effects(
            twin,
            body.trait,
            prompt=inward(body.prompt),
            profile=_profile(twin, body.setting, inward),
            word=inward(body.word),
            points=body.points,
            count=body.essays,
            max_tokens=body.max_tokens,
            seed=body.seed,
        )
        points = [EffectPoint(u=p.u, shown=p.shown, mean=_interval(p.mean), slope=_interval(p.slope)) for p in found]
        return EffectsInfo(trait=body.trait, measure="mentions" if body.word else "words", points=points)

    return await _asked(request, curve)


@router.post("/invert")
async def invert(request: Request, body: InvertRequest) -> InversionsInfo:
    """What a text sounds like: what it says about the writer as the model sees it, never who anybody is."""
    need(request, "chat")
    inward, outward = _names(request)

    def read(twin: Conditioned, _: Conditioned | None) -> InversionsInfo:
        able = [f.name for f in twin.spec.fields if not isinstance(f, Many)]
        if unable := [n for n in body.traits if n not in able]:
            twin.spec.field(unable[0])
            raise ConfigError(f"'{unable[0]}' has several values at once and cannot be told")
        profile = _profile(twin, body.setting, inward)
        found, cut = explorer.inversions(
            twin, inward(body.text), body.traits or able[:12], prompt=inward(body.prompt), profile=profile
        )
        return InversionsInfo(traits=[_inversion(twin, i, outward) for i in found], cut=cut)

    return await _asked(request, read)


async def _asked(request: Request, ask: Callable[[Conditioned, Conditioned | None], T]) -> T:
    """Ask the traits in a thread, in a seat of the queue."""
    house: House = request.app.state.house
    desk: Desk = request.app.state.desk

    def work() -> T:
        with desk.open() as (twin, control):
            return ask(twin, control)

    with house.seat():
        found: T = await house.run(work)
        return found


def _names(request: Request) -> tuple[Callable[[str], str], Callable[[str], str]]:
    """From the owner's names to the twin's and back; nothing is turned for who may not see names."""
    house: House = request.app.state.house
    return (house.display.inward, house.display.outward) if granted(request, "names") else (str, str)


def _profile(twin: Conditioned, given: Values, inward: Callable[[str], str]) -> dict[str, Any]:
    def turned(value: Any) -> Any:
        if isinstance(value, str):
            return inward(value)
        return [inward(v) for v in value] if isinstance(value, list) else value

    return profile_of(twin, {name: turned(value) for name, value in given.items()})


def _essay(request: Request, essay: explorer.Essay, outward: Callable[[str], str]) -> EssayInfo:
    """An essay as it may leave; one that the guard has changed is not shaded."""
    house: House = request.app.state.house
    text = "".join(w.text for w in essay.words)
    clean = house.outgoing.text(text)
    words = list(essay.words) if clean == text else [explorer.Piece(clean, False, 0.0)]
    said = [EssayWord(text=outward(w.text), new=w.new, value=w.value) for w in words]
    return EssayInfo(text="".join(w.text for w in said), words=said, score=essay.score, ended=essay.ended)


def _trait(field: Trait, outward: Callable[[str], str]) -> TraitInfo:
    kind: Any = field.kind
    if isinstance(field, Category):
        return TraitInfo(
            name=field.name,
            kind=kind,
            slider=False,
            levels=[outward(v) for v in field.levels],
            shares=list(field.shares),
        )
    if isinstance(field, Scalar):
        low, high = (field.value(float(u)) for u in field.grid(2))
        number = field if isinstance(field, Number) else None
        return TraitInfo(
            name=field.name,
            kind=kind,
            slider=True,
            levels=list(field.levels) if isinstance(field, Ordinal) else [],
            mean=field.value(0.0),
            sd=unit_of(field, 0.0),
            low=low,
            high=high,
            log=bool(number and number.log),
            period=number.period if number else None,
        )
    return TraitInfo(name=field.name, kind=kind, slider=False, levels=[outward(s) for s in field.slots])


def _inversion(twin: Conditioned, found: Inversion, outward: Callable[[str], str]) -> InversionInfo:
    scalar = isinstance(twin.spec.field(found.trait), Scalar)
    return InversionInfo(
        trait=found.trait,
        best=outward(found.best),
        low=found.quantile(0.025) if scalar else "",
        high=found.quantile(0.975) if scalar else "",
        bits=found.bits,
        labels=[outward(label) for label in found.labels],
        prior=found.prior.tolist(),
        posterior=found.posterior.tolist(),
    )


def _interval(e: Effect) -> Interval:
    return Interval(value=e.value, low=e.low, high=e.high, n=e.n)
