"""`gemel train`: learn the voice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gemel.cli.output import human, show_progress, table, twin_option

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
@click.option("--plan", is_flag=True, help="Only say what memory and time it would take here.")
@click.option("--promote/--no-promote", default=None, help="Make the run the twin; by default only if there is none.")
def command(twin: Path, dataset: str, run: str | None, recipe: str | None, plan: bool, **options: Any) -> None:
    """Learn the voice from the data set.

    Run again, the same command resumes an unfinished training and skips a finished one.
    """
    from gemel.pipeline.recipes import load_recipe
    from gemel.workspace import Workspace

    promote = options.pop("promote")
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

        click.echo(plan_training(workspace, config, dataset).text())
        return

    from gemel.pipeline.train import train_voice

    with show_progress():
        manifest = train_voice(workspace, config, dataset, run)
    extra = manifest.extra
    name = str(extra["run"])
    if promote and workspace.current() != name:
        workspace.promote(name, reason="gemel train --promote")
    click.echo(_summary(name, extra, manifest.counts))
    now = workspace.current()
    click.echo("It is the twin now." if now == name else f"The twin is still {now}; `--promote` changes that.")


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
