"""`gemel improve`: let the twin learn on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.retrain import Round
    from gemel.workspace import Workspace

__all__ = ["command"]


@click.command()
@click.argument("paths", nargs=-1, type=click.Path(exists=True, path_type=Path))
@click.option(
    "--when-changed",
    type=click.IntRange(min=1),
    default=None,
    metavar="N",
    help="Retrain only if N own turns are new; improve.min_new_turns otherwise.",
)
@click.option("--promote/--ask", default=None, help="Make a voice that passes the twin at once, or only propose it.")
@click.option("--fresh", is_flag=True, help="Begin with the base instead of the current voice.")
@click.option("--screen/--no-screen", default=None, help="Set text aside in which the voice does not recognise you.")
@click.option("--accept", is_flag=True, help="Learn from what was set aside after all.")
@click.option("--status", is_flag=True, help="Only list the rounds there were.")
@twin_option
def command(
    paths: tuple[Path, ...], twin: Path, when_changed: int | None, accept: bool, status: bool, **options: Any
) -> None:
    """Import what is new, train a voice that goes on from the current one, and let it through if it is better.

    PATHS are new exports; none: what lies in the twin's inbox. A stopped round goes on where it was. What does not
    pass is kept with its reason: `gemel runs` lists it.
    """
    from gemel.pipeline.retrain import accept as accept_aside
    from gemel.pipeline.retrain import improve
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    if status:
        click.echo(_listed(workspace))
        return
    if accept:
        click.echo(f"{accept_aside(workspace):,} records that were set aside may be learned.")
    config = workspace.config({"improve": _wanted(**options)})
    with show_progress():
        done = improve(
            workspace, config, paths, least=when_changed, after=lambda step, said: click.echo(f"{step}: {said}")
        )
    click.echo(_told(done, workspace))


def _wanted(promote: bool | None, fresh: bool, screen: bool | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if promote is not None:
        out["promote"] = "auto" if promote else "ask"
    if fresh:
        out["start"] = "fresh"
    if screen is not None:
        out["screen"] = screen
    return out


def _told(done: Round, workspace: Workspace) -> str:
    from gemel.pipeline.retrain import OUTCOMES

    lines = [f"\nRound {done.number}: {OUTCOMES[done.outcome]}."]
    lines += [f"  {reason}" for reason in done.reasons]
    if done.outcome == "proposed":
        lines.append(f"`gemel runs promote {done.candidate}` makes it the twin.")
    elif done.outcome == "promoted":
        lines.append("`gemel runs rollback` goes back.")
    lines.append(f"The twin is {workspace.current()}.")
    return "\n".join(lines)


def _listed(workspace: Workspace) -> str:
    from datetime import UTC, datetime

    from gemel.pipeline.retrain import rounds

    rows = [
        (r.number, f"{datetime.fromtimestamp(r.began, UTC):%Y-%m-%d %H:%M}", r.outcome or "not over", r.candidate, why)
        for r in rounds(workspace)
        for why in ["; ".join(r.reasons) or next(reversed(r.steps.values()), "")]
    ]
    return table(("round", "began (UTC)", "outcome", "candidate", "why"), rows) if rows else "There was no round yet."
