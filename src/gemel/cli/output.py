"""What all commands share: the --twin option, a progress line on stderr, tables on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from gemel.track import Event, listening

__all__ = ["human", "show_progress", "table", "twin_option"]

F = TypeVar("F", bound=Callable[..., Any])


def twin_option(command: F) -> F:
    """The --twin option, passed to the command as `twin: Path`."""
    return click.option(
        "--twin",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path("mytwin"),
        envvar="GEMEL_TWIN",
        show_default=True,
        help="Folder of the twin.",
    )(command)


@contextmanager
def show_progress() -> Iterator[None]:
    """Draw `progress` events: one moving line on a terminal, a line every 10 s elsewhere."""
    terminal = sys.stderr.isatty()
    last: dict[str, float] = {}

    def draw(event: Event) -> None:
        if event.name != "progress":
            return
        f = event.fields
        task, done, total = str(f["task"]), int(f["done"] or 0), f["total"]
        seconds, finished = float(f["seconds"] or 0), bool(f["finished"])
        now = time.monotonic()
        first = task not in last
        if not finished and (terminal is False) and (first or now - last[task] < 10):
            last.setdefault(task, now)
            return
        if finished and not terminal and seconds < 2:
            return
        last[task] = now
        rate = done / seconds if seconds > 0 else 0.0
        text = f"  {task}: {done:,}" + (f" of {int(total):,}" if total else "") + (f" {f['unit']}" if f["unit"] else "")
        if rate and not finished and total:
            text += f", about {human((int(total) - done) / rate)} left"
        if finished:
            text += f" in {human(seconds)}"
        if terminal:
            click.echo("\r\x1b[2K" + text, nl=finished, err=True)
        else:
            click.echo(text, err=True)

    with listening(draw):
        yield


def human(seconds: float) -> str:
    """A duration for a person: 0.4 s, 12 s, 3 min, 2.5 h."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Columns aligned with spaces; numbers to the right."""
    cells = [[str(c) for c in header], *[[f"{c:,}" if isinstance(c, int) else str(c) for c in row] for row in rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    right = [all(isinstance(row[i], int | float) for row in rows) and bool(rows) for i in range(len(header))]
    lines = [
        "  ".join(c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right)).rstrip() for row in cells
    ]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])
