"""Overlap with the one true reply: BLEU, ROUGE-L, chrF.

In open chat a good reply shares few words with the true one, so these are reported because people know
them, and serve as a leak alarm: values far above what permuted pairs give mean that text was copied.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from gemel.errors import MissingExtra
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Floats, Statistic, mean_of
from gemel.text import fold, words


@metric("bleu", title="BLEU", unit="0…1", paired=True, ceiling="near", seed="BLEU")
def bleu(sample: Sample) -> Statistic:
    """Mean sentence BLEU (sacreBLEU, effective order, exponential smoothing)."""
    scorer = _sacre("BLEU", effective_order=True)
    return _mean(sample, "bleu", lambda said, true: scorer.sentence_score(said, [true]).score / 100)


@metric("chrf", title="chrF", unit="0…1", paired=True, ceiling="near", seed="chrF")
def chrf(sample: Sample) -> Statistic:
    """Mean sentence chrF2 over character 6-grams (sacreBLEU)."""
    return mean_of(chrf_values(sample), sample.index, sample.sessions)


@metric("rouge_l", title="ROUGE-L", unit="F1", paired=True, ceiling="near", seed="ROUGE-L")
def rouge_l(sample: Sample) -> Statistic:
    """Mean F1 of the longest common subsequence of words."""
    scorer = _rouge()
    return _mean(sample, "rouge_l", lambda said, true: scorer.score(true, said)["rougeL"].fmeasure)


def chrf_values(sample: Sample) -> Floats:
    """(N,) chrF2 of each reply with the true one.

    Raises:
        MissingExtra: when sacreBLEU is not installed.
    """
    scorer = _sacre("CHRF")

    def measure(said: str, true: str) -> float:
        return float(scorer.sentence_score(said, [true]).score / 100)

    return sample.shared.pairwise("chrf", measure, sample.said, sample.true)


def _mean(sample: Sample, name: str, measure: Callable[[str, str], float]) -> Statistic:
    values = sample.shared.pairwise(name, measure, sample.said, sample.true)
    return mean_of(values, sample.index, sample.sessions)


def _tokens(text: str) -> list[str]:
    return words(fold(text))


@cache
def _sacre(name: str, **options: Any) -> Any:
    try:
        from sacrebleu import metrics
    except ImportError:
        raise MissingExtra("sacrebleu", extra="evaluate") from None
    return getattr(metrics, name)(**options)


@cache
def _rouge() -> Any:
    try:
        from rouge_score import rouge_scorer
    except ImportError:
        raise MissingExtra("rouge_score", extra="evaluate") from None
    return rouge_scorer.RougeScorer(["rougeL"], tokenizer=_Words())


class _Words:
    """rouge_score's own tokenizer drops everything that is not ASCII."""

    def tokenize(self, text: str) -> list[str]:
        return _tokens(text)
