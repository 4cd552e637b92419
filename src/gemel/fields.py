"""What one column about a person can be: a number, an ordinal, a category, or many values at once.

Each field turns a value as the data has it into slots of a vector, or says that it is missing; none
raises on what it does not know. Every scalar (numbers and ordinals) has one coordinate `u`, in
standard deviations of the training split; sliders, derivatives and moves are in `u`, so that height,
income and drinks share a scale.
"""

from __future__ import annotations

import html
import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "Category",
    "Declared",
    "Direction",
    "Field",
    "Many",
    "Number",
    "Ordinal",
    "Scalar",
    "Value",
    "Vector",
    "fit_field",
]

Value = float | int | str | tuple[str, ...] | None
Vector = NDArray[np.float32]
Form = Literal["partition", "cumulative"]

_BLANK = frozenset({"", "nan", "none", "null", "na", "n/a", "rather not say"})
_WAVES = (math.pi / 4, math.pi / 2)
"""Angular frequencies of the smooth features of a number, in radians per sd: periods of 8 and 4 sd."""
_GRADES = {"poorly": 1 / 3, "okay": 2 / 3}
"""How much of a slot a graded value such as `spanish (poorly)` fills."""
_MOST_LEVELS = 64
_FARTHEST = 8.0
"""Coordinates beyond so many sd are clipped: a typing error must not drown every other trait."""


class Direction(NamedTuple):
    """A way in which a trait can vary: the sum of weight · vector · vectorᵀ is the trait's covariance."""

    weight: float
    vector: Vector
    """Shape (d,)."""


class Declared(NamedTuple):
    """How a column is to be read when its name is known beforehand."""

    kind: Literal["number", "ordinal", "category", "many"]
    levels: tuple[str, ...] = ()
    """Of an ordinal, least first."""
    period: float | None = None
    """Of a cyclic number."""
    log: bool = False
    """Whether the number is taken by its logarithm."""
    column: str = ""
    """The column it reads, when that is not its own name."""
    pick: str = ""
    """Regular expression whose first match is the value."""
    split: str = ""
    """Regular expression between several values."""
    nothing: tuple[str, ...] = ()
    """Values that mean "not given"."""


class Field(ABC):
    """One trait: where its slots come from."""

    name: str
    kind: str
    column: str
    """The column it reads when the profile has nothing under its own name."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """What each slot of the vector means."""

    @abstractmethod
    def encode(self, value: Value) -> Vector | None:
        """Slots of a value, shape (len(slots),); None when it is missing."""

    @abstractmethod
    def draw(self, rng: np.random.Generator) -> Vector:
        """Slots that stand for a missing value in the mode `random`."""

    @abstractmethod
    def directions(self, value: Value) -> list[Direction]:
        """How the trait varies around `value`, in the field's own slots."""


