"""Scoring: equal to the plain forward pass, whatever stands beside a reply in the batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny import conversation, tiny_base
from transformers import Gemma2Config, Gemma2ForCausalLM, MistralConfig, MistralForCausalLM

from gemel.examples import Example, Role, Turn
from gemel.model.base import Base
from gemel.model.likelihood import LocalScorer, merge, shorten
from gemel.model.packed import Layout, Piece, pack, packing, token_losses
from gemel.model.template import Encoded

PAIRS = [pair for i in range(5) for pair in conversation(i, turns=2 + 2 * (i % 3)).pairs()]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Base:
    return tiny_base(tmp_path_factory.mktemp("base"))


def plainly(base: Base, context: tuple[Turn, ...], reply: Turn) -> list[float]:
    encoded = base.template.encode_pair(context, reply)
    with torch.inference_mode():
        logs = base.model(torch.tensor([encoded.ids])).logits[0].log_softmax(-1)
    return [-float(logs[i - 1, t]) for i, (t, learn) in enumerate(zip(encoded.ids, encoded.learn)) if learn]


def test_equal_to_the_plain_forward_pass(base: Base) -> None:
    scored = LocalScorer(base, batch_tokens=200).likelihoods(PAIRS)
    for pair, likelihood in zip(PAIRS, scored, strict=True):
        assert likelihood.nats == pytest.approx(plainly(base, *pair), abs=1e-4)
        assert likelihood.bytes == len(pair[1].text.encode())
        assert likelihood.end == 1
        assert "".join(likelihood.tokens) == "".join(pair[1].parts)
        assert likelihood.tokens[-1] == ""


def test_neighbours_and_batch_size_do_not_matter(base: Base) -> None:
    together = LocalScorer(base).likelihoods(PAIRS)
    for pair, one in zip(PAIRS, together, strict=True):
        (alone,) = LocalScorer(base, batch_tokens=64).likelihoods([pair])
        assert alone.nats == pytest.approx(one.nats, abs=1e-4)


def test_replies_of_one_conversation_are_read_once(base: Base) -> None:
    talk = conversation(3, turns=8).pairs()
    pairs = [*talk, *PAIRS, *talk]  # the same reply twice is no beginning of itself
    pieces = [
        Piece(base.template.encode_pair(*pair), Example(id="", kind="pair", turns=(*pair[0], pair[1])))
        for pair in pairs
    ]
    rows = merge(pieces)
    assert sum(len(r.piece.encoded.ids) for r in rows) < 0.7 * sum(len(p.encoded.ids) for p in pieces)
    assert sorted({i for r in rows for i in r.owners}) == list(range(len(pairs)))
    for pair, likelihood in zip(pairs, LocalScorer(base).likelihoods(pairs), strict=True):
        assert likelihood.nats == pytest.approx(plainly(base, *pair), abs=1e-4)
    apart = [Piece(p.encoded, replace(p.example, traits={"year": i})) for i, p in enumerate(pieces)]
    assert len(merge(apart)) == len(pieces)


def test_the_empty_context_gives_the_unconditional_likelihood(base: Base) -> None:
    reply = PAIRS[0][1]
    (alone,) = LocalScorer(base).likelihoods([((), reply)])
    assert alone.nats == pytest.approx(plainly(base, (), reply), abs=1e-4)


def test_the_model_generates_as_before_after_scoring(base: Base) -> None:
    ids = torch.tensor([[1, 5, 50, 60]])
    before = base.model(ids).logits
    LocalScorer(base).likelihoods(PAIRS[:1])
    assert base.model.config._attn_implementation == "sdpa"
    assert torch.equal(base.model(ids).logits, before)


def test_traits_reach_the_condition_by_token(base: Base) -> None:
    seen: list[float] = []

    def condition(batch) -> None:  # type: ignore[no-untyped-def]
        values = torch.tensor([float(e.traits["height"]) for e in batch.examples])
        seen.extend(values[batch.owner][batch.at].tolist())

    scorer = LocalScorer(base, condition=condition)
    scored = scorer.likelihoods(PAIRS[:2], traits=[{"height": 1.0}, {"height": 2.0}])
    assert sorted(seen) == [1.0] * len(scored[0].nats) + [2.0] * len(scored[1].nats)


def test_long_contexts_lose_their_oldest_tokens() -> None:
    encoded = Encoded([1, 2, 3, 4, 5], [False, False, False, True, True], [-1, 0, 0, 1, 1])
    assert shorten(encoded, 3) == ([1, 4, 5], [False, True, True], [-1, 1, 1])
    assert shorten(encoded, 5) is encoded
    assert shorten(encoded, 2).learn == [False, True]


@pytest.mark.parametrize("family", ["mistral", "gemma2"])
def test_sliding_windows_and_soft_caps_are_kept(family: str) -> None:
    torch.manual_seed(0)
    shape = {
        "vocab_size": 64,
        "hidden_size": 16,
        "intermediate_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "initializer_range": 0.5,
        "sliding_window": 6,
    }
    model = (
        MistralForCausalLM(MistralConfig(**shape))
        if family == "mistral"
        else Gemma2ForCausalLM(Gemma2Config(**shape, attn_implementation="eager"))
    ).eval()
    example = Example(id="x", kind="chat", turns=(Turn(role=Role.me, parts=("x",)),))
    rows = [torch.randint(3, 64, (n,)).tolist() for n in (20, 17, 4, 9, 20)]
    pieces = [Piece(Encoded(r, [False] + [True] * (len(r) - 1), [0] * len(r)), example) for r in rows]
    batch = pack(pieces)
    with torch.inference_mode():
        with packing(model):
            packed = token_losses(model, batch)
        start = 0
        for k in batch.order:
            logs = model(torch.tensor([rows[k]])).logits[0].log_softmax(-1)
            plain = -logs[range(len(rows[k]) - 1), rows[k][1:]]
            torch.testing.assert_close(packed[start : start + len(plain)], plain, atol=1e-4, rtol=1e-4)
            start += len(plain)


def test_a_layout_covers_every_token_once() -> None:
    lengths = sorted([3, 3, 3, 5, 40, 41, 44, 90, 200, 201])
    layout = Layout.of(lengths)
    assert layout.buckets[0].start == 0
    assert layout.buckets[-1].stop == sum(lengths)
    assert sum(b.many for b in layout.buckets) == len(lengths)
    for bucket in layout.buckets:
        if bucket.gather is not None and bucket.keep is not None:
            assert bucket.gather[bucket.keep].tolist() == list(range(bucket.stop - bucket.start))
