"""`gemel evaluate`: a trained voice and its data set in, scores, a verdict and a report out, in `evals/<run>/`.

Answers and log-probabilities are kept as they come; a stopped evaluation goes on where it was. The
manifest is written last.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gemel.config import Config
from gemel.corpus.dataset import IMPOSTOR
from gemel.errors import DamagedCheckpoint, MissingExtra, MissingStage
from gemel.evaluate.cases import Pool, cases_of, own_replies
from gemel.evaluate.journal import Journal
from gemel.evaluate.likelihoods import Scorers
from gemel.evaluate.metrics.meteor import variant
from gemel.evaluate.named import named
from gemel.evaluate.prompts import best_prompt, prompts
from gemel.evaluate.report import compare, html_report, markdown_report
from gemel.evaluate.sample import Embed
from gemel.evaluate.study import Material, Study, study
from gemel.examples import Example, read_examples
from gemel.model.display import Display
from gemel.records import stable_id
from gemel.scores import Score, Verdict
from gemel.sinks import EVENTS, open_sinks
from gemel.track import emit
from gemel.workspace import Manifest, Workspace, atomic, fingerprint

if TYPE_CHECKING:
    from gemel.pipeline.contenders import Contenders

__all__ = ["compare_runs", "embed_of", "evaluate_run", "load_material", "name_report", "read_scores"]

ANSWERS, LOSSES = "replies.jsonl", "losses.jsonl"
_OWN = 3000
"""Own replies kept for ceilings and prompts."""


def evaluate_run(workspace: Workspace, config: Config, run: str | None = None, *, dataset: str = "") -> Manifest:
    """Measure a voice (the current one by default), unless that was done already.

    Where there is no voice and `model.server` answers, its replies are measured: card and memory over that model.

    Returns:
        A manifest whose `extra` holds the verdict's sentence and level, and the name of the evaluation.

    Raises:
        MissingStage: when there is no voice or no data set.
        TooLittle: when not one held-out reply is there.
    """
    with workspace.lock("evaluate"):
        name = run or workspace.current()
        if name is None and not config.model.server:
            raise MissingStage("there is no voice to measure", hint="Run `gemel train` first.")
        inputs: dict[str, str] = {}
        if name is None:
            inputs["server"] = config.model.server_model
        else:
            trained = workspace.need(workspace.run(name), f"the run '{name}'", "gemel train")
            dataset = dataset or str(trained.extra.get("dataset", "main"))
            inputs["run"] = trained.fingerprint
        dataset = dataset or "main"
        built = workspace.need(workspace.dataset(dataset), f"the data set '{dataset}'", "gemel build")
        inputs["dataset"] = built.fingerprint
        wanted = fingerprint("evaluate", {**inputs, "weights": config.serve.weights}, config.evaluate, config.model)
        folder = workspace.eval(name or f"server-{stable_id(config.model.server_model)[:8]}")
        return workspace.fresh(folder, wanted) or _evaluate(
            workspace, config, name or "", dataset, folder, inputs, wanted
        )


def _evaluate(
    workspace: Workspace,
    config: Config,
    run: str,
    dataset: str,
    folder: Path,
    inputs: Mapping[str, str],
    wanted: str,
) -> Manifest:
    from gemel.pipeline.contenders import contenders

    folder.mkdir(parents=True, exist_ok=True)
    material = load_material(workspace, config, dataset)
    # Other metrics or more replies need no new answers to what was answered already.
    drawn = {**inputs, "weights": config.serve.weights}
    kept = fingerprint("answers", drawn, config.model, seed=config.evaluate.seed)
    answers, losses = Journal(folder / ANSWERS, kept), Journal(folder / LOSSES, kept)
    with contenders(workspace, config, run, material.name, dataset) as who:
        prompt, tried = _choose_prompt(workspace, config, dataset, material, who, losses)
        scorers = None
        if who.base is not None:
            scorers = Scorers(base=who.base, twin=who.twin, prompt=prompt, traited=who.traited)
        found = study(
            material,
            who.speakers(prompt),
            scorers,
            config.evaluate,
            answers=answers,
            losses=losses,
            embed=embed_of(config),
            card=who.card,
            lanes=who.lanes,
        )
    (folder / EVENTS).unlink(missing_ok=True)
    # The scores stand beside the curves of the run's training; its own events.jsonl stays that of the training.
    with open_sinks(workspace.run(run) if run else folder, config.train.sinks, lines=folder):
        return write_study(folder, found, run=folder.name, inputs=inputs, wanted=wanted, config=config, tried=tried)


def write_study(
    folder: Path,
    found: Study,
    *,
    run: str,
    inputs: Mapping[str, str],
    wanted: str,
    config: Config,
    tried: Mapping[str, float],
) -> Manifest:
    """Write scores, verdict and reports, the manifest last."""
    cut = f"chats draw from the most probable {config.serve.top_p:.0%}" if config.serve.top_p < 1 else "as in chats"
    notes = {"Replies of a local model": f"drawn at temperature 1 from all of its probability; {cut}"}
    if tried:
        bits = ", ".join(f"{k} {v:.3f}" for k, v in sorted(tried.items(), key=lambda item: item[1]))
        notes["Instructions tried on validation text (bits per byte, the first is used as the floor)"] = bits
    if found.rival:
        notes["Other person"] = found.rival
    if any(s.metric == "meteor" and s.value is not None for s in found.scores):
        notes["METEOR"] = variant()
    verdict = found.verdict
    plain = {
        "verdict": {
            "sentence": verdict.sentence,
            "level": verdict.level,
            "reasons": list(verdict.reasons),
            "warnings": list(verdict.warnings),
        },
        "run": run,
        "scores": [s.to_dict() for s in found.scores],
    }
    for file, text in (
        ("scores.json", json.dumps(plain, ensure_ascii=False, indent=1)),
        ("report.html", html_report(found, run=run, notes=notes)),
        ("report.md", markdown_report(verdict, found.scores, name=found.name, run=run)),
    ):
        with atomic(folder / file) as path:
            path.write_text(text, encoding="utf-8")
    _tell(found, run)
    manifest = Manifest(
        stage="evaluate",
        fingerprint=wanted,
        inputs=dict(inputs),
        section=config.evaluate.model_dump(mode="json"),
        counts={**found.cases.counts, "sessions": found.sessions, "scores": len(found.scores)},
        seed=config.evaluate.seed,
        extra={"verdict": verdict.sentence, "level": verdict.level, "primary": found.primary, "name": folder.name},
    )
    manifest.write(folder)
    return manifest


def _tell(found: Study, run: str) -> None:
    """Every score over all replies as an event."""
    for score in found.scores:
        if score.group == "all" and score.value is not None:
            emit(
                "evaluate.score",
                metric=score.metric,
                system=score.system,
                value=score.value,
                low=score.low,
                high=score.high,
                relative=score.relative,
                run=run,
            )


def load_material(workspace: Workspace, config: Config, dataset: str = "main") -> Material:
    """The texts of an evaluation from a data set."""
    folder = workspace.dataset(dataset)
    built = workspace.need(folder, f"the data set '{dataset}'", "gemel build")
    learned = [t.text for e in read_split(folder, "train") for t in e.learned]
    foreign = [e for e in read_split(folder, IMPOSTOR) if e.split in ("valid", "test", "")]
    test = [e.with_split(split) for split in ("test", "contacts") for e in read_split(folder, split)]
    name = str(built.extra.get("me", "")) or next((t.name for e in test for t in e.learned if t.name), "the person")
    return Material(
        name=name,
        test=test,
        learned=learned,
        own=_own(folder),
        foreign=foreign,
        languages=config.corpus.languages,
    )


def _own(folder: Path) -> list[Pool]:
    """At most `_OWN` own replies of training and validation, evenly taken."""
    total = sum(len(e.learned) for split in ("train", "valid") for e in read_split(folder, split))
    step = max(1, total // _OWN)
    out: list[Pool] = []
    seen = 0
    for split in ("train", "valid"):
        for example in read_split(folder, split):
            for pool in own_replies([example]):
                if seen % step == 0:
                    out.append(pool)
                seen += 1
    return out


def read_split(folder: Path, split: str) -> Iterator[Example]:
    """The examples of a split; none where there is no such file."""
    path = folder / f"{split}.parquet"
    return read_examples(path) if path.exists() else iter(())


def _choose_prompt(
    workspace: Workspace, config: Config, dataset: str, material: Material, who: Contenders, losses: Journal
) -> tuple[str, dict[str, float]]:
    valid = cases_of(read_split(workspace.dataset(dataset), "valid"), (), limit=40, seed=config.evaluate.seed).cases
    if who.base is None:  # a server gives no log-probabilities to choose by: the card is its instruction
        return "", {}
    card = who.card
    texts = prompts(
        material.name, material.own, card=card.text(), small=card.text(small=True), seed=config.evaluate.seed
    )
    if not valid:
        return next(iter(texts.values()), ""), {}
    best, tried = best_prompt(who.base, valid, texts, journal=losses)
    return texts[best], tried


def embed_of(config: Config) -> Embed | None:
    """The configured embedder, `minilm` with rounded weights as memory has it; None where it is not installed."""
    from gemel.model.embed import embedder

    name = config.model.embedder
    try:
        return embedder("minilm-int8" if name == "minilm" else name).encode
    except MissingExtra:
        return None


def read_scores(folder: Path) -> tuple[Verdict, list[Score]]:
    """The verdict and scores of a finished evaluation.

    Raises:
        MissingStage: when it is not there.
        DamagedCheckpoint: when it does not read back.
    """
    path = folder / "scores.json"
    if not path.exists():
        raise MissingStage(f"'{folder.name}' was not evaluated yet", hint="Run `gemel evaluate` first.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        verdict = raw["verdict"]
        return (
            Verdict(
                sentence=verdict["sentence"],
                level=verdict["level"],
                reasons=tuple(verdict["reasons"]),
                warnings=tuple(verdict["warnings"]),
            ),
            [Score.from_dict(s) for s in raw["scores"]],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedCheckpoint(
            f"{folder.name}/scores.json cannot be read", hint="Delete the folder and evaluate again."
        ) from error


def name_report(workspace: Workspace, config: Config, name: str) -> Path:
    """The report of an evaluation with real names, for the owner alone: under `private/`, never served or exported.

    Raises:
        MissingStage: when that was not evaluated.
    """
    read_scores(workspace.eval(name))
    display = Display(workspace, config)
    text = (workspace.eval(name) / "report.html").read_text(encoding="utf-8")
    path = workspace.private / f"report-{name}.html"
    with atomic(path) as temporary:
        temporary.write_text(named(text, display.outward), encoding="utf-8")
    return path


def compare_runs(workspace: Workspace, runs: Sequence[str]) -> Path:
    """One page over several evaluated runs.

    Raises:
        MissingStage: when one of them was not evaluated.
    """
    found = {run: read_scores(workspace.eval(run)) for run in runs}
    path = workspace.root / "evals" / "compare.html"
    with atomic(path) as temporary:
        temporary.write_text(compare(found), encoding="utf-8")
    return path
