"""Exports in, records out: find what each file is, read it, merge it with what is there, know who is who.

Everything is read into a private folder first; only when every source has been read and the owner is known
are the records moved into place, each source in one step. Killed at any moment, the same command run again
ends with the same result; files that were imported before are not read again.
"""

from __future__ import annotations

import gc
import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gemel import __version__
from gemel.config import Config, ImportSection
from gemel.corpus.identify import Sighting, people_from, who_is_me
from gemel.errors import DataError, PersonUnknown, UnknownFormat
from gemel.people import People
from gemel.pipeline.import_report import Contents, ImportReport, SourceReport, contents
from gemel.pipeline.merging import Merged, merge
from gemel.privacy.gone import Gone, gone_from
from gemel.records import Message, ParseError, Record, stable_id, write_records
from gemel.sources import SOURCES, Entry, Item, LeftOut, Owner, Source, opened
from gemel.sources._entries import MEDIA
from gemel.track import emit, progress
from gemel.workspace import Manifest, Workspace, atomic_folder, fingerprint

__all__ = ["Ask", "import_paths"]

Ask = Callable[[PersonUnknown], str]
"""Asks the owner which of the candidates they are; returns the name, or "" to give up."""


@dataclass
class _Staged:
    """One source, read but not yet in its place."""

    source: Source
    folder: Path
    inputs: dict[str, str]
    """Hash of a file's name → digest of its content, of everything imported so far."""
    files: int
    read: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    own: set[str] = field(default_factory=set)
    merged: Merged = field(default_factory=lambda: Merged(0, 0))
    before: int = 0
    """Records there were."""
    found: Contents = field(default_factory=Contents)
    done: Manifest | None = None
    """Set where everything was imported before."""

    @property
    def parquet(self) -> Path:
        return self.folder / f"{self.source.name}.parquet"


def import_paths(
    workspace: Workspace, paths: Sequence[Path], config: Config, *, ask: Ask | None = None
) -> ImportReport:
    """Import files, folders and zips into `workspace`.

    Args:
        ask: called when no export tells who the owner is.

    Raises:
        UnknownFormat: no file is of a known format.
        DataError: a file cannot be read, or nothing in it could be kept; nothing is written then.
        PersonUnknown: the owner is in doubt and there is nobody to ask.
    """
    with workspace.lock("import"), opened(paths, config.imports) as entries, _scratch(workspace) as scratch:
        claimed, unknown, media = _sort_out(entries, config.imports)
        if not claimed:
            raise _nothing_known(entries, unknown)
        staged = [_stage(workspace, name, files, scratch, config) for name, files in claimed.items()]
        if all(not s.found.rows for s in staged):
            raise _nothing_kept(staged)
        people = _identify(workspace, staged, config, ask)
        workspace.save_people(people)
        reports = [_commit(workspace, s, people, config) for s in staged]
    me = people.me
    return ImportReport(
        sources=tuple(reports), me=me.name if me else "", people=len(people), unknown=dict(unknown), media=media
    )


@contextmanager
def _scratch(workspace: Workspace) -> Iterator[Path]:
    """A private folder beside the records; the next command sweeps it away if we are killed."""
    workspace.records.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".import.", suffix=".tmp", dir=workspace.records))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sort_out(entries: Sequence[Entry], section: ImportSection) -> tuple[dict[str, list[Entry]], Counter[str], int]:
    """Files by source, the surest source first; suffixes of what nobody claims; how many hold no text."""
    sources = sorted((cls() for _, cls in SOURCES), key=lambda s: (s.rank, s.name))
    claimed: dict[str, list[Entry]] = {}
    unknown: Counter[str] = Counter()
    media = 0
    for entry in entries:
        if entry.suffix in MEDIA:
            media += 1
            continue
        owner = next((s for s in sources if s.claims(entry, section)), None)
        if owner is None:
            unknown[entry.suffix or "no suffix"] += 1
        else:
            claimed.setdefault(owner.name, []).append(entry)
    return claimed, unknown, media


def _nothing_known(entries: Sequence[Entry], unknown: Mapping[str, int]) -> UnknownFormat:
    kinds = ", ".join(f"{n} × {suffix}" for suffix, n in sorted(unknown.items(), key=lambda x: -x[1])[:5])
    known = ", ".join(sorted(cls.title for _, cls in SOURCES))
    what = f"no known export among {len(entries)} files" + (f" ({kinds})" if kinds else "")
    return UnknownFormat(what, hint=f"gemel reads: {known}.")


