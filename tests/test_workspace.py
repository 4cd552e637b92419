"""Writes are whole or not at all; manifests decide what is done."""

from __future__ import annotations

import json
import multiprocessing
import os
import stat
from pathlib import Path

import pytest

from gemel.config import TrainSection
from gemel.errors import Busy, DamagedCheckpoint, MissingStage
from gemel.people import Handle, People, Person
from gemel.workspace import Manifest, Workspace, atomic, atomic_folder, fingerprint, hash_file


def test_atomic_replaces_or_leaves_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(RuntimeError, match="killed"), atomic(path) as temporary:
        _write_and_fail(temporary)
    assert path.read_text(encoding="utf-8") == "old"
    with atomic(path) as temporary:
        temporary.write_text("new", encoding="utf-8")
    assert path.read_text(encoding="utf-8") == "new"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def _write_and_fail(path: Path) -> None:
    path.write_text("half", encoding="utf-8")
    raise RuntimeError("killed")


def test_atomic_folder(tmp_path: Path) -> None:
    for text in ("one", "two"):
        with atomic_folder(tmp_path / "f") as folder:
            (folder / "x").write_text(text, encoding="utf-8")
    assert (tmp_path / "f" / "x").read_text(encoding="utf-8") == "two"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


def test_manifest_and_freshness(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    wanted = fingerprint("train", {"data": "abc"}, TrainSection())
    assert workspace.fresh(tmp_path / "runs" / "a", wanted) is None
    with pytest.raises(MissingStage, match="not there yet"):
        workspace.need(tmp_path / "runs" / "a", "the run", "gemel train")
    Manifest(stage="train", fingerprint=wanted, counts={"steps": 3}).write(tmp_path / "runs" / "a")
    manifest = workspace.fresh(tmp_path / "runs" / "a", wanted)
    assert manifest is not None
    assert manifest.counts == {"steps": 3}
    assert fingerprint("train", {"data": "abc"}, TrainSection(rank=8)) != wanted


def test_damaged_manifest_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DamagedCheckpoint, match="Delete the folder"):
        Manifest.read(tmp_path)


def _hold(root: str, ready: object, done: object) -> None:
    with Workspace(Path(root)).lock("test"):
        ready.set()  # type: ignore[attr-defined]
        done.wait(20)  # type: ignore[attr-defined]


def test_lock_keeps_others_out_and_dies_with_its_holder(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=_hold, args=(str(tmp_path), ready, done))
    process.start()
    assert ready.wait(30)
    with pytest.raises(Busy), Workspace(tmp_path).lock("me"):
        pass
    process.kill()
    process.join()
    with Workspace(tmp_path).lock("me"):
        pass


def test_lock_sweeps_what_a_killed_process_left(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    (tmp_path / "runs").mkdir()
    (tmp_path / ".current.json.x.tmp").write_text("half", encoding="utf-8")
    (tmp_path / "runs" / ".a.old").mkdir()
    with workspace.lock("x"):
        assert not (tmp_path / ".current.json.x.tmp").exists()
        assert (tmp_path / "runs" / "a").is_dir()  # the only copy comes back


def test_people_are_private(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "twin")
    workspace.save_people(People([Person(id="p1", name="Ann", handles=(Handle("whatsapp", "Ann", "Ann"),), me=True)]))
    assert workspace.people().me is not None
    if os.name == "posix":
        assert stat.S_IMODE(workspace.people_path.stat().st_mode) == 0o600
        assert stat.S_IMODE(workspace.private.stat().st_mode) == 0o700


def test_promotion_remembers(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    assert workspace.current() is None
    workspace.promote("a", reason="first")
    workspace.promote("b")
    assert workspace.current() == "b"
    assert json.loads(workspace.current_path.read_text(encoding="utf-8"))["history"][0]["run"] == "a"


def test_hash_file_depends_on_content_only(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    assert hash_file(tmp_path / "a") == hash_file(tmp_path / "b")
