"""Files as sources see them: on disk, below a folder, or inside a zip, read in place and never unpacked.

Archives are checked before anything is read: names that point outside, links, encrypted members and members
that unpack beyond the caps are refused. Symbolic links below a folder are not followed. Zips inside zips are
listed but not opened.
"""

from __future__ import annotations

import io
import lzma
import re
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from hashlib import blake2b
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO

from gemel.config import ImportSection
from gemel.errors import DamagedExport, DataError, UnsafeArchive

__all__ = ["LONGEST_LINE", "MEDIA", "Entry", "opened"]

HEAD = 32_768
"""Bytes a source may look at to recognise a file."""
LONGEST_LINE = 1 << 20
"""Characters of one line; a longer one is handed over in pieces."""
MANY = 1_000_000
"""Members an archive may have."""
_READ_ERRORS = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)
_OUTSIDE = re.compile(r"(^|/)\.\.(/|$)|^/|^[A-Za-z]:|\x00")
MEDIA = frozenset(
    [
        "jpg",
        "jpeg",
        "png",
        "gif",
        "webp",
        "heic",
        "heif",
        "bmp",
        "tif",
        "tiff",
        "svg",
        "ico",
        "mp4",
        "mov",
        "m4v",
        "3gp",
        "avi",
        "mkv",
        "webm",
        "mp3",
        "m4a",
        "aac",
        "ogg",
        "oga",
        "opus",
        "wav",
        "amr",
        "flac",
        "was",
        "tgs",
        "thumb",
        "psd",
        "ttf",
        "woff",
        "woff2",
        "css",
        "exe",
        "dll",
        "so",
        "dylib",
        "apk",
        "ipa",
    ]
)
"""Suffixes of files that hold no text."""


class _Guarded(io.RawIOBase):
    """A stream whose failures are told as a damaged export, and which cannot pass its declared size."""

    def __init__(self, stream: IO[bytes], name: str, limit: int) -> None:
        self._stream, self._name, self._left = stream, name, limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        try:
            data = self._stream.read(len(buffer))
        except _READ_ERRORS as error:
            raise damaged(self._name) from error
        self._left -= len(data)
        if self._left < 0:
            raise UnsafeArchive(f"{self._name} unpacks to more than the archive says")
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def damaged(name: str, where: str = "") -> DamagedExport:
    """The error of a file that breaks off or does not unpack."""
    return DamagedExport(
        f"{name} is damaged or incomplete{where}", hint="Export or download it again, then run the same command."
    )


class Entry:
    """One file of what was brought.

    Attributes:
        name: path with "/", beginning with the name of the file, folder or zip that was given.
        size: bytes, unpacked.
    """

    def __init__(
        self, name: str, size: int, path: Path, member: tuple[zipfile.ZipFile, zipfile.ZipInfo] | None
    ) -> None:
        self.name, self.size, self._path, self._member = name, size, path, member

    @property
    def parts(self) -> tuple[str, ...]:
        """The components of the name."""
        return PurePosixPath(self.name).parts

    @property
    def stem(self) -> str:
        """The file's own name without its last suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The last suffix, lower case, without the dot."""
        return PurePosixPath(self.name).suffix[1:].lower()

    def open(self) -> BinaryIO:
        """The bytes, as a stream.

        Raises:
            DamagedExport: also while reading.
        """
        try:
            stream: IO[bytes] = self._member[0].open(self._member[1]) if self._member else self._path.open("rb")
        except (*_READ_ERRORS, RuntimeError) as error:
            raise damaged(self.name) from error
        limit = self.size if self._member else 1 << 62
        return io.BufferedReader(_Guarded(stream, self.name, limit), 1 << 18)

    @cached_property
    def head(self) -> bytes:
        """The first bytes, by which sources recognise a file."""
        with self.open() as file:
            return file.read(HEAD)

    @cached_property
    def encoding(self) -> str:
        """UTF-8 or UTF-16 by its mark, else UTF-8 where it decodes, else Windows-1252."""
        head = self.head
        if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
            return "utf-16"
        try:
            head[: max(len(head) - 3, 0) or None].decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < len(head) - 4:
                return "cp1252"
        return "utf-8-sig"

    @cached_property
    def head_text(self) -> str:
        """The first bytes as text; "" where they hold NUL bytes and so are no text."""
        text = self.head.decode(self.encoding, "ignore")
        return "" if "\x00" in text else text

    def lines(self) -> Iterator[str]:
        """Lines as written, without their end; only LF and CRLF end a line (U+2028 does not).

        A line longer than `LONGEST_LINE` comes in pieces.
        """
        with io.TextIOWrapper(self.open(), encoding=self.encoding, errors="replace", newline="\n") as file:
            rest = ""
            while chunk := file.read(LONGEST_LINE):
                *whole, rest = (rest + chunk).split("\n")
                for line in whole:
                    if len(line) < LONGEST_LINE:
                        yield line.rstrip("\r")
                    else:
                        yield from (line[i : i + LONGEST_LINE] for i in range(0, len(line), LONGEST_LINE))
                while len(rest) >= LONGEST_LINE:
                    yield rest[:LONGEST_LINE]
                    rest = rest[LONGEST_LINE:]
            if rest:
                yield rest

    def text(self, limit: int) -> str:
        """The whole file as text.

        Raises:
            DataError: when it has more than `limit` bytes.
        """
        return self.bytes(limit).decode(self.encoding, "replace")

    def bytes(self, limit: int) -> bytes:
        """The whole file.

        Raises:
            DataError: when it has more than `limit` bytes.
        """
        if self.size > limit:
            raise DataError(f"{self.name} is larger than {limit >> 20} MB, more than such a file can be")
        with self.open() as file:
            return file.read()

    @contextmanager
    def on_disk(self) -> Iterator[Path]:
        """A path that other libraries can open: the file itself, or a private copy that goes away again."""
        if self._member is None:
            yield self._path
            return
        with tempfile.TemporaryDirectory(prefix="gemel-") as folder, self.open() as source:
            copy = Path(folder) / PurePosixPath(self.name).name
            with copy.open("wb") as target:
                while chunk := source.read(1 << 20):
                    target.write(chunk)
            yield copy

    @property
    def digest(self) -> str:
        """What identifies the content: a hash; for a member of a zip its checksum and size."""
        if self._member:
            return f"{self._member[1].CRC:08x}-{self.size}"
        content = blake2b(digest_size=16)
        with self.open() as file:
            while chunk := file.read(1 << 20):
                content.update(chunk)
        return content.hexdigest()


