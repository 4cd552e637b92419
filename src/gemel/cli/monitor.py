"""`gemel monitor`: whether the twin is still alike, who drifts, and what rings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.improve.monitor import Reading, State
    from gemel.pipeline.watch import Look

__all__ = ["command"]


@click.command()
@click.option("--status", is_flag=True, help="Only show the last readings; take none.")
@click.option("--quiet", is_flag=True, help="Say nothing unless an alarm is up.")
@twin_option
def command(twin: Path, status: bool, quiet: bool) -> None:
    """Read likeness on what nobody has learned yet, drift of you and of the twin, and tics; show what rings."""
    from gemel.pipeline.watch import state_of, watch
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    if status:
        state, said = state_of(workspace), []
    else:
        with show_progress():
            look = watch(workspace, workspace.config())
        state, said = look.state, _said(look)
    rings = _alarms(state)
    if quiet:
        click.echo("\n".join(rings), nl=bool(rings))
        return
    readings = _readings(state) or "There is no reading yet: `gemel monitor` takes one where there is enough."
    click.echo("\n".join((readings, *said, *(rings or ["No alarm is up."]))))


def _readings(state: State) -> str:
    from datetime import UTC, datetime

    rows = [
        (r.metric, _value(r), f"{r.n:,}", f"{datetime.fromtimestamp(r.time, UTC):%Y-%m-%d %H:%M}", r.run or "you")
        for r in state.latest().values()
    ]
    return table(("metric", "last reading", "of", "when (UTC)", "about"), rows) if rows else ""


def _value(reading: Reading) -> str:
    if reading.low is None or reading.high is None:
        return f"{reading.value:.3f}"
    return f"{reading.value:.3f} ({reading.low:.3f} to {reading.high:.3f})"


def _said(look: Look) -> list[str]:
    lines = [f"Likeness on new text was not read: {look.refused}."] if look.refused else []
    for who, drift in (("You", look.person), ("The twin", look.twin)):
        moved = [s for s in drift.shifts if s.p <= 0.01]
        if drift.refused:
            lines.append(f"{who}: drift cannot be told: {drift.refused}.")
        elif moved:
            lines.append(f"{who} changed in {', '.join(s.name for s in moved)}.")
    lines += [
        f'The twin says "{p.text}" in {p.rate:.0%} of its messages, you in {p.own:.0%}.' for p in look.tics.phrases
    ]
    return lines


def _alarms(state: State) -> list[str]:
    from gemel.improve.monitor import RULES

    up = {metric for metric, alarm in state.alarms.items() if alarm.up}
    return [f"Alarm: {rule.title}. {rule.advice}".rstrip() for rule in RULES if rule.metric in up]
