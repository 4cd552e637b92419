"""The vault: what stands for what, kept in one SQLite file that only its owner may read.

An *entity* is one thing in the world (a person, a phone number), a *form* one way in which it was
written. An entity keeps one pseudonym for good; each further form gets a variant of it, so that
`restore` gives back exactly what stood there. Processes that share a file agree. The file is never
exported and never served; `lock` encrypts what is readable in it (see `cipher`). Text that contained something
looking like a pseudonym before scrubbing is restored wrongly; `restore` cannot know.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from threading import RLock
from typing import Any, NamedTuple

from gemel.errors import DamagedCheckpoint
from gemel.privacy.cipher import Cipher, Sealed, new_key, opened, wrap
from gemel.privacy.pseudonyms import forms, given_names

__all__ = ["NAME", "TAG", "Form", "Vault", "case_of", "with_case"]

NAME = "name"
"""The kind whose pseudonyms are given names; all other kinds get tags."""
TAG = re.compile(r"\[([a-z]+)-(\d+)(?:-(\d+))?\]")
"""`[email-1]`, and `[email-1-2]` for the second way in which the same address was written."""
_WORD = re.compile(r"[^\W_]+")
_ENDINGS = ("", "s", "S")
"""Grammatical endings that stay where a name was replaced; no pseudonym ends in one."""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS entities (
    id INTEGER PRIMARY KEY, kind TEXT NOT NULL, key TEXT NOT NULL, stem TEXT NOT NULL UNIQUE, UNIQUE (kind, key));
CREATE TABLE IF NOT EXISTS forms (
    pseudonym TEXT PRIMARY KEY, entity INTEGER NOT NULL REFERENCES entities (id), original TEXT NOT NULL,
    UNIQUE (entity, original));
CREATE TABLE IF NOT EXISTS spent (stem TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS keys (name TEXT PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS forgotten (what TEXT NOT NULL, id TEXT NOT NULL, time REAL NOT NULL, UNIQUE (what, id));
"""


class Form(NamedTuple):
    """What a pseudonym stands for."""

    kind: str
    key: str
    original: str


