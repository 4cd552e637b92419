"""Every supported architecture, built small from its configuration class: train, save, load, merge, chat."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import pytest
import torch
from chat_forms import chat_tokenizer, sentencepiece_tokenizer
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
from gemel.model.engine import Engine
from gemel.model.likelihood import LocalScorer
from gemel.model.lora import merge
from gemel.model.voice import Voice
from gemel.pipeline.train import save_voice
from gemel.speaker import Sampling
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


class Family(NamedTuple):
    """What tells a family of bases from others."""

    config: Any
    model: Any
    form: str
    """Its chat template; "" for none."""
    sentencepiece: bool | None = None
    """Tokenizer: None byte-level, else whether a space is put before every text."""
    method: str = "lora"
    shape: Mapping[str, Any] = MappingProxyType({})


LLAMA, QWEN2 = (LlamaConfig, LlamaForCausalLM), (Qwen2Config, Qwen2ForCausalLM)
APART, TIED = {"tie_word_embeddings": False}, {"tie_word_embeddings": True}
FAMILIES = {
    "llama-3.1": Family(*LLAMA, "llama3", shape=APART),
    "smollm": Family(*LLAMA, "chatml", shape=TIED),
    "gemma": Family(GemmaConfig, GemmaForCausalLM, "gemma", sentencepiece=False),
    "gemma-2": Family(Gemma2Config, Gemma2ForCausalLM, "gemma", sentencepiece=False, shape={"sliding_window": 64}),
    "gemma-3": Family(Gemma3TextConfig, Gemma3ForCausalLM, "gemma", sentencepiece=False, shape={"sliding_window": 64}),
    "qwen-2.5": Family(*QWEN2, "chatml"),
    "qwen-3": Family(Qwen3Config, Qwen3ForCausalLM, "qwen3"),
    "deepseek-r1-distill-qwen": Family(*QWEN2, "r1", shape=APART),
    "mistral": Family(MistralConfig, MistralForCausalLM, "mistral", sentencepiece=True, shape={"sliding_window": 64}),
    "tiny-llm": Family(*LLAMA, "", sentencepiece=True, method="full", shape=APART),
}


def folder_of(path: Path, family: Family) -> Path:
    """A base of the family in Hugging Face's format."""
    if family.form:
        tokenizer = chat_tokenizer(family.form, sentencepiece=family.sentencepiece)
    else:
        tokenizer = sentencepiece_tokenizer(("<unk>", "<s>", "</s>"), prefix=True, bos_token="<s>", eos_token="</s>")
    tokenizer.save_pretrained(path)
    torch.manual_seed(0)
    family.model(family.config(**{**SHAPE, **family.shape}, vocab_size=len(tokenizer))).save_pretrained(path)
    return path


@pytest.mark.parametrize("name", FAMILIES)
def test_train_save_load_merge_chat(name: str, tmp_path: Path) -> None:
    family = FAMILIES[name]
    template = "chat" if family.form else "gemel"
    section = ModelSection(base=str(folder_of(tmp_path / "base", family)), template=template)
    base = load_base(section, add_tokens=True)
    pairs = [pair for example in VALID for pair in example.pairs()]
    with torch.inference_mode():
        encoded = base.template.encode_pair(*pairs[0])
        logs = base.model(torch.tensor([encoded.ids])).logits[0].log_softmax(-1)
    plain = [-float(logs[i - 1, t]) for i, (t, learn) in enumerate(zip(encoded.ids, encoded.learn)) if learn]
    assert LocalScorer(base).likelihoods(pairs[:1])[0].nats == pytest.approx(plain, abs=2e-3)

    train = QUICK.model_copy(update={"method": family.method})
    result = fit(base, TRAIN, VALID, train, tmp_path / "run")
    assert result.loss is not None
    assert result.before is not None
    assert result.loss < 0.85 * result.before
    trained = [x.total for x in LocalScorer(base).likelihoods(pairs)]

    full = family.method == "full"
    save_voice(base, tmp_path / "run", full=full)
    again = load_run(tmp_path / "run", ModelSection())
    assert again.template.name == template
    assert [x.total for x in LocalScorer(again).likelihoods(pairs)] == pytest.approx(trained, rel=1e-3)
    if not full:  # loading has merged; merging what was trained here gives the same weights
        merge(base.model)
        for key, value in base.model.state_dict().items():
            torch.testing.assert_close(again.model.state_dict()[key], value, atol=1e-5, rtol=1e-4)

    engine = Engine(again, batch=1)
    try:
        reply = Voice(engine, me="Tom").reply(VALID[0].turns[:1], sampling=Sampling(temperature=0.0, max_tokens=20))
    finally:
        engine.close(drain=False)
    assert reply.parts
    assert not any("<think>" in part or "<|" in part or "▁" in part for part in reply.parts)
