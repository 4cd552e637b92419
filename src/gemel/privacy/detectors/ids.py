"""Numbers that states and institutions give to people, by their form and check digit, or by the word before them.

With a check or a form of their own: US social security (3-2-4), Vietnamese CCCD (12 digits that begin with a
province), German tax id (ISO 7064), Spanish DNI and NIE (mod 23), Italian codice fiscale, British National
Insurance, French INSEE (mod 97). By the word before: passports, licences, CMND, tax and insurance numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Cluster, Span, View

_SSN = re.compile(r"\d{3}([-. ]| - )\d{2}\1\d{4}")
_CUED = re.compile(
    r"\b(?:ssn|social(?: security)?(?: number)?|itin|tax ?id|passport|(?:driver'?s? |driving )?licen[cs]e|"
    r"national id|id card|identity card|nhs(?: number)?|ni number|insurance number|member(?:ship)? (?:number|id)|"
    r"personalausweis\w*|ausweis\w*|reisepass\w*|steuer-?id\w*|steuernummer|sozialversicherungs\w*|führerschein\w*|"
    r"versichertennummer|"
    r"dni|nie|pasaporte|seguridad social|carnet|carta d'identità|passaporto|patente|tessera sanitaria|codice fiscale|"
    r"cccd|cmnd|căn cước(?: công dân)?|hộ chiếu|mã số thuế|bằng lái)\b"
    r"(?:\s*(?:number|nummer|của|mình|tôi|em|nr|no|num|número|numero|số|so|is|ist|es|è|là|la|lautet|:|=|#|\.|-))*\s*"
    r"((?=[a-z0-9\-. ]*\d)[a-z]{0,3}[ ]?[0-9](?:[ .\-]?[a-z0-9]){4,17})(?![a-z0-9])"
)
_CUE_WORDS = """
ssn social itin tax taxid passport licence license identity national id nhs ni cccd insurance member membership dni
nie pasaporte seguridad carnet carta passaporto patente tessera codice cmnd căn hộ mã bằng führerschein
steuernummer versichertennummer ausweis ausweisnummer personalausweis personalausweisnummer reisepass
reisepassnummer steuer steuerid steueridentifikationsnummer sozialversicherungsnummer sozialversicherungsnr
"""
_CUES = frozenset(_CUE_WORDS.split())
_PREFIX = re.compile(r"[^a-z0-9][a-z]{2} ")
_LETTERS = "trwagmyfpdxbnjzsqvhlcke"
_FISCAL = re.compile(
    r"(?<![a-z0-9])[a-z]{6}[0-9lmnp-v]{2}[abcdehlmprst][0-9lmnp-v]{2}[a-z][0-9lmnp-v]{3}[a-z](?![a-z0-9])"
)
_INSURANCE = re.compile(r"(?<![a-z0-9])[abceghj-prstw-z][abceghj-npr-tw-z] ?\d\d ?\d\d ?\d\d ?[a-d](?![a-z0-9])")
_ODD_DIGITS = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21)
_ODD_REST = (2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)
_ODD = dict(zip("0123456789abcdefghijklmnopqrstuvwxyz", (*_ODD_DIGITS, *_ODD_DIGITS, *_ODD_REST)))
"""Value of a character in an odd place of a codice fiscale (Decreto 23 December 1976)."""


@DETECTORS.register("ids")
class Ids(Detector):
    """A number that stands for a person."""

    rank = 34

    def find(self, view: View) -> Iterator[Span]:
        low = view.lower
        if not view.atoms:
            return
        for at, _ in view.where(_CUES & view.vocabulary):
            match = _CUED.match(low, at)
            if match:
                yield Span(match.start(1), match.end(1), "id", re.sub(r"[ .\-]", "", match.group(1)))
        for cluster in view.clusters:
            if _is_id(view, cluster):
                yield Span(cluster.start, cluster.end, "id", cluster.digits)
        yield from self._lettered(view)

    def _lettered(self, view: View) -> Iterator[Span]:
        """Numbers with letters in them, found around their digits."""
        low, reached = view.lower, -1
        for start, end in view.atoms:
            if start < reached:
                continue
            first = max(0, start - 6)
            if end - start in (7, 8) and _spanish(low, start, end):
                yield Span(start - (end - start == 7), end + 1 + (low[end : end + 1] in "- "), "id")
            elif low[start - 1 : start].isalpha() or (end - start == 2 and _PREFIX.fullmatch(low, start - 4, start)):
                for pattern in (_FISCAL, _INSURANCE):
                    match = pattern.search(low, first, end + 14)
                    if match and (pattern is _INSURANCE or fiscal(match.group())):
                        reached = match.end()
                        yield Span(match.start(), match.end(), "id", match.group().replace(" ", ""))
                        break


def _is_id(view: View, cluster: Cluster) -> bool:
    digits, groups = cluster.digits, cluster.groups
    if groups == (3, 2, 4):
        return _SSN.fullmatch(view.text, cluster.start, cluster.end) is not None
    if len(digits) == 12 and digits[0] == "0" and len(groups) in (1, 4):
        return (
            1 <= int(digits[:3]) <= 96 and digits[3] in "0123" and view.text[cluster.start - 1 : cluster.start] != "+"
        )
    if len(digits) == 11 and (len(groups) == 1 or groups == (2, 3, 3, 3)):
        return digits[0] != "0" and _tax(digits)
    if len(digits) == 15 and digits[0] in "12" and (len(groups) == 1 or groups[0] == 1):
        return int(digits[13:]) == 97 - int(digits[:13]) % 97
    return False


def _tax(digits: str) -> bool:
    """German tax id: ten digits of which one stands twice or thrice, and a check digit (ISO 7064 mod 11, 10)."""
    if len(set(digits[:10])) not in (8, 9):
        return False
    product = 10
    for digit in digits[:10]:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    return (11 - product) % 10 == int(digits[10])


def _spanish(low: str, start: int, end: int) -> bool:
    after = low[end + 1 : end + 2] if low[end : end + 1] in ("-", " ") else low[end : end + 1]
    beyond = end + 2 if low[end : end + 1] in ("-", " ") else end + 1
    if low[beyond : beyond + 1].isalnum() or not after:
        return False
    digits = low[start:end]
    if len(digits) == 7:
        prefix = low[start - 1 : start]
        if prefix not in ("x", "y", "z") or low[start - 2 : start - 1].isalnum():
            return False
        digits = str("xyz".index(prefix)) + digits
    elif low[start - 1 : start].isalnum():
        return False
    return _LETTERS[int(digits) % 23] == after


def fiscal(code: str) -> bool:
    """Whether the last letter of a lower-cased codice fiscale is its check letter."""
    even = sum(int(c) if c.isdigit() else ord(c) - 97 for c in code[1:15:2])
    return (even + sum(_ODD[c] for c in code[0:15:2])) % 26 == ord(code[15]) - 97
