"""The temperature of one person: fitted so that what the voice leaves open is as open as the person's own words.

On the person's own tokens of the validation split, the four numbers of `Warmth` are those that make them most
probable: temperature as a function of the model's entropy (in the spirit of Zhang et al. 2024, arXiv:2403.14541,
but fitted instead of chosen), and what is added to the tokens that end a reply or begin another message. At that
point as many replies and messages end as the person ended. Measurements of likeness never use it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gemel.examples import Example, Role, TraitValue, Turn
from gemel.model.base import Base
from gemel.model.condition import rows_of
from gemel.model.draw import COLDEST, WARMEST, Warmth
from gemel.model.template import ALSO
from gemel.workspace import atomic

__all__ = ["FILE", "fit", "fitted", "load", "own_logits", "save"]

FILE = "warmth.json"
"""In a run's folder."""
FEWEST = 200
"""Own tokens below which nothing is fitted."""
TOKENS = 3000
"""Own tokens that are looked at, at most."""
ENTRIES = 2**26
"""Entries of the largest tensor of logits (256 MiB)."""
CONTEXT = 512
"""Tokens of context read before a reply."""
RIDGE = 4.0
"""Nats that a number costs for being 1: few tokens leave the voice as it is."""


def own_logits(
    base: Base, examples: Iterable[Example], *, traits: Callable[[Mapping[str, TraitValue]], Tensor] | None = None
) -> tuple[Tensor, Tensor]:
    """Logits (n, vocabulary) before each of the person's own tokens, and those tokens (n,)."""
    splice: Any = getattr(base.model, "splice", None)
    logits: list[Tensor] = []
    tokens: list[int] = []
    room = 0
    with torch.inference_mode():
        for context, reply, values in _replies(examples):
            encoded = base.template.encode_pair(context, reply)
            ids, learn = encoded.ids[-CONTEXT:], encoded.learn[-CONTEXT:]
            places = [i for i in range(1, len(ids)) if learn[i]]
            if not places:
                continue
            if splice is not None:
                splice.set(None if traits is None else traits(values)[None].to(base.device))
            out = base.model(torch.tensor([ids], device=base.device), use_cache=False).logits[0]
            room = room or max(FEWEST, min(TOKENS, ENTRIES // out.shape[-1]))
            logits.append(out[[i - 1 for i in places]].float().cpu())
            tokens += [ids[i] for i in places]
            if len(tokens) >= room:
                break
        if splice is not None:
            splice.set(None)
    return (torch.cat(logits) if logits else torch.zeros(0, 1)), torch.tensor(tokens, dtype=torch.long)


def fit(logits: Tensor, tokens: Tensor, *, stop: frozenset[int], also: frozenset[int]) -> Warmth | None:
    """The most probable `Warmth` for the tokens (n,) that came after `logits` (n, vocabulary); None for too few."""
    if len(tokens) < FEWEST:
        return None
    logs = torch.log_softmax(logits, -1)
    entropy = -(logs.exp() * logs.clamp_min(-1e4)).sum(-1)
    middle = float(entropy.mean())
    marks = torch.zeros(2, logits.shape[-1])
    marks[0, list(stop)] = 1
    marks[1, list(also)] = 1
    numbers = torch.zeros(4, requires_grad=True)

    def loss() -> Tensor:
        level = (numbers[0] + numbers[1] * (entropy - middle)).clamp(COLDEST, WARMEST)
        moved = (logs + numbers[2:] @ marks) * torch.exp(-level)[:, None]
        nats = moved.logsumexp(-1) - moved.gather(-1, tokens[:, None])[:, 0]
        return nats.sum() + RIDGE * numbers.square().sum()

    search = torch.optim.LBFGS([numbers], max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    search.step(closure)  # type: ignore[no-untyped-call]
    level, slope, ends, borders = (round(float(v), 4) for v in numbers.detach())
    return Warmth(level=level, slope=slope, middle=round(middle, 4), ends=ends, borders=borders, stop=stop, also=also)


def load(folder: Path, base: Base) -> Warmth | None:
    """What was fitted for a run, for the base's own end and border tokens; None where nothing was."""
    try:
        said = json.loads((folder / FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not said:
        return None
    return Warmth(
        level=said["level"],
        slope=said["slope"],
        middle=said["middle"],
        ends=said["ends"],
        borders=said["borders"],
        stop=_stop(base),
        also=_also(base),
    )


def fitted(
    folder: Path,
    base: Base,
    examples: Callable[[], Iterable[Example]],
    *,
    traits: Callable[[Mapping[str, TraitValue]], Tensor] | None = None,
) -> Warmth | None:
    """The warmth of a run: as kept in its folder, else fitted on `examples` and kept there."""
    if not (folder / FILE).exists():
        logits, tokens = own_logits(base, examples(), traits=traits)
        save(folder, fit(logits, tokens, stop=_stop(base), also=_also(base)))
    return load(folder, base)


def save(folder: Path, warmth: Warmth | None) -> None:
    """Keep it in the run's folder; that nothing could be fitted is kept too."""
    row = {} if warmth is None else {k: v for k, v in asdict(warmth).items() if k not in ("stop", "also")}
    with atomic(folder / FILE) as path:
        path.write_text(json.dumps(row, indent=1), encoding="utf-8")


def _stop(base: Base) -> frozenset[int]:
    return base.template.stop_ids


def _also(base: Base) -> frozenset[int]:
    token = base.template.codec.id(ALSO)
    return frozenset() if token is None else frozenset({token})


def _replies(examples: Iterable[Example]) -> Iterator[tuple[tuple[Turn, ...], Turn, Mapping[str, TraitValue]]]:
    """Each own turn with what stood before it, and the traits it was written under."""
    for example in examples:
        for i, (turn, values) in enumerate(zip(example.turns, rows_of(example))):
            if turn.learn and turn.role is Role.me:
                yield example.turns[:i], turn, values
