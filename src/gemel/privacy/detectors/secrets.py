"""Keys, tokens and passwords: by their issuer's prefix, as private-key blocks, by the word before them,
and as long runs of mixed characters that nobody types as language.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_PREFIXES = (
    ("IA", re.compile(r"A[KS]IA[0-9A-Z]{16}(?![0-9A-Z])")),
    ("eyJ", re.compile(r"eyJ[\w\-]{8,}\.[\w\-]{8,}(?:\.[\w\-]*)?")),
    (
        "-----BEGIN",
        re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\x00]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\x00)|$)"),
    ),
)
"""Keys that the search for mixed characters would miss or cut."""
_CUE_WORDS = """
password passwd passwort kennwort passphrase pwd pw pin pincode passcode otp tan code mật mat mã contraseña
contrasena clave código codigo codice token apikey api secret mot puk cvv cvv2 cvc wifi wlan türcode
"""
_CUES = frozenset(_CUE_WORDS.split())
_CUED = re.compile(
    r"(?:password|passwd|passwort|kennwort|passphrase|pwd|pw|mật khẩu|mat khau|contraseña|contrasena|mot de passe"
    r"|apikey|api key|secret(?: key)?|(?:access |auth |bearer )?token|wifi key|wlan[- ]?schlüssel)"
    r"(?:\s\w{2,12}(?=\s?[:=]))?\s*(?:is|ist|lautet|war|es|è|la|là|was|:|=|->|:=)+\s*[\"'`]?([^\s\x00\[\]\"'`,]{4,64})"
)
_CUED_NUMBER = re.compile(
    r"(?:pin(?: ?code)?|passcode|otp|tan|puk|cvv2?|cvc|(?:tür)?code|mã(?: otp| pin)?"
    r"|código|codigo|codice|clave)\b(?:\s*(?:is|ist|lautet|es|è|là|:|=|-))*\s*(\d[\d ]{2,8}\d)\b"
)
_PARTS = re.compile(r"[/_\-+=]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_TOKEN_CHARACTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_=-")


@DETECTORS.register("secrets")
class Secrets(Detector):
    """Something that opens a door."""

    rank = 10

    def find(self, view: View) -> Iterator[Span]:
        text = view.text
        for prefix, pattern in _PREFIXES:
            if prefix in text:
                for match in pattern.finditer(text):
                    if not text[match.start() - 1 : match.start()].isalnum():
                        yield Span(match.start(), match.end(), "secret")
        for at, _ in view.where(_CUES & view.vocabulary):
            for pattern in (_CUED, _CUED_NUMBER):
                told = pattern.match(view.lower, at)
                if not told:
                    continue
                value = text[told.start(1) : told.end(1)].rstrip(".,;?)")
                if pattern is _CUED_NUMBER or (len(value) >= 4 and _unlike_a_word(value)):
                    yield Span(told.start(1), told.start(1) + len(value), "secret")
        yield from self._tokens(view)

    def _tokens(self, view: View) -> Iterator[Span]:
        """Runs of 20 characters up with digits, both cases and much entropy (bits per character)."""
        text, reached = view.text, -1
        for start, end in view.atoms:
            if start < reached or end >= len(text) or not (text[end].isalpha() or text[start - 1 : start].isalpha()):
                continue
            first = start
            while first > 0 and text[first - 1] in _TOKEN_CHARACTERS:
                first -= 1
            reached = end
            while reached < len(text) and text[reached] in _TOKEN_CHARACTERS:
                reached += 1
            token = text[first:reached]
            if len(token) >= 20 and _mixed(token) and _entropy(token) >= 3.5:
                yield Span(first, reached, "secret")


def _unlike_a_word(value: str) -> bool:
    return not value.isalpha() or not (value.islower() or value.istitle())


def _mixed(token: str) -> bool:
    """Whether a token mixes its characters as keys do; paths and names of files have short parts."""
    if "/" in token and len(token) != 40 and not token.endswith("="):
        token = max(token.split("/"), key=len)
    if len(max(_PARTS.split(token), key=len)) < 14 and not _UUID.fullmatch(token):
        return False
    kinds = (any(c.islower() for c in token), any(c.isupper() for c in token), sum(c.isdigit() for c in token) >= 3)
    hexadecimal = len(token) >= 32 and all(c in "0123456789abcdefABCDEF-" for c in token)
    return all(kinds) or hexadecimal


def _entropy(token: str) -> float:
    return -sum(n / len(token) * math.log2(n / len(token)) for n in Counter(token).values())
