"""The loop: it learns, it resumes exactly, its gradients are those of plain padded training, and it fails well."""

from __future__ import annotations

import errno
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import peft
import pytest
import torch
import torch.nn.functional as F
from tiny import conversation, tiny_base

from gemel.config import TrainSection
from gemel.errors import DamagedCheckpoint, Diverged, ResourceError, TooLittle
from gemel.examples import Example
from gemel.model.base import Base
from gemel.model.packed import Batch, packing
from gemel.track import Event, listening
from gemel.train import checkpoint, learner
from gemel.train.batches import encode_all
from gemel.train.fit import FitResult, fit
from gemel.train.learner import Learner

TRAIN = [conversation(i, turns=2 + 2 * (i % 3)) for i in range(12)]
VALID = [conversation(100 + i) for i in range(3)]
QUICK = TrainSection(
    rank=4, lr=0.02, batch_tokens=256, epochs=4, threads=1, evaluate_every=4, checkpoint_every=3, warmup=2
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "run"


def base_at(tmp_path: Path, **shape: Any) -> Base:
    return tiny_base(tmp_path / "base", **shape)


def run(base: Base, folder: Path, section: TrainSection = QUICK, **extra: Any) -> tuple[FitResult, list[Event]]:
    heard: list[Event] = []
    with listening(heard.append):
        result = fit(base, TRAIN, VALID, section, folder, **extra)
    return result, heard


def weights(base: Base) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in base.model.state_dict().items()}


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(v, b[k]) for k, v in a.items())


@pytest.mark.parametrize("method", ["lora", "rslora", "dora", "full"])
def test_it_learns(method: str, tmp_path: Path, folder: Path) -> None:
    result, heard = run(base_at(tmp_path), folder, QUICK.model_copy(update={"method": method}))
    assert result.before is not None
    assert result.loss is not None
    assert result.loss < 0.85 * result.before
    assert result.reason == "finished"
    assert result.trained == result.parameters if method == "full" else result.trained < result.parameters
    steps = [e for e in heard if e.name == "train.step"]
    assert [e.fields["step"] for e in steps] == list(range(1, result.steps + 1))
    assert result.bits is not None
    assert result.bits > 0


