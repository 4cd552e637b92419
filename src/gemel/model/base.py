"""Any Hugging Face decoder, from the weights that ship, a local folder or a hub name, by one path.

Weights are safetensors only and `trust_remote_code` is never true. A finished run loads as its base
with the adapter (or the fully trained weights) in place.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

from gemel.config import ModelSection
from gemel.errors import DamagedCheckpoint, MissingModel
from gemel.model.chat import choose_template
from gemel.model.template import SPECIAL_TOKENS, Template
from gemel.privacy.unservable import refuse_unservable

__all__ = ["SEEDLING", "Base", "load_base", "load_run", "save_base_file", "seedling_path"]

SEEDLING = "seedling"
BASE_FILE = "base.json"
"""In a run's folder: which base, template and added tokens its adapter stands on."""

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    """A decoder ready to train or to answer."""

    model: Any
    """A Hugging Face causal language model in eval mode."""
    tokenizer: Any
    """Its fast tokenizer."""
    template: Template
    name: str
    """As configured: seedling, a folder or a hub name."""
    folder: Path | None
    """Where the weights lie, when they lie in a local folder."""
    device: torch.device
    dtype: torch.dtype
    """Type of the weights that are not quantised."""
    context: int
    """Tokens it reads at most."""
    precision: str = "fp32"
    added: int = 0
    """Tokens that were added to the base's vocabulary; their embeddings must be trained and saved."""

    @property
    def parameters(self) -> int:
        """How many weights it has."""
        return int(self.model.num_parameters())


def seedling_path() -> Path:
    """The folder of the base that ships."""
    return Path(__file__).resolve().parent.parent / "assets" / SEEDLING


