"""A disk that is really full: a small tmpfs of its own, and files that may not grow. The last checkpoint stands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tiny import tiny_folder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="mount namespaces and RLIMIT_FSIZE as Linux has them")

CODE = """
import json, os, resource, shutil, sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from gemel.config import ModelSection, TrainSection
from gemel.errors import ResourceError
from gemel.model.base import load_base
from gemel.track import listening
from gemel.train import checkpoint
from gemel.train.fit import fit
from tiny import conversation

how, root, disk = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
if how in ("sudden", "quota"):
    checkpoint.need_room = lambda folder, tensors: None  # somebody else takes the room after it was asked for

def fill():
    if how == "quota":
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.RLIM_INFINITY))
        return
    left = shutil.disk_usage(disk).free - (4096 if how == "sudden" else 200_000)
    (disk / "filler").write_bytes(bytes(left))

def free():
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    (disk / "filler").unlink(missing_ok=True)

def hear(event):
    if event.name == "train.checkpoint" and event.fields["step"] == 3 and not told:
        fill()

section = TrainSection(method="full", lr=0.005, batch_tokens=256, epochs=4, threads=1, checkpoint_every=3)
data = [conversation(i) for i in range(12)]
told = []
with listening(hear):
    try:
        fit(load_base(ModelSection(base=str(root / "base"))), data, (), section, disk / "run")
    except ResourceError as error:
        told.append(str(error))
kept = sorted(p.name for p in (disk / "run" / "checkpoints").iterdir())
free()
starts = []
with listening(lambda e: starts.append(e.fields["step"]) if e.name == "train.start" else None):
    result = fit(load_base(ModelSection(base=str(root / "base"))), data, (), section, disk / "run")
print("RESULT " + json.dumps([told, kept, starts, result.reason]))
"""


def outcome(how: str, folder: Path, launch: list[str]) -> tuple[list[str], list[str], list[int], str]:
    tiny_folder(folder / "base", hidden_size=64, intermediate_size=128)
    script = folder / "script.py"
    script.write_text(CODE.format(tests=str(Path(__file__).parents[1])), encoding="utf-8")
    done = subprocess.run(
        [*launch, sys.executable, str(script), how, str(folder), str(folder / "disk")],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-3000:]
    line = next(x for x in done.stdout.splitlines() if x.startswith("RESULT "))
    told, kept, starts, reason = json.loads(line.removeprefix("RESULT "))
    return told, kept, starts, reason


def check(found: tuple[list[str], list[str], list[int], str]) -> None:
    told, kept, starts, reason = found
    assert len(told) == 1
    assert "disk is full: the last checkpoint is kept" in told[0]
    assert kept == ["00000003"]
    assert (starts, reason) == ([3], "finished")


@pytest.mark.parametrize("how", ["foreseen", "sudden"])
def test_on_a_full_file_system(how: str, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = f"mount -t tmpfs -o size=8m tmpfs '{disk}'"
    unshare = shutil.which("unshare")
    alone = [unshare or "", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if unshare is None or subprocess.run([*alone, mount], capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    check(outcome(how, tmp_path, [*alone, f'{mount} && exec "$@"', "sh"]))


def test_where_files_may_not_grow(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    check(outcome("quota", tmp_path, []))
