"""A run's page: its curves, its figures, a few samples beside what was really said; and runs side by side.

Likeness is measured by `gemel evaluate`, not here: three samples prove nothing and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from gemel.config import TrainSection
from gemel.corpus.page import Section, figure, lines, number, page, percent, table, tiles
from gemel.errors import MissingStage
from gemel.examples import Example, TraitValue
from gemel.model.base import Base
from gemel.model.condition import rows_of
from gemel.model.template import clip
from gemel.sinks import EVENTS, read_events
from gemel.train.fit import FitResult
from gemel.workspace import Manifest, Workspace

__all__ = ["RunRow", "compare_runs", "write_comparison", "write_run_report"]

SAMPLES = 3
SAMPLE_TOKENS = 60
REPORT, COMPARISON = "report.html", "compare.html"
DRAWN = 4
"""Runs whose curves share a chart at most."""
WHY = {
    "finished": "The training ran to its end.",
    "early": "It was stopped early: the held-out loss did not fall any more.",
    "stopped": "It was stopped on request.",
}
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
    folder: Path,
    base: Base,
    held: Sequence[Example],
    result: FitResult,
    section: TrainSection,
    *,
    pose: Pose | None = None,
) -> None:
    """Write `folder`/report.html from the run's events and the trained base.

    Args:
        section: how it was trained.
        pose: called with the traits of each sampled reply before it is made, and with None at the end.
    """
    steps = [e for e in read_events(folder / EVENTS) if e["event"] == "train.step"]
    learned = [(float(e["step"]), float(e["loss"])) for e in steps]
    held_out = [(float(step), loss) for step, loss, _ in result.curve]
    speed = [(float(e["step"]), float(e["tokens_per_s"])) for e in steps if "tokens_per_s" in e]
    margins = [(float(e["step"]), float(e["margins"])) for e in steps if "margins" in e]
    bits = [(float(step), value) for step, _, value in result.curve]
    curves = [
        _curve({"": margins}, "what was preferred over what was not, beta × nats")
        if margins
        else _curve({"learned": learned, "held out": held_out}, "nats per learned token"),
    ]
    if speed:
        curves.append(_curve({"": speed}, "tokens per second", form=whole, zero=True))
    if bits:
        curves.insert(0, _curve({"": bits}, "held out, bits per byte", form="{:.3f}".format))
    asked = ("what was asked", "what was really said", "what the voice says")
    sections = [
        Section("Figures", [tiles(_figures(result))]),
        Section("Curves", curves, note=f"By optimiser step. {WHY[result.reason]}"),
        Section(
            "Samples",
            [table(asked, _samples(base, held, section.seed, pose))],
            note="The last turn before a reply of a held-out conversation. A glimpse; gemel evaluate measures.",
        ),
    ]
    lead = f"{base.name} trained by {section.method}, {section.optimizer}, rate {section.lr:g} {section.schedule}."
    (folder / REPORT).write_text(page(f"Run {folder.name}", sections, lead=lead), encoding="utf-8")


def _figures(result: FitResult) -> list[tuple[str, str]]:
    share = result.trained / result.parameters
    figures = [
        ("weights trained", f"{'all' if share == 1 else percent(share)} of {number(result.parameters)}"),
        ("steps", f"{result.steps:,}" + (f", best {result.best_step:,}" if result.best_step != result.steps else "")),
        ("tokens", number(result.tokens)),
        ("time of training", f"{result.seconds:,.0f} s"),
    ]
    if result.bits is not None and result.bits_before is not None:
        figures += [("bits per byte, before", f"{result.bits_before:.3f}"), ("after", f"{result.bits:.3f}")]
    return figures


def _curve(
    series: Mapping[str, Sequence[tuple[float, float]]],
    caption: str,
    *,
    form: Callable[[float], str] = "{:.2f}".format,
    zero: bool = False,
    wide: bool = False,
) -> str:
    return figure(lines(series, zero=zero, form=form, x_form=whole, wide=wide), caption, wide=wide)


def whole(value: float) -> str:
    """A count on an axis."""
    return f"{value:,.0f}"


def write_comparison(workspace: Workspace) -> Path:
    """Write runs/compare.html: every finished run in a table, the best ones' held-out curves in one chart.

    Raises:
        MissingStage: when there is no finished run.
    """
    rows = compare_runs(workspace)
    if not rows:
        raise MissingStage("there is no finished run to compare", hint="`gemel train` makes one.")
    found = {row.run: Manifest.read(workspace.run(row.run)) for row in rows}
    curves = {
        name: [(float(step), bits) for step, _, bits in manifest.extra["curve"]]
        for name, manifest in found.items()
        if manifest and manifest.extra["curve"]
    }
    drawn = dict(list(curves.items())[:DRAWN])
    settings = {name: dict(m.section["train"]) if m else {} for name, m in found.items()}
    differ = [k for k in next(iter(settings.values())) if len({str(s.get(k)) for s in settings.values()}) > 1]
    header = ("run", "twin", "base", *differ, "steps", "time", "before", "after")
    body = [
        (
            row.run,
            "now" if row.current else "",
            row.base,
            *(str(settings[row.run].get(k, "")) for k in differ),
            whole(row.steps),
            f"{row.seconds:,.0f} s",
            "–" if row.bits_before is None else f"{row.bits_before:.3f}",
            "–" if row.bits is None else f"{row.bits:.3f}",
        )
        for row in rows
    ]
    note = "Bits per byte of held-out own text. Only runs of one data set and base may be compared by them."
    sections = [Section("Runs", [table(header, body)], note=note)]
    if drawn:
        chart = _curve(drawn, "held out, bits per byte", form="{:.3f}".format, wide=True)
        more = f"The best {DRAWN} of {len(curves)}, by optimiser step." if len(curves) > DRAWN else "By optimiser step."
        sections.append(Section("Curves", [chart], note=more))
    text = page("Runs side by side", sections, lead="The best on its held-out sessions stands first.")
    out = workspace.runs / COMPARISON
    out.write_text(text, encoding="utf-8")
    return out


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
