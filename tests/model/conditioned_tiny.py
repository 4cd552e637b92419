"""A tiny decoder with a splice that was stirred, so that its text depends on traits."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from tiny import tiny_base

from gemel.config import TraitsSection
from gemel.model.conditioned import Conditioned, log_probs
from gemel.model.gradient import pad
from gemel.model.splice import wrap
from gemel.traits import TraitSpec

torch.set_num_threads(1)  # many small products: more threads only wait for each other

__all__ = ["PROFILES", "essay_of", "taught_twin", "tiny_twin"]

PROFILES = [
    {"height": 60.0 + i % 20, "drinks": ("not at all", "socially", "often")[i % 3], "sex": "mf"[i % 2], "job": "law"}
    for i in range(60)
]


def tiny_twin(folder: Path, *, seed: int = 0, stir: float = 0.15) -> Conditioned:
    """Traits height (number), drinks (ordinal) and sex (category) on 2 layers, 16 wide."""
    base = tiny_base(folder, seed=seed)
    spec = TraitSpec.fit(PROFILES, use=["height", "drinks", "sex"])
    splice = wrap(base.model, spec.dim, TraitsSection(hidden=16), seed=seed)
    torch.manual_seed(seed)
    with torch.no_grad():
        for p in splice.heads.parameters():
            p.normal_(std=stir)
    base.model.eval().requires_grad_(False)
    return Conditioned(base=base, spec=spec, splice=splice, name="Tom")


def taught_twin(folder: Path, *, steps: int = 220) -> Conditioned:
    """A decoder twice as wide, taught essays of three sentences, each about hiking with probability 1 / (1 + e^-2u).

    u is the standardised height. A few seconds of training: the shares are only about right.
    """
    base = tiny_base(folder, hidden_size=32, intermediate_size=64, initializer_range=0.05)
    spec = TraitSpec.fit(PROFILES, use=["height"])
    splice = wrap(base.model, spec.dim, TraitsSection(hidden=16))
    twin = Conditioned(base=base, spec=spec, splice=splice, name="Tom")
    rng = np.random.default_rng(0)
    optimizer = torch.optim.AdamW(base.model.parameters(), lr=1e-2)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 1e-2 * min(1.0, 2 * (1 - step / steps))
        profiles = [{"height": 60.0 + 20 * rng.random()} for _ in range(24)]
        texts = [twin.text("Me", essay_of(twin.position(p, "height"), rng)) for p in profiles]
        ids = pad([t.ids for t in texts])
        mask = pad([[int(x) for x in t.learn] for t in texts])[:, 1:]
        logp = log_probs(base.model, splice, ids[:, :-1], twin.blend(profiles))
        loss = -(logp.gather(-1, ids[:, 1:, None])[..., 0] * mask).sum() / mask.sum()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(base.model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    base.model.requires_grad_(False)
    return twin


def essay_of(u: float, rng: np.random.Generator) -> str:
    """An essay of the small grammar."""
    said = ["i hike." if rng.random() < 1 / (1 + math.exp(-2 * u)) else "i read a lot." for _ in range(3)]
    return " ".join(said)
