"""Overlap with the one true reply: BLEU, ROUGE-L, chrF.

In open chat a good reply shares few words with the true one, so these are reported because people know
them, and serve as a leak alarm: values far above what permuted pairs give mean that text was copied.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from gemel.errors import MissingExtra
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of
from gemel.text import fold, words


@metric("bleu", title="BLEU", unit="0…1", paired=True, ceiling="near", seed="BLEU")
def bleu(sample: Sample) -> Statistic:
    """Mean sentence BLEU (sacreBLEU, effective order, exponential smoothing)."""
    scorer = _sacre("BLEU", effective_order=True)
    return _mean(sample, [scorer.sentence_score(a, [b]).score / 100 for a, b in zip(sample.said, sample.true)])


@metric("chrf", title="chrF", unit="0…1", paired=True, ceiling="near", seed="chrF")
def chrf(sample: Sample) -> Statistic:
    """Mean sentence chrF2 over character 6-grams (sacreBLEU)."""
    scorer = _sacre("CHRF")
    return _mean(sample, [scorer.sentence_score(a, [b]).score / 100 for a, b in zip(sample.said, sample.true)])


@metric("rouge_l", title="ROUGE-L", unit="F1", paired=True, ceiling="near", seed="ROUGE-L")
def rouge_l(sample: Sample) -> Statistic:
    """Mean F1 of the longest common subsequence of words."""
    return _mean(sample, [_rouge(a, b) for a, b in zip(sample.said, sample.true)])


def copied(text: str, sources: list[str]) -> float:
    """The longest run of words shared with any source, as a share of the text's words."""
    found = _tokens(text)
    return max((_run(found, _tokens(s)) for s in sources), default=0) / max(1, len(found))


def _mean(sample: Sample, values: list[float]) -> Statistic:
    return mean_of(np.array(values, dtype=float), sample.index, sample.sessions)


def _tokens(text: str) -> list[str]:
    return words(fold(text))


def _run(one: list[str], two: list[str]) -> int:
    best = 0
    row = [0] * (len(two) + 1)
    for a in one:
        new = [0] * (len(two) + 1)
        for j, b in enumerate(two):
            if a == b:
                new[j + 1] = row[j] + 1
                best = max(best, new[j + 1])
        row = new
    return best


@cache
def _sacre(name: str, **options: Any) -> Any:
    try:
        from sacrebleu import metrics
    except ImportError:
        raise MissingExtra("sacrebleu", extra="evaluate") from None
    return getattr(metrics, name)(**options)


def _rouge(said: str, true: str) -> float:
    try:
        from rouge_score import rouge_scorer
    except ImportError:
        raise MissingExtra("rouge_score", extra="evaluate") from None
    scorer = rouge_scorer.RougeScorer(["rougeL"], tokenizer=_Words())
    return float(scorer.score(true, said)["rougeL"].fmeasure)


class _Words:
    """rouge_score's own tokenizer drops everything that is not ASCII."""

    def tokenize(self, text: str) -> list[str]:
        return _tokens(text)
