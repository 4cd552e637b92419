"""`gemel train`: a data set in, a voice out, in `runs/<id>/`.

A run's id comes from all that decides its result, so that the same command resumes an unfinished run
and skips a finished one. The manifest is written last; checkpoints go when it is there.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from gemel.config import Config, ModelSection
from gemel.errors import ConfigError
from gemel.examples import Example, read_examples
from gemel.model.base import Base, load_base, load_run, save_base_file, seedling_path
from gemel.model.lora import save_adapter
from gemel.pipeline.run_report import write_run_report
from gemel.pipeline.seal import learned_from, save_learned, weights_of
from gemel.pipeline.warm import go_on
from gemel.records import stable_id
from gemel.sinks import open_sinks
from gemel.track import emit
from gemel.train.conditioner import Conditioner, TraitConditioner
from gemel.train.fit import FitResult, fit
from gemel.train.methods import PRECISION
from gemel.train.preference import Preference
from gemel.train.preference import prefer as moved
from gemel.workspace import Manifest, Workspace, atomic, fingerprint, hash_file

__all__ = ["best_device", "save_voice", "train_voice"]

REHEARSAL = "rehearsal.parquet"
"""General text beside a data set, mixed in by `train.rehearsal`."""
WORKING = ("checkpoints", "best.safetensors", "plan.json", "begun.json")
MODEL_KEYS = {"base", "revision", "template", "precision", "context"}
UNIMPORTANT = {"sinks", "threads"}
"""Settings that do not change what is learned."""


def train_voice(
    workspace: Workspace,
    config: Config,
    dataset: str = "main",
    run: str | None = None,
    *,
    conditioner: Conditioner | None = None,
    stop: Callable[[], bool] | None = None,
    start: str | None = None,
    prefer: Preference | None = None,
) -> Manifest:
    """Train a voice on a data set, unless that run is there already. It becomes the twin if there is none.

    Args:
        workspace: the twin's folder.
        config: `model`, `train` and `traits` decide the result.
        dataset: name of the data set.
        run: the run's id; None: derived from data, base and settings.
        conditioner: what is trained beside the voice; None: a splice for the traits of `traits.use`, if there are any.
        stop: asked after every step; true ends with a checkpoint to go on from.
        start: id of a run whose weights it goes on from; None: the base's own.
        prefer: learn from preferences, by which the voice of `start` is moved, instead of from the data set.

    Raises:
        MissingStage: when the data set is not there.
        MissingModel: when the base is not there.
    """
    with workspace.lock("train"):
        data = workspace.dataset(dataset)
        built = workspace.need(data, f"the data set '{dataset}'", "gemel build")
        model = model_section(config)
        if conditioner is None and config.traits.use:
            conditioner = TraitConditioner(config)
        settings = {
            "model": model.model_dump(include=MODEL_KEYS, mode="json"),
            "train": config.train.model_dump(exclude=UNIMPORTANT, mode="json"),
            "traits": config.traits.model_dump(mode="json") if conditioner else {},
        }
        if prefer:
            settings["prefer"] = {"kind": prefer.kind, "beta": prefer.beta, "judged": stable_id(repr(prefer.judged))}
        inputs = {"dataset": built.fingerprint, "base": base_hash(model)}
        if start:
            inputs["start"] = workspace.need(workspace.run(start), f"the run '{start}'", "gemel train").fingerprint
        wanted = fingerprint("train", inputs, settings, seed=config.train.seed)
        folder = workspace.run(run or f"{dataset}-{wanted[:8]}")
        manifest = workspace.fresh(folder, wanted)
        if manifest is None:
            _begin(folder, wanted)
            flat = {f"{k}.{n}": v for k, section in settings.items() for n, v in section.items()}
            with open_sinks(folder, config.train.sinks, flat):
                begun = workspace.run(start) if start else None
                result = _train(folder, config, model, data, conditioner, stop, begun, prefer)
                if result.reason == "stopped":
                    return Manifest(stage="train", fingerprint="", extra={"reason": "stopped", "run": folder.name})
                manifest = _manifest(folder, built, wanted, inputs, settings, result, dataset, start)
            manifest.write(folder)
        _clean(folder)
        if workspace.current() is None:
            workspace.promote(folder.name, reason="first voice")
        return manifest


def model_section(config: Config) -> ModelSection:
    """The model section with the type of weights that the training method needs."""
    wanted = PRECISION.get(config.train.method) or ("fp32" if config.train.method == "full" else "")
    if wanted and config.model.precision not in ("auto", wanted):
        raise ConfigError(
            f'train.method = "{config.train.method}" needs model.precision = "{wanted}"',
            hint="Leave model.precision out; the method decides.",
        )
    return config.model.model_copy(update={"precision": wanted}) if wanted else config.model


def base_hash(section: ModelSection) -> str:
    """What tells one base from another: its name and revision, and for a local folder what lies there."""
    folder = seedling_path() if section.base == "seedling" else Path(section.base).expanduser()
    if not folder.is_dir():
        return f"{section.base}@{section.revision}"
    parts = []
    for path in sorted(p for p in folder.iterdir() if p.suffix in (".json", ".safetensors")):
        size = path.stat().st_size
        parts.append(f"{path.name}:{size}:{hash_file(path) if size < 1 << 28 else ''}")
    return fingerprint("base", {"files": ";".join(parts)})


def best_device() -> str:
    """An accelerator where there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def save_voice(base: Base, folder: Path, *, full: bool, revision: str = "") -> None:
    """Write what was trained: an adapter, or all weights. Safetensors only."""
    if full:
        weights = {k: v for k, v in base.model.state_dict().items() if not k.startswith("splice.")}
        base.model.save_pretrained(folder / "model", state_dict=weights)
        base.tokenizer.save_pretrained(folder / "model")
    else:
        save_adapter(base.model, folder / "adapter", base=base.name, revision=revision)
        if base.added:
            base.tokenizer.save_pretrained(folder / "adapter")
    save_base_file(folder, base, revision)


