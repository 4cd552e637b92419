"""`gemel make`: the main job."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import human, show_progress, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.make import Done
    from gemel.workspace import Workspace

__all__ = ["command", "told"]

TITLES = {
    "import": "Reading what you brought",
    "portrait": "Drawing the portrait of the corpus",
    "build": "Making examples, split by time",
    "remember": "Card and memory",
    "train": "Learning the voice",
    "evaluate": "Measuring likeness",
}


def told(workspace: Workspace, done: Done) -> None:
    """One line about a finished stage, with the owner's names."""
    from gemel.model.display import Display

    if done.left_out:
        click.echo(f"  left out: {done.left_out}")
    else:
        summary = Display(workspace, workspace.config()).outward(done.summary)
        click.echo(f"  {summary} ({human(done.seconds)})")


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option("--me", default="", help="Your name or handle as the exports have it.")
@click.option("--author", default="", help="Author of the documents that are yours, where others' lie among them.")
@click.option("--scale", type=click.Choice(["tiny", "laptop", "gpu", "cluster"]), default=None, help="The one dial.")
@click.option("--base", default="", help="seedling, a local folder, or a hub name.")
@click.option("--minutes", type=float, default=0.0, help="Train for about this long.")
@twin_option
def command(
    paths: tuple[Path, ...], me: str, author: str, scale: str | None, base: str, minutes: float, twin: Path
) -> None:
    """Make a twin: import, scrub, build, train, evaluate.

    PATHS are exports as downloaded, folders, papers. Without PATHS, what was imported before is used.
    The same command again goes on where it was stopped.
    """
    from gemel.pipeline.make import make
    from gemel.workspace import Workspace

    overrides: dict[str, Any] = {}
    for section, key, value in (
        ("import", "me", me),
        ("corpus", "author", author),
        ("model", "base", base),
        ("train", "max_minutes", minutes),
    ):
        if value:
            overrides.setdefault(section, {})[key] = value
    if scale:
        overrides["scale"] = scale
    workspace = Workspace(twin)
    with show_progress():
        make(
            workspace,
            paths,
            overrides=overrides,
            before=lambda stage: click.secho(TITLES[stage], bold=True),
            after=partial(told, workspace),
        )
    click.echo(f"\nReady. `gemel talk --twin {twin}` to talk, `gemel serve --twin {twin}` for the page.")
