"""The course of the learning rate, what is decayed, and how far a gradient may reach."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from tiny import conversation, tiny_base

from gemel.config import TrainSection
from gemel.model.packed import packing
from gemel.train.batches import encode_all
from gemel.train.learner import Learner
from gemel.train.methods import prepare
from gemel.train.optimizer import build, rate, warmup_steps


@pytest.mark.parametrize(
    ("schedule", "middle", "last"), [("cosine", 0.5, 0.0), ("linear", 0.5, 0.0), ("constant", 1.0, 1.0)]
)
def test_rates_rise_and_then_follow_their_schedule(schedule: str, middle: float, last: float) -> None:
    section = TrainSection(lr=1.0, schedule=schedule, warmup=10.0)
    rates = [rate(section, step, 110) for step in range(110)]
    assert rates[:10] == pytest.approx([(k + 1) / 10 for k in range(10)])
    assert rates[10] == 1.0
    assert rates[60] == pytest.approx(middle, abs=1e-6)
    assert rates[109] == pytest.approx(last, abs=0.02)
    assert min(rates) > 0
    assert all(a >= b for a, b in pairwise(rates[10:]))


def test_warm_up_is_a_share_or_a_number_of_steps() -> None:
    assert warmup_steps(TrainSection(warmup=0.05), 200) == 10
    assert warmup_steps(TrainSection(warmup=100.0), 200) == 100
    assert rate(TrainSection(lr=1.0, warmup=0.0), 0, 10) == 1.0


def test_matrices_are_decayed_and_vectors_are_not(tmp_path: Path) -> None:
    section = TrainSection(method="full", weight_decay=0.3)
    parameters = prepare(tiny_base(tmp_path), section)
    groups = build(parameters, section).param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    assert len(decay) == len(parameters)
    assert {decay[id(p)] for p in parameters.values() if p.ndim >= 2} == {0.3}
    assert {decay[id(p)] for p in parameters.values() if p.ndim < 2} == {0.0}


def test_weight_decay_alone_shrinks_the_weights(tmp_path: Path) -> None:
    section = TrainSection(method="full", weight_decay=0.5, lr=0.1)
    parameters = prepare(tiny_base(tmp_path), section)
    optimizer = build(parameters, section)
    before = {name: p.detach().clone() for name, p in parameters.items()}
    for p in parameters.values():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in parameters.items():
        torch.testing.assert_close(p.detach(), before[name] * (0.95 if p.ndim >= 2 else 1.0))


def test_gradients_are_clipped_by_their_common_norm(tmp_path: Path) -> None:
    norms = []
    for clip in (1e9, 0.05):
        base = tiny_base(tmp_path / str(clip))
        section = TrainSection(method="full", clip=clip, lr=1e-9, threads=1)
        with packing(base.model):
            learner = Learner(base, section, tmp_path / "run", None)
            pieces = encode_all([conversation(k) for k in range(4)], base.template, 512).pieces
            _, told = learner.update([pieces], 1e-9)
        grads = [p.grad for p in learner.parameters.values() if p.grad is not None]
        norms.append((told, float(torch.stack([g.square().sum() for g in grads]).sum().sqrt())))
    (free_told, free), (told, clipped) = norms
    assert told == pytest.approx(free_told) == pytest.approx(free)  # what is told is the norm before
    assert clipped == pytest.approx(0.05, rel=1e-3)
