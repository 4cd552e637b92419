"""Benchmarks of likeness: a matrix over real speakers, and the time that many replies take.

    python bench/likeness.py justices DATA.jsonl.gz --steps 60     # each twin on its own and on others' held-out turns
    python bench/likeness.py speed TWIN --replies 1000              # every metric of an already trained twin

DATA has one turn a line: hearing, n, speaker, text. The corpus of Supreme Court arguments (CC BY-NC) has this
form; none of it is in this repository.
"""

from __future__ import annotations

import argparse
import gzip
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from gemel.config import parse
from gemel.evaluate.cases import Case, cases_of
from gemel.evaluate.identity import Losses, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.statistics import bootstrap, draws, ratio_of, sums, swap_test
from gemel.examples import Example, Role, Turn, write_examples
from gemel.model.base import load_base, load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.evaluate import evaluate_run
from gemel.pipeline.train import base_hash, train_voice
from gemel.track import Event, listening
from gemel.workspace import Manifest, Workspace

JUSTICES = ("Antonin Scalia", "Stephen G. Breyer", "Ruth Bader Ginsburg")
TURNS = 6
"""Turns of a hearing in one example."""
PIECES = 500
"""Training examples of each justice, evenly taken over the years."""
BATCH = 2048
"""Tokens of an optimiser step."""


def hearings(path: Path) -> dict[str, list[dict[str, object]]]:
    """Hearing → turns in order, hearings in the order of the file."""
    out: dict[str, list[dict[str, object]]] = defaultdict(list)
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if row["speaker"] and row["text"].strip():
                out[row["hearing"]].append(row)
    return out


def sessions(rows: Mapping[str, Sequence[Mapping[str, object]]], who: str) -> Iterator[Example]:
    """Every hearing in which somebody speaks, cut into pieces of `TURNS` turns; only their turns are learned."""
    for hearing, turns in rows.items():
        made = [
            Turn(
                role=Role.me if r["speaker"] == who else Role.other,
                parts=(str(r["text"]),),
                name=str(r["speaker"]),
                learn=r["speaker"] == who,
            )
            for r in turns
        ]
        for i in range(0, len(made), TURNS):
            piece = tuple(made[i : i + TURNS])
            if any(t.learn for t in piece):
                yield Example(
                    id=f"{hearing}-{i}", kind="chat", turns=piece, session=hearing, thread=hearing, group=True
                )


def split(examples: Sequence[Example]) -> dict[str, list[Example]]:
    """80/10/10 by hearing, in order of time."""
    names = list(dict.fromkeys(e.session for e in examples))
    borders = {
        n: "train" if i < 0.8 * len(names) else "valid" if i < 0.9 * len(names) else "test" for i, n in enumerate(names)
    }
    out: dict[str, list[Example]] = defaultdict(list)
    for e in examples:
        out[borders[e.session]].append(e.with_split(borders[e.session]))
    return out


def justices(path: Path, folder: Path, steps: int, replies: int) -> None:
    """Train a twin of each justice and lay gain over the base on everybody's held-out turns in a matrix.

    What is trained and scored already in `folder` is not done again.
    """
    rows = hearings(path)
    config = parse({"train": {"max_steps": steps, "batch_tokens": BATCH, "evaluate_every": steps, "threads": 1}})
    base = LocalScorer(load_base(config.model))
    journal = Journal(folder / "losses.jsonl", f"{base_hash(config.model)} {steps} {PIECES} {TURNS}")
    test: dict[str, tuple[Case, ...]] = {}
    workspaces = {}
    for who in JUSTICES:
        parts = split(list(sessions(rows, who)))
        learned = [t.text for e in parts["train"] for t in e.learned]
        test[who] = cases_of(parts["test"], learned, limit=replies).cases
        parts |= {s: thin(parts[s], many) for s, many in (("train", PIECES), ("valid", 20))}
        workspaces[who] = _prepare(folder / who.replace(" ", "-"), parts, who)
    del rows
    matrix: dict[str, dict[str, Gains]] = {}
    for who in JUSTICES:
        start = time.process_time()
        made = train_voice(workspaces[who], config)
        twin = LocalScorer(load_run(workspaces[who].run(str(made.extra["run"])), config.model))
        gains = {}
        for other in JUSTICES:
            # Everybody's turns are scored as if the twin's person had said them.
            cases = [replace(c, id=f"{who}|{c.id}", truth=replace(c.truth, name=who)) for c in test[other]]
            gains[other] = _gains(base, twin, cases, journal, who)
        seconds = time.process_time() - start
        print(f"\ntwin of {who}: {made.extra['steps']} steps, {seconds:.0f} s of CPU")
        for other, found in gains.items():
            value, low, high = _interval(found)
            print(f"  gain on {other:<22} {value:+.4f} bits/byte ({low:+.4f} to {high:+.4f}), {len(test[other])} turns")
        for other, found in gains.items():
            if other != who:
                print(f"  identity gain against {other:<22} {_difference(gains[who], found)}")
        print(end="", flush=True)
        matrix[who] = gains
    print("\nOn the same turns, so that neither how hard they are nor how much a twin learned of the court counts:")
    for who in JUSTICES:
        for other in JUSTICES:
            if other != who:
                told = _difference(matrix[who][who], matrix[other][who])
                print(f"  {who}'s words, their own twin over the twin of {other:<22} {told}")
    for i, one in enumerate(JUSTICES):
        for two in JUSTICES[i + 1 :]:
            print(f"  {one} and {two}, each by their own twin over the other's {_crossed(matrix, one, two)}")