def _nothing_kept(staged: Sequence[_Staged]) -> DataError:
    reasons = sum((s.errors + s.left_out for s in staged), Counter[str]())
    listed = "; ".join(f"{n} × {reason}" for reason, n in reasons.most_common(5)) or "the files are empty"
    return DataError(f"nothing in these files could be kept: {listed}", hint="Nothing was written.")


# one source -------------------------------------------------------------
def _stage(workspace: Workspace, name: str, entries: Sequence[Entry], scratch: Path, config: Config) -> _Staged:
    """Read what is new of one source and merge it with what is there."""
    source = SOURCES.get(name)()
    place = workspace.records / name
    section = _section(config)
    old = Manifest.read(place)
    same = old is not None and old.section == section and old.version == __version__
    known = set(old.inputs.values()) if old and same else set()
    digests = {e.name: e.digest for e in entries}
    hidden = {stable_id(name): digest for name, digest in digests.items()}  # a file is often called after a person
    inputs = {**{k: v for k, v in (old.inputs if old else {}).items() if k not in digests}, **hidden}
    staged = _Staged(source, scratch / name, inputs, len(entries))
    before = place / f"{name}.parquet"
    if old is not None and before.exists() and set(digests.values()) <= known:
        staged.done, staged.own = old, set(old.extra.get("own", ()))
        staged.found = contents(before)
        return staged
    staged.folder.mkdir()
    part = staged.folder / "new.parquet"
    new = [e for e in entries if digests[e.name] not in known]
    _read(source, new, part, staged, config.imports, gone_from(workspace))
    parts = [part]
    if old is not None and before.exists():
        staged.own |= set(old.extra.get("own", ()))
        kept = before if same else _others(before, set(digests), staged.folder / "old.parquet")
        staged.before = contents(kept).rows
        # Newer exports of a platform with ids carry later edits; where the text is the identity the older stands.
        parts = [part, kept] if source.by_time else [kept, part]
    _merge(parts, staged)
    _errors_before(place / f"{name}.errors.jsonl", set(digests), staged)
    return staged


def _section(config: Config) -> dict[str, Any]:
    """The settings that change what is read (who "me" is does not)."""
    return config.imports.model_dump(mode="json", exclude={"me", "also_me"})


def _read(
    source: Source, entries: Sequence[Entry], part: Path, staged: _Staged, section: ImportSection, gone: Gone
) -> None:
    with (staged.folder / f"{source.name}.errors.jsonl").open("w", encoding="utf-8") as errors:
        unit = f"{source.kind.__name__.lower()}s"
        with progress(f"reading {source.title}", unit=unit) as advance:

            def note(item: ParseError | LeftOut) -> None:
                counter = staged.errors if type(item) is ParseError else staged.left_out
                counter[item.reason] += 1
                kind = "error" if type(item) is ParseError else "left out"
                row = {"kind": kind, "file": item.file, "offset": item.offset, "reason": item.reason}
                errors.write(json.dumps(row, ensure_ascii=False) + "\n")

            records = _records(source.read(entries, section), staged, gone, note, advance)
            with _without_collection():
                write_records(part, records, source.kind)
    emit("import.source", source=source.name, files=len(entries), read=staged.read)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Rows hold no cycles: to look for them again and again takes a tenth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _records(
    items: Iterator[Item],
    staged: _Staged,
    gone: Gone,
    note: Callable[[ParseError | LeftOut], None],
    advance: Callable[[int], None],
) -> Iterator[Record]:
    """The records among the items that nobody had forgotten; errors and the rest are counted on the way."""
    told = 0
    forgotten = gone.holds if gone else None
    for item in items:
        if isinstance(item, Owner):
            staged.own.add(item.id)
            continue
        staged.read += 1
        if isinstance(item, (ParseError, LeftOut)):
            note(item)
        elif forgotten is not None and forgotten(item):
            note(LeftOut(source=item.source, file=item.file, offset=item.offset, reason="forgotten"))
        else:
            yield item
        if staged.read - told == 1000:
            advance(1000)
            told = staged.read
    advance(staged.read - told)


