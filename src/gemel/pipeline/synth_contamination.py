"""What synthesised rows share with what is measured on: kept out of the output, and written down.

Measured on are the held-out splits of the data set (for pairs), the twin's own benches, and files that were named.
Beside `X.jsonl`, `X.contamination.json` says what was compared, which rows were left out, and which of the texts
that were asked about overlap themselves. Ids and counts only; overlap of meaning without shared words is not seen.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gemel.examples import read_examples
from gemel.pipeline.synth_job import Job, read_rows
from gemel.synth.engine import Row, row_id
from gemel.synth.screen import Contamination
from gemel.workspace import Workspace, atomic

__all__ = ["HELD_OUT", "Watch", "benches_of", "watch_for"]

HELD_OUT = ("test", "contacts")
"""Splits that are never asked about: the last sessions, and contacts kept apart."""
MADE = ("persona", "instruction", "question", "answer")
"""Fields that a teacher writes."""
REASON = Contamination.reason


@dataclass
class Watch:
    """Compares rows with what is measured on; remembers which overlapped."""

    screen: Contamination
    left_out: dict[str, str] = field(default_factory=dict)
    """Row → the set it overlaps with."""
    asked: dict[str, str] = field(default_factory=dict)
    """Text asked about → the set it overlaps with."""

    def passing(self, rows: Iterable[Row], dropped: Counter[str]) -> Iterator[Row]:
        """The rows that share nothing with what is measured on; the others are counted and remembered."""
        for row in rows:
            if found := self.screen.where(*(str(row[name]) for name in MADE if row.get(name))):
                dropped[REASON] += 1
                self.left_out[row_id(row)] = found
            else:
                yield row

    def look_at(self, inputs: Iterable[Row]) -> None:
        """Note which of the texts asked about overlap themselves: they stay, what is made of them is compared."""
        for row in inputs:
            if row.get("text") and (found := self.screen.where(str(row["text"]))):
                self.asked[row_id(row)] = found

    def report(self) -> dict[str, Any]:
        """What was compared with what, and what was found."""
        out, asked = Counter(self.left_out.values()), Counter(self.asked.values())
        sets = {
            name: {"texts": count, "rows left out": out[name], "texts asked about that overlap": asked[name]}
            for name, count in self.screen.texts.items()
        }
        method = f"a run of {self.screen.n} words in common, or the same text where it is shorter"
        return {"method": method, "sets": sets, "rows left out": self.left_out, "texts asked about": self.asked}

    def write(self, job: Job) -> None:
        """Keep the report beside the output."""
        with atomic(job.file("contamination")) as path:
            path.write_text(json.dumps(self.report(), ensure_ascii=False, indent=1), encoding="utf-8")


def watch_for(job: Job) -> Watch | None:
    """What a job's rows are compared with; None where there is nothing."""
    texts: dict[str, list[str]] = {}
    for name in job.against:
        path = Path(name)
        title = "/".join(path.parts[-3:]) if path.name in texts else path.name
        texts[title] = [v for row in read_rows(path) for v in row.values() if isinstance(v, str)]
    if job.kind == "qa":
        for split in HELD_OUT:
            if (path := Path(job.input) / f"{split}.parquet").exists():
                texts[split] = [turn.text for example in read_examples(path) for turn in example.learned]
    return Watch(Contamination(texts)) if texts else None


def benches_of(workspace: Workspace) -> tuple[str, ...]:
    """Questions of the twin's benches and the person's own answers: what one is judged by must not be learned."""
    place = workspace.root / "bench"
    return tuple(str(p) for name in ("*/questions.jsonl", "*/answers/expert.jsonl") for p in sorted(place.glob(name)))