def thin(examples: Sequence[Example], many: int) -> list[Example]:
    """At most `many` examples, evenly taken."""
    places = np.linspace(0, len(examples) - 1, min(many, len(examples))).astype(int)
    return [examples[i] for i in places]


def _prepare(root: Path, parts: Mapping[str, Sequence[Example]], who: str) -> Workspace:
    workspace = Workspace(root)
    workspace.prepare()
    folder = workspace.dataset()
    wanted = f"{who} {[len(examples) for examples in parts.values()]} {TURNS}"
    if workspace.fresh(folder, wanted) is None:
        folder.mkdir(parents=True, exist_ok=True)
        counts = {s: write_examples(folder / f"{s}.parquet", examples) for s, examples in parts.items()}
        Manifest(stage="build", fingerprint=wanted, counts=counts, extra={"me": who}).write(folder)
    return workspace


Gains = dict[str, tuple[float, float]]
"""Session → bits gained over the base, bytes."""


def _gains(base: LocalScorer, twin: LocalScorer, cases: Sequence[Case], journal: Journal, who: str) -> Gains:
    texts = [text_of(c) for c in cases]
    one, two = (
        measure_losses(scorer, name, texts, journal=journal) for scorer, name in ((base, "base"), (twin, f"twin {who}"))
    )
    return _by_session(cases, one, two)


def _by_session(cases: Sequence[Case], one: Losses, two: Losses) -> Gains:
    out: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for case, gained, size in zip(cases, one.bits - two.bits, one.bytes):
        out[case.session][0] += float(gained)
        out[case.session][1] += float(size)
    return {k: (a, b) for k, (a, b) in out.items()}


def _interval(gains: Gains) -> tuple[float, float, float]:
    values = np.array(list(gains.values()))
    index = np.arange(len(values))
    statistic = ratio_of(sums(values[:, 0], index, len(values)), sums(values[:, 1], index, len(values)))
    found = bootstrap(statistic, draws(len(values)))
    return found.value, found.low, found.high


def _difference(own: Gains, far: Gains) -> str:
    """Own gain minus gain on another's turns: hearings are resampled; in those they share, turns are exchanged."""
    named = list(dict.fromkeys((*own, *far)))
    tables = [np.array([gains.get(h, (0.0, 0.0)) for h in named]) for gains in (own, far)]  # (hearings, bits and bytes)
    ratios = [ratio_of(table[:, 0], table[:, 1]) for table in tables]
    found = bootstrap(lambda w: ratios[0](w) - ratios[1](w), draws(len(named)))
    both = [i for i, h in enumerate(named) if h in own and h in far]
    joint = np.concatenate([table[both] for table in tables])
    p = swap_test(ratio_of(joint[:, 0], joint[:, 1]), len(both))
    span = f"({found.low:+.4f} to {found.high:+.4f})"
    return f"{found.value:+.4f} bits/byte {span}, p = {p:.4f} over {len(both)} shared hearings"


def _crossed(matrix: Mapping[str, Mapping[str, Gains]], one: str, two: str) -> str:
    """Gain of own twins on own turns minus that of swapped twins: the person, whatever text and twin are like."""
    cells = [(matrix[a][b], 1.0 if a == b else -1.0) for a in (one, two) for b in (one, two)]
    named = list(dict.fromkeys(h for gains, _ in cells for h in gains))
    tables = [(np.array([gains.get(h, (0.0, 0.0)) for h in named]), sign) for gains, sign in cells]
    ratios = [(ratio_of(table[:, 0], table[:, 1]), sign) for table, sign in tables]
    found = bootstrap(lambda w: np.stack([sign * ratio(w) for ratio, sign in ratios]).sum(0) / 2, draws(len(named)))
    return f"{found.value:+.4f} bits/byte ({found.low:+.4f} to {found.high:+.4f}) over {len(named)} hearings"


def speed(twin: Path, replies: int, systems: Sequence[str]) -> None:
    """Evaluate a trained twin and say how long each part took, by the clock and in CPU seconds."""
    workspace = Workspace(twin)
    given = {"replies": replies, **({"systems": tuple(systems)} if systems else {})}
    config = workspace.config({"evaluate": given})
    begun: dict[str, tuple[float, float]] = {}
    start, cpu = time.perf_counter(), time.process_time()

    def hear(event: Event) -> None:
        if event.name == "progress":
            task = str(event.fields["task"])
            now = time.perf_counter(), time.process_time()
            one = begun.setdefault(task, now)
            if event.fields["finished"]:
                print(f"{task:<24}{now[0] - one[0]:>8.0f} s {now[1] - one[1]:>8.0f} s of CPU", flush=True)
                del begun[task]

    with listening(hear):
        manifest = evaluate_run(workspace, config)
    print(f"{manifest.counts['kept']} replies: {time.perf_counter() - start:.0f} s", end=", ")
    print(f"{time.process_time() - cpu:.0f} s of CPU\n{manifest.extra['verdict']}")


def main() -> None:
    """Choose by the first argument."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["justices", "speed"])
    parser.add_argument("path", type=Path)
    parser.add_argument("--steps", type=int, default=60, help="optimiser steps of each twin, 2,048 tokens each")
    parser.add_argument("--replies", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=None, help="where the twins are kept")
    parser.add_argument("--system", action="append", default=[], help="only this system; may be given again")
    given = parser.parse_args()
    if given.what == "speed":
        speed(given.path, given.replies, given.system)
    else:
        folder = given.folder or Path(tempfile.mkdtemp(prefix="gemel-justices-"))
        justices(given.path, folder, given.steps, given.replies)


if __name__ == "__main__":
    main()
