"""What a text sounds like: p(trait | text) by Bayes' rule over a grid of the trait's values.

The likelihood is the model's, the prior is the training split's, other traits are held as given (or
missing). It answers "what height does your text sound like?", never how tall anybody is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from gemel.errors import ConfigError
from gemel.examples import TraitValue
from gemel.fields import Category, Number, Ordinal, Scalar
from gemel.model.conditioned import Conditioned, Text
from gemel.model.gradient import token_log_probs

__all__ = ["Inversion", "invert"]

Floats = NDArray[np.float64]


class Inversion(NamedTuple):
    """The belief about one trait before and after reading a text."""

    trait: str
    labels: tuple[str, ...]
    """The grid, for a person to read."""
    grid: Floats
    """Coordinates in sd (a category: the number of the level), (G,)."""
    prior: Floats
    """(G,), summing to 1."""
    posterior: Floats
    """(G,), summing to 1."""
    loglik: Floats
    """log p(text | grid value) in nats, (G,)."""

    @property
    def best(self) -> str:
        """The most probable value."""
        return self.labels[int(np.argmax(self.posterior))]

    @property
    def bits(self) -> float:
        """How much the text tells about the trait: the divergence of posterior from prior, in bits."""
        kept = self.posterior > 0
        return float(np.sum(self.posterior[kept] * np.log2(self.posterior[kept] / self.prior[kept])))

    def quantile(self, share: float) -> str:
        """The value below which `share` of the posterior lies (of a number or ordinal)."""
        return self.labels[int(np.searchsorted(np.cumsum(self.posterior), share).clip(0, len(self.grid) - 1))]


def invert(
    twin: Conditioned, text: Text, trait: str, profile: Mapping[str, TraitValue] | None = None, *, points: int = 61
) -> Inversion:
    """The belief about `trait` after reading `text`.

    Args:
        profile: other traits that are known; what it says about `trait` is ignored.
        points: grid points of a number.

    Raises:
        ConfigError: for a trait of several values at once.
    """
    field = twin.spec.field(trait)
    values: Sequence[TraitValue]
    if isinstance(field, Category):
        grid, prior = np.arange(len(field.levels), dtype=np.float64), np.array(field.shares)
        values, labels = field.levels, field.levels
    elif isinstance(field, Scalar):
        grid = _grid(field, points)
        prior = _density(np.array(field.seen), grid, exact=isinstance(field, Ordinal))
        values, labels = [field.value(u) for u in grid], tuple(field.show(u) for u in grid)
    else:
        raise ConfigError(f"'{trait}' has several values at once", hint="Invert a number, an ordinal or a category.")
    known = {k: v for k, v in (profile or {}).items() if k != trait}
    blend = twin.blend([{**known, trait: value} for value in values])
    ids = torch.tensor([text.ids]).expand(len(values), -1)
    mask = torch.tensor(text.learn[1:])
    loglik: Floats = (token_log_probs(twin, ids, blend).double() * mask).sum(1).numpy()
    with np.errstate(divide="ignore"):
        weight = np.log(prior) + loglik
    posterior = np.exp(weight - weight.max())
    return Inversion(trait, labels, grid, prior, posterior / posterior.sum(), loglik)


def _grid(field: Scalar, points: int) -> Floats:
    if isinstance(field, Ordinal):
        return np.array([(level - field.mean) / field.sd for level in range(len(field.levels))])
    if isinstance(field, Number) and field.period:
        start = -field.mean / field.sd
        return np.linspace(start, start + field.period / field.sd, points, endpoint=False)
    return field.grid(points, low=0.0, high=1.0)


def _density(seen: Floats, grid: Floats, *, exact: bool) -> Floats:
    """Shares of the training split at the grid: counted for an ordinal, smoothed by 0.2 sd for a number."""
    width = 1e-3 if exact else 0.2
    weight = np.exp(-0.5 * ((grid[:, None] - seen) / width) ** 2).sum(1) + 1e-6
    density: Floats = weight / weight.sum()
    return density
