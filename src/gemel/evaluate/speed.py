"""How fast replies came and what they took: response time, throughput, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import psutil

from gemel.evaluate.answers import Answer
from gemel.scores import Score

__all__ = ["speed_scores"]


def speed_scores(answers: Mapping[str, Sequence[Answer]]) -> list[Score]:
    """Seconds per reply, tokens per second and the peak of resident memory, for systems that generate.

    Response time is what one conversation waits while others are answered too; throughput is over all.
    """
    out = []
    for system, rows in answers.items():
        made = [a for a in rows if a.seconds > 0]
        if ":" in system or not made:
            continue
        seconds = np.array([a.seconds for a in made])
        tokens, whole = sum(a.tokens_out for a in made), max(1e-9, sum(a.share for a in made))
        out += [
            Score(
                metric="response_time",
                system=system,
                value=float(np.median(seconds)),
                unit="s per reply",
                better="lower",
                n=len(made),
                extra={"p95": float(np.quantile(seconds, 0.95))},
            ),
            Score(
                metric="throughput",
                system=system,
                value=tokens / whole if tokens else None,
                unit="tokens/s",
                n=len(made),
                refused="" if tokens else "the system does not count its tokens",
                extra={"replies_per_second": len(made) / whole},
            ),
        ]
    peak = _peak()
    if out:
        out.append(Score(metric="memory", system="process", value=peak, unit="MiB", better="lower", n=1))
    return out


def _peak() -> float:
    info = psutil.Process().memory_info()
    if hasattr(info, "peak_wset"):  # Windows
        return float(info.peak_wset) / 2**20
    try:
        import resource
        import sys
    except ImportError:
        return float(info.rss) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak) / (2**20 if sys.platform == "darwin" else 2**10)  # bytes on macOS, KiB on Linux
