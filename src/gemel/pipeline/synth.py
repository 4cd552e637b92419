"""`gemel synth`: a job is an input, stages, teachers and an output; running it again goes on where it stopped.

Beside `X.jsonl` (the result, written whole) lie `X.calls.jsonl` (every usable answer), `X.dead.jsonl` (calls without
one), `X.job.json` (what was asked, and the counts) and `X.contamination.json` (what overlapped with what is measured
on and was kept out). The result is always made from the input and the calls, so that shards, kills and retries give
the same rows in the same order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from gemel.config import SynthSection
from gemel.errors import DataError, Incomplete
from gemel.examples import read_examples
from gemel.pipeline.synth_contamination import watch_for
from gemel.pipeline.synth_job import Job, read_rows, save_job, write_rows
from gemel.remote import Endpoint
from gemel.shards import Place, over, shard_of
from gemel.synth.diversity import distinct, unseen, vendi
from gemel.synth.engine import Engine, Failed, Report, Row, Stage, results, row_id
from gemel.synth.journal import Journal
from gemel.synth.pairs import ALLOWED, pair_stages, slices_of
from gemel.synth.personas import edges, frontier, locale_of, texts_in
from gemel.synth.screen import Exact, Near, Screen, Similar, screened
from gemel.synth.template import load_template
from gemel.text import fold

__all__ = ["Outcome", "clear_dead", "endpoints", "first_request", "run_job", "standing"]

ONE = {"personas": "text_to_persona", "relate": "persona_to_persona", "questions": "question", "knowledge": "knowledge"}
"""Kind of job → its one template."""
SCREENED = {
    "personas": ("persona",),
    "relate": ("persona",),
    "questions": ("question",),
    "qa": ("question", "answer"),
}
"""Kind of job → the fields that are screened for duplicates."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of a job."""

    rows: int
    report: Report
    dropped: Counter[str]
    """Rows left out by a screen, by reason."""
    failed: list[Failed]
    figures: dict[str, float]
    """Diversity, where it applies."""


def run_job(job: Job) -> Outcome:
    """Ask what is still unasked and write the output.

    Raises:
        Incomplete: some rows have no answer; everything else was written, and they are listed.
        RemoteError: no server is left; what was answered is kept.
    """
    _merge_leftovers(job)
    save_job(job, {})
    if job.kind == "relate":
        outcome = _rounds(job)
    else:
        report = _ask(job, lambda: _inputs(job))
        outcome = _write(job, report, _results(job, lambda: _inputs(job)))
    save_job(job, _counts(outcome))
    if outcome.failed:
        reasons = ", ".join(f"{n} {r}" for r, n in Counter(f.reason for f in outcome.failed).most_common(4))
        known = ", ".join(f"{n} {r}" for r, n in outcome.report.dead.most_common(4)) or reasons
        raise Incomplete(
            f"{len(outcome.failed)} rows are missing ({known}); {outcome.rows} were written",
            hint=f"They are listed in {job.file('dead').name}; `gemel synth retry {job.output}` asks them again.",
        )
    return outcome


def endpoints(job: Job) -> list[Endpoint]:
    """The teachers with their limits."""
    section = job.section
    return [
        Endpoint(
            address=address,
            model=section.model,
            concurrency=section.concurrency,
            requests_per_minute=section.requests_per_minute,
            tokens_per_minute=section.tokens_per_minute,
            price_in=section.price_in,
            price_out=section.price_out,
        )
        for address in job.teachers
    ]


def stages_of(job: Job) -> list[Stage]:
    """The stages of a job."""
    if job.kind == "qa":
        return pair_stages(answers=job.answers)
    names = job.templates or (ONE[job.kind],)
    return [Stage(template=load_template(n), samples=job.samples if i == 0 else 1) for i, n in enumerate(names)]


def first_request(job: Job) -> tuple[int, list[dict[str, str]]]:
    """How many rows would be asked about, and the messages of the first: what would leave this machine."""
    rows = frontier(read_rows(Path(job.input)), job.section.locale, each=job.each) if job.kind == "relate" else None
    first, count = None, 0
    for row in rows if rows is not None else _inputs(job):
        first, count = first or row, count + 1
    if first is None:
        raise DataError("there is nothing to ask about", hint=f"Look at {job.input}.")
    return count, stages_of(job)[0].template.render(first)


