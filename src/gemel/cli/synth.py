"""`gemel synth`: personas, questions, answers and knowledge through a teacher."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

import click

from gemel.cli.output import QUIET, show_progress, table, twin_option

if TYPE_CHECKING:
    from gemel.pipeline.synth_job import Job

__all__ = ["command"]

FILE = click.Path(path_type=Path, dir_okay=False)


@click.group("synth")
def command() -> None:
    """Make texts through a teacher: any OpenAI-compatible server.

    Every command goes on where it stopped when it is run again; nothing that was answered is asked twice.
    """


def asking(made: Callable[..., None]) -> Callable[..., None]:
    """The options of every command that asks."""
    for option in reversed(
        [
            click.option(
                "--teacher", multiple=True, help="Address of a server, e.g. http://localhost:8000/v1; may be repeated."
            ),
            click.option("--model", help="Model name at the teacher."),
            click.option("--locale", help="Language and country of what is made, e.g. en-IN or vi-VN."),
            click.option("--concurrency", type=int, help="Requests in flight per teacher."),
            click.option("--deadline", type=float, help="Seconds a request may take, retries included."),
            click.option("--budget", type=float, help="Stop when the cost would pass this; needs prices."),
            click.option("--price-in", type=float, help="Cost of a million tokens read."),
            click.option("--price-out", type=float, help="Cost of a million tokens written."),
            click.option(
                "--similar", type=float, default=0.0, help="Drop what means the same (cosine, e.g. 0.92); 0: off."
            ),
            click.option(
                "--against", multiple=True, type=FILE, help="File of texts that nothing made may overlap with."
            ),
            click.option(
                "--on", "shards", default="here", show_default=True, help="here, local:N, ray or ray://host:port."
            ),
            click.option("--show", is_flag=True, help="Only show the first request."),
            click.option("--yes", is_flag=True, help="Do not ask before sending to another machine."),
            twin_option,
        ]
    ):
        made = option(made)
    return made


@command.command()
@asking
@click.option(
    "--dataset", default="main", show_default=True, help="Data set whose train and validation texts are asked about."
)
@click.option("--name", default="qa", show_default=True, help="Name of the pairs and of the data set with them.")
@click.option("--count", default=3, show_default=True, help="Questions asked of each text.")
@click.option(
    "--answers",
    type=click.Choice(["own", "told"]),
    default="own",
    show_default=True,
    help="Your own sentences, or the claims in the teacher's words.",
)
def qa(twin: Path, dataset: str, name: str, count: int, answers: str, **options: Any) -> None:
    """Questions that your documents answer, with your own takes, every claim with a checked quotation.

    Writes dataset/NAME: the data set with the pairs added. Nothing is made from test documents, and what shares words
    with them or with the twin's benches is left out.
    """
    from gemel.pipeline.synth_contamination import benches_of
    from gemel.pipeline.synth_export import add_pairs
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    source = workspace.dataset(dataset)
    workspace.need(source, f"the data set '{dataset}'", "gemel build")
    options["against"] = (*benches_of(workspace), *options["against"])
    job = _job("qa", source, workspace.synth(name), twin, options, count=count, answers=answers)
    incomplete = _go(job, options)
    if incomplete is not False:
        manifest = add_pairs(workspace, workspace.config(), job.file(), dataset=dataset, name=name)
        counts = manifest.counts
        train, valid = counts.get("train pairs", 0), counts.get("valid pairs", 0)
        click.echo(f"dataset/{name}: {train} pairs added to train, {valid} to valid.")
        click.echo(f"Next: gemel train --dataset {name}")
    if isinstance(incomplete, Exception):
        raise incomplete


def simple(kind: str, about: str, source: str) -> click.Command:
    """A command that turns one file of rows into the next."""

    @click.command(kind, help=about)
    @asking
    @click.option(
        "--from",
        "given",
        type=FILE,
        help=f"Rows (.jsonl, .parquet, .txt). Default: {source} of the twin."
        if source
        else "Rows (.jsonl, .parquet, .txt).",
        required=not source,
    )
    @click.option("--output", type=FILE, help=f"Default: synth/{kind}.jsonl of the twin.")
    @click.option("--samples", default=1, show_default=True, help="Answers for each row.")
    def run(twin: Path, given: Path | None, output: Path | None, samples: int, **options: Any) -> None:
        extra = {k: options.pop(k) for k in ("rounds", "each", "until_unseen") if k in options}
        domains = options.pop("by_domain", False)
        from gemel.pipeline.synth_export import write_by_domain
        from gemel.pipeline.synth_job import read_rows
        from gemel.workspace import Workspace

        workspace = Workspace(twin)
        job = _job(
            kind,
            given or workspace.synth(source),
            output or workspace.synth(kind),
            twin,
            options,
            samples=samples,
            **extra,
        )
        incomplete = _go(job, options)
        if domains and incomplete is not False:
            folder = job.file().with_suffix("")
            counts = write_by_domain(list(read_rows(job.file())), folder)
            click.echo(table(["domain", "rows"], list(counts.items())[:20]))
        if isinstance(incomplete, Exception):
            raise incomplete

    return run


personas = simple("personas", "Who would write, read, like or dislike each text.", "")
relate = simple("relate", "Personas from personas, by typed relations; keeps the graph.", "personas")
for option in (
    click.option("--rounds", default=6, show_default=True, help="Rounds of relations."),
    click.option("--each", default=2, show_default=True, help="Relations followed from each persona."),
    click.option(
        "--until-unseen", default=0.0, help="Stop when the share of domains not yet seen is estimated below this."
    ),
):
    relate = option(relate)
questions = simple("questions", "A thought-provoking question of each persona, in its domain.", "relate")
knowledge = simple("knowledge", "An answer to each question from the persona's view.", "questions")
knowledge = click.option("--by-domain", is_flag=True, help="Also write one file for each domain.")(knowledge)
for made in (personas, relate, questions, knowledge):
    command.add_command(made)


@command.command("run")
@asking
@click.option(
    "--template",
    "templates",
    multiple=True,
    required=True,
    help="A template by name or YAML file; several are a chain.",
)
@click.option("--input", "given", type=FILE, required=True, help="Rows (.jsonl, .parquet, .txt).")
@click.option("--output", type=FILE, required=True, help="Where the rows go (.jsonl).")
@click.option("--samples", default=1, show_default=True, help="Answers for each row.")
def run_template(
    twin: Path, templates: tuple[str, ...], given: Path, output: Path, samples: int, **options: Any
) -> None:
    """Any template over any rows."""
    job = _job("run", given, output, twin, options, templates=templates, samples=samples)
    incomplete = _go(job, options)
    if isinstance(incomplete, Exception):
        raise incomplete


@command.command()
@click.argument("output", type=click.Path(path_type=Path))
@twin_option
def status(output: Path, twin: Path) -> None:
    """What a synthesis has, lacks and cost. OUTPUT is its file, or its name in the twin."""
    from gemel.pipeline.synth import standing
    from gemel.pipeline.synth_job import load_job

    job, counts = load_job(_place(output, twin))
    answered, dead = standing(job)
    click.echo(f"{job.kind}: {answered:,} calls answered, {sum(dead.values()):,} failed")
    if dead:
        click.echo(table(["failed because of", "calls"], dead.most_common()))
    if counts:
        _tell(counts)
    else:
        click.echo("Not finished: run the same command again, or `gemel synth retry`.")


@command.command()
@click.argument("output", type=click.Path(path_type=Path))
@twin_option
def retry(output: Path, twin: Path) -> None:
    """Ask again what failed, with the settings of the first time."""
    from gemel.pipeline.synth import clear_dead
    from gemel.pipeline.synth_job import load_job

    job, _ = load_job(_place(output, twin))
    click.echo(f"{clear_dead(job):,} failed calls are asked again")
    incomplete = _go(job, {"yes": True})
    if job.kind == "qa":
        click.echo("Run `gemel synth qa` again to add the new pairs to the data set.")
    if isinstance(incomplete, Exception):
        raise incomplete


@command.command()
@click.argument("output", type=click.Path(path_type=Path))
@click.option("--to", type=FILE, required=True, help="A .jsonl or .parquet file.")
@click.option("--examples", is_flag=True, help="As examples to train on (questions with answers only).")
@twin_option
def export(output: Path, to: Path, examples: bool, twin: Path) -> None:
    """Write the rows of a synthesis somewhere else."""
    from gemel.pipeline.synth_export import export_rows

    click.echo(f"{export_rows(_place(output, twin), to, examples=examples):,} rows in {to}")


def _place(output: Path, twin: Path) -> Path:
    from gemel.workspace import Workspace

    return output if output.suffix == ".jsonl" else Workspace(twin).synth(output.name)


def _job(kind: str, given: Path, output: Path, twin: Path, options: dict[str, Any], **more: Any) -> Job:
    from gemel.pipeline.synth_job import Job
    from gemel.workspace import Workspace

    names = ("model", "locale", "concurrency", "deadline", "budget", "price_in", "price_out")
    section = Workspace(twin).config({"synth": {k: options[k] for k in names if options[k] is not None}}).synth
    return Job(
        kind=kind,
        output=str(output.resolve()),
        input=str(given.resolve()),
        teachers=options["teacher"] or ((section.teacher,) if section.teacher else ()),
        settings=section.model_dump(mode="json"),
        similar=options["similar"],
        against=tuple(map(str, options["against"])),
        shards=options["shards"],
        **more,
    )


def _go(job: Job, options: dict[str, Any]) -> Exception | bool:
    """Run a job and tell what came of it: True, the error of missing rows, or False where it was only shown."""
    from gemel.errors import ConfigError, Incomplete, Refused
    from gemel.pipeline.synth import endpoints, first_request, run_job
    from gemel.pipeline.synth_job import load_job

    servers = endpoints(job)
    if not servers:
        raise ConfigError("no teacher is named", hint="Give --teacher http://localhost:8000/v1 --model NAME.")
    away = [s.shown for s in servers if not s.local]
    if options.get("show") or (away and not options.get("yes")):
        count, messages = first_request(job)
        click.echo(f"{count:,} rows would be sent to {', '.join(s.shown for s in servers)}. The first request:\n")
        click.echo("\n\n".join(f"[{m['role']}]\n{m['content']}" for m in messages))
        if options.get("show"):
            return False
        if not sys.stdin.isatty():
            raise Refused("this would leave the machine", hint="Look at what is sent with --show, then give --yes.")
        click.confirm("\nSend?", abort=True)
    error: Exception | bool = True
    with show_progress(), _show_state():
        try:
            run_job(job)
        except Incomplete as missing:
            error = missing
    _tell(load_job(job.file())[1])
    click.echo(f"{job.file()}")
    return error


@contextmanager
def _show_state() -> Iterator[None]:
    """A line now and then on stderr: what was answered and refused, tokens and cost."""
    from gemel.track import Event, listening

    told = monotonic()

    def tell(event: Event) -> None:
        nonlocal told
        if event.name != "synth.state" or monotonic() - told < QUIET:
            return
        told = monotonic()
        f = event.fields
        line = f"  {f['answered']:,} answered, {f['known']:,} known, {f['refused']:,} refused"
        line += f" ({f['why']})" if f["why"] else ""
        line += f", {f['tokens']:,} tokens" + (f", cost {f['cost']:.4g}" if f["cost"] else "")
        click.echo(("\r\x1b[2K" if sys.stderr.isatty() else "") + line, err=True)

    with listening(tell):
        yield


def _tell(counts: dict[str, Any]) -> None:
    report = counts["report"]
    rows: list[tuple[str, object]] = [("rows written", counts["rows"]), ("rows missing", counts["missing"])]
    rows += [("calls answered now", report["asked"]), ("calls known", report["known"])]
    for title, name in (("no answer", "dead"), ("retried", "refused"), ("rejected", "rejected")):
        rows += [(f"{title}: {reason}", n) for reason, n in sorted(report[name].items())]
    rows += [(f"left out: {reason}", n) for reason, n in sorted(counts["dropped"].items())]
    rows += [("tokens read", report["tokens_in"]), ("tokens written", report["tokens_out"])]
    if report["cost"]:
        each = report["cost"] / counts["rows"] if counts["rows"] else 0.0
        rows += [("cost", f"{report['cost']:.4g}"), ("cost of a row", f"{each:.3g}")]
    if report["stopped"]:
        rows.append(("stopped by", report["stopped"]))
    rows += [(name, f"{value:g}") for name, value in counts["figures"].items()]
    click.echo(table(["", "count"], rows))
