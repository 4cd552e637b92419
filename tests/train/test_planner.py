"""The planner's figures against measured ones, for three sizes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from transformers import LlamaConfig

from gemel.config import TrainSection
from gemel.train.planner import best_batch, measure

SIZES = {
    "2M": {"vocab_size": 5120, "hidden_size": 160, "intermediate_size": 432, "num_hidden_layers": 4},
    "6M": {"vocab_size": 5120, "hidden_size": 256, "intermediate_size": 704, "num_hidden_layers": 6},
    "17M": {"vocab_size": 8192, "hidden_size": 384, "intermediate_size": 1024, "num_hidden_layers": 8},
}
ROW = 1536
# Each side runs in a process of its own: CPU seconds of one thread, and the peak of its memory.
CODE = """
import json, resource, sys, time, torch
from transformers import LlamaConfig, LlamaForCausalLM
from gemel.config import TrainSection
from gemel.train import fit, planner
torch.set_num_threads(1)
side, shape = sys.argv[1], json.loads(sys.argv[2])
config = LlamaConfig(**shape, num_attention_heads=4, tie_word_embeddings=True)
section = TrainSection(batch_tokens={row})
if side == "plan":
    costs = planner.measure(config, section, clock=time.process_time)
    print(json.dumps([costs.seconds({row}, {row} // 2), costs.memory({row})]))
else:
    model = LlamaForCausalLM(config).train()
    planner.inject(model, planner.adapter_spec(section))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], fused=True)
    batch = planner.probe_row({row}, 128, "cpu")
    best = 1e9
    for _ in range(4):
        best = min(best, planner._seconds(model, batch, time.process_time))
        optimizer.step()
    print(json.dumps([best, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024]))
""".replace("{row}", str(ROW))


def run(side: str, shape: dict[str, int]) -> list[float]:
    done = subprocess.run(
        [sys.executable, "-c", CODE, side, json.dumps(shape)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    figures: list[float] = json.loads(done.stdout.splitlines()[-1])
    return figures


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss counts kilobytes on Linux")
@pytest.mark.parametrize("size", SIZES)
def test_time_and_memory_within_a_fifth_of_measured(size: str) -> None:
    """Timing on a shared machine jitters: the closest of three attempts counts."""
    attempts = [(run("plan", SIZES[size]), run("real", SIZES[size])) for _ in range(3)]
    assert min(abs(plan[0] / real[0] - 1) for plan, real in attempts) < 0.2
    assert all(abs(plan[1] / real[1] - 1) < 0.2 for plan, real in attempts)


def test_more_costs_more_and_checkpointing_keeps_less() -> None:
    config = LlamaConfig(**SIZES["2M"], num_attention_heads=4, tie_word_embeddings=True)
    plain = measure(config, TrainSection(), tokens=256, length=32)
    assert plain.seconds(2000, 1000) == pytest.approx(2 * plain.seconds(1000, 500))
    assert plain.memory(4096) > plain.memory(1024)
    saving = measure(config, TrainSection(checkpointing=True), tokens=256, length=32)
    assert saving.memory(8192) < plain.memory(8192)
    assert saving.seconds(1000, 500) > 0
    full = measure(config, TrainSection(method="full"), tokens=256, length=32)
    assert full.trained == full.parameters == plain.parameters > plain.trained
    room = plain.memory(1024) * 1.01
    assert best_batch(plain, room, 4096) in (1024, 2048)
    assert best_batch(plain, 0.0, 4096) == 0


def test_the_plan_of_a_workspace(tmp_path: Path) -> None:
    from click.testing import CliRunner
    from tiny import conversation, tiny_folder

    from gemel.cli.train import command
    from gemel.examples import write_examples
    from gemel.workspace import Manifest, Workspace

    base = tiny_folder(tmp_path / "base")
    workspace = Workspace(tmp_path / "twin")
    workspace.prepare()
    data = workspace.dataset()
    data.mkdir(parents=True)
    write_examples(data / "train.parquet", [conversation(i) for i in range(20)])
    Manifest(stage="build", fingerprint="d1").write(data)
    done = CliRunner().invoke(command, ["--twin", str(workspace.root), "--base", str(base), "--plan"])
    assert done.exit_code == 0, done.output
    assert "20 examples" in done.output
    assert "GiB" in done.output
    assert not workspace.runs.exists()
