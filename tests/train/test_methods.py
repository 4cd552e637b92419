"""Low-bit bases and optimisers learn on a CPU, keep their frozen weights, and resume exactly."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

pytest.importorskip("bitsandbytes")

from tiny import conversation, tiny_base, tiny_folder

from gemel.config import ModelSection, TrainSection
from gemel.errors import ConfigError
from gemel.model.base import Base, load_base, load_run, save_base_file
from gemel.model.likelihood import LocalScorer
from gemel.model.lora import LoraLinear, inject, save_adapter
from gemel.model.lowbit import dequantized, is_quantized
from gemel.model.packed import packing
from gemel.track import Event, listening
from gemel.train.batches import encode_all
from gemel.train.fit import fit
from gemel.train.learner import Learner
from gemel.train.methods import adapter_spec, prepare

TRAIN = [conversation(i, turns=2 + 2 * (i % 3)) for i in range(12)]
VALID = [conversation(100 + i) for i in range(3)]
QUICK = TrainSection(
    rank=4, lr=0.02, batch_tokens=256, epochs=3, threads=1, evaluate_every=4, checkpoint_every=3, warmup=2
)
WIDE = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}


def lowbit(tmp_path: Path, precision: str) -> Base:
    folder = tmp_path / "base"
    if not folder.exists():
        tiny_folder(folder, **WIDE)
    return load_base(ModelSection(base=str(folder), precision=precision))


@pytest.mark.parametrize(("method", "precision"), [("qlora", "nf4"), ("int8", "int8")])
def test_low_bit_bases_learn_and_load_again(method: str, precision: str, tmp_path: Path) -> None:
    base = lowbit(tmp_path, precision)
    assert any(is_quantized(m) for m in base.model.modules())
    result = fit(base, TRAIN, VALID, QUICK.model_copy(update={"method": method}), tmp_path / "run")
    assert result.loss is not None
    assert result.before is not None
    assert result.loss < 0.8 * result.before
    save_adapter(base.model, tmp_path / "run" / "adapter", base=base.name)
    save_base_file(tmp_path / "run", base, "")
    again = load_run(tmp_path / "run", ModelSection())
    pairs = [pair for example in VALID for pair in example.pairs()]
    scored = LocalScorer(again).likelihoods(pairs)
    mean = sum(x.total for x in scored) / sum(len(x.nats) for x in scored)
    assert mean == pytest.approx(result.loss, rel=2e-2)


@pytest.mark.parametrize(("method", "precision"), [("qlora", "nf4"), ("int8", "int8")])
def test_gradients_are_those_of_the_dequantised_base(method: str, precision: str, tmp_path: Path) -> None:
    """The frozen weights are rounded once; everything after that is as exact as without rounding."""
    low = lowbit(tmp_path, precision)
    plain = load_base(ModelSection(base=str(tmp_path / "base")))
    for path, layer in low.model.named_modules():
        if is_quantized(layer):
            with torch.no_grad():
                plain.model.get_submodule(path).weight.copy_(dequantized(layer, torch.float32))
    pieces = encode_all(TRAIN[:4], low.template, 512).pieces
    grads = []
    for base, how in ((low, method), (plain, "lora")):
        with packing(base.model):
            learner = Learner(base, QUICK.model_copy(update={"method": how}), tmp_path, None)
            torch.manual_seed(0)
            for parameter in learner.parameters.values():
                with torch.no_grad():
                    parameter.copy_(0.05 * torch.randn_like(parameter))
            learner._gradients([pieces])
        grads.append({n: p.grad for n, p in learner.parameters.items()})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("optimizer", ["adamw8bit", "paged_adamw8bit"])
def test_8_bit_optimisers_learn_and_resume_exactly(optimizer: str, tmp_path: Path) -> None:
    # Below 4096 numbers bitsandbytes keeps full states: the embedding of a wide base is above.
    section = QUICK.model_copy(update={"optimizer": optimizer, "method": "full", "lr": 2e-3})
    whole = tiny_base(tmp_path / "a", **WIDE)
    straight = fit(whole, TRAIN, VALID, section, tmp_path / "straight")
    assert straight.loss is not None
    assert straight.before is not None
    assert straight.loss < 0.8 * straight.before

    class Killed(BaseException):
        pass

    def die(event: Event) -> None:
        if event.name == "train.step" and event.fields["step"] == 5:
            raise Killed

    with pytest.raises(Killed), listening(die):
        fit(tiny_base(tmp_path / "b", **WIDE), TRAIN, VALID, section, tmp_path / "run")
    again = tiny_base(tmp_path / "c", **WIDE)
    resumed = fit(again, TRAIN, VALID, section, tmp_path / "run")
    assert resumed.curve == straight.curve
    for (name, a), b in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_methods_that_do_not_fit_the_base_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="nf4"):
        prepare(tiny_base(tmp_path), QUICK.model_copy(update={"method": "qlora"}))
    with pytest.raises(ConfigError, match="fp32"):
        prepare(lowbit(tmp_path / "low", "nf4"), QUICK.model_copy(update={"method": "full"}))


def test_a_splice_stays_trainable_beside_an_adapter(tmp_path: Path) -> None:
    from gemel.config import TraitsSection
    from gemel.model.splice import wrap

    base = tiny_base(tmp_path)
    wrap(base.model, 3, TraitsSection(hidden=4))
    names = set(prepare(base, QUICK))
    assert any(n.startswith("splice.") for n in names)
    assert all(n.startswith("splice.") or "lora_" in n for n in names)
    assert not any(isinstance(m, LoraLinear) for m in base.model.splice.modules())


def test_a_warm_start_goes_on_with_the_adapter(tmp_path: Path) -> None:
    base = tiny_base(tmp_path)
    inject(base.model, adapter_spec(QUICK))
    before = [p for p in base.model.parameters() if p.requires_grad]
    assert [id(p) for p in prepare(base, QUICK).values()] == [id(p) for p in before]
