"""`gemel train`: learn the voice."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import human, show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.plan import Plan
    from gemel.workspace import Workspace

__all__ = ["command"]

METHODS = ("lora", "rslora", "dora", "qlora", "int8", "full")


@click.command("train")
@twin_option
@click.option("--dataset", default="main", show_default=True, help="Name of the data set.")
@click.option("--run", default=None, help="Id of the run; derived from data, base and settings otherwise.")
@click.option("--base", default=None, help="Base model: seedling, a local folder or a hub name.")
@click.option("--method", type=click.Choice(METHODS), default=None, help="What is trained.")
@click.option("--epochs", type=float, default=None, help="Passes over the data.")
@click.option("--minutes", type=float, default=None, help="Train for about this long at most.")
@click.option("--recipe", default=None, help="A recipe by name or file; wins over gemel.toml.")
@click.option(
    "--prefer",
    type=click.Choice(("dpo", "kto")),
    default=None,
    help="Move the current voice by corrected (dpo) or also rated (kto) answers instead of learning from the data set.",
)
@click.option("--plan", is_flag=True, help="Only say what memory and time it would take here.")
@click.option("--runs", is_flag=True, help="Only list the runs there are, the best on held-out sessions first.")
@click.option("--promote/--no-promote", default=None, help="Make the run the twin; by default only if there is none.")
def command(
    twin: Path, dataset: str, run: str | None, recipe: str | None, prefer: str | None, plan: bool, **options: Any
) -> None:
    """Learn the voice from the data set.

    Run again, the same command resumes an unfinished training and skips a finished one.
    """
    from gemel.pipeline.recipes import load_recipe
    from gemel.workspace import Workspace

    promote = options.pop("promote")
    if options.pop("runs"):
        click.echo(_listed(Workspace(twin)))
        return
    overrides = load_recipe(recipe) if recipe else {}
    for key, section, name in (
        ("base", "model", "base"),
        ("method", "train", "method"),
        ("epochs", "train", "epochs"),
        ("minutes", "train", "max_minutes"),
    ):
        if options[key] is not None:
            overrides.setdefault(section, {})[name] = options[key]
    workspace = Workspace(twin)
    config = workspace.config(overrides)
    if plan:
        from gemel.pipeline.plan import plan_training

        click.echo(_planned(plan_training(workspace, config, dataset)))
        return

    from gemel.pipeline.train import train_voice

    with show_progress():
        if prefer:
            from gemel.pipeline.prefer import prefer_voice

            manifest = prefer_voice(workspace, config, "dpo" if prefer == "dpo" else "kto")
        else:
            manifest = train_voice(workspace, config, dataset, run)
    extra = manifest.extra
    name = str(extra["run"])
    if promote and workspace.current() != name:
        workspace.promote(name, reason="gemel train --promote")
    click.echo(_summary(name, extra, manifest.counts))
    now = workspace.current()
    click.echo("It is the twin now." if now == name else f"The twin is still {now}; `--promote` changes that.")


def _listed(workspace: Workspace) -> str:
    from gemel.pipeline.run_report import compare_runs

    def shown(bits: float | None) -> str:
        return "–" if bits is None else f"{bits:.3f}"

    rows = [
        (
            r.run,
            "now" if r.current else "",
            r.base,
            r.method,
            r.steps,
            human(r.seconds),
            shown(r.bits_before),
            shown(r.bits),
        )
        for r in compare_runs(workspace)
    ]
    return table(("run", "twin", "base", "method", "steps", "time", "bits/byte before", "after"), rows)


def _planned(plan: Plan) -> str:
    parts = f"{plan.costs.trained:,} of {plan.costs.parameters:,}"
    rows = [
        ("trained parameters", parts),
        ("on", f"{plan.device}, {plan.threads} threads, weights in {plan.precision}"),
        ("data", f"{plan.pieces['examples']:,} examples, {plan.pieces['tokens']:,} tokens"),
        ("training", f"{plan.steps:,} steps, {plan.tokens:,} tokens"),
        ("time", f"about {human(plan.seconds)}, {plan.tokens / max(plan.seconds, 1e-9):,.0f} tokens/s"),
        ("memory", f"about {plan.memory / 2**30:.1f} GiB of {plan.room / 2**30:.1f} GiB free"),
    ]
    text = table(("plan", plan.base), rows)
    if not plan.fits:
        text += "\n\nThis does not fit the memory. Take a smaller base, or train.checkpointing = true."
    elif plan.memory and plan.batch_tokens:
        text += f"\n\nRows of {plan.batch_tokens:,} tokens fit the memory."
    if (s := plan.suggestion) is not None:
        text += (
            f"\nThis machine could also train {s.base} ({s.parameters / 1e9:.2g} B) with {s.method}, weights in "
            f"{s.precision}, rows of {s.batch_tokens:,} tokens: {s.memory / 2**30:.1f} GiB, "
            f"about {human(s.seconds)} a pass. A larger base knows more and sounds closer."
        )
    return text


def _summary(name: str, extra: Any, counts: Any) -> str:
    rows = [
        ("trained parameters", f"{extra['trained']:,} of {extra['parameters']:,}"),
        ("learned from", f"{counts['examples']:,} examples, {counts['targets']:,} own tokens"),
        ("steps", f"{extra['steps']:,} ({extra['reason']}), best at {extra['best_step']:,}"),
        ("time", f"{human(extra['seconds'])}, {extra['tokens'] / max(extra['seconds'], 1e-9):,.0f} tokens/s"),
    ]
    if extra["bits"] is not None:
        rows.append(("held out, bits per byte", f"{extra['bits_before']:.3f} before, {extra['bits']:.3f} after"))
    return table(("voice", name), rows)
