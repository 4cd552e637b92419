"""8B-shaped LoRA and QLoRA on an accelerator: tokens per second, memory, share of the matrix rate.

    python bench/train_gpu.py                    # random weights of Llama-3.1-8B's shape, nothing is downloaded
    python bench/train_gpu.py --layers 4         # fewer layers, for a smaller card

Needs CUDA (and bitsandbytes for QLoRA). Weights are random: speed and memory do not depend on them.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, LlamaConfig, LlamaForCausalLM

from gemel.config import TrainSection
from gemel.model.lora import inject
from gemel.model.lowbit import quantization
from gemel.model.packed import packing, token_losses
from gemel.train.methods import adapter_spec
from gemel.train.optimizer import build
from gemel.train.planner import probe_row


def shape(layers: int) -> LlamaConfig:
    """Llama 3.1 8B with `layers` layers."""
    return LlamaConfig(
        vocab_size=128_256,
        hidden_size=4096,
        intermediate_size=14_336,
        num_hidden_layers=layers,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        rope_theta=500_000.0,
    )


def base(config: LlamaConfig, method: str) -> Any:
    """The frozen base in bf16, or in NF4 (written to disk once, because quantising happens on loading)."""
    with torch.device("cuda"):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config)
        torch.set_default_dtype(torch.float32)
    if method == "lora":
        return model
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        del model
        torch.cuda.empty_cache()
        settings = quantization("nf4", torch.bfloat16)
        return AutoModelForCausalLM.from_pretrained(
            folder, quantization_config=settings, dtype=torch.bfloat16, device_map={"": 0}
        )


def matrix_rate() -> float:
    """bf16 operations per second of a large product."""
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        a @ b
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        a @ b
    torch.cuda.synchronize()
    return 10 * 2 * 8192**3 / (time.perf_counter() - start)


def measure(method: str, layers: int, tokens: int, peak: float) -> str:
    """One line of the table."""
    torch.cuda.reset_peak_memory_stats()
    section = TrainSection(method=method, batch_tokens=tokens, checkpointing=True, lr=2e-4)
    config = shape(layers)
    model = base(config, method).train()
    inject(model, adapter_spec(section))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = build(parameters, section)
    batch = probe_row(tokens, 512, "cuda")
    seconds = []
    with packing(model):
        for _ in range(6):
            torch.cuda.synchronize()
            start = time.perf_counter()
            optimizer.zero_grad(set_to_none=True)
            token_losses(model, batch).mean().backward()
            optimizer.step()
            torch.cuda.synchronize()
            seconds.append(time.perf_counter() - start)
    rate = tokens / sorted(seconds[1:])[2]
    frozen = layers * (2 * 4096 * (4096 + 1024) + 3 * 4096 * 14_336)
    share = rate * (6 * frozen + 2 * config.vocab_size * 4096) / peak  # forward twice (checkpointing), backward once
    memory = torch.cuda.max_memory_allocated() / 2**30
    return f"{method:<8}{layers:>7}{tokens:>9,}{rate:>12,.0f}{memory:>13.1f}{share:>8.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=32)
    parser.add_argument("--tokens", type=int, default=8192, help="tokens in a row")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("this needs a CUDA device")
    peak = matrix_rate()
    print(f"{torch.cuda.get_device_name()}, bf16 products {peak / 1e12:.0f} TFLOP/s")
    print(f"{'method':<8}{'layers':>7}{'tokens':>9}{'tokens/s':>12}{'memory GiB':>13}{'share':>8}")
    for method in ("lora", "qlora"):
        print(measure(method, options.layers, options.tokens, peak), flush=True)
        torch.cuda.empty_cache()


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]
    main()
