"""Putting newly read records beside those already there: no duplicates, threads whole and in order.

Works on Parquet files column-wise, in bounded memory: rows are dealt into buckets of whole threads, and each
bucket is sorted by itself. Where nothing repeats and every thread is already whole, the file is kept as it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

__all__ = ["Merged", "merge"]

BUCKET = 200_000
"""Rows sorted at once; a longer thread is a bucket of its own."""
ROWS = 16_384
"""Rows of a row group."""
_FAR = 1 << 44
"""Milliseconds beyond every message (the year 2527)."""


class Merged(NamedTuple):
    """How many records there are, and how many came twice."""

    kept: int
    duplicates: int


class _Look(NamedTuple):
    """What decides whether a file must be rewritten."""

    ids: np.ndarray[Any, np.dtype[np.uint64]]
    ranks: dict[str, int]
    """Thread → order of first appearance."""
    sizes: list[int]
    """Rows of each thread."""
    tidy: bool
    """Every thread in one piece, and in order of time where `by_time`."""


def merge(parts: Sequence[Path], out: Path, *, by_time: bool) -> Merged:
    """Merge `parts` into `out`; of records with one id, the one in the earlier part stays.

    Args:
        parts: Parquet files of one kind of record; the newest import first where it shall win.
        by_time: messages are ordered by their clock; otherwise files keep their order and only interleave.
    """
    look = _look(parts, by_time=by_time)
    total = len(look.ids)
    unique = _count_unique(look.ids)
    if len(parts) == 1 and look.tidy and unique == total:
        parts[0].replace(out)
        return Merged(total, 0)
    kept = _rewrite(parts, out, look, by_time=by_time) if look.ranks else _copy_first(parts, out, look.ids)
    return Merged(kept, total - kept)


def _count_unique(ids: np.ndarray[Any, np.dtype[np.uint64]]) -> int:
    if not len(ids):
        return 0
    ordered = np.sort(ids)
    return int(1 + np.count_nonzero(ordered[1:] != ordered[:-1]))


def _batches(parts: Sequence[Path], columns: list[str] | None = None) -> Iterator[tuple[int, pa.Table]]:
    for number, part in enumerate(parts):
        with pq.ParquetFile(part) as file:
            for group in range(file.num_row_groups):
                yield number, file.read_row_group(group, columns=columns)


def _hashes(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.uint64]]:
    """The first 64 bits of each id."""
    return np.fromiter((int(i[:16], 16) for i in column.to_pylist()), dtype=np.uint64, count=len(column))


def _look(parts: Sequence[Path], *, by_time: bool) -> _Look:
    ids: list[Any] = []
    ranks: dict[str, int] = {}
    sizes: list[int] = []
    tidy, last, latest = True, -1, -_FAR
    schema = pq.read_schema(parts[0])
    columns = ["id", "thread", "time"] if "thread" in schema.names else ["id"]
    for _, table in _batches(parts, columns):
        ids.append(_hashes(table["id"]))
        if "thread" not in table.column_names:
            continue
        start = 0
        times = _millis(table["time"])
        for thread, end in _runs(table["thread"]):
            rank = ranks.setdefault(thread, len(ranks))
            if rank == len(sizes):
                sizes.append(0)
            elif rank != last:
                tidy = False
            span = times[start:end]
            if by_time and tidy:
                tidy = bool((span[1:] >= span[:-1]).all()) and (rank != last or bool(span[0] >= latest))
            sizes[rank] += end - start
            last, latest, start = rank, int(span[-1]), end
    return _Look(np.concatenate(ids) if ids else np.empty(0, np.uint64), ranks, sizes, tidy)


def _runs(column: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    """(thread, end of its run) for every stretch of rows of one thread."""
    encoded = pc.run_end_encode(column.combine_chunks(), run_end_type=pa.int32())
    yield from zip(encoded.values.to_pylist(), encoded.run_ends.to_pylist())


def _millis(column: pa.ChunkedArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Milliseconds since 1970; a missing time takes that of the row before."""
    array = column.combine_chunks()
    values: np.ndarray[Any, np.dtype[np.int64]] = array.cast(pa.int64()).fill_null(-_FAR).to_numpy(zero_copy_only=False)
    if array.null_count:
        known = np.where(values > -_FAR, np.arange(len(values)), 0)
        values = values[np.maximum.accumulate(known)]
    return values


