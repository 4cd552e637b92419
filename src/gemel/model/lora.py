"""Low-rank adapters: LoRA (arXiv:2106.09685), rsLoRA (arXiv:2312.03732), DoRA (arXiv:2402.09353).

The forward pass multiplies by the merged weights once, the backward pass makes only low-rank gradients,
so that a step costs about what the frozen base alone would. Adapters are saved in PEFT's format and
load into PEFT and vLLM. **`inject` changes the model in place; `detach` gives the base back, `merge`
folds the adapter in.** Rows of newly added tokens are trained beside (`train_rows`).
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from gemel.errors import ConfigError, DamagedCheckpoint
from gemel.model.lowbit import dequantized, is_quantized
from gemel.model.onednn import product

__all__ = ["AdapterSpec", "LoraLinear", "detach", "inject", "load_adapter", "merge", "save_adapter", "train_rows"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
PREFIX = "base_model.model."
SPLICE = "splice."
"""Parameters of a trait splice, which is trained beside an adapter."""
ROWS = "token_adapter.trainable_tokens_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class AdapterSpec:
    """The shape of an adapter."""

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    rslora: bool = False
    dora: bool = False
    targets: tuple[str, ...] = ()
    """Names of linear layers (last part of their path); empty: all of the decoder."""

    @property
    def scale(self) -> float:
        """Factor of the update."""
        return self.alpha / (math.sqrt(self.rank) if self.rslora else self.rank)


class LoraLinear(nn.Module):
    """A frozen linear layer with a trained low-rank update.

    Args:
        base: the layer; its weights are not changed.
        spec: the adapter's shape.
        generator: draws the first factor; the second starts at zero, so that nothing changes at first.
    """

    def __init__(self, base: Any, spec: AdapterSpec, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.base = base
        self.spec = spec
        device = base.weight.device
        bound = 1 / math.sqrt(base.in_features)  # Kaiming uniform with a = sqrt(5), as PEFT's
        first = torch.empty(spec.rank, base.in_features).uniform_(-bound, bound, generator=generator)
        self.lora_A = nn.Parameter(first.to(device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, spec.rank, device=device))
        self.magnitude: nn.Parameter | None = None
        if spec.dora:
            self.magnitude = nn.Parameter(self._row_norms())
        self.train(base.training)

    @property
    def weight(self) -> Tensor:
        """The frozen weights, (out, in)."""
        weight: Tensor = self.base.weight
        return weight

    def frozen(self) -> Tensor:
        """The frozen weights as floating numbers, (out, in)."""
        kept = torch.float32 if is_quantized(self.base) else self.base.weight.dtype
        return dequantized(self.base, kept).detach()

    def delta(self) -> Tensor:
        """The update, (out, in) float32."""
        return self.spec.scale * (self.lora_B @ self.lora_A)

    def merged(self) -> Tensor:
        """What the layer multiplies by, (out, in) float32."""
        with torch.no_grad():
            weight = self.frozen().float() + self.delta()
            return weight if self.magnitude is None else weight * (self.magnitude / weight.norm(dim=1))[:, None]

    def forward(self, x: Tensor) -> Tensor:
        bias = self.base.bias
        scale = self.spec.scale
        dropout = self.spec.dropout if self.training else 0.0
        # Merging into 16-bit weights would round small updates away: there the update is added to the output.
        if dropout == 0.0 and x.dtype == torch.float32:
            y: Tensor = _Merged.apply(x, self.lora_A, self.lora_B, self.frozen, scale)
        else:
            low = F.linear(F.dropout(x, dropout), self.lora_A.to(x.dtype))
            frozen = self.frozen().to(x.dtype) if is_quantized(self.base) else self.base.weight
            y = F.linear(x, frozen) + F.linear(low, self.lora_B.to(x.dtype)) * scale
        if self.magnitude is not None:
            y = y * (self.magnitude / self._row_norms()).to(y.dtype)  # the norm is not differentiated (DoRA, 4.3)
        return y if bias is None else y + bias

    def _row_norms(self) -> Tensor:
        with torch.no_grad():
            return (self.frozen().float() + self.delta()).norm(dim=1)


class _Merged(torch.autograd.Function):
    """x (…, in) times (W + scale · B A)ᵀ, with gradients for x, A and B only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, frozen: Callable[[], Tensor], scale: float) -> Tensor:
        ctx.save_for_backward(x, a, b)
        ctx.frozen, ctx.scale = frozen, scale
        return product(x, torch.addmm(frozen(), b, a, alpha=scale))

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = grads
        x, a, b = ctx.saved_tensors
        needed = ctx.needs_input_grad[0]
        g_x = product(grad, torch.addmm(ctx.frozen(), b, a, alpha=ctx.scale).T) if needed else None
        flat_x, flat_g = x.reshape(-1, x.shape[-1]), grad.reshape(-1, grad.shape[-1])
        g_a = product(product(flat_g, (b * ctx.scale).T).T, flat_x.T)
        g_b = product(flat_g.T, product(flat_x, a * ctx.scale).T)
        return g_x, g_a, g_b, None, None