def _inputs(job: Job) -> Iterator[Row]:
    locale = job.section.locale
    if job.kind == "qa":
        language = "the language of the text" if locale == SynthSection().locale else locale_of(locale)["language"]
        for split in ALLOWED:
            path = Path(job.input) / f"{split}.parquet"
            if path.exists():
                yield from slices_of((e.with_split(split) for e in read_examples(path)), language, count=job.count)
    elif job.kind == "personas":
        yield from texts_in(read_rows(Path(job.input)), locale)
    else:
        place = locale_of(locale)
        for row in read_rows(Path(job.input)):
            yield {**place, **row, "id": row_id(row)}


def _ask(job: Job, rows: Callable[[], Iterable[Row]], *, name: str = "ask") -> Report:
    """Fill the journal, here or in shards."""
    place = Place.parse(job.shards)
    total = sum(1 for _ in rows())
    with _journals(job) as (calls, dead):
        if place.kind == "here":
            return _engine(job, calls, dead).run(stages_of(job), rows(), total=total, name=name)
    count = max(2, place.workers)
    kept = list(rows()) if job.kind == "relate" else None
    report = Report()
    for one in over(_shard, [(job, i, count, kept) for i in range(count)], place):
        report = report.plus(one)
    _merge_leftovers(job)
    return report


def _engine(job: Job, calls: Journal, dead: Journal) -> Engine:
    section = job.section
    budget, deadline = section.budget, section.deadline
    return Engine(endpoints(job), calls, dead, model=section.model, deadline=deadline, budget=budget)


