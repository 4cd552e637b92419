"""The twin as a function of its traits, as the server holds it: loaded once, asked by one request at a time.

Essays, derivatives, loudness, effects and inversion are the model's own behaviour, not the world's. Every
size is bounded before anything is computed; rows go through the model in portions of a bounded size.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gemel.config import Config
from gemel.errors import Busy, ConfigError
from gemel.examples import TraitValue
from gemel.fields import Number, Scalar
from gemel.model.conditioned import Conditioned, Text
from gemel.model.coupled import Noise, to_tensor, write
from gemel.model.effects import Effect, effect, mean_of
from gemel.model.gradient import gradient, scores, token_field, token_log_probs
from gemel.model.invert import Inversion, invert
from gemel.model.words import Word, by_word
from gemel.pipeline.traits import load_conditioned, load_control, measure_loudness
from gemel.privacy.unservable import refuse_unservable
from gemel.text import fold, words
from gemel.workspace import Workspace

__all__ = ["Derivative", "Desk", "Essay", "Point", "effects", "essays", "inversions", "loudness", "slopes"]

NUMBERS = 2**25
"""Entries of the largest tensor of log-probabilities at once (128 MiB in fp32)."""
PATIENCE = 60.0
"""Seconds that a request waits for another one's end."""
STEP = 0.02
"""Of the finite difference, in sd."""
Profile = Mapping[str, TraitValue]


class Desk:
    """The conditioned twin of a workspace; a splice holds one request's traits, so requests take turns."""

    def __init__(self, workspace: Workspace, config: Config) -> None:
        self.workspace, self.config = workspace, config
        self._lock = threading.Lock()
        self._made: tuple[Any, ...] | None = None
        self._twin: Conditioned | None = None
        self._control: Conditioned | None = None

    @contextmanager
    def open(self) -> Iterator[tuple[Conditioned, Conditioned | None]]:
        """The twin and its control, alone for the time of the block.

        Raises:
            MissingStage: when no run has traits.
            Refused: when something it learned was forgotten since.
            Busy: when another request keeps it too long.
        """
        if not self._lock.acquire(timeout=PATIENCE):
            raise Busy("the traits are busy with other requests", hint="Try again in a moment.")
        try:
            yield self._load()
        finally:
            self._lock.release()

    def close(self) -> None:
        """Let go of the models."""
        with self._lock:
            self._made = self._twin = self._control = None

    def _load(self) -> tuple[Conditioned, Conditioned | None]:
        having = sorted(self.workspace.runs.glob("*/traits.json"))
        made = (self.workspace.current(), tuple((p.parent.name, p.stat().st_mtime_ns) for p in having))
        if self._twin is None or made != self._made:
            self._made = self._twin = self._control = None
            self._twin = load_conditioned(self.workspace, self.config)
            self._control = load_control(self.workspace, self.config)
            self._made = made
        for folder in (p.parent for p in having):
            if self._speaks(folder.name):
                refuse_unservable(folder)
        return self._twin, self._control

    def _speaks(self, run: str) -> bool:
        current = self.workspace.current()
        return run == current or not (self.workspace.run(current or "-") / "traits.json").exists()


