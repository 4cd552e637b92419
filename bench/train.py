"""gemel's training loop beside TRL's SFTTrainer: equal model, data, loss and adapter, in the same run.

    python bench/train.py                      # tokens per second, one thread
    python bench/train.py --threads 2
    python bench/train.py --profile            # where gemel's seconds go, by kind of operator

Speed is counted in tokens of the data (no padding, no repetition) per second of CPU time and of wall time;
on a shared machine the first is the fairer one. The model is random, of 12 M parameters: its weights do not
matter for speed. Every trainer runs in a process of its own, in turns, and the best of its rounds counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SHAPE = {
    "vocab_size": 8192,
    "hidden_size": 320,
    "intermediate_size": 864,
    "num_hidden_layers": 8,
    "num_attention_heads": 5,
    "num_key_value_heads": 5,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
SYSTEMS = ("gemel", "trl-packed-512", "trl-defaults")
TOKENS = 8_192


def rows(seed: int = 0) -> list[tuple[list[int], list[bool]]]:
    """Token ids and loss marks of conversations: log-normal lengths around 120 tokens, half of the tokens learned."""
    rng = random.Random(seed)
    out: list[tuple[list[int], list[bool]]] = []
    total = 0
    while total < TOKENS:
        size = min(512, max(16, int(rng.lognormvariate(4.8, 0.7))))
        marks = [i // 12 % 2 == 1 for i in range(size)]
        out.append(([rng.randrange(3, SHAPE["vocab_size"]) for _ in range(size)], marks))
        total += size
    return out


def model() -> Any:
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**SHAPE))


def run_gemel(threads: int, profile: bool = False) -> dict[str, float]:
    """Our loop's own parts: packing, adapter, loss, optimiser."""
    import torch

    from gemel.config import TrainSection
    from gemel.examples import Example
    from gemel.model.lora import inject
    from gemel.model.packed import Piece, pack, packing, token_losses
    from gemel.model.template import Encoded
    from gemel.train.batches import order
    from gemel.train.learner import CPU_ROW
    from gemel.train.methods import adapter_spec
    from gemel.train.optimizer import build

    torch.set_num_threads(threads)
    section = TrainSection(batch_tokens=CPU_ROW, accumulate=4, epochs=1.0)
    net = model().train()
    inject(net, adapter_spec(section))
    parameters = {n: p for n, p in net.named_parameters() if p.requires_grad}
    optimizer = build(parameters, section)
    example = Example(id="x", kind="chat", turns=())
    pieces = [Piece(Encoded(ids, marks, [0] * len(ids)), example) for ids, marks in rows()]

    def epoch() -> None:
        for step in order([len(p.encoded.ids) for p in pieces], section):
            optimizer.zero_grad(set_to_none=True)
            for micro in step:
                (token_losses(net, pack([pieces[i] for i in micro])).sum() / 2048).backward()
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()

    with packing(net):
        if profile:
            show_profile(epoch)
        return timed(epoch)


KINDS = {
    "matrix products": ("aten::mm", "aten::addmm", "aten::bmm", "aten::linear", "aten::matmul"),
    "attention": ("attention",),
    "loss": ("logsumexp", "softmax", "gather"),
    "optimiser": ("fused_adam", "_foreach"),
}
"""Operators by what they are for; the first kind that fits counts."""


def show_profile(epoch: Any) -> None:
    """Shares of the CPU time of one pass by kind of operator, and the ten largest operators."""
    from torch.profiler import ProfilerActivity, profile

    epoch()
    with profile(activities=[ProfilerActivity.CPU]) as found:
        epoch()
    rows = sorted(found.key_averages(), key=lambda e: -e.self_cpu_time_total)
    total = sum(e.self_cpu_time_total for e in rows)
    shares = dict.fromkeys([*KINDS, "elementwise, copies, the rest"], 0.0)
    for e in rows:
        kind = next((k for k, names in KINDS.items() if any(n in e.key for n in names)), list(shares)[-1])
        shares[kind] += e.self_cpu_time_total / total
    for kind, share in shares.items():
        print(f"{kind:<34}{share:>7.1%}")
    print()
    for e in rows[:14]:
        print(f"{e.key:<58}{e.self_cpu_time_total / total:>7.1%}{e.count:>7,}")


