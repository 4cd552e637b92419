"""`gemel feedback`: look through what you said about the twin, take it back, take it along."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import table, twin_option
from gemel.errors import DataError

if TYPE_CHECKING:
    from gemel.feedback import Feedback, Judged

__all__ = ["command"]

SHOWN = 60
"""Characters of a text in a list."""


@click.group("feedback", invoke_without_command=True)
@twin_option
@click.pass_context
def command(context: click.Context, twin: Path) -> None:
    """List ratings, corrections, rules and votes; rules act at once, corrections at the next training."""
    from gemel.workspace import Workspace

    context.obj = Workspace(twin).feedback_path
    if context.invoked_subcommand is None:
        context.invoke(list_command)


@command.command("list")
@click.pass_context
def list_command(context: click.Context) -> None:
    """List every judgement, the latest conversation first."""
    with _opened(context.obj) as store:
        rows = [
            (j.said.id, _when(j.said.time), j.said.version or j.said.speaker, j.conversation.consent, _what(j))
            for j in store.judged()
        ]
        rows += [(rule.id, "", "", "", f"rule: {rule.text}") for rule in store.rules()]
        counts = store.counts()
    if rows:
        click.echo(table(("id", "said", "version", "consent", "judgement"), rows))
    click.echo(", ".join(f"{n:,} {name}" for name, n in counts.items()))


@command.command("show")
@click.argument("number", metavar="ID")
@click.pass_context
def show_command(context: click.Context, number: str) -> None:
    """Show the conversation up to a judged answer (its id, or the beginning of it)."""
    with _opened(context.obj) as store:
        for said in store.thread(_message(store, number)):
            name = "twin" if said.role == "me" else said.name or "you"
            click.echo(f"{name}: " + f"\n{' ' * (len(name) + 2)}".join(said.parts))
            if said.rating:
                click.echo(f"  [{'sounds like me' if said.rating > 0 else 'does not sound like me'}]")
            if said.edit:
                click.echo("  [better: " + " / ".join(said.edit) + "]")


@command.command("drop")
@click.argument("number", metavar="ID")
@click.pass_context
def drop_command(context: click.Context, number: str) -> None:
    """Take back the judgement on an answer, or a rule."""
    with _opened(context.obj) as store:
        rules = [rule.id for rule in store.rules() if rule.id.startswith(number)]
        if len(rules) == 1:
            store.remove_rule(rules[0])
            click.echo("The rule is gone.")
            return
        message = _message(store, number)
        store.rate(message, 0)
        store.edit(message, [])
        click.echo("The judgement is taken back; the conversation stays.")


@command.command("allow")
@click.argument("conversation")
@click.argument("consent", type=click.Choice(["train", "keep"]))
@click.pass_context
def allow_command(context: click.Context, conversation: str, consent: str) -> None:
    """Say whether corrections in CONVERSATION may be learned from (train) or are only kept (keep)."""
    with _opened(context.obj) as store:
        if not store.allow(conversation, consent):
            raise DataError("there is no such conversation", hint="`gemel feedback export` has the ids.")
    click.echo("Noted.")


@command.command("export")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default=None, required=False)
@click.pass_context
def export_command(context: click.Context, path: Path | None) -> None:
    """Write everything as JSON lines to PATH, or to standard output."""
    from gemel.workspace import atomic

    with _opened(context.obj) as store:
        lines = [json.dumps(row, ensure_ascii=False) for row in store.export()]
    if path is None:
        click.echo("\n".join(lines))
        return
    with atomic(path) as temporary:
        temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    click.echo(f"{len(lines):,} rows in {path}. They hold real names and texts.")


@contextmanager
def _opened(path: Path) -> Iterator[Feedback]:
    from gemel.feedback import Feedback

    if not path.exists():
        raise DataError("there is no feedback yet", hint="`gemel talk` and `gemel serve` collect it.")
    with closing(Feedback(path)) as store:
        yield store


def _message(store: Feedback, number: str) -> str:
    found = [j.said.id for j in store.judged() if j.said.id.startswith(number)]
    if len(found) != 1:
        what = "more than one judgement begins" if found else "no judgement begins"
        raise DataError(f"{what} with '{number[:40]}'", hint="`gemel feedback list` shows the ids.")
    return found[0]


def _what(judged: Judged) -> str:
    said = judged.said
    marks = ["+" if said.rating > 0 else "-"] if said.rating else []
    text = _short(" / ".join(said.parts))
    return " ".join([*marks, f'"{text}"', *([f'→ "{_short(" / ".join(said.edit))}"'] if said.edit else [])])


def _short(text: str) -> str:
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"


def _when(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M}"
