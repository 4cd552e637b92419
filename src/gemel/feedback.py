"""What the owner said about the twin: conversations, ratings, edits, rules, A/B votes.

One SQLite file (WAL): several processes may read while one writes, and what was acknowledged survives a
kill. Texts are the owner's own view (real names); nothing here is sent anywhere. Messages of a
conversation form a tree, so that an edit or another answer begins a branch and nothing is overwritten.
"""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from gemel.errors import DamagedCheckpoint, DataError
from gemel.text import fold

__all__ = ["Conversation", "Edit", "Feedback", "Judged", "Rule", "Said", "Vote"]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, recipient TEXT NOT NULL, created REAL NOT NULL, changed REAL NOT NULL,
    consent TEXT NOT NULL DEFAULT 'train' CHECK (consent IN ('train', 'keep')));
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, conversation TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    parent TEXT REFERENCES messages (id) ON DELETE CASCADE, role TEXT NOT NULL CHECK (role IN ('me', 'other')),
    name TEXT NOT NULL, parts TEXT NOT NULL, speaker TEXT NOT NULL, time REAL NOT NULL, extra TEXT NOT NULL,
    version TEXT NOT NULL DEFAULT '');
CREATE INDEX IF NOT EXISTS messages_conversation ON messages (conversation, time);
CREATE TABLE IF NOT EXISTS ratings (
    message TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE, value INTEGER NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS edits (
    message TEXT PRIMARY KEY REFERENCES messages (id) ON DELETE CASCADE, parts TEXT NOT NULL, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS rules (id TEXT PRIMARY KEY, text TEXT NOT NULL UNIQUE, time REAL NOT NULL);
CREATE TABLE IF NOT EXISTS votes (
    id TEXT PRIMARY KEY, question TEXT NOT NULL, a TEXT NOT NULL, b TEXT NOT NULL, choice TEXT NOT NULL
    CHECK (choice IN ('a', 'b', 'tie')), time REAL NOT NULL, extra TEXT NOT NULL);
"""
_ADDED = (
    ("conversations", "consent", "TEXT NOT NULL DEFAULT 'train'"),
    ("messages", "version", "TEXT NOT NULL DEFAULT ''"),
)
"""Columns that stores of earlier versions lack."""


class Rule(NamedTuple):
    """Something that always holds, in the owner's words."""

    id: str
    text: str


class Edit(NamedTuple):
    """What the twin said and what the owner would have said."""

    message: str
    said: tuple[str, ...]
    better: tuple[str, ...]


class Conversation(NamedTuple):
    """A talk with the twin."""

    id: str
    title: str
    recipient: str
    """Who the owner speaks as; "" for nobody in particular."""
    created: float
    changed: float
    consent: str = "train"
    """train: corrections in it may be learned from; keep: they are only kept."""


class Vote(NamedTuple):
    """One blind choice between two systems."""

    question: str
    a: str
    b: str
    choice: str
    """a, b or tie."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One turn of a conversation: the twin's (`me`) or the owner's (`other`)."""

    role: str
    parts: tuple[str, ...]
    name: str = ""
    parent: str | None = None
    speaker: str = ""
    """Model id of the twin that said it."""
    version: str = ""
    """Id of the run that said it."""
    id: str = field(default_factory=lambda: uuid4().hex)
    time: float = field(default_factory=time.time)
    """Seconds since the epoch."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    rating: int = 0
    """1 sounds like me, -1 does not, 0 not rated."""
    edit: tuple[str, ...] = ()
    """What the owner would have said."""


class Judged(NamedTuple):
    """A turn of the twin that the owner judged."""

    conversation: Conversation
    said: Said


class Feedback:
    """The store.

    Args:
        path: the SQLite file; made when it is not there.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;")
            self._db.executescript(_SCHEMA)
            self._renew()
        except sqlite3.DatabaseError as error:
            raise DamagedCheckpoint(
                f"{path.name} cannot be read", hint=f"Move {path} away: a new one is begun, the old one stays."
            ) from error
        path.chmod(0o600)

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._db.close()

    # conversations ------------------------------------------------------------
    def begin(self, title: str = "", *, recipient: str = "", consent: str = "train") -> str:
        """A new conversation; returns its id.

        Args:
            consent: train or keep.
        """
        number, now = uuid4().hex, time.time()
        with self._writing() as db:
            row = (number, title, recipient, now, now, consent)
            db.execute("INSERT INTO conversations VALUES (?, ?, ?, ?, ?, ?)", row)
        return number

    def add(self, conversation: str, said: Said) -> str:
        """Write a turn; returns its id.

        Raises:
            DataError: when there is no such conversation or parent.
        """
        row = (
            *(said.id, conversation, said.parent, said.role, said.name, json.dumps(said.parts, ensure_ascii=False)),
            *(said.speaker, said.time, json.dumps(dict(said.extra), ensure_ascii=False), said.version),
        )
        with self._writing() as db:
            db.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)
            db.execute("UPDATE conversations SET changed = ? WHERE id = ?", (said.time, conversation))
        return said.id

    def conversations(self) -> list[Conversation]:
        """All of them, the latest first."""
        sql = "SELECT id, title, recipient, created, changed, consent FROM conversations ORDER BY changed DESC"
        return [Conversation(*row) for row in self._rows(sql)]

    def search(self, words: str) -> list[Conversation]:
        """Those that have the words in their title or in a turn, whatever their case, the latest first."""
        wanted = fold(words)
        rows = self._rows("SELECT conversation, parts FROM messages")
        said = {number for number, parts in rows if wanted in fold("\n".join(json.loads(parts)))}
        return [c for c in self.conversations() if c.id in said or wanted in fold(c.title)]

    def rename(self, conversation: str, title: str) -> bool:
        """Give a conversation a title; False when there is none of this id."""
        with self._writing() as db:
            return db.execute("UPDATE conversations SET title = ? WHERE id = ?", (title, conversation)).rowcount > 0

    def allow(self, conversation: str, consent: str) -> bool:
        """Say what a conversation may be used for (train, keep); False when there is none of this id.

        Raises:
            DataError: when it is neither.
        """
        with self._writing() as db:
            sql = "UPDATE conversations SET consent = ? WHERE id = ?"
            if consent not in ("train", "keep"):
                raise DataError(f"'{consent[:40]}' is neither train nor keep")
            return db.execute(sql, (consent, conversation)).rowcount > 0

    def delete(self, conversation: str) -> bool:
        """Delete a conversation with all that hangs on it; False when there is none of this id."""
        with self._writing() as db:
            return db.execute("DELETE FROM conversations WHERE id = ?", (conversation,)).rowcount > 0

    def messages(self, conversation: str) -> list[Said]:
        """Every turn of a conversation, all branches, in the order of writing."""
        return self._said("WHERE conversation = ? ORDER BY m.time, m.rowid", (conversation,))

    def thread(self, message: str) -> list[Said]:
        """The branch that ends in this message, oldest first."""
        sql = """WITH RECURSIVE up (id, depth) AS (VALUES (?, 0) UNION ALL
            SELECT parent, depth + 1 FROM messages JOIN up USING (id) WHERE parent IS NOT NULL)
            SELECT id FROM up ORDER BY depth DESC"""
        return [said for (number,) in self._rows(sql, (message,)) for said in self._said("WHERE id = ?", (number,))]

    # judgement ------------------------------------------------------------------
    def rate(self, message: str, value: int) -> None:
        """1: sounds like me, -1: does not, 0: take it back.

        Raises:
            DataError: when there is no such message.
        """
        with self._writing() as db:
            if value == 0:
                db.execute("DELETE FROM ratings WHERE message = ?", (message,))
            else:
                db.execute("INSERT OR REPLACE INTO ratings VALUES (?, ?, ?)", (message, value, time.time()))

    def edit(self, message: str, parts: Sequence[str]) -> None:
        """What the owner would have said instead; nothing: take it back.

        Raises:
            DataError: when there is no such message.
        """
        with self._writing() as db:
            if not parts:
                db.execute("DELETE FROM edits WHERE message = ?", (message,))
            else:
                row = (message, json.dumps(list(parts), ensure_ascii=False), time.time())
                db.execute("INSERT OR REPLACE INTO edits VALUES (?, ?, ?)", row)

    def edits(self) -> list[Edit]:
        """All of them, oldest first."""
        sql = "SELECT message, m.parts, e.parts FROM edits e JOIN messages m ON m.id = e.message ORDER BY e.time"
        return [Edit(n, tuple(json.loads(a)), tuple(json.loads(b))) for n, a, b in self._rows(sql)]

    def add_rule(self, text: str) -> str:
        """A rule that always holds; returns its id (of the same rule, where it is known already)."""
        with self._writing() as db:
            db.execute("INSERT OR IGNORE INTO rules VALUES (?, ?, ?)", (uuid4().hex, text.strip(), time.time()))
        return str(self._rows("SELECT id FROM rules WHERE text = ?", (text.strip(),))[0][0])

    def remove_rule(self, rule: str) -> bool:
        """Forget a rule; False when there is none of this id."""
        with self._writing() as db:
            return db.execute("DELETE FROM rules WHERE id = ?", (rule,)).rowcount > 0

    def rules(self) -> list[Rule]:
        """All of them, oldest first."""
        return [Rule(*row) for row in self._rows("SELECT id, text FROM rules ORDER BY time")]

    def vote(self, vote: Vote, extra: Mapping[str, Any] | None = None) -> None:
        """Write one blind choice."""
        row = (uuid4().hex, *vote, time.time(), json.dumps(dict(extra or {})))
        with self._writing() as db:
            db.execute("INSERT INTO votes VALUES (?, ?, ?, ?, ?, ?, ?)", row)

    def votes(self) -> list[Vote]:
        """All of them, oldest first."""
        return [Vote(*row) for row in self._rows("SELECT question, a, b, choice FROM votes ORDER BY time, rowid")]

    def rated(self) -> Iterator[tuple[list[Said], Said]]:
        """Every rated or edited turn of the twin, with what stood before it."""
        sql = "SELECT message FROM ratings UNION SELECT message FROM edits"
        for (number,) in self._rows(sql):
            *before, said = self.thread(number)
            yield before, said

    def judged(self) -> list[Judged]:
        """Every rated or corrected turn of the twin with its conversation, the latest conversation first."""
        return [
            Judged(talk, said)
            for talk in self.conversations()
            for said in self.messages(talk.id)
            if said.rating or said.edit
        ]

    def export(self) -> Iterator[dict[str, Any]]:
        """Everything as plain rows, each with its `kind`: conversation, rule, vote."""
        for talk in self.conversations():
            messages = [asdict(m) for m in self.messages(talk.id)]
            yield {"kind": "conversation", **talk._asdict(), "messages": messages}
        for number, text, when in self._rows("SELECT id, text, time FROM rules ORDER BY time"):
            yield {"kind": "rule", "id": number, "text": text, "time": when}
        for row in self._rows("SELECT id, question, a, b, choice, time, extra FROM votes ORDER BY time, rowid"):
            names = ("id", "question", "a", "b", "choice", "time")
            yield {"kind": "vote", **dict(zip(names, row)), "extra": json.loads(row[6])}

    def counts(self) -> dict[str, int]:
        """Rows of each table."""
        tables = ("conversations", "messages", "ratings", "edits", "rules", "votes")
        return {table: int(self._rows(f"SELECT count(*) FROM {table}")[0][0]) for table in tables}

    # inside -----------------------------------------------------------------------
    def _renew(self) -> None:
        """Add what stores of earlier versions lack; two processes may meet here."""
        with self._writing() as db:
            for table, column, kind in _ADDED:
                if column not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
                    db.execute(f"ALTER TABLE {table} ADD COLUMN {column} {kind}")

    def _said(self, where: str, values: Iterable[Any]) -> list[Said]:
        sql = f"""SELECT m.id, parent, role, name, m.parts, speaker, m.time, extra, coalesce(value, 0), e.parts,
            m.version FROM messages m LEFT JOIN ratings r ON r.message = m.id
            LEFT JOIN edits e ON e.message = m.id {where}"""
        return [
            Said(
                id=row[0],
                parent=row[1],
                role=row[2],
                name=row[3],
                parts=tuple(json.loads(row[4])),
                speaker=row[5],
                time=row[6],
                extra=json.loads(row[7]),
                rating=row[8],
                edit=tuple(json.loads(row[9])) if row[9] else (),
                version=row[10],
            )
            for row in self._rows(sql, values)
        ]

    def _rows(self, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._db.execute(sql, tuple(values)).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield self._db
            except sqlite3.IntegrityError as error:
                self._db.execute("ROLLBACK")
                raise DataError("there is no such conversation or message, or a value is out of range") from error
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
