"""What a finished voice carries so that it can be trusted later: hashes of its weights, and which records it learned.

With the hashes a damaged voice is refused before it answers anybody. With the ids a retraining knows what
is new, and a comparison of two voices leaves out what one of them has seen. Ids only, no text.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from gemel.errors import DamagedCheckpoint
from gemel.examples import Example, read_examples
from gemel.workspace import Manifest, atomic, hash_file

__all__ = ["check", "ids_of", "learned", "learned_from", "save_learned", "weights_of"]

LEARNED = "learned.parquet"
HELD = ("train", "valid", "test")
WEIGHTS = "weights"
"""In the manifest's `extra`: file → content hash."""


def ids_of(example: Example) -> tuple[str, ...]:
    """What tells an example's origin: its records, or itself where it was made from none."""
    return example.provenance or (example.id,)


def weights_of(folder: Path) -> dict[str, str]:
    """Path within the run → hash, of everything that decides what the voice says."""
    files = [*folder.glob("*.safetensors"), *folder.glob("adapter/*"), *folder.glob("model/*"), folder / "traits.json"]
    kept = (f for f in files if f.is_file() and f.name != "best.safetensors")
    return {f.relative_to(folder).as_posix(): hash_file(f) for f in sorted(kept)}


def check(folder: Path) -> Manifest:
    """The manifest of a voice whose weights are as they were when its training ended.

    Raises:
        DamagedCheckpoint: when the run is not finished, or a file is missing or changed.
    """
    manifest = Manifest.read(folder)
    if manifest is None:
        raise DamagedCheckpoint(f"'{folder.name}' is not a finished voice", hint="`gemel runs` lists those there are.")
    wanted = dict(manifest.extra.get(WEIGHTS, {}))  # none: trained before hashes were kept
    bad = sorted(name for name, value in wanted.items() if _hash(folder / name) != value)
    if bad:
        raise DamagedCheckpoint(
            f"the voice '{folder.name}' is damaged ({', '.join(bad)})",
            hint="`gemel runs rollback` goes back to the voice before it; `gemel improve` trains another.",
        )
    return manifest


def _hash(path: Path) -> str:
    return hash_file(path) if path.is_file() else ""


def save_learned(folder: Path, splits: Mapping[str, Iterable[str]]) -> None:
    """Write which records a voice has learned from (`train`), and which were held out from it (`valid`, `test`)."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = sorted((record, split) for split, ids in splits.items() for record in set(ids))
    table = pa.table({"record": [r for r, _ in rows], "split": [s for _, s in rows]})
    with atomic(folder / LEARNED) as path:
        pq.write_table(table, path, compression="zstd")


def learned(folder: Path) -> dict[str, frozenset[str]] | None:
    """What `save_learned` wrote, by split; None for a voice of which it is not known."""
    import pyarrow.parquet as pq

    path = folder / LEARNED
    if not path.exists():
        return None
    columns = pq.read_table(path).to_pydict()
    out: dict[str, set[str]] = {split: set() for split in HELD}
    for record, split in zip(columns["record"], columns["split"]):
        out[split].add(record)
    return {split: frozenset(ids) for split, ids in out.items()}


def learned_from(data: Path) -> dict[str, set[str]]:
    """The records of a data set by split."""
    files = {split: data / f"{split}.parquet" for split in HELD}
    return {s: {i for e in read_examples(f) for i in ids_of(e)} if f.exists() else set() for s, f in files.items()}
