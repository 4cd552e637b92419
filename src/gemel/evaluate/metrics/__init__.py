"""Every metric, one small file each; a file added here is a metric added.

A metric is a function from a `Sample` to a `Statistic`, made known by the decorator `metric`. It raises
`TooLittle` with a reason where the replies cannot support it; the reason is what the report shows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gemel.evaluate.sample import Metric, Sample
from gemel.evaluate.statistics import Statistic
from gemel.registry import Registry

__all__ = ["METRICS", "metric"]

METRICS: Registry[Metric] = Registry("metric", "gemel.evaluate.metrics")

Build = Callable[[Sample], Statistic]


def metric(name: str, *, title: str, **options: Any) -> Callable[[Build], Build]:
    """Decorator: make a function a metric; its docstring's first line is the definition shown.

    Floors of paired metrics are not matched in length: the length of the true reply would leak into them.
    """

    options.setdefault("matched", not options.get("paired", False))

    def keep(build: Build) -> Build:
        what = (build.__doc__ or "").strip().partition("\n")[0]
        METRICS.register(name)(Metric(name=name, title=title, build=build, what=what, **options))
        return build

    return keep
