"""When and with whom: months, hours, conversations, reply delays, bursts, who begins and who ends.

Works on one narrow frame of all messages that talk, in their order within each thread, with the columns time
(milliseconds since the epoch, null where unknown), thread and person (codes), mine, group and asks (bools) and words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from gemel.config import CorpusSection
from gemel.corpus.sessions import BLOCK, thresholds

__all__ = ["DELAYS", "LENGTHS", "calendar", "contacts", "conversations", "lengths", "partners", "with_sessions"]

DELAYS: tuple[tuple[str, float], ...] = (
    ("10 s", 10),
    ("30 s", 30),
    ("1 min", 60),
    ("5 min", 300),
    ("15 min", 900),
    ("1 h", 3600),
    ("3 h", 10800),
    ("more", float("inf")),
)
"""Upper borders of reply delays in seconds."""
LENGTHS: tuple[tuple[str, float], ...] = (
    ("1", 1),
    ("2", 2),
    ("3–4", 4),
    ("5–8", 8),
    ("9–16", 16),
    ("17–32", 32),
    ("33–64", 64),
    ("65+", float("inf")),
)
"""Upper borders of message lengths in words."""


def with_sessions(frame: pl.DataFrame, section: CorpusSection) -> tuple[pl.DataFrame, list[float]]:
    """The frame, sorted by thread, with session and turn numbers; and each thread's threshold in seconds."""
    frame = frame.sort("thread", maintain_order=True)
    thread = frame["thread"].to_numpy()
    seconds = frame["time"].cast(pl.Float64).to_numpy() / 1000  # (n,) NaN where unknown
    borders = np.flatnonzero(np.diff(thread)) + 1
    _, limits = thresholds([part.tolist() for part in np.split(seconds, borders)] if len(seconds) else [], section)
    first = np.zeros(len(thread), dtype=bool)
    first[np.concatenate([[0], borders]).astype(int)[: len(thread)]] = True
    limit = np.asarray(limits)[np.cumsum(first) - 1] if len(thread) else np.zeros(0)
    gap = np.diff(seconds, prepend=np.nan)
    known = ~np.isnan(seconds)
    changed = np.diff(known.astype(int), prepend=0) != 0
    undated = ~known & (np.arange(len(thread)) % BLOCK == 0)
    starts = first | (np.nan_to_num(gap) > limit) | changed | undated
    person = frame["person"].to_numpy()
    turn = starts | (np.diff(person, prepend=-1) != 0)
    frame = frame.with_columns(
        session=pl.Series(np.cumsum(starts), dtype=pl.UInt32), turn=pl.Series(np.cumsum(turn), dtype=pl.UInt32)
    )
    return frame, limits


def calendar(frame: pl.DataFrame, zone: str) -> dict[str, Any]:
    """Messages by month (you, others) and yours by weekday (0 is Monday) and hour."""
    local = pl.from_epoch("time", time_unit="ms").dt.replace_time_zone("UTC")
    local = local.dt.convert_time_zone(zone) if zone else local
    dated = frame.filter(pl.col("time").is_not_null()).with_columns(local=local)
    months = (
        dated.group_by(month=pl.col("local").dt.strftime("%Y-%m"))
        .agg(you=pl.col("mine").sum().cast(pl.Int64), others=(~pl.col("mine")).sum().cast(pl.Int64))
        .sort("month")
    )
    hours = [[0] * 24 for _ in range(7)]
    cells = dated.filter("mine").group_by(d=pl.col("local").dt.weekday() - 1, h=pl.col("local").dt.hour()).len()
    for row in cells.to_dicts():
        hours[row["d"]][row["h"]] = row["len"]
    return {"months": months.to_dicts(), "hours": hours}


def conversations(frame: pl.DataFrame) -> dict[str, Any]:
    """Lengths of conversations, reply delays, bursts, and who begins and ends those between two."""
    sessions = frame.group_by("session", maintain_order=True).agg(
        pl.len().alias("messages"),
        pl.col("group").first(),
        begun=pl.col("mine").first(),
        ended=pl.col("mine").last(),
        both=pl.col("mine").any() & (~pl.col("mine")).any(),
        minutes=(pl.col("time").max() - pl.col("time").min()) / 60_000,
    )
    turns = _turns(frame)
    pairs = sessions.filter(~pl.col("group") & pl.col("both"))
    sizes = sessions["messages"].to_numpy()
    return {
        "count": sessions.height,
        "messages": _binned(sizes, LENGTHS),
        "median_messages": _median(sizes),
        "median_minutes": _median(sessions["minutes"].drop_nulls().to_numpy()),
        "you_begin": pairs["begun"].mean() if pairs.height else None,
        "you_end": pairs["ended"].mean() if pairs.height else None,
        "between_two": pairs.height,
        "delays": {who: _binned(_delays(turns, mine=mine), DELAYS) for who, mine in (("you", True), ("others", False))},
        "median_delay": {who: _median(_delays(turns, mine=mine)) for who, mine in (("you", True), ("others", False))},
        "bursts": {
            who: _bursts(turns.filter(pl.col("mine") == mine)["n"].to_numpy())
            for who, mine in (("you", True), ("others", False))
        },
    }


