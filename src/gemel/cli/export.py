"""`gemel export`: what was made, in the formats of other tools."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, twin_option

__all__ = ["command"]


@click.group()
def command() -> None:
    """Write what was made in the formats of other tools."""


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--name", default="main", show_default=True, help="Name of the data set.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["messages", "plain", "gemel"]),
    default="messages",
    show_default=True,
    help="Chat messages per example, plain text, or gemel's own rows with times, traits and provenance.",
)
@click.option("--hf", is_flag=True, help="A Hugging Face DatasetDict on disk instead of JSONL files.")
@twin_option
def dataset(target: Path, name: str, form: str, hf: bool, twin: Path) -> None:
    """Write a data set's splits into the folder TARGET.

    Names are pseudonyms, as in the data set. In `messages`, the person's turns are `assistant`, with `learn` telling
    which are to be trained on.
    """
    from gemel.pipeline.export import export_dataset
    from gemel.workspace import Workspace

    with show_progress():
        counts = export_dataset(Workspace(twin), target, name, form=form, hf=hf)
    click.echo(f"{sum(counts.values()):,} examples in {len(counts)} splits: {target}")
