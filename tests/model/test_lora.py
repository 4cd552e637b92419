"""Adapters: nothing changes at first, gradients equal PEFT's, merged equals unmerged, files load into PEFT and back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
from tiny import tiny_model

from gemel.errors import ConfigError, DamagedCheckpoint
from gemel.model.lora import AdapterSpec, LoraLinear, detach, inject, load_adapter, merge, save_adapter, train_rows

SPECS = {
    "lora": AdapterSpec(rank=4, alpha=8),
    "rslora": AdapterSpec(rank=4, alpha=8, rslora=True),
    "dora": AdapterSpec(rank=4, alpha=8, dora=True),
    "some": AdapterSpec(rank=2, alpha=8, targets=("q_proj", "up_proj")),
}
IDS = torch.tensor([[1, 5, 30, 31, 32, 40], [1, 9, 60, 61, 70, 71]])


def trained(spec: AdapterSpec, **shape: Any) -> Any:
    """A tiny model whose adapter has been moved away from zero."""
    model = tiny_model(**shape)
    inject(model, spec)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.1 * torch.randn_like(parameter)
    return model


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_a_fresh_adapter_changes_nothing_and_comes_off(spec: AdapterSpec) -> None:
    model = tiny_model()
    before = model(IDS).logits
    weights = {k: v.clone() for k, v in model.state_dict().items()}
    paths = inject(model, spec)
    assert len(paths) == (4 if spec.targets else 14)
    torch.testing.assert_close(model(IDS).logits, before, atol=1e-5, rtol=1e-5)
    detach(model)
    assert torch.equal(model(IDS).logits, before)
    assert all(torch.equal(v, weights[k]) for k, v in model.state_dict().items())


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_merged_equals_unmerged(spec: AdapterSpec) -> None:
    model = trained(spec)
    before = model(IDS).logits
    merge(model)
    assert not any(isinstance(m, LoraLinear) for m in model.modules())
    torch.testing.assert_close(model(IDS).logits, before, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_files_load_into_peft_with_equal_outputs_and_gradients(spec: AdapterSpec, tmp_path: Path) -> None:
    model = trained(spec)
    save_adapter(model, tmp_path, base="tiny")
    theirs = peft.PeftModel.from_pretrained(tiny_model(), str(tmp_path), is_trainable=True)
    torch.testing.assert_close(model(IDS).logits, theirs(IDS).logits, atol=1e-5, rtol=1e-5)
    for m in (model, theirs):
        torch.nn.functional.cross_entropy(m(IDS).logits[:, :-1].flatten(0, 1), IDS[:, 1:].flatten()).backward()
    grads = {n: p.grad for n, p in theirs.named_parameters() if p.grad is not None}
    ours = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    assert len(grads) == len(ours)
    for name, grad in ours.items():
        key = "base_model.model." + name.replace("magnitude", "lora_magnitude_vector")
        found = next(g for n, g in grads.items() if n.replace(".default", "").replace(".weight", "") == key)
        torch.testing.assert_close(grad, found, atol=1e-5, rtol=1e-4)


def test_an_adapter_of_peft_loads(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = peft.LoraConfig(r=4, lora_alpha=3, target_modules=["q_proj", "down_proj"], init_lora_weights=False)
    theirs = peft.get_peft_model(tiny_model(), config).eval()
    theirs.save_pretrained(tmp_path)
    model = tiny_model()
    load_adapter(model, tmp_path)
    torch.testing.assert_close(model(IDS).logits, theirs(IDS).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_rows_of_new_tokens_are_trained_saved_and_merged(tied: bool, tmp_path: Path) -> None:
    model = tiny_model(tie_word_embeddings=tied)
    start = 60
    before = model(IDS).logits
    inject(model, SPECS["lora"])
    train_rows(model, start, 12)
    torch.testing.assert_close(model(IDS).logits, before, atol=1e-5, rtol=1e-5)
    torch.manual_seed(1)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("rows"):
                parameter += torch.randn_like(parameter)
    after = model(IDS).logits
    assert not torch.allclose(after, before)
    save_adapter(model, tmp_path, base="tiny")
    again = tiny_model(tie_word_embeddings=tied)
    load_adapter(again, tmp_path)
    torch.testing.assert_close(again(IDS).logits, after, atol=1e-5, rtol=1e-5)
    merged = copy.deepcopy(model)
    merge(merged)
    torch.testing.assert_close(merged(IDS).logits, after, atol=1e-5, rtol=1e-5)
    if tied:
        theirs = peft.PeftModel.from_pretrained(tiny_model(), str(tmp_path))
        torch.testing.assert_close(theirs(IDS).logits, after, atol=1e-5, rtol=1e-5)


def test_dropout_acts_only_in_training() -> None:
    model = trained(AdapterSpec(rank=4, alpha=8, dropout=0.5))
    torch.testing.assert_close(model(IDS).logits, model(IDS).logits)
    model.train()
    assert not torch.allclose(model(IDS).logits, model(IDS).logits)


def test_half_precision_keeps_small_updates() -> None:
    base = torch.nn.Linear(64, 64, bias=False).bfloat16()
    torch.nn.init.constant_(base.weight, 1.0)
    layer = LoraLinear(base, AdapterSpec(rank=1, alpha=1))
    with torch.no_grad():
        layer.lora_A.fill_(1.0)
        layer.lora_B.fill_(1e-4)  # a thousandth of a bf16 step at 1
    x = torch.zeros(1, 64, dtype=torch.bfloat16)
    x[0, 0], x[0, 1] = 1.0, -0.5
    plain = base(x)
    x[0, 1] = -1.0  # the frozen part cancels, the update is what remains
    assert plain.abs().max() > 0
    assert torch.equal(layer(x), torch.zeros_like(plain))
    x[0, 1], x[0, 2] = -1.5, 0.5
    with torch.no_grad():
        layer.lora_A[0, 0] = 2.0
    assert torch.allclose(layer(x).float(), torch.full((1, 64), 1e-4), rtol=0.02)


def test_unknown_targets_are_told() -> None:
    with pytest.raises(ConfigError, match="qq_proj"):
        inject(tiny_model(), AdapterSpec(targets=("qq_proj",)))


def test_damaged_adapters_are_told(tmp_path: Path) -> None:
    save_adapter(trained(SPECS["lora"]), tmp_path / "adapter", base="tiny")
    weights = tmp_path / "adapter" / "adapter_model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DamagedCheckpoint, match="does not read back"):
        load_adapter(tiny_model(), tmp_path / "adapter")
    weights.write_bytes(whole)
    with pytest.raises(DamagedCheckpoint, match="does not fit"):
        load_adapter(tiny_model(hidden_size=32), tmp_path / "adapter")
