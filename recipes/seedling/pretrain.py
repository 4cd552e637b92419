"""Step 5: train the seedling; the same script runs the long trunk and the polish that branches off it.

    python recipes/seedling/pretrain.py --out .work/seedling                          # trunk, until stopped
    python recipes/seedling/pretrain.py --out .work/seedling --polish first --tokens 4000000

Where other work shares the machine, one thread in each of two processes beats two threads in one, because
they meet once a step and not once an operation: `torchrun --nproc-per-node 2 recipes/seedling/pretrain.py …`.

Warm-up, then constant, then decay to zero (Hu et al. 2024, arXiv:2404.06395): the trunk never decays, so it
can be continued for ever; a polish starts from the trunk's newest checkpoint, goes over to the
conversation-heavy mix and decays over exactly its `--tokens`. A checkpoint holds weights, optimiser and
position, so a killed run goes on as if nothing had happened. Files are safetensors only.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from llama import Llama, Shape
from muon import Muon
from safetensors.torch import load_file, save_file

LENGTH = 512
"""Tokens a sequence; the rotary embedding allows more, `export.py` declares 2048."""


def main() -> None:
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    rank, world = join()
    run = args.out / (f"polish-{args.polish}" if args.polish else "trunk")
    run.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((args.out / "tokens" / "manifest.json").read_text(encoding="utf-8"))
    data = np.memmap(args.out / "tokens" / ("polish.bin" if args.polish else "trunk.bin"), dtype=np.uint16, mode="r")

    shape = Shape(
        vocab_size=args.vocab, hidden_size=args.hidden, num_hidden_layers=args.layers, intermediate_size=args.mlp
    )
    model = Llama(shape)
    optimiser = Muon(model.named_parameters(), lr=args.lr, adam_lr=args.adam_lr, decay=args.decay)
    step, seen = 0, 0
    if (run / "state.safetensors").exists():
        step, seen = restore(run, model, optimiser)
    elif args.polish:
        _, seen = restore(args.out / "trunk", model, optimiser)
    start = seen - step * args.batch * LENGTH  # tokens seen before this run: 0 for the trunk
    steps = args.tokens // (args.batch * LENGTH) if args.polish else args.tokens // (args.batch * LENGTH) or 10**9
    loss_of = torch.compile(lambda x, y: forward(model, x, y)) if args.compile else lambda x, y: forward(model, x, y)
    parameters = sum(p.numel() for p in model.parameters())
    say(run, rank, {"event": "start", "step": step, "seen": seen, "parameters": parameters, "processes": world})

    stopped = False

    def stop(*_: object) -> None:
        nonlocal stopped
        stopped = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    clock, counted = time.monotonic(), seen
    saved = clock
    while step < steps and not stopped:
        total = 0.0
        for part in batch(data, step, args.batch)[rank::world].split(args.micro):
            loss = loss_of(part[:, :-1], part[:, 1:]).mean() * (len(part) / args.batch)
            loss.backward()
            total += loss.item()
        total, stopped = share(model, total, stopped, world)
        norm = torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item()
        optimiser.step(rate(step, warm=0 if args.polish else args.warm, decay=steps if args.polish else 0))
        model.zero_grad()
        step += 1
        seen = start + step * args.batch * LENGTH
        if step % args.log == 0:
            pace, clock, counted = (seen - counted) / (time.monotonic() - clock), time.monotonic(), seen
            row = {"step": step, "seen": seen, "loss": total, "norm": norm, "tokens_s": round(pace)}
            say(run, rank, {"event": "step", **row})
        if rank == 0 and (time.monotonic() - saved > args.save_s or step == steps or stopped):
            save(run, model, optimiser, step, seen)
            say(run, rank, {"event": "valid", "step": step, "seen": seen, **validate(model, args.out, manifest)})
            clock, counted = time.monotonic(), seen
            saved = clock


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--polish", default="", help="name of a decay branch off the trunk's newest checkpoint")
    parser.add_argument("--tokens", type=int, default=0, help="length of the run; needed for a polish")
    parser.add_argument("--vocab", type=int, default=5120)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=8)
    parser.add_argument("--mlp", type=int, default=704)
    parser.add_argument("--lr", type=float, default=0.02, help="Muon's, for matrices; 0 leaves all to AdamW")
    parser.add_argument("--adam-lr", type=float, default=0.002, help="for embeddings and norms")
    parser.add_argument("--decay", type=float, default=0.01)
    parser.add_argument("--warm", type=int, default=60, help="steps")
    parser.add_argument("--batch", type=int, default=24, help="sequences a step")
    parser.add_argument("--micro", type=int, default=8, help="sequences at a time; divides --batch")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save-s", type=float, default=300.0, help="seconds between checkpoints")
    parser.add_argument("--log", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
    args = parser.parse_args()
    if args.polish and not args.tokens:
        parser.error("--polish needs --tokens: its learning rate ends at zero there")
    return args


def forward(model: Llama, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    with torch.autocast("cpu", torch.bfloat16):
        return model(x, y)


def batch(data: np.ndarray, step: int, size: int) -> torch.Tensor:
    """The sequences of a step, (size, LENGTH + 1), read in order and from the start again at the end."""
    rows = len(data) // LENGTH - 1
    places = [((step * size + i) % rows) * LENGTH for i in range(size)]
    return torch.from_numpy(np.stack([data[p : p + LENGTH + 1] for p in places]).astype(np.int64))


def rate(step: int, *, warm: int, decay: int) -> float:
    """The learning rate's factor: linear up over `warm` steps; linear down to zero at `decay`, if that is given."""
    up = min(1.0, (step + 1) / warm) if warm else 1.0
    return up * (1 - step / decay if decay else 1.0)


