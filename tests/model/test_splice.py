from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_model
from transformers import (
    Gemma3ForCausalLM,
    Gemma3TextConfig,
    GPT2Config,
    GPT2LMHeadModel,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    Qwen3Config,
    Qwen3ForCausalLM,
)

from gemel.config import TraitsSection
from gemel.errors import DamagedCheckpoint, ModelError
from gemel.model.splice import Splice, load_splice, unwrap, wrap

DIM, VOCABULARY = 5, 61
SIZES: dict[str, Any] = {"vocab_size": VOCABULARY, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
WIDE: dict[str, Any] = {**SIZES, "intermediate_size": 32, "num_key_value_heads": 1}


def _opt() -> Any:
    return OPTForCausalLM(OPTConfig(**SIZES, ffn_dim=32, word_embed_proj_dim=16, max_position_embeddings=64))


def _gpt2() -> Any:
    return GPT2LMHeadModel(GPT2Config(vocab_size=VOCABULARY, n_embd=16, n_layer=3, n_head=2, n_positions=64))


MODELS: dict[str, Any] = {
    "llama": lambda: tiny_model(VOCABULARY, num_hidden_layers=3),
    "mistral": lambda: MistralForCausalLM(MistralConfig(**WIDE)),
    "qwen3": lambda: Qwen3ForCausalLM(Qwen3Config(**WIDE, head_dim=8)),
    "gemma3": lambda: Gemma3ForCausalLM(Gemma3TextConfig(**WIDE, head_dim=8, query_pre_attn_scalar=8)),
    "gpt2": _gpt2,
    "opt": _opt,
    "neox": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**SIZES, intermediate_size=32)),
}


def _ids(rows: int = 2, length: int = 7) -> torch.Tensor:
    return torch.randint(4, VOCABULARY, (rows, length), generator=torch.Generator().manual_seed(3))


def _z(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, DIM, generator=torch.Generator().manual_seed(5))


def _stir(splice: Splice, scale: float = 0.1) -> None:
    torch.manual_seed(7)
    with torch.no_grad():
        for p in splice.heads.parameters():
            p.normal_(std=scale)


@pytest.mark.parametrize("kind", ["modulate", "additive"])
@pytest.mark.parametrize("name", sorted(MODELS))
def test_zero_at_the_start_and_gone_after(name: str, kind: Any) -> None:
    torch.manual_seed(0)
    model = MODELS[name]().eval()
    ids, keys = _ids(), list(model.state_dict())
    with torch.no_grad():
        before = model(ids).logits
        splice = wrap(model, DIM, TraitsSection(kind=kind))
        splice.set(_z(2))
        assert torch.equal(model(ids).logits, before)
        _stir(splice)
        splice.set(_z(2))
        assert (model(ids).logits - before).abs().max() > 1e-3
        splice.set(None)
        assert torch.equal(model(ids).logits, before)
        splice.set(_z(2))
        unwrap(model)
        assert torch.equal(model(ids).logits, before)
    assert list(model.state_dict()) == keys


def test_every_layer_has_norms_and_branches() -> None:
    sites = {}
    for name, make in MODELS.items():
        splice = wrap(make(), DIM, TraitsSection())
        sites[name] = [s.kind for s in splice._sites[: len(splice._sites) // 3]]
    assert sites["llama"] == ["branch", "branch", "norm", "norm"]
    assert sorted(sites["gemma3"]) == ["branch"] * 2 + ["norm"] * 4
    assert sorted(sites["opt"]) == ["branch"] * 2 + ["norm"] * 2


@pytest.mark.parametrize(("layers", "count"), [("all", 3), ("early", 1), ("middle", 1), ("late", 1)])
def test_places_can_be_chosen(layers: Any, count: int) -> None:
    splice = wrap(MODELS["llama"](), DIM, TraitsSection(kind="additive", layers=layers))
    assert len(splice._sites) == count


def test_rows_tokens_and_index_say_the_same() -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection())
    _stir(splice)
    ids, z = _ids(), _z(2)
    results = []
    with torch.no_grad():
        for given, index in (
            (z, None),
            (z[:, None].expand(2, 7, DIM), None),
            (z.flip(0), torch.tensor([[1], [0]]).expand(2, 7)),
        ):
            splice.set(given, index)
            results.append(model(ids).logits)
    assert torch.allclose(results[0], results[1], atol=1e-6)
    assert torch.allclose(results[0], results[2], atol=1e-6)


def test_a_change_of_traits_acts_only_from_its_token_on() -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection())
    _stir(splice)
    z = _z(2)
    with torch.no_grad():
        splice.set(z, torch.zeros(1, 7, dtype=torch.long))
        first = model(_ids(1)).logits
        splice.set(z, torch.tensor([[0, 0, 0, 0, 1, 1, 1]]))
        second = model(_ids(1)).logits
    assert torch.equal(first[:, :4], second[:, :4])
    assert (first[:, 4:] - second[:, 4:]).norm(dim=-1).min() > 0.01


