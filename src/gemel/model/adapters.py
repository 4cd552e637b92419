"""Several low-rank adapters beside one set of weights, chosen row by row inside a batch.

A linear map W x of a row becomes W x + B (A x) with the A and B of that row's adapter (LoRA, arXiv:2106.09685;
many at once as in S-LoRA, arXiv:2311.03285). The adapters that a batch names are stacked to one A and one B; what
a row's own adapter does not make is zeroed between the two, so that a batch costs two products whoever is in it.
Which answer a row gets does not depend on the others' (up to the rounding of matrix products).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from gemel.errors import DamagedCheckpoint
from gemel.model.lora import CONFIG, PREFIX, WEIGHTS, AdapterSpec

__all__ = ["Adapters", "Pair", "difference", "joined", "pairs_of"]

KEPT = 16
"""Sets of adapters whose stacks are kept."""


class Pair(NamedTuple):
    """A low-rank change of one linear layer."""

    a: Tensor
    """(rank, in)."""
    b: Tensor
    """(out, rank), the scale in it."""


class Adapters:
    """All adapters of a decoder, by name and layer; layers are named by whoever asks."""

    def __init__(self) -> None:
        self._known: dict[str, Mapping[str, Pair]] = {}
        self._stacks: dict[tuple[str, ...], dict[str, _Stack]] = {}
        self._now: dict[str, _Stack] = {}
        self._rows: tuple[str, ...] = ()
        self._own: dict[str, Tensor] = {}
        """By layer, which ranks a row's own adapter has: (b, 1, ranks of all)."""

    @property
    def names(self) -> frozenset[str]:
        """What rows may name."""
        return frozenset(self._known)

    @property
    def chosen(self) -> bool:
        """Whether any row has an adapter now."""
        return bool(self._now)

    def add(self, name: str, pairs: Mapping[str, Pair]) -> None:
        """Add an adapter, or put another one in its place."""
        self._known[name] = pairs
        self._stacks.clear()
        self._rows, self._now = (), {}

    def choose(self, names: Sequence[str]) -> None:
        """Name the adapter of every row of the passes that follow; "" is none."""
        rows = tuple(names)
        if rows == self._rows:
            return
        wanted = tuple(sorted({n for n in rows if n}))
        self._rows, self._own = rows, {}
        self._now = self._stacked(wanted) if wanted else {}

    def change(self, layer: str, x: Tensor) -> Tensor | None:
        """What the rows' adapters add to the layer's output, (b, q, out), for its input x (b, q, in)."""
        if layer not in self._now:
            return None
        stack = self._now[layer]
        if layer not in self._own:
            place = {name: i for i, name in enumerate(stack.names)}
            owner = torch.tensor([place.get(n, -1) for n in self._rows], device=x.device)
            self._own[layer] = (owner[:, None] == stack.owners).to(x.dtype)[:, None]
        return F.linear(F.linear(x, stack.a) * self._own[layer], stack.b)

    def _stacked(self, names: tuple[str, ...]) -> dict[str, _Stack]:
        """For each layer one A and one B of all these adapters, and which of them each rank belongs to."""
        if names not in self._stacks:
            while len(self._stacks) >= KEPT:
                self._stacks.pop(next(iter(self._stacks)))
            out = {}
            for layer in dict.fromkeys(key for n in names for key in self._known[n]):
                having = [(i, self._known[n][layer]) for i, n in enumerate(names) if layer in self._known[n]]
                a, b = torch.cat([p.a for _, p in having]), torch.cat([p.b for _, p in having], dim=1)
                owners = torch.cat([torch.full((len(p.a),), i) for i, p in having]).to(a.device)
                out[layer] = _Stack(a, b, owners, names)
            self._stacks[names] = out
        return self._stacks[names]


class _Stack(NamedTuple):
    """The adapters of a batch at one layer."""

    a: Tensor
    """(ranks of all, in)."""
    b: Tensor
    """(out, ranks of all)."""
    owners: Tensor
    """(ranks of all,) which of the names has it."""
    names: tuple[str, ...]


def joined(pairs: Sequence[Pair | None], sizes: Sequence[int]) -> Pair | None:
    """The change of several layers with one input, whose outputs (of these sizes) stand one behind the other."""
    there = [p for p in pairs if p is not None]
    if not there:
        return None
    rank = sum(len(p.a) for p in there)
    b = torch.zeros(sum(sizes), rank, dtype=there[0].b.dtype, device=there[0].b.device)
    row = column = 0
    for pair, size in zip(pairs, sizes, strict=True):
        if pair is not None:
            b[row : row + size, column : column + len(pair.a)] = pair.b
            column += len(pair.a)
        row += size
    return Pair(torch.cat([p.a for p in there]), b)


def pairs_of(
    folder: Path, *, dtype: torch.dtype = torch.float32, device: torch.device | str = "cpu"
) -> dict[str, Pair]:
    """The changes that a saved adapter makes, by the path of the layer; empty where it does more than that.

    An adapter with DoRA's magnitudes, or with token embeddings of its own, is no low-rank change: it has to be
    loaded into weights of its own.

    Raises:
        DamagedCheckpoint: when the files do not read back.
    """
    try:
        said = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        if said.get("use_dora") or said.get("trainable_token_indices"):
            return {}
        tensors = load_file(folder / WEIGHTS)
        spec = AdapterSpec(rank=said["r"], alpha=said["lora_alpha"], rslora=said.get("use_rslora", False))
        out = {}
        for key in [k for k in tensors if k.endswith(".lora_A.weight")]:
            stem = key.removesuffix(".lora_A.weight")
            b = tensors[f"{stem}.lora_B.weight"].float() * spec.scale
            out[stem.removeprefix(PREFIX)] = Pair(tensors[key].to(device, dtype), b.to(device, dtype))
        return out
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise DamagedCheckpoint(
            f"the adapter in {folder.parent.name} does not read back", hint="Train again."
        ) from error


def difference(wanted: Mapping[str, Pair], loaded: Mapping[str, Pair]) -> dict[str, Pair]:
    """The changes that make `wanted` out of weights with `loaded` folded in."""
    out = {}
    for layer in {*wanted, *loaded}:
        parts = [p for p in (wanted.get(layer), _minus(loaded.get(layer))) if p is not None]
        out[layer] = Pair(torch.cat([p.a for p in parts]), torch.cat([p.b for p in parts], dim=1))
    return out


def _minus(pair: Pair | None) -> Pair | None:
    return None if pair is None else Pair(pair.a, -pair.b)
