"""The same essay under other traits: sampling with shared noise, and the noise behind a real text.

Gumbel-max: y_t = argmax_v [log p(v | y_<t, u) + G_{k,v}] has exactly the marginal p(y | u) when the noise of
the T steps is independent. The key k of the noise is the last n tokens and how often they have occurred so
far: within an essay no key comes twice, and two essays that say the same again meet the same noise, so that
they run together again after an edit (Oberst & Sontag 2019, arXiv:1905.05824, for the coupling; the keys are
ours). For a given text the noise is drawn from its posterior by truncated Gumbels (Maddison et al. 2014,
arXiv:1411.0030): moving the traits then shows "your own essay, if you were taller".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gemel.model.conditioned import Blend, Conditioned, Text, log_probs, mixed

__all__ = ["Keys", "Noise", "changed", "hindsight", "to_tensor", "truncated", "write"]

Key = tuple[int, ...]
Gumbels = NDArray[np.float32]


class Keys:
    """The key of each step of one essay: its last n tokens, then how often they have occurred before."""

    def __init__(self, order: int) -> None:
        self.order = order
        self._seen: Counter[Key] = Counter()

    def next(self, ids: Sequence[int]) -> Key:
        """The key of the token that follows `ids`; call it once per step, in order."""
        gram = tuple(ids[-self.order :])
        self._seen[gram] += 1
        return (*gram, self._seen[gram] - 1)


class Noise:
    """Standard Gumbel noise by key: the same key always has the same noise, other keys independent noise.

    Args:
        seed: another seed is another essay.
        vocabulary: values per key.
        order: how many tokens make a key; fewer let essays run together sooner after an edit.
    """

    def __init__(self, seed: int, vocabulary: int, *, order: int = 2) -> None:
        self.seed, self.vocabulary, self.order = seed, vocabulary, order
        self._known: dict[Key, Gumbels] = {}

    def at(self, key: Key) -> Gumbels:
        """The noise of a key, (V,)."""
        found = self._known.get(key)
        if found is None:
            # drawn in fp64: an exponential of exactly 0, one in 2^24 in fp32, would win over any probability
            found = -np.log(self.draw(key).standard_exponential(self.vocabulary)).astype(np.float32)
            self._known[key] = found
        return found

    def pin(self, key: Key, values: Gumbels) -> None:
        """Set the noise of a key, as hindsight does."""
        self._known[key] = values

    def draw(self, key: Key, purpose: str = "") -> np.random.Generator:
        """A generator that belongs to this key alone."""
        digest = blake2b(repr((self.seed, key, purpose)).encode(), digest_size=16).digest()
        return np.random.Generator(np.random.Philox(key=int.from_bytes(digest, "little")))


def write(
    twin: Conditioned,
    prompt: Sequence[int],
    blend: Blend,
    noises: Sequence[Noise] | Noise,
    *,
    max_tokens: int = 200,
    temperature: float = 1.0,
) -> list[list[int]]:
    """Write one text per row of the blend, all in one batch.

    Args:
        prompt: tokens before each text.
        blend: traits of each of B texts.
        noises: one for all (coupled texts), or one each (independent texts).
        max_tokens: tokens of a text at most, the one that ends it included.

    Returns:
        B lists of tokens, each with the stop token that ended it, where one did.
    """
    count, rows, dim = blend.z.shape
    own = [noises] * count if isinstance(noises, Noise) else list(noises)
    keys = [Keys(noise.order) for noise in own]
    texts: list[list[int]] = [list(prompt) for _ in range(count)]
    room = min(max_tokens, twin.base.context - len(prompt))
    ended = [room <= 0] * count
    model: Any = twin.base.model
    step = torch.tensor([list(prompt)] * (count * rows))
    past: Any = None
    with torch.no_grad():
        twin.splice.set(blend.z.reshape(-1, dim))
        for _ in range(room):
            out = model(step, past_key_values=past, use_cache=True, logits_to_keep=1)
            past = out.past_key_values
            logp = (mixed(out.logits[:, -1], blend.weights) / temperature).numpy()  # (B, V)
            for b in range(count):
                if not ended[b]:
                    token = int(np.argmax(logp[b] + own[b].at(keys[b].next(texts[b]))))
                    texts[b].append(token)
                    ended[b] = token in twin.base.template.stop_ids
            if all(ended):
                break
            step = torch.tensor([[text[-1]] for text in texts]).repeat_interleave(rows, dim=0)
        twin.splice.set(None)
    return [text[len(prompt) :] for text in texts]


def hindsight(twin: Conditioned, text: Text, blend: Blend, noise: Noise) -> Noise:
    """Noise drawn from its posterior given that `text` was written under `blend` (of one text).

    Writing with it under the same traits gives the same text again, token for token; where the text goes
    another way under other traits, noise not yet seen is drawn afresh from `noise`.

    Args:
        noise: its seed decides the draw.
    """
    posterior = Noise(noise.seed, noise.vocabulary, order=noise.order)
    keys = Keys(noise.order)
    with torch.no_grad():
        ids = torch.tensor([text.ids])
        logp = log_probs(twin.base.model, twin.splice, ids[:, :-1], blend)[0].double().numpy()  # (T - 1, V)
        twin.splice.set(None)
    start = text.learn.index(True)
    for t in range(start, len(text.ids)):
        key = keys.next(text.ids[:t])
        posterior.pin(key, truncated(logp[t - 1], text.ids[t], noise.draw(key, "hindsight")))
    return posterior


def truncated(logp: NDArray[np.float64], chosen: int, rng: np.random.Generator) -> Gumbels:
    """Gumbel noise (V,) given that `chosen` is the argmax of logp + noise.

    The top value is Gumbel at logsumexp(logp) = 0; every other value is Gumbel at its logp, truncated at the top.
    """
    top = -np.log(rng.standard_exponential())
    free = -np.log(rng.standard_exponential(len(logp))) + logp
    values = -np.logaddexp(-free, -top)
    values[chosen] = top
    noise = (values - logp).astype(np.float32)
    return noise


def changed(before: Sequence[int], after: Sequence[int]) -> int:
    """Tokens of `after` that are not in their place of the longest common run of both."""
    from difflib import SequenceMatcher

    same = sum(block.size for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks())
    return max(len(before), len(after)) - same


def to_tensor(texts: Sequence[Sequence[int]], prompt: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Written texts with their prompt as (B, T) and the mask (B, T - 1) of the written tokens."""
    length = max(map(len, texts)) + len(prompt)
    ids = torch.tensor([[*prompt, *text, *[0] * (length - len(prompt) - len(text))] for text in texts])
    place = torch.arange(1, length)
    ends = torch.tensor([len(prompt) + len(text) for text in texts])
    return ids, (place >= len(prompt)) & (place < ends[:, None])
