"""Two processes under torchrun give the loss curve of one, with weights whole (DDP) or split (FSDP2)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_folder

CODE = """
import json, os, sys, warnings
from pathlib import Path
sys.path.insert(0, {tests!r})
from gemel.config import ModelSection, TrainSection
from gemel.model.base import load_base
from gemel.train.fit import fit
from tiny import conversation
folder, method, shard = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "shard"
base = load_base(ModelSection(base=str(folder / "base")))
section = TrainSection(method=method, rank=4, lr=0.02 if method == "lora" else 0.005, batch_tokens=256, accumulate=4,
                       epochs=3, threads=1, evaluate_every=2, checkpoint_every=3, warmup=2, patience=0, shard=shard)
train = [conversation(i, turns=2 + 2 * (i % 3)) for i in range(12)]
valid = [conversation(100 + i) for i in range(3)]
place = folder / f"run-{{os.environ.get('WORLD_SIZE', '1')}}-{{method}}-{{shard}}"
stop = iter([False] * 3 + [True]) if "stop" in sys.argv else None
result = fit(base, train, valid, section, place, stop=(lambda: next(stop)) if stop else None)
weights = sum(float(p.double().square().sum()) for p in base.model.parameters())
if os.environ.get("RANK", "0") == "0":
    print("RESULT " + json.dumps([result.steps, result.curve, weights]))
"""


def run(folder: Path, processes: int, *options: str) -> tuple[int, list[list[float]], float]:
    script = folder / "script.py"
    script.write_text(CODE.format(tests=str(Path(__file__).parents[1])), encoding="utf-8")
    launch = [sys.executable, str(script)]
    if processes > 1:
        launch = [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            f"--nproc-per-node={processes}",
            str(script),
        ]
    done = subprocess.run(
        [*launch, str(folder), *options],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    steps, curve, weights = json.loads(line.removeprefix("RESULT "))
    return steps, curve, weights


@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is tested on POSIX")
@pytest.mark.parametrize(
    ("method", "split"),
    [
        ("lora", "whole"),
        pytest.param("lora", "shard", marks=pytest.mark.slow),
        pytest.param("full", "shard", marks=pytest.mark.slow),
    ],
)
def test_two_processes_give_the_curve_of_one(method: str, split: str, tmp_path: Path) -> None:
    tiny_folder(tmp_path / "base")
    one = run(tmp_path, 1, method, split)
    two = run(tmp_path, 2, method, split)
    assert two[0] == one[0]
    assert len(two[1]) == len(one[1]) > 2
    for a, b in zip(one[1], two[1], strict=True):
        assert b == pytest.approx(a, rel=1e-3)
    assert two[2] == pytest.approx(one[2], rel=1e-4)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="torchrun with gloo is tested on POSIX")
def test_split_weights_resume(tmp_path: Path) -> None:
    tiny_folder(tmp_path / "base")
    straight = run(tmp_path, 1, "full", "shard")
    stopped = run(tmp_path, 2, "full", "shard", "stop")
    assert stopped[0] == 4
    resumed = run(tmp_path, 2, "full", "shard")
    assert resumed[0] == straight[0]
    assert resumed[1][-1] == pytest.approx(straight[1][-1], rel=1e-3)
