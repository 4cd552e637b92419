"""Dressing plain dialogues as people's conversations: names, bursts, times, typing habits, notes.

Every choice comes from a generator seeded by the dialogue's id, so the same input gives the same output.
A habit belongs to a speaker for a whole conversation: the base learns that people stay who they are.
"""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from clean import plain_quotes

from gemel.examples import Role, Turn

__all__ = ["NAMES", "Habit", "dress", "merge", "one_answer"]

NAMES = tuple(
    name
    for line in (
        "Anna Tom Maria James Linh Minh Ahmed Fatima Sofia Lucas Emma Noah Olivia Liam Priya Arjun Wei",
        "Mei Yuki Kenji Chloe Hugo Lea Jonas Lena Felix Nina Oskar Ingrid Lars Elena Marco Giulia Luca",
        "Carmen Diego Lucia Mateo Ana Pedro Inês João Katya Ivan Olga Dmitri Zofia Piotr Eva Jan Petra",
        "Milan Ayşe Mehmet Leila Omar Yasmin Hassan Amina Kwame Ama Chidi Ngozi Thabo Zanele Aroha",
        "Wiremu Keira Ben Sam Alex Robin Charlie Max Kate Laura Sarah Rachel David Daniel Michael Chris",
        "Matt Andy Steve Paul Mark John Peter Simon Rob Nick Joe Jack Harry Oliver George William Edward",
        "Henry Alice Grace Ruth Helen Jane Mary Margaret Elizabeth Lucy Emily Charlotte Amelia Isabel",
        "Rosa Clara Julia Vera Nora Ella Mia Zoe Ruby Ivy Hazel Violet Stella Maya Tara Anita Sunita",
        "Rahul Vikram Ravi Deepa Hana Jin Soo-jin Min-jun Thảo Hương Tuấn Dũng Trang Phương Nam Hà Lan",
        "Mai Quân Bảo Ngọc Sơn Việt Thu Vy Khoa Phúc Yến Tâm Hùng Kiên",
    )
    for name in line.split()
)
SHORT = {
    "you": "u",
    "are": "r",
    "okay": "ok",
    "please": "pls",
    "because": "cuz",
    "thanks": "thx",
    "going to": "gonna",
}
SENTENCE = re.compile(r"(?<=[.!?…])\s+(?=\S)")


@dataclass(frozen=True, slots=True)
class Habit:
    """How one speaker types in one conversation."""

    lower: bool = False
    bare: bool = False
    """No full stops at the end, no apostrophes."""
    short: bool = False
    """Abbreviations as in `u`, `thx`."""
    burst: float = 0.0
    """Chance that a border between two sentences becomes a border between two messages."""

    def write(self, text: str) -> str:
        """The text as this speaker types it."""
        if self.short:
            for long, brief in SHORT.items():
                text = re.sub(rf"\b{long}\b", brief, text, flags=re.IGNORECASE)
        if self.lower:
            text = text.lower()
        if self.bare:
            text = re.sub(r"(?<=\w)'(?=\w)", "", text)
            text = re.sub(r"(?<!\.)\.$", "", text).replace(". ", " ")
        return text

    def about(self, name: str) -> str:
        """The habit as a sentence of a card."""
        says = [w for w, on in (("in lower case", self.lower), ("without full stops", self.bare)) if on]
        says += ["with abbreviations"] if self.short else []
        says += ["in short messages"] if self.burst > 0.4 else []
        return f"{name} writes {', '.join(says)}." if says else f"{name} writes in whole sentences."


def merge(turns: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Join neighbouring turns of one speaker into a burst."""
    out: list[tuple[str, list[str]]] = []
    for name, text in turns:
        if not text:
            continue
        if out and out[-1][0] == name:
            out[-1][1].append(text)
        else:
            out.append((name, [text]))
    return out


def dress(
    turns: list[tuple[str, str]],
    *,
    seed: str,
    chat: bool,
    keep_names: bool,
    typing: bool,
    join: bool = True,
    known: frozenset[str] = frozenset(),
) -> tuple[Turn, ...]:
    """Make turns of (speaker, text) pairs.

    Args:
        turns: the dialogue, oldest first.
        seed: what the choices depend on.
        chat: people who type: bursts and, for half of the conversations, times.
        keep_names: the source's names are names; otherwise first names are drawn.
        typing: some speakers get informal habits.
        known: names among the speakers that are names although the others are not.
        join: neighbouring turns of one speaker are one burst.
    """
    rng = random.Random(seed)
    labels = list(dict.fromkeys(name for name, _ in turns))
    drawn = rng.sample(NAMES, min(len(labels), len(NAMES)))
    fresh = dict(zip(labels, drawn, strict=False))
    called = {n: n if n and (keep_names or n in known) else fresh.get(n, n) for n in labels}
    habits = {n: _habit(rng, typing, chat) for n in labels}
    when = datetime(2012, 1, 1, tzinfo=UTC) + timedelta(minutes=rng.randrange(6_000_000))
    timed, slow = chat and rng.random() < 0.5, rng.random() < 0.3
    straight = rng.random() < 0.5
    me = rng.choice(labels) if labels else ""
    out = list(_note(rng, called[me], habits[me], typing) if labels else ())
    for name, parts in merge(turns) if join else [(n, [t]) for n, t in turns if t]:
        when += timedelta(seconds=_wait(rng, slow))
        if chat and join:
            parts = [piece for part in parts for piece in _split(rng, part, habits[name].burst)]
        parts = [t for part in parts if (t := habits[name].write(plain_quotes(part) if straight or chat else part))]
        if parts:
            role = Role.me if name == me else Role.other
            stamp = when if timed else None
            out.append(Turn(role=role, parts=tuple(parts), name=called[name], time=stamp, learn=True))
    return tuple(out)


def one_answer(prompt: str, answer: str, *, name: str = "") -> tuple[Turn, ...]:
    """`<|ask|>` and what someone wrote to it."""
    ask = (Turn(role=Role.prompt, parts=(prompt,), learn=True),) if prompt else ()
    return (*ask, Turn(role=Role.me, parts=(answer,), name=name, learn=True))


def _habit(rng: random.Random, typing: bool, chat: bool) -> Habit:
    burst = rng.choice((0.0, 0.0, 0.3, 0.7)) if chat else 0.0
    if not typing or rng.random() < 0.6:
        return Habit(burst=burst)
    return Habit(rng.random() < 0.75, rng.random() < 0.6, rng.random() < 0.3, burst)


def _note(rng: random.Random, name: str, habit: Habit, typing: bool) -> tuple[Turn, ...]:
    roll = rng.random()
    if roll > 0.2:
        return ()
    text = f"You are {name}." if roll < 0.1 or not typing else f"You are {name}. {habit.about(name)}"
    return (Turn(role=Role.system, parts=(text,), learn=True),)


def _split(rng: random.Random, text: str, burst: float) -> list[str]:
    out = [""]
    for sentence in SENTENCE.split(text):
        if out[-1] and rng.random() < burst:
            out.append(sentence)
        else:
            out[-1] = f"{out[-1]} {sentence}".strip()
    return out


def _wait(rng: random.Random, slow: bool) -> float:
    """Seconds until the next turn: mostly under a minute, sometimes hours, in slow talks days."""
    seconds = rng.lognormvariate(3.2, 1.2)
    if rng.random() < (0.25 if slow else 0.04):
        seconds = rng.lognormvariate(9.5, 1.6)
    return min(seconds, 10 * 86400.0)
