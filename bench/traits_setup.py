"""What the trait benchmarks share: a small base, a data set, a configuration, a table, a clock."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from traits_grammar import TRAITS
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from gemel.cli.output import table
from gemel.config import Config, parse
from gemel.examples import Example, write_examples
from gemel.model.template import BEGIN, END, PAD, SPECIAL_TOKENS
from gemel.workspace import Manifest, Workspace


def build_base(
    folder: Path, essays: Sequence[str], *, vocabulary: int, width: int, layers: int, across: bool = False
) -> Path:
    """A small Llama with random weights and a byte-level tokenizer taught on the essays.

    Args:
        across: let tokens span words, which suits a grammar of set phrases.
    """
    if (folder / "model.safetensors").exists():
        return folder
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=not across)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary, special_tokens=[], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(essays, trainer)
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL_TOKENS])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token=BEGIN, eos_token=END, pad_token=PAD)
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(fast),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=fast.bos_token_id,
        eos_token_id=fast.eos_token_id,
        pad_token_id=fast.pad_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


def build_data(workspace: Workspace, made: Sequence[Example], *, held: int) -> None:
    """Write a finished data set."""
    folder = workspace.dataset()
    if Manifest.read(folder):
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_examples(folder / "train.parquet", made[: -2 * held])
    write_examples(folder / "valid.parquet", made[-2 * held : -held])
    write_examples(folder / "test.parquet", made[-held:])
    Manifest(stage="build", fingerprint=f"bench {len(made)}", extra={"me": "me"}).write(folder)


def configured(base: Path, steps: int, **traits: Any) -> Config:
    """A full training of a small base, a few minutes on one core."""
    train = {"method": "full", "lr": 5e-3, "epochs": 50, "max_steps": steps, "batch_tokens": 2048, "patience": 0}
    return parse(
        {
            "model": {"base": str(base), "context": 256},
            "train": {**train, "evaluate_every": 200, "checkpoint_every": 200, "threads": 1},
            "traits": {"use": list(TRAITS), **traits},
        }
    )


def show(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Print a table of a name and figures."""
    print(table(header, [[row[0], *(f"{x:.4f}" for x in row[1:])] for row in rows]), flush=True)


def best(action: Callable[[], object], times: int) -> float:
    """Least CPU time of several, in seconds: on a shared machine it says more than the clock."""
    seconds = []
    for _ in range(times):
        start = time.process_time()
        action()
        seconds.append(time.process_time() - start)
    return min(seconds)
