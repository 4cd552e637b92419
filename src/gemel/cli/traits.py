"""`gemel traits`: the twin as a function of what it is told about the writer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gemel.cli.output import human, show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.config import Config
    from gemel.model.conditioned import Conditioned
    from gemel.workspace import Workspace

__all__ = ["command"]

F = TypeVar("F", bound=Callable[..., Any])
QUESTION = "My self summary"
TRAITS = {"ignore_unknown_options": True, "allow_extra_args": True}


@click.group(name="traits")
def command() -> None:
    """How what is written depends on height, income, year, recipient, …

    A trait is given as `--height 70`, by the name that `gemel traits show` lists, or as `--set height=70`.
    Whatever is not given is missing, which the model has learned to expect.
    """


def asking(function: F) -> F:
    """Options of every command that asks the model: traits, prompt, run."""
    for option in (
        click.option("--set", "pairs", multiple=True, metavar="NAME=VALUE", help="A trait; may be given again."),
        click.option("--prompt", "question", default=QUESTION, show_default=True, help="What the essay answers."),
        click.option("--run", default=None, help="Run to ask; default: the one that has traits."),
        click.option("--seed", default=0, show_default=True, help="Another seed is another essay."),
    ):
        function = option(function)
    return function


@command.command()
@click.option("--dataset", default="main", show_default=True, help="Data set to learn from.")
@click.option("--run", default=None, help="Name of the run.")
@click.option("--use", multiple=True, help="A trait to use; may be given again. Default: traits.use, or all that vary.")
@click.option("--minutes", type=float, default=0.0, help="Train for about this long.")
@click.option("--control", is_flag=True, help="Train a control on shuffled traits too (doubles the time).")
@twin_option
def train(dataset: str, run: str | None, use: tuple[str, ...], minutes: float, control: bool, twin: Path) -> None:
    """Train a voice that depends on traits."""
    from gemel.pipeline.traits import train_traits
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    overrides: dict[str, Any] = {"traits": {"use": use} if use else {}}
    if minutes:
        overrides["train"] = {"max_minutes": minutes}
    with show_progress():
        made = train_traits(workspace, workspace.config(overrides), dataset, run, control=control)
    bits = made.extra.get("bits")
    click.echo(
        f"Run {made.extra['run']}: {made.extra.get('steps', 0):,} steps"
        + (f", {bits:.3f} bits per byte" if bits else "")
    )


@command.command(context_settings=TRAITS)
@click.option("--run", default=None, help="Run to show; default: the one that has traits.")
@twin_option
def show(run: str | None, twin: Path) -> None:
    """List the traits of a run: least, middle and most of the numbers, the levels of the others."""
    from gemel.fields import Scalar

    conditioned, _, _ = _load(twin, run)
    rows = []
    for field in conditioned.spec.fields:
        if isinstance(field, Scalar):
            seen = field.seen
            low, middle, high = (field.show(seen[i]) for i in (0, len(seen) // 2, -1))
            rows.append((field.name, field.kind, f"{low} … {middle} … {high}"))
        else:
            slots = ", ".join(field.slots[:6]) + (f", … ({len(field.slots)})" if len(field.slots) > 6 else "")
            rows.append((field.name, field.kind, slots))
    click.echo(table(["trait", "kind", "values"], rows))
    click.echo(f"\n{conditioned.spec.dim} slots; what is missing: {conditioned.spec.missing}.")


@command.command(context_settings=TRAITS)
@asking
@click.option("--tokens", default=200, show_default=True, help="Tokens at most.")
@click.option("--count", default=1, show_default=True, help="How many essays.")
@click.option("--guide", multiple=True, metavar="NAME=γ", help="Strengthen (γ > 1) or weaken a trait.")
@twin_option
@click.pass_context
def write(
    ctx: click.Context,
    pairs: tuple[str, ...],
    question: str,
    run: str | None,
    seed: int,
    tokens: int,
    count: int,
    guide: tuple[str, ...],
    twin: Path,
) -> None:
    """Write an essay for any profile: `gemel traits write --height 70 --drinks socially`."""
    from gemel.pipeline.traits import parse_moves, write_essays

    conditioned, _, _ = _load(twin, run)
    profile = _profile(conditioned, pairs, ctx.args)
    essays = write_essays(
        conditioned, profile, question=question, count=count, seed=seed, max_tokens=tokens, guidance=parse_moves(guide)
    )
    click.echo("\n\n".join(essays))


@command.command(context_settings=TRAITS)
@asking
@click.option("--over", required=True, help="The trait under the slider.")
@click.option("--points", default=41, show_default=True, help="Positions of the slider.")
@click.option("--tokens", default=80, show_default=True, help="Tokens of an essay at most.")
@click.option("--essays", default=64, show_default=True, help="Essays sampled for the loudness; 0: none.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), default=None, help="Where the page goes.")
@twin_option
@click.pass_context
def sweep(
    ctx: click.Context,
    pairs: tuple[str, ...],
    question: str,
    run: str | None,
    seed: int,
    over: str,
    points: int,
    tokens: int,
    essays: int,
    out: Path | None,
    twin: Path,
) -> None:
    """Write coupled essays along a trait into a page with a slider."""
    import time

    from gemel.pipeline import traits
    from gemel.pipeline.explorer import explorer
    from gemel.workspace import atomic

    conditioned, workspace, config = _load(twin, run)
    start = time.monotonic()
    swept = traits.sweep(
        conditioned,
        over,
        question=question,
        profile=_profile(conditioned, pairs, ctx.args),
        points=points,
        seed=seed,
        max_tokens=tokens,
        essays=essays,
        control=traits.load_control(workspace, config, run) if essays else None,
    )
    place = out or workspace.root / f"sweep-{over}.html"
    with atomic(place) as path:
        path.write_text(explorer(swept), encoding="utf-8")
    click.echo(f"{len(swept.steps)} essays in {human(time.monotonic() - start)}: {place}")


@command.command(context_settings=TRAITS)
@click.argument("essay", type=click.File(encoding="utf-8"))
@asking
@click.option("--wrt", required=True, help="The trait that is moved.")
@twin_option
@click.pass_context
def derive(
    ctx: click.Context,
    essay: Any,
    pairs: tuple[str, ...],
    question: str,
    run: str | None,
    seed: int,
    wrt: str,
    twin: Path,
) -> None:
    """Which words of an essay become likelier with a trait, word by word (- reads standard input)."""
    from gemel.pipeline import traits

    conditioned, _, _ = _load(twin, run)
    found = traits.derive(
        conditioned, _text(essay), wrt, question=question, profile=_profile(conditioned, pairs, ctx.args)
    )
    rows = [(w.text.strip(), f"{w.value:+.3f}") for w in found.words]
    click.echo(table(["word", f"nats per sd of {wrt}"], rows))
    click.echo(f"\nS = {found.score:+.4f} at {wrt} {found.shown}; by finite difference {found.checked:+.4f}.")
    click.echo("These are derivatives of the model, not of the world.")


@command.command(context_settings=TRAITS)
@click.argument("essay", type=click.File(encoding="utf-8"))
@asking
@click.option("--trait", "wanted", multiple=True, help="A trait to tell; may be given again. Default: all that can.")
@twin_option
@click.pass_context
def invert(
    ctx: click.Context,
    essay: Any,
    pairs: tuple[str, ...],
    question: str,
    run: str | None,
    seed: int,
    wanted: tuple[str, ...],
    twin: Path,
) -> None:
    """What an essay sounds like: the most probable value of each trait (- reads standard input)."""
    from gemel.fields import Many, Scalar
    from gemel.model.invert import invert as by_bayes

    conditioned, _, _ = _load(twin, run)
    profile, text = _profile(conditioned, pairs, ctx.args), conditioned.text(question, _text(essay))
    rows = []
    for field in conditioned.spec.fields:
        if (field.name not in wanted) if wanted else isinstance(field, Many):
            continue
        found = by_bayes(conditioned, text, field.name, profile)
        span = f"{found.quantile(0.05)} … {found.quantile(0.95)}" if isinstance(field, Scalar) else ""
        rows.append((field.name, found.best, f"{found.posterior.max():.2f}", span, f"{found.bits:.3f}"))
    rows.sort(key=lambda row: -float(row[4]))
    click.echo(table(["trait", "sounds like", "probability", "90 % between", "bits told"], rows))
    click.echo("\nThis is what the text sounds like to the model, not who wrote it.")


@command.command(context_settings=TRAITS)
@click.argument("essay", type=click.File(encoding="utf-8"))
@asking
@click.option("--move", multiple=True, required=True, metavar="NAME=+1.5sd", help="A trait to move; again for more.")
@click.option("--steps", default=7, show_default=True, help="Essays on the way, the first being yours.")
@twin_option
@click.pass_context
def hindsight(
    ctx: click.Context,
    essay: Any,
    pairs: tuple[str, ...],
    question: str,
    run: str | None,
    seed: int,
    move: tuple[str, ...],
    steps: int,
    twin: Path,
) -> None:
    """Your own essay, if you were taller (- reads standard input)."""
    from gemel.pipeline.traits import parse_moves, relive

    conditioned, _, _ = _load(twin, run)
    profile = _profile(conditioned, pairs, ctx.args)
    moves = parse_moves(move)
    told = relive(conditioned, _text(essay), moves, question=question, profile=profile, seed=seed, points=steps)
    for shown, text in told:
        click.secho(", ".join(f"{k} {v}" for k, v in shown.items()), bold=True)
        click.echo(text + "\n")


@command.command()
@click.option("--dataset", default="main", show_default=True, help="Data set to learn from.")
@click.option("--steps", default=300, show_default=True, help="Training steps of each variant.")
@click.option("--probe", default=None, help="Trait that is read back from generated essays; default: the first.")
@click.option(
    "--vary", multiple=True, type=click.Choice(["layers", "kind", "missing", "ordinal"]), help="What is varied."
)
@twin_option
def ablate(dataset: str, steps: int, probe: str | None, vary: tuple[str, ...], twin: Path) -> None:
    """Compare places, kinds and modes of the splice on held-out essays."""
    from gemel.pipeline.ablate import ablate as compare
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        rows = compare(workspace, workspace.config(), dataset=dataset, steps=steps, probe=probe, vary=vary)
    header = ["variant", "true", "shuffled", "missing", "probe on generated", "probe on real"]
    click.echo(table(header, [row.cells() for row in rows]))
    click.echo("\nBits per byte of held-out essays with their true, shuffled and missing traits.")


def _load(twin: Path, run: str | None) -> tuple[Conditioned, Workspace, Config]:
    from gemel.pipeline.traits import load_conditioned
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    config = workspace.config()
    return load_conditioned(workspace, config, run), workspace, config


def _profile(conditioned: Conditioned, pairs: tuple[str, ...], rest: list[str]) -> dict[str, Any]:
    """Traits from --set NAME=VALUE and from --NAME VALUE, each known to the twin and understood by it."""
    from gemel.errors import ConfigError
    from gemel.traits import parse_traits

    words = [part for item in rest for part in (item.split("=", 1) if item.startswith("--") else [item])]
    if len(words) % 2 or not all(w.startswith("--") for w in words[::2]):
        raise ConfigError("a trait is written --NAME VALUE", hint="For example: --height 70 --drinks socially")
    given = parse_traits([*pairs, *(f"{n[2:].replace('-', '_')}={v}" for n, v in zip(words[::2], words[1::2]))])
    for name, value in given.items():
        field = conditioned.spec.field(name)
        if field.encode(value) is None:
            known = ", ".join(field.slots) if field.kind != "number" else "a number"
            if field.kind == "ordinal":
                known = ", ".join(getattr(field, "levels", ()))
            raise ConfigError(f"'{name}' cannot be that", hint=f"It is one of: {known}")
    return dict(given)


def _text(file: Any) -> str:
    from gemel.errors import TooLittle

    text: str = file.read().strip()
    if not text:
        raise TooLittle("the essay is empty", hint="Give a file with text, or - and type.")
    return text
