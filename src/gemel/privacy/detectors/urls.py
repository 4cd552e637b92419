"""Web addresses that give something away: a password or token inside, an invitation, a shared document,
a profile of a person. Other addresses stay; their query and fragment are looked at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from gemel.privacy.detectors import DETECTORS, Detector
from gemel.privacy.view import Span, View

_URL = re.compile(r"[^\s\x00<>\"'\[\]{}|\\^`]+")
_SCHEME = re.compile(r"[a-z][a-z0-9+.\-]{1,14}$")
_USER = re.compile(r"//[^/@]+@")
_QUERY = re.compile(
    r"[?&#;](?:[\w\-]*(?:token|secret|passw|pwd|auth|session|sid|signature|credential|apikey|api_key|invite|otp|ticket)"
    r"|sig|user|uid|mail|e-?mail|phone|jwt|pw|pass)="
)
_PERSONAL = re.compile(
    r"(?:^|[/.])(?:(?:facebook|fb|instagram|twitter|x|tiktok|linkedin|vk|snapchat|threads|venmo|paypal|reddit)"
    r"\.(?:com|me|net)/(?:in/|@|user/|u/|add/)?[\w.\-@]{2,}|paypal\.me/|t\.me/|wa\.me/|chat\.whatsapp\.com/|m\.me/|discord\.gg/"
    r"|discord(?:app)?\.com/invite/|zoom\.us/[jsw]/|meet\.google\.com/|teams\.microsoft\.com/l/|calendly\.com/|doodle\.com/"
    r"|docs\.google\.com/|drive\.google\.com/|photos\.app\.goo\.gl/|maps\.app\.goo\.gl/|goo\.gl/maps/|google\.[a-z.]+/maps"
    r"|dropbox\.com/s|1drv\.ms/|onedrive\.live\.com/|icloud\.com/|wetransfer\.com/|we\.tl/|splitwise\.com/|signal\.group/)"
)
_BLOB = re.compile(r"(?<![a-z0-9])(?=(?:[a-z]*[0-9]){3})(?=(?:[0-9]*[a-z]){3})[a-z0-9]{16,}")
_CODE = re.compile(r"(?:^|[/.])(?:github|gitlab)\.com/[\w.\-]{2,}/?$")


@DETECTORS.register("urls")
class Urls(Detector):
    """An address that opens something or names somebody."""

    rank = 8

    def find(self, view: View) -> Iterator[Span]:
        low = view.lower
        for anchor, back in (("://", True), ("www.", False), (".me/", True), (".com/", True), (".gg/", True)):
            at = low.find(anchor)
            while at >= 0:
                start = self._start(view, at) if back else at
                match = _URL.match(view.text, start)
                if match and match.end() > at:
                    end = start + len(match.group().rstrip(".,;:!?)*_"))
                    if gives_away(low[start:end]):
                        yield Span(start, end, "url")
                at = low.find(anchor, at + len(anchor))

    def _start(self, view: View, at: int) -> int:
        before = view.before(at, 60)
        kept = re.search(r"[a-z0-9+.\-/:]*$", before)
        return at - len(kept.group().lstrip(".-/:+")) if kept else at


def gives_away(url: str) -> bool:
    """Whether a lower-cased address is more than the name of a public page."""
    return bool(
        _USER.search(url) or _QUERY.search(url) or _PERSONAL.search(url) or _BLOB.search(url) or _CODE.search(url)
    )