def test_cached_decoding_equals_one_pass() -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection())
    _stir(splice)
    ids = _ids()
    with torch.no_grad():
        splice.set(_z(2))
        whole = model(ids).logits
        out = model(ids[:, :4], use_cache=True)
        steps = [out.logits]
        for t in range(4, 7):
            out = model(ids[:, t : t + 1], past_key_values=out.past_key_values, use_cache=True)
            steps.append(out.logits)
    assert torch.allclose(torch.cat(steps, 1), whole, atol=1e-5)


def test_a_frozen_base_learns_through_the_splice_alone() -> None:
    model = MODELS["llama"]()
    model.requires_grad_(False)
    splice = wrap(model, DIM, TraitsSection())
    frozen = {k: v.clone() for k, v in model.state_dict().items() if not k.startswith("splice")}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.02)
    ids, z = _ids(4, 9), _z(4)
    losses = []
    for _ in range(60):
        splice.set(z)
        loss = model(ids, labels=ids).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    assert losses[-1] < losses[0] - 0.5
    assert all(torch.equal(v, frozen[k]) for k, v in model.state_dict().items() if k in frozen)
    with torch.no_grad():
        splice.set(z)
        right = model(ids, labels=ids).loss
        splice.set(z.roll(1, 0))
        wrong = model(ids, labels=ids).loss
    assert right < wrong - 0.1


def test_lora_and_splice_together() -> None:
    from peft import LoraConfig, get_peft_model

    model = MODELS["llama"]()
    before = model(_ids()).logits
    adapted = get_peft_model(model, LoraConfig(r=2, target_modules="all-linear", init_lora_weights=True))
    splice = wrap(adapted, DIM, TraitsSection())
    splice.set(_z(2))
    assert torch.equal(adapted(_ids()).logits, before)
    adapted(_ids(), labels=_ids()).loss.backward()
    learned = {n for n, p in adapted.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0}
    assert any("lora_B" in n for n in learned)
    assert "splice.heads.weight" in learned


def test_weights_that_changed_are_seen_without_another_set() -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection())
    splice.set(_z(2))
    with torch.no_grad():
        before = model(_ids()).logits
        _stir(splice)
        assert not torch.equal(model(_ids()).logits, before)


def test_saved_and_loaded_is_the_same(tmp_path: Path) -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection(hidden=8, layers="late"))
    _stir(splice)
    splice.set(_z(2))
    before = model(_ids()).logits
    splice.save(tmp_path / "splice.safetensors")
    unwrap(model)
    again = load_splice(model, tmp_path / "splice.safetensors")
    again.set(_z(2))
    assert torch.equal(model(_ids()).logits, before)


def test_mistakes_are_told(tmp_path: Path) -> None:
    model = MODELS["llama"]()
    splice = wrap(model, DIM, TraitsSection())
    with pytest.raises(ModelError, match="spliced already"):
        wrap(model, DIM, TraitsSection())
    with pytest.raises(ValueError, match="5 slots"):
        splice.set(torch.zeros(2, 3))
    path = tmp_path / "splice.safetensors"
    splice.save(path)
    with pytest.raises(DamagedCheckpoint, match="another base"):
        load_splice(tiny_model(VOCABULARY), path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DamagedCheckpoint, match="cannot be read"):
        load_splice(tiny_model(VOCABULARY), path)
    with pytest.raises(ModelError, match="no list of layers"):
        wrap(torch.nn.Linear(2, 2), DIM, TraitsSection())
