"""The main job: import → portrait → build → card and memory → train → evaluate → ready.

Every stage is a command of its own; this only runs them in order. A stage that is done and up to
date is skipped by its own manifest, so that the same command after a kill goes on where it was. A
stage that cannot be done here (too little text, an extra that is not installed) is left out with its
reason, and the twin is made of the parts that remain.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gemel.config import Config
from gemel.errors import GemelError, MissingExtra, PersonUnknown, TooLittle
from gemel.pipeline.settings import to_toml
from gemel.workspace import Workspace, atomic

__all__ = ["Done", "make"]

OPTIONAL = (TooLittle, MissingExtra)
"""Errors of the later stages that leave a usable twin behind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one stage."""

    stage: str
    seconds: float
    summary: str = ""
    left_out: str = ""
    """Why the stage was left out; "" when it was done."""


Action = Callable[[Workspace, Config], str]
Ask = Callable[[PersonUnknown], str]


def make(
    workspace: Workspace,
    paths: Sequence[Path],
    *,
    overrides: Mapping[str, Any] | None = None,
    ask: Ask | None = None,
    before: Callable[[str], None] = lambda stage: None,
    after: Callable[[Done], None] = lambda done: None,
) -> list[Done]:
    """Run every stage in order.

    Args:
        workspace: where the twin lives.
        paths: exports and writings; none: what was imported before.
        overrides: configuration that wins over gemel.toml; becomes gemel.toml where there is none.
        ask: called when no export tells who the owner is.
        before: told the name of a stage that begins.
        after: told what became of it.

    Raises:
        GemelError: when a stage fails that nothing can do without.
    """
    workspace.prepare()
    config = workspace.config(overrides)
    if overrides and not workspace.config_path.exists():
        with atomic(workspace.config_path) as path:
            path.write_text(to_toml(overrides), encoding="utf-8")
    stages: list[tuple[str, Action]] = [
        ("import", lambda w, c: _import(w, c, paths, ask)),
        ("portrait", _portrait),
        ("build", _build),
        ("remember", _remember),
        ("train", _train),
        ("evaluate", _evaluate),
    ]
    if not paths:
        del stages[0]
    result: list[Done] = []
    voiceless = ""
    for name, action in stages:
        if voiceless and name == "evaluate":
            done = Done(stage=name, seconds=0.0, left_out="there is no voice to measure")
        else:
            before(name)
            start = time.monotonic()
            try:
                done = Done(stage=name, summary=action(workspace, config), seconds=time.monotonic() - start)
            except OPTIONAL as error:
                if name not in ("portrait", "train", "evaluate"):
                    raise
                done = Done(stage=name, seconds=time.monotonic() - start, left_out=_reason(error))
        if name == "train":
            voiceless = done.left_out
        after(done)
        result.append(done)
    return result


def _reason(error: GemelError) -> str:
    return f"{error.message}. {error.hint}" if error.hint else error.message


def _import(workspace: Workspace, config: Config, paths: Sequence[Path], ask: Ask | None) -> str:
    from gemel.pipeline.imports import import_paths

    report = import_paths(workspace, paths, config, ask=ask)
    kept = sum(s.kept for s in report.sources)
    known = sum(s.duplicates for s in report.sources)
    out = sum(sum(s.left_out.values()) + sum(s.errors.values()) for s in report.sources)
    me = f"; you are {report.me}" if report.me else ""
    return f"{kept:,} new, {known:,} known before, {out:,} left out or not understood{me}"


def _portrait(workspace: Workspace, config: Config) -> str:
    from gemel.pipeline.portrait import write_portrait

    return f"open {write_portrait(workspace, config)}"


def _build(workspace: Workspace, config: Config) -> str:
    from gemel.pipeline.build import build_dataset

    counts = build_dataset(workspace, config).counts
    return ", ".join(f"{counts.get(s, 0):,} {s}" for s in ("train", "valid", "test")) + " examples"


def _remember(workspace: Workspace, config: Config) -> str:
    from gemel.pipeline.remember import remember

    return remember(workspace, config)


def _train(workspace: Workspace, config: Config) -> str:
    from gemel.pipeline.train import train_voice

    try:
        manifest = train_voice(workspace, config)
    except ModuleNotFoundError as error:
        raise MissingExtra(error.name or "torch", extra="train") from error
    found = manifest.extra
    return (
        f"{found['steps']:,} steps in {found['seconds']:.0f} s; held-out text from "
        f"{found['bits_before']:.2f} to {found['bits']:.2f} bits per byte"
    )


def _evaluate(workspace: Workspace, config: Config) -> str:
    from gemel.pipeline.evaluate import evaluate_run

    manifest = evaluate_run(workspace, config)
    return str(manifest.extra.get("verdict", ""))
