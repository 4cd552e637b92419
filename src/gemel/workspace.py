"""Where a twin's things are on disk, and how they get there without ever being half there.

Files are written beside their place and moved into it; a stage writes its manifest last, so that a
manifest's presence means finished and the same fingerprint means skip. Only this module knows paths.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from gemel import __version__
from gemel.config import Config, Section, load
from gemel.errors import Busy, ConfigError, DamagedCheckpoint, MissingStage, ResourceError
from gemel.people import People

__all__ = ["Manifest", "Workspace", "atomic", "atomic_folder", "fingerprint", "hash_file"]

MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a finished stage was made from."""

    stage: str
    fingerprint: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Name → content hash or fingerprint of what was read."""
    section: Mapping[str, Any] = field(default_factory=dict)
    """The part of the configuration that was used."""
    counts: Mapping[str, int] = field(default_factory=dict)
    seed: int = 0
    version: str = __version__
    finished: float = 0.0
    """Seconds since the epoch."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    def write(self, folder: Path) -> None:
        """Write into `folder`, atomically; call this last."""
        row = {**asdict(self), "finished": self.finished or time.time()}
        with atomic(folder / MANIFEST) as path:
            path.write_text(json.dumps(row, ensure_ascii=False, indent=1, sort_keys=True), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> Manifest | None:
        """The manifest of a finished stage, or None.

        Raises:
            DamagedCheckpoint: when the file is there but is not a manifest.
        """
        path = folder / MANIFEST
        if not path.exists():
            return None
        try:
            return cls(**json.loads(path.read_text(encoding="utf-8")))
        except (ValueError, TypeError) as error:
            raise DamagedCheckpoint(
                f"{folder.name}/{MANIFEST} cannot be read", hint=f"Delete the folder {folder} and run the stage again."
            ) from error


@contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise ResourceError("the disk is full", hint="Free some space and run the same command again.") from error
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside `path` that replaces it when the block ends without an error."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
    try:
        yield temporary
        if path.exists():
            old = path.with_name(f".{path.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            path.replace(old)
            temporary.replace(path)
            shutil.rmtree(old, ignore_errors=True)
        else:
            temporary.replace(path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def hash_file(path: Path) -> str:
    """Content hash of a file (BLAKE2b, 128 bits, hex)."""
    digest = blake2b(digest_size=16)
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def fingerprint(stage: str, inputs: Mapping[str, str], *sections: Section | Mapping[str, Any], seed: int = 0) -> str:
    """Hash of all that decides a stage's result. The same fingerprint means nothing need be done."""
    plain = [s.model_dump(mode="json") if isinstance(s, Section) else s for s in sections]
    text = json.dumps([stage, dict(inputs), plain, seed, __version__], sort_keys=True, default=str)
    return blake2b(text.encode(), digest_size=16).hexdigest()


class Workspace:
    """A folder that holds one person's twin."""

    def __init__(self, root: Path) -> None:
        self.root = root.expanduser().resolve()

    # places -------------------------------------------------------------
    @property
    def config_path(self) -> Path:
        """gemel.toml, the only file a person edits."""
        return self.root / "gemel.toml"

    @property
    def inbox(self) -> Path:
        """Exports; never written by gemel."""
        return self.root / "inbox"

    @property
    def private(self) -> Path:
        """Vault, people, keys; never exported, never served."""
        return self.root / "private"

    @property
    def vault_path(self) -> Path:
        """The pseudonyms, mode 0600."""
        return self.private / "vault.sqlite"

    @property
    def people_path(self) -> Path:
        """Who is who, with consent."""
        return self.private / "people.json"

    @property
    def records(self) -> Path:
        """Raw records, a folder per source."""
        return self.root / "records"

    def dataset(self, name: str = "main") -> Path:
        """Examples, split."""
        return self.root / "dataset" / name

    @property
    def portrait(self) -> Path:
        """The portrait of the corpus: portrait.html and portrait.json."""
        return self.root / "portrait"

    def synth(self, name: str) -> Path:
        """An append-only journal of synthesis."""
        return self.root / "synth" / f"{name}.jsonl"

    @property
    def runs(self) -> Path:
        """Trained voices."""
        return self.root / "runs"

    def run(self, name: str) -> Path:
        """One trained voice."""
        return self.runs / name

    def eval(self, name: str) -> Path:
        """One evaluation."""
        return self.root / "evals" / name

    @property
    def memory_path(self) -> Path:
        """Index over the person's own words."""
        return self.root / "memory.sqlite"

    @property
    def card_path(self) -> Path:
        """The measured style summary and the rules."""
        return self.root / "card.json"

    @property
    def feedback_path(self) -> Path:
        """Conversations, ratings, edits, rules, votes."""
        return self.root / "feedback.sqlite"

    @property
    def current_path(self) -> Path:
        """Which run is the twin."""
        return self.root / "current.json"

    # contents -----------------------------------------------------------
    def config(self, overrides: Mapping[str, Any] | None = None) -> Config:
        """The configuration of this workspace."""
        return load(self.config_path, overrides)

    def people(self) -> People:
        """Everyone known here."""
        return People.load(self.people_path)

    def save_people(self, people: People) -> None:
        """Write who is who."""
        self.prepare()
        with atomic(self.people_path) as path:
            people.save(path)
        _restrict(self.people_path, 0o600)

    def current(self) -> str | None:
        """Id of the run that is the twin now."""
        if not self.current_path.exists():
            return None
        value: str | None = json.loads(self.current_path.read_text(encoding="utf-8"))["run"]
        return value

    def promote(self, run: str | None, *, reason: str = "", back: bool = False) -> None:
        """Make `run` the twin, in one atomic change that remembers what was before.

        Args:
            back: it is a return to an earlier one.
        """
        history = []
        if self.current_path.exists():
            old = json.loads(self.current_path.read_text(encoding="utf-8"))
            history = [{k: old.get(k) for k in ("run", "time", "reason", "back")}, *old.get("history", [])][:50]
        row = {"run": run, "time": time.time(), "reason": reason, "back": back, "history": history}
        with atomic(self.current_path) as path:
            path.write_text(json.dumps(row, indent=1), encoding="utf-8")

    def record_files(self) -> list[Path]:
        """Every finished Parquet file of records, by source."""
        if not self.records.exists():
            return []
        return sorted(p for p in self.records.glob("*/*.parquet") if (p.parent / MANIFEST).exists())

    def need(self, folder: Path, stage: str, command: str) -> Manifest:
        """The manifest of an earlier stage.

        Raises:
            MissingStage: when it has not been run.
        """
        manifest = Manifest.read(folder)
        if manifest is None:
            raise MissingStage(f"{stage} is not there yet", hint=f"Run `{command}` first.")
        return manifest

    def fresh(self, folder: Path, wanted: str) -> Manifest | None:
        """The manifest in `folder` if its fingerprint is `wanted`: the stage can be skipped."""
        manifest = Manifest.read(folder)
        return manifest if manifest is not None and manifest.fingerprint == wanted else None

    def prepare(self) -> None:
        """Make the folders, readable by their owner only."""
        if self.root.exists() and not self.root.is_dir():
            raise ConfigError(f"{self.root} is not a folder")
        for folder in (self.root, self.private):
            folder.mkdir(parents=True, exist_ok=True)
            _restrict(folder, 0o700)

    @contextmanager
    def lock(self, purpose: str, *, name: str = "lock") -> Iterator[None]:
        """Hold the workspace while something is written; released by the system if we are killed.

        Args:
            name: of the lock; another one than the workspace's own holds off only its like.

        Raises:
            Busy: when another process holds it.
        """
        import portalocker

        self.prepare()
        with (self.private / name).open("a+", encoding="utf-8") as file:
            try:
                portalocker.lock(file, portalocker.LOCK_EX | portalocker.LOCK_NB)
            except portalocker.exceptions.LockException as error:
                raise Busy(
                    "another gemel command is writing to this folder", hint="Wait for it to end, or stop it."
                ) from error
            file.truncate(0)
            file.write(f"{os.getpid()} {purpose}\n")
            file.flush()
            if name == "lock":
                self._sweep()
            yield

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for place in (self.root, self.private, self.records, *_folders(self.records), self.root / "dataset", self.runs):
            if place.exists():
                for leftover in place.glob(".*.tmp"):
                    _remove(leftover)
                for old in place.glob(".*.old"):
                    target = old.with_name(old.name[1:-4])
                    if target.exists():
                        _remove(old)
                    else:
                        old.replace(target)


def _folders(path: Path) -> Iterable[Path]:
    return [p for p in path.iterdir() if p.is_dir()] if path.exists() else []


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _restrict(path: Path, mode: int) -> None:
    if os.name == "posix":
        path.chmod(mode)
