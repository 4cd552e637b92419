"""Phone numbers: international ones, national ones of the configured countries, and what has the form of one.

The form is a gate of our own on the digits and their grouping; Google's metadata (`phonenumbers`)
decides on bare runs of digits and gives one key to `0170 1234567` and `+49 170 1234567`.
Dates, amounts of money, versions and times are no phone numbers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Cluster, Span, View

_NEAR = re.compile(
    r"\b(?:phone|call|cell|mobile|tel|telephone|text|ring|whats ?app|number|contact|reach|dial|extension|sms|fax"
    r"|signal|zalo|no|nr|nummer|handy|telefon\w*|ruf\w*|anruf\w*|cellulare|chiama\w*|llama\w*|llámame|móvil|movil"
    r"|teléfono|número|numero|sđt|sdt|số|gọi|điện thoại)\b[^\n]{0,14}$"
)
_MONEY = re.compile(r"(?:[$€£¥₫]|usd|eur|gbp|vnd)\s?$")
_MONEY_AFTER = re.compile(
    r"\s?(?:[$€£¥₫%]|usd\b|eur\b|euro|gbp\b|vnd\b|đồng|dong\b|k\b|km\b|kg\b|mb\b|gb\b|ms\b|million|mio|tr\b|triệu)"
)
_DATE = re.compile(
    r"(?:(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./ ]{1,2}(?:0?[1-9]|[12]\d|3[01])[-./ ]{1,2}(?:(?:19|20)\d\d|\d\d))"
    r"(?:[ ,/-]{1,3}\d{1,2})?|(?:19|20)\d\d ?[-–/] ?(?:(?:19|20)\d\d|\d\d)"
)
_THOUSANDS = re.compile(r"\d{1,3}(?:\.\d{3})+|\d{1,3}(?: \d{3})+ ?$")
_SCORES = re.compile(r"\d-\d(?: \d-\d)+")
_EXTENSION = re.compile(r"\s?(?:x|ext\.?|durchwahl|#)\s?\d{1,6}\b")


@DETECTORS.register("phones")
class Phones(Detector):
    """A phone number, with its extension."""

    rank = 46

    def find(self, view: View) -> Iterator[Span]:
        text = view.text
        for cluster in view.clusters:
            if not 7 <= len(cluster.digits) <= 15:
                continue
            start = cluster.start
            while start > 0 and text[start - 1] in "+(" and cluster.start - start < 2:
                start -= 1
            plus = (
                "+" in text[start : cluster.start]
                and cluster.digits[0] != "0"
                and not text[start - 1 : start].isalnum()
            )
            if not plus and not self._plausible(view, cluster):
                continue
            extension = _EXTENSION.match(view.lower, cluster.end)
            end = extension.end() if extension else cluster.end
            yield Span(start, end, "phone", self._key(("+" if plus else "") + cluster.digits))

    def _plausible(self, view: View, cluster: Cluster) -> bool:
        text, digits = view.text, cluster.digits
        surface = text[cluster.start : cluster.end]
        before, after = view.before(cluster.start, 32), view.after(cluster.end, 9)
        if (
            before[-1:].isalpha()
            or before[-1:] in {"_", ":", "#", "=", "/"}
            or (after[:1].isalpha() and after[:1] != "x")
        ):
            return False
        if _NEAR.search(before):
            return not _DATE.fullmatch(surface)
        if _DATE.fullmatch(surface) or _MONEY.search(before) or _MONEY_AFTER.match(after):
            return False
        if _THOUSANDS.fullmatch(surface) and digits[0] != "0":
            return len(cluster.groups) == 3 and "." not in surface and len(digits) == 9
        if digits.startswith("00") and len(digits) >= 10:
            return True
        if len(cluster.groups) == 1:
            return len(set(digits)) > 2 and ((digits[0] == "0" and 9 <= len(digits) <= 12) or self._valid(digits))
        return len(set(digits)) > 2 and _formed(surface, cluster)

    def _valid(self, digits: str) -> bool:
        return any(_parse(digits, region) for region in self.setup.section.regions)

    def _key(self, number: str) -> str:
        for region in self.setup.section.regions:
            if parsed := _parse(number, region):
                return parsed
        return number


def _formed(surface: str, cluster: Cluster) -> bool:
    """Whether groups of digits look like those of a phone number and not of a version, a table or a score."""
    groups = cluster.groups
    if ". " in surface or _SCORES.search(surface):
        return False
    even = len(set(groups[:-1])) == 1 and groups[-1] <= groups[0] and len(groups) > 3
    if even and not _dotted(surface):
        return True  # digits parted evenly
    if set(surface) <= set("0123456789.") and (len(groups) < 3 or min(groups) < max(groups) - 2 or _dotted(surface)):
        return False
    if cluster.digits[0] != "0" and (groups[0] > 3 or max(groups[:-1]) > 4):
        return False
    return len(groups) <= 6 and groups[-1] > 1


def _dotted(surface: str) -> bool:
    """Whether it is the address of a machine, or a version in four parts."""
    parts = surface.split(".")
    return len(parts) == 4 and all(len(p) <= 3 and int(p) < 256 for p in parts)


@lru_cache(maxsize=65_536)
def _parse(number: str, region: str) -> str:
    """The international form (E.164) of a valid number, else ""."""
    import phonenumbers

    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        return ""
    if not phonenumbers.is_valid_number(parsed):
        return ""
    return str(phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164))
