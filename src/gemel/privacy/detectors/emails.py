"""E-mail addresses, also as people hide them: `anna at mail dot org`, `anna (at) mail.org`, `anna @ mail.org`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_LOCAL = re.compile(r"[\w.+\-%']*[\w+\-%]\s?$")
_DOMAIN = re.compile(
    r"\s?[^\W_][\w\-]*(?:\s?[.,]\s?[^\W_][\w\-]*)*?(?:\.|\s\.\s?|\.\s|,)[a-z]{2,12}\b(?:\.[a-z]{2,4}\b)*"
)
_HIDDEN = re.compile(
    r"[^\W_][\w.+\-]*\s?(?:[(\[{<]\s?(?:at|arroba|chiocciola|ät|a)\s?[)\]}>]|\s(?:at|arroba|chiocciola|ät|a còng)\s)\s?"
    r"[^\W_][\w\-]*(?:\s?(?:[(\[{<]\s?(?:dot|punkt|punto|chấm)\s?[)\]}>]|\s(?:dot|punkt|punto|chấm)\s|\.)\s?[^\W_][\w\-]*)*?"
    r"\s?(?:[(\[{<]\s?(?:dot|punkt|punto|chấm)\s?[)\]}>]|\s(?:dot|punkt|punto|chấm)\s|\.)\s?"
    r"(?:com|org|net|edu|gov|info|io|de|uk|vn|es|it|fr|ch|at|us|eu|me|co)\b(?:\.[a-z]{2}\b)?"
)
_DOTS = frozenset({"dot", "punkt", "punto", "chấm"})
_ATS = ("(at)", "[at]", "{at}", "<at>", "( at )", "(ät)", "(arroba)", "(chiocciola)", " at ", " arroba ", " a còng ")


@DETECTORS.register("emails")
class Emails(Detector):
    """A local part, an at, a domain with an ending."""

    rank = 20

    def find(self, view: View) -> Iterator[Span]:
        low = view.lower
        at = low.find("@")
        while at >= 0:
            local = _LOCAL.search(view.before(at, 64))
            domain = _DOMAIN.match(view.after(at + 1, 190))
            if local and domain:
                start = at - len(local.group().lstrip(".'"))
                yield Span(start, at + 1 + domain.end(), "email", _plain(low[start : at + 1 + domain.end()]))
            at = low.find("@", at + 1)
        if not _DOTS.isdisjoint(view.vocabulary) or any(a in low for a in _ATS[:8]):
            for match in _HIDDEN.finditer(low):
                yield Span(match.start(), match.end(), "email", _plain(match.group()))


def _plain(text: str) -> str:
    text = (
        re.sub(r"\s?[(\[{<]?\s?\b(?:at|arroba|chiocciola|ät|a còng)\b\s?[)\]}>]?\s?", "@", text)
        if "@" not in text
        else text
    )
    text = re.sub(r"\s?[(\[{<]?\s?\b(?:dot|punkt|punto|chấm)\b\s?[)\]}>]?\s?", ".", text)
    return re.sub(r"\s", "", text).replace(",", ".")
