"""Every supported architecture, built small from its configuration class: train, save, load, merge, chat."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from chat_forms import chat_tokenizer
from tiny import conversation
from transformers import (
    Gemma2Config,
    Gemma2ForCausalLM,
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GemmaConfig,
    GemmaForCausalLM,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from gemel.config import ModelSection, TrainSection
from gemel.model.base import load_base, load_run
from gemel.model.likelihood import LocalScorer
from gemel.pipeline.train import save_voice
from gemel.train.fit import fit

TRAIN = [conversation(i, turns=2 + 2 * (i % 3)) for i in range(10)]
VALID = [conversation(100 + i) for i in range(2)]
QUICK = TrainSection(rank=4, lr=0.02, batch_tokens=512, epochs=4, threads=1, evaluate_every=4, warmup=2)
SHAPE: dict[str, Any] = {
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": 1024,
    "initializer_range": 0.2,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FAMILIES: dict[str, tuple[Any, Any, str, dict[str, Any]]] = {
    "llama-3.1": (LlamaConfig, LlamaForCausalLM, "llama3", {"tie_word_embeddings": False}),
    "smollm": (LlamaConfig, LlamaForCausalLM, "chatml", {"tie_word_embeddings": True}),
    "gemma": (GemmaConfig, GemmaForCausalLM, "gemma", {}),
    "gemma-2": (Gemma2Config, Gemma2ForCausalLM, "gemma", {"sliding_window": 64}),
    "gemma-3": (Gemma3TextConfig, Gemma3ForCausalLM, "gemma", {"sliding_window": 64}),
    "qwen-2.5": (Qwen2Config, Qwen2ForCausalLM, "chatml", {}),
    "qwen-3": (Qwen3Config, Qwen3ForCausalLM, "qwen3", {}),
    "deepseek-r1-distill-qwen": (Qwen2Config, Qwen2ForCausalLM, "r1", {"tie_word_embeddings": False}),
    "mistral": (MistralConfig, MistralForCausalLM, "mistral", {"sliding_window": 64}),
}


def folder_of(path: Path, family: str) -> Path:
    config, kind, form, extra = FAMILIES[family]
    tokenizer = chat_tokenizer(form)
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    kind(config(**{**SHAPE, **extra}, vocab_size=len(tokenizer))).save_pretrained(path)
    return path


@pytest.mark.parametrize("family", FAMILIES)
def test_train_save_load_merge_chat(family: str, tmp_path: Path) -> None:
    section = ModelSection(base=str(folder_of(tmp_path / "base", family)), template="chat")
    base = load_base(section)
    pairs = [pair for example in VALID for pair in example.pairs()]
    with torch.inference_mode():
        encoded = base.template.encode_pair(*pairs[0])
        logs = base.model(torch.tensor([encoded.ids])).logits[0].log_softmax(-1)
    plain = [-float(logs[i - 1, t]) for i, (t, learn) in enumerate(zip(encoded.ids, encoded.learn)) if learn]
    assert LocalScorer(base).likelihoods(pairs[:1])[0].nats == pytest.approx(plain, abs=2e-3)

    result = fit(base, TRAIN, VALID, QUICK, tmp_path / "run")
    assert result.loss is not None
    assert result.before is not None
    assert result.loss < 0.85 * result.before
    unmerged = [x.total for x in LocalScorer(base).likelihoods(pairs)]

    save_voice(base, tmp_path / "run", full=False)
    again = load_run(tmp_path / "run", ModelSection())
    assert again.template.name == "chat"
    assert [x.total for x in LocalScorer(again).likelihoods(pairs)] == pytest.approx(unmerged, rel=1e-3)

    header = again.template.header(VALID[0].turns[:1], name="Tom")
    out = again.model.generate(
        torch.tensor([header]), max_new_tokens=20, do_sample=False, eos_token_id=sorted(again.template.stop_ids)
    )
    parts = again.template.parts(out[0, len(header) :].tolist())
    assert parts
    assert not any("<think>" in part or "<|" in part for part in parts)
