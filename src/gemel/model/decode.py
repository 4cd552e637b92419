"""One forward step over many chats that each have a slot of the key-value cache.

`Llama` runs decoders of Llama's form (Llama, Mistral, Qwen2, SmolLM) straight on their weights, which
takes about half the time of the stock classes at one token; `Stock` runs any Hugging Face decoder on
the same slots. `decoder_for` takes the fast one only after it gave the stock one's logits. Rows of a
batch stand at different lengths; nothing here samples or schedules.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Cache

from gemel.errors import ModelError
from gemel.model.adapters import Adapters, Pair, joined
from gemel.model.base import Base
from gemel.model.int8 import Packed, available
from gemel.model.onednn import Ordered, fits

__all__ = ["Decoder", "Llama", "Stock", "decoder_for"]

_FORMS = {"LlamaForCausalLM", "MistralForCausalLM", "Qwen2ForCausalLM"}
_GROUPS: Mapping[str, Sequence[str]] = {
    "qkv": ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    "out": ("self_attn.o_proj",),
    "up": ("mlp.gate_proj", "mlp.up_proj"),
    "down": ("mlp.down_proj",),
}
"""Layers that read the same input, by the name of their joined weights."""
_FIRST = 128
"""Tokens a slot holds at first; the cache doubles when a chat outgrows it."""


class Decoder(ABC):
    """A model with `slots` places for chats.

    Args:
        base: the model.
        slots: chats that fit at once.
        dtype: type of what flows between the layers and of the cache; None: the weights'.
    """

    def __init__(self, base: Base, slots: int, dtype: torch.dtype | None = None) -> None:
        config = base.model.config.get_text_config()
        self.base = base
        self.slots = slots
        self.dtype = dtype or base.dtype
        self.layers = int(config.num_hidden_layers)
        self.heads = int(config.num_attention_heads)
        self.kv_heads = int(getattr(config, "num_key_value_heads", None) or self.heads)
        self.size = int(getattr(config, "head_dim", None) or config.hidden_size // self.heads)
        self.room = 0
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []
        self.adapters = Adapters()
        self.grow(_FIRST)

    @abstractmethod
    def step(self, ids: Tensor, start: Tensor, rows: slice, *, keep: int = 1) -> Tensor:
        """Read new tokens and give the scores of what follows.

        Args:
            ids: (b, q) tokens; with b > 1, q is 1.
            start: (b,) how many tokens each row holds already; the new ones are written behind them.
            rows: the slots, in order.
            keep: how many of the last places are wanted.

        Returns:
            (b, keep, vocabulary) float32 logits after the last tokens.
        """

    def add(self, name: str, pairs: Mapping[str, Pair]) -> None:
        """Add an adapter by the paths of its layers, which `adapters.choose` then takes for a row.

        Raises:
            ModelError: when the model has no such layer.
        """
        known = {path for path, module in self.base.model.named_modules() if hasattr(module, "weight")}
        if unknown := sorted(set(pairs) - known):
            raise ModelError(f"the base has no layer '{unknown[0]}'", hint="The adapter was made for another base.")
        here = {path: Pair(*(part.to(self.base.device, self.dtype) for part in pair)) for path, pair in pairs.items()}
        self.adapters.add(name, self._layers(here))

    @abstractmethod
    def _layers(self, pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
        """The same changes by the names under which `step` asks for them."""

    def grow(self, room: int) -> None:
        """Make every slot hold at least `room` tokens; what is there stays."""
        if room <= self.room:
            return
        while self.room < room:
            self.room = max(_FIRST, 2 * self.room)
        shape = (self.slots, self.kv_heads, self.room, self.size)
        for store in (self.keys, self.values):
            old = list(store)
            store.clear()
            for layer in range(self.layers):
                new = torch.zeros(shape, dtype=self.dtype, device=self.base.device)
                if old:
                    new[:, :, : old[layer].shape[2]] = old[layer]
                    old[layer] = new[:0]
                store.append(new)

    def copy(self, source: int, target: int, length: int) -> None:
        """Let slot `target` begin with the first `length` tokens of slot `source`."""
        for store in (*self.keys, *self.values):
            store[target, :, :length] = store[source, :, :length]

    def write(self, layer: int, k: Tensor, v: Tensor, start: Tensor, rows: slice) -> tuple[Tensor, Tensor]:
        """Put new keys and values (b, heads, q, size) behind `start`; returns all of the rows, (b, heads, T, size)."""
        keys, values = self.keys[layer][rows], self.values[layer][rows]
        q = k.shape[2]
        if len(k) == 1:
            at = int(start[0])
            end = at + q
            keys[0, :, at:end], values[0, :, at:end] = k[0], v[0]
        else:
            each = torch.arange(len(k), device=k.device)
            keys[each, :, start], values[each, :, start] = k[:, :, 0], v[:, :, 0]
            end = int(start.max()) + q
        return keys[:, :, :end], values[:, :, :end]

    def mask(self, start: Tensor, q: int) -> Tensor:
        """(b, 1, q, T) additive: token i of a row sees what stands at or before its place."""
        end = int(start.max()) + q
        place = start[:, None] + torch.arange(q, device=start.device)  # (b, q)
        hidden = torch.arange(end, device=start.device) > place[:, :, None]  # (b, q, T)
        return torch.zeros(hidden.shape, dtype=self.dtype, device=start.device).masked_fill_(
            hidden, torch.finfo(self.dtype).min
        )[:, None]


class _Slots(Cache):
    """Hands the slots to a stock model."""

    def __init__(self, decoder: Decoder, start: Tensor, rows: slice) -> None:
        super().__init__(layers=[])
        self._decoder, self._start, self._rows = decoder, start, rows

    def update(
        self, key_states: Tensor, value_states: Tensor, layer_idx: int, *_: Any, **__: Any
    ) -> tuple[Tensor, Tensor]:
        return self._decoder.write(layer_idx, key_states, value_states, self._start, self._rows)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return int(self._start.max())


class Stock(Decoder):
    """Any Hugging Face decoder."""

    def __init__(self, base: Base, slots: int) -> None:
        super().__init__(base, slots)
        config = base.model.config.get_text_config()
        kinds = set(getattr(config, "layer_types", None) or ())
        self._window = int(getattr(config, "sliding_window", None) or 0)
        self._kinds = kinds if kinds - {"full_attention"} else set()
        self._hooked: set[str] = set()

    def _layers(self, pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
        for path in set(pairs) - self._hooked:
            self.base.model.get_submodule(path).register_forward_hook(_adding(self.adapters, path))
            self._hooked.add(path)
        return pairs

    def step(self, ids: Tensor, start: Tensor, rows: slice, *, keep: int = 1) -> Tensor:
        q = ids.shape[1]
        self.grow(int(start.max()) + q)
        logits = self.base.model(
            input_ids=ids,
            position_ids=start[:, None] + torch.arange(q, device=ids.device),
            attention_mask=self._masks(start, q),
            past_key_values=_Slots(self, start, rows),
            use_cache=True,
            logits_to_keep=keep,
        ).logits
        out: Tensor = logits[:, -keep:].float()
        return out

    def _masks(self, start: Tensor, q: int) -> Any:
        full = self.mask(start, q)
        if not self._kinds:
            return full
        place = start[:, None] + torch.arange(q, device=start.device)
        far = torch.arange(full.shape[-1], device=start.device) <= place[:, :, None] - self._window
        near = full.masked_fill(far[:, None], torch.finfo(full.dtype).min)
        return {kind: full if kind == "full_attention" else near for kind in self._kinds | {"full_attention"}}


def _adding(adapters: Adapters, path: str) -> Any:
    def add(_module: Any, inputs: Any, output: Tensor) -> Tensor:
        change = adapters.change(path, inputs[0])
        return output if change is None else output + change

    return add


class Llama(Decoder):
    """Decoders of Llama's form, straight on their weights.

    The Hugging Face model stays usable. On a CPU with room for it the weights are copied into the layout of oneDNN,
    with `int8` they are rounded copies; what flows between copies is float32 whatever the type of the weights, since
    few CPUs gain by halves. Elsewhere the joined weights are shared: the model's tensors become views of them.

    Args:
        base: the model.
        slots: chats that fit at once.
        int8: multiply by eight-bit weights.
    """

    def __init__(self, base: Base, slots: int, *, int8: bool = False) -> None:
        copied = int8 or (base.device.type == "cpu" and fits(base.parameters))
        super().__init__(base, slots, torch.float32 if copied else None)
        model = base.model.model
        self._embed: Tensor = model.embed_tokens.weight
        self._eps: float = model.norm.variance_epsilon
        self._norm: Tensor = model.norm.weight.to(self.dtype)
        self._width = (self._embed.shape[1],)
        linear: Any = Packed if int8 else Ordered if copied else _Joined
        join = _beside if copied else _join
        self._head = linear(base.model.lm_head.weight, base.model.lm_head.bias)
        self._blocks = [
            (
                layer.input_layernorm.weight.to(self.dtype),
                linear(*join(layer.self_attn.q_proj, layer.self_attn.k_proj, layer.self_attn.v_proj)),
                linear(layer.self_attn.o_proj.weight, layer.self_attn.o_proj.bias),
                layer.post_attention_layernorm.weight.to(self.dtype),
                linear(*join(layer.mlp.gate_proj, layer.mlp.up_proj)),
                linear(layer.mlp.down_proj.weight, layer.mlp.down_proj.bias),
            )
            for layer in model.layers
        ]
        place = torch.arange(base.context + 1, device=base.device)[None]
        cos, sin = model.rotary_emb(self._embed[:1].to(self.dtype), place)  # (1, context + 1, size)
        half = self.size // 2
        self._cos, self._sin = cos[0], torch.cat((-sin[0, :, :half], sin[0, :, half:]), -1)
        self._scale = self.size**-0.5

    def _layers(self, pairs: Mapping[str, Pair]) -> Mapping[str, Pair]:
        out = {}
        for layer in range(self.layers):
            for group, names in _GROUPS.items():
                paths = [f"model.layers.{layer}.{name}" for name in names]
                sizes = [self.base.model.get_submodule(path).out_features for path in paths]
                pair = joined([pairs.get(path) for path in paths], sizes)
                if pair is not None:
                    out[f"{layer}.{group}"] = pair
        return out

    def step(self, ids: Tensor, start: Tensor, rows: slice, *, keep: int = 1) -> Tensor:
        b, q = ids.shape
        self.grow(int(start.max()) + q)
        place = start[:, None] + torch.arange(q, device=ids.device)
        cos, sin = self._cos[place][:, :, None], self._sin[place][:, :, None]  # (b, q, 1, size)
        mask = self.mask(start, q) if b > 1 or (q > 1 and int(start[0]) > 0) else None
        x = F.embedding(ids, self._embed).to(self.dtype)  # (b, q, width)
        turned, half = self.heads + self.kv_heads, self.size // 2
        for layer, (first, qkv, out, second, up, down) in enumerate(self._blocks):
            y = self._times(qkv, layer, "qkv", F.rms_norm(x, self._width, first, self._eps)).view(b, q, -1, self.size)
            qk, v = y[:, :, :turned], y[:, :, turned:]
            qk = torch.addcmul(qk * cos, qk.roll(half, -1), sin)  # rotary positions (arXiv:2104.09864)
            keys, values = self.write(layer, qk[:, :, self.heads :].transpose(1, 2), v.transpose(1, 2), start, rows)
            y = self._attend(qk[:, :, : self.heads].transpose(1, 2), keys, values, mask)
            x = x + self._times(out, layer, "out", y)
            gate, wide = self._times(up, layer, "up", F.rms_norm(x, self._width, second, self._eps)).chunk(2, -1)
            x = x + self._times(down, layer, "down", F.silu(gate) * wide)
        logits: Tensor = self._head(F.rms_norm(x[:, -keep:], self._width, self._norm, self._eps))
        return logits.float()

    def _times(self, linear: Any, layer: int, group: str, x: Tensor) -> Tensor:
        """A linear map with what the rows' adapters add."""
        y: Tensor = linear(x)
        change = self.adapters.change(f"{layer}.{group}", x) if self.adapters.chosen else None
        return y if change is None else y + change

    def _attend(self, q: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
        """(b, heads, q, size) over (b, kv heads, T, size) → (b, q, heads * size)."""
        b, _, n, _ = q.shape
        if n > 1:
            grouped = self.kv_heads != self.heads
            y = F.scaled_dot_product_attention(q, keys, values, mask, is_causal=mask is None, enable_gqa=grouped)
            return y.transpose(1, 2).reshape(b, n, -1)
        q = q.reshape(b, self.kv_heads, -1, self.size)  # the heads that share a key stand together
        # keys times queries, not the other way round: read as they lie
        scores = torch.matmul(keys, q.transpose(2, 3)).transpose(2, 3)  # (b, kv heads, group, T)
        scores = scores * self._scale if mask is None else torch.add(mask, scores, alpha=self._scale)
        return torch.matmul(scores.softmax(-1), values).view(b, 1, -1)


class _Joined:
    """A linear map on given weights."""

    def __init__(self, weight: Tensor, bias: Tensor | None) -> None:
        self._weight, self._bias = weight, bias

    def __call__(self, x: Tensor) -> Tensor:
        return F.linear(x, self._weight, self._bias)


def _beside(*layers: Any) -> tuple[Tensor, Tensor | None]:
    """One weight for several layers that read the same input."""
    bias = None if layers[0].bias is None else torch.cat([layer.bias.data for layer in layers])
    return torch.cat([layer.weight.data for layer in layers]), bias


def _join(*layers: Any) -> tuple[Tensor, Tensor | None]:
    """The same, of which the layers become views."""
    weight, bias = _beside(*layers)
    at = 0
    for layer in layers:
        end = at + layer.out_features
        layer.weight.data = weight[at:end]
        if bias is not None:
            layer.bias.data = bias[at:end]
        at = end
    return weight, bias


def decoder_for(base: Base, slots: int, *, int8: bool = False) -> Decoder:
    """The fastest decoder that gives the stock one's logits on this base.

    Args:
        base: the model; where a splice hangs in it, only the stock form will do.
        slots: chats at once.
        int8: round the weights where this processor gains by it.
    """
    if type(base.model).__name__ not in _FORMS or not _plain(base):
        return Stock(base, slots)
    fast = Llama(base, slots, int8=int8 and available() and base.device.type == "cpu")
    probe = torch.arange(1, 9, device=base.device)[None] % len(base.tokenizer)
    zero = torch.zeros(1, dtype=torch.long, device=base.device)
    with torch.inference_mode():
        wanted = Stock(base, 1).step(probe, zero, slice(0, 1))
        got = fast.step(probe, zero, slice(0, 1))
    bound = 0.1 if int8 or base.dtype != torch.float32 else 1e-3
    return fast if float((wanted - got).norm() / wanted.norm()) < bound else Stock(base, slots)


def _plain(base: Base) -> bool:
    """Whether every layer is a bare linear one, attention sees everything, and nothing hangs in the model."""
    config = base.model.config
    layers = [m for name, m in base.model.named_modules() if name.endswith("_proj")]
    rope = getattr(config, "rope_parameters", None) or {}
    return (
        not hasattr(base.model, "splice")
        and all(type(m) is torch.nn.Linear for m in layers)
        and config.hidden_act == "silu"
        and not (getattr(config, "sliding_window", None) and getattr(config, "use_sliding_window", True))
        and rope.get("rope_type", "default") in ("default", "linear", "llama3")
    )
