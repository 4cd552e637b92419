"""The smallest models that are still real: 2 layers, 16 wide, a byte-level tokenizer with gemel's tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gemel.config import ModelSection
from gemel.examples import Example, Role, Turn
from gemel.model.base import Base, load_base
from gemel.model.template import BEGIN, END, PAD, SPECIAL_TOKENS

__all__ = ["conversation", "tiny_base", "tiny_folder", "tiny_model", "tiny_tokenizer"]

START = datetime(2024, 1, 1, 12, tzinfo=UTC)


def tiny_tokenizer(special: tuple[str, ...] = SPECIAL_TOKENS, **names: str) -> Any:
    """Bytes and special tokens, nothing merged; `names` are bos_token, eos_token, pad_token."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*special, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def tiny_model(vocabulary: int = len(SPECIAL_TOKENS) + 256, *, seed: int = 0, **shape: Any) -> Any:
    """A Llama of 2 layers, 16 wide, with weights large enough that outputs differ visibly."""
    torch.manual_seed(seed)
    settings: dict[str, Any] = {
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 512,
        "tie_word_embeddings": True,
        "initializer_range": 0.2,
    }
    config = LlamaConfig(vocab_size=vocabulary, bos_token_id=1, eos_token_id=2, pad_token_id=0, **(settings | shape))
    return LlamaForCausalLM(config).eval()


def tiny_folder(path: Path, *, seed: int = 0, **shape: Any) -> Path:
    """Write a tiny base in Hugging Face's format into `path`."""
    tiny_tokenizer(bos_token=BEGIN, eos_token=END, pad_token=PAD).save_pretrained(path)
    tiny_model(seed=seed, **shape).save_pretrained(path)
    return path


def tiny_base(path: Path, *, seed: int = 0, attention: str | None = None, **shape: Any) -> Base:
    """A tiny base, saved into `path` and loaded from there as any base is."""
    return load_base(ModelSection(base=str(tiny_folder(path, seed=seed, **shape))), attention=attention)


def conversation(index: int = 0, turns: int = 4) -> Example:
    """A chat between Anna and Tom (who is `me`); different for every index."""
    said = []
    for i in range(turns):
        mine = i % 2 == 1
        said.append(
            Turn(
                role=Role.me if mine else Role.other,
                name="Tom" if mine else "Anna",
                parts=(f"yes {index}", "sure") if mine else (f"are you there {i + index}?",),
                time=START + timedelta(days=index, seconds=40 * i),
                learn=mine,
            )
        )
    return Example(id=f"e{index}", kind="chat", turns=tuple(said), session=f"s{index}", thread="t", time=said[0].time)