def run_trl(system: str, threads: int) -> dict[str, float]:
    """SFTTrainer with PEFT: its defaults, or what is fastest for it on a CPU: packed into rows of 512 tokens, one at
    a time (869 tokens per CPU second here; two at a time 794, eight 378), without checkpointing."""
    import torch
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import PreTrainedTokenizerFast
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(threads)
    data = Dataset.from_list([{"input_ids": ids, "completion_mask": [int(m) for m in marks]} for ids, marks in rows()])
    extra: dict[str, Any] = {}
    if system == "trl-packed-512":
        extra = {
            "packing": True,
            "max_length": 512,
            "activation_checkpointing": False,
            "per_device_train_batch_size": 1,
        }
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            num_train_epochs=1,
            learning_rate=1e-3,
            use_cpu=True,
            bf16=False,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            dataloader_pin_memory=False,
            completion_only_loss=True,
            **extra,
        )
        trainer = SFTTrainer(
            model=model(),
            args=settings,
            train_dataset=data,
            processing_class=bare_tokenizer(PreTrainedTokenizerFast),
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
        )
        return timed(trainer.train)


def bare_tokenizer(kind: Any) -> Any:
    from tokenizers import Tokenizer, models

    words = {"<pad>": 0, "<s>": 1, "</s>": 2, **{f"w{i}": i for i in range(3, SHAPE["vocab_size"])}}
    made = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    return kind(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="<s>")


def timed(epoch: Any, rounds: int = 2) -> dict[str, float]:
    """Tokens of the data per second; the first round warms up."""
    total = sum(len(ids) for ids, _ in rows())
    best_cpu = best_wall = 0.0
    for k in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        epoch()
        if k:
            best_cpu = max(best_cpu, total / (time.process_time() - cpu))
            best_wall = max(best_wall, total / (time.perf_counter() - wall))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"cpu": best_cpu, "wall": best_wall, "memory_mb": peak, "matrix": matrix_rate()}


def matrix_rate() -> float:
    """Floating-point operations per CPU second of the fastest product of the model's own shape: torch's or gemel's."""
    import torch

    from gemel.model.onednn import product

    x, weight = torch.randn(1024, SHAPE["hidden_size"]), torch.randn(SHAPE["intermediate_size"], SHAPE["hidden_size"])
    best = float("inf")
    for multiply in (torch.nn.functional.linear, product):
        for _ in range(5):
            start = time.process_time()
            for _ in range(20):  # one alone is over before the second thread's time is counted
                multiply(x, weight)
            best = min(best, (time.process_time() - start) / 20)
    return 2 * x.numel() * len(weight) / best


def flops_per_token() -> float:
    """Operations that a token cannot do without: products forward and backward of frozen layers, the head where
    there is loss (half of the tokens)."""
    width, inner = SHAPE["hidden_size"], SHAPE["intermediate_size"]
    layers = SHAPE["num_hidden_layers"] * (4 * width * width + 3 * width * inner)
    return 4.0 * layers + 0.5 * 4.0 * SHAPE["vocab_size"] * width


def speed(threads: int, repeats: int) -> None:
    """Run every system in a process of its own, in turns, and print a table."""
    best: dict[str, dict[str, float]] = {}
    for _ in range(repeats):
        for system in SYSTEMS:
            done = subprocess.run(
                [sys.executable, __file__, "--one", system, "--threads", str(threads)],
                capture_output=True,
                text=True,
                check=False,
                env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            )
            if done.returncode:
                sys.exit(f"{system} failed:\n{done.stderr[-2000:]}")
            found = json.loads(done.stdout.splitlines()[-1])
            if found["cpu"] > best.get(system, {"cpu": 0.0})["cpu"]:
                best[system] = found
    peak = max(found["matrix"] for found in best.values())
    print(f"{threads} thread(s); matrix rate {peak / 1e9:.0f} GFLOP per CPU second")
    print(f"{'system':<18}{'tokens/CPU-s':>14}{'tokens/s wall':>15}{'share':>8}{'memory MB':>11}{'gemel is':>10}")
    for system, found in best.items():
        times = best["gemel"]["cpu"] / found["cpu"]
        share = found["cpu"] * flops_per_token() / peak
        print(
            f"{system:<18}{found['cpu']:>14,.0f}{found['wall']:>15,.0f}{share:>8.2f}{found['memory_mb']:>11,.0f}"
            f"{times:>9.2f}x"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--profile", action="store_true", help="only profile gemel's loop, with torch.profiler")
    parser.add_argument("--one", choices=SYSTEMS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.profile:
        print(json.dumps(run_gemel(options.threads, profile=True)))
    elif options.one == "gemel":
        print(json.dumps(run_gemel(options.threads)))
    elif options.one:
        print(json.dumps(run_trl(options.one, options.threads)))
    else:
        speed(options.threads, options.repeats)


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]
    main()
