"""What the person said, found by search and cited, with "I don't know" where nothing supports an answer.

One SQLite file: the person's own turns in a full-text index (FTS5, marks removed) and as vectors.
What others said right before stands beside a turn as the key by which it is found; it is never cited.
Only turns the person wrote are kept, never synthetic ones. `sync` makes the file equal to the examples
given, and only what is new is embedded; deleting a row of `passages` forgets every turn that stands on
that record.
"""

from __future__ import annotations

import json
import math
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gemel.errors import DamagedCheckpoint
from gemel.examples import Example
from gemel.model.embed import Embedder, Matrix
from gemel.model.passages import Row, chunks, rows_of
from gemel.model.support import UNFITTED, Curve, Evidence, coverage, excerpt, fit_curve, stems
from gemel.speaker import Citation
from gemel.track import progress

__all__ = ["Found", "Memory", "Past", "Synced"]

NEAR = 0.9
"""Weight of a match with what was asked, against one with what the person said."""
CANDIDATES = 40
"""Passages looked at closely, by words and by vectors each."""
EMBEDDED = 480
"""Characters of a turn that its vector sees; all of it is in the full-text index."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS turns (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, session TEXT, split TEXT, title TEXT, time TEXT,
    text TEXT NOT NULL, situation TEXT NOT NULL, own BLOB, near BLOB);
CREATE TABLE IF NOT EXISTS passages (record TEXT NOT NULL, turn INTEGER NOT NULL, own INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS passages_record ON passages (record);
CREATE INDEX IF NOT EXISTS passages_turn ON passages (turn);
CREATE VIRTUAL TABLE IF NOT EXISTS said USING fts5 (
    text, situation, content='turns', content_rowid='id', tokenize="unicode61 remove_diacritics 2", prefix='4 5');
CREATE VIRTUAL TABLE IF NOT EXISTS vocabulary USING fts5vocab (said, row);
CREATE TRIGGER IF NOT EXISTS turn_in AFTER INSERT ON turns BEGIN
    INSERT INTO said (rowid, text, situation) VALUES (new.id, new.text, new.situation); END;
CREATE TRIGGER IF NOT EXISTS turn_out AFTER DELETE ON turns BEGIN
    INSERT INTO said (said, rowid, text, situation) VALUES ('delete', old.id, old.text, old.situation);
    DELETE FROM passages WHERE turn = old.id; END;
CREATE TRIGGER IF NOT EXISTS passage_out AFTER DELETE ON passages BEGIN
    DELETE FROM turns WHERE id = old.turn; END;
"""


class Found(NamedTuple):
    """What memory has to say to a query."""

    support: float
    """Probability that the best passage supports an answer (0 to 1)."""
    citations: tuple[Citation, ...]
    """Empty where support is below one half: the honest answer is "I don't know"."""


class Past(NamedTuple):
    """A reply of the person's own to a similar situation."""

    parts: tuple[str, ...]
    record: str
    title: str
    time: str
    """ISO 8601, or "" where it is not known."""
    score: float
    """Cosine of the situations."""


class Synced(NamedTuple):
    """What `sync` did, in turns."""

    added: int
    removed: int
    kept: int


