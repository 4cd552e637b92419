"""The writer's twin, the whole way: shipped texts, a scripted teacher, pairs, training, measure, answers."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gemel.examples import read_examples
from gemel.workspace import Workspace

BENCH = Path(__file__).parents[2] / "bench" / "writer.py"


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_texts_become_pairs_become_a_twin_that_answers(tmp_path: Path) -> None:
    twin = Workspace(tmp_path / "twin")
    line = [sys.executable, str(BENCH), "--folder", str(twin.root), "--steps", "8", "--most", "24"]
    done = subprocess.run(line, capture_output=True, text=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    held = {p for e in read_examples(twin.dataset() / "test.parquet") for p in e.provenance}
    train = list(read_examples(twin.dataset("qa") / "train.parquet"))
    assert {e.kind for e in train} == {"slice", "qa"}
    assert held
    assert not any(held.intersection(e.provenance) for e in train)
    assert (twin.current() or "").startswith("pairs-")
    for measured in ("documents", "answers"):
        found = re.search(rf"^{measured}: base ([\d.]+) .*slices ([\d.]+) .*pairs ([\d.]+) ", done.stdout, re.M)
        assert found, done.stdout[-2000:]
        base, slices, pairs = map(float, found.groups())
        assert max(slices, pairs) < base
    answers = done.stdout.rpartition("Why should the judges")[2].splitlines()[1::3]
    assert len(answers) == 3
    assert all(len(a.split()) >= 3 for a in answers)
