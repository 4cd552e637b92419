"""Traits against planted truth: `python bench/traits.py --profiles DIR [--only grammar,control,cost]`.

`grammar` trains on real OkCupid traits with essays from a grammar and lays what the model says (effects, scores,
loudness, held-out bits, probe) beside the truth, in both modes for missing values. `control` trains on the real,
shuffled essays, where every true effect is zero. `court` tells real speakers apart. `cost` measures time on the
base that ships. Results go to `--out` as JSON; the runs there are kept and not trained again.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats
from traits_cost import cost_bench
from traits_court import court_bench
from traits_grammar import CHOICES, QUESTION, TRAITS, Grammar, chance, examples, profiles, shuffled_essays
from traits_setup import build_base, build_data, configured, show

from gemel.cli.output import show_progress, table
from gemel.errors import GemelError
from gemel.examples import Example, read_examples
from gemel.model.conditioned import Conditioned
from gemel.model.coupled import Noise, changed, to_tensor, write
from gemel.model.effects import Effect, effect, effect_to_go, mean_of
from gemel.model.gradient import gradient, loudness, token_field
from gemel.pipeline.ablate import held_out, probe
from gemel.pipeline.traits import load_conditioned, train_traits
from gemel.workspace import Workspace

SCALARS = ("height", "income", "drinks")


def grammar_bench(args: argparse.Namespace) -> dict[str, Any]:
    """Planted effects, recovered."""
    workspace = Workspace(args.out / "grammar")
    rows = profiles(args.profiles / "profiles_revised.csv.zip", args.count)
    grammar, rng = Grammar(rows), np.random.default_rng(1)
    latent = [grammar.latent(row, rng) for row in rows]
    essays = [grammar.write(at, rng) for at in latent]
    made = examples(rows, essays)
    build_data(workspace, made, held=1000)
    base = build_base(args.out / "base-grammar", essays, vocabulary=600, width=64, layers=2, across=True)
    missing = float(np.mean([row["income"] == "-1" for row in rows[:-2000]]))
    out: dict[str, Any] = {"missing share of income": missing}
    for mode in ("learned", "random"):
        config = configured(base, args.steps, missing=mode)
        start = time.monotonic()
        train_traits(workspace, config, run=mode, control=mode == "learned")
        print(f"{mode}: trained in {time.monotonic() - start:.0f} s")
        out[mode] = recovered(load_conditioned(workspace, config, mode), grammar, rows, latent, made[-1000:], args)
    control = load_conditioned(workspace, configured(base, args.steps), "learned-control")
    out["control"] = {"loudness": loud(control, grammar, args)[0]}
    twin = load_conditioned(workspace, configured(base, args.steps), "learned")
    out["run together"] = resync(twin)
    return out


def recovered(
    twin: Conditioned,
    grammar: Grammar,
    rows: Sequence[Mapping[str, Any]],
    latent: Sequence[Mapping[str, float]],
    test: Sequence[Example],
    args: argparse.Namespace,
) -> dict[str, Any]:
    """What one model says, beside what is true."""
    found, profile = loud(twin, grammar, args)
    here = {t: grammar.position(t, v) or 0.0 for t, v in profile.items()}
    truth = {t: grammar.loudness(t, here) for t in TRAITS}
    rows_out = [(t, truth[t], *found[t]) for t in sorted(truth, key=lambda t: -truth[t])]
    print(
        table(["loudness", "truth", "found", "low", "high"], [[r[0], *(f"{x:.4f}" for x in r[1:])] for r in rows_out])
    )
    effects = {t: effects_of(twin, grammar, profile, t, args.essays) for t in SCALARS}
    lines = [(t, grammar.effect(t, here), *(x for e in pair for x in e[:3])) for t, pair in effects.items()]
    show(["d E[mentions]/du", "truth", "found", "low", "high", "to go", "low", "high"], lines)
    scores = {t: score_match(twin, grammar, profile, t) for t in SCALARS}
    print("S against the truth over sampled essays (slope, correlation):", scores)
    bits = held_out(twin, test)
    print("held-out bits per byte:", bits)
    train = list(read_examples(Workspace(args.out / "grammar").dataset() / "train.parquet"))
    probes = {t: probe(twin, t, train, test) for t in ("height", "sex")}
    print("probes:", probes)
    return {
        "loudness": {t: {"truth": truth[t], "found": found[t]} for t in TRAITS},
        "effects": {t: {"truth": grammar.effect(t, here), "found": [list(e) for e in effects[t]]} for t in SCALARS},
        "score": scores,
        "bits": bits._asdict(),
        "floor of bits": true_bits(grammar, latent[-1000:], test),
        "probe": {t: p._asdict() for t, p in probes.items()},
    }


def middle(grammar: Grammar) -> dict[str, Any]:
    """A profile at the mean of every number, as many are: far from all data a model can only guess."""
    at = {t: grammar.spec.scalar(t).value(0.0) for t in ("height", "income", "age")}
    return {**at, "drinks": "socially", "sex": "m"}


Loudness = dict[str, list[float]]


def loud(twin: Conditioned, grammar: Grammar, args: argparse.Namespace) -> tuple[Loudness, dict[str, Any]]:
    """Loudness of every trait (value, low, high) at the middle profile, and that profile."""
    profile = middle(grammar)
    ids, mask, _ = sample(twin, profile, args.essays)
    grads = gradient(twin, ids, mask, twin.blend([profile] * len(ids)))
    found = {t: mean_of(v) for t, v in loudness(twin, grads, [profile] * len(ids)).items()}
    return {t: [e.value, e.low, e.high] for t, e in found.items()}, profile


def sample(twin: Conditioned, profile: Mapping[str, Any], count: int, first: int = 0) -> tuple[Any, Any, list[str]]:
    """Essays for one profile: tokens, mask, texts."""
    prompt, size = twin.prompt(QUESTION), int(twin.base.model.config.vocab_size)
    texts = write(
        twin, prompt, twin.blend([profile] * count), [Noise(first + i, size) for i in range(count)], max_tokens=120
    )
    ids, mask = to_tensor(texts, prompt)
    return ids, mask, ["\n".join(twin.parts(t)) for t in texts]


def effects_of(
    twin: Conditioned, grammar: Grammar, profile: Mapping[str, Any], trait: str, count: int
) -> tuple[Effect, Effect]:
    """d E[mentions]/du by scores, and with rewards to go (a mention counts at its sentence's last token)."""
    ids, mask, texts = sample(twin, profile, count, first=50_000)
    field = token_field(twin, ids, twin.blend([profile] * count), twin.tangent([profile] * count, trait))
    slopes = (field.slope * mask).double().numpy()
    counts = np.array([grammar.mentions(trait, t) for t in texts])
    gained = np.zeros(slopes.shape)
    start = len(twin.prompt(QUESTION)) - 1
    for i in range(count):
        own = ids[i, start + 1 :][mask[i, start:]].tolist()
        told = [grammar.mentions(trait, "".join(twin.parts(own[: k + 1]))) for k in range(len(own))]
        gained[i, start : start + len(own)] = np.diff([0.0, *told])
    return effect(counts, slopes.sum(1)), effect_to_go(gained, slopes, mask.numpy())


def score_match(twin: Conditioned, grammar: Grammar, profile: Mapping[str, Any], trait: str) -> tuple[float, float]:
    """Regression slope and correlation of the model's S on the true S over 300 sampled essays."""
    ids, mask, texts = sample(twin, profile, 300, first=90_000)
    field = token_field(twin, ids, twin.blend([profile] * 300), twin.tangent([profile] * 300, trait))
    own = (field.slope * mask).sum(1).double().numpy()
    at = {t: grammar.position(t, v) or 0.0 for t, v in profile.items()}
    true = np.array([grammar.score(trait, t, at) for t in texts])
    return round(float(np.polyfit(true, own, 1)[0]), 3), round(float(np.corrcoef(true, own)[0, 1]), 3)


def true_bits(grammar: Grammar, latent: Sequence[Mapping[str, float]], test: Sequence[Example]) -> float:
    """Bits per byte of the grammar itself, which knows even what the profiles do not give."""
    nats, size = 0.0, 0
    for at, example in zip(latent, test):
        essay = example.turns[-1].text
        size += len(essay.encode())
        for choice, first in zip(CHOICES, grammar.tones(essay)):
            p = chance(choice, at)
            nats -= np.log((p if first else 1 - p) / len(choice.tones[0 if first else 1]))
    return nats / size / np.log(2)


def resync(twin: Conditioned) -> dict[str, float]:
    """Tokens that change per 0.2 sd of height, with shared and with fresh noise."""
    size, prompt = int(twin.base.model.config.vocab_size), twin.prompt(QUESTION)
    profile: dict[str, Any] = {"drinks": "socially", "sex": "f"}
    grid = [twin.moved(profile, "height", u) for u in np.arange(-2, 2.01, 0.2)]
    out = {}
    for name, noises in (
        ("shared, key of 1", [[Noise(s, size, order=1)] * len(grid) for s in range(8)]),
        ("shared, key of 2", [[Noise(s, size, order=2)] * len(grid) for s in range(8)]),
        ("shared, key of 3", [[Noise(s, size, order=3)] * len(grid) for s in range(8)]),
        ("fresh", [[Noise(1000 * s + i, size) for i in range(len(grid))] for s in range(1, 9)]),
    ):
        moved = []
        for own in noises:
            texts = write(twin, prompt, twin.blend(grid), own, max_tokens=120)
            moved += [changed(a, b) for a, b in pairwise(texts)]
        out[name] = round(float(np.mean(moved)), 3)
    print("tokens changed per 0.2 sd:", out)
    return out


def control_bench(args: argparse.Namespace) -> dict[str, Any]:
    """Real essays whose link to every trait was broken: each trait against controls shuffled once more."""
    workspace = Workspace(args.out / "control")
    essays = [e.strip() for e in shuffled_essays(args.profiles / "essay0_revised_and_shuffled.rda")]
    rows = profiles(args.profiles / "profiles_revised.csv.zip", args.count)
    kept = [e for e in essays if len(e) > 20][: args.count]
    build_data(workspace, examples(rows, kept), held=1000)
    base = build_base(args.out / "base-control", kept, vocabulary=1000, width=64, layers=2)
    out: dict[str, dict[str, list[float]]] = {}
    seeds = range(args.seeds)
    for seed in seeds:
        config = configured(base, args.steps, use=list(TRAITS))
        config = config.model_copy(update={"train": config.train.model_copy(update={"seed": seed})})
        train_traits(workspace, config, run=f"true-{seed}", control=True)
        for name in (f"true-{seed}", f"true-{seed}-control"):
            twin = load_conditioned(workspace, config, name)
            out[name] = loud(twin, Grammar(rows), args)[0]
    lines = []
    for trait in TRAITS:
        true, shuffled = (np.array([out[f"true-{s}{end}"][trait][0] for s in seeds]) for end in ("", "-control"))
        error = np.sqrt((true.var(ddof=1) + shuffled.var(ddof=1)) / len(true))
        lines.append(
            (
                trait,
                true.mean(),
                shuffled.mean(),
                true.mean() - shuffled.mean(),
                stats.t.ppf(0.975, 2 * len(true) - 2) * error,
            )
        )
    show(["loudness", "linked", "shuffled", "difference", "± 95 %"], lines)
    louder = [r[0] for r in lines if r[3] > r[4]]
    print("louder than their control:", louder or "none")
    return {"runs": out, "summary": [list(r) for r in lines], "louder than control": louder}


def main() -> None:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--profiles", type=Path, required=True, help="folder with profiles_revised.csv.zip and the essays"
    )
    parser.add_argument("--court", type=Path, help="supreme_court_1995_2005.jsonl.gz, for court")
    parser.add_argument("--out", type=Path, default=Path(".work/traits"))
    parser.add_argument("--only", default="grammar,control,cost", help="also court")
    parser.add_argument("--count", type=int, default=12_000, help="profiles")
    parser.add_argument("--steps", type=int, default=500, help="training steps of each model")
    parser.add_argument("--seeds", type=int, default=3, help="models of each kind in the control")
    parser.add_argument("--essays", type=int, default=1000, help="essays sampled for each figure")
    args = parser.parse_args()
    args.out = args.out.resolve()
    args.out.mkdir(parents=True, exist_ok=True)
    parts = {"grammar": grammar_bench, "control": control_bench, "court": court_bench, "cost": cost_bench}
    for name in args.only.split(","):
        print(f"== {name}")
        try:
            with show_progress():
                result = parts[name](args)
        except GemelError as error:
            raise SystemExit(str(error)) from error
        (args.out / f"{name}.json").write_text(json.dumps(result, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
