"""Time of a derivative, of the splice in training and generation, and of a sweep."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from traits_grammar import TRAITS, Grammar, examples, profiles
from traits_setup import best, build_base

from gemel.config import TraitsSection, parse
from gemel.model.base import Base, load_base, seedling_path
from gemel.model.condition import Condition
from gemel.model.conditioned import Conditioned
from gemel.model.gradient import token_field, token_log_probs
from gemel.model.packed import Piece, pack, packing, token_losses
from gemel.model.splice import unwrap, wrap
from gemel.pipeline.traits import sweep
from gemel.train.methods import prepare
from gemel.traits import TraitSpec


def cost_bench(args: argparse.Namespace) -> dict[str, Any]:
    """Time of a derivative, of the splice, of a sweep, on the base that ships (or random weights of its shape)."""
    rows = profiles(args.profiles / "profiles_revised.csv.zip", 2000)
    grammar, rng = Grammar(rows), np.random.default_rng(0)
    made = examples(rows, [grammar.write(grammar.latent(row, rng), rng) for row in rows])
    base, what = shipped(args.out, [e.turns[-1].text for e in made])
    spec = TraitSpec.fit(rows, use=TRAITS)
    out: dict[str, Any] = {
        "base": what,
        "threads": torch.get_num_threads(),
        "generate CPU s": best(lambda: decode(base), 4),
    }
    splice = wrap(base.model, spec.dim, TraitsSection())
    with torch.no_grad():
        splice.heads.weight.normal_(std=0.02)
    twin = Conditioned(base=base, spec=spec, splice=splice, name="me")
    profile: dict[str, Any] = {"height": 70, "drinks": "socially"}
    blend, tangent = twin.blend([profile]), twin.tangent([profile], "height")
    ids = torch.randint(300, 500, (1, 120))
    forward = best(lambda: token_log_probs(twin, ids, blend), 9)
    derived = best(lambda: token_field(twin, ids, blend, tangent), 9)
    splice.set(blend.z[:, 0])
    spliced = best(lambda: decode(base), 4)
    swept = best(lambda: sweep(twin, "height", profile=profile, points=41, max_tokens=80, essays=0), 2)
    out |= {
        "forward CPU s": forward,
        "derivative CPU s": derived,
        "derivative / forward": derived / forward,
        "generation with splice / without": spliced / out["generate CPU s"],
        "sweep of 41 x 80 CPU s": swept,
    }
    unwrap(base.model)
    prepare(base, parse({}).train)
    pieces = [Piece(base.template.encode(e.turns), e) for e in made[:40]]
    alone = best(lambda: train_step(base, pieces, None), 3)
    splice = wrap(base.model, spec.dim, TraitsSection())
    out["LoRA step CPU s"] = alone
    out["LoRA and splice / LoRA, training"] = best(lambda: train_step(base, pieces, Condition(spec, splice)), 3) / alone
    print(json.dumps(out, indent=1))
    return out


def decode(base: Base, tokens: int = 60) -> None:
    """Greedy decoding of one sequence, nothing else."""
    step, past = torch.randint(300, 500, (1, 20)), None
    with torch.no_grad():
        for _ in range(tokens):
            done = base.model(step, past_key_values=past, use_cache=True, logits_to_keep=1)
            past, step = done.past_key_values, done.logits[:, -1].argmax(-1, keepdim=True)


def train_step(base: Base, pieces: Sequence[Piece], condition: Condition | None) -> None:
    """One forward and backward pass of a packed row."""
    with packing(base.model):
        batch = pack(pieces)
        if condition:
            condition(batch)
        token_losses(base.model, batch).mean().backward()


def shipped(out: Path, essays: Sequence[str]) -> tuple[Base, str]:
    """The seedling; before it is there, a Llama of its shape."""
    there = (seedling_path() / "model.safetensors").exists()
    folder = seedling_path() if there else build_base(out / "base-cost", essays, vocabulary=5100, width=256, layers=8)
    return load_base(parse({"model": {"base": str(folder)}}).model), "seedling" if there else "random weights"
