"""A year in the life of a twin: Pepys' diary month by month, each month imported, learned and gated.

    python bench/year.py run FOLDER --diary DIARY --poison OTHER     # everything, resumable: run it again after a kill
    python bench/year.py screen FOLDER --writings AUTHORS            # then: who else would pass for Pepys?
    python bench/year.py plot FOLDER docs/year                       # figures (SVG) and tables of what was found

DIARY is a folder of Markdown files, one a month, titled "August 1660" (public domain). OTHER is a folder of another
author's Markdown. The voice learns three months, then twelve imports follow. The sixth brings somebody else's text
under Pepys' name, offered twice: with the screen off, so that the gate alone has to catch it, then with the screen on.
After the ninth, one byte of the current voice's weights is turned over on disk. Each month is measured before it is
learned: on the twin as the loop left it, on the first voice, which never learned again, and on a voice that was
trained as long as the loop, but on the first three months only.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from gemel.config import Config
from gemel.corpus.moods import Languages
from gemel.corpus.writings import slices
from gemel.errors import DamagedCheckpoint
from gemel.evaluate.cases import Case, cases_of, own_replies, session_index
from gemel.evaluate.identity import Foreign, Losses, gain, match_foreign, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.statistics import bootstrap, draws, ratio_of, sums
from gemel.examples import Example, Role
from gemel.improve.gate import carried
from gemel.model.base import load_base, load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.build import build_dataset
from gemel.pipeline.compose import seen_by
from gemel.pipeline.evaluate import read_split
from gemel.pipeline.imports import import_paths
from gemel.pipeline.promote import ensure_good, promote
from gemel.pipeline.retrain import Round, improve
from gemel.pipeline.seal import ids_of
from gemel.pipeline.train import train_voice
from gemel.records import Document
from gemel.workspace import Workspace, atomic

FIRST = 3
"""Months that the first voice learns."""
IMPORTS = 12
POISONED, DAMAGED = 6, 9
"""Which import brings another author, after which one the weights are damaged."""
MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
AUTHOR = "Samuel Pepys"
REPLIES = 28
"""Pieces of the next month that are measured."""
CONFIG: dict[str, Any] = {
    "privacy": {"mode": "off"},
    "corpus": {"author": AUTHOR, "slice_words": 120, "embargo_hours": 0.0},
    "train": {"max_steps": 12, "epochs": 2, "batch_tokens": 1024, "threads": 1, "evaluate_every": 12, "lr": 5e-4},
    "improve": {"evaluate": False, "audit": "quick", "promote": "auto", "holdout": 0.3, "replies": 32},
}
PARTS = (1.0, 0.75, 0.5, 0.25, 0.0)
"""Shares of a month that are somebody else's, in the test of the screen."""
FIRST_STEPS = 40
"""Steps of the first voice."""
ARMS = {
    "with": "the twin that learns on",
    "longer": "the first months alone, for as many steps",
    "without": "the first voice, left as it was",
}


# the diary --------------------------------------------------------------------
def months(folder: Path) -> Iterator[tuple[str, list[tuple[int, str]]]]:
    """("1660-08", [(day, text)…]) in order of time; years begin in January, whatever the title says."""
    found = {}
    for file in folder.glob("*.md"):
        text = file.read_text(encoding="utf-8")
        title = re.search(r'^title: "?(\w+) (\d{4})(?:[–-](\d{2}))?', text, re.MULTILINE)
        if title and title[1] in MONTHS:
            year = int(title[2]) + (1 if title[3] else 0)
            found[f"{year}-{MONTHS.index(title[1]) + 1:02d}"] = days(text.split("---", 2)[2])
    yield from sorted(found.items())


def days(text: str) -> list[tuple[int, str]]:
    """Entries of a month: paragraphs that begin with the next day, and what follows them."""
    out: list[tuple[int, str]] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        begins = re.match(rf"(?:(?:{'|'.join(MONTHS)}) )?(\d{{1,2}})(?:st|nd|rd|th|d)\b", paragraph)
        if begins and int(begins[1]) > (out[-1][0] if out else 0):
            out.append((int(begins[1]), paragraph))
        elif out:
            out[-1] = (out[-1][0], f"{out[-1][1]}\n\n{paragraph}")
    return out


