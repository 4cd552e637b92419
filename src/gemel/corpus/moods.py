"""Language and sentiment of short texts, as traits and for the portrait.

Language is told apart only among the configured ones (lingua is reliable on short text when it chooses among few), with
rules for Vietnamese first: its letters settle it. Sentiment is VADER's compound score, English only; "😭", which VADER
reads as grief and people mostly write laughing, is left out of the text it sees.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import cache, lru_cache
from typing import Any

import regex

from gemel.text import words

__all__ = ["NAMES", "Languages", "sentiment", "switches", "vietnamese"]

NAMES = {"en": "English", "vi": "Vietnamese", "de": "German", "es": "Spanish", "it": "Italian", "fr": "French"}

_VIETNAMESE = regex.compile(r"[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệịỉĩọỏốồổỗộớờởỡợụủũứừửữựỳỵỷỹ]", regex.IGNORECASE)
_BARE_VIETNAMESE = frozenset(
    words(
        "khong ko hok dc duoc nhe nha nhi anh roi vay nao gi sao minh toi cung biet noi nguoi nay "
        "kia chua muon thich hen luon ngay cua nhung nhu rat phai thi voi trong ngoai tren duoi nhat nhieu neu "
        "viec chung chieu giup chuyen tieng nghe nghi thay hieu dieu truoc"
    )
)
_MARKED_VIETNAMESE = frozenset(words("có thì mà nè gì nhé nhỉ mình chào bạn cái này cũng"))
_ENGLISH = frozenset(
    words(
        "the and is are was were you i it that this of for on with have has not but what my your we they don't will "
        "just like be at if yes ok okay hello thanks please meeting deadline"
    )
)
_DROP = str.maketrans("", "", "😭")


@lru_cache(maxsize=65_536)
def _vietnamese_word(word: str) -> bool:
    """Whether a word (lower case) can only or hardly but be Vietnamese."""
    if _VIETNAMESE.search(word) or word in _MARKED_VIETNAMESE:
        return True
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not unicodedata.combining(c))
    return bare in _BARE_VIETNAMESE


def vietnamese(text: str) -> float:
    """Share of words that can only or hardly but be Vietnamese: by their letters, or by being common, marks or not."""
    tokens = words(text.lower())
    return sum(map(_vietnamese_word, tokens)) / len(tokens) if tokens else 0.0


def switches(text: str) -> bool:
    """Whether one message mixes Vietnamese and English: a Vietnamese word with marks, and a sure English word."""
    if text.isascii():
        return False
    tokens = words(text.lower())
    marked = any(not w.isascii() and _vietnamese_word(w) for w in tokens)
    return marked and any(len(w) > 1 and w in _ENGLISH for w in tokens)


class Languages:
    """Tells the configured languages apart.

    Args:
        codes: ISO 639-1 codes; one code alone is always the answer.
    """

    def __init__(self, codes: Sequence[str]) -> None:
        self.codes = tuple(codes)
        self._detector: Any = None

    def __call__(self, text: str) -> str | None:
        """The language of `text` as an ISO 639-1 code; None where there is too little to tell."""
        if not any(c.isalpha() for c in text):
            return None
        if len(self.codes) == 1:
            return self.codes[0]
        if "vi" in self.codes and _VIETNAMESE.search(text):
            return "vi" if vietnamese(text) >= 0.3 else self._detect(text)
        if "vi" in self.codes and vietnamese(text) >= 0.34 and not self._english(text):
            return "vi"
        return self._detect(text)

    @staticmethod
    def _english(text: str) -> bool:
        tokens = words(text.lower())
        return any(w in _ENGLISH for w in tokens)

    def _detect(self, text: str) -> str | None:
        if self._detector is None:
            self._detector = _detector(self.codes)
        found = self._detector.detect_language_of(text) if self._detector else None
        return found.iso_code_639_1.name.lower() if found else None


@cache
def _detector(codes: tuple[str, ...]) -> Any:
    from lingua import IsoCode639_1, Language, LanguageDetectorBuilder

    known = [
        Language.from_iso_code_639_1(getattr(IsoCode639_1, c.upper()))
        for c in codes
        if hasattr(IsoCode639_1, c.upper())
    ]
    if len(known) < 2:
        return None
    return LanguageDetectorBuilder.from_languages(*known).build()


@cache
def _vader() -> Any:
    from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

    return SentimentIntensityAnalyzer()


def sentiment(text: str) -> float:
    """VADER's compound score of an English text, -1 to 1; only the first 400 characters are read."""
    return float(_vader().polarity_scores(text[:400].translate(_DROP))["compound"])
