"""`gemel bench`: opinions and knowledge, judged blind and in every order."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gemel.cli.output import show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.bench import Bench

__all__ = ["command"]

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def _bench(twin: Path, name: str) -> Bench:
    from gemel.pipeline.bench import Bench
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    return Bench(workspace, workspace.config(), name)


@click.group()
def command() -> None:
    """Compare the twin with the person's own answers to questions.

    In order: questions, form (for your own answers), take, answer, judge, report. And: which, votes, export.
    """


@command.command()
@click.option("--from", "source", type=FILE, help="One question a line, JSON lines, or a three-way comparison.")
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def questions(source: Path | None, name: str, twin: Path) -> None:
    """Take questions from a file, or from what others asked in held-out chats."""
    bench = _bench(twin, name)
    count = bench.ask_from(source) if source else bench.ask_from_heldout()
    note = " (fewer than 200: exploratory)" if count < 200 else ""
    click.echo(f"{count} questions in {bench.folder}{note}")


@command.command()
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def form(name: str, twin: Path) -> None:
    """Print an empty form: fill in each "text" and give it to `take`. Two weeks later once more."""
    click.echo(_bench(twin, name).form(), nl=False)


@command.command()
@click.argument("file", type=FILE)
@click.option("--as", "system", default="expert", show_default=True, help="expert, or retest when asked again.")
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def take(file: Path, system: str, name: str, twin: Path) -> None:
    """Take a filled form, or any system's answers."""
    click.echo(f"{_bench(twin, name).take(file, system)} answers taken as {system}")


@command.command()
@click.option("--system", "systems", multiple=True, help="May be given again. Default: voice, base, prompted, memory.")
@click.option("--run", default=None, help="Id of a voice; none: the current one.")
@click.option("--server", default="", help="Let a model on an OpenAI-compatible server answer instead of the twin.")
@click.option("--model", default="", help="Model at that server; none: its first.")
@click.option("--as", "called", default="contender", show_default=True, help="What its answers are called.")
@click.option("--card", is_flag=True, help="Tell it the person's card.")
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@twin_option
def answer(
    systems: tuple[str, ...],
    run: str | None,
    server: str,
    model: str,
    called: str,
    card: bool,
    name: str,
    yes: bool,
    twin: Path,
) -> None:
    """Let the systems and the controls answer, or a contender on a server."""
    bench = _bench(twin, name)
    systems = systems or bench.systems(run)
    address = server or ("" if "voice" in systems or run else bench.config.model.server)
    if address and not yes:
        what = "Questions and the card" if card or not server else "Questions"
        click.confirm(f"{what} ({len(bench.questions)} questions) will be sent to {address}. Go on?", abort=True)
    with show_progress():
        if server:
            from gemel.remote import RemoteSpeaker

            with closing(RemoteSpeaker(server, model)) as speaker:
                found = {called: bench.answer_by(speaker, called, card=card)}
        else:
            found = bench.answer(systems, run)
    click.echo(table(["system", "answers"], list(found.items())))


@command.command()
@click.option("--server", required=True, help="Base address of an OpenAI-compatible server. It sees all answers.")
@click.option("--model", required=True, help="Model at that server; use two families, none that made training data.")
@click.option("--triples", is_flag=True, help="Three answers at once, in all six orders.")
@click.option("--system", "systems", multiple=True, help="Only these systems; may be given again.")
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@click.option("--yes", is_flag=True, help="Do not ask before sending.")
@twin_option
def judge(server: str, model: str, triples: bool, systems: tuple[str, ...], name: str, yes: bool, twin: Path) -> None:
    """Let a model judge every pair in both orders."""
    from gemel.remote import RemoteSpeaker

    bench = _bench(twin, name)
    count = len(bench.questions)
    if not yes:
        click.confirm(f"Questions and all answers ({count} questions) will be sent to {server}. Go on?", abort=True)
    with show_progress(), closing(RemoteSpeaker(server, model)) as speaker:
        done = bench.judge(speaker, model, size=3 if triples else 2, systems=systems)
    click.echo(f"{done} comparisons by {model}")


@command.command()
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def report(name: str, twin: Path) -> None:
    """Decide: shares with intervals, strengths, gates."""
    bench = _bench(twin, name)
    found = bench.decide()
    for gate in found.gates:
        click.secho(f"gate: {gate}", fg="yellow")
    rows = [
        (aspect, s.system, s.against, f"{s.wins:g} of {s.n}", f"{s.low:.0%} to {s.high:.0%}", s.disagreed)
        for aspect, shares in found.shares.items()
        for s in shares
    ]
    if rows:
        click.echo(table(["aspect", "system", "against", "preferred", "95 %", "orders disagreed"], rows))
    for note in found.notes:
        click.echo(f"note: {note}")
    agreed = [
        (aspect, a.one, a.two, a.n, f"{a.share:.0%} ({a.low:.0%} to {a.high:.0%})")
        for aspect, pairs in found.agreement.items()
        for a in pairs
    ]
    if agreed:
        click.echo(table(["aspect", "judge", "and", "decided both", "agree"], agreed))
    for s in found.human:
        click.echo(f"people: {s.system} over {s.against} {s.wins:g} of {s.n} ({s.low:.0%} to {s.high:.0%})")
    if found.refused:
        click.echo(found.refused)
    for system, (value, low, high) in found.score.items():
        click.echo(f"{system}: {value:.2f} ({low:.2f} to {high:.2f}) of the person's own consistency")
    click.echo(f"Report: {bench.folder / 'result.html'}")


@command.command()
@click.option("--form", "form_", type=click.Choice(["three-way", "pairs"]), default="three-way", show_default=True)
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def export(form_: str, name: str, twin: Path) -> None:
    """Print the bench in a common format."""
    click.echo(_bench(twin, name).export(form_))


@command.command()
@click.option("--items", type=click.IntRange(min=5), default=20, show_default=True, help="Pairs on the page.")
@click.option("--run", default=None, help="Id of a voice; none: the current one.")
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def which(items: int, run: str | None, name: str, twin: Path) -> None:
    """Make the page "which is me?" for friends. It holds held-out messages: send it to whom you trust."""
    with show_progress():
        path = _bench(twin, name).which(run, items=items)
    click.echo(f"{path}\nGive the files that come back to `gemel bench votes`.")


@command.command()
@click.argument("files", nargs=-1, required=True, type=FILE)
@click.option("--name", default="main", show_default=True, help="Name of the bench.")
@twin_option
def votes(files: tuple[Path, ...], name: str, twin: Path) -> None:
    """Count the votes that friends sent back."""
    click.echo(_bench(twin, name).votes(files).sentence)
