"""Muon for matrices (Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/) and AdamW for the rest.

Momentum is orthogonalised by five Newton-Schulz steps, matrices of one shape as one batch. The state is a
plain dictionary of tensors, so that a checkpoint in safetensors holds all of it.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["Muon", "orthogonal"]


def orthogonal(g: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of a batch of matrices (n, rows, columns) near 1, in bf16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    tall = g.shape[-2] > g.shape[-1]
    x = (g.mT if tall else g).bfloat16()
    x = x / (x.float().flatten(1).norm(dim=1).clamp(min=1e-7).view(-1, 1, 1)).bfloat16()
    for _ in range(steps):
        xx = x @ x.mT
        x = a * x + (b * xx + c * xx @ xx) @ x
    return (x.mT if tall else x).to(g.dtype)


class Muon:
    """One step for all parameters: Muon for matrices, AdamW elsewhere; with `lr` zero AdamW everywhere."""

    def __init__(self, named: Iterable[tuple[str, nn.Parameter]], *, lr: float, adam_lr: float, decay: float) -> None:
        self.named = dict(named)
        self.matrices = {n for n, p in self.named.items() if lr and p.ndim == 2 and "embed" not in n}
        self.lr, self.adam_lr, self.decay = lr, adam_lr, decay
        self.count = 0
        self.first = {n: torch.zeros_like(p) for n, p in self.named.items()}
        self.second = {n: torch.zeros_like(p) for n, p in self.named.items() if n not in self.matrices}

    @torch.no_grad()
    def step(self, scale: float) -> None:
        """Apply the gradients; `scale` multiplies both learning rates."""
        self.count += 1
        shapes: dict[torch.Size, list[str]] = {}
        for name, p in self.named.items():
            if name in self.matrices:
                shapes.setdefault(p.shape, []).append(name)
            else:
                self._adam(name, p, self.adam_lr * scale)
        for shape, names in shapes.items():
            self._muon(names, self.lr * scale * max(1.0, shape[0] / shape[1]) ** 0.5, self.decay * scale)

    def _muon(self, names: list[str], lr: float, decay: float) -> None:
        pushed = []
        for name in names:
            grad = self.named[name].grad
            momentum = self.first[name].lerp_(grad, 0.05)
            pushed.append(grad.lerp(momentum, 0.95))
        for name, update in zip(names, orthogonal(torch.stack(pushed)), strict=True):
            self.named[name].mul_(1 - lr * decay).add_(update, alpha=-lr)

    def _adam(self, name: str, p: nn.Parameter, lr: float) -> None:
        b1, b2 = 0.9, 0.95
        first = self.first[name].lerp_(p.grad, 1 - b1)
        second = self.second[name].lerp_(p.grad.square(), 1 - b2)
        first, second = first / (1 - b1**self.count), second / (1 - b2**self.count)
        p.addcdiv_(first, second.sqrt().add_(1e-8), value=-lr)

    def state(self) -> dict[str, Tensor]:
        """All state as named tensors."""
        out = {f"first.{n}": t for n, t in self.first.items()} | {f"second.{n}": t for n, t in self.second.items()}
        return out | {"count": torch.tensor(self.count)}

    def load(self, state: dict[str, Tensor]) -> None:
        """Restore what `state` gave."""
        for kind, tensors in (("first", self.first), ("second", self.second)):
            for name, tensor in tensors.items():
                tensor.copy_(state[f"{kind}.{name}"])
        self.count = int(state["count"])
