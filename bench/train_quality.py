"""Time to the same quality: the `replica` recipe run the common way, and gemel's way, on a chat that ships.

    python bench/train_quality.py                 # Higgins (Shaw's Pygmalion as a group chat), one thread
    python bench/train_quality.py --threads 2 --epochs 3
    python bench/train_quality.py --rate 1e-3     # the common way at a rate with which it learns more

The common way: every own reply is an example of its own with the five messages before it, trained by TRL's SFTTrainer
with its defaults and PEFT (rank 64, alpha 32, rate 2e-4, cosine, as the recipe says; in fp32, since four bits are
slower on a CPU). gemel: one pass per conversation with loss on every own message, packed; once with the recipe's
own adapter, once as a user gets it. Held out are the same replies of later sessions, each after its five messages:
the common way's own form. The clock (CPU and wall) stands still while that is measured.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RANK, ALPHA, RATE = 64, 32.0, 2e-4
HELD = 8_000
"""Held-out tokens, context included."""
ARMS = ("replica with TRL", "gemel, same adapter", "gemel, defaults")


def data(folder: Path) -> dict[str, list[Any]]:
    """Training conversations, the same as windows, and held-out windows."""
    from gemel.cli.demo import ASSETS, HIGGINS
    from gemel.examples import read_examples
    from gemel.pipeline.build import build_dataset
    from gemel.pipeline.imports import import_paths
    from gemel.pipeline.recipes import load_recipe
    from gemel.workspace import Workspace

    workspace = Workspace(folder)
    workspace.prepare()
    settings: dict[str, Any] = {**HIGGINS, "privacy": {"mode": "off"}}
    replica = load_recipe("replica")["corpus"]
    windows = {**settings, "corpus": {**settings["corpus"], **replica}}
    if not workspace.dataset("windows").exists():
        import_paths(workspace, [ASSETS / "pygmalion.zip"], workspace.config(settings))
        build_dataset(workspace, workspace.config(settings), "sessions")
        build_dataset(workspace, workspace.config(windows), "windows")
    held = [e for s in ("valid", "test") for e in read_examples(workspace.dataset("windows") / f"{s}.parquet")]
    return {
        "sessions": list(read_examples(workspace.dataset("sessions") / "train.parquet")),
        "windows": list(read_examples(workspace.dataset("windows") / "train.parquet")),
        "held": held,
    }


def bits(model: Any, pieces: list[Any], size: int) -> float:
    """Bits per byte of the learned text of pieces."""
    import torch

    from gemel.model.packed import pack, packing, token_losses
    from gemel.train.learner import rows_of

    was = model.training
    model.eval()
    with torch.no_grad(), packing(model):
        total = sum(float(token_losses(model, pack(row)).sum()) for row in rows_of(pieces, 1024))
    model.train(was)
    return total / math.log(2) / size


def held_out(base: Any, found: dict[str, list[Any]]) -> tuple[list[Any], int, list[Any]]:
    """Pieces, bytes and examples of the held-out windows."""
    from gemel.train.batches import encode_all, spread

    pieces = spread(encode_all(found["held"], base.template, 1024).pieces, HELD)
    learned = [[t for t, learn in zip(*p.encoded[:2], strict=True) if learn] for p in pieces]
    return pieces, sum(len(base.template.codec.decode(ids).encode()) for ids in learned), [p.example for p in pieces]


class Clock:
    """CPU and wall seconds of training, stopped while something is measured."""

    def __init__(self) -> None:
        self.cpu = self.wall = 0.0
        self.go()

    def go(self) -> None:
        self._cpu, self._wall = time.process_time(), time.perf_counter()

    def stop(self) -> None:
        self.cpu += time.process_time() - self._cpu
        self.wall += time.perf_counter() - self._wall


def run_trl(found: dict[str, list[Any]], threads: int, epochs: float, rate: float) -> list[dict[str, float]]:
    """The common way; a row at the start and after every epoch."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from gemel.config import ModelSection
    from gemel.model.base import load_base
    from gemel.train.batches import encode_all

    torch.set_num_threads(threads)
    base = load_base(ModelSection())
    pieces, size, _ = held_out(base, found)
    windows = encode_all(found["windows"], base.template, 1024).pieces
    rows = [{"input_ids": p.encoded.ids, "completion_mask": [int(m) for m in p.encoded.learn]} for p in windows]
    out: list[dict[str, float]] = []
    clock = Clock()

    class Watch(TrainerCallback):  # type: ignore[misc]
        def look(self) -> None:
            clock.stop()
            out.append(
                {"cpu": clock.cpu, "wall": clock.wall, "bits": bits(trainer.model.get_base_model(), pieces, size)}
            )
            clock.go()

        def on_train_begin(self, *_: Any, **__: Any) -> None:
            clock.cpu = clock.wall = 0.0
            clock.go()
            self.look()

        def on_epoch_end(self, *_: Any, **__: Any) -> None:
            self.look()

    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            num_train_epochs=epochs,
            learning_rate=rate,
            lr_scheduler_type="cosine",
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            completion_only_loss=True,
        )
        adapter = LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")
        trainer = SFTTrainer(
            model=base.model,
            args=settings,
            train_dataset=Dataset.from_list(rows),
            processing_class=base.tokenizer,
            peft_config=adapter,
            callbacks=[Watch()],
        )
        trainer.train()
    tokens = sum(len(r["input_ids"]) for r in rows)
    return [{**row, "tokens": tokens * epochs * i / (len(out) - 1)} for i, row in enumerate(out)]