class Memory:
    """The index over one person's own words.

    Args:
        path: the SQLite file; made when it is not there.
        embedder: gives the vectors, loaded when first needed; None: words alone.
    """

    def __init__(self, path: Path, embedder: Callable[[], Embedder] | None = None) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._embedder = embedder
        self._vectors: tuple[Any, Matrix, Matrix] | None = None
        self._weights: dict[str, float] = {}
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA recursive_triggers=ON;")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise DamagedCheckpoint(f"{path.name} cannot be read", hint="Delete it: it is built again.") from error
        path.chmod(0o600)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    def __len__(self) -> int:
        with self._lock:
            return int(self._db.execute("SELECT count(*) FROM turns").fetchone()[0])

    @property
    def fingerprint(self) -> str:
        """What the last finished `sync` was given."""
        return self._meta("fingerprint") or ""

    # filling --------------------------------------------------------------
    def sync(self, examples: Iterable[Example], *, fingerprint: str = "") -> Synced:
        """Make the memory equal to the person's own turns in `examples`."""
        with self._lock:
            self._put_meta("fingerprint", "")
            model = self._embedder() if self._embedder else None
            if self._meta("embedder") != (model.name if model else ""):
                self._db.execute("DELETE FROM turns")
                self._put_meta("embedder", model.name if model else "")
            known = dict(self._db.execute("SELECT key, split FROM turns"))
            seen: set[str] = set()
            added = 0
            with progress("remembering", unit="turns") as advance:
                for chunk in chunks(rows_of(examples), 2048):
                    fresh = [r for r in chunk if r.key not in seen and not seen.add(r.key)]  # type: ignore[func-returns-value]
                    new = [r for r in fresh if r.key not in known]
                    moved = [(r.split, r.key) for r in fresh if known.get(r.key, r.split) != r.split]
                    with self._transaction():
                        self._insert(new, model)
                        self._db.executemany("UPDATE turns SET split = ? WHERE key = ?", moved)
                    added += len(new)
                    advance(len(chunk))
            gone = [(key,) for key in known if key not in seen]
            with self._transaction():
                self._db.executemany("DELETE FROM turns WHERE key = ?", gone)
            if added or gone:
                self._forget_caches()
                self._calibrate()
            self._put_meta("fingerprint", fingerprint)
            return Synced(added, len(gone), len(seen) - added)

    def forget(self, records: Iterable[str]) -> int:
        """Delete every turn that stands on one of these records; returns how many."""
        with self._lock:
            before = len(self)
            with self._transaction():
                self._db.executemany("DELETE FROM passages WHERE record = ?", ((r,) for r in records))
            self._forget_caches()
            return before - len(self)

    # asking -----------------------------------------------------------------
    def search(self, query: str, k: int = 5, *, splits: Sequence[str] | None = None) -> list[Citation]:
        """The `k` passages that support the query best, whether or not they support it enough."""
        with self._lock:
            asked = stems(query)
            ranked = self._ranked(query, asked, splits, None)[:k]
            return [self._citation(turn, asked, score) for turn, score, _ in ranked]

    def find(self, query: str, k: int = 5, *, splits: Sequence[str] | None = None) -> Found:
        """What supports an answer; nothing where the best passage more likely does not."""
        citations = self.search(query, k, splits=splits)
        support = citations[0].score if citations else 0.0
        return Found(support, tuple(c for c in citations if c.score >= 0.5))

    def replies(
        self, situation: str, k: int = 5, *, splits: Sequence[str] | None = None, without: Sequence[str] = ()
    ) -> list[Past]:
        """The person's own replies to the most similar situations.

        Args:
            situation: what the others said last.
            k: how many; the same reply is given once.
            splits: look only at turns of these splits; None: at all.
            without: sessions left out.
        """
        with self._lock:
            ids, _, near = self._matrices()
            scores = np.zeros(len(ids), np.float32)
            if near.size:
                scores = near @ self._encode([situation])[0]
            ordered = list(dict.fromkeys([*self._by_words(stems(situation), "situation"), *self._top(ids, scores)]))
            cosine = dict(zip(ids.tolist(), scores.tolist())) if near.size else {}
            out: dict[str, Past] = {}
            for turn in sorted(ordered, key=lambda t: -cosine.get(t, 0.0)):
                row = self._turn(turn, splits)
                if row is None or not row["situation"] or row["session"] in without or row["text"] in out:
                    continue
                record = self._record(turn)
                parts = tuple(row["text"].split("\n"))
                out[row["text"]] = Past(parts, record, row["title"], row["time"], cosine.get(turn, 0.0))
                if len(out) == k:
                    break
            return list(out.values())

    # inside -----------------------------------------------------------------
    def _insert(self, rows: Sequence[Row], model: Embedder | None) -> None:
        own = model.encode([r.text[:EMBEDDED] for r in rows]) if model and rows else None
        near = model.encode([r.situation for r in rows]) if model and rows else None
        for i, r in enumerate(rows):
            turn = self._db.execute(
                "INSERT INTO turns (key, session, split, title, time, text, situation, own, near)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(r.key, r.session, r.split, r.title, r.time, r.text, r.situation),
                    None if own is None else own[i].astype(np.float16).tobytes(),
                    None if near is None or not r.situation else near[i].astype(np.float16).tobytes(),
                ),
            ).lastrowid
            links = [(record, turn, 1) for record in r.own] + [(record, turn, 0) for record in r.others]
            self._db.executemany("INSERT INTO passages (record, turn, own) VALUES (?, ?, ?)", links)

    def _ranked(
        self, query: str, asked: list[str], splits: Sequence[str] | None, without: int | None
    ) -> list[tuple[int, float, Evidence]]:
        """(turn, probability of support, evidence), best first."""
        ids, own, near = self._matrices()
        cosine: dict[int, float] = {}
        candidates = self._by_words(asked)
        if own.size and query.strip():
            vector = self._encode([query])[0]
            scores = np.maximum(own @ vector, NEAR * (near @ vector))
            candidates += self._top(ids, scores)
            wanted = set(candidates)
            cosine = {t: float(scores[i]) for i, t in enumerate(ids.tolist()) if t in wanted}
        curve = self._curve()
        out = []
        for turn in dict.fromkeys(candidates):
            row = self._turn(turn, splits) if turn != without else None
            if row is not None:
                text = f"{row['title']} {row['situation']} {row['text']}"
                evidence = Evidence(cosine.get(turn, 0.0), coverage(asked, text, self._weight))
                out.append((turn, curve(evidence), evidence))
        return sorted(out, key=lambda hit: -hit[1])

    def _by_words(self, asked: Sequence[str], column: str = "") -> list[int]:
        terms = sorted(asked, key=self._weight, reverse=True)[:12]
        if not terms:
            return []
        match = " OR ".join(f'"{t}"*' if len(t) > 3 else f'"{t}"' for t in terms)
        sql = f"SELECT rowid FROM said WHERE said MATCH ? ORDER BY bm25(said, 1.0, {NEAR}) LIMIT {CANDIDATES}"
        return [row[0] for row in self._db.execute(sql, (f"{column}: ({match})" if column else match,))]

    @staticmethod
    def _top(ids: Any, scores: Any) -> list[int]:
        most = min(CANDIDATES, len(scores))
        if not most:
            return []
        best = np.argpartition(scores, -most)[-most:]
        return [int(ids[i]) for i in best[np.argsort(-scores[best])]]

    def _weight(self, term: str) -> float:
        """Inverse document frequency of a stem, in nats."""
        if term not in self._weights:
            if len(self._weights) > 100_000:
                self._weights.clear()
            sql = "SELECT coalesce(sum(doc), 0) FROM vocabulary WHERE term >= ? AND term < ?"
            frequency = self._db.execute(sql, (term, term + "\uffff")).fetchone()[0]
            self._weights[term] = math.log(1 + (len(self) + 1) / (frequency + 0.5))
        return self._weights[term]

    def _turn(self, turn: int, splits: Sequence[str] | None) -> dict[str, str] | None:
        sql = "SELECT title, situation, text, session, split, time FROM turns WHERE id = ?"
        row = self._db.execute(sql, (turn,)).fetchone()
        if row is None or (splits is not None and row[4] not in splits):
            return None
        return dict(zip(("title", "situation", "text", "session", "split", "time"), row))

    def _record(self, turn: int) -> str:
        row = self._db.execute("SELECT record FROM passages WHERE turn = ? AND own = 1 LIMIT 1", (turn,)).fetchone()
        return str(row[0]) if row else ""

    def _citation(self, turn: int, asked: Sequence[str], score: float) -> Citation:
        row = self._turn(turn, None)
        assert row is not None
        title = row["title"] or row["time"][:10]
        return Citation(self._record(turn), excerpt(row["text"], asked, self._weight), round(score, 4), title)

    def _matrices(self) -> tuple[Any, Matrix, Matrix]:
        """Ids (n,), vectors of own words (n, d) and of situations (n, d), float32."""
        if self._vectors is None:
            rows = self._db.execute("SELECT id, own, near FROM turns WHERE own IS NOT NULL ORDER BY id").fetchall()
            width = len(rows[0][1]) // 2 if rows else 0
            own, near = (np.zeros((len(rows), width), np.float32) for _ in range(2))
            for i, (_, said, asked) in enumerate(rows):
                own[i] = np.frombuffer(said, np.float16)
                if asked is not None:
                    near[i] = np.frombuffer(asked, np.float16)
            self._vectors = np.array([r[0] for r in rows], np.int64), own, near
        return self._vectors

    def _encode(self, texts: Sequence[str]) -> Matrix:
        assert self._embedder is not None
        return self._embedder().encode(texts)

    def _calibrate(self) -> None:
        sql = "SELECT id, text FROM turns WHERE length(text) > 40 ORDER BY key LIMIT 4000"

        def best(query: str, without: int | None) -> Evidence:
            ranked = self._ranked(query, stems(query), None, without)
            return ranked[0][2] if ranked else Evidence(0.0, 0.0)

        self._put_meta("curve", json.dumps(asdict(UNFITTED)))
        curve = fit_curve(self._db.execute(sql).fetchall(), best)
        self._put_meta("curve", json.dumps(asdict(curve)))

    def _curve(self) -> Curve:
        said = self._meta("curve")
        return Curve(**json.loads(said)) if said else UNFITTED

    def _forget_caches(self) -> None:
        self._vectors = None
        self._weights = {}

    def _meta(self, key: str) -> str | None:
        with self._lock:
            row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        return row[0] if row else None

    def _put_meta(self, key: str, value: str) -> None:
        self._db.execute(
            "INSERT INTO meta VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value", (key, value)
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