class Piece(NamedTuple):
    """A word of an essay."""

    text: str
    new: bool
    """It is not in the essay that this one is compared with."""
    value: float
    """d log p / du in nats per sd; 0 where no trait is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Essay:
    """One of several essays that share their chance."""

    words: tuple[Piece, ...]
    score: float
    """S = d log p(essay) / du, nats per sd."""
    ended: bool
    """Whether it came to its end within the tokens allowed."""


def essays(
    twin: Conditioned,
    prompt: str,
    profiles: Sequence[Profile],
    *,
    seed: int,
    max_tokens: int,
    trait: str = "",
    guidance: Mapping[str, float] | None = None,
    previous: bool = False,
) -> list[Essay]:
    """Essays of several profiles by common random numbers.

    Args:
        trait: a scalar whose derivative shades the words; "": none.
        guidance: γ by trait.
        previous: compare each with the one before it, not with the first.
    """
    head = _head(twin, prompt)
    texts = write(twin, head, twin.blend(profiles, guidance), Noise(seed, _vocabulary(twin)), max_tokens=max_tokens)
    said = []
    for profile, text in zip(profiles, texts):
        slope = np.zeros(len(text), dtype=np.float32)
        if trait and text and twin.spec.scalar(trait).position(profile.get(trait)) is not None:
            ids, _ = to_tensor([text], head)
            field = token_field(twin, ids, twin.blend([profile], guidance), twin.tangent([profile], trait, guidance))
            slope = field.slope[0, len(head) - 1 :].numpy()
        said.append((by_word(twin, text, slope), slope))
    out = []
    for i, (text, (pieces, slope)) in enumerate(zip(texts, said)):
        other = said[max(0, i - 1) if previous else 0][0]
        new = _new(other, pieces)
        out.append(
            Essay(
                words=tuple(Piece(w.text, n, w.value) for w, n in zip(pieces, new)),
                score=float(slope.sum()),
                ended=bool(text) and text[-1] in twin.base.template.stop_ids,
            )
        )
    return out


def loudness(
    twin: Conditioned, control: Conditioned | None, prompt: str, profile: Profile, *, count: int, max_tokens: int
) -> dict[str, tuple[Effect, float | None]]:
    """How loud each trait is in `count` essays (bits per sd²), and the control's upper end where there is one."""
    _head(twin, prompt)
    found = measure_loudness(twin, prompt, profile, count, max_tokens)
    floor = measure_loudness(control, prompt, profile, count, max_tokens) if control else {}
    return {name: (e, floor[name].high if name in floor else None) for name, e in found.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Derivative:
    """How the probability of a given text changes with a trait."""

    shown: str
    """Where the trait stands."""
    sd: float
    """One sd here, in the trait's own unit: divide by it for nats per unit."""
    words: tuple[Word, ...]
    checked: tuple[Word, ...]
    """The same by finite difference; empty unless asked for."""
    logp: float
    """log p(text), nats."""
    cut: bool
    """The text was longer than what is computed."""


def slopes(
    twin: Conditioned, essay: str, trait: str, *, prompt: str, profile: Profile, check: bool = False
) -> Derivative:
    """The derivative of every word of a given text. A trait that is not given stands at its mean."""
    scalar = twin.spec.scalar(trait)
    here = dict(profile)
    if scalar.position(here.get(trait)) is None:
        here = twin.moved(here, trait, 0.0)
    text, cut = _bounded(twin, twin.text(prompt, essay), 4)
    ids, mask = torch.tensor([text.ids]), torch.tensor([text.learn[1:]])
    field = token_field(twin, ids, twin.blend([here]), twin.tangent([here], trait))
    start = text.learn.index(True)
    said = text.ids[start:]
    u = twin.position(here, trait)

    def told(values: Tensor) -> tuple[Word, ...]:
        return by_word(twin, said, (values * mask)[0].float().numpy()[start - 1 :])

    checked: tuple[Word, ...] = ()
    if check:
        low, high = (
            token_log_probs(twin, ids, twin.blend([twin.moved(here, trait, u + s * STEP)])).double() for s in (-1, 1)
        )
        checked = told((high - low) / (2 * STEP))
    return Derivative(
        shown=scalar.show(u),
        sd=unit_of(scalar, u),
        words=told(field.slope),
        checked=checked,
        logp=float((field.logp * mask).sum()),
        cut=cut,
    )


class Point(NamedTuple):
    """E[f] at one place of a trait, and its derivative there."""

    u: float
    shown: str
    mean: Effect
    slope: Effect
    """d E[f] / du, per sd."""


def effects(
    twin: Conditioned,
    trait: str,
    *,
    prompt: str,
    profile: Profile,
    word: str = "",
    points: int = 7,
    count: int = 24,
    max_tokens: int = 80,
    seed: int = 0,
) -> list[Point]:
    """The curve of E[f] along a trait, f being the number of words, or of mentions of one word.

    Each point is measured on essays of its own, so that the curve's slope and the derivative by the scores check
    each other.
    """
    scalar = twin.spec.scalar(trait)
    head = _head(twin, prompt)
    out = []
    for at, u in enumerate(scalar.grid(points)):
        here = twin.moved(profile, trait, float(u))
        noises = [Noise(seed * 1_000_003 + at * count + i, _vocabulary(twin)) for i in range(count)]
        texts = write(twin, head, twin.blend([here] * count), noises, max_tokens=max_tokens)
        values = np.array([_measured("\n".join(twin.parts(text)), word) for text in texts])
        score = np.concatenate([_scores(twin, part, head, here, trait) for part in _portions(twin, texts, head)])
        out.append(Point(float(u), scalar.show(float(u)), mean_of(values), effect(values, score)))
    return out


def inversions(
    twin: Conditioned, text: str, traits: Sequence[str], *, prompt: str, profile: Profile, points: int = 31
) -> tuple[list[Inversion], bool]:
    """What a text sounds like, trait by trait; and whether it was longer than what is computed."""
    bounded, cut = _bounded(twin, twin.text(prompt, text), points)
    return [invert(twin, bounded, name, profile, points=points) for name in traits], cut


def unit_of(scalar: Scalar, u: float) -> float:
    """d value / du: one sd in the trait's own unit (an ordinal: in levels)."""
    sd = float(getattr(scalar, "sd", 1.0))
    return scalar.value(u) * sd if isinstance(scalar, Number) and scalar.log else sd


def profile_of(twin: Conditioned, given: Mapping[str, Any]) -> dict[str, TraitValue]:
    """Settings that the twin knows and understands; null is missing.

    Raises:
        ConfigError: for an unknown trait or value.
    """
    out: dict[str, TraitValue] = {}
    for name, value in given.items():
        field = twin.spec.field(name)
        if value is None:
            continue
        value = tuple(value) if isinstance(value, list) else value
        if field.encode(value) is None:
            levels = getattr(field, "levels", ()) or field.slots
            known = "a number" if field.kind == "number" else ", ".join(levels)
            raise ConfigError(f"'{name}' cannot be that", hint=f"It is one of: {known}")
        out[name] = value
    return out


def _head(twin: Conditioned, prompt: str) -> list[int]:
    head = twin.prompt(prompt)
    if len(head) > twin.base.context // 2:
        raise ConfigError("the prompt is too long for this base", hint="Shorten it.")
    return head


def _new(before: Sequence[Word], after: Sequence[Word]) -> list[bool]:
    a, b = ([w.text.strip() for w in side] for side in (before, after))
    same = {
        j
        for block in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks()
        for j in range(block.b, block.b + block.size)
    }
    return [j not in same for j in range(len(b))]


def _measured(text: str, word: str) -> float:
    found = [fold(w) for w in words(text)]
    return float(found.count(fold(word))) if word else float(len(found))


def _scores(
    twin: Conditioned, texts: Sequence[Sequence[int]], head: Sequence[int], profile: Profile, trait: str
) -> NDArray[np.float64]:
    ids, mask = to_tensor(texts, head)
    grads = gradient(twin, ids, mask, twin.blend([profile] * len(texts)))
    out: NDArray[np.float64] = scores(twin, grads, trait, profile).double().numpy()
    return out


def _portions(twin: Conditioned, texts: list[list[int]], head: Sequence[int]) -> Iterator[list[list[int]]]:
    longest = max(map(len, texts)) + len(head)
    size = max(1, NUMBERS // (longest * _vocabulary(twin)))
    for at in range(0, len(texts), size):
        yield texts[at : at + size]


def _bounded(twin: Conditioned, text: Text, rows: int) -> tuple[Text, bool]:
    """The beginning of a text of which `rows` copies fit into the bound."""
    if not any(text.learn[1:]):
        raise ConfigError("nothing of the text is left beside its prompt", hint="Shorten the prompt.")
    room = max(32, NUMBERS // (rows * _vocabulary(twin)), text.learn.index(True) + 1)
    return Text(text.ids[:room], text.learn[:room]), len(text.ids) > room


def _vocabulary(twin: Conditioned) -> int:
    return int(twin.base.model.get_output_embeddings().weight.shape[0])
