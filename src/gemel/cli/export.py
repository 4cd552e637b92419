"""`gemel export`: what was made, in the formats of other tools."""

from __future__ import annotations

from collections.abc import Sequence
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


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--run", default=None, help="A trained voice; default: the current one.")
@click.option("--memory", is_flag=True, help="The examples too, others' words among them (under pseudonyms).")
@click.option("--name", default="", help="Shown over conversations; default: the pseudonym.")
@twin_option
def twin(target: Path, run: str | None, memory: bool, name: str, twin: Path) -> None:
    """Write the twin to TARGET: one file where it ends in .gemel, else a folder. `gemel load` brings it back."""
    from gemel.pipeline.portable import export_twin
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        made = export_twin(workspace, workspace.config(), target, run=run, memory=memory, name=name)
    held = f"the voice {made.about.run}" if made.about.run else "no voice, the card only"
    click.echo(f"{target}: {held}, {made.files} files, {made.bytes / 1e6:,.1f} MB")
    _tell(f"id {made.id}   (compare it where it is loaded: gemel load --expect)", made.warnings)


@command.command()
@click.argument("target", type=click.Path(path_type=Path))
@click.option("--spec", type=click.Choice(["v3", "v2"]), default="v3", show_default=True, help="Of character cards.")
@click.option("--examples", type=click.IntRange(0, 50), default=0, help="Exchanges of training to include.")
@twin_option
def character(target: Path, spec: str, examples: int, twin: Path) -> None:
    """Write a character card (JSON) to TARGET, for programs that play characters."""
    from gemel.pipeline.character import export_character
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    export_character(workspace, workspace.config(), target, spec=spec, examples=examples)
    click.echo(f"{target}: the card, and {examples or 'no'} exchanges. It imitates how they write, not what they know.")


@command.command()
@click.argument("target", type=click.Path(path_type=Path), required=False)
@twin_option
def prompt(target: Path | None, twin: Path) -> None:
    """Write the card as a system prompt for any large model, to TARGET or to the terminal."""
    from gemel.pipeline.character import system_prompt
    from gemel.workspace import Workspace, atomic

    workspace = Workspace(twin)
    text = system_prompt(workspace, workspace.config())
    if target is None:
        click.echo(text)
        return
    with atomic(target) as path:
        path.write_text(text + "\n", encoding="utf-8")
    click.echo(f"{target}: {len(text):,} characters")


@command.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--run", default=None, help="A trained voice; default: the current one.")
@click.option("--dtype", type=click.Choice(["fp32", "bf16", "fp16"]), default="fp32", show_default=True)
@twin_option
def merged(target: Path, run: str | None, dtype: str, twin: Path) -> None:
    """Write the voice folded into its base to the folder TARGET, as other programs load models."""
    from gemel.pipeline.merged import export_merged
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        made = export_merged(workspace, workspace.config(), target, run=run, dtype=dtype)
    _tell(f"{target}: {made.parameters:,} parameters, {dtype}, template {made.template}", made.warnings)


_half = click.option("--dtype", type=click.Choice(["fp32", "fp16"]), default="fp16", show_default=True)


@command.command()
@click.argument("target", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--run", default=None, help="A trained voice; default: the current one.")
@_half
@twin_option
def gguf(target: Path, run: str | None, dtype: str, twin: Path) -> None:
    """Write the voice as one GGUF file, TARGET, for llama.cpp and what is built on it."""
    from gemel.pipeline.llamacpp import export_gguf
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        made = export_gguf(workspace, workspace.config(), target, run=run, dtype=dtype)
    _tell(f"{target}: {made.parameters:,} parameters, {dtype}", made.warnings)


@command.command()
@click.argument("target", type=click.Path(path_type=Path, file_okay=False))
@click.option("--run", default=None, help="A trained voice; default: the current one.")
@_half
@twin_option
def ollama(target: Path, run: str | None, dtype: str, twin: Path) -> None:
    """Write the voice and a Modelfile into the folder TARGET: `ollama create NAME -f TARGET/Modelfile`."""
    from gemel.pipeline.llamacpp import export_ollama
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    with show_progress():
        made = export_ollama(workspace, workspace.config(), target, run=run, dtype=dtype)
    _tell(f"{target}: {made.parameters:,} parameters, {dtype}", made.warnings)


def _tell(made: str, warnings: Sequence[str]) -> None:
    click.echo(made)
    for warning in warnings:
        click.secho(f"Note: {warning}.", fg="yellow", err=True)