class RowsEmbedding(nn.Module):
    """An embedding whose rows from `start` on are trained while the others are frozen."""

    def __init__(self, base: Any, rows: nn.Parameter, start: int) -> None:
        super().__init__()
        self.base, self.rows, self.start = base, rows, start

    @property
    def weight(self) -> Tensor:
        """The frozen table, (vocabulary, width)."""
        weight: Tensor = self.base.weight
        return weight

    def forward(self, ids: Tensor) -> Tensor:
        place = ids - self.start
        new = (place >= 0) & (place < len(self.rows))
        kept: Tensor = self.base(ids)
        fresh = F.embedding(place.clamp(0, len(self.rows) - 1), self.rows).to(kept.dtype)
        return torch.where(new[..., None], fresh, kept)


class RowsHead(nn.Module):
    """A head whose rows from `start` on are trained while the others are frozen."""

    def __init__(self, base: Any, rows: nn.Parameter, start: int) -> None:
        super().__init__()
        self.base, self.rows, self.start = base, rows, start

    @property
    def weight(self) -> Tensor:
        """The frozen table, (vocabulary, width)."""
        weight: Tensor = self.base.weight
        return weight

    @property
    def bias(self) -> Tensor | None:
        """The head's bias, mostly None."""
        bias: Tensor | None = self.base.bias
        return bias

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.base(x)
        new = F.linear(x, self.rows.to(x.dtype))
        return torch.cat([y[..., : self.start], new, y[..., self.start + len(self.rows) :]], dim=-1)


def inject(model: Any, spec: AdapterSpec, *, seed: int = 0) -> list[str]:
    """Freeze the model (but a splice) and put an adapter on its linear layers; returns their paths.

    Raises:
        ConfigError: when no layer has one of the wanted names.
    """
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith(SPLICE))
    generator = torch.Generator().manual_seed(seed)
    paths = [path for path, _ in _linears(model, spec.targets)]
    if not paths:
        raise ConfigError(
            f"no linear layer is called {' or '.join(spec.targets)}", hint="Leave train.targets empty to take all."
        )
    for path in paths:
        parent, name = _parent(model, path)
        setattr(parent, name, LoraLinear(getattr(parent, name), spec, generator))
    return paths


def train_rows(model: Any, start: int, count: int) -> None:
    """Train the embeddings (and the head's rows) of tokens `start` to `start + count - 1` beside an adapter."""
    table, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and head.weight is table.weight
    rows = nn.Parameter(table.weight.detach()[start : start + count].float().clone())
    model.set_input_embeddings(RowsEmbedding(table, rows, start))
    if head is not None:
        out = rows if tied else nn.Parameter(head.weight.detach()[start : start + count].float().clone())
        model.set_output_embeddings(RowsHead(head, out, start))


def detach(model: Any) -> None:
    """Take the adapter off: the base is as it was before `inject`."""
    for path, layer in list(_adapted(model)):
        parent, name = _parent(model, path)
        setattr(parent, name, layer.base)
    _unwrap_rows(model, write=False)


def merge(model: Any) -> None:
    """Fold the adapter into the weights; quantised layers keep it beside them."""
    for path, layer in list(_adapted(model)):
        if is_quantized(layer.base):
            continue
        with torch.no_grad():
            layer.base.weight.copy_(layer.merged())
        parent, name = _parent(model, path)
        setattr(parent, name, layer.base)
    _unwrap_rows(model, write=True)


