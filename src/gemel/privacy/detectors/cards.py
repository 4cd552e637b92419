"""Payment cards: 12 to 19 digits that begin as a network's numbers do and pass Luhn's check (ISO/IEC 7812).

A mistyped number fails the check; it is still taken where a word for a card stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Cluster, Span, View

_NEAR = re.compile(
    r"\b(?:card|visa|master ?card|amex|american express|kreditkarte|karte|kartennummer|tarjeta|carta|thẻ|cc)\b"
)
_DOUBLED = (0, 2, 4, 6, 8, 1, 3, 5, 7, 9)


def luhn(digits: str) -> bool:
    """Whether the last digit is Luhn's check digit of the others."""
    total = sum(int(d) for d in digits[-1::-2]) + sum(_DOUBLED[int(d)] for d in digits[-2::-2])
    return total % 10 == 0


@DETECTORS.register("cards")
class Cards(Detector):
    """A card's number, in any grouping."""

    rank = 32

    def find(self, view: View) -> Iterator[Span]:
        for cluster in view.clusters:
            digits = cluster.digits
            if (
                not 12 <= len(digits) <= 19
                or len(set(digits)) < 2
                or view.text[cluster.start - 1 : cluster.start] == "+"
            ):
                continue
            if (_network(digits) and luhn(digits) and _grouped(view, cluster)) or (
                len(digits) >= 14 and _NEAR.search(view.before(cluster.start, 40))
            ):
                yield Span(cluster.start, cluster.end, "card", digits)


def _grouped(view: View, cluster: Cluster) -> bool:
    """Whether the digits stand together, in groups of one size, or as American Express prints them."""
    groups = cluster.groups
    even = all(g == groups[0] for g in groups[:-1]) and groups[-1] <= groups[0] and groups[0] < 6
    return len(groups) == 1 or even or groups == (4, 6, 5)


def _network(digits: str) -> bool:
    if len(digits) == 12:
        return digits[0] in "56"
    return digits[0] in "3456" or digits[:4] in {"1800", "2131"} or "2221" <= digits[:4] <= "2720"
