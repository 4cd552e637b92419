"""`gemel runs`: the voices there are, and which of them is the twin."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.promote import Listed

__all__ = ["command"]


@click.group("runs", invoke_without_command=True)
@twin_option
@click.pass_context
def command(context: click.Context, twin: Path) -> None:
    """List the voices: which is the twin, which passed the gate, and why others did not."""
    from gemel.workspace import Workspace

    context.obj = Workspace(twin)
    if context.invoked_subcommand is None:
        from gemel.pipeline.promote import runs

        found = runs(context.obj)
        click.echo(_listed(found) if found else "There is no voice yet: `gemel train` makes one.")


@command.command("compare")
@click.pass_context
def compare_command(context: click.Context) -> None:
    """Write a page with the runs side by side: settings that differ, held-out figures and curves."""
    from gemel.pipeline.run_report import write_comparison

    click.echo(f"Written: {write_comparison(context.obj)}")


@command.command("promote")
@click.argument("run")
@click.option("--anyway", is_flag=True, help="Also if the gate kept it back.")
@click.pass_context
def promote_command(context: click.Context, run: str, anyway: bool) -> None:
    """Make the voice RUN the twin."""
    from gemel.pipeline.promote import promote

    promote(context.obj, run, reason="gemel runs promote", anyway=anyway)
    click.echo(f"The twin is {run} now. `gemel runs rollback` goes back.")


@command.command("rollback")
@click.pass_context
def rollback_command(context: click.Context) -> None:
    """Go back to the voice that was the twin before."""
    from gemel.pipeline.promote import roll_back

    click.echo(f"The twin is {roll_back(context.obj)} again.")


@command.command("drop")
@click.argument("run")
@click.confirmation_option(prompt="Delete this voice for good?")
@click.pass_context
def drop_command(context: click.Context, run: str) -> None:
    """Delete the voice RUN, which is not the twin."""
    from gemel.pipeline.promote import drop

    drop(context.obj, run)
    click.echo(f"{run} is deleted.")


def _listed(found: list[Listed]) -> str:
    rows = [
        (
            r.id,
            "now" if r.current else "",
            r.outcome,
            r.start or "the base",
            "–" if r.bits is None else f"{r.bits:.3f}",
            r.trouble or "; ".join(r.reasons),
        )
        for r in found
    ]
    return table(("voice", "twin", "gate", "went on from", "bits/byte", "why"), rows)
