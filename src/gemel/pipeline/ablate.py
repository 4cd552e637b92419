"""Which splice is worth its parameters: places, kinds and modes compared on held-out essays.

Every variant is a short training of its own (resumable, in `runs/`) with the same data, seed and steps. Measured
are bits per byte of held-out essays under their true, shuffled and missing traits, and a probe: a classifier
taught on real essays that reads a trait back from generated ones.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from gemel.config import Config
from gemel.errors import TooLittle
from gemel.examples import Example, TraitValue, read_examples
from gemel.fields import Category, Field, Scalar
from gemel.model.condition import Condition, rows_of, shuffled
from gemel.model.conditioned import Conditioned
from gemel.model.coupled import Noise, write
from gemel.model.packed import Piece, pack, packing, token_losses
from gemel.pipeline.train import train_voice
from gemel.pipeline.traits import TraitConditioner, load_conditioned
from gemel.workspace import Workspace

__all__ = ["HeldOut", "Probe", "Row", "ablate", "held_out", "probe"]

CHOICES: Mapping[str, tuple[str, ...]] = {
    "layers": ("all", "early", "middle", "late"),
    "kind": ("modulate", "additive"),
    "missing": ("learned", "random"),
    "ordinal": ("partition", "cumulative"),
}
Rows = Mapping[str, Sequence[Mapping[str, TraitValue]]]
LAST = -2
"""The row of an example's last turn; after it stands that of its frame."""
LEAST = 20
"""Essays of each of two groups that a probe needs."""


class HeldOut(NamedTuple):
    """Bits per UTF-8 byte of held-out text."""

    true: float
    shuffled: float
    missing: float


class Probe(NamedTuple):
    """How often a trait's group is read from an essay rightly, every group counting the same."""

    trait: str
    generated: float
    real: float
    chance: float
    """What guessing gives: one over the number of groups."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One variant."""

    variant: str
    bits: HeldOut
    probe: Probe | None

    def cells(self) -> tuple[str, ...]:
        """For a table."""
        probe = (f"{self.probe.generated:.3f}", f"{self.probe.real:.3f}") if self.probe else ("–", "–")
        return (self.variant, *(f"{b:.4f}" for b in self.bits), *probe)


def ablate(
    workspace: Workspace,
    config: Config,
    *,
    dataset: str = "main",
    steps: int = 300,
    probe: str | None = None,
    vary: Sequence[str] = (),
) -> list[Row]:
    """Train and measure every variant: the configured one, then one choice changed at a time.

    Args:
        steps: training steps of each variant.
        probe: trait that is read back; None: the first number, ordinal or category.
        vary: which choices; empty: all.
    """
    data = workspace.dataset(dataset)
    workspace.need(data, f"the data set '{dataset}'", "gemel build")
    train, test = ([*read_examples(data / f"{split}.parquet")] for split in ("train", "test"))
    if not test:
        raise TooLittle("no example is held out", hint="More profiles are needed for a test split.")
    rows = []
    for variant, changes in variants(config, vary):
        section = config.traits.model_copy(update=changes)
        short = config.train.model_copy(update={"max_steps": steps})
        wanted = config.model_copy(update={"traits": section, "train": short})
        name = f"ablate-{dataset}-{steps}-{variant.replace(' ', '-')}"
        train_voice(workspace, wanted, dataset, name, conditioner=TraitConditioner(wanted))
        twin = load_conditioned(workspace, wanted, name)
        rows.append(Row(variant=variant, bits=held_out(twin, test), probe=_probe(twin, train, test, probe)))
    return rows


def variants(config: Config, vary: Sequence[str] = ()) -> Iterator[tuple[str, dict[str, str]]]:
    """The configured splice as `base`, then each other value of each choice."""
    yield "base", {}
    for key in vary or CHOICES:
        for value in CHOICES[key]:
            if value != getattr(config.traits, key):
                yield f"{key} {value}", {key: value}


def held_out(twin: Conditioned, examples: Sequence[Example], *, batch_tokens: int = 4096) -> HeldOut:
    """Bits per byte of the learned text of examples under true, shuffled and missing traits.

    In the mode `random` "missing" means drawn at random.
    """
    size = sum(len(turn.text.encode()) for e in examples for turn in e.learned)
    ways: tuple[Rows, ...] = ({}, shuffled(examples), {e.session: [{}] for e in examples})
    return HeldOut(*(_bits(twin, examples, way, batch_tokens, size) for way in ways))


