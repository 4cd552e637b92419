"""Looking at text without changing it: repair of broken encodings, words, emoji, scripts.

Text is kept as it was typed everywhere in gemel: no normalisation form is forced on it, joiners and
variation selectors stay. What compares texts folds a copy (see `fold`).
"""

from __future__ import annotations

import unicodedata
from functools import cache

import regex

__all__ = ["emoji", "fold", "ngrams", "repair", "script", "sentences", "words"]

_WORD = regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’\-][\p{L}\p{M}\p{N}]+)*")
_EMOJI = regex.compile(
    r"\p{Regional_Indicator}{2}"
    r"|[0-9#*]\uFE0F?\u20E3"
    r"|(?:\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?"
    r"(?:\u200D\p{Extended_Pictographic}(?:\uFE0F|\p{Emoji_Modifier})?)*)"
)
_NOT_EMOJI = frozenset("©®™‼⁉ℹ")
_SENTENCE = regex.compile(r"(?<=[.!?…。！？])[\"'”’)\]]*\s+|\n+")


def repair(text: str) -> str:
    """Undo UTF-8 that was read as Latin-1 (Facebook's exports); other text comes back unchanged."""
    if text.isascii():
        return text
    try:
        return text.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return text


def words(text: str) -> list[str]:
    """Words as typed, in order; an apostrophe or hyphen inside a word stays."""
    return _WORD.findall(text)


def emoji(text: str) -> list[str]:
    """Emoji in order, joined sequences and flags as one."""
    if text.isascii():
        return []
    return [e for e in _EMOJI.findall(text) if e not in _NOT_EMOJI]


def sentences(text: str) -> list[str]:
    """A fast split into sentences by punctuation and line breaks; good enough for counting."""
    return [s for s in (part.strip() for part in _SENTENCE.split(text)) if s]


def fold(text: str) -> str:
    """A form for comparing: compatibility-normalised, case-folded, white space collapsed."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def ngrams(items: str | list[str], n: int) -> list[str] | list[tuple[str, ...]]:
    """Consecutive n-grams of characters (a string) or of words (a list)."""
    if isinstance(items, str):
        return [items[i : i + n] for i in range(len(items) - n + 1)]
    return [tuple(items[i : i + n]) for i in range(len(items) - n + 1)]


@cache
def script(char: str) -> str:
    """The script of a letter by the first word of its Unicode name, e.g. LATIN; "" for non-letters."""
    if not char.isalpha():
        return ""
    return unicodedata.name(char, "").partition(" ")[0]
