"""A warm start: a training that goes on from an earlier voice instead of the bare base.

The base keeps its name, so that what is measured against the base means the same for every voice.
"""

from __future__ import annotations

from pathlib import Path

from gemel.config import ModelSection
from gemel.errors import ConfigError
from gemel.model.base import Base, load_run
from gemel.model.lora import load_adapter

__all__ = ["can_go_on", "go_on"]


def can_go_on(folder: Path, method: str) -> bool:
    """Whether a voice can be trained on: same kind of weights, no splice, no tokens of its own."""
    if (folder / "splice.safetensors").exists() or (folder / "adapter" / "tokenizer.json").exists():
        return False
    return (folder / "model").exists() == (method == "full") and (folder / "base.json").exists()


def go_on(base: Base, folder: Path, section: ModelSection, method: str) -> None:
    """Put the weights of a voice into `base`, in place, ready to be trained.

    Raises:
        ConfigError: when the voice was trained by another method.
        DamagedCheckpoint: when it does not read back.
    """
    if not can_go_on(folder, method):
        raise ConfigError(
            f"a training by '{method}' cannot go on from '{folder.name}'",
            hint='Set improve.start = "fresh".',
        )
    if method == "full":
        base.model.load_state_dict(load_run(folder, section, device=base.device).model.state_dict())
    else:
        base.model.requires_grad_(False)
        load_adapter(base.model, folder / "adapter", fold=False)
