"""`gemel report`: the portrait of what was imported."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, twin_option

__all__ = ["command"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON instead of the page's place.")
@click.option("--open", "show", is_flag=True, help="Open the page in a browser.")
@click.option("--author", default="", help="Author of the documents that are yours, where others' lie among them.")
@twin_option
def command(as_json: bool, show: bool, author: str, twin: Path) -> None:
    """Draw a portrait of the corpus: when, with whom and how you write.

    Writes portrait/portrait.html, one page that opens offline, and portrait.json with the same figures.
    """
    from gemel.pipeline.portrait import write_portrait
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    config = workspace.config({"corpus": {"author": author}} if author else None)
    with show_progress():
        place = write_portrait(workspace, config)
    if as_json:
        click.echo(place.with_suffix(".json").read_text(encoding="utf-8"))
    else:
        click.echo(f"Portrait: {place}")
    if show:
        click.launch(str(place))
