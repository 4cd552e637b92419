"""What metrics are called, what they mean, and which one to read instead of a customary one."""

from __future__ import annotations

from gemel.evaluate.metrics import METRICS

__all__ = ["ALWAYS", "HONEST", "title_of", "what_of"]

TITLES = {
    "identity_gain": "Identity gain",
    "bits_per_byte": "Bits per byte",
    "perplexity": "Perplexity",
    "choice": "Choice test",
    "leak": "Leak alarm",
    "overlap_tail": "Overlap beyond chance",
    "zero_shot": "Relevance outside the domain",
    "response_time": "Response time",
    "throughput": "Throughput",
    "memory": "Memory",
}
ALWAYS = frozenset(TITLES)
"""What is measured whatever metrics are chosen; the rest are in the registry."""
WHAT = {
    "identity_gain": "[base − twin] on the person's held-out replies minus the same on other people's replies: what "
    "every speaker here has in common cancels; what is left is the person. 0 means none.",
    "bits_per_byte": "Bits the model needs per UTF-8 byte of the held-out text, end of turn included; lower is better.",
    "perplexity": "exp of the mean loss per token; depends on the tokenizer and on the share of end-of-turn tokens.",
    "choice": "Share of cases in which the model ranks the true reply above one of the person's from another session, "
    "one of somebody else and one of the base, by log p(reply | context) − log p(reply); chance is 25 %.",
    "leak": "Share of replies that repeat more training text than 99 % of the person's own held-out replies.",
    "overlap_tail": "Share of replies whose chrF with the true reply is above the 99th percentile of the same replies "
    "beside other contexts: chance is 1 %. Much more than the person's own replies to like contexts means copying.",
    "zero_shot": "On 40 everyday prompts from outside the person's texts: mean of cos(prompt, its reply) − cos(prompt, "
    "replies to the other prompts). Somebody who recites their domain whatever is asked has 0.",
    "response_time": "Median seconds per reply.",
    "throughput": "Tokens written per second.",
    "memory": "Peak memory of this process.",
}
HONEST = {
    "perplexity": ("bits_per_byte", "identity_gain"),
    "length_similarity": ("length", "burst"),
    "vocabulary_overlap": ("words", "trigrams"),
    "emoji_match": ("emoji_rate", "emoji_kinds", "emoji_place"),
    "bleu": ("overlap_tail", "leak"),
    "rouge_l": ("overlap_tail", "leak"),
    "meteor": ("overlap_tail", "leak"),
    "chrf": ("overlap_tail", "leak"),
    "bertscore": ("semantic_share",),
    "semantic_similarity": ("semantic_share",),
    "prompt_alignment": ("context_pull", "echo", "zero_shot"),
    "topic_coherence": ("context_pull",),
    "style_match": ("c2st",),
    "style_deviation": ("c2st",),
    "response_pattern": ("c2st", "length"),
    "personality": ("impostor_rank", "attribution"),
    "sentiment_match": ("sentiment",),
    "language_mix": ("code_switch",),
    "hallucination": ("unsupported",),
    "context_loss": (),
    "response_time": (),
    "throughput": (),
}
"""A metric as it is known → what to read instead; without one it is read beside the person's own figure."""


def title_of(metric: str) -> str:
    """The name of a metric for a person."""
    return TITLES.get(metric) or METRICS.get(metric).title


def what_of(metric: str) -> str:
    """Its definition in a sentence."""
    return WHAT.get(metric) or METRICS.get(metric).what
