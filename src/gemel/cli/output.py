"""What all commands share: the --twin option, a progress line on stderr, tables on stdout."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from gemel.track import Event, Value, listening

__all__ = ["human", "show_progress", "table", "twin_option"]

QUIET = 10.0
"""Seconds between lines of one task where there is no terminal."""

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
    """Draw `progress` events: one moving line on a terminal, a line now and then elsewhere."""
    terminal = sys.stderr.isatty()
    told: dict[str, float] = {}

    def draw(event: Event) -> None:
        if event.name != "progress":
            return
        task, seconds, finished = (event.fields[k] for k in ("task", "seconds", "finished"))
        now = time.monotonic()
        since = now - told.setdefault(str(task), now)
        if terminal:
            click.echo("\r\x1b[2K" + _line(event.fields), nl=bool(finished), err=True)
        elif (finished and float(seconds or 0) >= QUIET) or (not finished and since >= QUIET):
            click.echo(_line(event.fields), err=True)
            told[str(task)] = now
        if finished:
            told.pop(str(task), None)

    with listening(draw):
        yield


def _line(fields: Mapping[str, Value]) -> str:
    done, total, seconds = int(fields["done"] or 0), int(fields["total"] or 0), float(fields["seconds"] or 0)
    text = f"  {fields['task']}: {done:,}" + (f" of {total:,}" if total else "")
    text += f" {fields['unit']}" if fields["unit"] else ""
    if fields["finished"]:
        return f"{text} in {human(seconds)}"
    if total and done and seconds:
        text += f", about {human((total - done) * seconds / done)} left"
    return text


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
