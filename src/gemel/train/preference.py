"""Preference stages: a voice is moved towards what its owner prefers, by TRL.

DPO (arXiv:2305.18290) learns from pairs, what was said and what should have been; KTO (arXiv:2402.01306) from single
answers that were liked or not. Both hold the voice near what it was. Prompts and answers are the template's own tokens,
so that an answer is judged in the form in which it is given. Covers one process; a stage is short and begins anew when
killed.
"""

from __future__ import annotations

import math
import tempfile
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch

from gemel.config import TrainSection
from gemel.errors import MissingExtra, TooLittle
from gemel.examples import Example, Turn
from gemel.model.base import Base
from gemel.model.packed import pack, packing, token_losses
from gemel.model.template import clip
from gemel.track import emit
from gemel.train.batches import encode_all
from gemel.train.fit import FitResult
from gemel.train.learner import Held
from gemel.train.methods import prepare

__all__ = ["Judged", "Kind", "Preference", "prefer"]

Kind = Literal["dpo", "kto"]
BATCH = 4
"""Answers compared at once."""
GENTLER = 0.1
"""Of the rate at which a voice is learned: preferences correct it, they do not make it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """An answer of the voice and what its owner thought of it."""

    context: tuple[Turn, ...]
    said: Turn
    better: Turn | None = None
    """What the owner would have said."""
    liked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """What a stage learns from, and how."""

    kind: Kind
    judged: tuple[Judged, ...]
    beta: float = 0.1
    """How near the voice stays to what it was: the larger, the nearer."""


def prefer(
    base: Base,
    reference: Any,
    wanted: Preference,
    valid: Sequence[Example],
    section: TrainSection,
) -> FitResult:
    """Train `base` in place on preferences.

    Args:
        base: the voice, its adapter unmerged (or all of it, as `section.method` says).
        reference: the same voice frozen, as a model.
        wanted: DPO takes the answers with something better, KTO all.
        valid: held-out examples, to see what the stage costs in likelihood.
        section: method, epochs, rate (a tenth of it is taken), schedule, seed.

    Raises:
        TooLittle: when nothing was judged in a way that `kind` can learn from.
        MissingExtra: when TRL is not installed.
    """
    kind, judged = wanted.kind, wanted.judged
    rows = _pairs(base, judged) if kind == "dpo" else _singles(base, judged)
    if not rows or (kind == "kto" and len({row["label"] for row in rows}) < 2):
        what = (
            "no answer was corrected"
            if kind == "dpo"
            else "answers that were liked and others that were not are needed"
        )
        raise TooLittle(f"there is nothing to prefer: {what}", hint="Rate and correct answers in a talk with the twin.")
    held = Held.of(encode_all(valid, base.template, base.context).pieces, section, base)
    trained = sum(p.numel() for p in prepare(base, section).values())
    before = _measure(base, held, 0)
    start = time.perf_counter()
    steps = _train(base, reference, rows, section, kind, wanted.beta)
    seconds = time.perf_counter() - start
    after = _measure(base, held, steps)
    tokens = sum(len(v) for row in rows for k, v in row.items() if k.endswith("_ids")) * math.ceil(section.epochs)
    return FitResult(
        steps=steps,
        reason="finished",
        best_step=steps,
        before=before[1] if before else None,
        loss=after[1] if after else None,
        bits_before=before[2] if before else None,
        bits=after[2] if after else None,
        tokens=tokens,
        seconds=seconds,
        threads=torch.get_num_threads(),
        parameters=base.parameters - (0 if section.method == "full" else trained),
        trained=trained,
        counts={"examples": len(rows), "tokens": tokens, "targets": sum(_learned(row) for row in rows)},
        curve=tuple(point for point in (before, after) if point),
    )


def _pairs(base: Base, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """What DPO takes: a prompt, the answer to prefer, the one that was given."""
    rows = []
    for one in judged:
        if one.better is not None and one.better.parts != one.said.parts:
            better, said = (_split(base, one.context, turn) for turn in (one.better, one.said))
            room = base.context - max(len(better[1]), len(said[1]))
            rows.append({"prompt_ids": clip(better[0], room), "chosen_ids": better[1], "rejected_ids": said[1]})
    return rows


def _singles(base: Base, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """What KTO takes: answers with a label, each with a neighbour's answer beside it to estimate the divergence."""
    found = [(one.context, one.said, one.liked) for one in judged if one.liked or one.better is None]
    found += [
        (one.context, turn, turn is one.better) for one in judged if one.better for turn in (one.better, one.said)
    ]
    rows: list[dict[str, Any]] = []
    for context, turn, liked in dict.fromkeys(found):
        prompt, answer = _split(base, context, turn)
        rows.append({"prompt_ids": clip(prompt, base.context - len(answer)), "completion_ids": answer, "label": liked})
    for row, other in zip(rows, [*rows[-1:], *rows[:-1]], strict=True):
        room = max(1, base.context - len(row["prompt_ids"]))
        row["KL_completion_ids"] = other["completion_ids"][:room]
    return rows


