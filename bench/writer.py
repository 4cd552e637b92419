"""The writer's twin from texts to answers, and what the pairs are worth: the commands of a user, then a measure.

    python bench/writer.py [--folder FOLDER] [--steps 80] [--method rslora] [--teacher ADDRESS --model NAME]

Hamilton's Federalist papers (shipped) are imported, split by document, asked about through a teacher, and learned
twice by recipes/writer.toml for the same number of steps of the same number of tokens: slices alone, and slices with
pairs. Without `--teacher` the scripted one of bench/stub_teacher.py answers, which has nothing of its own to say.
Measured are bits per byte of the author's words, in documents that were never asked about or learned, and in answers
to questions on these (made for the measure alone, by the same teacher); once more under another document's questions,
which tells whether the question is read. Intervals are 95 %, by resampling documents. The same folder goes on where
it was stopped.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gemel.examples import Example

HERE = Path(__file__).parent
TEXTS = HERE.parent / "src/gemel/assets/demo/federalist.zip"
SETTINGS = """scale = "tiny"
name = "Alexander Hamilton"

[corpus]
author = "Alexander Hamilton"
impostor = "James Madison"
split = [0.65, 0.1, 0.25]

[train]
max_steps = {steps}
max_minutes = 0.0
patience = 0
evaluate_every = 1000
"""
ASKED = (
    "Why should the judges hold their offices during good behavior?",
    "What do you think of a militia?",
    "Is a single executive better than a council?",
)


class Told(NamedTuple):
    """Bits and bytes of one text, and the document it belongs to."""

    document: str
    bits: float
    size: int


@contextmanager
def stub() -> Iterator[str]:
    """The scripted teacher, in a process of its own."""
    line = [sys.executable, str(HERE / "stub_teacher.py"), "--quoting", "--latency", "0.001"]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/v1"
    finally:
        process.kill()
        process.wait()


def gemel(twin: Path, *line: str) -> None:
    """A command as a user gives it."""
    print("$ gemel", *line, flush=True)
    subprocess.run([sys.executable, "-m", "gemel", *line, "--twin", str(twin)], check=True)


def make(twin: Path, address: str, model: str, steps: int, method: str) -> None:
    """The twin of the pairs, and the voice without them."""
    twin.mkdir(parents=True, exist_ok=True)
    (twin / "gemel.toml").write_text(SETTINGS.format(steps=steps), encoding="utf-8")
    how = ("--recipe", "writer", *(("--method", method) if method else ()))
    gemel(twin, "import", str(TEXTS))
    gemel(twin, "build")
    gemel(twin, "synth", "qa", "--teacher", address, "--model", model)
    gemel(twin, "train", "--dataset", "qa", *how, "--run", f"pairs-{method}-{steps}", "--promote")
    gemel(twin, "train", "--dataset", "main", *how, "--run", f"slices-{method}-{steps}", "--no-promote")


def held_out_pairs(twin: Path, address: str, model: str) -> list[Example]:
    """Questions on the test documents with the author's own sentences, for the measure alone."""
    import shutil

    from gemel.pipeline.synth import run_job
    from gemel.pipeline.synth_job import Job, read_rows
    from gemel.synth.pairs import as_example

    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        shutil.copy2(twin / "dataset/main/test.parquet", folder / "valid.parquet")
        settings = {"model": model}
        output = str(folder / "held.jsonl")
        run_job(Job(kind="qa", input=place, output=output, teachers=(address,), settings=settings, count=2))
        return [as_example(row) for row in read_rows(Path(output))]


def measure(twin: Path, run: str, sets: dict[str, Sequence[Example]]) -> dict[str, list[Told]]:
    """Bits of every set under a run, or under the base where its name is empty."""
    from gemel.config import load
    from gemel.model.base import load_base, load_run
    from gemel.model.likelihood import LocalScorer

    section = load(twin / "gemel.toml").model
    base = load_run(twin / "runs" / run, section) if run else load_base(section)
    scorer = LocalScorer(base, batch_tokens=1024)
    out = {}
    for name, examples in sets.items():
        pairs = [(e.turns[:-1], e.turns[-1]) for e in examples]
        likely = scorer.likelihoods(pairs)
        out[name] = [Told(e.session, x.total / math.log(2), x.bytes) for e, x in zip(examples, likely)]
    return out


def rate(first: Sequence[Told], second: Sequence[Told] | None = None) -> str:
    """Bits per byte with its interval; of two measures how many `second` saves."""
    import numpy as np

    from gemel.evaluate.statistics import bootstrap, draws, ratio_of

    documents = sorted({t.document for t in first})
    place = {name: i for i, name in enumerate(documents)}
    bits, sizes = np.zeros(len(documents)), np.zeros(len(documents))
    for i, told in enumerate(first):
        bits[place[told.document]] += told.bits - (second[i].bits if second else 0.0)
        sizes[place[told.document]] += told.size
    found = bootstrap(ratio_of(bits, sizes), draws(len(documents)))
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"


def answered(twin: Path) -> None:
    """Three questions to the twin."""
    from gemel.examples import Role, Turn
    from gemel.model.twin import load_twin
    from gemel.speaker import Sampling
    from gemel.workspace import Workspace

    workspace = Workspace(twin)
    loaded = load_twin(workspace, workspace.config(), "voice")
    for question in ASKED:
        turn = Turn(role=Role.prompt, parts=(question,))
        reply = loaded.reply([turn], sampling=Sampling(max_tokens=70, temperature=0.7, seed=1))
        print(f"\n{question}\n  {chr(32).join(reply.text.split())}")
    loaded.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--folder", type=Path, default=Path("writer-twin"))
    parser.add_argument("--steps", type=int, default=80, help="of 2,048 tokens, for each voice")
    parser.add_argument("--method", default="rslora", help="rslora as in the recipe, or full")
    parser.add_argument("--teacher", default="")
    parser.add_argument("--model", default="quoting")
    parser.add_argument("--most", type=int, default=400, help="held-out slices, and pairs, that are measured at most")
    asked = parser.parse_args()
    from gemel.examples import read_examples

    twin = asked.folder
    with stub() as scripted:
        address = asked.teacher or scripted
        make(twin, address, asked.model, asked.steps, asked.method)
        pairs = held_out_pairs(twin, address, asked.model)
    texts = [e for e in read_examples(twin / "dataset/main/test.parquet") if e.kind == "slice"]
    pairs, texts = (many[:: math.ceil(len(many) / asked.most)] for many in (pairs, texts))
    turned = [*pairs[len(pairs) // 2 :], *pairs[: len(pairs) // 2]]
    crossed = [replace(e, turns=(*foreign.turns[:-1], e.turns[-1])) for e, foreign in zip(pairs, turned)]
    own, other = "answers", "answers under another question"
    sets: dict[str, Sequence[Example]] = {"documents": texts, own: pairs, other: crossed}
    runs = {
        "base": "",
        "slices": f"slices-{asked.method}-{asked.steps}",
        "pairs": f"pairs-{asked.method}-{asked.steps}",
    }
    found = {title: measure(twin, run, sets) for title, run in runs.items()}
    print(f"\nbits per byte, {len({e.session for e in texts})} documents, {len(texts)} slices, {len(pairs)} pairs")
    for name in sets:
        print(f"{name}: " + "; ".join(f"{title} {rate(told[name])}" for title, told in found.items()))
        print(f"  pairs save {rate(found['slices'][name], found['pairs'][name])} over slices alone")
    for title, told in found.items():
        print(f"{title}: the question saves {rate(told[other], told[own])}")
    answered(twin)


if __name__ == "__main__":
    main()
