"""What a training needs to go on as if nothing had happened: weights, optimiser, counters.

A checkpoint is a folder that appears whole under its name; the newest two stay, so that one damaged
by the disk leaves another. Everything is safetensors and JSON. Randomness needs no storing: every
step seeds itself.
"""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.distributed.tensor import DTensor

from gemel.errors import DamagedCheckpoint, ResourceError
from gemel.track import emit
from gemel.train.crew import split_like, whole
from gemel.workspace import atomic_folder, hash_file

__all__ = ["Progress", "latest", "load_weights", "save", "save_weights"]

WEIGHTS, OPTIMIZER, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"
KEPT = 2
FULL = {
    errno.ENOSPC: "No space left",
    errno.EFBIG: "File too large",
    getattr(errno, "EDQUOT", errno.ENOSPC): "quota exceeded",
}
"""A full disk, a bound on files and a quota, with what libraries make of them."""


@dataclass(slots=True)
class Progress:
    """Counters of a training."""

    step: int = 0
    """Optimiser steps done."""
    tokens: int = 0
    """Tokens that went through the model."""
    targets: int = 0
    seconds: float = 0.0
    best: float = float("inf")
    """Lowest validation loss so far, nats per target."""
    best_step: int = 0
    waited: int = 0
    """Evaluations since then."""
    batch_limit: int = 0
    """Tokens of a row at most, lowered when memory runs out; 0: as configured."""
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    """(step, validation loss, bits per byte) of every evaluation."""


def save(
    folder: Path, progress: Progress, weights: Mapping[str, Tensor], optimizer: Any, *, write: bool = True
) -> None:
    """Write a checkpoint into `folder`/<step>; older ones than the last two go.

    Under several processes all of them call this, and the one with `write` writes.

    Raises:
        ResourceError: when the disk is full; earlier checkpoints stay as they are.
    """
    weights = whole(dict(weights))
    tensors, rest = _flatten(optimizer)
    tensors = whole(tensors)
    if not write:
        return
    place = folder / f"{progress.step:08d}"
    need_room(folder, [*weights.values(), *tensors.values()])
    try:
        with atomic_folder(place) as temporary:
            _write(weights, temporary / WEIGHTS)
            _write(tensors, temporary / OPTIMIZER)
            hashes = {name: hash_file(temporary / name) for name in (WEIGHTS, OPTIMIZER)}
            row = {"progress": asdict(progress), "optimizer": rest, "hashes": hashes}
            (temporary / STATE).write_text(json.dumps(row), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise_if_full(error)
        raise
    for old in _all(folder)[:-KEPT]:
        shutil.rmtree(old, ignore_errors=True)


def latest(folder: Path, optimizer: Any) -> tuple[Progress, dict[str, Tensor]] | None:
    """Read the newest checkpoint that is whole, and fill `optimizer`; None where there is none.

    Raises:
        DamagedCheckpoint: when there are checkpoints but not one of them reads back.
    """
    places = _all(folder)
    for place in reversed(places):
        with suppress(OSError, ValueError, KeyError, TypeError, SafetensorError):
            row = json.loads((place / STATE).read_text(encoding="utf-8"))
            if all(hash_file(place / name) == value for name, value in row["hashes"].items()):
                said = row["progress"]
                said["curve"] = [tuple(point) for point in said["curve"]]
                progress = Progress(**said)
                weights = load_file(place / WEIGHTS)
                _restore(optimizer, load_file(place / OPTIMIZER), row["optimizer"])
                return progress, weights
        emit("train.damaged", checkpoint=place.name)
    if places:
        raise DamagedCheckpoint(
            "no checkpoint of this training reads back", hint=f"Delete {folder.parent} and train again."
        )
    return None


def save_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Write whole weights as one safetensors file, which replaces the old one when it is whole.

    Raises:
        ResourceError: when the disk is full.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    need_room(path.parent, list(weights.values()))
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        _write(weights, temporary)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:
        raise_if_full(error)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def load_weights(path: Path) -> dict[str, Tensor]:
    """What `save_weights` wrote.

    Raises:
        DamagedCheckpoint: when it does not read back.
    """
    try:
        return dict(load_file(path))
    except (OSError, SafetensorError) as error:
        raise DamagedCheckpoint(f"{path.name} does not read back", hint="Run the training again.") from error


def need_room(folder: Path, tensors: list[Tensor]) -> None:
    """Refuse to begin a write that cannot end.

    Raises:
        ResourceError: when the disk has not room for these tensors.
    """
    folder.mkdir(parents=True, exist_ok=True)
    size = sum(t.numel() * t.element_size() for t in tensors)
    if shutil.disk_usage(folder).free < 1.05 * size + 1_000_000:
        raise _full()


def raise_if_full(error: Exception) -> None:
    """Turn "no space left" in any dress into a message for a person."""
    if getattr(error, "errno", None) in FULL or any(words in str(error) for words in FULL.values()):
        raise _full() from error


def _full() -> ResourceError:
    return ResourceError(
        "the disk is full: the last checkpoint is kept", hint="Free some space and run the same command again."
    )


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    plain: dict[str, Tensor] = {}
    seen: set[int] = set()
    for name, tensor in tensors.items():
        value = tensor.detach().contiguous().cpu()
        # 8-bit states of all parameters share one small table, which safetensors refuses.
        plain[name] = value.clone() if value.data_ptr() in seen else value
        seen.add(value.data_ptr())
    save_file(plain, path)


def _all(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("[0-9]*") if p.is_dir()) if folder.exists() else []


def _flatten(optimizer: Any) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Optimiser state as tensors and as plain values, both under "<number of the parameter>.<name>"."""
    tensors: dict[str, Tensor] = {}
    rest: dict[str, Any] = {}
    for index, parameter in enumerate(_parameters(optimizer)):
        for name, value in optimizer.state.get(parameter, {}).items():
            (tensors if isinstance(value, Tensor) else rest)[f"{index}.{name}"] = value
    return tensors, rest


def _restore(optimizer: Any, tensors: Mapping[str, Tensor], rest: Mapping[str, Any]) -> None:
    """Put state back as it was; `load_state_dict` would change the types of 8-bit states."""
    parameters = _parameters(optimizer)
    for key, value in {**tensors, **rest}.items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        if isinstance(value, Tensor):
            split = isinstance(parameter, DTensor) and value.shape == parameter.shape
            value = split_like(parameter, value) if split else value.to(parameter.device)
        optimizer.state[parameter][name] = value


def _parameters(optimizer: Any) -> list[Tensor]:
    return [p for group in optimizer.param_groups for p in group["params"]]


def fill(parameters: Mapping[str, torch.nn.Parameter], weights: Mapping[str, Tensor]) -> None:
    """Copy saved weights into parameters of the same names.

    Raises:
        DamagedCheckpoint: when names or shapes differ.
    """
    try:
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(split_like(parameter, weights[name]))
    except (KeyError, RuntimeError) as error:
        raise DamagedCheckpoint(
            "the checkpoint belongs to another model or method", hint="Delete the unfinished run and train again."
        ) from error