def partners(frame: pl.DataFrame) -> pl.DataFrame:
    """Columns thread and contact (a person's code): whom each conversation between two is with."""
    theirs = frame.filter(~pl.col("group") & ~pl.col("mine"))
    return theirs.group_by("thread").agg(contact=pl.col("person").mode().min())


def contacts(frame: pl.DataFrame, names: Sequence[str], *, top: int = 15) -> list[dict[str, Any]]:
    """The contacts of conversations between two, most messages first: both sides' messages, words, delays, who begins.

    Args:
        names: name to show by person code.
    """
    pairs = frame.join(partners(frame), on="thread", how="inner", maintain_order="left")
    turns = _turns(pairs)
    delay = turns.filter(pl.col("delay").is_not_null()).group_by("contact", "mine").agg(pl.col("delay").median())
    delays = {(r["contact"], r["mine"]): r["delay"] for r in delay.to_dicts()}
    begins = pairs.group_by("session").agg(pl.col("contact").first(), begun=pl.col("mine").first())
    begun = dict(begins.group_by("contact").agg(pl.col("begun").mean()).iter_rows())
    table = (
        pairs.group_by("contact")
        .agg(
            you=pl.col("mine").sum().cast(pl.Int64),
            others=(~pl.col("mine")).sum().cast(pl.Int64),
            words_you=pl.col("words").filter(pl.col("mine")).mean(),
            words_others=pl.col("words").filter(~pl.col("mine")).mean(),
            asks_you=pl.col("asks").filter(pl.col("mine")).mean(),
            asks_others=pl.col("asks").filter(~pl.col("mine")).mean(),
        )
        .with_columns(total=pl.col("you") + pl.col("others"))
        .sort(["total", "contact"], descending=[True, False])
        .head(top)
    )
    return [
        {
            **{k: v for k, v in row.items() if k != "contact"},
            "code": row["contact"],
            "name": names[row["contact"]],
            "begun": begun.get(row["contact"]),
            "delay_you": delays.get((row["contact"], True)),
            "delay_others": delays.get((row["contact"], False)),
        }
        for row in table.to_dicts()
    ]


def lengths(frame: pl.DataFrame) -> dict[str, Any]:
    """Words per message with words, binned as shares, with the means."""
    said = frame.filter(pl.col("words") > 0)
    parts = {
        who: said.filter(pl.col("mine") == mine)["words"].to_numpy() for who, mine in (("you", True), ("others", False))
    }
    return {
        "bins": {who: _binned(values, LENGTHS) for who, values in parts.items()},
        "mean": {who: float(values.mean()) if len(values) else None for who, values in parts.items()},
        "median": {who: _median(values) for who, values in parts.items()},
    }


def _turns(frame: pl.DataFrame) -> pl.DataFrame:
    """One row per turn: mine, n messages, and the delay in seconds to the turn before in the same session."""
    more = [c for c in ("contact",) if c in frame.columns]
    turns = frame.group_by("turn", maintain_order=True).agg(
        *(pl.col(c).first() for c in ("session", "mine", *more)),
        n=pl.len(),
        begin=pl.col("time").first(),
        end=pl.col("time").last(),
    )
    before = pl.col("session").shift(1) == pl.col("session")
    seconds = (pl.col("begin") - pl.col("end").shift(1)).clip(lower_bound=0) / 1000
    return turns.with_columns(delay=pl.when(before).then(seconds))


def _delays(turns: pl.DataFrame, *, mine: bool) -> np.ndarray:
    part: np.ndarray = turns.filter(pl.col("mine") == mine)["delay"].drop_nulls().to_numpy()
    return part


def _binned(values: np.ndarray, bins: Sequence[tuple[str, float]]) -> list[float]:
    """Shares of values at or below each border and above the one before."""
    if not len(values):
        return [0.0] * len(bins)
    index = np.searchsorted([b for _, b in bins], values, side="left")
    shares: list[float] = (np.bincount(index, minlength=len(bins)) / len(values)).tolist()
    return shares


def _bursts(sizes: np.ndarray) -> list[float]:
    """Shares of turns of one, two, three, four, five and more messages."""
    if not len(sizes):
        return [0.0] * 5
    shares: list[float] = (np.bincount(np.minimum(sizes, 5), minlength=6)[1:] / len(sizes)).tolist()
    return shares


def _median(values: np.ndarray) -> float | None:
    return float(np.median(values)) if len(values) else None
