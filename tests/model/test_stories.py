"""A checkpoint that was not made here (stories260K, llama2.c's raw format) loads by the same path as any base.

Its grouped-query attention and interleaved rotary embedding must come out right for the published greedy
text to appear. The data is not part of the repository: without it these tests are skipped.
"""

from __future__ import annotations

import os
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import conversation
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gemel.config import ModelSection, TrainSection
from gemel.model.base import load_base
from gemel.train.fit import fit

SHARED = Path(os.environ.get("GEMEL_SHARED_DATA", Path(__file__).resolve().parents[3] / "shared" / "data"))
ARCHIVE = SHARED / "checkpoints" / "weights_stories260K.tar.xz"
pytestmark = pytest.mark.skipif(not ARCHIVE.exists(), reason="the stories260K checkpoint is not here")


def weights_of(path: Path) -> tuple[LlamaConfig, dict[str, torch.Tensor]]:
    """llama2.c's version 0: seven integers, then float32 tensors one after another."""
    raw = path.read_bytes()
    dim, hidden, layers, heads, kv_heads, vocabulary, length = struct.unpack("<7i", raw[:28])
    numbers, at = np.frombuffer(raw, dtype="<f4", offset=28), 0
    size = dim // heads

    def take(*shape: int) -> torch.Tensor:
        nonlocal at
        count = int(np.prod(shape))
        at += count
        return torch.from_numpy(numbers[at - count : at].reshape(shape).copy())

    def halves(w: torch.Tensor) -> torch.Tensor:
        """Interleaved rotary pairs (0, 1), (2, 3) … to transformers' halves (0, size/2), …"""
        return w.view(layers, -1, size // 2, 2, dim).transpose(2, 3).reshape(layers, -1, dim)

    kv = kv_heads * size
    state = {"model.embed_tokens.weight": take(vocabulary, dim)}
    stacks = {
        "input_layernorm": take(layers, dim),
        "self_attn.q_proj": halves(take(layers, dim, dim)),
        "self_attn.k_proj": halves(take(layers, kv, dim)),
        "self_attn.v_proj": take(layers, kv, dim),
        "self_attn.o_proj": take(layers, dim, dim),
        "post_attention_layernorm": take(layers, dim),
        "mlp.gate_proj": take(layers, hidden, dim),
        "mlp.down_proj": take(layers, dim, hidden),
        "mlp.up_proj": take(layers, hidden, dim),
    }
    state |= {f"model.layers.{i}.{name}.weight": w[i] for name, w in stacks.items() for i in range(layers)}
    state["model.norm.weight"] = take(dim)
    config = LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=dim,
        intermediate_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads,
        max_position_embeddings=length,
        rms_norm_eps=1e-5,
        tie_word_embeddings=True,
    )
    return config, state


def tokenizer_of(path: Path, size: int) -> Any:
    """SentencePiece's pieces with scores as a byte-fallback BPE: the better the score, the earlier the merge."""
    raw, at = path.read_bytes(), 4
    pieces: list[tuple[str, float]] = []
    for _ in range(size):
        score, length = struct.unpack_from("<fi", raw, at)
        text = raw[at + 8 : at + 8 + length].decode().replace(" ", "▁")
        at += 8 + length
        pieces.append(({"\n<s>\n": "<s>", "\n</s>\n": "</s>"}.get(text, text), score))
    vocabulary = {piece: i for i, (piece, _) in enumerate(pieces)}
    scored = [
        (score, piece[:k], piece[k:])
        for piece, score in pieces
        for k in range(1, len(piece))
        if piece[:k] in vocabulary and piece[k:] in vocabulary and not piece.startswith("<")
    ]
    merges = [(a, b) for _, a, b in sorted(scored, key=lambda m: -m[0])]
    made = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, byte_fallback=True, unk_token="<unk>", fuse_unk=True))
    made.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    made.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    made.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in ("<unk>", "<s>", "</s>")])
    return PreTrainedTokenizerFast(tokenizer_object=made, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


@pytest.fixture(scope="module")
def stories(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A Hugging Face folder of the checkpoint, and its published text."""
    place = tmp_path_factory.mktemp("stories")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(place, filter="data")
    raw = place / "weights"
    config, state = weights_of(raw / "stories260K.bin")
    model = LlamaForCausalLM(config)
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert (set(missing), unexpected) == ({"lm_head.weight"}, [])
    model.tie_weights()
    model.save_pretrained(place / "hf")
    tokenizer_of(raw / "tok512.bin", 512).save_pretrained(place / "hf")
    published = (raw / "stories260K.md").read_text(encoding="utf-8")
    start = published.index("Once upon a time")
    return place / "hf", published[start : published.index("\n```", start)]


def greedy(base: Any, count: int) -> str:
    ids = torch.tensor([[base.tokenizer.bos_token_id]])
    out = base.model.generate(ids, max_new_tokens=count, do_sample=False, pad_token_id=0)
    return str(base.tokenizer.decode(out[0], skip_special_tokens=True))


def test_the_published_greedy_text_appears(stories: tuple[Path, str]) -> None:
    folder, published = stories
    base = load_base(ModelSection(base=str(folder)))
    assert base.template.name == "plain"
    assert base.parameters == 260_032
    written = greedy(base, 256)
    assert written.strip() == published.strip()


def test_it_learns_by_the_same_path(stories: tuple[Path, str], tmp_path: Path) -> None:
    base = load_base(ModelSection(base=str(stories[0])))
    section = TrainSection(rank=4, lr=0.01, epochs=6, threads=1, batch_tokens=256, patience=0)
    result = fit(base, [conversation(i) for i in range(8)], [conversation(99)], section, tmp_path)
    assert result.loss is not None
    assert result.before is not None
    assert result.loss < 0.8 * result.before
