"""`gemel forget`: take a person, a thread, a message or a source out of everything."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import show_progress, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.forget import Kind


@click.command()
@click.argument("kind", type=click.Choice(["person", "thread", "message", "source"]))
@click.argument("which")
@click.option("--yes", is_flag=True, help="Do not ask.")
@twin_option
def command(kind: Kind, which: str, yes: bool, twin: Path) -> None:
    """Forget WHICH person (name), thread (title or id), message (id) or source (name), for good.

    Records, examples, memory, synthetic data, caches, evaluations and conversations with the twin are cleared of it;
    voices trained on it fall silent until they are trained anew. Exports in inbox/ are not touched.
    """
    from gemel.cli.privacy import tell
    from gemel.pipeline.forget import forget
    from gemel.workspace import Workspace

    if not yes:
        click.confirm(f"Forget this {kind} for good?", abort=True, err=True)
    with show_progress():
        done = forget(Workspace(twin), kind, which)
    tell(done)
