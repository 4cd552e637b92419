"""Drawing the next token of every row from its scores: temperature (fixed, or moved with what is open), top-p,
seeds, bans, log-probabilities.

Each row has a generator of its own and takes one number from it per token, so that a reply depends on
its own seed only, whoever is decoded beside it (up to the rounding of matrix products).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

__all__ = ["Chances", "Dice", "Warmth", "draw", "log_probabilities"]


@dataclass(frozen=True, slots=True)
class Chances:
    """Log-probability of the drawn token and of the most probable ones, at temperature 1."""

    token: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmth:
    """How one person's next token is drawn, given the model's own uncertainty; `warmth.fit` finds the numbers.

    logits'_v = (logits_v + ends [v ends the reply] + borders [v begins another message]) / T,
    T = temperature · exp(level + slope · (H − middle)), H the entropy of softmax(logits).
    """

    level: float = 0.0
    slope: float = 0.0
    """Per nat."""
    middle: float = 0.0
    """Mean entropy of the person's own tokens, in nats."""
    ends: float = 0.0
    """Nats added to what ends a reply: fits the length of replies."""
    borders: float = 0.0
    """Nats added to what begins another message: fits the number of messages."""
    stop: frozenset[int] = frozenset()
    also: frozenset[int] = frozenset()


COLDEST, WARMEST = math.log(0.5), math.log(2.0)
"""Bounds of the logarithm by which the temperature moves."""


@dataclass
class Dice:
    """How one row draws."""

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    banned: frozenset[int] = frozenset()
    """Tokens that are not drawn now."""
    warmth: Warmth | None = None

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)

    def roll(self) -> float:
        """The next number in [0, 1)."""
        return self._random.random()


def draw(logits: Tensor, dice: Sequence[Dice]) -> list[int]:
    """One token a row.

    Args:
        logits: (b, vocabulary) float32; banned places are overwritten, rows with a warmth are moved.
        dice: b of them.
    """
    for row, die in enumerate(dice):
        if die.banned:
            logits[row].index_fill_(0, _places(die.banned, logits.device), -torch.inf)
    if all(die.temperature <= 0 for die in dice):
        greedy: list[int] = logits.argmax(-1).tolist()
        return greedy
    scale = torch.tensor([[1 / max(die.temperature, 1e-4)] for die in dice], device=logits.device)
    for row, die in enumerate(dice):
        if die.warmth is not None and die.temperature > 0:
            scale[row] *= warm(logits[row], die.warmth)
    chances = torch.softmax(logits * scale, -1)
    if any(die.top_p < 1 for die in dice):
        chances = _nucleus(chances, dice)
    sums = chances.double().cumsum(-1)
    point = torch.tensor([[die.roll()] for die in dice], dtype=torch.float64, device=logits.device) * sums[:, -1:]
    # right=True: a token of chance 0 is never drawn
    tokens = torch.searchsorted(sums, point, right=True)[:, 0].clamp_max(logits.shape[-1] - 1)
    for row, die in enumerate(dice):
        if die.temperature <= 0:
            tokens[row] = logits[row].argmax()
    drawn: list[int] = tokens.tolist()
    return drawn


def warm(logits: Tensor, warmth: Warmth) -> float:
    """Move one row's scores (vocabulary,), in place, and give the factor 1 / T that they are still to be taken by."""
    logs = torch.log_softmax(logits, -1)
    entropy = -float((logs.exp() * logs.clamp_min(-1e4)).sum())
    for ids, value in ((warmth.stop, warmth.ends), (warmth.also, warmth.borders)):
        if ids and value:
            places = _places(ids, logits.device)
            logits.index_add_(0, places, logits.new_full((len(places),), value))
    level = warmth.level + warmth.slope * (entropy - warmth.middle)
    return math.exp(-min(max(level, COLDEST), WARMEST))


def log_probabilities(logits: Tensor, token: int, top: int) -> Chances:
    """What the model thought of `token`; `logits` is (vocabulary,), before any ban or temperature."""
    logs = torch.log_softmax(logits, -1)
    best = torch.topk(logs, top) if top else None
    pairs = zip(best.indices.tolist(), best.values.tolist()) if best else ()
    return Chances(token, float(logs[token]), tuple(pairs))


def _nucleus(chances: Tensor, dice: Sequence[Dice]) -> Tensor:
    """Keep the most probable tokens whose sum reaches top-p (Holtzman et al. 2020, arXiv:1904.09751)."""
    rows = [row for row, die in enumerate(dice) if die.top_p < 1]
    some = chances[rows]
    bound = torch.tensor([[dice[row].top_p] for row in rows], device=chances.device)
    ordered = _descending(some)
    before = ordered.cumsum(-1) - ordered
    many = (before < bound).sum(-1, keepdim=True)
    least = ordered.gather(-1, many - 1)
    inside = some >= least
    for row in (inside.sum(-1) - many[:, 0]).nonzero()[:, 0].tolist():  # several are as probable as the last one
        equal = (some[row] == least[row]).nonzero()[:, 0]
        inside[row, equal[int(many[row] - inside[row].sum()) :]] = False
    chances[rows] = some * inside
    return chances


def _descending(chances: Tensor) -> Tensor:
    """Each row sorted; on a CPU by NumPy, whose vector instructions are 30 times as fast as torch's sort."""
    if chances.device.type == "cpu":
        return torch.from_numpy(np.sort(chances.numpy(), -1)).flip(-1)
    return chances.sort(-1, descending=True).values


@lru_cache(maxsize=64)
def _places(ids: frozenset[int], device: torch.device) -> Tensor:
    """Tokens as an index."""
    return torch.tensor(sorted(ids), dtype=torch.long, device=device)
