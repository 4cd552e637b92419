"""A folder of plain data as one file or one folder that can be checked: every file by SHA-256, nothing that runs.

Safetensors, JSON and Parquet only, so that opening a parcel executes nothing. Checksums find damage and careless
change; whoever can change a file can also change its checksum, so the parcel's id, which covers them all, is for
comparing over another channel.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import stat
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from gemel.errors import ConfigError, DamagedExport, MissingModel, UnsafeArchive
from gemel.workspace import atomic, atomic_folder

__all__ = ["CHECKSUMS", "opened", "pack", "parcel_id", "sha256"]

CHECKSUMS = "checksums.json"
KINDS = (".safetensors", ".json", ".parquet")
MOST = 10_000
"""Files in a parcel at most."""
SIZE = 200 * 2**30
"""Bytes in a parcel at most."""
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*){0,6}")
_RESERVED = re.compile(r"(^|/)(con|prn|aux|nul|com\d|lpt\d)(\.|/|$)", re.IGNORECASE)
_CHUNK = 1 << 20


def pack(folder: Path, target: Path) -> str:
    """Write what lies in `folder` to `target`; returns the parcel's id.

    The same files give the same bytes.

    Args:
        target: a file where its name ends in `.gemel` or `.zip`, else a folder that is not there yet.

    Raises:
        ConfigError: when something else than a parcel stands at `target`.
    """
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    for name in names:
        _allow(name)
    sums = {name: sha256(folder / name) for name in names}
    (folder / CHECKSUMS).write_text(json.dumps({"sha256": sums}, indent=1, sort_keys=True), encoding="utf-8")
    single = target.suffix.lower() in (".gemel", ".zip")
    if target.exists() and (single != target.is_file() or not (single or (target / CHECKSUMS).exists())):
        raise ConfigError(f"{target} is there already and is no exported twin", hint="Give another name.")
    if not single:
        with atomic_folder(target) as place:
            shutil.copytree(folder, place, dirs_exist_ok=True)
        return parcel_id(target)
    with atomic(target) as place, zipfile.ZipFile(place, "w") as archive:
        for name in [CHECKSUMS, *names]:
            info = zipfile.ZipInfo(name, date_time=(2020, 1, 1, 0, 0, 0))
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
            with (folder / name).open("rb") as source, archive.open(info, "w", force_zip64=True) as member:
                shutil.copyfileobj(source, member, _CHUNK)
    return parcel_id(folder)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """A parcel as a folder of its own in which every file was checked; gone when the block ends.

    Raises:
        MissingModel: when nothing is there.
        UnsafeArchive: for names that point outside, links, other kinds of files, pickles under another name, bombs.
        DamagedExport: when a file is missing, was added, or is not what its checksum says.
    """
    if not source.exists():
        raise MissingModel(f"{source} is not there")
    with TemporaryDirectory(prefix="gemel-") as held:
        place = Path(held)
        if source.is_dir():
            _from_folder(source, place)
        else:
            _from_zip(source, place)
        _check(source, place)
        yield place


def parcel_id(folder: Path) -> str:
    """What names this parcel and no other: the SHA-256 of its checksums."""
    return sha256(folder / CHECKSUMS)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _allow(name: str) -> None:
    if not _NAME.fullmatch(name) or _RESERVED.search(name):
        raise UnsafeArchive("a file's name is not one that gemel writes", hint="Do not load this.")
    if not name.endswith(KINDS):
        raise UnsafeArchive(
            f"'{Path(name).name}' is of a kind that a twin does not hold",
            hint="Only safetensors, JSON and Parquet are.",
        )


def _from_folder(source: Path, place: Path) -> None:
    files = [p for p in source.rglob("*") if not p.is_dir() or p.is_symlink()]
    if len(files) > MOST:
        raise UnsafeArchive(f"{source.name} holds more than {MOST:,} files")
    for path in files:
        if path.is_symlink() or not path.is_file():
            raise UnsafeArchive("it holds a link or a device", hint="Do not load this.")
        name = path.relative_to(source).as_posix()
        _allow(name)
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / name)


def _from_zip(source: Path, place: Path) -> None:
    try:
        with zipfile.ZipFile(source) as archive:
            infos = archive.infolist()
            if len(infos) > MOST or sum(i.file_size for i in infos) > SIZE:
                raise UnsafeArchive(f"{source.name} unpacks to more than a twin holds")
            if len({i.filename.casefold() for i in infos}) < len(infos):
                raise UnsafeArchive("two of its files have one name", hint="Do not load this.")
            for info in infos:
                _allow(info.filename)
                mode = info.external_attr >> 16
                if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
                    raise UnsafeArchive("it holds a link or a device", hint="Do not load this.")
                (place / info.filename).parent.mkdir(parents=True, exist_ok=True)
                with archive.open(info) as member, (place / info.filename).open("wb") as out:
                    _copy(member, out, info.file_size)
    except (zipfile.BadZipFile, zipfile.LargeZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise DamagedExport(f"{source.name} cannot be unpacked", hint="Copy it again.") from error


def _copy(member: IO[bytes], out: IO[bytes], promised: int) -> None:
    written = 0
    while chunk := member.read(_CHUNK):
        written += len(chunk)
        if written > promised:
            raise UnsafeArchive("a file unpacks to more than the archive says")
        out.write(chunk)


def _check(source: Path, place: Path) -> None:
    sums = _json(place / CHECKSUMS).get("sha256") if (place / CHECKSUMS).exists() else None
    if not isinstance(sums, Mapping):
        raise DamagedExport(f"{source.name} is no exported twin", hint="`gemel export twin` writes one.")
    held = {p.relative_to(place).as_posix() for p in place.rglob("*") if p.is_file()} - {CHECKSUMS}
    if odd := sorted(held ^ set(map(str, sums))):
        raise DamagedExport(f"'{odd[0]}' is missing from it or was added to it", hint="Copy it again.")
    for name in sorted(held):
        if sha256(place / name) != sums[name]:
            raise DamagedExport(f"'{name}' is not what was exported", hint="Copy it again, or do not load it.")
        _sound(place / name)


def _sound(path: Path) -> None:
    """A file is what its name says: a pickle under another name is not."""
    if path.suffix == ".json":
        _json(path)
        return
    if path.suffix == ".parquet":
        from pyarrow import ArrowException
        from pyarrow.parquet import read_metadata

        try:
            read_metadata(path)
        except (ArrowException, OSError) as error:
            raise UnsafeArchive(f"'{path.name}' is no Parquet", hint="Do not load this.") from error
        return
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="np") as file:
            file.keys()
    except (SafetensorError, OSError) as error:
        raise UnsafeArchive(f"'{path.name}' is no safetensors", hint="Do not load this.") from error


def _json(path: Path) -> dict[str, Any]:
    try:
        row = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise UnsafeArchive(f"'{path.name}' is no JSON", hint="Do not load this.") from error
    return row if isinstance(row, dict) else {}