def _others(parquet: Path, names: set[str], out: Path) -> Path:
    """What is there, less the files that are read anew because the settings changed."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    with pq.ParquetFile(parquet) as file, pq.ParquetWriter(out, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            table = file.read_row_group(group)
            writer.write_table(table.filter(pc.invert(pc.is_in(table["file"], pa.array(sorted(names), pa.string())))))
    return out


def _merge(parts: list[Path], staged: _Staged) -> None:
    staged.merged = merge(parts, staged.parquet, by_time=staged.source.by_time)
    for part in parts:
        if part.parent == staged.folder:
            part.unlink(missing_ok=True)
    staged.found = contents(staged.parquet)


def _errors_before(path: Path, names: set[str], staged: _Staged) -> None:
    """Errors of earlier imports stay listed, but for files that were read again."""
    if not path.exists():
        return
    new = staged.folder / path.name
    with path.open(encoding="utf-8") as old, new.open("a", encoding="utf-8") as out:
        for line in old:
            if json.loads(line)["file"] not in names:
                out.write(line)


# all sources ------------------------------------------------------------
def _identify(workspace: Workspace, staged: Sequence[_Staged], config: Config, ask: Ask | None) -> People:
    """Everyone, with the owner marked where chats are among the sources."""
    people = workspace.people()
    sightings: list[Sighting] = []
    threads: dict[str, int] = {}
    for s in staged:
        if s.source.kind is Message:
            sightings += s.found.sightings(s.source.name)
            threads[s.source.name] = s.found.written
    own = [(s.source.name, handle) for s in staged for handle in s.own]
    named = [n for n in (config.imports.me, *config.imports.also_me) if n]
    people = people_from(sightings, people)
    while True:
        try:
            return who_is_me(people, sightings, threads, own=own, named=named)
        except PersonUnknown as error:
            answer = ask(error) if ask else ""
            if not answer or answer in named:
                raise
            named.append(answer)


def _commit(workspace: Workspace, s: _Staged, people: People, config: Config) -> SourceReport:
    """Move a source's records into place, manifest last, and report."""
    report = _report(s, people, config)
    if s.done is not None or not s.found.rows:
        return report
    manifest = Manifest(
        stage="import",
        fingerprint=fingerprint("import", s.inputs, _section(config)),
        inputs=s.inputs,
        section=_section(config),
        counts={"records": report.total, "read": report.read, "duplicates": report.duplicates},
        extra={"report": asdict(report), "own": sorted(s.own)},
    )
    with atomic_folder(workspace.records / s.source.name) as folder:
        for file in s.folder.iterdir():
            file.replace(folder / file.name)
        manifest.write(folder)
    return report


def _report(s: _Staged, people: People, config: Config) -> SourceReport:
    me = people.me
    mine = {h.id for h in me.handles if h.source == s.source.name} if me else set()
    if s.source.kind is not Message:
        mine = {config.corpus.author} if config.corpus.author else set()
    own = sum(count for (handle, _), count in s.found.writers.items() if handle in mine)
    if s.done is not None:
        return SourceReport.load({**s.done.extra["report"], "mine": own}, up_to_date=True)
    first, last = s.found.dates
    kept = s.merged.kept - s.before
    return SourceReport(
        source=s.source.name,
        title=s.source.title,
        record=s.source.kind.__name__,
        files=s.files,
        read=s.read,
        kept=kept,
        duplicates=s.read - sum(s.errors.values()) - sum(s.left_out.values()) - kept,
        errors=dict(s.errors.most_common()),
        left_out=dict(s.left_out.most_common()),
        total=s.found.rows,
        chats=len(s.found.threads),
        groups=len(s.found.groups),
        people=len({handle for handle, _ in s.found.writers if handle}),
        mine=own,
        kinds=dict(s.found.kinds.most_common()),
        first=first,
        last=last,
        languages=_languages(s.found.sample, config.corpus.languages),
    )


def _languages(sample: Sequence[str], among: Sequence[str]) -> dict[str, float]:
    """Shares of languages in a sample, told apart among those of the configuration."""
    if not sample or len(among) < 2:
        return {}
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    codes = [getattr(IsoCode639_1, code.upper()) for code in among if hasattr(IsoCode639_1, code.upper())]
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*codes).with_low_accuracy_mode().build()
    found: Counter[str] = Counter()
    for text in sample:
        language = detector.detect_language_of(text)
        found[language.iso_code_639_1.name.lower() if language else "?"] += 1
    return {code: round(n / len(sample), 3) for code, n in found.most_common()}