def save_adapter(model: Any, folder: Path, *, base: str, revision: str = "") -> None:
    """Write the adapter in PEFT's format."""
    layers = dict(_adapted(model))
    spec = next(iter(layers.values())).spec
    tensors: dict[str, Tensor] = {}
    for path, layer in layers.items():
        tensors[f"{PREFIX}{path}.lora_A.weight"] = layer.lora_A
        tensors[f"{PREFIX}{path}.lora_B.weight"] = layer.lora_B
        if layer.magnitude is not None:
            tensors[f"{PREFIX}{path}.lora_magnitude_vector"] = layer.magnitude
    tokens: dict[str, list[int]] = {}
    for path, rows in _rows(model):
        tensors[f"{PREFIX}{path}.{ROWS}"] = rows.rows
        tokens[path.rpartition(".")[2]] = list(range(rows.start, rows.start + len(rows.rows)))
    row = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "revision": revision or None,
        "r": spec.rank,
        "lora_alpha": spec.alpha,
        "lora_dropout": spec.dropout,
        "use_rslora": spec.rslora,
        "use_dora": spec.dora,
        "target_modules": sorted({path.rpartition(".")[2] for path in layers}),
        "trainable_token_indices": tokens or None,
        "bias": "none",
        "inference_mode": True,
    }
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: v.detach().contiguous().cpu() for k, v in tensors.items()}, folder / WEIGHTS, {"format": "pt"})
    (folder / CONFIG).write_text(json.dumps(row, indent=1), encoding="utf-8")


def load_adapter(model: Any, folder: Path, *, fold: bool = True) -> AdapterSpec:
    """Put a saved adapter (ours or PEFT's) on a base; `fold` merges it into the weights.

    Raises:
        DamagedCheckpoint: when the files do not read back or do not fit the model.
    """
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(folder / WEIGHTS)
        spec = AdapterSpec(
            rank=said["r"],
            alpha=said["lora_alpha"],
            dropout=said.get("lora_dropout", 0.0),
            rslora=said.get("use_rslora", False),
            dora=said.get("use_dora", False),
        )
        for key in [k for k in tensors if k.endswith(".lora_A.weight")]:
            path = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
            parent, name = _parent(model, path)
            layer = LoraLinear(getattr(parent, name), spec)
            stem = f"{PREFIX}{path}"
            _fill(layer.lora_A, tensors[key])
            _fill(layer.lora_B, tensors[f"{stem}.lora_B.weight"])
            if layer.magnitude is not None:
                _fill(layer.magnitude, tensors[f"{stem}.lora_magnitude_vector"])
            layer.base.requires_grad_(False)
            setattr(parent, name, layer)
        _load_rows(model, said, tensors)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise DamagedCheckpoint(
            f"the adapter in {folder.parent.name} does not read back or does not fit its base",
            hint="Train again, or promote an earlier run.",
        ) from error
    if fold:
        merge(model)
    return spec


def _load_rows(model: Any, said: dict[str, Any], tensors: dict[str, Tensor]) -> None:
    """Write trained token embeddings into the tables."""
    for name, ids in (said.get("trainable_token_indices") or {}).items():
        for key in [k for k in tensors if k.endswith(f"{name}.{ROWS}")]:
            module = model.get_submodule(key.removeprefix(PREFIX).removesuffix(f".{ROWS}"))
            with torch.no_grad():
                module.weight[ids] = tensors[key].to(module.weight)


def _fill(parameter: nn.Parameter, value: Tensor) -> None:
    with torch.no_grad():
        parameter.copy_(value)


def _linears(model: Any, targets: tuple[str, ...]) -> Iterator[tuple[str, nn.Module]]:
    head = model.get_output_embeddings()
    for path, layer in model.named_modules():
        plain = isinstance(layer, nn.Linear) or is_quantized(layer)
        if (
            plain
            and layer is not head
            and not path.startswith(SPLICE)
            and (not targets or path.rpartition(".")[2] in targets)
        ):
            yield path, layer


def _adapted(model: Any) -> Iterator[tuple[str, LoraLinear]]:
    for path, layer in model.named_modules():
        if isinstance(layer, LoraLinear):
            yield path, layer


def _rows(model: Any) -> Iterator[tuple[str, RowsEmbedding | RowsHead]]:
    """The trained rows, each parameter once."""
    seen: set[int] = set()
    for path, layer in model.named_modules():
        if isinstance(layer, RowsEmbedding | RowsHead) and id(layer.rows) not in seen:
            seen.add(id(layer.rows))
            yield path, layer


def _unwrap_rows(model: Any, *, write: bool) -> None:
    for get, put in (
        (model.get_input_embeddings, model.set_input_embeddings),
        (model.get_output_embeddings, model.set_output_embeddings),
    ):
        layer = get()
        if isinstance(layer, RowsEmbedding | RowsHead):
            if write:
                with torch.no_grad():
                    layer.base.weight[layer.start : layer.start + len(layer.rows)] = layer.rows.to(layer.base.weight)
            put(layer.base)


def _parent(model: Any, path: str) -> tuple[Any, str]:
    where, _, name = path.rpartition(".")
    return model.get_submodule(where), name
