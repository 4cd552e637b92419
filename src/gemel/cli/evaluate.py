"""`gemel evaluate`: how alike the twin is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.scores import Score

__all__ = ["command"]


@click.command()
@click.argument("runs", nargs=-1)
@click.option("--replies", type=click.IntRange(min=1), default=None, help="Held-out replies measured at most.")
@click.option("--metric", "metrics", multiple=True, help="Only this metric; may be given again.")
@click.option("--system", "systems", multiple=True, help="Only this system; may be given again.")
@click.option("--all", "show_all", is_flag=True, help="Print every score, not only the headlines.")
@click.option("--names", is_flag=True, help="Also write the report with real names, for you alone.")
@click.option("--yes", is_flag=True, help="Do not ask before sending to `model.server`.")
@twin_option
def command(
    runs: tuple[str, ...],
    replies: int | None,
    metrics: tuple[str, ...],
    systems: tuple[str, ...],
    show_all: bool,
    names: bool,
    yes: bool,
    twin: Path,
) -> None:
    """Measure how alike the twin is, on held-out replies.

    RUNS are ids of trained voices; none: the current one, or, where there is none, `model.server` under card and
    memory. Several are measured and laid side by side. A stopped evaluation goes on where it was.
    """
    from gemel.model.display import Display
    from gemel.pipeline.evaluate import compare_runs, evaluate_run, name_report, read_scores
    from gemel.workspace import Workspace

    given: dict[str, Any] = {"replies": replies, "metrics": metrics, "systems": systems}
    workspace = Workspace(twin)
    config = workspace.config({"evaluate": {k: v for k, v in given.items() if v}})
    if not (runs or workspace.current() or yes) and (server := config.model.server):
        click.confirm(
            f"Up to {config.evaluate.replies} held-out conversations, the card and what memory finds for them will be "
            f"sent to {server} (in pseudonyms). Go on?",
            abort=True,
        )
    for run in runs or (None,):
        with show_progress():
            manifest = evaluate_run(workspace, config, run)
        name = str(manifest.extra.get("name") or run or workspace.current())
        verdict, scores = read_scores(workspace.eval(name))
        click.echo(Display(workspace, config).outward(verdict.sentence))
        for warning in verdict.warnings:
            click.echo(f"  note: {warning}")
        primary = str(manifest.extra.get("primary", "voice"))
        click.echo("\n" + _summary(scores, primary, show_all) + "\n")
        click.echo(f"Report: {workspace.eval(name) / 'report.html'}")
        if names:
            click.echo(f"With names, for you alone: {name_report(workspace, config, name)}")
    if len(runs) > 1:
        click.echo(f"Side by side: {compare_runs(workspace, runs)}")


def _summary(scores: list[Score], system: str, show_all: bool) -> str:
    from gemel.evaluate.titles import title_of
    from gemel.evaluate.verdict import HEADLINES

    wanted = None if show_all else {*HEADLINES, "bits_per_byte", "length"}
    rows = []
    for s in scores:
        if s.group != "all" or (wanted is not None and (s.metric not in wanted or s.system != system)):
            continue
        span = f"{s.low:.3g} to {s.high:.3g}" if s.low is not None and s.high is not None else "–"
        value = f"{s.value:.3g}" if s.value is not None else "refused"
        share = f"{s.relative:.2f}" if s.relative is not None else "–"
        rows.append([title_of(s.metric), s.system, value, s.unit, span, share])
    return table(["metric", "system", "value", "unit", "95 %", "S*"], rows)