def write_month(folder: Path, month: str, entries: Sequence[tuple[int, str]], author: str = AUTHOR) -> Path:
    """One Markdown file a day."""
    place = folder / month
    place.mkdir(parents=True, exist_ok=True)
    year, number = map(int, month.split("-"))
    for day, text in entries:
        try:
            when = date(year, number, day)
        except ValueError:
            continue
        title = f"{day} {MONTHS[number - 1]} {year}"
        head = f'---\ntitle: "{title}"\nauthor: "{author}"\ndate: {when.isoformat()}\n---\n\n'
        (place / f"{when.isoformat()}.md").write_text(head + text + "\n", encoding="utf-8")
    return place


def foreign_entries(folder: Path, words: int, chapters: slice) -> list[tuple[int, str]]:
    """Some of another author's chapters cut into entries of a month, one a day."""
    text = "\n\n".join(f.read_text(encoding="utf-8").split("---", 2)[2] for f in sorted(folder.glob("*.md"))[chapters])
    paragraphs = [p for p in re.split(r"\n\s*\n", text) if len(p.split()) > 40]
    out: list[tuple[int, str]] = []
    for day in range(1, 29):
        taken: list[str] = []
        while paragraphs and sum(len(p.split()) for p in taken) < words:
            taken.append(paragraphs.pop(0))
        out.append((day, "\n\n".join(taken)))
    return out


# measuring ----------------------------------------------------------------------
def cases(place: Path) -> tuple[Case, ...]:
    """Pieces of a month's files."""
    detect = Languages(("en",))
    found: list[Example] = []
    for file in sorted(place.glob("*.md")):
        body = file.read_text(encoding="utf-8").split("---", 2)[2].strip()
        title = re.search(r'^title: "(.*)"', file.read_text(encoding="utf-8"), re.MULTILINE)
        document = Document(id=file.stem, source="writings", text=body, title=title[1] if title else "", language="en")
        found += slices(document, CONFIG["corpus"]["slice_words"], split="test", name=AUTHOR, detect=detect)
    return cases_of(found, (), limit=REPLIES).cases


def measure(
    root: Path, workspace: Workspace, config: Config, month: str, runs: dict[str, str], foreign: Foreign
) -> dict[str, Any]:
    """Gain over the base on a month that nobody has learned, for each of `runs`, and their paired difference."""
    own = cases(root / "months" / month)
    journal = Journal(root / "losses.jsonl", "1")
    texts = [text_of(c) for c in own]
    base = LocalScorer(load_base(config.model))
    losses: dict[str, tuple[Losses, Losses]] = {}
    for name, run in {"base": "base", **runs}.items():
        scorer = base if run == "base" else LocalScorer(load_run(workspace.run(run), config.model))
        losses[name] = tuple(measure_losses(scorer, run, t, journal=journal) for t in (texts, foreign.texts))  # type: ignore[assignment]
    index, names = session_index(own)
    weights = draws(len(names), 2000)
    size = sums(losses["base"][0].bytes, index, len(names))
    out: dict[str, Any] = {"month": month, "pieces": len(own), "sessions": len(names), "runs": runs}
    for name in runs:
        saved = sums(losses["base"][0].bits - losses[name][0].bits, index, len(names))
        out[name] = list(bootstrap(ratio_of(saved, size), weights))
        found = gain(own, foreign, base=losses["base"], twin=losses[name], resamples=2000)
        out[f"{name} identity"] = list(bootstrap(found.statistic, found.weights))
    for name in ("without", "longer"):
        saved = sums(losses[name][0].bits - losses["with"][0].bits, index, len(names))
        out[f"difference to {name}"] = list(bootstrap(ratio_of(saved, size), weights))
    return out


