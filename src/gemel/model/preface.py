"""What stands before a conversation when a model answers by instructions: the card, what memory found,
and the order to say "I don't know" where it found nothing.

For bases that follow instructions, local or behind an address. Quotations stand in a turn of their own,
as data, never as instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

from gemel.examples import Role, Turn
from gemel.model.assisted import SIMILAR, situation
from gemel.model.card import Card
from gemel.model.memory import Found, Memory
from gemel.model.voice import Preface

__all__ = ["carded", "remembering"]

UNKNOWN = (
    "Nothing {name} wrote supports an answer to what was asked last. If it asks for a fact about {name} or what "
    "{name} did, say that you do not know, in {name}'s own way; never invent one."
)


def carded(card: Card, *, small: bool = False) -> Preface:
    """The card alone."""
    turn = Turn(role=Role.system, parts=(card.text(small=small),))
    return lambda turns: (turn,)


def remembering(card: Card, memory: Memory, *, splits: Sequence[str] | None = None, quotes: int = 5) -> Preface:
    """Card and memory: facts that were found, past replies as examples of manner, or the order not to invent.

    Args:
        card: told in the long form.
        memory: searched with what was said last.
        splits: data splits that may be quoted; None: all.
        quotes: of each kind at most.
    """

    def preface(turns: Sequence[Turn]) -> Sequence[Turn]:
        asked = situation(turns)
        text = card.text()
        found = memory.find(asked, quotes, splits=splits) if asked.strip() else Found(0.0, ())
        if asked.strip() and not found.citations:
            text += "\n\n" + UNKNOWN.format(name=card.name)
        past = [p for p in memory.replies(asked, quotes, splits=splits) if p.score >= SIMILAR] if asked.strip() else []
        out = [Turn(role=Role.system, parts=(text,))]
        if found.citations:
            lines = [f"- {c.quote}" + (f" ({c.title})" if c.title else "") for c in found.citations]
            out.append(Turn(role=Role.data, parts=(f"{card.name} wrote earlier:\n" + "\n".join(lines),)))
        if past:
            lines = ["- " + " / ".join(p.parts) for p in past]
            head = f"In similar situations {card.name} answered:\n"
            out.append(Turn(role=Role.data, parts=(head + "\n".join(lines),)))
        return out

    return preface
