"""Words that are no names though people are called so, and words in contact lists that name nobody.

`words/common_en.txt` holds the English words that stand in lower case in at least 85 % of their uses in
public-domain novels and freely licensed dialogues, `common_vi.txt` Vietnamese syllables of everyday sentences;
`common_names.txt` has, for the other languages, words that are names too or one slip away from one; `generic.txt`
the words of shown names that name nobody.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

__all__ = ["common_words", "english_words", "family_first", "generic_words", "lines"]

_FAMILY_FIRST = """nguyễn trần lê phạm hoàng huỳnh phan vũ võ đặng bùi đỗ hồ ngô dương lý
nguyen tran le pham hoang huynh vu vo dang bui"""


def lines(name: str) -> list[str]:
    """The lines of a word list that comes with gemel."""
    return files("gemel.privacy").joinpath("words", name).read_text(encoding="utf-8").splitlines()


def _words(name: str) -> frozenset[str]:
    return frozenset(word for line in lines(name) for word in line.split())


@cache
def english_words() -> frozenset[str]:
    """Lower-cased words of everyday English."""
    return _words("common_en.txt")


@cache
def common_words() -> frozenset[str]:
    """Lower-cased words of everyday language."""
    return english_words() | _words("common_vi.txt") | _words("common_names.txt")


@cache
def generic_words() -> frozenset[str]:
    """Lower-cased words of shown names that do not name a person: mum, work, family, titles, particles."""
    return _words("generic.txt")


@cache
def family_first() -> frozenset[str]:
    """Family names that stand first: their bearers are called by the last word of their name."""
    return frozenset(_FAMILY_FIRST.split())
