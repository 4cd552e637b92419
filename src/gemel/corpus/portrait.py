"""The portrait of a corpus: what messages look like, as plain data for a page or a JSON file.

Messages pass batch by batch. What is kept is a narrow frame without text (about twenty bytes a message), bounded tables
of words, and two samples of text for what is slow: language and sentiment, and topics. Samples are drawn by a hash of
the message's number, so that the same corpus gives the same portrait; their sizes are told.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from gemel.config import CorpusSection
from gemel.corpus import rhythm
from gemel.corpus.moods import Languages, sentiment, switches
from gemel.corpus.tally import Tally, measures
from gemel.corpus.wording import log_odds, topics
from gemel.people import People
from gemel.records import Kind
from gemel.text import fold, words

__all__ = ["COLUMNS", "SAMPLE", "Messages"]

COLUMNS = ("source", "thread", "group", "time", "sender", "sender_name", "kind", "forwarded", "text")
"""Columns of the records that a portrait reads."""
SAMPLE = 8_000
"""Messages of either side whose language and sentiment are measured."""
TOPIC_MESSAGES = 60_000
"""Own messages that topics are found in, at most about."""
_SILENT = (Kind.system.value, Kind.deleted.value)
_WORDED = (Kind.text.value, Kind.media.value, Kind.link.value)


class Messages:
    """Collects messages batch by batch, then tells the facts.

    Args:
        people: who is who; `me` must be known.
        section: gaps, languages, time zone.
        rows: how many messages will come (decides the rate of the topic sample).
    """

    def __init__(self, people: People, section: CorpusSection, *, rows: int) -> None:
        self.people, self.section = people, section
        self.me = people.me.id if people.me else ""
        self.tally = Tally()
        self.kinds: dict[str, int] = {}
        self.names: list[str] = []
        self._codes: dict[str, int] = {}
        self._handles: dict[tuple[str, str], int] = {}
        self._threads: dict[tuple[str, str], int] = {}
        self._frames: list[pl.DataFrame] = []
        self._sample: pl.DataFrame | None = None
        self._days: list[pl.DataFrame] = []
        self._rate = min(1.0, TOPIC_MESSAGES / max(1, rows / 2))
        self._seen = 0

    def add(self, batch: pl.DataFrame) -> None:
        """Take a batch with the columns `COLUMNS`."""
        number = np.arange(self._seen, self._seen + batch.height, dtype=np.uint64)
        self._seen += batch.height
        for row in batch.group_by("kind").len().to_dicts():
            self.kinds[row["kind"]] = self.kinds.get(row["kind"], 0) + row["len"]
        batch = batch.with_columns(draw=pl.Series((number * np.uint64(2654435761)) % np.uint64(2**32)))
        batch = batch.filter((pl.col("sender") != "") & ~pl.col("kind").is_in(_SILENT))
        if not batch.height:
            return
        said = pl.col("kind").is_in(_WORDED) & ~pl.col("forwarded")
        frame = self._coded(batch).with_columns(text=pl.when(said).then(pl.col("text")).otherwise(pl.lit("")))
        self._frames.append(
            frame.select(
                pl.col("time").dt.timestamp("ms").alias("time"),
                "thread",
                "person",
                "mine",
                "group",
                **{k: v for k, v in measures(pl.col("text")).items() if k != "chars"},
            )
        )
        worded = frame.filter(pl.col("text").str.contains(r"\S"))
        self.tally.add(worded.select("mine", "text"))
        self._draw(worded)

    def _coded(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The batch with codes for thread and person in place of the keys."""
        for row in (
            batch.select("source", "sender", "sender_name").unique(["source", "sender"], maintain_order=True).to_dicts()
        ):
            self._person(row["source"], row["sender"], row["sender_name"])
        for row in batch.select("source", "thread").unique(maintain_order=True).to_dicts():
            self._threads.setdefault((row["source"], row["thread"]), len(self._threads))
        people = pl.DataFrame(
            [(s, h, c) for (s, h), c in self._handles.items()],
            schema={"source": pl.String, "sender": pl.String, "person": pl.Int32},
            orient="row",
        )
        threads = pl.DataFrame(
            [(s, t, c) for (s, t), c in self._threads.items()],
            schema={"source": pl.String, "thread": pl.String, "code": pl.Int32},
            orient="row",
        )
        mine = self._codes.get(self.me, -1)
        return (
            batch.join(people, on=["source", "sender"], how="left", maintain_order="left")
            .join(threads, on=["source", "thread"], how="left", maintain_order="left")
            .with_columns(thread=pl.col("code"), mine=pl.col("person") == mine)
        )

    def _person(self, source: str, handle: str, shown: str) -> None:
        if (source, handle) in self._handles:
            return
        person = self.people.by_handle(source, handle)
        key = person.id if person else f"{source}:{handle}"
        if key not in self._codes:
            self._codes[key] = len(self.names)
            self.names.append(person.name if person else shown or handle)
        self._handles[source, handle] = self._codes[key]

    def _draw(self, frame: pl.DataFrame) -> None:
        short = frame.select("draw", "time", "thread", "person", "mine", text=pl.col("text").str.slice(0, 300))
        pool = short if self._sample is None else pl.concat([self._sample, short])
        self._sample = pl.concat(
            [pool.filter(pl.col("mine") == mine).bottom_k(SAMPLE, by="draw").sort("draw") for mine in (True, False)]
        )
        day = pl.col("time").dt.epoch("d").fill_null(0)
        keyed = frame.filter("mine").select("text", thread="thread", day=day)
        code = (keyed["thread"].cast(pl.Int64) * 40_009 + keyed["day"].cast(pl.Int64)).to_numpy().astype(np.uint64)
        chosen = (code * np.uint64(2654435761)) % np.uint64(2**32) < np.uint64(int(self._rate * (2**32 - 1)) + 1)
        self._days.append(keyed.filter(pl.Series(chosen)))

    def facts(self) -> dict[str, Any]:
        """Everything about the messages; {} when there were none."""
        if not self._frames:
            return {}
        frame, limits = rhythm.with_sessions(pl.concat(self._frames, rechunk=True), self.section)
        self._frames = []
        mine = int(frame["mine"].sum())
        single, pairs = self.tally.counts(pair=False), self.tally.counts(pair=True)
        times = frame["time"].drop_nulls()
        return {
            "counts": {
                "messages": frame.height,
                "yours": mine,
                "words": int(frame.filter("mine")["words"].sum()),
                "people": len(self.names),
                "threads": len(self._threads),
                "groups": int(frame.filter("group")["thread"].n_unique()),
            },
            "kinds": dict(sorted(self.kinds.items(), key=lambda kv: -kv[1])),
            "from": _date(times.min()),
            "to": _date(times.max()),
            **rhythm.calendar(frame, self.section.zone),
            "contacts": rhythm.contacts(frame, self.names),
            "silence_minutes": float(np.median(limits)) / 60 if limits else None,
            "conversations": rhythm.conversations(frame),
            "lengths": rhythm.lengths(frame),
            "habits": self.tally.shares(),
            "emoji": {"you": self.tally.emoji(mine=True), "others": self.tally.emoji(mine=False)},
            "words": self._telling(single),
            "pairs": self._telling(pairs),
            "moods": self._moods(rhythm.partners(frame)),
            "topics": self._topics(single),
        }

    def _telling(self, counts: pl.DataFrame) -> dict[str, Any]:
        """Telling words without the names of people and without numbers: those tell whom, not how."""
        names = {fold(w) for p in self.people for n in p.names for w in words(n)}
        first, last = pl.col("gram").str.split(" ").list.first(), pl.col("gram").str.split(" ").list.last()
        kept = counts.filter(~first.is_in(names) & ~last.is_in(names) & ~pl.col("gram").str.contains(r"\d"))
        return log_odds(kept)

    def _moods(self, partners: pl.DataFrame) -> dict[str, Any]:
        """Languages, code-switching and sentiment of the sample."""
        sample = self._sample
        if sample is None:
            return {}
        detect = Languages(self.section.languages)
        texts = sample["text"].to_list()
        spoken = [detect(t) for t in texts]
        scores = [sentiment(t) if s == "en" else None for t, s in zip(texts, spoken)]
        mixed = [switches(t) for t in texts]
        sample = (
            sample.drop("text")
            .with_columns(
                language=pl.Series(spoken, dtype=pl.String),
                sentiment=pl.Series(scores, dtype=pl.Float64),
                mixed=pl.Series(mixed, dtype=pl.Boolean),
            )
            .join(partners, on="thread", how="left", maintain_order="left")
        )
        known = sample.filter(pl.col("language").is_not_null())
        languages = known.group_by("language").agg(
            you=pl.col("mine").sum().cast(pl.Int64), others=(~pl.col("mine")).sum().cast(pl.Int64)
        )
        return {
            "n": {"you": int(sample["mine"].sum()), "others": int((~sample["mine"]).sum())},
            "languages": languages.sort(["you", "language"], descending=[True, False]).to_dicts(),
            "mixed": {
                "you": _mean(sample.filter("mine")["mixed"]),
                "others": _mean(sample.filter(~pl.col("mine"))["mixed"]),
            },
            "sentiment": _by_quarter(sample),
            "contacts": self._by_contact(sample),
        }

    def _by_contact(self, sample: pl.DataFrame) -> list[dict[str, Any]]:
        """Per contact of conversations between two: sentiment of both sides and the share of your main language."""
        rows = (
            sample.filter(pl.col("contact").is_not_null())
            .group_by("contact")
            .agg(
                n=pl.len(),
                you=pl.col("sentiment").filter(pl.col("mine")).mean(),
                others=pl.col("sentiment").filter(~pl.col("mine")).mean(),
                language=pl.col("language").filter(pl.col("mine")).drop_nulls().mode().sort().first(),
                mixed=pl.col("mixed").filter(pl.col("mine")).mean(),
            )
            .sort(["n", "contact"], descending=[True, False])
            .head(12)
        )
        return [{**r, "name": self.names[r["contact"]]} for r in rows.to_dicts() if r["n"] >= 40]

    def _topics(self, single: pl.DataFrame) -> dict[str, Any]:
        days = pl.concat(self._days) if self._days else None
        if days is None or not days.height:
            return {"n": 0, "rows": []}
        common = single.with_columns(n=pl.col("you") + pl.col("others")).sort(["n", "gram"], descending=[True, False])
        names = {fold(w) for p in self.people for n in p.names for w in words(n)}
        texts = days.group_by("thread", "day", maintain_order=True).agg(pl.col("text").str.join("\n"))["text"].to_list()
        rows = topics([t for t in texts if len(t) > 80], stop={*common["gram"].head(300).to_list(), *names})
        return {"n": days.height, "days": len(texts), "rows": rows}


