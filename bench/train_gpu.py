"""LoRA and QLoRA on an accelerator beside TRL and PEFT: tokens per second, memory, share of the matrix rate.

    python bench/train_gpu.py                    # random weights of Llama-3.1-8B's shape, and the base that ships
    python bench/train_gpu.py --layers 4         # fewer layers of the 8B shape, for a smaller card
    python bench/train_gpu.py --rehearse         # the same code in miniature on a CPU: says only that it runs

Needs CUDA, bitsandbytes and TRL. Weights are random: speed and memory do not depend on them. Both sides get the same
sequences (lengths around 512, half of the tokens learned), adapter, row size and gradient checkpointing; TRL packs into
rows of 512. Every case runs in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig

STEPS = 6
LENGTH = 512
LARGE = {
    "vocab_size": 128_256,
    "hidden_size": 4096,
    "intermediate_size": 14_336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "max_position_embeddings": 8192,
}
MINIATURE = {
    **LARGE,
    "vocab_size": 512,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
CASES = (
    ("8b", "lora", "gemel"),
    ("8b", "lora", "trl"),
    ("8b", "qlora", "gemel"),
    ("8b", "qlora", "trl"),
    ("seedling", "lora", "gemel"),
    ("seedling", "lora", "trl"),
)


def shape(name: str, layers: int, device: str) -> Any:
    """The configuration of a case's base; on a CPU the large one in miniature."""
    if name == "seedling":
        from gemel.model.base import seedling_path

        return AutoConfig.from_pretrained(seedling_path())
    return LlamaConfig(**(LARGE if device == "cuda" else MINIATURE), num_hidden_layers=layers)


def base(config: Any, method: str, device: str) -> Any:
    """The frozen base, or in NF4 (written to disk once, because quantising happens on loading)."""
    dtype = torch.bfloat16 if device == "cuda" else torch.float32
    torch.set_default_dtype(dtype)
    with torch.device(device):
        model = AutoModelForCausalLM.from_config(config)
    torch.set_default_dtype(torch.float32)
    if method == "lora":
        return model
    from gemel.model.lowbit import quantization

    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        del model
        if device == "cuda":
            torch.cuda.empty_cache()
        settings = quantization("nf4", dtype)
        place: Any = {"": 0 if device == "cuda" else "cpu"}
        return AutoModelForCausalLM.from_pretrained(folder, quantization_config=settings, dtype=dtype, device_map=place)


def wait(device: str) -> float:
    """The time when all that was asked for is done."""
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def matrix_rate(device: str) -> float:
    """Operations per second of a large product in the type of the base."""
    size, dtype = (8192, torch.bfloat16) if device == "cuda" else (512, torch.float32)
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    for _ in range(3):
        a @ b
    start = wait(device)
    for _ in range(10):
        a @ b
    return 10 * 2 * size**3 / (wait(device) - start)


def run_gemel(model: Any, method: str, tokens: int, device: str) -> list[float]:
    """Seconds of each step of gemel's own parts: packing, adapter, loss, optimiser."""
    from gemel.config import TrainSection
    from gemel.model.lora import inject
    from gemel.model.packed import packing, token_losses
    from gemel.train.methods import adapter_spec
    from gemel.train.optimizer import build
    from gemel.train.planner import probe_row

    section = TrainSection(method=method, batch_tokens=tokens, checkpointing=True, lr=2e-4)
    model.train()
    inject(model, adapter_spec(section))
    model.gradient_checkpointing_enable({"use_reentrant": False})
    parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
    optimizer = build(parameters, section)
    batch = probe_row(tokens, LENGTH, device)
    seconds = []
    with packing(model):
        for _ in range(STEPS):
            start = wait(device)
            optimizer.zero_grad(set_to_none=True)
            token_losses(model, batch).mean().backward()
            torch.nn.utils.clip_grad_norm_(parameters.values(), 1.0)
            optimizer.step()
            seconds.append(wait(device) - start)
    return seconds


