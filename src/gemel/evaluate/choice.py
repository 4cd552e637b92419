"""The choice test: does the model find the person's true reply among four, without any judge?

The true reply stands beside one of the person's own from another session, one of somebody else and one
of the base, each ranked by log p(reply | context) − log p(reply). Chance is 25 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gemel.errors import TooLittle
from gemel.evaluate.answers import Answer
from gemel.evaluate.cases import Case
from gemel.evaluate.identity import Text, measure_losses
from gemel.evaluate.journal import Journal
from gemel.evaluate.statistics import Floats
from gemel.speaker import Scorer

__all__ = ["CHANCE", "Choice", "choose"]

CHANCE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which candidate each case's model preferred."""

    cases: tuple[Case, ...]
    margins: Floats
    """(N, 4) log p(y | c) − log p(y) in nats; the true reply is column 0."""

    @property
    def right(self) -> Floats:
        """(N,) 1 where the true reply came first; ties count as their share."""
        best = self.margins.max(axis=1, keepdims=True)
        top = self.margins >= best - 1e-9
        return np.where(top[:, 0], 1.0 / top.sum(axis=1), 0.0)

    @property
    def reciprocal(self) -> Floats:
        """(N,) reciprocal rank of the true reply."""
        return 1.0 / (1.0 + (self.margins[:, 1:] > self.margins[:, :1]).sum(axis=1))


def choose(
    scorer: Scorer,
    system: str,
    cases: Sequence[Case],
    candidates: Mapping[str, Sequence[Answer]],
    *,
    journal: Journal,
    limit: int = 200,
) -> Choice:
    """Let a scorer choose.

    Args:
        candidates: three lists of replies beside the true one, one reply per case each.
        limit: cases at most, taken evenly.

    Raises:
        TooLittle: when fewer than 20 cases answer somebody.
    """
    asked = [i for i, c in enumerate(cases) if c.incoming]
    if len(asked) < 20:
        raise TooLittle(f"{len(asked)} replies answer somebody, at least 20 are needed")
    if len(asked) > limit:
        asked = [asked[i] for i in np.linspace(0, len(asked) - 1, limit).astype(int)]
    texts = []
    for i in asked:
        case = cases[i]
        options = [("true", case.truth.parts), *((name, rows[i].parts) for name, rows in candidates.items())]
        for name, parts in options:
            reply = replace(case.truth, parts=parts, ids=())
            traits = case.traits or None
            key = f"choice {name} {case.id}"
            texts.append(Text(key=key, context=case.context, reply=reply, traits=traits))
            texts.append(Text(key=f"{key} alone", context=(), reply=reply, traits=traits))
    losses = measure_losses(scorer, system, texts, journal=journal)
    width = 1 + len(candidates)
    nats = losses.total.reshape(len(asked), width, 2)  # given the context, alone
    return Choice(cases=tuple(cases[i] for i in asked), margins=nats[:, :, 1] - nats[:, :, 0])
