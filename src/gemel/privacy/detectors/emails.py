"""E-mail addresses, also as people hide them: `anna at mail dot org`, `anna (at) mail.org`, `anna @ mail.org`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_LOCAL = re.compile(r"[\w.+\-%']*[\w+\-%]\s?$")
_ENDING = r"(?:com|org|net|edu|gov|info|io|de|uk|vn|es|it|fr|ch|at|us|eu|me|co)"
_DOMAIN = re.compile(
    r"\s?[^\W_][\w\-]*(?:(?:\s[.,]\s|[.,]{1,2})[^\W_][\w\-]*)*?"
    rf"(?:[.,]{{1,2}}[a-z]{{2,12}}|\s[.,]\s[a-z]{{2,12}}|[.,]\s{_ENDING})(?![^\W_])(?:\.[a-z]{{2,4}}(?![^\W_]))*"
)
_HOST = re.compile(r"@?[^\W_][\w\-]{3,}(?:[.,]+[\w\-]+)*")
"""A host straight after the at, its ending mistyped."""
_AT = r"(?:[(\[{<]\s?(?:at|arroba|chiocciola|ät|a)\s?[)\]}>]|\s(?:at|arroba|chiocciola|ät|a còng)\s)"
_DOT = r"(?:[(\[{<]\s?(?:dot|punkt|punto|chấm)\s?[)\]}>]|\s(?:dot|punkt|punto|chấm)\s|\.)"
_HIDDEN = re.compile(
    rf"[^\W_][\w.+\-]*(?:\s(?:dot|punkt|punto|chấm)\s[\w.+\-]+){{0,3}}\s?{_AT}\s?"
    rf"[^\W_][\w\-]*(?:\s?{_DOT}\s?[^\W_][\w\-]*)*?\s?{_DOT}\s?"
    rf"{_ENDING}\b(?:\.[a-z]{{2}}\b)?"
)
_SPELT = frozenset({"dot", "punkt", "punto", "chấm", "arroba", "chiocciola"})
_BRACKETED = ("(at)", "[at]", "(ät)")


@DETECTORS.register("emails")
class Emails(Detector):
    """A local part, an at, a domain with an ending."""

    rank = 20

    def find(self, view: View) -> Iterator[Span]:
        low = view.lower
        at = low.find("@")
        while at >= 0:
            local, after = _LOCAL.search(view.before(at, 64)), view.after(at + 1, 190)
            spaced = local is not None and local.group()[-1].isspace()
            domain = _DOMAIN.match(after) if not spaced or after[:1].isspace() else None
            if domain is None and local is not None and not spaced and len(local.group()) >= 3:
                domain = _HOST.match(after)
            if local and domain:
                start = at - len(local.group().lstrip(".'"))
                yield Span(start, at + 1 + domain.end(), "email", _plain(low[start : at + 1 + domain.end()]))
            at = low.find("@", at + 1)
        for clue in self._clues(view):
            match = _HIDDEN.search(low, max(0, clue - 64), clue + 48)
            if match:
                yield Span(match.start(), match.end(), "email", _plain(match.group()))

    def _clues(self, view: View) -> Iterator[int]:
        """Where an address could be spelt out."""
        for at, _ in view.where(_SPELT & view.vocabulary):
            yield at
        for bracketed in _BRACKETED:
            at = view.lower.find(bracketed)
            while at >= 0:
                yield at
                at = view.lower.find(bracketed, at + 1)


def _plain(text: str) -> str:
    text = (
        re.sub(r"\s?[(\[{<]?\s?\b(?:at|arroba|chiocciola|ät|a còng)\b\s?[)\]}>]?\s?", "@", text)
        if "@" not in text
        else text
    )
    text = re.sub(r"\s?[(\[{<]?\s?\b(?:dot|punkt|punto|chấm)\b\s?[)\]}>]?\s?", ".", text)
    return re.sub(r"\s", "", text).replace(",", ".")
