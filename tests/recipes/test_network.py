"""The seedling's tokenizer, packing, network, optimiser and export; and the folder that ships."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from gemel.examples import Example, Role, Turn
from gemel.model.base import seedling_path
from gemel.model.template import SPECIAL_TOKENS, segments

TEXT = ["Hello there, how are you?", "i'm fine thx :)", "Xin chào bạn!", "In 1987 we met.", "— Really? — Yes."] * 4

HELD = (
    ("Mara", "are you coming on sunday? dad is making the soup again"),
    ("Joel", "yes! do I need to bring anything"),
    ("Mara", "only yourself. and the big pot, if you can find it"),
    ("Joel", "It is under my bed for some reason. I will be there at about four."),
    ("Mara", "good. nobody asks why it is under your bed"),
)
"""Written for this test; in no corpus."""
BOUND = 2.05
"""Bits per byte of HELD; the weights that ship have 1.95."""


@pytest.fixture(scope="module")
def shipped() -> Path:
    folder = seedling_path()
    assert (folder / "model.safetensors").is_file()
    return folder


@pytest.fixture(scope="module")
def bpe(shipped) -> Tokenizer:
    return Tokenizer.from_file(str(shipped / "tokenizer.json"))


@given(text=st.text())
@settings(max_examples=300)
def test_any_text_comes_back(bpe, text):
    assert bpe.decode(bpe.encode(text, add_special_tokens=False).ids, skip_special_tokens=False) == text


def test_conversation_tokens_come_first_and_digits_are_single(bpe):
    assert [bpe.id_to_token(i) for i in range(len(SPECIAL_TOKENS))] == list(SPECIAL_TOKENS)
    assert bpe.encode("In 1987", add_special_tokens=False).tokens[-4:] == list("1987")


def test_a_tokenizer_trained_on_little_still_knows_every_byte(recipe):
    small = recipe["tokenizer"].train(iter(TEXT), 400)
    for text in ("\U0001f600 ❤", "\x00\x7f", "Ωμέγα  \n\n x"):
        assert small.decode(small.encode(text).ids, skip_special_tokens=False) == text


def _talk(n: int) -> Example:
    turns = tuple(Turn(role=Role.other, name=f"P{k}", parts=(f"line {n} {k}", "more"), learn=True) for k in range(3))
    return Example(id=str(n), kind="chat", turns=turns)


def test_packing_is_the_template_and_repeats_by_share(recipe, bpe):
    pack = recipe["pack"]
    special = {token: i for i, token in enumerate(SPECIAL_TOKENS)}
    ids = pack.encode(bpe, special, _talk(1))
    assert bpe.decode(ids, skip_special_tokens=False) == "".join(s.text for s in segments(_talk(1).turns))
    documents = [("chats", [n] * 5) for n in range(40)] + [("prose", [99] * 5)]
    row = pack.mixed(documents, {"chats": 1.5}, seed=3, other=0.0)
    assert row.dtype == np.uint16
    assert 40 * 5 < len(row) < 80 * 5
    assert 99 not in row
    assert np.array_equal(row, pack.mixed(documents, {"chats": 1.5}, seed=3, other=0.0))


def test_batches_follow_one_another_and_come_round(recipe):
    pretrain = recipe["pretrain"]
    data = np.arange(pretrain.LENGTH * 4 + 1, dtype=np.uint16)
    assert pretrain.batch(data, 0, 2)[1, 0] == pretrain.LENGTH
    assert torch.equal(pretrain.batch(data, 0, 3), pretrain.batch(data, 1, 3))


def test_the_rate_warms_up_stays_and_decays_to_zero(recipe):
    rate = recipe["pretrain"].rate
    assert [rate(s, warm=4, decay=0) for s in (0, 3, 4, 10**6)] == [0.25, 1.0, 1.0, 1.0]
    assert [rate(s, warm=0, decay=10) for s in (0, 5, 10)] == [1.0, 0.5, 0.0]


def test_orthogonalised_updates_have_singular_values_near_one(recipe):
    g = torch.randn(3, 24, 48, generator=torch.Generator().manual_seed(0))
    for batch in (g, g.mT):
        values = torch.linalg.svdvals(recipe["muon"].orthogonal(batch.contiguous()))
        assert 0.5 < values.min() < values.max() < 1.4


def _small(recipe):
    torch.manual_seed(0)
    return recipe["llama"].Llama(
        recipe["llama"].Shape(
            vocab_size=64, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=1
        )
    )


def test_the_network_agrees_with_the_stock_class(recipe):
    model = _small(recipe)
    for p in model.parameters():
        p.data += 0.05 * torch.randn_like(p)
    assert recipe["export"].difference(model.state_dict(), model.shape) < 1e-4


def test_attention_in_blocks_sees_no_later_token(recipe):
    model = _small(recipe)
    ids = torch.randint(0, 64, (1, recipe["llama"].BLOCK + 40))
    changed = ids.clone()
    changed[:, -20:] = (changed[:, -20:] + 1) % 64
    assert torch.equal(model.logits(ids)[:, :-20], model.logits(changed)[:, :-20])


def test_a_resumed_run_equals_one_that_was_never_stopped(recipe, tmp_path):
    pretrain, muon = recipe["pretrain"], recipe["muon"]
    data = np.random.default_rng(0).integers(0, 64, 40_000).astype(np.uint16)

    def train(model, optimiser, steps):
        for step in steps:
            rows = pretrain.batch(data, step, 2)[:, :65]
            model(rows[:, :-1], rows[:, 1:]).mean().backward()
            optimiser.step(pretrain.rate(step, warm=2, decay=0))
            model.zero_grad()

    def fresh():
        model = _small(recipe)
        return model, muon.Muon(model.named_parameters(), lr=0.02, adam_lr=0.002, decay=0.01)

    whole, halted, resumed = fresh(), fresh(), fresh()
    train(*whole, range(6))
    train(*halted, range(3))
    pretrain.save(tmp_path, *halted, 3, 999)
    assert pretrain.restore(tmp_path, *resumed) == (3, 999)
    train(*resumed, range(3, 6))
    for a, b in zip(whole[0].parameters(), resumed[0].parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_shipped_folder_loads_and_beats_the_bound(shipped, bpe):
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model = AutoModelForCausalLM.from_pretrained(shipped, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(shipped)
    turns = tuple(Turn(role=Role.other, name=name, parts=(text,), learn=True) for name, text in HELD)
    parts = segments(turns)
    ids = tokenizer("".join(s.text for s in parts), add_special_tokens=False, return_tensors="pt").input_ids
    with torch.no_grad():
        logp = model(ids[:, :-1]).logits.log_softmax(-1)
    assert torch.isfinite(logp).all()
    cost = -logp.gather(-1, ids[:, 1:, None]).sum().item() / math.log(2)
    assert cost / sum(len(s.text.encode()) for s in parts if not s.special) < BOUND


def test_baseline_probabilities_sum_to_one(recipe):
    model = recipe["ngram"].Ngram(3)
    model.learn(b"abracadabra")
    total = sum(2 ** -(model.bits(b"abr" + bytes([c])) - model.bits(b"abr")) for c in range(256))
    assert total == pytest.approx(1.0)


def test_the_files_that_ship_stay_small(shipped):
    assert sum(p.stat().st_size for p in shipped.iterdir()) <= 16_000_000
