"""The training loop. It reads from top to bottom.

Promises: the loss is the mean over all learned tokens of a step, however they are batched; the same
seed and thread count give the same weights, whether the training ran through or was killed and
resumed; a checkpoint that was good stays. It covers one model on one device, or the same on several
processes under torchrun.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from gemel.config import TrainSection
from gemel.errors import TooLittle
from gemel.examples import Example
from gemel.model.base import Base
from gemel.model.packed import Piece, packing
from gemel.track import emit, progress
from gemel.train.batches import Pieces, Step, encode_all, order
from gemel.train.learner import Condition, Held, Learner
from gemel.train.machine import choose_threads
from gemel.train.optimizer import rate
from gemel.workspace import atomic

__all__ = ["FitResult", "fit"]

PLAN = "plan.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FitResult:
    """What a training came to. The model holds the weights of the best step."""

    steps: int
    reason: str
    """finished, early (no gain for `patience` evaluations) or stopped (asked to)."""
    best_step: int
    before: float | None
    loss: float | None
    """Validation loss before training and at the best step, nats per learned token; None: nothing held out."""
    bits_before: float | None
    bits: float | None
    """The same in bits per UTF-8 byte."""
    tokens: int
    seconds: float
    """Tokens that were trained on, and how long that took without evaluations."""
    threads: int
    parameters: int
    trained: int
    """Parameters of the model, and how many of them are trained."""
    counts: dict[str, int]
    """Examples and tokens, see `batches.Pieces`."""
    curve: tuple[tuple[int, float, float], ...]
    """(step, validation loss, bits per byte)."""


def fit(
    base: Base,
    train: Iterable[Example],
    valid: Iterable[Example],
    section: TrainSection,
    folder: Path,
    *,
    condition: Condition | None = None,
    stop: Callable[[], bool] | None = None,
    rehearsal: Iterable[Example] = (),
) -> FitResult:
    """Train `base` in place, resuming from `folder` if a training was begun there.

    Args:
        base: the model; `section.method` decides what of it is trained.
        train: what is learned.
        valid: held-out examples that decide when to stop.
        folder: plan, checkpoints and best weights lie here.
        condition: called with every batch before its forward pass, e.g. to set traits by token.
        stop: asked after every step; true saves a checkpoint and ends.
        rehearsal: general text of which `section.rehearsal` is mixed in.

    Raises:
        TooLittle: when there is nothing to learn.
        Diverged: when the loss is no longer a number; the last checkpoint is from before.
        ResourceError: when one sequence alone does not fit the memory, or the disk is full.
        DamagedCheckpoint: when no checkpoint of a begun training reads back.
    """
    # What there is to learn, and what is held out.
    limit = min(base.context, section.batch_tokens)
    learned = encode_all(train, base.template, limit)
    general = encode_all(rehearsal, base.template, limit)
    pieces = [*learned.pieces, *general.pieces]
    held = Held.of(encode_all(valid, base.template, limit).pieces, section, base)
    if not learned.pieces:
        raise TooLittle("there is nothing to learn: no example has a turn of yours", hint="Look at `gemel report`.")

    # What is trained, in which steps, and where an earlier process stopped.
    learner = Learner(base, section, folder, condition)
    at = learner.at
    with packing(base.model):
        steps = order(learned.lengths, section, extra=general.lengths)
        plan = _plan(learner, steps, pieces, held)
        steps = steps[: plan["steps"]]
        learner.resume()
        at = learner.at
        _announce(learner, learned, held, plan)

        base.model.train()
        if held.rows and not at.curve:
            learner.evaluate(held)
        reason = "finished"
        with progress("train", total=len(steps), unit="steps") as advance:
            advance(at.step)
            while at.step < len(steps):
                # One step.
                start = time.perf_counter()
                micro = [[pieces[i] for i in indices] for indices in steps[at.step]]
                lr = rate(section, at.step, len(steps))
                loss, norm = learner.update(micro, lr)
                took = time.perf_counter() - start

                # Tell.
                tokens = sum(len(piece.encoded.ids) for row in micro for piece in row)
                at.tokens += tokens
                at.seconds += took
                speed = round(tokens / took, 1)
                emit("train.step", step=at.step, loss=round(loss, 6), lr=lr, norm=round(norm, 5), tokens_per_s=speed)
                advance(1)

                # Measure, keep, stop.
                if at.step == len(steps):
                    break
                if held.rows and at.step % section.evaluate_every == 0:
                    learner.evaluate(held)
                    if section.patience and at.waited >= section.patience:
                        reason = "early"
                        break
                if at.step % section.checkpoint_every == 0:
                    learner.keep()
                if stop is not None and learner.crew.agree(stop()):
                    reason = "stopped"
                    learner.keep()
                    break
        if held.rows and reason == "finished":
            learner.evaluate(held)

    # The best weights, ready to answer.
    learner.finish()
    return _result(learner, learned, general, held, plan, reason)


def _plan(learner: Learner, steps: Sequence[Step], pieces: Sequence[Piece], held: Held) -> dict[str, int]:
    """Threads and steps: decided once at the start, kept by a resumed training."""
    path, section = learner.folder / PLAN, learner.section
    found: dict[str, int] | None = json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
    plan = learner.crew.agree(found)
    if plan is None:
        plan = {"threads": choose_threads(section.threads), "steps": len(steps)}
        torch.set_num_threads(plan["threads"])
        if section.max_minutes:
            plan["steps"] = min(len(steps), _affordable(learner, steps, pieces, held))
        plan = learner.crew.agree(plan)
        if learner.crew.leads:
            with atomic(path) as file:
                file.write_text(json.dumps(plan), encoding="utf-8")
    torch.set_num_threads(plan["threads"])
    return plan


def _affordable(learner: Learner, steps: Sequence[Step], pieces: Sequence[Piece], held: Held) -> int:
    """How many steps fit into `max_minutes`, evaluations included, by timing a few rows."""
    section = learner.section
    rows = [[pieces[i] for i in micro] for step in steps[:4] for micro in step][:4]
    seconds, tokens = 0.0, 0
    for k, row in enumerate(rows):
        start = time.perf_counter()
        learner.losses(row).mean().backward()
        if k or len(rows) == 1:  # the first one warms up
            seconds += time.perf_counter() - start
            tokens += sum(len(p.encoded.ids) for p in row)
    learner.optimizer.zero_grad(set_to_none=True)
    per_token = seconds / tokens
    mean = sum(len(pieces[i].encoded.ids) for s in steps for m in s for i in m) / len(steps)
    evaluation = 0.5 * held.tokens * per_token
    available = section.max_minutes * 60 - 2 * evaluation
    return max(1, int(available / (mean * per_token + evaluation / section.evaluate_every)))


def _announce(learner: Learner, learned: Pieces, held: Held, plan: dict[str, int]) -> None:
    emit(
        "train.start",
        step=learner.at.step,
        steps=plan["steps"],
        threads=plan["threads"],
        parameters=learner.size,
        trained=learner.trained,
        tokens=learned.counts["tokens"],
        targets=learned.counts["targets"],
        held_targets=held.targets,
    )


def _result(
    learner: Learner, learned: Pieces, general: Pieces, held: Held, plan: dict[str, int], reason: str
) -> FitResult:
    at = learner.at
    first = at.curve[0] if at.curve else None
    best = min(at.curve, key=lambda point: point[1]) if at.curve else None
    return FitResult(
        steps=at.step,
        reason=reason,
        best_step=best[0] if best else at.step,
        before=first[1] if first else None,
        loss=best[1] if best else None,
        bits_before=first[2] if first else None,
        bits=best[2] if best else None,
        tokens=at.tokens,
        seconds=at.seconds,
        threads=plan["threads"],
        parameters=learner.size,
        trained=learner.trained,
        counts={**learned.counts, "held_targets": held.targets, "rehearsal_tokens": general.counts["tokens"]},
        curve=tuple(at.curve),
    )