class Scalar(Field):
    """A trait with one coordinate `u`, in standard deviations."""

    seen: tuple[float, ...]
    """Quantiles of `u` on the training split, evenly spaced from 0 to 1."""

    @abstractmethod
    def position(self, value: Value) -> float | None:
        """The coordinate of a value; None when it is missing."""

    @abstractmethod
    def value(self, u: float) -> float:
        """The value at a coordinate, in the data's own unit (an ordinal: its level, counted from 0)."""

    @abstractmethod
    def at(self, u: float) -> Vector:
        """Slots at a coordinate."""

    @abstractmethod
    def slope(self, u: float) -> Vector:
        """d slots / du at a coordinate."""

    def show(self, u: float) -> str:
        """The value at a coordinate, for a person to read."""
        value = self.value(u)
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"

    def grid(self, points: int, *, low: float = 0.01, high: float = 0.99) -> NDArray[np.float64]:
        """Coordinates evenly spaced between two quantiles of the training split, shape (points,)."""
        ends = np.interp([low, high], np.linspace(0, 1, len(self.seen)), self.seen)
        return np.linspace(ends[0], ends[1], points)

    def encode(self, value: Value) -> Vector | None:
        u = self.position(value)
        return None if u is None else self.at(u)

    def draw(self, rng: np.random.Generator) -> Vector:
        return self.at(float(np.interp(rng.random(), np.linspace(0, 1, len(self.seen)), self.seen)))

    def directions(self, value: Value) -> list[Direction]:
        u = self.position(value)
        return [Direction(1.0, self.slope(0.0 if u is None else u))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Number(Scalar):
    """A number: standardised, with sines and cosines (of the period, where it has one)."""

    name: str
    mean: float
    sd: float
    """Of the number, or of its logarithm."""
    log: bool = False
    period: float | None = None
    seen: tuple[float, ...] = (-1.0, 1.0)
    nothing: tuple[str, ...] = ()
    column: str = ""
    kind: str = "number"

    @property
    def slots(self) -> tuple[str, ...]:
        waves = [f"{f}{i}" for i in range(1, len(self._waves()) + 1) for f in ("sin", "cos")]
        return tuple(waves if self.period else ["u", *waves])

    def _waves(self) -> tuple[float, ...]:
        if self.period is None:
            return _WAVES
        return tuple(2 * math.pi * j * self.sd / self.period for j in (1, 2))

    def position(self, value: Value) -> float | None:
        number = _number(value)
        if number is None or (value is not None and str(value).strip() in self.nothing):
            return None
        if self.log:
            number = math.log(max(number, 1e-3))
        return _near((number - self.mean) / self.sd)

    def value(self, u: float) -> float:
        number = self.mean + u * self.sd
        if self.log:
            return math.exp(min(number, 700.0))
        return number % self.period if self.period else number

    def at(self, u: float) -> Vector:
        waves = [f(w * u) for w in self._waves() for f in (math.sin, math.cos)]
        return np.array(waves if self.period else [u, *waves], dtype=np.float32)

    def slope(self, u: float) -> Vector:
        waves = [d for w in self._waves() for d in (w * math.cos(w * u), -w * math.sin(w * u))]
        return np.array(waves if self.period else [1.0, *waves], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordinal(Scalar):
    """Levels in an order.

    `partition` cuts 0 to 1 into a range per level and takes the middle (standardised); `cumulative`
    has a slot per step, 1 from that step on. Between two levels both are linear.
    """

    name: str
    levels: tuple[str, ...]
    mean: float
    """Of the level, counted from 0."""
    sd: float
    form: Form = "partition"
    seen: tuple[float, ...] = (-1.0, 1.0)
    pick: str = ""
    column: str = ""
    kind: str = "ordinal"

    @property
    def slots(self) -> tuple[str, ...]:
        return ("u",) if self.form == "partition" else tuple(f"from {level}" for level in self.levels[1:])

    def position(self, value: Value) -> float | None:
        if isinstance(value, int | float) and not isinstance(value, bool):
            level = _number(value)
            if level is None:
                return None
        else:
            text = _picked(value, self.pick)
            if text not in self.levels:
                return None
            level = float(self.levels.index(text))
        return _near((level - self.mean) / self.sd)

    def value(self, u: float) -> float:
        return min(max(self.mean + u * self.sd, 0.0), len(self.levels) - 1.0)

    def show(self, u: float) -> str:
        return self.levels[round(self.value(u))]

    def at(self, u: float) -> Vector:
        if self.form == "partition":
            return np.array([u], dtype=np.float32)
        steps = np.arange(len(self.levels) - 1)
        return np.clip(self.mean + u * self.sd - steps, 0, 1).astype(np.float32)

    def slope(self, u: float) -> Vector:
        if self.form == "partition":
            return np.ones(1, dtype=np.float32)
        step = min(int(self.value(u)), len(self.levels) - 2)
        return (self.sd * (np.arange(len(self.levels) - 1) == step)).astype(np.float32)

    def draw(self, rng: np.random.Generator) -> Vector:
        return self.at(self.seen[int(rng.integers(len(self.seen)))])


@dataclass(frozen=True, slots=True, kw_only=True)
class Category(Field):
    """One of several values: a slot each; what was rare in training shares the slot `other`."""

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    """Of each level among the given values of the training split; they sum to 1."""
    pick: str = ""
    column: str = ""
    kind: str = "category"

    @property
    def slots(self) -> tuple[str, ...]:
        return self.levels

    def encode(self, value: Value) -> Vector | None:
        text = _picked(value, self.pick)
        if text is None:
            return None
        if text not in self.levels:
            text = "other"
        return _hot(self.levels, {text: 1.0}) if text in self.levels else None

    def draw(self, rng: np.random.Generator) -> Vector:
        return np.zeros(len(self.levels), dtype=np.float32)

    def directions(self, value: Value) -> list[Direction]:
        shares = np.array(self.shares, dtype=np.float32)
        return [Direction(float(s), row - shares) for s, row in zip(shares, np.eye(len(shares), dtype=np.float32))]


@dataclass(frozen=True, slots=True, kw_only=True)
class Many(Field):
    """Any number of values at once: a slot each, filled in part by a graded one."""

    name: str
    levels: tuple[str, ...]
    shares: tuple[float, ...]
    """Of the training profiles that give the trait, those which name the level."""
    split: str = ""
    column: str = ""
    kind: str = "many"

    @property
    def slots(self) -> tuple[str, ...]:
        return self.levels

    def encode(self, value: Value) -> Vector | None:
        parts = _parts(value, self.split)
        return _hot(self.levels, parts) if parts else None

    def draw(self, rng: np.random.Generator) -> Vector:
        return np.zeros(len(self.levels), dtype=np.float32)

    def directions(self, value: Value) -> list[Direction]:
        eye = np.eye(len(self.levels), dtype=np.float32)
        return [Direction(p * (1 - p), row) for p, row in zip(self.shares, eye)]


def _near(u: float) -> float:
    return min(max(u, -_FARTHEST), _FARTHEST)


def _number(value: Value) -> float | None:
    if isinstance(value, tuple) or value is None:
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _text(value: Value) -> str | None:
    if isinstance(value, tuple):
        value = ", ".join(map(str, value))
    if value is None:
        return None
    text = html.unescape(str(value)).replace("’", "'").strip().casefold()
    return None if text in _BLANK else text


def _picked(value: Value, pick: str) -> str | None:
    text = _text(value)
    if text is None or not pick:
        return text
    found = re.search(pick, text)
    return found[0] if found else None


def _parts(value: Value, split: str) -> dict[str, float]:
    if isinstance(value, tuple):
        texts: list[str | None] = [_text(v) for v in value]
    else:
        text = _text(value)
        texts = list(re.split(split, text)) if text and split else [text]
    out: dict[str, float] = {}
    for text in texts:
        if text:
            name, _, grade = text.partition(" (")
            out[name.strip()] = _GRADES.get(grade.rstrip(")"), 1.0)
    return out


def _hot(levels: tuple[str, ...], parts: Mapping[str, float]) -> Vector:
    return np.array([parts.get(level, 0.0) for level in levels], dtype=np.float32)


def fit_field(name: str, values: list[Any], how: Declared | None, ordinal: Form) -> Field | None:
    """The field of a column, or None when it does not vary."""
    given = [v for v in values if _text(v) is not None]
    kind = how.kind if how else "number"
    if kind == "number":
        nothing = how.nothing if how else ()
        given = [v for v in given if str(v).strip() not in nothing]
        if given and all(_number(v) is not None for v in given):
            return _fit_number(name, given, how or Declared("number"))
        kind = "category"
    if any(isinstance(v, tuple) for v in given):
        kind = "many"
    pick = how.pick if how else ""
    if kind == "ordinal" and how is not None:
        return _fit_ordinal(name, [_picked(v, pick) for v in given], how, ordinal)
    if kind == "many":
        split = how.split if how else ""
        counts = Counter(part for v in given for part in _parts(v, split))
        levels = _common(counts, len(given))
        shares = tuple(counts[level] / len(given) for level in levels)
        return Many(name=name, levels=levels, shares=shares, split=split) if levels else None
    counts = Counter(text for v in given if (text := _picked(v, pick)) is not None)
    levels = _common(counts, len(given))
    rest = sum(counts.values()) - sum(counts[level] for level in levels)
    if rest and "other" not in levels:
        levels = (*levels, "other")
    if len(levels) < 2:
        return None
    totals = [counts[level] + (rest if level == "other" and rest else 0) for level in levels]
    shares = tuple(t / sum(totals) for t in totals)
    return Category(name=name, levels=levels, shares=shares, pick=pick, column=how.column if how else "")


def _fit_number(name: str, given: list[Any], how: Declared) -> Number | None:
    numbers = np.array([_number(v) for v in given], dtype=np.float64)
    log = how.log and bool((numbers >= 0).all())
    scaled = np.log(np.maximum(numbers, 1e-3)) if log else numbers
    mean, sd = float(scaled.mean()), float(scaled.std())
    if sd < 1e-9:
        return None
    return Number(
        name=name,
        mean=mean,
        sd=sd,
        log=log,
        period=how.period,
        seen=_quantiles((scaled - mean) / sd),
        nothing=how.nothing,
    )


def _fit_ordinal(name: str, given: list[str | None], how: Declared, form: Form) -> Ordinal | None:
    ranks = np.array([how.levels.index(v) for v in given if v in how.levels], dtype=np.float64)
    if not len(ranks) or ranks.std() < 1e-9:
        return None
    mean, sd = float(ranks.mean()), float(ranks.std())
    seen = _quantiles((ranks - mean) / sd)
    return Ordinal(
        name=name, levels=how.levels, mean=mean, sd=sd, form=form, seen=seen, pick=how.pick, column=how.column
    )


def _quantiles(u: NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(q), 5) for q in np.quantile(u, np.linspace(0, 1, 101), method="inverted_cdf"))


def _common(counts: Counter[str], rows: int) -> tuple[str, ...]:
    """Levels that are not rare (5 rows, or 1 in 50 of a small set), the most frequent first."""
    least = max(1, min(5, rows // 50))
    return tuple(level for level, n in counts.most_common(_MOST_LEVELS) if n >= least)
