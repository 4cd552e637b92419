"""Names by which apps know people: `@anna_s`. Words of programming and addresses are left alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_HANDLE = re.compile(r"@[^\W\d][\w.]{2,30}(?<!\.)")
_COMMON = frozenset(
    {"@everyone", "@here", "@channel", "@all", "@alle", "@tutti", "@todos", "@media", "@import", "@property"}
)


@DETECTORS.register("handles")
class Handles(Detector):
    """A mention, as a tag of its own."""

    rank = 48

    def find(self, view: View) -> Iterator[Span]:
        if "@" not in view.text:
            return
        for match in _HANDLE.finditer(view.lower):
            before = view.lower[match.start() - 1 : match.start()]
            if not before.isalnum() and before not in ("/", ".") and match.group() not in _COMMON:
                yield Span(match.start(), match.end(), "handle", match.group())