def _copy_first(parts: Sequence[Path], out: Path, ids: np.ndarray[Any, np.dtype[np.uint64]]) -> int:
    """Records without threads keep their order; later ones of the same id go."""
    keep = np.zeros(len(ids), dtype=bool)
    keep[np.unique(ids, return_index=True)[1]] = True
    at = 0
    with pq.ParquetWriter(out, pq.read_schema(parts[0]), compression="zstd") as writer:
        for _, table in _batches(parts):
            mask = keep[at : at + len(table)]
            at += len(table)
            if mask.any():
                writer.write_table(table.filter(pa.array(mask)))
    return int(keep.sum())


def _rewrite(parts: Sequence[Path], out: Path, look: _Look, *, by_time: bool) -> int:
    bucket_of = np.cumsum(look.sizes) // BUCKET  # (threads,) non-decreasing, so that buckets hold whole threads
    schema = pq.read_schema(parts[0])
    kept = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for table in _buckets(parts, out, look, bucket_of, schema):
            table = _ordered(table, look.ranks, by_time=by_time)
            kept += len(table)
            for start in range(0, len(table), ROWS):
                writer.write_table(table.slice(start, ROWS).select(schema.names))
    return kept


def _buckets(parts: Sequence[Path], out: Path, look: _Look, bucket_of: Any, schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables of whole threads, with a column `part` that tells where each row came from."""
    last = int(bucket_of[-1])
    if last == 0:
        yield pa.concat_tables([_tagged(table, part) for part, table in _batches(parts)])
        return
    wide = schema.append(pa.field("part", pa.int64()))
    places = [out.with_name(f"bucket-{number}.parquet") for number in range(last + 1)]
    writers: dict[int, pq.ParquetWriter] = {}
    for part, table in _batches(parts):
        ranks = np.fromiter((look.ranks[t] for t in table["thread"].to_pylist()), dtype=np.int64, count=len(table))
        buckets = bucket_of[ranks]
        for number in np.unique(buckets).tolist():
            if number not in writers:
                writers[number] = pq.ParquetWriter(places[number], wide, compression="zstd")
            writers[number].write_table(_tagged(table.filter(pa.array(buckets == number)), part))
    for writer in writers.values():
        writer.close()
    for number in sorted(writers):
        yield pq.read_table(places[number])
        places[number].unlink()


def _tagged(table: pa.Table, part: int) -> pa.Table:
    return table.append_column("part", pa.array(np.full(len(table), part, dtype=np.int64)))


def _ordered(table: pa.Table, ranks: dict[str, int], *, by_time: bool) -> pa.Table:
    """Whole threads: duplicates out, then each thread in its order."""
    n = len(table)
    thread = np.fromiter((ranks[t] for t in table["thread"].to_pylist()), dtype=np.int64, count=n)
    times = _millis(table["time"])
    part = table["part"].combine_chunks().to_numpy()
    sequence = np.arange(n)
    if not by_time:
        files = table["file"].combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
        _, run = np.unique(np.stack([thread, part, files]), axis=1, return_inverse=True)
        run = run.reshape(-1)
        starts = np.full(run.max() + 1, _FAR)
        np.minimum.at(starts, run, times)
        # Of overlapping exports the one that begins first leads, so that within a minute the older order stands.
        first = np.lexsort((sequence, run, starts[run]))
        times = _rising(times, run)
    else:
        first = np.lexsort((sequence, part))
    position = np.empty(n, dtype=np.int64)
    position[first] = np.arange(n)
    ids = _hashes(table["id"])
    keep = np.zeros(n, dtype=bool)
    keep[first[np.unique(ids[first], return_index=True)[1]]] = True
    order = np.lexsort((position, times, thread))
    return table.take(pa.array(order[keep[order]]))


def _rising(times: np.ndarray[Any, np.dtype[np.int64]], run: np.ndarray[Any, np.dtype[np.int64]]) -> Any:
    """The latest time so far within each run: a clock that was set back does not reorder a file."""
    order = np.argsort(run, kind="stable")
    lifted = np.maximum.accumulate(times[order] + run[order] * (2 * _FAR)) - run[order] * (2 * _FAR)
    out = np.empty_like(times)
    out[order] = lifted
    return out
