"""Two made-up people with different habits, their chats, and speakers that imitate them well or badly."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence

from gemel.examples import Example, Role, TraitValue, Turn
from gemel.speaker import Reply, Sampling, Speaker

PLAIN = Sampling()
ANNA = [
    "honestly",
    "maybe",
    "perhaps",
    "lovely",
    "darling",
    "shall",
    "rather",
    "whilst",
    "delightful",
    "indeed",
    "quite",
    "terribly",
]
TOM = [
    "yeah",
    "nah",
    "dude",
    "gonna",
    "wanna",
    "kinda",
    "whatever",
    "bro",
    "cool",
    "nope",
    "totally",
    "stuff",
]
SHARED = [
    "the",
    "train",
    "to",
    "town",
    "leaves",
    "at",
    "noon",
    "and",
    "we",
    "meet",
    "near",
    "market",
    "with",
    "bread",
    "cheese",
    "wine",
    "books",
    "rain",
    "sun",
]


def sentence(rng: random.Random, own: list[str]) -> str:
    count = rng.randint(3, 12)
    return " ".join(rng.choice(own) if rng.random() < 0.35 else rng.choice(SHARED) for _ in range(count))


def chat(number: int, *, turns: int = 10, split: str = "", me: str = "Anna") -> Example:
    """A session of two: Anna and Tom take turns; `me` is the one whose turns are learned."""
    rng = random.Random(number)
    rows = []
    for i in range(turns):
        name = ("Tom", "Anna")[i % 2]
        text = sentence(rng, ANNA if name == "Anna" else TOM)
        mine = name == me
        rows.append(Turn(role=Role.me if mine else Role.other, parts=(text,), name=name, learn=mine))
    return Example(
        id=f"c{number}", kind="chat", turns=tuple(rows), session=f"s{number}", recipients=("Tom",), split=split
    )


def shuffled(example: Example, seed: int = 0) -> Example:
    """The same session with texts dealt to the speakers at random."""
    rng = random.Random(f"{seed} {example.id}")
    texts = [t.parts for t in example.turns]
    rng.shuffle(texts)
    turns = tuple(Turn(role=t.role, parts=parts, name=t.name, learn=t.learn) for t, parts in zip(example.turns, texts))
    return Example(id=example.id, kind="chat", turns=turns, session=example.session, recipients=("Tom",))


class Constant(Speaker):
    """Always says the same."""

    def __init__(self, text: str = "ok") -> None:
        self.name = "constant"
        self.text = text

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        return Reply(parts=(self.text,), tokens_out=1)


class Parrot(Speaker):
    """Says one of the given texts, chosen by the request's seed."""

    name = "parrot"

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        text = self.texts[(sampling.seed or 0) % len(self.texts)]
        return Reply(parts=(text,), tokens_out=len(text.split()))


class Writer(Speaker):
    """Makes new sentences from a person's words."""

    name = "writer"

    def __init__(self, own: list[str]) -> None:
        self.own = own

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        text = sentence(random.Random(sampling.seed), self.own)
        return Reply(parts=(text,), tokens_out=len(text.split()))
