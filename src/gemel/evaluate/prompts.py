"""The best a prompt can do with the untrained base: several instructions, the best chosen on validation text.

The floor of every metric is as strong as we can make it without training; otherwise any twin looks good.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gemel.evaluate.cases import Case, Pool
from gemel.evaluate.identity import LN2, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.sample import trim
from gemel.records import stable_id
from gemel.speaker import Scorer

__all__ = ["best_prompt", "prompts"]


def prompts(name: str, own: Sequence[Pool], *, card: str = "", small: str = "", seed: int = 0) -> dict[str, str]:
    """Instructions by name, all drawn from training text only.

    Args:
        name: the person's, as the examples have it.
        own: training replies.
        card, small: the card's text for large and for small models, where there is one.
    """
    rng = random.Random(stable_id("prompts", seed))
    shown = rng.sample(list(own), min(8, len(own)))
    alone = "\n".join(trim(p.turn.text, 30) for p in shown)
    pairs = "\n".join(f"{trim(p.incoming, 30)}\n{name}: {trim(p.turn.text, 30)}" for p in shown[:5] if p.incoming)
    out = {
        "plain": f"You are {name}. Answer as {name} would.",
        "examples": f"This is how {name} writes:\n{alone}",
        "conversations": f"You are {name}. This is how {name} answers:\n{pairs}" if pairs else "",
        "card": card,
        "short card": small,
        "short card with examples": f"{small}\n{alone}" if small else "",
    }
    return {key: text for key, text in out.items() if text}


def best_prompt(
    scorer: Scorer, cases: Sequence[Case], candidates: Mapping[str, str], *, journal: Journal, limit: int = 24
) -> tuple[str, dict[str, float]]:
    """The name of the instruction under which the base predicts held-out words best, and all bits per byte.

    Args:
        cases: of the validation split, so that the test split chooses nothing.
    """
    texts = [text_of(c) for c in cases[:limit]]
    bits = {}
    for name, prompt in candidates.items():
        losses = measure_losses(scorer, f"try {name}", texts, journal=journal, prompt=prompt)
        bits[name] = float(losses.total.sum() / LN2 / max(1.0, losses.bytes.sum()))
    return min(bits, key=lambda n: bits[n], default=""), bits
