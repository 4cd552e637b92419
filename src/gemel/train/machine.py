"""What this machine can do: threads, and seconds per step, measured rather than guessed."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

__all__ = ["choose_threads", "is_memory_error", "median_seconds"]


def choose_threads(wanted: int) -> int:
    """How many CPU threads to train with; 0 measures which number multiplies fastest right now.

    Cores that others use make every product wait for the slowest, so the largest number is not always
    the best. Never more than the process was started with (OMP_NUM_THREADS).
    """
    most = torch.get_num_threads()
    if wanted:
        return wanted
    candidates = sorted({1, most // 2, most} - {0})
    seconds = {n: _product_seconds(n) for n in candidates}
    torch.set_num_threads(most)
    # A thread more must bring a tenth, or it is left to others.
    best = candidates[0]
    for n in candidates[1:]:
        if seconds[n] < 0.9 * seconds[best]:
            best = n
    return best


def _product_seconds(threads: int) -> float:
    torch.set_num_threads(threads)
    a, b = torch.randn(1024, 384), torch.randn(384, 1024)
    return median_seconds(lambda: (a @ b).sum().item(), repeats=9)


def median_seconds(action: Callable[[], object], *, repeats: int) -> float:
    """The median duration of `action`, after one run that is not counted."""
    action()
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - start)
    return sorted(seconds)[len(seconds) // 2]


def is_memory_error(error: BaseException) -> bool:
    """Whether memory ran out, on a CPU or an accelerator."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and ("not enough memory" in str(error) or "out of memory" in str(error))
