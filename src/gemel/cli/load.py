"""`gemel load`: a twin that was exported, into a folder of its own."""

from __future__ import annotations

from pathlib import Path

import click

from gemel.cli.output import show_progress, twin_option

__all__ = ["command"]


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--base", type=click.Path(path_type=Path, file_okay=False), help="Folder of the base's weights.")
@click.option("--expect", default="", help="The id it must have, or its beginning, as the export showed it.")
@twin_option
def command(source: Path, base: Path | None, expect: str, twin: Path) -> None:
    """Bring an exported twin (a file or a folder) into the empty folder given by --twin.

    Every file is compared with its checksum. Nothing that could run is opened: no pickle, no code, no link.
    """
    from gemel.pipeline.portable import load_portable
    from gemel.workspace import Workspace

    with show_progress():
        loaded = load_portable(source, Workspace(twin), base=base, expected=expect)
    held = f"voice {loaded.about.run}" if loaded.about.run else "no voice"
    memory = "with memory" if loaded.about.memory else "without memory"
    click.echo(f"AI imitation of {loaded.about.name}: {held}, {memory}; id {loaded.id[:12]}")
    for warning in loaded.warnings:
        click.secho(f"Note: {warning}.", fg="yellow", err=True)
    click.echo(f"gemel talk --twin {twin}")