def _split(base: Base, context: Sequence[Turn], reply: Turn) -> tuple[list[int], list[int]]:
    """Tokens before a reply, and the reply's own."""
    encoded = base.template.encode_pair(context, reply)
    start = encoded.learn.index(True)
    return encoded.ids[:start], [i for i, learn in zip(encoded.ids, encoded.learn, strict=True) if learn]


def _learned(row: dict[str, Any]) -> int:
    return len(row.get("chosen_ids", ())) + len(row.get("completion_ids", ()))


def _measure(base: Base, held: Held, step: int) -> tuple[int, float, float] | None:
    """(step, nats per token, bits per byte) on what is held out."""
    if not held.rows:
        return None
    base.model.eval()
    with torch.no_grad(), packing(base.model):
        nats = sum(float(token_losses(base.model, pack(row, base.device)).sum()) for row in held.rows)
    loss, bits = held.mean(nats)
    emit("train.valid", step=step, loss=round(loss, 6), bits_per_byte=round(bits, 6))
    return step, loss, bits


def _train(
    base: Base, reference: Any, rows: list[dict[str, Any]], section: TrainSection, kind: Kind, beta: float
) -> int:
    """Let TRL train on rows of tokens; returns the steps made."""
    try:
        import trl
        from datasets import Dataset
        from transformers import TrainerCallback
    except ImportError as error:
        raise MissingExtra("trl", extra="prefer") from error

    class Tell(TrainerCallback):  # type: ignore[misc]
        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            if logs and "loss" in logs:
                numbers = {k.removeprefix("rewards/"): round(float(v), 6) for k, v in logs.items() if k in _TOLD}
                emit("train.step", step=state.global_step, lr=float(logs.get("learning_rate", 0.0)), **numbers)

    base_trainer, settings = (trl.DPOTrainer, trl.DPOConfig) if kind == "dpo" else (trl.KTOTrainer, trl.KTOConfig)

    class Given(base_trainer):  # type: ignore[misc, valid-type]
        """Takes tokens as they are: TRL would make text into tokens of its own."""

        def _prepare_dataset(self, dataset: Any, *_: Any, **__: Any) -> Any:
            return dataset

    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # TRL's own use of transformers
        args = settings(
            output_dir=folder,
            beta=beta,
            num_train_epochs=section.epochs,
            max_steps=section.max_steps or -1,
            learning_rate=section.lr * GENTLER,
            lr_scheduler_type=section.schedule,
            warmup_steps=section.warmup,
            weight_decay=section.weight_decay,
            max_grad_norm=section.clip,
            per_device_train_batch_size=min(BATCH, len(rows)),
            max_length=None,
            gradient_checkpointing=section.checkpointing,
            seed=section.seed,
            use_cpu=base.device.type == "cpu",
            bf16=base.precision == "bf16",
            report_to=[],
            save_strategy="no",
            logging_steps=1,
            disable_tqdm=True,
            dataloader_pin_memory=False,
        )
        trainer = Given(
            model=base.model,
            ref_model=reference,
            args=args,
            train_dataset=Dataset.from_list(rows),
            processing_class=base.tokenizer,
            callbacks=[Tell()],
        )
        trainer.remove_callback(_printer())
        return int(trainer.train().global_step)


_TOLD = ("loss", "grad_norm", "rewards/margins", "rewards/accuracies", "rewards/chosen", "rewards/rejected", "kl")


def _printer() -> Any:
    from transformers import PrinterCallback

    return PrinterCallback