def _train(
    folder: Path,
    config: Config,
    model: ModelSection,
    data: Path,
    conditioner: Conditioner | None,
    stop: Callable[[], bool] | None,
    start: Path | None,
    prefer: Preference | None,
) -> FitResult:
    (folder / "config.toml").write_text(to_toml(config.model_dump(mode="json", by_alias=True)), encoding="utf-8")
    base = load_base(model, device=best_device(), add_tokens=True)
    if start is not None:
        go_on(base, start, model, config.train.method)
    examples = list(read_examples(data / "train.parquet"))
    held = list(_read(data / "valid.parquet"))
    full = config.train.method == "full"
    if prefer and start:
        result = moved(base, load_run(start, model, device=best_device()).model, prefer, held, config.train)
    else:
        condition = conditioner.begin(base, examples) if conditioner else None
        general = _read(data / REHEARSAL) if config.train.rehearsal else ()
        result = fit(base, examples, held, config.train, folder, condition=condition, stop=stop, rehearsal=general)
    if result.reason != "stopped":
        save_voice(base, folder, full=full, revision=model.revision)
        if prefer:
            base = load_run(folder, model, device=best_device())  # TRL leaves its own forward pass on the model
        save_learned(folder, learned_from(data))
        if conditioner:
            conditioner.save(folder)
        write_run_report(folder, base, held, result, config.train, pose=conditioner.pose if conditioner else None)
        emit("train.done", step=result.steps, best_step=result.best_step, seconds=round(result.seconds, 1))
    return result


def _manifest(
    folder: Path,
    built: Manifest,
    wanted: str,
    inputs: Mapping[str, str],
    settings: Mapping[str, Any],
    result: FitResult,
    dataset: str,
    start: str | None,
) -> Manifest:
    figures = {k: v for k, v in asdict(result).items() if k not in ("counts", "curve")}
    return Manifest(
        stage="train",
        fingerprint=wanted,
        inputs=inputs,
        section=settings,
        counts=result.counts,
        seed=settings["train"]["seed"],
        finished=time.time(),
        extra={
            **figures,
            "curve": [list(point) for point in result.curve],
            "run": folder.name,
            "dataset": dataset,
            "start": start or "",
            "weights": weights_of(folder),
            **{k: built.extra[k] for k in ("me", "people") if k in built.extra},
        },
    )


def _read(path: Path) -> Iterable[Example]:
    return read_examples(path) if path.exists() else ()


def _begin(folder: Path, wanted: str) -> None:
    """Make the run's folder; an unfinished run of other settings begins anew, a finished one is never touched."""
    if (folder / "manifest.json").exists():
        raise ConfigError(f"the run '{folder.name}' was made with other data or settings", hint="Give another --run.")
    note = folder / "begun.json"
    begun = json.loads(note.read_text(encoding="utf-8"))["fingerprint"] if note.exists() else ""
    if begun != wanted and folder.exists():
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    with atomic(note) as path:
        path.write_text(json.dumps({"fingerprint": wanted}), encoding="utf-8")


def _clean(folder: Path) -> None:
    for name in WORKING:
        place = folder / name
        shutil.rmtree(place, ignore_errors=True) if place.is_dir() else place.unlink(missing_ok=True)


def to_toml(raw: Mapping[str, Any]) -> str:
    """Plain values and tables of plain values as TOML."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in raw.items() if not isinstance(value, Mapping)]
    for name, table in raw.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{name}]"]
            lines += [f"{key} = {_inline(value)}" for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def _inline(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k)} = {json.dumps(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
