"""Real speakers: justice and year as traits of their turns at the US Supreme Court (CC BY-NC, measured here only)."""

from __future__ import annotations

import argparse
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from traits_setup import build_base, build_data, configured

from gemel.examples import Example, Role, Turn, read_examples
from gemel.model.coupled import Noise, to_tensor, write
from gemel.model.effects import mean_of
from gemel.model.gradient import gradient, loudness
from gemel.pipeline.ablate import held_out, probe
from gemel.pipeline.traits import load_conditioned, train_traits
from gemel.workspace import Workspace

JUSTICES = ("Antonin Scalia", "Stephen G. Breyer", "Ruth Bader Ginsburg", "David H. Souter")


def court_bench(args: argparse.Namespace) -> dict[str, Any]:
    """Real speakers: justice and year as traits of their turns; a probe tells them apart, shuffled years are silent."""
    workspace, made = Workspace(args.out / "court"), court_turns(args.court, args.count)
    build_data(workspace, made, held=800)
    base = build_base(
        args.out / "base-court", [t.text for e in made for t in e.turns], vocabulary=1500, width=64, layers=2
    )
    config = configured(base, args.steps, use=["speaker", "year"])
    train_traits(workspace, config, run="court", control=True)
    train, test = (list(read_examples(workspace.dataset() / f"{s}.parquet")) for s in ("train", "test"))
    out: dict[str, Any] = {}
    for name in ("court", "court-control"):
        twin = load_conditioned(workspace, config, name)
        found, bits = probe(twin, "speaker", train, test), held_out(twin, test)
        profile: dict[str, Any] = {"speaker": JUSTICES[0], "year": 2000}
        prompt, count = twin.prompt("", test[0].turns[:-1]), args.essays // 4
        noises = [Noise(i, int(twin.base.model.config.vocab_size)) for i in range(count)]
        written = write(twin, prompt, twin.blend([profile] * count), noises, max_tokens=60)
        ids, mask = to_tensor(written, prompt)
        grads = gradient(twin, ids, mask, twin.blend([profile] * count))
        loud_here = {t: list(mean_of(v)[:3]) for t, v in loudness(twin, grads, [profile] * count).items()}
        out[name] = {"probe": found._asdict(), "bits": bits._asdict(), "loudness": loud_here}
        print(name, json.dumps(out[name]), flush=True)
    return out


def court_turns(path: Path, count: int) -> list[Example]:
    """What a justice said, after what was said before; hearings stay in their order of time."""
    out: list[Example] = []
    before: dict[str, Any] = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            turn = json.loads(line)
            same = before.get("hearing") == turn["hearing"]
            if turn["speaker"] in JUSTICES and same and 30 < len(turn["text"]) < 400:
                turns = (
                    Turn(role=Role.other, name="Counsel", parts=(before["text"][-200:],)),
                    Turn(role=Role.me, name="me", parts=(turn["text"],), learn=True),
                )
                traits = {"speaker": turn["speaker"], "year": float(re.search(r"\b(19|20)\d\d\b", turn["date"])[0])}
                out.append(Example(id=f"e{len(out)}", kind="chat", turns=turns, session=f"s{len(out)}", traits=traits))
            before = turn
    order = np.random.default_rng(0).permutation(len(out))[:count]
    return [out[i] for i in order]
