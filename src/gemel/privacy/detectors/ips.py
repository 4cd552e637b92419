"""Internet addresses, version 4 and 6; not the ones that every machine has (0.0.0.0, 127.0.0.1, ::1)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_FOUR = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9]|\.[0-9])")
_COLON = re.compile(r":[0-9a-fA-F]{0,4}:")
_LEFT = re.compile(r"[0-9a-fA-F:.]*$")
_RIGHT = re.compile(r"[0-9a-fA-F:.]*")
_EVERYWHERE = frozenset({"127.0.0.1", "0.0.0.0", "255.255.255.255", "255.255.255.0", "::1", "::"})
_VERSION = re.compile(r"\b(?:v|version|ver|release|chapter|kapitel|section|§)\s?$")


@DETECTORS.register("ips")
class Ips(Detector):
    """An address of a machine."""

    rank = 28

    def find(self, view: View) -> Iterator[Span]:
        text = view.text
        for start, end in view.atoms:
            if text[end : end + 1] != "." or text[start - 1 : start] == ".":
                continue
            match = _FOUR.match(text, start)
            if match and _public(match.group()) and not _VERSION.search(view.before(start, 12)):
                yield Span(start, match.end(), "ip")
        reached = -1
        for colon in _COLON.finditer(text):
            if colon.start() < reached:
                continue
            left, right = (
                _LEFT.search(text, max(0, colon.start() - 40), colon.start()),
                _RIGHT.match(text, colon.start()),
            )
            first, reached = left.start() if left else colon.start(), right.end() if right else colon.end()
            address = text[first:reached].rstrip(".:" if not text[first:reached].endswith("::") else ".")
            if len(address) >= 6 and not text[first - 1 : first].isalnum() and _public(address):
                yield Span(first, first + len(address), "ip", address.lower())


def _public(address: str) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return str(parsed) not in _EVERYWHERE
