"""Full-precision weights laid out for oneDNN, which torch carries but asks for bf16 and packed weights only.

torch gives float32 products to MKL, which takes slow paths on processors that are not Intel's and reads rows badly
at one token: on an AMD EPYC oneDNN is 2.2 times as fast at one row, 2.6 at 16, 2.3 at 200. What a row gets does not
depend on its neighbours. The laid-out weights are a copy. Inference only; float32 on a CPU.
"""

from __future__ import annotations

from functools import cache

import psutil
import torch
from torch import Tensor

__all__ = ["Ordered", "fits"]

SHARE = 0.25
"""Of the free memory, at most, that copies may take."""


def fits(weights: int) -> bool:
    """Whether this build of torch has the products and there is room for a copy of so many weights in float32."""
    return 4 * weights < SHARE * psutil.virtual_memory().available and _works()


@cache
def _works() -> bool:
    """Tried once: builds for other processors have the name but not always the product."""
    if not torch.backends.mkldnn.is_available():
        return False
    weight, x = torch.arange(6.0).view(3, 2), torch.ones(1, 2)
    try:
        return torch.equal(Ordered(weight)(x), x @ weight.t())
    except (AttributeError, RuntimeError):
        return False


class Ordered:
    """A linear map.

    Args:
        weight: shape (out, in), float.
        bias: shape (out,) or None.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        with torch.no_grad():
            self._weight = torch.ops.mkldnn._reorder_linear_weight(weight.detach().float())
        self._bias = None if bias is None else bias.detach().float()

    def __call__(self, x: Tensor) -> Tensor:
        """Shape (…, in) → (…, out), float32."""
        out: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._weight, self._bias, "none", [], "")
        return out
