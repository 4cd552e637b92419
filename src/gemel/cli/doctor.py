"""`gemel doctor`: what this machine has, and which base it can carry."""

from __future__ import annotations

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import click

from gemel.cli.output import twin_option

HUB = "https://huggingface.co/api/models?limit=1"
EXTRAS = {
    "train": ("torch", "transformers", "peft", "safetensors"),
    "evaluate": ("sentence_transformers", "sacrebleu", "rouge_score"),
    "serve": ("fastapi", "uvicorn"),
    "documents": ("pypdfium2", "docx", "trafilatura"),
    "lowbit": ("bitsandbytes",),
}
"""Extra → packages by which it is known to be there."""


class Machine(NamedTuple):
    """What decides how large a base fits; memory in GiB."""

    cores: int
    memory: float
    free: float
    disk: float
    gpu: str
    gpu_memory: float


@click.command(name="doctor")
@twin_option
@click.option("--online", is_flag=True, help="Also ask whether the model hub can be reached (one request).")
def command(twin: Path, online: bool) -> None:
    """Say what this machine has, what is installed, and which base it can carry. Nothing is changed."""
    machine = look(twin)
    click.echo(f"Python     {platform.python_version()} on {platform.system()} {platform.machine()}")
    click.echo(f"Cores      {machine.cores}")
    click.echo(f"Memory     {machine.memory:.0f} GiB, {machine.free:.0f} GiB free")
    click.echo(f"Disk       {machine.disk:.0f} GiB free for {twin}")
    click.echo(f"GPU        {machine.gpu or 'none found'}")
    for extra, packages in EXTRAS.items():
        missing = [p for p in packages if importlib.util.find_spec(p) is None]
        state = f"missing {', '.join(missing)}: pip install 'gemel[{extra}]'" if missing else "installed"
        click.echo(f"{extra:<10} {state}")
    if online:
        click.echo(
            f"Hub        {'reachable' if hub_answers() else 'not reachable; the seedling and local folders work'}"
        )
    click.echo(f"\n{advice(machine)}")


def look(place: Path) -> Machine:
    """Measure this machine; `place` is where the disk matters."""
    import psutil

    memory = psutil.virtual_memory()
    existing = next(p for p in (place.resolve(), *place.resolve().parents) if p.exists())
    gpu, size = find_gpu()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    gib = float(1 << 30)
    return Machine(cores, memory.total / gib, memory.available / gib, shutil.disk_usage(existing).free / gib, gpu, size)


def find_gpu() -> tuple[str, float]:
    """Name and memory (GiB) of the first accelerator, without loading torch."""
    tool = shutil.which("nvidia-smi")
    if tool:
        query = [tool, "--query-gpu=name,memory.total", "--format=csv,noheader,nounits"]
        done = subprocess.run(query, capture_output=True, text=True, timeout=10, check=False)
        name, _, size = done.stdout.partition("\n")[0].rpartition(",")
        if name and size.strip().isdigit():
            return f"{name.strip()}, {int(size) / 1024:.0f} GiB", int(size) / 1024
    if sys.platform == "darwin" and platform.machine() == "arm64":
        import psutil

        shared = psutil.virtual_memory().total / (1 << 30)
        return "Apple silicon (shared memory)", shared * 0.6
    return "", 0.0


def hub_answers() -> bool:
    """Whether one small request to the hub succeeds within five seconds."""
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(HUB, timeout=5) as answer:
            return int(answer.status) == 200
    except (urllib.error.URLError, TimeoutError, OSError):
        return False


def advice(machine: Machine) -> str:
    """Which base fits. Rule of thumb: LoRA in 16 bits takes 2.6 bytes a parameter and 2 GiB, 4 bits 0.9 and 2 GiB."""
    if machine.gpu_memory:
        lora, qlora = (machine.gpu_memory - 2) / 2.6, (machine.gpu_memory - 2) / 0.9
        sizes = f"LoRA up to about {max(lora, 0):.1f} B parameters, QLoRA up to about {max(qlora, 0):.1f} B"
        return f'This machine can train {sizes}. Set scale = "gpu" in gemel.toml.'
    if machine.free < 2 or machine.cores < 2:
        return 'The seedling that ships with gemel fits. Set scale = "tiny" in gemel.toml.'
    largest = min((machine.free - 1) / 5.2, 0.2 * machine.cores)  # GiB / (4 + 1.2 bytes a parameter); patience
    return (
        f"The seedling trains in minutes here; a base up to about {largest:.1f} B parameters fits with patience. "
        "Larger ones answer through a server: set model.server."
    )
