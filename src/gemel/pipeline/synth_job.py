"""What a synthesis job is, the files beside its output, and rows in and out of files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemel.config import SynthSection
from gemel.errors import ConfigError, DataError, MissingStage
from gemel.synth.engine import Row
from gemel.workspace import atomic

__all__ = ["Job", "load_job", "read_rows", "save_job", "write_rows"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What is asked for; plain data, kept beside the output."""

    kind: str
    """run, personas, relate, questions, knowledge or qa."""
    output: str
    input: str
    """A file of rows; for `qa` the folder of a data set."""
    teachers: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    """The synth section of the configuration."""
    templates: tuple[str, ...] = ()
    samples: int = 1
    rounds: int = 1
    each: int = 2
    """Relations followed from a persona in a round."""
    until_unseen: float = 0.0
    """Stop the rounds when the unseen mass of domains falls below this."""
    count: int = 3
    """Questions asked of a text."""
    answers: str = "own"
    similar: float = 0.0
    """Cosine from which two texts mean the same; 0: not compared."""
    against: tuple[str, ...] = ()
    """Files of texts that nothing may overlap with."""
    shards: str = "here"

    @property
    def section(self) -> SynthSection:
        """The settings, checked."""
        return SynthSection(**self.settings)

    def file(self, what: str = "") -> Path:
        """The output, or what lies beside it: calls, dead, graph, job, contamination."""
        path = Path(self.output)
        suffix = f".{what}.json" if what in ("job", "contamination") else f".{what}.jsonl"
        return path.with_name(f"{path.stem}{suffix}") if what else path


def read_rows(path: Path) -> Iterator[Row]:
    """Rows of a .jsonl or .parquet file, or the paragraphs of a .txt file as `text`.

    Raises:
        DataError: when the file is missing or a line is not an object.
    """
    if not path.exists():
        raise DataError(f"there is no file {path}")
    if path.suffix == ".parquet":
        import polars

        yield from polars.read_parquet(path).iter_rows(named=True)
    elif path.suffix == ".txt":
        for paragraph in path.read_text(encoding="utf-8-sig").split("\n\n"):
            if paragraph.strip():
                yield {"text": paragraph.strip()}
    else:
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    yield _object(line, path, number)


def _object(line: str, path: Path, number: int) -> Row:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise DataError(f"{path.name}, line {number}: not a JSON object")
    return row


def write_rows(path: Path, rows: Iterable[Row]) -> int:
    """Write rows as JSON lines, whole or not at all; returns how many."""
    count = 0
    with atomic(path) as place, place.open("w", encoding="utf-8") as file:
        for row in rows:
            file.write(json.dumps(row, ensure_ascii=False, separators=(",", ":"), default=str) + "\n")
            count += 1
    return count


def save_job(job: Job, counts: dict[str, Any]) -> None:
    """Keep what was asked, and what came of it, beside the output."""
    with atomic(job.file("job")) as path:
        text = json.dumps({"job": asdict(job), "counts": counts}, ensure_ascii=False, indent=1)
        path.write_text(text, encoding="utf-8")


def load_job(output: Path) -> tuple[Job, dict[str, Any]]:
    """The job of an output, and its counts (empty while it is not finished).

    Raises:
        MissingStage: when nothing was started there.
    """
    path = output.with_name(f"{output.stem}.job.json")
    if not path.exists():
        raise MissingStage(f"nothing was synthesised into {output}", hint="See `gemel synth --help`.")
    raw = json.loads(path.read_text(encoding="utf-8"))
    given: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw["job"].items()}
    try:
        return Job(**given), raw["counts"]
    except TypeError as error:
        raise ConfigError(f"{path.name} is of another version", hint="Run the command itself again.") from error