# the year -------------------------------------------------------------------------
def run(root: Path, diary: Path, poison: Path, skip: int, trained: bool) -> None:
    """The whole year; what is done already is not done again.

    Args:
        skip: months of the diary that are left out at first.
        trained: set out from the voice that was trained as long as the loop, not from the hastier first one.
    """
    workspace = Workspace(root / "twin")
    workspace.prepare()
    config = workspace.config(CONFIG)
    log = root / "year.json"
    done: dict[str, Any] = json.loads(log.read_text(encoding="utf-8")) if log.exists() else {"months": {}, "rounds": {}}
    wanted = list(months(diary))[skip : skip + FIRST + IMPORTS + 1]
    for month, entries in wanted:
        write_month(root / "months", month, entries)
    names = [month for month, _ in wanted]
    strange = write_month(root / "strange", names[FIRST + POISONED - 1], foreign_entries(poison, 250, slice(2, 6)))
    foreign = match_foreign(cases(root / "months" / names[FIRST]), _foreign_pool(root, poison))

    def once(place: str, key: str, make: Callable[[], dict[str, Any]]) -> dict[str, Any]:
        if key not in done[place]:
            done[place][key] = make()
            with atomic(log) as path:
                path.write_text(json.dumps(done, indent=1), encoding="utf-8")
        found: dict[str, Any] = done[place][key]
        return found

    def look(month: str) -> dict[str, Any]:
        runs = {"with": workspace.current() or "", "longer": first["longer"], "without": first["run"]}
        found = measure(root, workspace, config, month, runs, foreign)
        print(f"{month}: " + ", ".join(f"{name} {found[name][0]:+.3f}" for name in runs), flush=True)
        return found

    first = once("rounds", "first voice", lambda: first_voices(root, workspace, names[:FIRST], trained))
    for number, month in enumerate(names[FIRST : FIRST + IMPORTS], 1):
        once("months", month, lambda month=month: look(month))  # type: ignore[misc]
        place = root / "months" / month
        if number == POISONED:
            place, bare = strange, workspace.config({**CONFIG, "improve": {**CONFIG["improve"], "screen": False}})
            once("rounds", f"{number} screen off", lambda bare=bare: learn(workspace, bare, strange))  # type: ignore[misc]
        once("rounds", f"{number}", lambda place=place: learn(workspace, config, place))  # type: ignore[misc]
        if number == DAMAGED:
            once("rounds", "damage", lambda: damage(workspace))
    once("months", names[FIRST + IMPORTS], lambda: look(names[FIRST + IMPORTS]))


def first_voices(root: Path, workspace: Workspace, first: Sequence[str], trained: bool) -> dict[str, Any]:
    """The first voice, and one of the same text trained as long as the loop will have been, which may be the first."""
    config = workspace.config(CONFIG)
    for month in first:
        import_paths(workspace, [root / "months" / month], config)
    build_dataset(workspace, config)
    began = time.perf_counter()
    made = {}
    for name, steps, epochs in (("run", FIRST_STEPS, 2), ("longer", FIRST_STEPS + 12 * (IMPORTS - 1), 8)):
        train = {**CONFIG["train"], "max_steps": steps, "epochs": epochs, "patience": 0}
        made[name] = str(train_voice(workspace, workspace.config({**CONFIG, "train": train})).extra["run"])
    if trained:
        made["run"] = made["longer"]
        promote(workspace, made["run"])
    return {**made, "seconds": round(time.perf_counter() - began, 1)}


def _foreign_pool(root: Path, poison: Path) -> Any:
    """Pieces of the other author, of days that are not in the poisoned month."""
    place = write_month(root / "foreign", "1700-01", foreign_entries(poison, 250, slice(8, 12)), "another")
    return own_replies(
        Example(id=c.id, kind=c.kind, turns=(*c.context, c.truth), session=c.session)
        for c in cases(place)
        if c.truth.role is Role.me
    )


def learn(workspace: Workspace, config: Config, place: Path) -> dict[str, Any]:
    """One round on one import."""
    began = time.perf_counter(), time.process_time()
    found: Round = improve(
        workspace, config, [place], least=1, after=lambda step, said: print(f"    {step}: {said}", flush=True)
    )
    print(f"  round {found.number}: {found.outcome}: {'; '.join(found.reasons)}", flush=True)
    took = {"seconds": round(time.perf_counter() - began[0], 1), "cpu": round(time.process_time() - began[1], 1)}
    return {**asdict(found), **took, "now": workspace.current()}


