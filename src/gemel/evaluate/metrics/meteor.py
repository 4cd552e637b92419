"""METEOR, with synonyms from nltk's data or from Debian's wordnet-base; without them, exact and stemmed matches."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from gemel.errors import MissingExtra
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of
from gemel.text import fold, words

__all__ = ["WordNet", "synonyms", "variant"]

DEBIAN = Path("/usr/share/wordnet")


@metric("meteor", title="METEOR", unit="0…1", paired=True, ceiling="near", seed="METEOR")
def meteor(sample: Sample) -> Statistic:
    """Mean METEOR: exact and stemmed matches, synonyms too where WordNet is installed."""
    try:
        from nltk.translate.meteor_score import single_meteor_score
    except ImportError:
        raise MissingExtra("nltk", extra="evaluate") from None
    book, stems = synonyms(), _Stems()

    def measure(said: str, true: str) -> float:
        return float(single_meteor_score(words(fold(true)), words(fold(said)), stemmer=stems, wordnet=book))

    values = sample.shared.pairwise("meteor", measure, sample.said, sample.true)
    return mean_of(values, sample.index, sample.sessions)


def variant() -> str:
    """Which METEOR this is, for the report."""
    book = synonyms()
    if isinstance(book, WordNet) and not book.known:
        return "exact and stemmed matches only (no WordNet is installed)"
    return "exact and stemmed matches and WordNet synonyms"


class _Stems:
    """Porter's stems, each word's once."""

    def __init__(self) -> None:
        from nltk.stem.porter import PorterStemmer

        self._porter = PorterStemmer()
        self._known: dict[str, str] = {}

    def stem(self, word: str) -> str:
        found = self._known.get(word)
        if found is None:
            found = self._known[word] = str(self._porter.stem(word))
        return found


class _Lemma(NamedTuple):
    text: str

    def name(self) -> str:
        return self.text


class _Synset(NamedTuple):
    words: tuple[str, ...]

    def lemmas(self) -> list[_Lemma]:
        return [_Lemma(w) for w in self.words]


class WordNet:
    """Synonym sets from WordNet's own files (format of wndb(5)); as much of nltk's reader as METEOR asks for."""

    def __init__(self, sets: Mapping[str, tuple[tuple[str, ...], ...]]) -> None:
        self._sets = sets

    @classmethod
    def read(cls, folder: Path) -> WordNet:
        """Read `data.noun` and its siblings."""
        sets: dict[str, list[tuple[str, ...]]] = {}
        for part in ("noun", "verb", "adj", "adv"):
            for line in (folder / f"data.{part}").read_text(encoding="utf-8").splitlines():
                if line.startswith("  "):  # the licence on top
                    continue
                fields = line.split(" ")
                count = int(fields[3], 16)
                # Adjectives carry a marker such as (a) or (ip).
                members = tuple(w.partition("(")[0].lower() for w in fields[4 : 4 + 2 * count : 2])
                for word in members:
                    sets.setdefault(word, []).append(members)
        return cls({word: tuple(found) for word, found in sets.items()})

    @property
    def known(self) -> int:
        """Words that stand in it."""
        return len(self._sets)

    def synsets(self, word: str) -> list[_Synset]:
        """The sets a word stands in; none where it is unknown."""
        return [_Synset(members) for members in self._sets.get(word, ())]


@cache
def synonyms() -> Any:
    """nltk's WordNet, Debian's, or an empty one."""
    from nltk.corpus import wordnet

    try:
        wordnet.synsets("word")
    except LookupError:
        return WordNet.read(DEBIAN) if (DEBIAN / "data.noun").exists() else WordNet({})
    return wordnet
