"""Profiles with essays whose dependence on traits is known exactly, and the real essays in which it is zero.

The traits are those of real OkCupid profiles (2021 revision, CC0); the essays come from a small grammar, so that
every derivative has a true value. A trait that a profile does not give still shapes its essay, through a value
drawn from everybody else's, as it would in life.
"""

from __future__ import annotations

import bz2
import csv
import io
import math
import struct
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gemel.examples import Example, Role, Turn
from gemel.fields import Category, Scalar
from gemel.traits import TraitSpec

QUESTION = "My self summary"
TRAITS = ("height", "income", "drinks", "sex", "sign", "age")
"""Four with a planted effect, two with none."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A sentence in one of two tones; P(first) = 1 / (1 + e^-(slope · u)), u the trait in sd (sex: ±1)."""

    trait: str
    slope: float
    frame: str
    tones: tuple[tuple[str, ...], tuple[str, ...]]


CHOICES = (
    Choice("height", 0.8, "on weekends i {}.", (("hike", "climb", "row"), ("read", "knit", "bake"))),
    Choice("height", 0.8, "i am usually {}.", (("up a hill", "on a trail"), ("at the library", "in the garden"))),
    Choice(
        "income", 1.0, "last year i went to {}.", (("tokyo", "lisbon", "kenya"), ("my aunt", "the lake", "oakland"))
    ),
    Choice("income", 1.0, "i drive {}.", (("a new car", "too fast"), ("an old truck", "my bike"))),
    Choice(
        "drinks", 0.9, "friday night means {}.", (("wine", "cocktails", "a bar"), ("tea", "a movie", "early sleep"))
    ),
    Choice("sex", 0.7, "people notice my {}.", (("beard", "shoulders"), ("hair", "earrings"))),
    Choice("", 0.0, "i could never do without {}.", (("music", "coffee"), ("sunshine", "cheese"))),
    Choice("", 0.0, "i listen to {}.", (("jazz", "radio"), ("opera", "birds"))),
)


def profiles(archive: Path, count: int, seed: int = 0) -> list[dict[str, str]]:
    """Rows of real profiles, drawn without replacement; -1 is an income that is not given."""
    with zipfile.ZipFile(archive) as file, file.open("profiles_revised.csv") as raw:
        rows = list(csv.DictReader(io.TextIOWrapper(raw, encoding="utf-8")))
    order = np.random.default_rng(seed).permutation(len(rows))[:count]
    return [{t: rows[i][t] for t in TRAITS} for i in order]


class Grammar:
    """Essays for profiles, with everything true about them."""

    def __init__(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self.spec = TraitSpec.fit(rows, use=TRAITS)

    def position(self, trait: str, value: Any) -> float | None:
        """The trait's u; for sex ±1."""
        field = self.spec.field(trait)
        if isinstance(field, Scalar):
            return field.position(value)
        assert isinstance(field, Category)
        slots = field.encode(value)
        return None if slots is None else (1.0 if slots[0] else -1.0)

    def latent(self, row: Mapping[str, Any], rng: np.random.Generator) -> dict[str, float]:
        """Where somebody really stands on every trait, given or not."""
        out = {}
        for trait in TRAITS:
            u = self.position(trait, row[trait])
            field = self.spec.field(trait)
            if u is None and isinstance(field, Scalar):
                u = field.seen[int(rng.integers(len(field.seen)))]
            out[trait] = 0.0 if u is None else u
        return out

    def write(self, at: Mapping[str, float], rng: np.random.Generator) -> str:
        """An essay of somebody who stands there."""
        said = []
        for choice in CHOICES:
            first = rng.random() < chance(choice, at)
            tone = choice.tones[0 if first else 1]
            said.append(choice.frame.format(tone[int(rng.integers(len(tone)))]))
        return " ".join(said)

    def tones(self, essay: str) -> list[bool | None]:
        """For each choice whether the essay took the first tone; None where it broke the grammar."""
        out: list[bool | None] = []
        for choice in CHOICES:
            before, after = choice.frame.split("{}")
            hits = [any(before + w + after in essay for w in tone) for tone in choice.tones]
            out.append(hits[0] if hits[0] != hits[1] else None)
        return out

    def mentions(self, trait: str, essay: str) -> float:
        """How many sentences about a trait have the first tone: the property whose effect is known."""
        return float(sum(bool(t) for c, t in zip(CHOICES, self.tones(essay)) if c.trait == trait))

    def score(self, trait: str, essay: str, at: Mapping[str, float]) -> float:
        """True S = d log p(essay)/du, nats per sd."""
        found = zip(CHOICES, self.tones(essay))
        return sum(c.slope * (float(t) - chance(c, at)) for c, t in found if c.trait == trait and t is not None)

    def effect(self, trait: str, at: Mapping[str, float]) -> float:
        """True d E[mentions]/du."""
        return sum(c.slope * p * (1 - p) for c in CHOICES if c.trait == trait for p in [chance(c, at)])

    def loudness(self, trait: str, at: Mapping[str, float]) -> float:
        """True E[S²] in bits per sd²."""
        nats = sum(c.slope**2 * p * (1 - p) for c in CHOICES if c.trait == trait for p in [chance(c, at)])
        return nats / math.log(2)


def chance(choice: Choice, at: Mapping[str, float]) -> float:
    """P(first tone)."""
    return 1 / (1 + math.exp(-choice.slope * at.get(choice.trait, 0.0)))


def examples(rows: Sequence[Mapping[str, Any]], essays: Sequence[str]) -> list[Example]:
    """Profiles with their essays."""
    out = []
    for i, (row, essay) in enumerate(zip(rows, essays)):
        turns = (
            Turn(role=Role.prompt, parts=(QUESTION,)),
            Turn(role=Role.me, parts=(essay,), name="me", learn=True),
        )
        out.append(Example(id=f"e{i}", kind="essay", turns=turns, session=f"s{i}", traits=dict(row)))
    return out


def shuffled_essays(path: Path) -> list[str]:
    """The real `essay0`, cut to 140 characters and shuffled by its authors, so that nothing links it to a trait.

    The file is R's own serialisation (XDR, version 2): a data frame of one character column.
    """
    return _Xdr(bz2.decompress(path.read_bytes())).longest()


class _Xdr:
    """Just enough of R's format (R Internals, section 1.8) to find its character vectors."""

    def __init__(self, raw: bytes) -> None:
        self.raw, self.at = raw, raw.index(b"X\n") + 14
        self.columns: list[list[str]] = []

    def longest(self) -> list[str]:
        self._item()
        return max(self.columns, key=len)

    def _int(self) -> int:
        (value,) = struct.unpack_from(">i", self.raw, self.at)
        self.at += 4
        return int(value)

    def _item(self) -> str:
        flags = self._int()
        kind = flags & 255
        if kind == 2:  # pairlist: attributes, tag, value, rest
            for _ in range(2 + bool(flags & 0x200) + bool(flags & 0x400)):
                self._item()
        elif kind == 1:
            return self._item()
        elif kind == 9:
            size = self._int()
            text = self.raw[self.at : self.at + max(0, size)].decode("utf-8", "replace")
            self.at += max(0, size)
            return text
        elif kind in (10, 13, 14):
            self.at += (8 if kind == 14 else 4) * self._int()
        elif kind in (16, 19):
            items = [self._item() for _ in range(self._int())]
            if kind == 16:
                self.columns.append(items)
        elif kind == 255 and not flags >> 8:
            self._int()
        if kind in (10, 13, 14, 16, 19) and flags & 0x200:
            self._item()
        return ""
