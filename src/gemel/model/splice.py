"""A trait vector spliced into every layer of a Hugging Face decoder, zero at the start.

A small conditioner turns the vector z into gains and shifts around identity: norms become
LN(x)·(1 + g) + b and the branches' outputs f(·)·(1 + a) (as in FiLM, Perez et al. 2018, and adaptive layer
norm zero, Peebles & Xie 2023). All heads begin at exactly zero, so the logits are bit-equal to the base's.
**`wrap` changes the model in place** (hooks and a submodule called `splice`); `unwrap` takes both away again.
It works with a frozen base, with LoRA and with full training, and does not cover how z is made.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gemel.config import TraitsSection
from gemel.errors import DamagedCheckpoint, ModelError

__all__ = ["WEIGHTS", "Splice", "load_splice", "unwrap", "wrap"]

WEIGHTS = "splice.safetensors"
Kind = Literal["modulate", "additive"]
Layers = Literal["all", "early", "middle", "late"]


class Site(NamedTuple):
    """A place in the decoder that is modulated."""

    module: nn.Module
    kind: Literal["norm", "branch", "layer"]
    width: int
    """Channels of the module's output."""

    @property
    def outputs(self) -> int:
        """How many numbers the site takes: gain and shift of a norm, else one a channel."""
        return 2 * self.width if self.kind == "norm" else self.width


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a saved splice needs to be built again."""

    dim: int
    """Slots of the trait vector."""
    hidden: int
    kind: Kind
    layers: Layers
    outputs: int
    """Of all sites together."""


class Splice(nn.Module):
    """The conditioner and its heads. `set` says which traits hold for the next forward passes."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.body = nn.Sequential(
            nn.Linear(shape.dim, shape.hidden), nn.SiLU(), nn.Linear(shape.hidden, shape.hidden), nn.SiLU()
        )
        self.heads = nn.Linear(shape.hidden, shape.outputs)
        nn.init.zeros_(self.heads.weight)
        nn.init.zeros_(self.heads.bias)
        self._sites: tuple[Site, ...] = ()
        self._handles: list[Any] = []
        self._z: Tensor | None = None
        self._index: Tensor | None = None
        self._moved: Tensor | None = None
        self._now: list[tuple[Tensor, ...]] | None = None
        self._made = (-1, -1)

    def set(self, z: Tensor | None, index: Tensor | None = None, *, moved: Tensor | None = None) -> None:
        """Condition the forward passes that follow, until the next call; None: the base as it is.

        Args:
            z: (B, d) for whole sequences, (B, T, d) per token, or (U, d) distinct rows with `index`.
            index: (B, T), which row of z holds for each token. A token's row acts on the prediction of the next.
            moved: (B,) 1 where z acts on the sequence, 0 where the base stays as it is; None: it acts on all.
        """
        if z is not None and z.shape[-1] != self.shape.dim:
            raise ValueError(f"the splice takes {self.shape.dim} slots, not {z.shape[-1]}")
        self._z = z if z is None or z.ndim == 3 or index is not None else z[:, None, :]
        self._index = index
        self._moved = moved
        self._now = None

    def _prepare(self, *_: Any) -> None:
        """Compute what every site takes: at each pass while gradients are kept, once for a whole generation else."""
        if self._z is None:
            self._now = None
        elif self._now is None or torch.is_grad_enabled() or self._made != self._version():
            weight = self.heads.weight
            out = self.heads(self.body(self._z.to(weight.device, weight.dtype)))  # (B, 1|T, outputs) | (U, outputs)
            out = out if self._moved is None else out * self._moved.to(out)[:, None, None]
            pieces = out.split([s.outputs for s in self._sites], dim=-1)
            self._now = [self._terms(site, piece) for site, piece in zip(self._sites, pieces)]
            self._made = (-1, -1) if torch.is_grad_enabled() else self._version()

    def _version(self) -> tuple[int, int]:
        """Changes with every update of the weights, so that an old result is never used."""
        return self.heads.weight._version, next(self.body.parameters())._version

    def _terms(self, site: Site, piece: Tensor) -> tuple[Tensor, ...]:
        if site.kind == "norm":
            gain, shift = piece.chunk(2, dim=-1)
            return 1 + gain, shift
        return (1 + piece,) if site.kind == "branch" else (piece,)

    def _at(self, number: int) -> Any:
        kind = self._sites[number].kind

        def act(_module: nn.Module, _inputs: Any, output: Any) -> Any:
            now = self._now
            if now is None:
                return output
            whole = isinstance(output, Tensor)
            x: Tensor = output if whole else output[0]
            terms = now[number]
            if self._index is not None or terms[0].dtype is not x.dtype or x.ndim == 2:
                terms = tuple(self._spread(term, x) for term in terms)
            if kind == "norm":
                x = torch.addcmul(terms[1], x, terms[0])
            else:
                x = x * terms[0] if kind == "branch" else x + terms[0]
            return x if whole else (x, *output[1:])

        return act

    def _spread(self, term: Tensor, x: Tensor) -> Tensor:
        if self._index is not None:
            term = F.embedding(self._index, term)  # (B, T, channels)
        if x.ndim == 2:  # OPT hands its second half (B · T, channels)
            term = term.expand(len(term), len(x) // len(term), x.shape[-1]).reshape(x.shape)
        return term.to(x.dtype)

    def attach(self, model: nn.Module) -> None:
        """Hang the hooks into `model`; `wrap` and `load_splice` call this."""
        trunk, layers = _decoder(model)
        self._sites = tuple(_sites(layers, self.shape.kind, self.shape.layers, _width(model)))
        if sum(s.outputs for s in self._sites) != self.shape.outputs:
            raise DamagedCheckpoint("the splice was made for another base", hint="Load it with the base of its run.")
        self._handles = [trunk.register_forward_pre_hook(self._prepare)]
        self._handles += [site.module.register_forward_hook(self._at(i)) for i, site in enumerate(self._sites)]
        model.add_module("splice", self)

    def detach(self) -> None:
        """Take every hook away again."""
        for handle in self._handles:
            handle.remove()
        self._handles, self._sites, self._now = [], (), None

    def save(self, path: Path) -> None:
        """Write weights and shape as safetensors; the caller makes the write atomic."""
        from safetensors.torch import save_file

        said = {k: str(v) for k, v in asdict(self.shape).items()}
        save_file({k: v.detach().cpu().contiguous() for k, v in self.state_dict().items()}, str(path), metadata=said)


def wrap(model: nn.Module, spec_dim: int, section: TraitsSection, *, seed: int = 0) -> Splice:
    """Splice a fresh conditioner into `model`, in place. The logits stay bit-equal until it is trained.

    Args:
        model: any Hugging Face decoder, with or without adapters.
        spec_dim: slots of the trait vector.

    Raises:
        ModelError: when the model has no layers that can be told apart, or is wrapped already.
    """
    if hasattr(model, "splice"):
        raise ModelError("the model is spliced already", hint="Call `unwrap(model)` first.")
    _, layers = _decoder(model)
    outputs = sum(s.outputs for s in _sites(layers, section.kind, section.layers, _width(model)))
    shape = Shape(dim=spec_dim, hidden=section.hidden, kind=section.kind, layers=section.layers, outputs=outputs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        splice = Splice(shape)
    splice.to(next(model.parameters()).device)
    splice.attach(model)
    return splice


def unwrap(model: nn.Module) -> None:
    """Take the splice out of `model`; a model without one is left alone."""
    splice = getattr(model, "splice", None)
    if splice is not None:
        splice.detach()
        del model.splice


def load_splice(model: nn.Module, path: Path) -> Splice:
    """Read a saved splice into `model`, in place.

    Raises:
        DamagedCheckpoint: when it does not read back or belongs to another base.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            said = file.metadata()
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        numbers = {k: int(said[k]) for k in ("dim", "hidden", "outputs")}
        splice = Splice(Shape(**numbers, kind=said["kind"], layers=said["layers"]))
        splice.load_state_dict(weights)
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DamagedCheckpoint(f"{path.name} cannot be read", hint="Train the run again.") from error
    splice.to(next(model.parameters()).device)
    splice.attach(model)
    return splice.eval()


def _decoder(model: nn.Module) -> tuple[nn.Module, nn.ModuleList]:
    """The module that owns the layers, and the layers: the longest list of modules of one class."""
    best: tuple[nn.Module, nn.ModuleList] | None = None
    for module in model.modules():
        for child in module.children():
            alike = isinstance(child, nn.ModuleList) and len({type(c) for c in child}) == 1
            if alike and (best is None or len(child) > len(best[1])):  # type: ignore[arg-type]
                best = (module, child)  # type: ignore[assignment]
    if best is None:
        raise ModelError("this model has no list of layers to splice into", hint="Traits need a decoder.")
    return best


def _width(model: nn.Module) -> int:
    config: Any = model.config
    return int(config.get_text_config().hidden_size)


def _sites(layers: nn.ModuleList, kind: Kind, where: Layers, width: int) -> list[Site]:
    third = len(layers) / 3
    start, end = {"all": (0.0, 3.0), "early": (0.0, 1.0), "middle": (1.0, 2.0), "late": (2.0, 3.0)}[where]
    chosen = list(layers)[round(start * third) : max(round(end * third), round(start * third) + 1)]
    if kind == "additive":
        return [Site(layer, "layer", width) for layer in chosen]
    return [site for layer in chosen for site in _inside(layer, width)]


def _inside(layer: nn.Module, width: int) -> list[Site]:
    """Norms of the stream, and the branches that add to it, of one decoder layer."""
    sites = []
    for name, child in layer.named_children():
        if "norm" in type(child).__name__.lower():
            sites.append(Site(child, "norm", width))
        elif name in ("fc2", "down_proj") or any(True for _ in child.children()):
            sites.append(Site(child, "branch", width))
    return sites