class Vault:
    """Pseudonyms by original and back.

    Args:
        path: the SQLite file; made with mode 0600 when it is not there.

    Raises:
        DamagedCheckpoint: when the file is no vault.
        Refused: when it is locked and the passphrase is missing or wrong.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = RLock()
        path.parent.mkdir(parents=True, exist_ok=True)
        if os.name == "posix":
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            path.chmod(0o600)
        try:
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=30)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.execute("PRAGMA secure_delete=ON")
            self._db.executescript(_SCHEMA)
        except sqlite3.DatabaseError as error:
            raise DamagedCheckpoint(
                f"the vault {path.name} cannot be read",
                hint="Restore it from a backup; without it names stay replaced.",
            ) from error
        self._known: dict[tuple[str, str, str], str] = {}
        self._key: bytes | None = None
        self._wrapped = self._kept("wrapped")
        try:
            self._cipher = opened(self._wrapped, path)
        except BaseException:
            self._db.close()
            raise

    def pseudonym(self, kind: str, original: str, *, entity: str = "", avoid: frozenset[str] = frozenset()) -> str:
        """What stands for `original`, made on first sight.

        Args:
            kind: `name`, or a short word that names the tag.
            original: the text exactly as it stood there.
            entity: what it is a form of, e.g. a person's id or a number in its international form;
                empty: the original itself.
            avoid: case-folded words that no new name may equal.
        """
        known = self._known.get((kind, entity or original, original))
        return known if known is not None else self._add(kind, entity or original, original, avoid)

    def restore(self, text: str) -> str:
        """The text with every pseudonym replaced by what it stands for. For the owner's eyes only."""
        back = self._all()

        def tag(match: re.Match[str]) -> str:
            form = back.get(match.group())
            return form.original if form is not None else match.group()

        def word(match: re.Match[str]) -> str:
            found = match.group()
            for stem, ending in ((found, ""), (found[:-1], found[-1:])):
                form = back.get(stem.lower()) if ending in _ENDINGS else None
                if form is not None:
                    return with_case(form.original, case_of(stem)) + ending
            return found

        pieces = TAG.split(text) if "[" in text else None
        if pieces is None:
            return _WORD.sub(word, text)
        out: list[str] = []
        end = 0
        for match in TAG.finditer(text):
            out += [_WORD.sub(word, text[end : match.start()]), tag(match)]
            end = match.end()
        return "".join([*out, _WORD.sub(word, text[end:])])

    def pseudonyms(self, kind: str, key: str) -> list[str]:
        """Every pseudonym of an entity, lower-cased."""
        self._renew()
        query = "SELECT pseudonym FROM forms JOIN entities ON entity = id WHERE kind = ? AND key = ?"
        return [row[0] for row in self._db.execute(query, (kind, self._cipher.hide(key, "key")))]

    def counts(self) -> Counter[str]:
        """How many entities are kept, by kind."""
        return Counter(dict(self._db.execute("SELECT kind, count(*) FROM entities GROUP BY kind")))

    def remove(self, kind: str, key: str) -> int:
        """Forget an entity: its pseudonym can never be restored, nor given to another. Returns the forms removed."""
        with self._writing():
            row = self._entity(kind, key)
            if row is None:
                return 0
            gone = self._db.execute("DELETE FROM forms WHERE entity = ?", (row[0],)).rowcount
            self._db.execute("DELETE FROM entities WHERE id = ?", (row[0],))
            self._db.execute("INSERT OR IGNORE INTO spent VALUES (?)", (row[1],))
        self._known.clear()
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return int(gone)

    def seal(self, *parts: str) -> str:
        """A hash (128 bits, hex) under a key of this vault: whoever has it can test a guess and read nothing."""
        return self.sealer()(*parts)

    def sealer(self) -> Callable[..., str]:
        """`seal` as a function that outlives the vault's being open."""
        if self._key is None:
            with self._writing():
                made = self._cipher.hide(os.urandom(32).hex(), "seal")
                self._db.execute("INSERT OR IGNORE INTO keys VALUES ('seal', ?)", (made,))
                self._key = bytes.fromhex(self._cipher.show(self._kept("seal"), "seal"))
        return partial(_sealed, self._key)

    def mark_forgotten(self, what: str, ids: Iterable[str], time: float) -> None:
        """Remember that these must not come back: ids of messages, threads and sources; seals of a person's
        handles, names and the words of their names (`what` = message, thread, source, handle, person or word).
        """
        with self._writing():
            self._db.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?)", [(what, i, time) for i in ids])

    def forgotten(self, what: str) -> frozenset[str]:
        """What was marked as forgotten."""
        return frozenset(row[0] for row in self._db.execute("SELECT id FROM forgotten WHERE what = ?", (what,)))

    @property
    def locked(self) -> bool:
        """Whether what is in the file is encrypted."""
        return self._wrapped is not None

    def lock(self, passphrase: str | None) -> None:
        """Encrypt the file under a passphrase, or under another one; None: write it in the open again.

        Raises:
            ConfigError: when the passphrase is too short.
            MissingExtra: when the package for it is not installed.
        """
        key = new_key() if passphrase is not None else None
        wrapped = wrap(key, passphrase) if key is not None and passphrase is not None else None
        with self._writing():
            old, new = self._cipher, Sealed(key) if key is not None else Cipher()
            for table, column in (("entities", "key"), ("forms", "original"), ("keys", "value")):
                where = " WHERE name = 'seal'" if table == "keys" else ""
                name = "seal" if table == "keys" else column
                rows = self._db.execute(f"SELECT rowid, {column} FROM {table}{where}").fetchall()
                changed = [(new.hide(old.show(value, name), name), row) for row, value in rows]
                self._db.executemany(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", changed)
            self._db.execute("DELETE FROM keys WHERE name = 'wrapped'")
            if wrapped is not None:
                self._db.execute("INSERT INTO keys VALUES ('wrapped', ?)", (wrapped,))
        self._renew()
        self._db.execute("VACUUM")  # no page keeps what stood there before
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _kept(self, name: str) -> Any:
        row = self._db.execute("SELECT value FROM keys WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def _renew(self) -> None:
        """Another process may have locked or unlocked the file."""
        wrapped = self._kept("wrapped")
        if wrapped != self._wrapped:
            self._cipher, self._wrapped = opened(wrapped, self.path), wrapped

    def _form(self, kind: str, key: str, original: str) -> Form:
        return Form(kind, self._cipher.show(key, "key"), self._cipher.show(original, "original"))

    def _entity(self, kind: str, key: str) -> tuple[int, str] | None:
        hidden = self._cipher.hide(key, "key")
        row: tuple[int, str] | None = self._db.execute(
            "SELECT id, stem FROM entities WHERE kind = ? AND key = ?", (kind, hidden)
        ).fetchone()
        return row

    @contextmanager
    def _writing(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._renew()
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _add(self, kind: str, key: str, original: str, avoid: frozenset[str]) -> str:
        with self._writing():
            row = self._entity(kind, key)
            if row is None:
                stem = self._new_stem(kind, avoid)
                hidden = self._cipher.hide(key, "key")
                number = self._db.execute(
                    "INSERT INTO entities (kind, key, stem) VALUES (?, ?, ?)", (kind, hidden, stem)
                )
                row = (number.lastrowid or 0, stem)
            entity, stem = row
            written = self._cipher.hide(original, "original")
            have = self._db.execute(
                "SELECT pseudonym FROM forms WHERE entity = ? AND original = ?", (entity, written)
            ).fetchone()
            if have is None:
                pseudonym = self._new_form(kind, entity, stem, avoid)
                self._db.execute("INSERT INTO forms VALUES (?, ?, ?)", (pseudonym.lower(), entity, written))
            else:
                pseudonym = have[0].capitalize() if kind == NAME else have[0]
        self._known[kind, key, original] = pseudonym
        return pseudonym

    def _new_stem(self, kind: str, avoid: frozenset[str]) -> str:
        if kind == NAME:
            taken = {r[0].lower() for r in self._db.execute("SELECT stem FROM entities UNION SELECT stem FROM spent")}
            taken |= {r[0] for r in self._db.execute("SELECT pseudonym FROM forms")}
            return next(n for n in given_names() if n.lower() not in taken and n.lower() not in avoid)
        (last,) = self._db.execute(
            "SELECT max(CAST(substr(stem, ?) AS INTEGER)) FROM "
            "(SELECT stem FROM entities UNION SELECT stem FROM spent) WHERE stem LIKE ? || '-%'",
            (len(kind) + 2, kind),
        ).fetchone()
        return f"{kind}-{(last or 0) + 1}"

    def _new_form(self, kind: str, entity: int, stem: str, avoid: frozenset[str]) -> str:
        (have,) = self._db.execute("SELECT count(*) FROM forms WHERE entity = ?", (entity,)).fetchone()
        if kind != NAME:
            return f"[{stem}]" if have == 0 else f"[{stem}-{have + 1}]"
        for form in forms(stem):
            taken = self._db.execute("SELECT 1 FROM forms WHERE pseudonym = ?", (form.lower(),)).fetchone()
            other = self._db.execute(
                "SELECT 1 FROM entities WHERE lower(stem) = ? AND id != ?", (form.lower(), entity)
            ).fetchone()
            if not taken and not other and form.lower() not in avoid:
                return form
        raise AssertionError("forms never end")

    def _all(self) -> dict[str, Form]:
        self._renew()
        rows = self._db.execute("SELECT pseudonym, kind, key, original FROM forms JOIN entities ON entity = id")
        return {row[0]: self._form(*row[1:]) for row in rows}


def _sealed(key: bytes, *parts: str) -> str:
    data = "\x1f".join(parts).encode("utf-8", "surrogatepass")
    return blake2b(data, key=key, digest_size=16).hexdigest()


def case_of(word: str) -> str:
    """`lower`, `upper` or `title`; `other` for anything else."""
    if word.islower():
        return "lower"
    if len(word) > 1 and word.isupper():
        return "upper"
    return "title" if word[:1].isupper() and (word[1:].islower() or len(word) == 1) else "other"


def with_case(word: str, case: str) -> str:
    """A word of the form `Title` in another case; a word of any other form as it is."""
    if case_of(word) != "title":
        return word
    if case == "lower":
        return word.lower()
    return word.upper() if case == "upper" else word
