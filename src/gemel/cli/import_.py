"""`gemel import PATH…`: read exports into the twin's folder and say what was found."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.errors import PersonUnknown
    from gemel.pipeline.import_report import ImportReport, SourceReport


@click.command(name="import")
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), required=True)
@twin_option
@click.option(
    "--me", multiple=True, metavar="NAME", help="Your name or handle in the exports; may be given several times."
)
@click.option("--day-first/--month-first", default=None, help="How dates read where a file leaves it open.")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
def command(paths: tuple[Path, ...], twin: Path, me: tuple[str, ...], day_first: bool | None, as_json: bool) -> None:
    """Read chats, texts and profiles from files, folders and zips.

    Everything below each PATH is looked at; what is found, kept and left out is reported. Importing the same
    again changes nothing, importing a newer export adds what is new. Nothing leaves this machine.
    """
    from gemel.pipeline.imports import import_paths
    from gemel.workspace import Workspace

    overrides: dict[str, object] = {}
    if me:
        overrides |= {"me": me[0], "also_me": list(me[1:])}
    if day_first is not None:
        overrides["day_first"] = day_first
    workspace = Workspace(twin)
    config = workspace.config({"import": overrides} if overrides else None)
    with show_progress():
        report = import_paths(workspace, paths, config, ask=_ask if sys.stdin.isatty() else None)
    if as_json:
        click.echo(json.dumps(report.plain(), ensure_ascii=False, indent=1))
    else:
        click.echo(describe(report))


def _ask(error: PersonUnknown) -> str:
    click.echo(f"{error.message[:1].upper()}{error.message[1:]}. Which of these is you?", err=True)
    for number, name in enumerate(error.candidates, 1):
        click.echo(f"  {number}  {name}", err=True)
    answer: str = click.prompt("Number or name", default="", show_default=False, err=True)
    if answer.isdigit() and 1 <= int(answer) <= len(error.candidates):
        return error.candidates[int(answer) - 1]
    return answer.strip()


def describe(report: ImportReport) -> str:
    """The report for a person."""
    chats = [s for s in report.sources if s.record == "Message"]
    blocks = [_sums(report)]
    if chats:
        blocks.append(_chats(chats))
    notes = [line for s in report.sources for line in _reasons(s)]
    if report.me:
        mine = sum(s.mine for s in chats)
        notes.insert(0, f"You are {report.me}: {mine:,} of the messages are yours. {report.people:,} people in all.")
    if report.media:
        notes.append(f"{report.media:,} pictures, sounds and films were left where they are.")
    if report.unknown:
        listed = ", ".join(f"{n:,} × {suffix}" for suffix, n in report.unknown.items())
        notes.append(f"{sum(report.unknown.values()):,} files are of no known format: {listed}.")
    return "\n\n".join([*blocks, "\n".join(notes)]) if notes else "\n\n".join(blocks)


def _sums(report: ImportReport) -> str:
    rows = []
    for s in report.sources:
        done = [s.files, s.read, s.kept, s.duplicates, sum(s.left_out.values()), sum(s.errors.values())]
        if s.up_to_date:
            done = [s.files, 0, 0, 0, 0, 0]
        rows.append([s.title, *done, s.total])
    head = ["source", "files", "read", "= new", "+ known before", "+ left out", "+ not understood", "now here"]
    return table(head, rows)


def _chats(chats: list[SourceReport]) -> str:
    rows = [
        [s.title, s.chats, s.groups, s.people, s.mine, f"{s.first} – {s.last}", _shares(s.languages)] for s in chats
    ]
    head = ["chats from", "chats", "groups", "people", "yours", "dates", "languages"]
    kinds = [f"{s.title}: " + ", ".join(f"{n:,} {kind}" for kind, n in s.kinds.items()) for s in chats]
    return table(head, rows) + "\n\n" + "\n".join(kinds)


def _shares(languages: Mapping[str, float]) -> str:
    return ", ".join(f"{code} {share:.0%}" for code, share in languages.items() if share >= 0.01)


def _reasons(s: SourceReport) -> list[str]:
    if s.up_to_date:
        return [f"{s.title}: these files were imported before; nothing to do."]
    lines = []
    if s.left_out:
        lines.append(f"{s.title}, left out: " + ", ".join(f"{n:,} × {reason}" for reason, n in s.left_out.items()))
    if s.errors:
        lines.append(f"{s.title}, not understood: " + ", ".join(f"{n:,} × {reason}" for reason, n in s.errors.items()))
    return lines
