"""A run's page: its curves, its figures, a few samples beside what was really said; and runs side by side.

Likeness is measured by `gemel evaluate`, not here: three samples prove nothing and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gemel.corpus.page import Section, figure, lines, page, table, tiles
from gemel.examples import Example, TraitValue
from gemel.model.base import Base
from gemel.model.condition import rows_of
from gemel.model.template import clip
from gemel.sinks import EVENTS, read_events
from gemel.train.fit import FitResult
from gemel.workspace import Manifest, Workspace

__all__ = ["RunRow", "compare_runs", "write_run_report"]

SAMPLES = 3
SAMPLE_TOKENS = 60
REPORT = "report.html"
Pose = Callable[[Mapping[str, TraitValue] | None], None]


class RunRow(NamedTuple):
    """One finished run in a comparison."""

    run: str
    current: bool
    base: str
    method: str
    steps: int
    seconds: float
    bits_before: float | None
    bits: float | None


def write_run_report(
    folder: Path, base: Base, held: Sequence[Example], result: FitResult, seed: int, *, pose: Pose | None = None
) -> None:
    """Write `folder`/report.html from the run's events and the trained base.

    Args:
        pose: called with the traits of each sampled reply before it is made, and with None at the end.
    """
    events = list(read_events(folder / EVENTS))
    learned = [(float(e["step"]), float(e["loss"])) for e in events if e["event"] == "train.step"]
    held_out = [(float(step), loss) for step, loss, _ in result.curve]
    speed = [(float(e["step"]), float(e["tokens_per_s"])) for e in events if e["event"] == "train.step"]
    figures = [
        ("parameters trained", f"{result.trained:,} of {result.parameters:,}"),
        ("steps", f"{result.steps:,} ({result.reason}), best at {result.best_step:,}"),
        ("tokens", f"{result.tokens:,} in {result.seconds:,.0f} s"),
    ]
    if result.bits is not None and result.bits_before is not None:
        figures.append(("held out, bits per byte", f"{result.bits_before:.3f} → {result.bits:.3f}"))
    sections = [
        Section("Figures", [tiles(figures)]),
        Section(
            "Curves",
            [
                figure(lines({"held out": held_out, "learned": learned}, zero=False), "nats per learned token by step"),
                figure(lines({"": speed}), "tokens per second by step"),
            ],
        ),
        Section(
            "Samples",
            [
                table(
                    ("what was asked", "what was really said", "what the voice says"), _samples(base, held, seed, pose)
                )
            ],
            note="The last turn before a reply of a held-out conversation. A glimpse; `gemel evaluate` measures.",
        ),
    ]
    text = page(f"Run {folder.name}", sections, lead=f"Trained on {base.name}.")
    (folder / REPORT).write_text(text, encoding="utf-8")


def compare_runs(workspace: Workspace) -> list[RunRow]:
    """Every finished run, the best on its held-out sessions first."""
    rows = []
    current = workspace.current()
    for folder in sorted(workspace.runs.iterdir()) if workspace.runs.exists() else []:
        manifest = Manifest.read(folder) if folder.is_dir() else None
        if manifest is None or manifest.stage != "train":
            continue
        extra, section = manifest.extra, manifest.section
        rows.append(
            RunRow(
                run=folder.name,
                current=folder.name == current,
                base=section["model"]["base"],
                method=section["train"]["method"],
                steps=extra["steps"],
                seconds=extra["seconds"],
                bits_before=extra["bits_before"],
                bits=extra["bits"],
            )
        )
    return sorted(rows, key=lambda row: float("inf") if row.bits is None else row.bits)


def _samples(base: Base, held: Sequence[Example], seed: int, pose: Pose | None) -> list[tuple[str, str, str]]:
    """(asked, said, sampled) for a few held-out replies, spread over the examples."""
    learned = [(example, *pair) for example in held for pair in list(example.pairs())[-1:]]
    chosen = learned[:: max(1, len(learned) // SAMPLES)][:SAMPLES]
    out = []
    for k, (example, context, reply) in enumerate(chosen):
        if pose:
            pose(rows_of(example)[len(context)])
        header = base.template.header(context, name=reply.name, now=reply.time)
        ids = torch.tensor([clip(header, base.context - SAMPLE_TOKENS)], device=base.device)
        torch.manual_seed(seed + k)
        made = base.model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=SAMPLE_TOKENS,
            do_sample=True,
            top_k=0,
            pad_token_id=0,
            eos_token_id=sorted(base.template.stop_ids),
        )
        sampled = " · ".join(base.template.parts(made[0, ids.shape[1] :].tolist()))
        asked = context[-1].text if context else ""
        out.append((asked[:300], " · ".join(reply.parts)[:300], sampled))
    if pose:
        pose(None)
    return out
