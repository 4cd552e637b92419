"""A voice folded into its base: an ordinary folder of safetensors, configuration and tokenizer.

Log-probabilities agree with the voice's own within rounding: exactly in fp32, within the type's precision otherwise.
What a splice adds depends on its traits and is not in a merged model.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from gemel.config import Config
from gemel.errors import ConfigError, MissingStage
from gemel.model.base import Base, load_run
from gemel.pipeline.seal import check
from gemel.workspace import Manifest, Workspace, atomic_folder

__all__ = ["Folded", "Merged", "export_merged", "folded"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """What was written."""

    parameters: int
    template: str
    """How conversations become text for it: other programs must write them so."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A voice whose adapter is part of its weights."""

    base: Base
    run: str
    manifest: Manifest
    warnings: tuple[str, ...]


def folded(workspace: Workspace, config: Config, run: str | None = None) -> Folded:
    """A voice (the current one by default) in fp32, without its splice.

    Raises:
        MissingStage: when there is no voice.
        Refused: when the voice was trained on what has been forgotten since.
    """
    run = run or workspace.current()
    if run is None:
        raise MissingStage("there is no voice to merge", hint="Run `gemel train` first.")
    folder = workspace.run(run)
    manifest = check(folder)
    base = load_run(folder, config.model.model_copy(update={"precision": "fp32"}))
    warnings = []
    if hasattr(base.model, "splice"):
        from gemel.model.splice import unwrap

        unwrap(base.model)
        warnings.append("traits are not in a merged model: it answers as the voice does when none is given")
    return Folded(base=base, run=run, manifest=manifest, warnings=tuple(warnings))


def export_merged(
    workspace: Workspace, config: Config, target: Path, *, run: str | None = None, dtype: str = "fp32"
) -> Merged:
    """Write a voice (the current one by default) as a model of its own into the folder `target`.

    Raises:
        MissingStage: when there is no voice.
        ConfigError: when `target` holds something already.
        Refused: when the voice was trained on what has been forgotten since.
    """
    import torch

    if target.exists() and any(target.iterdir()):
        raise ConfigError(f"{target} is not empty", hint="Give a new folder.")
    voice = folded(workspace, config, run)
    base, warnings = voice.base, list(voice.warnings)
    if base.template.name == "gemel":
        warnings.append("it reads gemel's own template, which other programs must be taught (docs/guide/serve.md)")
    model = base.model.to({"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[dtype])
    with atomic_folder(target) as place:
        model.save_pretrained(place)
        base.tokenizer.save_pretrained(place)
        Manifest(stage="merged", fingerprint=voice.manifest.fingerprint, extra={"run": voice.run}).write(place)
    return Merged(parameters=base.parameters, template=base.template.name, warnings=tuple(warnings))