def test_gradients_equal_plain_padded_training_with_peft(tmp_path: Path, folder: Path) -> None:
    base = base_at(tmp_path)
    config = peft.LoraConfig(r=4, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM")
    theirs = peft.get_peft_model(tiny_base(tmp_path / "other").model, config)
    pieces = encode_all(TRAIN, base.template, 512).pieces
    with packing(base.model):
        ours = Learner(base, QUICK, folder, None)
        generator = torch.Generator().manual_seed(5)
        for name, parameter in ours.parameters.items():
            value = 0.1 * torch.randn(parameter.shape, generator=generator)
            twin = "base_model.model." + name.replace("lora_A", "lora_A.default.weight").replace(
                "lora_B", "lora_B.default.weight"
            )
            with torch.no_grad():
                parameter.copy_(value)
                theirs.get_parameter(twin).copy_(value)
        micro = [pieces[:5], pieces[5:]]
        ours._gradients(micro)
    longest = max(len(p.encoded.ids) for p in pieces)
    ids = torch.tensor([p.encoded.ids + [0] * (longest - len(p.encoded.ids)) for p in pieces])
    mask = torch.tensor([[1] * len(p.encoded.ids) + [0] * (longest - len(p.encoded.ids)) for p in pieces])
    rows = [
        [t if learn else -100 for t, learn in zip(p.encoded.ids, p.encoded.learn)]
        + [-100] * (longest - len(p.encoded.ids))
        for p in pieces
    ]
    logits = theirs(input_ids=ids, attention_mask=mask).logits
    F.cross_entropy(logits[:, :-1].flatten(0, 1), torch.tensor(rows)[:, 1:].flatten()).backward()
    for name, parameter in ours.parameters.items():
        twin = "base_model.model." + name.replace("lora_A", "lora_A.default.weight").replace(
            "lora_B", "lora_B.default.weight"
        )
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(twin).grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("update", [{"checkpointing": True}, {"batch_tokens": 90, "accumulate": 4}])
def test_memory_savers_do_not_change_the_gradient(update: dict[str, Any], tmp_path: Path, folder: Path) -> None:
    grads = []
    for k, section in enumerate((QUICK, QUICK.model_copy(update=update))):
        base = tiny_base(tmp_path / f"base{k}")
        pieces = encode_all(TRAIN[:6], base.template, 512).pieces
        with packing(base.model):
            one = Learner(base, section, folder, None)
            base.model.train()
            one._gradients([pieces])
        grads.append({n: p.grad for n, p in one.parameters.items()})
    for name, grad in grads[0].items():
        torch.testing.assert_close(grad, grads[1][name], atol=1e-6, rtol=1e-4)


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("at", [2, 5, 8])
def test_resumed_equals_uninterrupted(method: str, at: int, tmp_path: Path, folder: Path) -> None:
    section = QUICK.model_copy(update={"method": method, "dropout": 0.1 if method == "lora" else 0.0})
    whole = tiny_base(tmp_path / "a")
    straight, _ = run(whole, tmp_path / "straight", section)

    class Killed(BaseException):
        pass

    def die(event: Event) -> None:
        if event.name == "train.step" and event.fields["step"] == at:
            raise Killed

    with pytest.raises(Killed), listening(die):
        fit(tiny_base(tmp_path / "b"), TRAIN, VALID, section, folder)
    again = tiny_base(tmp_path / "c")
    resumed, heard = run(again, folder, section)
    assert next(e.fields["step"] for e in heard if e.name == "train.start") == at // 3 * 3 - (3 if at % 3 == 0 else 0)
    assert same(weights(whole), weights(again))
    skip = ("seconds",)
    assert {k: v for k, v in asdict(straight).items() if k not in skip} == {
        k: v for k, v in asdict(resumed).items() if k not in skip
    }


def test_the_best_weights_are_kept_and_training_stops_early(tmp_path: Path, folder: Path) -> None:
    section = QUICK.model_copy(update={"lr": 0.3, "epochs": 40, "patience": 2, "evaluate_every": 2, "clip": 1e9})
    base = base_at(tmp_path)
    result, _ = run(base, folder, section)
    assert result.reason == "early"
    assert result.best_step < result.steps
    losses = {step: loss for step, loss, _ in result.curve}
    assert min(losses.values()) == losses[result.best_step] == result.loss
    with packing(base.model), torch.no_grad():
        one = Learner(base, section, folder, None)
        pieces = encode_all(VALID, base.template, 256).pieces
        assert float(one.losses(pieces).mean()) == pytest.approx(result.loss, abs=1e-5)


def test_stopping_keeps_a_checkpoint_and_goes_on_later(tmp_path: Path, folder: Path) -> None:
    asked = iter([False, True])
    result, _ = run(base_at(tmp_path), folder, stop=lambda: next(asked))
    assert (result.reason, result.steps) == ("stopped", 2)
    result, _ = run(base_at(tmp_path), folder)
    assert result.reason == "finished"


def test_a_loss_that_is_no_number_ends_clearly(tmp_path: Path, folder: Path) -> None:
    base = base_at(tmp_path)

    def poison(batch: Batch) -> None:
        if next(steps) == 9:
            with torch.no_grad():
                base.model.model.norm.weight.fill_(float("nan"))

    steps = iter(range(1000))
    with pytest.raises(Diverged, match="stopped being a number at step") as caught:
        run(base, folder, condition=poison)
    assert "train.lr" in caught.value.hint
    result, _ = run(base_at(tmp_path), folder)  # the checkpoint before it is good
    assert result.reason == "finished"


def test_memory_running_out_makes_rows_smaller(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = learner.token_losses
    whole = tiny_base(tmp_path / "a")
    run(whole, tmp_path / "straight")

    def tight(model: Any, batch: Batch, weights: Any = None) -> torch.Tensor:
        if batch.tokens > 200 and torch.is_grad_enabled():
            raise RuntimeError("[enforce fail] DefaultCPUAllocator: not enough memory: you tried to allocate")
        return real(model, batch, weights)

    monkeypatch.setattr(learner, "token_losses", tight)
    base = base_at(tmp_path)
    _, heard = run(base, folder)
    assert any(e.name == "train.memory" for e in heard)
    for name, value in weights(whole).items():
        torch.testing.assert_close(weights(base)[name], value, atol=1e-3, rtol=1e-2)

    def none(model: Any, batch: Batch, weights: Any = None) -> torch.Tensor:
        raise RuntimeError("not enough memory")

    monkeypatch.setattr(learner, "token_losses", none)
    with pytest.raises(ResourceError, match="single sequence"):
        fit(base_at(tmp_path), TRAIN, (), QUICK, tmp_path / "none")


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checkpoint.save_file
    count = iter(range(1000))

    def full(tensors: Any, path: Any) -> None:
        if next(count) > 4:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(tensors, path)

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(ResourceError, match="disk is full"):
        run(base_at(tmp_path), folder)
    monkeypatch.undo()
    assert [p.name for p in (folder / "checkpoints").iterdir()] == ["00000003"]
    result, heard = run(base_at(tmp_path), folder)
    assert next(e.fields["step"] for e in heard if e.name == "train.start") == 3
    assert result.reason == "finished"


def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, folder: Path) -> None:
    asked = iter([False] * 6 + [True])
    run(base_at(tmp_path), folder, stop=lambda: next(asked))
    newest = max((folder / "checkpoints").iterdir())
    data = bytearray((newest / "weights.safetensors").read_bytes())
    data[-3] ^= 0xFF
    (newest / "weights.safetensors").write_bytes(data)
    whole = tiny_base(tmp_path / "a")
    run(whole, tmp_path / "straight")
    base = base_at(tmp_path)
    _, heard = run(base, folder)
    assert next(e.fields["step"] for e in heard if e.name == "train.start") == 6
    assert any(e.name == "train.damaged" for e in heard)
    assert same(weights(whole), weights(base))


def test_nothing_whole_is_told(tmp_path: Path, folder: Path) -> None:
    asked = iter([False] * 3 + [True])
    run(base_at(tmp_path), folder, stop=lambda: next(asked))
    for place in (folder / "checkpoints").iterdir():
        (place / "state.json").write_text("{")
    with pytest.raises(DamagedCheckpoint, match="no checkpoint"):
        run(base_at(tmp_path), folder)


def test_another_method_in_the_same_folder_is_told(tmp_path: Path, folder: Path) -> None:
    asked = iter([False] * 3 + [True])
    run(base_at(tmp_path), folder, stop=lambda: next(asked))
    with pytest.raises(DamagedCheckpoint):
        run(base_at(tmp_path), folder, QUICK.model_copy(update={"rank": 8}))


def test_nothing_to_learn_is_told(tmp_path: Path, folder: Path) -> None:
    silent = [Example(id="x", kind="chat", turns=conversation().turns[:1])]
    with pytest.raises(TooLittle):
        fit(base_at(tmp_path), silent, (), QUICK, folder)


def test_without_held_out_examples_the_last_weights_stay(tmp_path: Path, folder: Path) -> None:
    result = fit(base_at(tmp_path), TRAIN, (), QUICK, folder)
    assert (result.loss, result.bits, result.best_step) == (None, None, result.steps)


def test_a_time_bound_plans_fewer_steps_and_a_resume_keeps_them(tmp_path: Path, folder: Path) -> None:
    section = QUICK.model_copy(update={"max_minutes": 0.01, "epochs": 5000})
    asked = iter([False] * 3 + [True])
    fit(base_at(tmp_path), TRAIN, (), section, folder, stop=lambda: next(asked))
    planned = json.loads((folder / "plan.json").read_text())["steps"]
    assert 4 < planned < 10_000
    result = fit(base_at(tmp_path), TRAIN, (), section, folder)
    assert result.steps == planned
    assert result.seconds < 60


def test_rehearsal_is_mixed_in(tmp_path: Path, folder: Path) -> None:
    section = QUICK.model_copy(update={"rehearsal": 0.3})
    general = [conversation(500 + i) for i in range(4)]
    seen: list[str] = []
    fit(
        base_at(tmp_path),
        TRAIN,
        (),
        section,
        folder,
        rehearsal=general,
        condition=lambda batch: seen.extend(e.id for e in batch.examples),
    )
    share = sum(s in {e.id for e in general} for s in seen) / len(seen)
    assert 0.15 < share < 0.45


def test_style_tokens_can_weigh_more(tmp_path: Path, folder: Path) -> None:
    section = QUICK.model_copy(update={"style_weight": 3.0})
    base = base_at(tmp_path)
    with packing(base.model), torch.no_grad():
        plain = Learner(base, QUICK, folder, None)
        heavy = Learner(base, section, folder, None)
        pieces = encode_all(TRAIN[:1], base.template, 256).pieces
        ratio = heavy.losses(pieces) / plain.losses(pieces)
    ids = [t for t, learn in zip(pieces[0].encoded.ids, pieces[0].encoded.learn) if learn]
    texts = [base.template.token_text(i) for i in ids]
    expected = [3.0 if t.strip() and not any(c.isalnum() for c in t) else 1.0 for t in texts]
    torch.testing.assert_close(ratio, torch.tensor(expected))
