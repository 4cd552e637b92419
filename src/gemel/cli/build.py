"""`gemel build`: from records to examples."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, table, twin_option

__all__ = ["command"]


@click.command()
@click.option("--name", default="main", show_default=True, help="Name of the data set.")
@click.option(
    "--form",
    "forms",
    multiple=True,
    type=click.Choice(["sessions", "windows", "tokens", "slices", "essays"]),
    help="What examples are; may be given again. Default: corpus.forms of gemel.toml.",
)
@click.option("--author", default="", help="Author of the documents that are yours, where others' lie among them.")
@click.option("--impostor", default="", help="A contact or author to compare with; `auto`: whoever wrote most.")
@twin_option
def command(name: str, forms: tuple[str, ...], author: str, impostor: str, twin: Path) -> None:
    """Make examples of what was imported: scrubbed, split by session and time.

    Writes dataset/NAME with a report.html that says what was kept and what was left out, and why.
    """
    from gemel.examples import SPLITS
    from gemel.pipeline.build import build_dataset
    from gemel.workspace import Workspace

    given = {"forms": forms, "author": author, "impostor": impostor}
    workspace = Workspace(twin)
    config = workspace.config({"corpus": {k: v for k, v in given.items() if v}})
    with show_progress():
        manifest = build_dataset(workspace, config, name)
    counts = manifest.counts
    rows = [
        (place, counts.get(f"{place} units", 0), counts.get(place, 0), counts.get(f"{place} learned turns", 0))
        for place in (*SPLITS, "impostor")
        if counts.get(place)
    ]
    click.echo(table(["split", "units", "examples", "learned turns"], rows))
    click.echo(f"\nReport: {workspace.dataset(name) / 'report.html'}")