def _shard(work: tuple[Job, int, int, list[Row] | None]) -> Report:
    """One shard's rows, into a journal of its own above the common one; budgets and limits are shared out."""
    job, index, count, kept = work
    shared = {k: job.settings.get(k, 0) / count for k in ("budget", "requests_per_minute", "tokens_per_minute")}
    concurrency = max(1, job.section.concurrency // count)
    job = replace(job, settings={**job.settings, **shared, "concurrency": concurrency})
    rows = (r for r in (kept if kept is not None else _inputs(job)) if shard_of(row_id(r), count) == index)
    with ExitStack() as stack:
        opened = []
        for what in ("calls", "dead"):
            below = stack.enter_context(Journal(job.file(what), write=False))
            path = job.file(f"{what}.{index}-of-{count}")
            opened.append(stack.enter_context(Journal(path, below=below)))
        return _engine(job, *opened).run(stages_of(job), rows)


def _merge_leftovers(job: Job) -> None:
    """Take shards' journals into the common ones: the union by key."""
    for what in ("calls", "dead"):
        for path in sorted(job.file().parent.glob(f"{job.file().stem}.{what}.*-of-*.jsonl")):
            with Journal(job.file(what)) as whole, Journal(path) as part:
                whole.absorb(part)
                whole.sync()
            path.unlink()
            path.with_name(f".{path.name}.lock").unlink(missing_ok=True)


@contextmanager
def _journals(job: Job) -> Iterator[tuple[Journal, Journal]]:
    """The common journals of a job, open for writing."""
    with Journal(job.file("calls")) as calls, Journal(job.file("dead")) as dead:
        yield calls, dead


def _results(job: Job, rows: Callable[[], Iterable[Row]]) -> Iterator[Row | Failed]:
    with Journal(job.file("calls"), write=False) as calls:
        yield from results(stages_of(job), rows(), calls, model=job.section.model)


def _rounds(job: Job) -> Outcome:
    """Persona-to-persona: every round starts from what the last one added."""
    known: list[Row] = [{**r, "id": row_id(r)} for r in read_rows(Path(job.input))]
    screens = _screens(job)
    dropped: Counter[str] = Counter()
    failed: list[Failed] = []
    report = Report()
    everyone = list(screened(known, _joined(("persona",)), screens, dropped))
    added = everyone
    watch = watch_for(job)
    for number in range(1, job.rounds + 1):
        wanted = list(frontier(added, job.section.locale, each=job.each))
        report = report.plus(_ask(job, partial(iter, wanted), name=f"round {number}"))
        found = list(_results(job, partial(iter, wanted)))
        failed += [f for f in found if isinstance(f, Failed)]
        made: Iterable[Row] = (r for r in found if not isinstance(r, Failed))
        if watch:
            made = watch.passing(made, dropped)
        added = list(screened(made, _joined(("persona",)), screens, dropped))
        everyone = everyone + added
        if not added or report.stopped or unseen(_domains(everyone)) < job.until_unseen:
            break
    if watch:
        watch.write(job)
    graph = [e._asdict() for e in edges(everyone)]
    write_rows(job.file("graph"), graph)
    write_rows(job.file(), everyone)
    return Outcome(rows=len(everyone), report=report, dropped=dropped, failed=failed, figures=_figures(job, everyone))


def _write(job: Job, report: Report, found: Iterable[Row | Failed]) -> Outcome:
    failed: list[Failed] = []
    dropped: Counter[str] = Counter()

    def usable() -> Iterator[Row]:
        for item in found:
            if isinstance(item, Failed):
                failed.append(item)
            else:
                yield item

    rows: Iterable[Row] = usable()
    if names := SCREENED.get(job.kind):
        rows = screened(rows, _joined(names), _screens(job), dropped)
    if watch := watch_for(job):
        watch.look_at(_inputs(job))
        rows = watch.passing(rows, dropped)
    sample: list[Row] = []

    def watched() -> Iterator[Row]:
        for row in rows:
            if len(sample) < 20_000:
                sample.append({k: row.get(k) for k in ("persona", "question", "answer", "domain", "text")})
            yield row

    count = write_rows(job.file(), watched())
    if watch:
        watch.write(job)
    return Outcome(rows=count, report=report, dropped=dropped, failed=failed, figures=_figures(job, sample))


def _joined(names: Sequence[str]) -> Callable[[Row], str]:
    return lambda row: " ".join(str(row.get(name, "")) for name in names)


def _screens(job: Job) -> list[Screen]:
    screens: list[Screen] = [Exact(), Near()]
    if job.similar:
        from gemel.model.embed import embedder

        screens.append(Similar(embedder("minilm").encode, job.similar))
    return screens


def _domains(rows: Iterable[Row]) -> list[str]:
    return [fold(str(r["domain"])) for r in rows if r.get("domain")]


def _figures(job: Job, rows: Sequence[Row]) -> dict[str, float]:
    name = SCREENED.get(job.kind, ("answer",))[0]
    texts = [str(r[name]) for r in rows if r.get(name)]
    if not texts:
        return {}
    from gemel.model.embed import embedder

    figures = {"distinct-2": distinct(texts), "Vendi score": vendi(texts, embedder("hash").encode)}
    if domains := _domains(rows):
        figures |= {"domains": float(len(set(domains))), "unseen mass of domains": unseen(domains)}
    return {k: round(v, 4) for k, v in figures.items()}


def _counts(outcome: Outcome) -> dict[str, Any]:
    report = vars(outcome.report)
    return {
        "rows": outcome.rows,
        "missing": len(outcome.failed),
        "dropped": dict(outcome.dropped),
        "figures": outcome.figures,
        "report": {k: dict(v) if isinstance(v, Counter) else v for k, v in report.items()},
    }


def clear_dead(job: Job) -> int:
    """Forget which calls failed, so that they are asked again; returns how many."""
    _merge_leftovers(job)
    path = job.file("dead")
    with Journal(path) as dead:
        count = len(dead)
    path.unlink(missing_ok=True)
    return count


def standing(job: Job) -> tuple[int, Counter[str]]:
    """Calls that were answered, and those that failed by reason; reads only."""
    with Journal(job.file("calls"), write=False) as calls, Journal(job.file("dead"), write=False) as dead:
        return len(calls), Counter(str(row["reason"]) for row in dead)