def run_gemel(found: dict[str, list[Any]], threads: int, arm: str, target: float) -> list[dict[str, float]]:
    """gemel's loop on whole conversations, measured every few steps until it is as good as `target`."""
    from gemel.config import ModelSection, parse
    from gemel.model.base import load_base
    from gemel.track import Event, listening
    from gemel.train.fit import fit

    base = load_base(ModelSection())
    _, _, examples = held_out(base, found)
    update: dict[str, Any] = {"batch_tokens": 1024, "evaluate_every": 4, "patience": 0, "threads": threads}
    if arm == ARMS[1]:
        update |= {"method": "lora", "rank": RANK, "alpha": ALPHA, "accumulate": 1}
    section = parse({}).train.model_copy(update={**update, "epochs": 12.0})
    out: list[dict[str, float]] = []
    clock = Clock()
    tokens = 0.0

    def hear(event: Event) -> None:
        nonlocal tokens
        if event.name == "train.start":
            clock.cpu = clock.wall = 0.0
            clock.go()
        elif event.name == "train.step":
            clock.stop()
            clock.go()
            tokens += 1024
        elif event.name == "train.valid":
            out.append({"cpu": clock.cpu, "wall": clock.wall, "bits": event.fields["bits_per_byte"], "tokens": tokens})
            clock.go()

    with tempfile.TemporaryDirectory() as folder, listening(hear):
        done: Callable[[], bool] = lambda: bool(out) and out[-1]["bits"] <= target  # noqa: E731
        fit(base, found["sessions"], examples, section, Path(folder) / "run", stop=done)
    return out


def first_at(rows: list[dict[str, float]], target: float) -> dict[str, float] | None:
    """The first measurement that is as good."""
    return next((row for row in rows if row["bits"] <= target), None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--epochs", type=float, default=3.0, help="of the common way; the recipe says 3")
    parser.add_argument("--rate", type=float, default=RATE, help="of the common way; the recipe says 2e-4")
    parser.add_argument("--folder", type=Path, default=None, help="where the data set is kept; default: a new one")
    parser.add_argument("--one", choices=ARMS, help=argparse.SUPPRESS)
    parser.add_argument("--target", type=float, default=0.0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    folder = args.folder or Path(tempfile.mkdtemp(prefix="gemel-quality-"))
    if args.one:
        found = data(folder)
        if args.one == ARMS[0]:
            rows = run_trl(found, args.threads, args.epochs, args.rate)
        else:
            rows = run_gemel(found, args.threads, args.one, args.target)
        print(json.dumps(rows))
        return
    data(folder)
    target = 0.0
    table: dict[str, dict[str, float]] = {}
    for arm in ARMS:
        options = ["--one", arm, "--threads", str(args.threads), "--epochs", str(args.epochs), "--rate", str(args.rate)]
        options += ["--folder", str(folder)]
        done = subprocess.run(
            [sys.executable, __file__, *options, "--target", str(target)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": str(args.threads)},
        )
        if done.returncode:
            sys.exit(f"{arm} failed:\n{done.stderr[-2000:]}")
        rows = json.loads(done.stdout.splitlines()[-1])
        target = target or rows[-1]["bits"]
        found_at = first_at(rows, target)
        course = " ".join(f"{r['bits']:.3f}@{r['cpu']:.0f}s" for r in rows)
        print(f"{arm}: {course}", flush=True)
        if found_at:
            table[arm] = found_at
    first = table[ARMS[0]]
    print(f"\nto {target:.3f} held-out bits per byte, {args.threads} thread(s), common way at a rate of {args.rate:g}")
    print(f"{'':<22}{'tokens':>10}{'CPU s':>8}{'wall s':>8}{'of the first (CPU)':>20}")
    for arm in ARMS:
        row = table.get(arm)
        if row is None:
            print(f"{arm:<22}{'not reached':>26}")
        else:
            share = row["cpu"] / first["cpu"]
            print(f"{arm:<22}{row['tokens']:>10,.0f}{row['cpu']:>8.1f}{row['wall']:>8.1f}{share:>20.3f}")


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]
    main()