@contextmanager
def opened(paths: Sequence[Path], section: ImportSection) -> Iterator[list[Entry]]:
    """Every file of `paths` and below them, sorted by name; archives stay open inside the block.

    Raises:
        DataError: when a path does not exist.
        DamagedExport: when a zip cannot be opened.
        UnsafeArchive: when a zip points outside itself, holds links or unpacks without bound.
    """
    with ExitStack() as stack:
        entries: dict[str, Entry] = {}
        for path in dict.fromkeys(p.expanduser() for p in paths):
            if not path.exists():
                raise DataError(f"there is no file or folder {path}")
            for name, file in _files(path):
                if not zipfile.is_zipfile(file) or file.suffix.lower() in (".docx", ".epub", ".odt", ".xlsx"):
                    if file.suffix.lower() == ".zip":
                        raise damaged(name)
                    found = [Entry(name, file.stat().st_size, file, None)]
                else:
                    found = _members(stack, name, file, section)
                for entry in found:
                    entries[_free(entry, entries)] = entry
        yield [entries[name] for name in sorted(entries)]


def _free(entry: Entry, taken: dict[str, Entry]) -> str:
    """Two things brought from different places may have the same name: number the later ones."""
    name, n = entry.name, 1
    while name in taken:
        n += 1
        head, _, tail = entry.name.partition("/")
        name = f"{head} ({n})" + (f"/{tail}" if tail else "")
    entry.name = name
    return name


def _files(path: Path) -> Iterator[tuple[str, Path]]:
    path = path.resolve()
    if path.is_file():
        yield path.name, path
        return
    for file in sorted(path.rglob("*")):
        relative = file.relative_to(path)
        hidden = any(part.startswith((".", "__MACOSX")) for part in relative.parts)
        if hidden or _through_link(file, path) or not file.is_file():
            continue
        yield f"{path.name}/{relative.as_posix()}", file


def _through_link(file: Path, root: Path) -> bool:
    return any(part.is_symlink() for part in (file, *file.parents) if part != root and part.is_relative_to(root))


def _members(stack: ExitStack, name: str, file: Path, section: ImportSection) -> list[Entry]:
    try:
        archive = stack.enter_context(zipfile.ZipFile(file))
    except (*_READ_ERRORS, ValueError) as error:
        raise damaged(name) from error
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MANY:
        raise UnsafeArchive(f"{name} holds more than {MANY:,} files")
    for number, info in enumerate(infos, 1):
        _check(name, number, info, section)
    packed = max(file.stat().st_size, 1 << 20)
    if sum(info.file_size for info in infos) > section.max_ratio * packed:
        raise UnsafeArchive(f"{name} unpacks to more than {section.max_ratio} times its size")
    kept = [i for i in infos if not PurePosixPath(i.filename).name.startswith(".") and "__MACOSX" not in i.filename]
    return [Entry(f"{name}/{info.filename}", info.file_size, file, (archive, info)) for info in kept]


def _check(archive: str, number: int, info: zipfile.ZipInfo, section: ImportSection) -> None:
    """Refuse a member that is not a plain file inside the archive, of bounded size."""
    where = f"{archive}, file {number}"
    if _OUTSIDE.search(info.filename.replace("\\", "/")):
        raise UnsafeArchive(f"{where}: its name points outside the archive")
    mode = info.external_attr >> 16
    if mode and not stat.S_ISREG(mode) and stat.S_IFMT(mode):
        raise UnsafeArchive(f"{where}: it is a link or a device, not a file")
    if info.flag_bits & 1:
        raise DamagedExport(f"{where}: it is encrypted", hint="Unpack it with its password and import the folder.")
    if info.file_size > section.max_member_bytes:
        raise UnsafeArchive(f"{where}: it unpacks to {info.file_size >> 20} MB", hint="See max_member_bytes.")
    if info.file_size > 1 << 20 and info.file_size > section.max_ratio * max(info.compress_size, 1):
        raise UnsafeArchive(f"{where}: it unpacks to more than {section.max_ratio} times its size")
