"""The engine: the stock model's own tokens, seeds that hold in any company, prefixes, stops, cancellation."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from transformers import Gemma3ForCausalLM, Gemma3TextConfig, GemmaConfig, GPT2Config, Qwen2Config

from gemel.config import ModelSection
from gemel.errors import Busy, ModelError
from gemel.model.adapters import Pair
from gemel.model.base import Base, load_base
from gemel.model.decode import Llama, Stock, decoder_for
from gemel.model.draw import Dice, draw
from gemel.model.engine import Engine, Request
from gemel.model.onednn import Ordered, _works, fits
from tests.tiny import tiny_base, tiny_folder, tiny_tokenizer

PROMPTS = [[1, 40, 41, 42, 43, 44, 45, 46, 47, 48, 50], [1, 99], [1, *range(30, 130)], [1, 60, 61, 62]]


@pytest.fixture(name="base", scope="module")
def _base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


@pytest.fixture(name="engine")
def _engine(base: Base) -> Iterator[Engine]:
    engine = Engine(base, batch=4)
    yield engine
    engine.close(drain=False)


def greedy(base: Base, ids: list[int], n: int) -> tuple[int, ...]:
    """What the stock class says without any cache."""
    out: list[int] = []
    with torch.inference_mode():
        for _ in range(n):
            out.append(int(base.model(torch.tensor([ids + out])).logits[0, -1].argmax()))
    return tuple(out)


def test_greedy_tokens_are_the_stock_models(base: Base, engine: Engine) -> None:
    assert isinstance(decoder_for(base, 1), Llama)
    done = engine.generate([Request(ids=ids, max_tokens=20, temperature=0) for ids in PROMPTS])
    for ids, result in zip(PROMPTS, done):
        assert result.ids == greedy(base, ids, 20)
        assert result.finish == "length"


@pytest.mark.parametrize("room", [True, False])
def test_the_layout_of_weights_changes_no_token(
    base: Base, engine: Engine, monkeypatch: pytest.MonkeyPatch, room: bool
) -> None:
    monkeypatch.setattr("gemel.model.decode.fits", lambda _weights: room)
    other = Engine(base, batch=4)
    assert isinstance(other._decoder._head, Ordered) is room  # type: ignore[attr-defined]
    asked = [Request(ids=ids, max_tokens=20, seed=i) for i, ids in enumerate(PROMPTS)]
    assert [d.ids for d in other.generate(asked)] == [d.ids for d in engine.generate(asked)]
    other.close()
    assert greedy(base, PROMPTS[0], 5) == engine.generate([Request(ids=PROMPTS[0], max_tokens=5, temperature=0)])[0].ids


@pytest.mark.parametrize("bias", [True, False])
def test_ordered_weights_give_each_row_its_product_in_any_company(monkeypatch: pytest.MonkeyPatch, bias: bool) -> None:
    torch.manual_seed(0)
    weight, x = torch.randn(40, 24), torch.randn(5, 3, 24)
    shift = torch.randn(40) if bias else None
    ordered = Ordered(weight, shift)
    wanted = torch.nn.functional.linear(x, weight, shift)
    assert torch.allclose(ordered(x), wanted, atol=1e-5)
    assert torch.allclose(ordered(x)[2:3], ordered(x[2:3]), atol=1e-6)
    assert not fits(10**15)
    assert fits(1000)
    monkeypatch.setattr("gemel.model.onednn.Ordered", lambda _weight: torch.ops.mkldnn.no_such_product)
    _works.cache_clear()
    assert not fits(1000)
    _works.cache_clear()


def other_model(name: str) -> torch.nn.Module:
    torch.manual_seed(0)
    small = {
        "vocab_size": 279,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "initializer_range": 0.2,
    }
    heads = {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 8}
    if name == "gpt2":
        from transformers import GPT2LMHeadModel

        return GPT2LMHeadModel(GPT2Config(vocab_size=279, n_embd=16, n_layer=2, n_head=2, initializer_range=0.2))
    if name == "qwen2":
        from transformers import Qwen2ForCausalLM

        return Qwen2ForCausalLM(Qwen2Config(**small, num_attention_heads=2, num_key_value_heads=2))
    if name == "gemma":
        from transformers import GemmaForCausalLM

        return GemmaForCausalLM(GemmaConfig(**small, **heads))
    layers = {"sliding_window": 6, "layer_types": ["sliding_attention", "full_attention"]}
    return Gemma3ForCausalLM(Gemma3TextConfig(**small, **heads, **layers))


@pytest.mark.parametrize(("name", "kind"), [("gpt2", Stock), ("qwen2", Llama), ("gemma", Stock), ("gemma3", Stock)])
def test_other_architectures(base: Base, name: str, kind: type) -> None:
    from dataclasses import replace

    model = other_model(name).eval()
    other = replace(base, model=model, tokenizer=tiny_tokenizer(), context=200)
    engine = Engine(other, batch=4)
    assert type(engine._decoder) is kind
    done = engine.generate([Request(ids=ids, max_tokens=12, temperature=0) for ids in PROMPTS])
    for ids, result in zip(PROMPTS, done):
        assert result.ids == greedy(other, ids, 12)
    engine.close()


def test_a_seed_gives_the_same_tokens_in_any_company(engine: Engine) -> None:
    request = Request(ids=PROMPTS[0], max_tokens=30, seed=7)
    alone = engine.generate([request])[0].ids
    crowd = [Request(ids=PROMPTS[i % 4], max_tokens=10 + 3 * i, seed=i) for i in range(9)]
    together = engine.generate([*crowd[:5], request, *crowd[5:]])[5].ids
    assert together == alone
    assert engine.generate([Request(ids=PROMPTS[0], max_tokens=30, seed=8)])[0].ids != alone


def test_the_conversation_so_far_is_not_read_again(base: Base, engine: Engine) -> None:
    long = PROMPTS[2]
    first = engine.generate([Request(ids=long, max_tokens=8, temperature=0)])[0]
    assert first.reused == 0
    again = [*long, *first.ids, 70, 71]
    second = engine.generate([Request(ids=again, max_tokens=8, temperature=0)])[0]
    assert second.reused == len(long) + 7  # the last token drawn was never read
    assert second.ids == greedy(base, again, 8)
    samples = engine.generate([Request(ids=again, max_tokens=8, seed=s) for s in range(4)])
    assert [s.reused for s in samples] == [len(again) - 1] * 4


def test_many_more_requests_than_slots_and_growing_caches(base: Base, engine: Engine) -> None:
    ids = [[1, *range(30, 30 + n % 50)] for n in range(25)]
    done = engine.generate([Request(ids=i, max_tokens=5 + 9 * (n % 30), temperature=0) for n, i in enumerate(ids)])
    for n in (0, 7, 24):
        assert done[n].ids == greedy(base, ids[n], 5 + 9 * (n % 30))


def test_stop_tokens_rules_and_bans(base: Base, engine: Engine) -> None:
    plain = engine.generate([Request(ids=PROMPTS[0], max_tokens=20, temperature=0)])[0].ids
    stop = plain[5]
    first = plain.index(stop)
    done = engine.generate([Request(ids=PROMPTS[0], temperature=0, stop_ids=frozenset([stop]), min_tokens=0)])[0]
    assert (done.ids, done.finish) == (plain[:first], "stop")
    done = engine.generate([Request(ids=PROMPTS[0], temperature=0, stop=lambda ids: len(ids) == 3)])[0]
    assert (done.ids, done.finish) == (plain[:3], "stop")
    done = engine.generate([Request(ids=PROMPTS[0], max_tokens=20, temperature=0, banned=frozenset([plain[0]]))])[0]
    assert plain[0] not in done.ids
    every = frozenset(range(279)) - {5}
    [one] = engine.generate(
        [Request(ids=PROMPTS[0], max_tokens=3, seed=1, stop_ids=frozenset([5]), banned=every - {6})]
    )
    assert one.ids[0] == 6  # a reply is never empty


def test_cancelling_frees_the_slot(base: Base) -> None:
    engine = Engine(base, batch=1)
    reached = threading.Event()
    ticket = engine.submit(
        Request(ids=[1, 2], max_tokens=400, stop=lambda ids: (len(ids) == 5 and reached.set()) or False)
    )
    waits = engine.submit(Request(ids=[1, 3], max_tokens=2))
    behind = engine.submit(Request(ids=[1, 4], max_tokens=2))
    behind.cancel()
    assert reached.wait(20)
    ticket.cancel()
    assert ticket.result().finish == "cancelled"
    assert 5 <= len(ticket.result().ids) < 400
    assert waits.result().finish == "length"
    assert behind.result().ids == ()
    engine.close()
    with pytest.raises(Busy):
        engine.submit(Request(ids=[1]))


def test_a_full_queue_and_a_prompt_too_long_are_refused(base: Base) -> None:
    engine = Engine(base, batch=1, waiting=1)
    gate = threading.Event()
    began = threading.Event()

    def hold(_ids: list[int]) -> bool:
        began.set()
        gate.wait(20)
        return True

    tickets = [engine.submit(Request(ids=[1, 2], stop=hold))]
    assert began.wait(20)
    tickets.append(engine.submit(Request(ids=[1, 2], max_tokens=1)))
    with pytest.raises(Busy):
        engine.submit(Request(ids=[1, 2]))
    gate.set()
    assert [t.result().finish for t in tickets] == ["stop", "length"]
    with pytest.raises(ModelError, match="does not fit"):
        engine.submit(Request(ids=[1] * base.context))
    assert len(engine.generate([Request(ids=[1] * (base.context - 3), max_tokens=50)])[0].ids) == 3
    engine.close()


def test_an_error_in_a_rule_reaches_its_caller_and_the_engine_goes_on(engine: Engine) -> None:
    def broken(_ids: list[int]) -> bool:
        raise RuntimeError("broken rule")

    with pytest.raises(RuntimeError, match="broken rule"):
        engine.submit(Request(ids=[1, 2], stop=broken)).result()
    assert len(engine.generate([Request(ids=[1, 2], max_tokens=4)])[0].ids) == 4


def test_log_probabilities_are_the_models_own(base: Base, engine: Engine) -> None:
    done = engine.generate([Request(ids=PROMPTS[0], max_tokens=6, temperature=0.5, seed=3, top=2)])[0]
    with torch.inference_mode():
        logits = base.model(torch.tensor([[*PROMPTS[0], *done.ids]])).logits[0]
    logs = torch.log_softmax(logits, -1)
    for i, chance in enumerate(done.chances):
        row = logs[len(PROMPTS[0]) - 1 + i]
        assert chance.token == done.ids[i]
        assert chance.logprob == pytest.approx(float(row[chance.token]), abs=1e-4)
        assert chance.top[0][0] == int(row.argmax())


def test_draws_follow_the_chances() -> None:
    logits = torch.tensor([0.0, 1.0, 2.0, -torch.inf]).repeat(4000, 1)
    drawn = torch.tensor(draw(logits.clone(), [Dice(seed=i) for i in range(4000)]))
    shares = torch.bincount(drawn, minlength=4) / 4000
    assert torch.allclose(shares, torch.softmax(logits[0], -1), atol=0.03)
    assert shares[3] == 0
    cold = torch.tensor(draw(logits.clone(), [Dice(temperature=0.5, seed=i) for i in range(4000)]))
    assert torch.allclose(torch.bincount(cold, minlength=4) / 4000, torch.softmax(2 * logits[0], -1), atol=0.03)
    assert set(draw(logits.clone(), [Dice(top_p=0.6, seed=i) for i in range(4000)])) == {2}
    assert set(draw(logits.clone(), [Dice(top_p=0.8, seed=i) for i in range(4000)])) == {1, 2}


def test_eight_bit_weights_stay_close(tmp_path: Path) -> None:
    base = tiny_base(tmp_path, hidden_size=64, intermediate_size=128)
    fast = decoder_for(base, 2, int8=True)
    ids, zero = torch.tensor([PROMPTS[2]]), torch.zeros(1, dtype=torch.long)
    with torch.inference_mode():
        exact, rounded = Stock(base, 1).step(ids, zero, slice(0, 1)), fast.step(ids, zero, slice(0, 1))
        pair = torch.tensor([[40], [41]])
        start = torch.tensor([100, 100])
        fast.copy(0, 1, 100)
        together = fast.step(pair, start, slice(0, 2))
        alone = fast.step(pair[:1], start[:1], slice(0, 1))
    assert not torch.equal(exact, rounded)
    assert torch.allclose(together[0], alone[0], atol=1e-4)
    assert float((exact - rounded).norm() / exact.norm()) < 0.1


@pytest.mark.parametrize(("int8", "room"), [(False, False), (False, True), (True, False)])
def test_half_precision_weights_answer_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, int8: bool, room: bool
) -> None:
    monkeypatch.setattr("gemel.model.decode.fits", lambda _weights: room)
    folder = tiny_folder(tmp_path, hidden_size=64, intermediate_size=128)
    exact = load_base(ModelSection(base=str(folder)))
    engine = Engine(load_base(ModelSection(base=str(folder), precision="bf16")), batch=4, int8=int8)
    assert type(engine._decoder) is Llama
    path = "model.layers.0.mlp.down_proj"
    engine.add("v", {path: Pair(torch.randn(4, 128), torch.randn(64, 4))})
    asked = [Request(ids=ids, given=[90, 91, 92], adapter=name) for ids in PROMPTS for name in ("", "v")]
    done = engine.generate([*asked, Request(ids=PROMPTS[0], max_tokens=8, seed=1)])
    assert len(done[-1].ids) == 8
    with torch.inference_mode():
        for prompt, plain, changed in zip(PROMPTS, done[::2], done[1::2]):
            logs = torch.log_softmax(exact.model(torch.tensor([[*prompt, 90, 91, 92]])).logits[0], -1)
            wanted = [float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate((90, 91, 92))]
            assert [c.logprob for c in plain.chances] == pytest.approx(wanted, abs=0.4)
            assert [c.logprob for c in changed.chances] != pytest.approx(wanted, abs=0.4)
    engine.close()


@pytest.mark.parametrize("stock", [False, True])
def test_a_given_reply_is_scored_as_the_stock_model_would(base: Base, stock: bool) -> None:
    engine = Engine(base, batch=2)
    if stock:
        engine._decoder = Stock(base, 2)
    given = [90, 91, 92, 93]
    done = engine.generate([Request(ids=p, given=given) for p in PROMPTS] + [Request(ids=PROMPTS[0], given=[90])])
    with torch.inference_mode():
        for prompt, result in zip(PROMPTS, done):
            logs = torch.log_softmax(base.model(torch.tensor([prompt + given])).logits[0], -1)
            wanted = [float(logs[len(prompt) - 1 + i, token]) for i, token in enumerate(given)]
            assert [c.logprob for c in result.chances] == pytest.approx(wanted, abs=1e-4)
    assert done[4].chances[0].logprob == pytest.approx(done[0].chances[0].logprob, abs=1e-5)
    engine.close()
