"""Requests and answers of the trait routes; sizes are bounded here."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from gemel.serve.shapes import Strict

__all__ = [
    "Asking",
    "EffectPoint",
    "EffectsInfo",
    "EffectsRequest",
    "EssayInfo",
    "EssayWord",
    "EssaysInfo",
    "EssaysRequest",
    "GradientInfo",
    "GradientRequest",
    "Interval",
    "InversionInfo",
    "InversionsInfo",
    "InvertRequest",
    "LoudnessInfo",
    "LoudnessRequest",
    "SlopeWord",
    "Strength",
    "TraitInfo",
    "TraitsInfo",
    "Values",
]

STRONGEST = 3.0
"""Guidance at most."""
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Prompt = Annotated[str, StringConstraints(min_length=1, max_length=500)]
Essay = Annotated[str, StringConstraints(min_length=1, max_length=8000, strip_whitespace=True)]
Values = Annotated[dict[Name, float | str | list[str] | None], Field(max_length=64)]
Gammas = Annotated[dict[Name, Annotated[float, Field(ge=0, le=STRONGEST)]], Field(max_length=4)]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
QUESTION = "My self summary"


class TraitInfo(BaseModel):
    """Something that the voice depends on."""

    name: str
    kind: Literal["number", "ordinal", "category", "many"]
    slider: bool
    """It has a coordinate to move along: a number or an ordinal."""
    levels: list[str] = []
    """Of an ordinal (least first), a category, or what can be given together."""
    shares: list[float] = []
    """How often each level of a category was in training."""
    mean: float | None = None
    """In the trait's own unit."""
    sd: float | None = None
    """One sd at the mean, in the trait's own unit."""
    low: float | None = None
    """First and last percentile of training."""
    high: float | None = None
    log: bool = False
    """A number that is taken by its logarithm."""
    period: float | None = None
    """Of a cyclic number, such as the hour."""


class Strength(BaseModel):
    """How much a trait may be turned up: 0 removes its effect, 1 leaves it, above strengthens it."""

    low: float = 0.0
    neutral: float = 1.0
    high: float = STRONGEST


class TraitsInfo(BaseModel):
    """Whether the voice depends on traits, and on which."""

    splice: bool
    control: bool
    """Whether a control on shuffled traits was trained, against which loudness is held."""
    traits: list[TraitInfo]
    guidance: Strength | None
    """None where the voice has no unconditional form to be guided from."""
    prompt: str = QUESTION


class Asking(Strict):
    """What every question to the traits has."""

    prompt: Prompt = QUESTION
    """What the essay answers."""


class EssaysRequest(Asking):
    """Essays of several settings, by common random numbers."""

    settings: list[Values] = Field(min_length=1, max_length=41)
    """Traits of each essay; what is not given is missing."""
    seed: Seed = 0
    max_tokens: int = Field(default=80, ge=1, le=200)
    shade: str = Field(default="", max_length=100)
    """A number or ordinal by whose derivative words are shaded; "": none."""
    guidance: Gammas = Field(default_factory=dict)
    compare: Literal["first", "previous"] = "first"
    """The essay against which changed words are marked."""


class EssayWord(BaseModel):
    """A word with the white space before it."""

    text: str
    new: bool
    """It differs from the essay that this one is compared with."""
    value: float
    """d log p / du, nats per sd of `shade`."""


class EssayInfo(BaseModel):
    """One essay."""

    text: str
    words: list[EssayWord]
    score: float
    """The sum of the words' values: d log p(essay) / du."""
    ended: bool


class EssaysInfo(BaseModel):
    """Essays in the order of their settings."""

    essays: list[EssayInfo]
    seed: int


class Interval(BaseModel):
    """A mean with its 95 % interval over n essays."""

    value: float
    low: float
    high: float
    n: int


class LoudnessRequest(Asking):
    """How strongly each trait shows."""

    setting: Values = Field(default_factory=dict)
    essays: int = Field(default=32, ge=2, le=64)
    max_tokens: int = Field(default=80, ge=1, le=200)


class LoudnessInfo(BaseModel):
    """One trait, in bits per sd²; the loudest come first."""

    trait: str
    loudness: Interval
    control: float | None
    """Upper end of the control; what does not pass it is noise."""


class GradientRequest(Asking):
    """A text and the trait that is moved."""

    text: Essay
    trait: Name
    setting: Values = Field(default_factory=dict)
    """Traits it is read under; the moved one stands at its mean where it is not given."""
    finite_difference: bool = False
    """Return the check beside it."""


class SlopeWord(BaseModel):
    """A word with the white space before it."""

    text: str
    value: float
    """Nats per sd, exact."""
    per_unit: float
    """Nats per unit of the trait (a level, of an ordinal)."""
    checked: float | None
    """Nats per sd, by moving the trait a little."""


class GradientInfo(BaseModel):
    """How the probability of a text changes with a trait."""

    trait: str
    at: str
    """Where the trait stands."""
    sd: float
    """One sd there, in the trait's own unit."""
    words: list[SlopeWord]
    score: float
    """The sum over words, nats per sd."""
    checked: float | None
    logp: float
    """log p(text), nats."""
    cut: bool
    """Only the beginning was computed: the text is long."""


class EffectsRequest(Asking):
    """A curve along one trait."""

    trait: Name
    setting: Values = Field(default_factory=dict)
    word: str = Field(default="", max_length=60)
    """Count mentions of this word; "": all words."""
    points: int = Field(default=7, ge=2, le=15)
    essays: int = Field(default=24, ge=3, le=64)
    max_tokens: int = Field(default=60, ge=1, le=120)
    seed: Seed = 0


class EffectPoint(BaseModel):
    """One place of the trait."""

    u: float
    """In sd."""
    shown: str
    mean: Interval
    """Words, or mentions, per essay."""
    slope: Interval
    """Its derivative, per sd."""


class EffectsInfo(BaseModel):
    """A curve of E[f] with intervals."""

    trait: str
    measure: Literal["words", "mentions"]
    points: list[EffectPoint]


class InvertRequest(Asking):
    """A text, and the traits one wants to know of."""

    text: Essay
    traits: list[Name] = Field(default_factory=list, max_length=12)
    """Empty: the first twelve that can be told."""
    setting: Values = Field(default_factory=dict)
    """Traits that are known."""


class InversionInfo(BaseModel):
    """What a text sounds like."""

    trait: str
    best: str
    low: str
    """The 95 % interval of a number or ordinal; empty for a category."""
    high: str
    bits: float
    """How much the text tells."""
    labels: list[str]
    prior: list[float]
    posterior: list[float]


class InversionsInfo(BaseModel):
    """Trait by trait."""

    traits: list[InversionInfo]
    cut: bool