def _bits(twin: Conditioned, examples: Sequence[Example], instead: Rows, batch_tokens: int, size: int) -> float:
    condition = Condition(twin.spec, twin.splice, instead=instead)
    pieces = [Piece(twin.base.template.encode(e.turns), e) for e in examples]
    pieces.sort(key=lambda p: len(p.encoded.ids))
    total, row, width = 0.0, [], 0
    with torch.no_grad(), packing(twin.base.model):
        for i, piece in enumerate(pieces):
            row.append(piece)
            width += len(piece.encoded.ids)
            if i + 1 == len(pieces) or width + len(pieces[i + 1].encoded.ids) > batch_tokens:
                batch = pack(row)
                condition(batch)
                total += float(token_losses(twin.base.model, batch).double().sum())
                row, width = [], 0
    twin.splice.set(None)
    return total / size / math.log(2)


def _probe(twin: Conditioned, train: Sequence[Example], test: Sequence[Example], trait: str | None) -> Probe | None:
    can = [f.name for f in twin.spec.fields if isinstance(f, Scalar | Category)]
    name = trait or (can[0] if can else None)
    try:
        return probe(twin, name, train, test) if name else None
    except TooLittle:
        return None


def probe(twin: Conditioned, trait: str, train: Sequence[Example], test: Sequence[Example], *, seed: int = 0) -> Probe:
    """Read a trait's group (above or below the middle; the level of a category) back from essays.

    A logistic regression on words is taught on the real training essays, then meets the real test essays and
    essays generated for the same profiles and questions.

    Raises:
        TooLittle: with fewer than two groups of 20 essays.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.pipeline import make_pipeline

    field = twin.spec.field(trait)
    learn, hold = (_grouped(field, examples) for examples in (train, test))
    counts = [Counter(group for _, _, group in groups) for groups in (learn, hold)]
    groups = {g for g in counts[0] if min(c[g] for c in counts) >= LEAST}
    if len(groups) < 2:
        raise TooLittle(f"too few essays of each group of '{trait}'", hint="A probe needs two groups of 20.")
    learn, hold = ([row for row in rows if row[2] in groups] for rows in (learn, hold))
    reader = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), min_df=2), LogisticRegression(max_iter=1000, class_weight="balanced")
    )
    reader.fit([text for _, text, _ in learn], [g for _, _, g in learn])
    made = _generated(twin, [e for e, _, _ in hold], seed)
    truth = [g for _, _, g in hold]

    def accuracy(texts: list[str]) -> float:
        return float(balanced_accuracy_score(truth, reader.predict(texts)))

    return Probe(trait, accuracy(made), accuracy([text for _, text, _ in hold]), 1 / len(groups))


def _grouped(field: Field, examples: Sequence[Example]) -> list[tuple[Example, str, str]]:
    out = []
    for example in examples:
        row = rows_of(example)[LAST]
        value: TraitValue = row.get(field.name, row.get(field.column))
        slots = field.encode(value)
        if slots is None:
            continue
        if isinstance(field, Scalar):
            u, middle = field.position(value), float(np.median(field.seen))
            group = "" if u is None or u == middle else "above" if u > middle else "below"
        else:
            group = field.slots[int(np.argmax(slots))]
        if group:
            out.append((example, " ".join(t.text for t in example.learned), group))
    return out


def _generated(twin: Conditioned, examples: Sequence[Example], seed: int) -> list[str]:
    """An essay for the profile and the context of each example."""
    size = int(twin.base.model.get_output_embeddings().weight.shape[0])
    by_prompt: dict[tuple[int, ...], list[int]] = {}
    for i, example in enumerate(examples):
        context = example.turns[:-1]
        by_prompt.setdefault(tuple(twin.prompt("", context)), []).append(i)
    texts = [""] * len(examples)
    for prompt, members in by_prompt.items():
        blend = twin.blend([rows_of(examples[i])[LAST] for i in members])
        written = write(twin, prompt, blend, [Noise(seed * 1_000_003 + i, size) for i in members], max_tokens=120)
        for i, ids in zip(members, written):
            texts[i] = "\n".join(twin.parts(ids))
    return texts