def _by_quarter(sample: pl.DataFrame) -> list[dict[str, Any]]:
    """Mean sentiment of both sides per quarter, where either has forty scored messages."""
    scored = sample.filter(pl.col("sentiment").is_not_null() & pl.col("time").is_not_null())
    rows = (
        scored.group_by(quarter=pl.col("time").dt.truncate("1q"))
        .agg(
            you=pl.col("sentiment").filter(pl.col("mine")).mean(),
            others=pl.col("sentiment").filter(~pl.col("mine")).mean(),
            n_you=pl.col("mine").sum().cast(pl.Int64),
            n_others=(~pl.col("mine")).sum().cast(pl.Int64),
        )
        .sort("quarter")
    )
    return [
        {
            "quarter": r["quarter"].strftime("%Y-%m"),
            "you": r["you"] if r["n_you"] >= 40 else None,
            "others": r["others"] if r["n_others"] >= 40 else None,
        }
        for r in rows.to_dicts()
        if max(r["n_you"], r["n_others"]) >= 40
    ]


def _mean(series: pl.Series) -> float | None:
    return float(series.mean()) if len(series) else None


def _date(milliseconds: Any) -> str | None:
    return None if milliseconds is None else str(np.datetime64(int(milliseconds), "ms").astype("datetime64[D]"))
