"""What a text may depend on, turned into a vector: height and income, or year and recipient.

A `TraitSpec` is fitted on the training split only and saved with the run. It promises that every
profile encodes to finite numbers, whatever is missing, misspelt or new, and that the scalar traits
are smooth in their value. How the vector acts on a model is not covered here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import numpy as np

from gemel.errors import ConfigError, DamagedCheckpoint, TooLittle
from gemel.fields import (
    Category,
    Declared,
    Direction,
    Field,
    Form,
    Many,
    Number,
    Ordinal,
    Scalar,
    Value,
    Vector,
    fit_field,
)

__all__ = ["KNOWN", "LEFT_OUT", "TraitSpec", "parse_traits"]

Missing = Literal["learned", "random"]

LEFT_OUT = frozenset({"location", "last_online"})
"""Columns that are never a trait: they identify, and say nothing of how somebody writes."""

KNOWN: Mapping[str, Declared] = {
    "age": Declared("number"),
    "height": Declared("number"),
    "income": Declared("number", log=True, nothing=("-1", "-1.0")),
    "body_type": Declared("category"),
    "diet": Declared("category", pick=r"anything|vegetarian|vegan|kosher|halal|other"),
    "drinks": Declared("ordinal", ("not at all", "rarely", "socially", "often", "very often", "desperately")),
    "drugs": Declared("ordinal", ("never", "sometimes", "often")),
    "smokes": Declared("ordinal", ("no", "trying to quit", "when drinking", "sometimes", "yes")),
    "education": Declared(
        "ordinal",
        (
            "high school",
            "two-year college",
            "college/university",
            "masters program",
            "law school",
            "med school",
            "ph.d",
        ),
        pick=r"high school|two-year college|college/university|masters program|law school|med school|ph\.d",
    ),
    "education_state": Declared("category", column="education", pick=r"graduated|working|dropped"),
    "ethnicity": Declared("many", split=r",\s*"),
    "job": Declared("category"),
    "offspring": Declared("many", split=r",\s*(?:but|and)?\s*"),
    "orientation": Declared("category"),
    "pets": Declared("many", split=r"\s+and\s+"),
    "religion": Declared("category", pick=r"\w+"),
    "religion_modifier": Declared(
        "ordinal",
        ("laughing", "not too serious", "somewhat serious", "very serious"),
        column="religion",
        pick=r"laughing|not too serious|somewhat serious|very serious",
    ),
    "sex": Declared("category"),
    "sign": Declared("category", pick=r"\w+"),
    "sign_modifier": Declared(
        "ordinal",
        ("doesn't matter", "fun to think about", "matters a lot"),
        column="sign",
        pick=r"doesn't matter|fun to think about|matters a lot",
    ),
    "speaks": Declared("many", split=r",\s*"),
    "status": Declared("category"),
    "year": Declared("number"),
    "hour": Declared("number", period=24.0),
    "weekday": Declared("number", period=7.0),
    "group_size": Declared("number", log=True),
    "delay": Declared("number", log=True),
    "sentiment": Declared("number"),
    "language": Declared("category"),
    "recipient": Declared("category"),
}
"""The OkCupid columns (their 2021 codebook) and the traits of chats."""


class TraitSpec:
    """All traits of a run, in order, and the layout of their vector."""

    def __init__(self, fields: Iterable[Field], *, missing: Missing = "learned") -> None:
        self.fields = tuple(fields)
        self.missing: Missing = missing
        extra = 1 if missing == "learned" else 0
        ends = np.cumsum([len(f.slots) + extra for f in self.fields]).tolist()
        self._slices = {f.name: slice(e - len(f.slots) - extra, e) for f, e in zip(self.fields, ends)}
        self.dim: int = ends[-1] if ends else 0

    @classmethod
    def fit(
        cls,
        rows: Sequence[Mapping[str, Any]],
        *,
        use: Sequence[str] = (),
        ordinal: Form = "partition",
        missing: Missing = "learned",
        declared: Mapping[str, Declared] = KNOWN,
    ) -> TraitSpec:
        """Learn scales and levels from the profiles (or turns) of the training split.

        Args:
            rows: trait values by column, as the data has them.
            use: traits wanted; empty: every one that is there and varies.

        Raises:
            ConfigError: when a wanted trait is in no row.
            TooLittle: when no trait varies.
        """
        columns = {c for row in rows for c in row} - LEFT_OUT
        there = [n for n in declared if n in columns or declared[n].column in columns]
        names = list(use) or [*there, *sorted(columns - set(there))]
        fields = []
        for name in names:
            how = declared.get(name)
            column = (how.column if how else "") or name
            if not columns & {name, column}:
                raise ConfigError(f"no example has the trait '{name}'", hint=f"There are: {', '.join(sorted(columns))}")
            field = fit_field(name, [row.get(name, row.get(column)) for row in rows], how, ordinal)
            if field is not None:
                fields.append(field)
        if not fields:
            raise TooLittle("no trait varies in the training split, so there is nothing to learn from")
        return cls(fields, missing=missing)

    @property
    def names(self) -> list[str]:
        """What each slot of the vector means, e.g. `height:u`; d of them."""
        out = []
        for field in self.fields:
            out += [f"{field.name}:{slot}" for slot in field.slots]
            if self.missing == "learned":
                out.append(f"{field.name}:missing")
        return out

    def field(self, name: str) -> Field:
        """The trait of this name.

        Raises:
            ConfigError: when there is none.
        """
        for field in self.fields:
            if field.name == name:
                return field
        raise ConfigError(
            f"this twin has no trait '{name}'", hint=f"It has: {', '.join(f.name for f in self.fields) or 'none'}"
        )

    def scalar(self, name: str) -> Scalar:
        """The number or ordinal of this name.

        Raises:
            ConfigError: when there is none, or it has no coordinate to move along.
        """
        field = self.field(name)
        if not isinstance(field, Scalar):
            scalars = ", ".join(f.name for f in self.fields if isinstance(f, Scalar))
            raise ConfigError(f"'{name}' is a {field.kind}, which has no slider", hint=f"These have: {scalars}")
        return field

    def encode(self, traits: Mapping[str, Any], *, rng: np.random.Generator | None = None) -> Vector:
        """A profile as a vector, shape (d,), always finite. Unknown keys are ignored.

        Args:
            rng: draws what is missing in the mode `random` (without it always the same draw).
        """
        z = np.zeros(self.dim, dtype=np.float32)
        for field in self.fields:
            value = traits.get(field.name, traits.get(field.column))
            slots = field.encode(value)
            at = self._slices[field.name]
            if slots is not None:
                z[at.start : at.start + len(slots)] = slots
            elif self.missing == "learned":
                z[at.stop - 1] = 1.0
            else:
                z[at] = field.draw(rng or np.random.default_rng(0))
        return z

    def place(self, name: str, slots: Vector, *, onto: Vector | None = None) -> Vector:
        """The vector `onto` (zeros without it) with the slots of one trait replaced, shape (d,).

        The slot "missing" of the trait becomes zero.
        """
        z = np.zeros(self.dim, dtype=np.float32) if onto is None else onto.copy()
        at = self._slices[name]
        z[at] = 0.0
        z[at.start : at.start + len(slots)] = slots
        return z

    def tangent(self, name: str, u: float) -> Vector:
        """d vector / du of a scalar trait at its coordinate `u` (per sd), shape (d,)."""
        return self.place(name, self.scalar(name).slope(u))

    def directions(self, name: str, value: Value) -> list[Direction]:
        """How a trait varies around `value`, in the whole vector."""
        return [Direction(w, self.place(name, v)) for w, v in self.field(name).directions(value)]

    @property
    def nothing(self) -> Vector:
        """The vector of a profile that gives nothing, shape (d,): what guidance calls unconditional.

        Raises:
            ConfigError: in the mode `random`, which has no such vector.
        """
        if self.missing != "learned":
            raise ConfigError(
                "with missing = 'random' there is no unconditional model", hint="Train with missing = 'learned'."
            )
        return self.encode({})

    def hide(self, z: Vector, rng: np.random.Generator, p: float) -> Vector:
        """Trait dropout: each trait of each row is hidden with probability p, a third of that all together.

        Args:
            z: shape (n, d).

        Returns:
            A copy of shape (n, d). In the mode `random` nothing is hidden: it has no mark for it.
        """
        if p <= 0 or self.missing != "learned":
            return z
        together = p / 3
        alone = (p - together) / (1 - together)
        every = rng.random((len(z), 1)) < together
        gone = (rng.random((len(z), len(self.fields))) < alone) | every
        columns = np.repeat(gone, [len(f.slots) + 1 for f in self.fields], axis=1)
        return np.where(columns, self.nothing, z).astype(np.float32)

    def save(self, path: Path) -> None:
        """Write as JSON; the caller makes the write atomic."""
        fields: Sequence[Any] = self.fields
        raw = {"missing": self.missing, "fields": [asdict(f) for f in fields]}
        path.write_text(json.dumps(raw, ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> TraitSpec:
        """Read what `save` wrote.

        Raises:
            DamagedCheckpoint: when it cannot be read.
        """
        makers: dict[str, Any] = {"number": Number, "ordinal": Ordinal, "category": Category, "many": Many}
        try:
            raw = json.loads(path.read_text(encoding="utf-8"))
            fields = []
            for row in raw["fields"]:
                row = {k: tuple(v) if isinstance(v, list) else v for k, v in row.items()}
                fields.append(makers[row["kind"]](**row))
            return cls(fields, missing=raw["missing"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamagedCheckpoint(f"{path.name} cannot be read", hint="Train the run again.") from error


def parse_traits(pairs: Iterable[str]) -> dict[str, Value]:
    """Traits from `name=value` as typed on a command line.

    Raises:
        ConfigError: when a pair has no `=`.
    """
    out: dict[str, Value] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not sign or not name.strip():
            raise ConfigError("a trait is written name=value", hint="For example: --set height=70")
        out[name.strip()] = value.strip()
    return out