@torch.no_grad()
def validate(model: Llama, out: Path, manifest: dict[str, dict[str, int]], most: int = 40) -> dict[str, float]:
    """Held-out loss per domain, nats a token, over at most `most` sequences each."""
    result = {}
    for domain in manifest["valid_bytes"]:
        data = np.fromfile(out / "tokens" / "valid" / f"{domain}.bin", dtype=np.uint16)
        rows = min(most, len(data) // LENGTH - 1)
        part = batch(data, 0, rows)
        losses = [forward(model, p[:, :-1], p[:, 1:]).mean().item() * len(p) for p in part.split(4)]
        result[domain] = round(sum(losses) / rows, 4)
    return result


def save(run: Path, model: Llama, optimiser: Muon, step: int, seen: int) -> None:
    """Write the checkpoint atomically."""
    tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
    tensors |= {f"optimiser.{n}": t for n, t in optimiser.state().items()}
    save_file(tensors, run / "state.part", metadata={"step": str(step), "seen": str(seen)})
    (run / "state.part").replace(run / "state.safetensors")


def restore(run: Path, model: Llama, optimiser: Muon) -> tuple[int, int]:
    """Load the newest checkpoint of a run; returns its step and the tokens seen."""
    from safetensors import safe_open

    state = load_file(run / "state.safetensors")
    model.load_state_dict({n.removeprefix("model."): t for n, t in state.items() if n.startswith("model.")})
    optimiser.load({n.removeprefix("optimiser."): t for n, t in state.items() if n.startswith("optimiser.")})
    with safe_open(run / "state.safetensors", "pt") as file:
        meta = file.metadata()
    return int(meta["step"]), int(meta["seen"])


def join() -> tuple[int, int]:
    """(rank, number of processes), after meeting the others where torchrun started several."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return 0, 1
    dist.init_process_group("gloo")
    return dist.get_rank(), dist.get_world_size()


def share(model: Llama, total: float, stopped: bool, world: int) -> tuple[float, bool]:
    """Sum gradients and losses over the processes; all stop when one was told to."""
    if world == 1:
        return total, stopped
    row = torch.cat([*(p.grad.view(-1) for p in model.parameters()), torch.tensor([total, float(stopped)])])
    dist.all_reduce(row)
    place = 0
    for p in model.parameters():
        p.grad.copy_(row[place : place + p.numel()].view_as(p))
        place += p.numel()
    return row[-2].item(), row[-1].item() > 0


def say(run: Path, rank: int, event: dict[str, object]) -> None:
    """Append an event with the time to events.jsonl; only the first process writes."""
    if rank:
        return
    with (run / "events.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"time": round(time.time(), 1), **event}) + "\n")


if __name__ == "__main__":
    main()