def load_base(
    section: ModelSection, *, device: str | torch.device = "cpu", attention: str | None = None, add_tokens: bool = False
) -> Base:
    """Load the base that `section` names.

    Args:
        section: base, revision, template, precision, context.
        device: where the weights go.
        attention: attention implementation of transformers, `eager` where derivatives need it; None: its choice.
        add_tokens: extend the vocabulary by gemel's tokens where `template = "gemel"` asks for them.

    Raises:
        MissingModel: when it is not there or is no decoder.
        DamagedCheckpoint: when the files do not read back.
    """
    transformers_logging.disable_progress_bar()
    folder = _folder(section.base)
    place = str(folder) if folder else section.base
    revision = section.revision or None
    device = torch.device(device)
    try:
        config = AutoConfig.from_pretrained(place, revision=revision, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(place, revision=revision, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise _not_there(section.base) from error
    if not tokenizer.is_fast:
        raise MissingModel(f"'{section.base}' has no fast tokenizer", hint="A tokenizer.json is needed.")
    precision = choose_precision(section.precision, config, device)
    model = _load_model(section.base, place, revision, precision, device, attention)
    added = 0
    if section.template == "gemel" and add_tokens:
        added = _add_tokens(model, tokenizer)
    limit = getattr(model.config.get_text_config(), "max_position_embeddings", None) or section.context
    return Base(
        model=model.eval(),
        tokenizer=tokenizer,
        template=choose_template(tokenizer, section.template),
        name=section.base,
        folder=folder,
        device=device,
        dtype=_DTYPES.get(precision, torch.float32),
        context=min(section.context, limit),
        precision=precision,
        added=added,
    )


def load_run(
    folder: Path, section: ModelSection, *, device: str | torch.device = "cpu", attention: str | None = None
) -> Base:
    """Load a finished run: its base with the adapter merged in, or the fully trained weights; and its splice.

    Args:
        folder: runs/<id>.
        section: what the run's own `base.json` does not say is taken from here.

    Raises:
        MissingModel: when the folder is no run or its base is gone.
        DamagedCheckpoint: when the adapter does not read back.
        Refused: when something it was trained on was forgotten since.
    """
    refuse_unservable(folder)
    try:
        said = json.loads((folder / BASE_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MissingModel(f"{folder.name} is not a finished run", hint="`gemel train` makes one.") from error
    except ValueError as error:
        raise DamagedCheckpoint(f"{folder.name}/{BASE_FILE} cannot be read", hint="Train again.") from error
    precision = section.precision if section.precision != "auto" else said["precision"]
    wanted = section.model_copy(
        update={
            "base": said["base"],
            "revision": said["revision"],
            "template": said["template"],
            "precision": precision,
        }
    )
    if (folder / "model").exists():
        wanted = wanted.model_copy(update={"base": str(folder / "model")})
    base = load_base(wanted, device=device, attention=attention, add_tokens=said["added"] > 0)
    if (folder / "adapter").exists():
        from gemel.model.lora import load_adapter

        load_adapter(base.model, folder / "adapter")
    if (folder / "splice.safetensors").exists():
        from gemel.model.splice import load_splice

        load_splice(base.model, folder / "splice.safetensors")
    return replace(base, name=said["base"], model=base.model.eval())


def save_base_file(folder: Path, base: Base, revision: str) -> None:
    """Write what `load_run` needs to know about the base under a run."""
    name = str(base.folder) if base.folder and base.name != SEEDLING else base.name
    row = {
        "base": name,
        "revision": revision,
        "template": base.template.name,
        "precision": base.precision,
        "added": base.added,
    }
    (folder / BASE_FILE).write_text(json.dumps(row, indent=1, ensure_ascii=False), encoding="utf-8")


def choose_precision(wanted: str, config: Any, device: torch.device) -> str:
    """The type of the frozen weights; `auto` measures on a CPU and asks an accelerator what it can do.

    Small models stay in fp32 on a CPU, where rounding would cost more than time; from 200 M parameters
    on bf16 is taken where it multiplies faster here or where fp32 would not fit half the memory.
    """
    if wanted != "auto":
        return wanted
    if device.type == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    if device.type == "mps":
        return "fp16"
    size = weights_of(config)
    if size < 200_000_000:
        return "fp32"
    import psutil

    return "bf16" if size * 4 > psutil.virtual_memory().total / 2 or _bf16_is_faster() else "fp32"


def weights_of(config: Any) -> int:
    """How many weights a configuration describes; nothing is allocated."""
    with torch.device("meta"):
        return int(AutoModelForCausalLM.from_config(config).num_parameters())


def _bf16_is_faster() -> bool:
    def seconds(dtype: torch.dtype) -> float:
        a = torch.randn(512, 512).to(dtype)
        best = float("inf")
        for _ in range(5):
            start = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - start)
        return best

    return seconds(torch.bfloat16) < 0.8 * seconds(torch.float32)


def _folder(name: str) -> Path | None:
    if name == SEEDLING:
        return seedling_path()
    path = Path(name).expanduser()
    return path.resolve() if path.is_dir() else None


def _load_model(
    name: str, place: str, revision: str | None, precision: str, device: torch.device, attention: str | None
) -> Any:
    extra: dict[str, Any] = {"dtype": _DTYPES.get(precision, torch.float32)}
    if precision in ("int8", "nf4"):
        from gemel.model.lowbit import quantization

        extra |= {"quantization_config": quantization(precision), "device_map": {"": device}}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            place,
            revision=revision,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation=attention,
            **extra,
        )
    except OSError as error:
        raise _not_there(name) from error
    except Exception as error:
        if type(error).__name__ != "SafetensorError" and not isinstance(error, (ValueError, RuntimeError)):
            raise
        raise DamagedCheckpoint(f"the weights of '{name}' do not read back", hint="Fetch the base again.") from error
    return model if precision in ("int8", "nf4") else model.to(device)


def _add_tokens(model: Any, tokenizer: Any) -> int:
    """Extend vocabulary and embeddings by gemel's tokens; the new rows start at the mean of the old ones."""
    before = len(tokenizer)
    tokenizer.add_tokens(list(SPECIAL_TOKENS), special_tokens=True)
    added = len(tokenizer) - before
    rows = model.get_input_embeddings().weight.shape[0]
    if len(tokenizer) > rows:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tables = {
        id(t.weight): t.weight for t in (model.get_input_embeddings(), model.get_output_embeddings()) if t is not None
    }
    with torch.no_grad():
        for table in tables.values():
            table[before : before + added] = table[:before].float().mean(0).to(table.dtype)
    return added


def _not_there(name: str) -> MissingModel:
    hint = (
        "The base that ships is missing from this installation: reinstall gemel."
        if name == SEEDLING
        else 'Give a local folder, a hub name that is downloaded already, or base = "seedling".'
    )
    return MissingModel(f"the base '{name}' could not be found or is no decoder", hint=hint)
