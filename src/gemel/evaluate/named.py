"""A page in pseudonyms as its owner reads it: real names in the text, the markup untouched.

What comes back is for the owner alone and is written below `private/`; measurements, exports and others
never see it.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable

__all__ = ["named"]

_MARKUP = re.compile(r"(<style\b.*?</style>|<script\b.*?</script>|<[^>]*>)", re.DOTALL | re.IGNORECASE)
_BETWEEN = "\n\x1e\n"


def named(page: str, outward: Callable[[str], str]) -> str:
    """The page with `outward` applied to its text.

    Args:
        outward: pseudonyms → names; called once with all text.
    """
    pieces = _MARKUP.split(page)  # text at even places
    told = outward(_BETWEEN.join(map(html.unescape, pieces[::2]))).split(_BETWEEN)
    if len(told) != len(pieces[::2]):
        raise ValueError("names changed the number of pieces of text")
    pieces[::2] = [html.escape(text, quote=False) for text in told]
    return "".join(pieces)
