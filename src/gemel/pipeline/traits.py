"""Traits put together: training a run with a splice, loading one, and what can be asked of it.

Everything shown here is a derivative or a sample of the model, not of the world.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from gemel.config import Config
from gemel.errors import ConfigError, MissingModel, MissingStage
from gemel.examples import TraitValue
from gemel.model.base import load_run
from gemel.model.conditioned import Conditioned
from gemel.model.coupled import Noise, hindsight, to_tensor, write
from gemel.model.effects import Effect, mean_of
from gemel.model.gradient import by_difference, gradient, loudness, token_field
from gemel.model.splice import WEIGHTS, load_splice
from gemel.model.words import Word, by_word
from gemel.pipeline.train import train_voice
from gemel.train.conditioner import SPEC, TraitConditioner
from gemel.traits import TraitSpec
from gemel.workspace import Manifest, Workspace

__all__ = [
    "Derived",
    "Step",
    "Swept",
    "TraitConditioner",
    "derive",
    "load_conditioned",
    "load_control",
    "measure_loudness",
    "relive",
    "sweep",
    "train_traits",
    "write_essays",
]

CONTROL = "-control"
Profile = Mapping[str, TraitValue]


def train_traits(
    workspace: Workspace,
    config: Config,
    dataset: str = "main",
    run: str | None = None,
    *,
    control: bool = False,
    stop: Callable[[], bool] | None = None,
) -> Manifest:
    """Train a voice that depends on traits; see `train_voice`, whose resuming and skipping hold here too.

    Args:
        control: afterwards train `<run>-control` the same way on shuffled traits. What it seems to find is noise,
            and the explorer shows it beside every loudness.
    """
    made = train_voice(workspace, config, dataset, run, conditioner=TraitConditioner(config), stop=stop)
    if control and made.extra.get("reason") != "stopped":
        name = str(made.extra["run"]) + CONTROL
        train_voice(workspace, config, dataset, name, conditioner=TraitConditioner(config, control=True), stop=stop)
    return made


def load_control(workspace: Workspace, config: Config, run: str | None = None) -> Conditioned | None:
    """The control of a run, where one was trained."""
    name = (run or _current(workspace)) + CONTROL
    return load_conditioned(workspace, config, name) if (workspace.run(name) / SPEC).exists() else None


def load_conditioned(workspace: Workspace, config: Config, run: str | None = None) -> Conditioned:
    """The twin with its traits.

    Args:
        run: id of a run; None: the current one, or else the only one that has traits.

    Raises:
        MissingStage: when no run has traits.
        MissingModel: when the named run has none.
    """
    name = run or _current(workspace)
    folder = workspace.run(name)
    manifest = Manifest.read(folder)
    if manifest is None or not (folder / SPEC).exists():
        raise MissingModel(f"the run '{name}' has no traits", hint="`gemel traits train` makes one that has.")
    base = load_run(folder, config.model)
    splice = getattr(base.model, "splice", None) or load_splice(base.model, folder / WEIGHTS)
    splice.set(None)
    base.model.eval().requires_grad_(False)
    spec = TraitSpec.load(folder / SPEC)
    return Conditioned(base=base, spec=spec, splice=splice, name=str(manifest.extra.get("me", "")))


def _current(workspace: Workspace) -> str:
    having = sorted(p.parent.name for p in workspace.runs.glob(f"*/{SPEC}") if not p.parent.name.endswith(CONTROL))
    current = workspace.current()
    if current in having:
        return str(current)
    if len(having) == 1:
        return having[0]
    if not having:
        raise MissingStage("no run has traits yet", hint="Run `gemel traits train` first.")
    raise MissingStage("several runs have traits", hint=f"Say which with --run: {', '.join(having)}")


def write_essays(
    twin: Conditioned,
    profile: Profile,
    *,
    question: str = "My self summary",
    count: int = 1,
    seed: int = 0,
    max_tokens: int = 200,
    guidance: Mapping[str, float] | None = None,
) -> list[str]:
    """Essays that somebody with this profile would write; the same seed writes the same ones."""
    prompt = twin.prompt(question)
    noises = [Noise(seed * 1_000_003 + i, _vocabulary(twin)) for i in range(count)]
    texts = write(twin, prompt, twin.blend([profile] * count, guidance), noises, max_tokens=max_tokens)
    return ["\n".join(twin.parts(text)) for text in texts]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One position of the slider."""

    shown: str
    """The trait's value, for a person to read."""
    u: float
    """The same in sd."""
    words: tuple[Word, ...]
    """The essay; each word with d log p/du in nats per sd."""
    score: float
    """S: d log p(essay)/du, nats per sd."""
    ended: bool
    """Whether the essay came to its end within the tokens allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swept:
    """Coupled essays along one trait, and how loud every trait is."""

    trait: str
    question: str
    profile: Profile
    steps: tuple[Step, ...]
    loudness: Mapping[str, Effect]
    """In bits per sd², by trait, the loudest first."""
    control: Mapping[str, Effect]
    """The same of the control trained on shuffled traits; empty where there is none."""
    seed: int
    checked: float
    """S at the middle position by finite difference, to hold against the exact one."""


def sweep(
    twin: Conditioned,
    trait: str,
    *,
    question: str = "My self summary",
    profile: Profile | None = None,
    points: int = 41,
    seed: int = 0,
    max_tokens: int = 80,
    essays: int = 64,
    control: Conditioned | None = None,
) -> Swept:
    """Essays along a trait that share their noise, with the derivative of every word.

    Args:
        profile: the other traits; what is not given is missing.
        essays: sampled for the loudness; 0: none is measured.
        control: a twin trained on shuffled traits, measured the same way.
    """
    given = dict(profile or {})
    scalar = twin.spec.scalar(trait)
    prompt, grid = twin.prompt(question), scalar.grid(points)
    profiles = [twin.moved(given, trait, u) for u in grid]
    noise = Noise(seed, _vocabulary(twin))
    texts = write(twin, prompt, twin.blend(profiles), noise, max_tokens=max_tokens)
    ids, mask = to_tensor(texts, prompt)
    field = token_field(twin, ids, twin.blend(profiles), twin.tangent(profiles, trait))
    slopes = (field.slope * mask).numpy()
    steps = []
    for i, (u, text) in enumerate(zip(grid, texts)):
        own = slopes[i, len(prompt) - 1 : len(prompt) - 1 + len(text)]
        ended = bool(text) and text[-1] in twin.base.template.stop_ids
        steps.append(
            Step(
                shown=scalar.show(float(u)),
                u=float(u),
                words=by_word(twin, text, own),
                score=float(own.sum()),
                ended=ended,
            )
        )
    middle = points // 2
    checked = by_difference(twin, ids[middle : middle + 1], mask[middle : middle + 1], profiles[middle], trait)
    return Swept(
        trait=trait,
        question=question,
        profile=given,
        steps=tuple(steps),
        loudness=measure_loudness(twin, question, profiles[middle], essays, max_tokens) if essays else {},
        control=measure_loudness(control, question, profiles[middle], essays, max_tokens) if control and essays else {},
        seed=seed,
        checked=float(checked[0]),
    )


def measure_loudness(
    twin: Conditioned, question: str, profile: Profile, essays: int, max_tokens: int
) -> dict[str, Effect]:
    """How loud each trait is in essays written for `profile`, in bits per sd², the loudest first."""
    prompt = twin.prompt(question)
    profiles = [profile] * essays
    noises = [Noise(10_000 + i, _vocabulary(twin)) for i in range(essays)]
    texts = write(twin, prompt, twin.blend(profiles), noises, max_tokens=max_tokens)
    ids, mask = to_tensor(texts, prompt)
    found = loudness(twin, gradient(twin, ids, mask, twin.blend(profiles)), profiles)
    effects = {name: mean_of(values) for name, values in found.items()}
    return dict(sorted(effects.items(), key=lambda item: -item[1].value))


@dataclass(frozen=True, slots=True, kw_only=True)
class Derived:
    """How the probability of a given essay changes with a trait."""

    trait: str
    shown: str
    words: tuple[Word, ...]
    score: float
    """S, nats per sd, from one forward-mode pass."""
    checked: float
    """The same by finite difference."""
    logp: float
    """log p(essay), nats."""


def derive(twin: Conditioned, essay: str, trait: str, *, question: str = "", profile: Profile | None = None) -> Derived:
    """The derivative of every word of a given essay. A trait that is not given stands at its mean."""
    given = dict(profile or {})
    if twin.spec.scalar(trait).position(given.get(trait)) is None:
        given = twin.moved(given, trait, 0.0)
    text = twin.text(question, essay)
    ids = torch.tensor([text.ids])
    mask = torch.tensor([text.learn[1:]])
    field = token_field(twin, ids, twin.blend([given]), twin.tangent([given], trait))
    start = text.learn.index(True)
    slopes = (field.slope * mask)[0].numpy()
    return Derived(
        trait=trait,
        shown=twin.spec.scalar(trait).show(twin.position(given, trait)),
        words=by_word(twin, text.ids[start:], slopes[start - 1 :]),
        score=float(slopes.sum()),
        checked=float(by_difference(twin, ids, mask, given, trait)[0]),
        logp=float((field.logp * mask).sum()),
    )


def relive(
    twin: Conditioned,
    essay: str,
    moves: Mapping[str, float],
    *,
    question: str = "",
    profile: Profile | None = None,
    seed: int = 0,
    points: int = 7,
) -> list[tuple[dict[str, str], str]]:
    """A given essay, and what it would have been had the traits been moved: (the moved values, the text).

    The noise behind the essay is drawn from its posterior, so the first text is the essay itself.

    Args:
        moves: by how many sd each trait is moved in the end; the way there has `points` steps.
        seed: another seed draws other noise that explains the same essay.
    """
    given = dict(profile or {})
    for trait in moves:
        if twin.spec.scalar(trait).position(given.get(trait)) is None:
            given = twin.moved(given, trait, 0.0)
    text = twin.text(question, essay)
    noise = hindsight(twin, text, twin.blend([given]), Noise(seed, _vocabulary(twin)))
    path = []
    for share in np.linspace(0, 1, points):
        here: dict[str, TraitValue] = dict(given)
        for trait, sd in moves.items():
            here = twin.moved(here, trait, twin.position(given, trait) + share * sd)
        path.append(here)
    longest = len(text.ids) * 2 + 20
    texts = write(twin, twin.prompt(question), twin.blend(path), noise, max_tokens=longest)
    shown = [{t: twin.spec.scalar(t).show(twin.position(p, t)) for t in moves} for p in path]
    return [(s, "\n".join(twin.parts(t))) for s, t in zip(shown, texts)]


def _vocabulary(twin: Conditioned) -> int:
    return int(twin.base.model.get_output_embeddings().weight.shape[0])


def parse_moves(pairs: Sequence[str]) -> dict[str, float]:
    """Moves from `height=+1.5sd` as typed on a command line.

    Raises:
        ConfigError: when a pair is written otherwise.
    """
    out = {}
    for pair in pairs:
        name, _, amount = pair.partition("=")
        try:
            out[name.strip()] = float(amount.strip().removesuffix("sd"))
        except ValueError:
            raise ConfigError(
                "a move is written name=+1.5sd", hint="For example: --move height=+1.5sd --move income=-1sd"
            ) from None
    return out
