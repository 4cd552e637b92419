"""Where synthesised rows go: examples to train on, a data set with question-answer pairs, files by domain."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from gemel.config import Config
from gemel.errors import ConfigError, Refused, TooLittle
from gemel.examples import Example, read_examples, to_json, write_examples
from gemel.pipeline.synth_contamination import HELD_OUT
from gemel.pipeline.synth_job import read_rows, write_rows
from gemel.synth.engine import Row
from gemel.synth.pairs import ALLOWED, as_example, knowledge_example
from gemel.synth.personas import by_domain
from gemel.workspace import Manifest, Workspace, atomic, atomic_folder, fingerprint, hash_file

__all__ = ["add_pairs", "export_rows", "write_by_domain"]


def add_pairs(workspace: Workspace, config: Config, rows: Path, *, dataset: str = "main", name: str = "qa") -> Manifest:
    """Write dataset/NAME: another data set with the pairs added to the splits of their texts. Test splits stay.

    Raises:
        ConfigError: when it would write over the data set that it reads.
        Refused: when a pair was made of what the data set keeps for testing now.
        TooLittle: when there is no pair.
    """
    if name == dataset:
        raise ConfigError("the pairs need a data set of their own", hint="Give another --name.")
    source = workspace.dataset(dataset)
    manifest = workspace.need(source, f"the data set '{dataset}'", "gemel build")
    inputs = {"dataset": manifest.fingerprint, "pairs": hash_file(rows)}
    wanted = fingerprint("synth", inputs, config.synth)
    pairs = [as_example(row) for row in read_rows(rows)]
    if not pairs:
        raise TooLittle(
            "no question and answer passed the checks", hint="Look at `gemel synth status`, or a better teacher."
        )
    _stay_apart(source, pairs)
    with workspace.lock("synth"):
        if fresh := workspace.fresh(workspace.dataset(name), wanted):
            return fresh
        with atomic_folder(workspace.dataset(name)) as folder:
            counts = dict(manifest.counts)
            for path in sorted(source.glob("*.parquet")):
                shutil.copy2(path, folder / path.name)
            for split in ALLOWED:
                added = [p for p in pairs if p.split == split]
                path = source / f"{split}.parquet"
                old = list(read_examples(path)) if path.exists() else []
                counts[split] = write_examples(folder / f"{split}.parquet", [*old, *added])
                counts[f"{split} pairs"] = len(added)
            section = {**manifest.section, "synth": config.synth.model_dump(mode="json")}
            extra = {**manifest.extra, "pairs of": dataset}
            made = Manifest(
                stage="build", fingerprint=wanted, inputs=inputs, section=section, counts=counts, extra=extra
            )
            made.write(folder)
    return workspace.need(workspace.dataset(name), f"the data set '{name}'", "gemel synth qa")


def _stay_apart(source: Path, pairs: Sequence[Example]) -> None:
    """Refuse pairs with a test text among what they come from, e.g. after the data set was split anew."""
    paths = [source / f"{split}.parquet" for split in HELD_OUT]
    held = {name for p in paths if p.exists() for e in read_examples(p) for name in (e.id, *e.provenance)}
    if any(held.intersection(pair.provenance) for pair in pairs):
        raise Refused(
            "these pairs were made of a document that is kept for testing now", hint="Run `gemel synth qa` again."
        )


def export_rows(rows: Path, to: Path, *, examples: bool = False) -> int:
    """Write rows as .jsonl or .parquet, as they are or as examples; returns how many.

    Raises:
        ConfigError: for another file type, or rows that make no example.
    """
    if to.suffix not in (".jsonl", ".parquet"):
        raise ConfigError("rows are exported to .jsonl or .parquet")
    if examples:
        made = [_example(row) for row in read_rows(rows)]
        with atomic(to) as place:
            if to.suffix == ".parquet":
                return write_examples(place, made)
            place.write_text("".join(to_json(e) + "\n" for e in made), encoding="utf-8")
            return len(made)
    if to.suffix == ".jsonl":
        return write_rows(to, read_rows(rows))
    import polars

    frame = polars.DataFrame(list(read_rows(rows)), infer_schema_length=None)
    with atomic(to) as place:
        frame.write_parquet(place)
    return len(frame)


def _example(row: Row) -> Example:
    if "claims" in row:
        return as_example(row)
    if "answer" in row and ("question" in row or "instruction" in row):
        return knowledge_example(row)
    raise ConfigError("these rows have no question and answer to make examples of", hint="Leave --examples out.")


def write_by_domain(rows: Sequence[Row], folder: Path, *, least: int = 1) -> dict[str, int]:
    """One file a domain; returns rows by domain."""
    groups = by_domain(rows, least=least)
    for name, group in groups.items():
        safe = "".join(c if c.isalnum() else "-" for c in name.casefold())[:60].strip("-") or "other"
        write_rows(folder / f"{safe}.jsonl", group)
    return {name: len(group) for name, group in groups.items()}
