"""Several adapters in one batch: each row gets what an engine with that adapter alone would say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from gemel.config import TraitsSection
from gemel.errors import DamagedCheckpoint, ModelError
from gemel.model.adapters import Pair, difference, pairs_of
from gemel.model.base import Base
from gemel.model.decode import Llama, Stock
from gemel.model.engine import Engine, Request
from gemel.model.lora import AdapterSpec, inject, load_adapter, save_adapter
from gemel.model.splice import wrap
from tests.tiny import tiny_base

PROMPTS = [[1, 40, 41, 42], [1, 99, 98], [1, *range(30, 60)], [1, 60]]


def stirred(folder: Path, seed: int, *, rank: int = 4, **spec: object) -> Path:
    """A saved adapter of random weights on the tiny base."""
    base = tiny_base(folder / "base")
    inject(base.model, AdapterSpec(rank=rank, alpha=8.0, **spec), seed=seed)  # type: ignore[arg-type]
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in base.model.named_parameters():
            if "lora_B" in name:
                p.normal_(std=0.3)
    place = folder / f"adapter{seed}"
    save_adapter(base.model, place, base="tiny")
    return place


def alone(folder: Path, adapter: Path | None) -> Base:
    base = tiny_base(folder / "base")
    if adapter is not None:
        load_adapter(base.model, adapter)
    return base


def asked(name: str = "", **more: object) -> list[Request]:
    return [Request(ids=p, max_tokens=12, temperature=0, adapter=name, **more) for p in PROMPTS]  # type: ignore[arg-type]


@pytest.mark.parametrize("stock", [False, True])
def test_each_row_gets_its_own_adapter(tmp_path: Path, stock: bool) -> None:
    places = {
        f"v{i}": stirred(tmp_path, i, rank=2 + i, targets=("q_proj", "down_proj") if i == 2 else ()) for i in range(3)
    }
    wanted = {}
    for name, place in {"": None, **places}.items():
        engine = Engine(alone(tmp_path, place), batch=4)
        wanted[name] = [d.ids for d in engine.generate(asked())]
        engine.close()
    assert len({tuple(v) for v in wanted.values()}) == 4
    engine = Engine(tiny_base(tmp_path / "base"), batch=4)
    if stock:
        engine._decoder = Stock(engine.base, 4)
    assert type(engine._decoder) is (Stock if stock else Llama)
    for name, place in places.items():
        engine.add(name, pairs_of(place))
    names = ["v1", "", "v2", "v0"] * 4
    mixed = [replace(request, adapter=names[i]) for i, request in enumerate(asked() * 4)]
    for i, done in enumerate(engine.generate(mixed)):
        assert done.ids == wanted[names[i]][i % 4], i
    assert engine.generate(asked("v1"))[0].ids == wanted["v1"][0]
    assert engine.generate(asked())[0].ids == wanted[""][0]
    engine.close()


def test_a_prefix_read_under_one_adapter_is_not_used_under_another(tmp_path: Path) -> None:
    engine = Engine(tiny_base(tmp_path / "base"), batch=4)
    engine.add("v1", pairs_of(stirred(tmp_path, 1)))
    prompt = [1, *range(30, 60)]
    for name in ("", "v1"):
        assert engine.generate([Request(ids=prompt, adapter=name, max_tokens=2)])[0].reused == 0
        assert engine.generate([Request(ids=prompt, adapter=name, max_tokens=2)])[0].reused == len(prompt) - 1
    engine.close()


def test_another_voice_over_weights_with_a_voice_folded_in(tmp_path: Path) -> None:
    first, second = stirred(tmp_path, 1), stirred(tmp_path, 2)
    engine = Engine(alone(tmp_path, first), batch=4)
    engine.add("second", difference(pairs_of(second), pairs_of(first)))
    engine.add("base", difference({}, pairs_of(first)))
    for name, place in (("second", second), ("base", None)):
        other = Engine(alone(tmp_path, place), batch=4)
        for mine, theirs in zip(
            engine.generate(asked(name, given=(90, 91, 92))), other.generate(asked(given=(90, 91, 92)))
        ):
            assert [c.logprob for c in mine.chances] == pytest.approx([c.logprob for c in theirs.chances], abs=1e-4)
        other.close()
    engine.close()


def test_what_is_no_low_rank_change_is_said(tmp_path: Path) -> None:
    assert pairs_of(stirred(tmp_path, 1, dora=True)) == {}
    with pytest.raises(DamagedCheckpoint):
        pairs_of(tmp_path / "nothing")
    engine = Engine(tiny_base(tmp_path / "base"), batch=2)
    with pytest.raises(ModelError, match="no layer"):
        engine.add("bad", {"model.layers.99.self_attn.q_proj": Pair(torch.zeros(1, 16), torch.zeros(16, 1))})
    with pytest.raises(ModelError, match="no adapter"):
        engine.submit(Request(ids=[1, 2], adapter="unknown"))
    engine.close()


def test_gpt2_takes_adapters_too(tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=279, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2)
    base = replace(tiny_base(tmp_path), model=GPT2LMHeadModel(config).eval(), context=100)
    engine = Engine(base, batch=2)
    plain = engine.generate(asked())[0].ids
    change = Pair(torch.randn(2, 16), torch.randn(64, 2))
    engine.add("x", {"transformer.h.1.mlp.c_fc": change})
    one, other = engine.generate([asked()[0], asked("x")[0]])
    assert one.ids == plain
    assert other.ids != plain
    engine.close()


def test_a_row_without_traits_is_not_given_anothers(tmp_path: Path) -> None:
    """A row that names no traits is answered by the base as it is, whoever is decoded beside it."""
    base = tiny_base(tmp_path)
    splice = wrap(base.model, 3, TraitsSection(hidden=8), seed=0)
    torch.manual_seed(1)
    with torch.no_grad():
        splice.heads.weight.normal_(std=0.5)
    engine = Engine(base, batch=4)
    tall = torch.tensor([3.0, 1.0, -2.0])
    plain, moved = engine.generate([asked()[0]])[0].ids, engine.generate([replace(asked()[0], z=tall)])[0].ids
    assert plain != moved
    together = engine.generate([asked()[0], replace(asked()[0], z=tall), asked()[0], replace(asked()[0], z=tall)])
    assert [d.ids for d in together] == [plain, moved, plain, moved]
    engine.close()