def run_trl(model: Any, tokens: int, device: str) -> list[float]:
    """Seconds of each step of SFTTrainer with PEFT, the same sequences packed into rows of `LENGTH`."""
    from datasets import Dataset
    from peft import LoraConfig
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    from gemel.train.planner import probe_row

    class Watch(TrainerCallback):  # type: ignore[misc]
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = wait(device)

        def on_step_end(self, *_: Any, **__: Any) -> None:
            seconds.append(wait(device) - self.start)

    seconds: list[float] = []
    batch = probe_row(tokens, LENGTH, "cpu")
    learned = set(batch.at.tolist())
    ids, owner = batch.ids[0].tolist(), batch.owner.tolist()
    rows = []
    for number in range(len(batch.examples)):
        places = [i for i, k in enumerate(owner) if k == number]
        marks = [0, *(int(i in learned) for i in places[:-1])]
        rows.append({"input_ids": [ids[i] for i in places], "completion_mask": marks})
    words = {"<pad>": 0, "</s>": 1, **{f"w{i}": i for i in range(2, 512)}}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(models.WordLevel(words, unk_token="<pad>")), pad_token="<pad>", eos_token="</s>"
    )
    with tempfile.TemporaryDirectory() as folder:
        settings = SFTConfig(
            output_dir=folder,
            max_steps=STEPS,
            per_device_train_batch_size=max(1, tokens // LENGTH),
            packing=True,
            max_length=LENGTH,
            learning_rate=2e-4,
            bf16=device == "cuda",
            use_cpu=device == "cpu",
            gradient_checkpointing=True,
            completion_only_loss=True,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
        )
        trainer = SFTTrainer(
            model=model,
            args=settings,
            train_dataset=Dataset.from_list(rows * STEPS),
            processing_class=tokenizer,
            peft_config=LoraConfig(r=16, lora_alpha=32, target_modules="all-linear", task_type="CAUSAL_LM"),
            callbacks=[Watch()],
        )
        trainer.train()
    return seconds


def one(case: tuple[str, str, str], layers: int, tokens: int, device: str) -> dict[str, float]:
    """What a case comes to."""
    name, method, system = case
    peak = matrix_rate(device)
    config = shape(name, layers, device)
    model = base(config, method, device)
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
    seconds = run_gemel(model, method, tokens, device) if system == "gemel" else run_trl(model, tokens, device)
    rate = tokens / sorted(seconds[1:])[len(seconds[1:]) // 2]
    width, kv = config.hidden_size, config.hidden_size * config.num_key_value_heads // config.num_attention_heads
    frozen = config.num_hidden_layers * (2 * width * (width + kv) + 3 * width * config.intermediate_size)
    # Forward twice (checkpointing) and backward for the inputs; the head where there is loss, half of the tokens.
    needed = 6 * frozen + 2 * config.vocab_size * width
    memory = torch.cuda.max_memory_allocated() / 2**30 if device == "cuda" else 0.0
    return {"rate": rate, "memory": memory, "share": rate * needed / peak, "peak": peak}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", type=int, default=32, help="of the 8B shape")
    parser.add_argument("--tokens", type=int, default=8192, help="tokens in a step")
    parser.add_argument("--rehearse", action="store_true", help="in miniature on a CPU")
    parser.add_argument("--one", type=int, default=None, help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = "cpu" if options.rehearse else "cuda"
    layers, tokens = (2, 1024) if options.rehearse else (options.layers, options.tokens)
    if options.one is not None:
        print(json.dumps(one(CASES[options.one], layers, tokens, device)))
        return
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("this needs a CUDA device; --rehearse runs it in miniature on a CPU")
    print(torch.cuda.get_device_name() if device == "cuda" else "rehearsal on a CPU: the figures mean nothing")
    print(f"{'base':<10}{'method':<8}{'system':<8}{'tokens/s':>12}{'memory GiB':>13}{'share':>8}", flush=True)
    for number, case in enumerate(CASES):
        command = [sys.executable, __file__, "--one", str(number), "--layers", str(layers), "--tokens", str(tokens)]
        done = subprocess.run(
            [*command, *(["--rehearse"] if options.rehearse else [])], capture_output=True, text=True, check=False
        )
        label = f"{case[0]:<10}{case[1]:<8}{case[2]:<8}"
        if done.returncode:
            print(f"{label}failed: {(done.stderr.strip().splitlines() or ['killed'])[-1][:90]}", flush=True)
            continue
        row = json.loads(done.stdout.splitlines()[-1])
        print(f"{label}{row['rate']:>12,.0f}{row['memory']:>13.1f}{row['share']:>8.2f}", flush=True)


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if Path(p).resolve() != Path(__file__).resolve().parent]
    main()
