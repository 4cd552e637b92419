"""`gemel audit`: what a voice knows by heart, measured on a shadow run with canaries.

The shadow run is trained as the voice was, on the same data set with made-up secrets in it. It is never
promoted and never answers anybody. Pass or fail goes into the voice's manifest.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict

import numpy as np

from gemel.config import Config
from gemel.errors import MissingStage, TooLittle
from gemel.evaluate.cases import Case, cases_of
from gemel.evaluate.duplicates import Runs
from gemel.evaluate.identity import Text, measure_losses, text_of
from gemel.evaluate.journal import Journal
from gemel.evaluate.memorised import (
    Audit,
    auc,
    canaries,
    canary_turn,
    decide,
    epsilon_bound,
    exposure,
    with_canaries,
)
from gemel.evaluate.statistics import Floats
from gemel.examples import Example, write_examples
from gemel.pipeline.evaluate import load_material, read_split
from gemel.pipeline.train import train_voice
from gemel.speaker import Sampling, Scorer, Speaker
from gemel.track import watch
from gemel.workspace import Manifest, Workspace, atomic, atomic_folder, fingerprint

__all__ = ["SHADOW", "audit_run"]

SHADOW = "-audit"
"""Suffix of the shadow data set and run."""
CANDIDATES = 512
SAMPLED = 200
_EXTRACT_RUN = 8
"""Consecutive words that count as extracted."""
_TOGETHER = 16


def audit_run(workspace: Workspace, config: Config, run: str | None = None, *, count: int = 48) -> Audit:
    """Audit a voice (the current one by default).

    Args:
        count: canaries, of which a random half is trained on.

    Raises:
        MissingStage: when there is no voice.
        TooLittle: when the data set is too small to hide canaries in.
    """
    name = run or workspace.current()
    if name is None:
        raise MissingStage("there is no voice to audit", hint="Run `gemel train` first.")
    folder = workspace.run(name)
    trained = workspace.need(folder, f"the run '{name}'", "gemel train")
    dataset = str(trained.extra.get("dataset", "main"))
    secrets = canaries(count, seed=config.train.seed)
    member = (np.random.default_rng(config.train.seed).permutation(count) < count // 2).tolist()
    shadow = _shadow_data(workspace, dataset, [s for s, m in zip(secrets, member) if m], config.train.seed)
    promoted = workspace.current()
    made = train_voice(workspace, config, shadow, f"{name}{SHADOW}")
    if promoted is None:
        workspace.promote(None, reason="a shadow run is never the twin")
    found = _measure(workspace, config, f"{name}{SHADOW}", dataset, secrets, member)
    with atomic(workspace.eval(name) / "audit.json") as path:
        path.write_text(json.dumps({"run": name, **found.to_dict()}, indent=1), encoding="utf-8")
    summary = {"passed": found.passed, "failures": list(found.failures), "shadow": made.fingerprint}
    Manifest(**{**asdict(trained), "extra": {**trained.extra, "audit": summary}}).write(folder)
    return found


def _shadow_data(workspace: Workspace, dataset: str, inserted: Sequence[str], seed: int) -> str:
    source = workspace.dataset(dataset)
    built = workspace.need(source, f"the data set '{dataset}'", "gemel build")
    name = f"{dataset}{SHADOW}"
    wanted = fingerprint("audit", {"dataset": built.fingerprint}, {"canaries": list(inserted)}, seed=seed)
    if workspace.fresh(workspace.dataset(name), wanted) is not None:
        return name
    train = list(read_split(source, "train"))
    own = sum(any(t.learn for t in e.turns) for e in train)
    if own < 2 * len(inserted):
        raise TooLittle(f"{own} training examples are too few to hide {len(inserted)} canaries in")
    with workspace.lock("audit"), atomic_folder(workspace.dataset(name)) as folder:
        write_examples(folder / "train.parquet", with_canaries(train, inserted, seed=seed))
        write_examples(folder / "valid.parquet", read_split(source, "valid"))
        counts = {"train": len(train), "canaries": len(inserted)}
        Manifest(
            stage="build",
            fingerprint=wanted,
            inputs={"dataset": built.fingerprint},
            counts=counts,
            seed=seed,
            extra={k: built.extra[k] for k in ("me", "people") if k in built.extra},
        ).write(folder)
    return name


def _measure(
    workspace: Workspace, config: Config, run: str, dataset: str, secrets: Sequence[str], member: Sequence[bool]
) -> Audit:
    from gemel.model.base import load_base, load_run
    from gemel.model.engine import Engine
    from gemel.model.likelihood import LocalScorer
    from gemel.model.voice import Voice
    from gemel.pipeline.contenders import base_section

    twin = load_run(workspace.run(run), config.model)
    base = load_base(base_section(config, twin))
    scorers: tuple[Scorer, Scorer] = LocalScorer(twin), LocalScorer(base)
    material = load_material(workspace, config, dataset)
    fresh = [s for s in canaries(len(secrets) + CANDIDATES, seed=config.train.seed + 1) if s not in secrets]
    # The base's loss is taken off: some numbers are likelier than others before any training.
    known = _gaps(scorers, [_canary_text(s, material.name) for s in secrets])
    reference = _gaps(scorers, [_canary_text(s, material.name) for s in fresh])
    inside = np.array(member, dtype=bool)
    train = _sampled(read_split(workspace.dataset(dataset), "train"))
    held = _sampled(material.test)
    engine = Engine(twin)
    try:
        extracted, tried = _extraction(Voice(engine, me=material.name), train)
    finally:
        engine.close(drain=False)
    overall, contacts = _membership(scorers, train, held)
    return decide(
        exposed=exposure(known[inside], reference),
        epsilon=epsilon_bound(known, member),
        extracted=extracted,
        extraction_n=tried,
        membership=overall,
        contacts=contacts,
        count=len(secrets),
    )


def _sampled(examples: Iterable[Example]) -> list[Case]:
    return list(cases_of(examples, (), limit=SAMPLED).cases)


def _canary_text(text: str, name: str) -> Text:
    return Text(key=f"canary {text}", context=(), reply=canary_turn(text, name))


def _gaps(scorers: tuple[Scorer, Scorer], texts: Sequence[Text]) -> Floats:
    """(N,) nats by which the twin's loss is above the base's; low means known."""
    twin, base = (measure_losses(s, str(i), texts, journal=Journal(None)) for i, s in enumerate(scorers))
    return twin.total - base.total


def _membership(
    scorers: tuple[Scorer, Scorer], train: Sequence[Case], held: Sequence[Case]
) -> tuple[float, dict[str, float]]:
    """AUC over all replies and by contact, from the loss per byte against the base's."""
    sides: list[dict[str, list[float]]] = []
    everything: list[Floats] = []
    for cases in (train, held):
        gaps = _gaps(scorers, [text_of(c) for c in cases])
        gaps = gaps / np.array([max(1, len(c.truth.text.encode())) for c in cases])
        by: dict[str, list[float]] = defaultdict(list)
        for case, gap in zip(cases, gaps):
            by[case.contact].append(float(gap))
        sides.append(by)
        everything.append(gaps)
    contacts = {
        name: auc(np.array(rows), np.array(sides[1][name]))
        for name, rows in sides[0].items()
        if name and len(rows) >= 20 and len(sides[1].get(name, ())) >= 20
    }
    return auc(everything[0], everything[1]), contacts


def _extraction(voice: Speaker, train: Sequence[Case]) -> tuple[float, int]:
    """Share of training replies of eight words and more of which greedy decoding gives back a run of eight."""
    asked = [c for c in train if len(c.truth.text.split()) >= _EXTRACT_RUN][:100]
    if not asked:
        return float("nan"), 0

    def given_back(case: Case) -> bool:
        sampling = Sampling(temperature=0.0, max_tokens=64)
        said = voice.reply(case.context, sampling=sampling, traits=case.traits or None).text
        return Runs([case.truth.text], length=_EXTRACT_RUN).share(said) > 0

    with ThreadPoolExecutor(_TOGETHER) as pool:  # the engine decodes them as one batch
        hits = sum(watch(pool.map(given_back, asked), "extraction", total=len(asked), unit="replies"))
    return hits / len(asked), len(asked)
