"""Counting what is in many messages, a batch at a time: lengths, habits, emoji, words and pairs of words.

Everything here is vectorised over polars frames with the columns `text` and `mine` (bool); nothing keeps the text.
Tables of words that grow beyond `MOST` entries lose their rarest ones, so that memory stays bounded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

__all__ = ["HABITS", "MOST", "Tally", "grams", "measures"]

MOST = 400_000
"""Entries a table of words is cut to when it passes twice as many."""
_WORD = r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*(?:['’\-][\p{L}\p{M}\p{N}]+)*"
_EMOJI = (
    r"[\x{1F1E6}-\x{1F1FF}]{2}|[0-9#*]\x{FE0F}?\x{20E3}"
    r"|\p{Extended_Pictographic}(?:\x{FE0F}|\p{Emoji_Modifier})?"
    r"(?:\x{200D}\p{Extended_Pictographic}(?:\x{FE0F}|\p{Emoji_Modifier})?)*"
)
_NOT_EMOJI = ["©", "®", "™", "‼", "⁉", "ℹ"]

HABITS: Mapping[str, str] = {
    "begins in lower case": r"^\p{Ll}",
    "ends with a full stop": r"[^.]\.\s*$",
    "ends without punctuation": r"[\p{L}\p{N}]\s*$",
    "asks (?)": r"\?",
    "exclaims (!)": r"!",
    "several !! or ??": r"[!?]{2,}",
    "trails off (… or ...)": r"…|\.{3}|\.{2}(?:\s|$)",
    "laughs": r"(?i)\b(?:a?(?:ha){2,}h?|l+o+l+|lmao|rofl|(?:he){2,}|(?:hi){2,}|k{3,}|j(?:aja)+|x+d+)\b|😂|🤣|😆",
    "has a smiley of characters": r"(?:^|\s)[:;=8][-']?[)(DPpO/\\|3*]|<3|\^\^",
    "holds an emoji": _EMOJI,
    "stretches letters (sooo)": r"(?i)(?:aaa|eee|iii|ooo|uuu|yyy|hhh|mmm|sss|nnn)",
    "shouts A WORD": r"\b\p{Lu}{4,}\b",
    "holds a link": r"https?://|www\.",
    "holds a number": r"\d",
    "puts in a dash": r" [–—-]+ |—",
    "uses brackets": r"\([^)]{2,}\)",
    "uses short forms (u, pls, idk, ...)": r"(?i)\b(?:u|ur|pls|plz|thx|idk|btw|omg|imo|tbh|ngl|rn|ofc|np|ty|bc)\b",
    "is several lines": r"\n",
}
"""What a message does: a Rust regular expression, looked for in the text."""


def measures(text: pl.Expr) -> dict[str, pl.Expr]:
    """Characters, words and whether it asks, per message."""
    return {
        "chars": text.str.len_chars().cast(pl.UInt32),
        "words": text.str.count_matches(_WORD).cast(pl.UInt32),
        "asks": text.str.contains("?", literal=True),
    }


def grams(frame: pl.DataFrame) -> pl.DataFrame:
    """Words and pairs of neighbouring words in lower case: columns gram, pair (bool), mine, n."""
    tokens = (
        frame.select("mine", text=pl.col("text").str.to_lowercase().str.replace_all("’", "'"))
        .select("mine", gram=pl.col("text").str.extract_all(_WORD))
        .with_row_index("row")
        .explode("gram")
        .filter(pl.col("gram").is_not_null() & (pl.col("gram").str.len_bytes() < 40))
    )
    pairs = (
        tokens.with_columns(then=pl.col("gram").shift(-1), there=pl.col("row").shift(-1))
        .filter(pl.col("row") == pl.col("there"))
        .select("mine", gram=pl.concat_str("gram", pl.lit(" "), "then"))
    )
    counted = [
        part.group_by("gram", "mine").agg(n=pl.len().cast(pl.UInt32)).with_columns(pair=pl.lit(is_pair))
        for part, is_pair in ((tokens.select("mine", "gram"), False), (pairs, True))
    ]
    return pl.concat([c.select("gram", "pair", "mine", "n") for c in counted])


class Tally:
    """Sums over batches, one's own and others' apart."""

    def __init__(self) -> None:
        self.habits: pl.DataFrame | None = None
        self._grams: pl.DataFrame | None = None
        self._emoji: pl.DataFrame | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Count a batch with the columns text and mine."""
        if not frame.height:
            return
        found = frame.group_by("mine").agg(
            pl.len().cast(pl.UInt64).alias("messages"),
            *(pl.col("text").str.contains(rx).sum().cast(pl.UInt64).alias(name) for name, rx in HABITS.items()),
        )
        self.habits = found if self.habits is None else pl.concat([self.habits, found]).group_by("mine").sum()
        self._grams = _merge(self._grams, grams(frame), ["gram", "pair", "mine"])
        emoji = (
            frame.filter(pl.col("text").str.len_bytes() != pl.col("text").str.len_chars())
            .select("mine", emoji=pl.col("text").str.extract_all(_EMOJI))
            .explode("emoji")
            .filter(pl.col("emoji").is_not_null() & ~pl.col("emoji").is_in(_NOT_EMOJI))
            .group_by("emoji", "mine")
            .agg(n=pl.len().cast(pl.UInt32))
        )
        self._emoji = _merge(self._emoji, emoji, ["emoji", "mine"])

    def shares(self) -> list[dict[str, Any]]:
        """Each habit with the share of one's own and of others' messages (None where there are none)."""
        if self.habits is None:
            return []
        rows = {bool(r["mine"]): r for r in self.habits.to_dicts()}

        def share(mine: bool, name: str) -> float | None:
            row = rows.get(mine)
            return row[name] / row["messages"] if row else None

        return [{"habit": name, "you": share(True, name), "others": share(False, name)} for name in HABITS]

    def emoji(self, *, mine: bool, top: int = 15) -> list[tuple[str, int]]:
        """The most frequent emoji with their counts."""
        if self._emoji is None:
            return []
        rows = self._emoji.filter(pl.col("mine") == mine).sort(["n", "emoji"], descending=[True, False]).head(top)
        return [(r["emoji"], r["n"]) for r in rows.to_dicts()]

    def counts(self, *, pair: bool) -> pl.DataFrame:
        """Columns gram, you, others: how often each said it."""
        if self._grams is None:
            return pl.DataFrame(schema={"gram": pl.String, "you": pl.Int64, "others": pl.Int64})
        part = self._grams.filter(pl.col("pair") == pair)
        return part.group_by("gram").agg(
            you=pl.col("n").filter(pl.col("mine")).sum().cast(pl.Int64),
            others=pl.col("n").filter(~pl.col("mine")).sum().cast(pl.Int64),
        )


def _merge(held: pl.DataFrame | None, new: pl.DataFrame, keys: list[str]) -> pl.DataFrame:
    if held is None:
        return new
    merged = pl.concat([held, new]).group_by(keys).agg(pl.col("n").sum())
    if merged.height > 2 * MOST:
        merged = merged.sort(["n", *keys], descending=[True, *[False] * len(keys)]).head(MOST)
    return merged