def damage(workspace: Workspace) -> dict[str, Any]:
    """Turn over one byte in the middle of the current voice's weights: it is refused, and gone back from."""
    run = workspace.current() or ""
    file = max(workspace.run(run).rglob("*.safetensors"), key=lambda f: f.stat().st_size)
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)
        opened.seek(-1, 1)
        opened.write(bytes([byte[0] ^ 0xFF]))
    try:
        promote(workspace, run)
        refused = ""
    except DamagedCheckpoint as error:
        refused = error.message
    left = ensure_good(workspace)  # what a server does when it starts, and every round
    print(f"  damage: {refused or 'not noticed'}; left {left}, the twin is {workspace.current()}", flush=True)
    return {"run": run, "refused": refused, "left": left, "now": workspace.current()}


def screen(root: Path, writings: Path) -> None:
    """How much of the last voice's gain other authors keep: AUTHORS is a folder with a folder of Markdown for each."""
    workspace = Workspace(root / "twin")
    config, run = workspace.config(CONFIG), workspace.current() or ""
    systems = {
        "base": LocalScorer(load_base(config.model)),
        run: LocalScorer(load_run(workspace.run(run), config.model)),
    }

    def saved(own: Sequence[Case]) -> tuple[Any, Any]:
        index, names = session_index(own)
        before, after = (
            measure_losses(s, n, [text_of(c) for c in own], journal=Journal(None)) for n, s in systems.items()
        )
        return sums(before.bits - after.bits, index, len(names)), sums(before.bytes, index, len(names))

    seen = seen_by(workspace, run)["test"]
    held = [e for e in read_split(workspace.dataset("main"), "test") if not seen.isdisjoint(ids_of(e))]
    old = saved(cases_of(held, (), limit=REPLIES).cases)
    mine = saved(cases(max((root / "months").iterdir())))
    found: dict[str, Any] = {}
    for folder in sorted(p for p in writings.iterdir() if p.is_dir() and "pepys" not in p.name):
        place = write_month(root / "others" / folder.name, "1700-02", foreign_entries(folder, 250, slice(1, 8)))
        theirs = saved(cases(place))
        count = min(len(mine[0]), len(theirs[0]))
        rows = {}
        for part in PARTS:
            kept = round(part * count)
            mixed = [np.concatenate([m[kept:count], t[:kept]]) for m, t in zip(mine, theirs)]
            said = carried((mixed[0], mixed[1]), old)
            rows[part] = {"share": said.share, "low": said.low, "high": said.high, "caught": said.foreign}
        found[folder.name] = rows
        print(f"{folder.name}: " + ", ".join(f"{p:.0%} {r['share']:.0%}" for p, r in rows.items()), flush=True)
    for part in PARTS:
        caught = sum(rows[part]["caught"] for rows in found.values())
        print(f"{part:.0%} of a month somebody else's: {caught} of {len(found)} caught", flush=True)
    with atomic(root / "screen.json") as path:
        path.write_text(json.dumps(found, indent=1), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    one = commands.add_parser("run")
    one.add_argument("folder", type=Path)
    one.add_argument("--diary", type=Path, required=True)
    one.add_argument("--poison", type=Path, required=True)
    one.add_argument("--trained", action="store_true", help="set out from the voice that was trained longer")
    one.add_argument("--skip", type=int, default=0, help="months of the diary that are left out at first")
    three = commands.add_parser("screen")
    three.add_argument("folder", type=Path)
    three.add_argument("--writings", type=Path, required=True)
    two = commands.add_parser("plot")
    two.add_argument("folder", type=Path)
    two.add_argument("out", type=Path)
    given = parser.parse_args()
    if given.command == "run":
        run(given.folder, given.diary, given.poison, given.skip, given.trained)
    elif given.command == "screen":
        screen(given.folder, given.writings)
    else:
        from year_plot import plot

        plot(json.loads((given.folder / "year.json").read_text(encoding="utf-8")), given.out)


if __name__ == "__main__":
    main()
