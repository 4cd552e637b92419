"""`gemel build`: records → scrubbed examples in `dataset/<name>/`, with a report that opens in a browser.

The folder appears whole or not at all: it is written beside its place and moved into it, the manifest last. The same
records, people and settings give the same fingerprint, and then nothing is done again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path

import pyarrow.parquet as pq

from gemel.config import Config
from gemel.corpus.dataset import IMPOSTOR, BuildResult, build
from gemel.corpus.page import Section, bars, figure, number, page, paragraph, table, tiles
from gemel.corpus.turns import LEARNED, LEFT_OUT, OWN
from gemel.errors import MissingStage, TooLittle
from gemel.examples import SPLITS, Example, ExampleWriter
from gemel.pipeline.corrections import corrections, edits_hash
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.records import Record, read_records, stable_id
from gemel.track import emit, watch
from gemel.workspace import Manifest, Workspace, atomic_folder, fingerprint, hash_file

__all__ = ["RecordFiles", "build_dataset", "inputs_of"]


class RecordFiles:
    """The records of a workspace, file by file; can be iterated again and again."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)

    def __iter__(self) -> Iterator[Record]:
        for file in self.files:
            yield from read_records(file)

    def __len__(self) -> int:
        total = 0
        for path in self.files:
            with pq.ParquetFile(path) as file:
                total += file.metadata.num_rows
        return total


def inputs_of(workspace: Workspace) -> dict[str, str]:
    """What a stage that reads records depends on: each source's fingerprint, and who is who.

    Raises:
        MissingStage: when nothing was imported.
    """
    files = workspace.record_files()
    if not files:
        raise MissingStage("nothing was imported yet", hint="Run `gemel import PATH…` first.")
    inputs = {f.parent.name: workspace.need(f.parent, f.parent.name, "gemel import").fingerprint for f in files}
    if workspace.people_path.exists():
        inputs["people"] = hash_file(workspace.people_path)
    return inputs


def build_dataset(workspace: Workspace, config: Config, name: str = "main") -> Manifest:
    """Make the data set `name`, unless it is there and up to date.

    Raises:
        MissingStage: when nothing was imported.
        PersonUnknown: when it is not known which messages are the person's.
        TooLittle: when nothing of the person's own can be learned.
    """
    inputs_of(workspace)  # a folder where nothing was imported stays as it is
    with workspace.lock("build"), closing(Vault(workspace.vault_path)) as vault:
        inputs = {**inputs_of(workspace), "forgotten": _forgotten(vault)}
        if edits := edits_hash(workspace):
            inputs["corrections"] = edits
        wanted = fingerprint("build", inputs, config.corpus, config.privacy)
        return workspace.fresh(workspace.dataset(name), wanted) or _make(workspace, config, name, vault, inputs, wanted)


def _make(
    workspace: Workspace, config: Config, name: str, vault: Vault, inputs: dict[str, str], wanted: str
) -> Manifest:
    people = workspace.people()
    with atomic_folder(workspace.dataset(name)) as folder:
        scrubber = Scrubber(vault, people, config.privacy)
        result = build(_Watched(workspace), people, config.corpus, scrubber)
        result.made = chain(result.made, _corrected(workspace, result, scrubber))
        _write(folder, result)
        if not result.counts["train"]:
            raise TooLittle(
                "there are no words of yours to learn from",
                hint="Import more, or look at `gemel doctor` to see what was read and who is taken to be you.",
            )
        manifest = _manifest(wanted, inputs, config, result)
        (folder / "report.html").write_text(_report(name, manifest), encoding="utf-8")
        manifest.write(folder)
    emit("build.done", **{split: result.counts[split] for split in SPLITS})
    return workspace.need(workspace.dataset(name), f"the data set '{name}'", "gemel build")


def _corrected(workspace: Workspace, result: BuildResult, scrubber: Scrubber) -> Iterator[tuple[str, Example]]:
    """Answers that the owner corrected: to learn from, never to measure by."""
    for example in corrections(workspace, scrubber, me=result.me):
        result.counts["train"] += 1
        result.counts["train learned turns"] += 1
        result.counts["corrections"] += 1
        yield "train", example


def _forgotten(vault: Vault) -> str:
    """A hash of what must not be used any more."""
    return stable_id(*(sorted(vault.forgotten(what)) for what in ("message", "thread", "source")))


class _Watched:
    """Records of a workspace with progress shown: once while planning, once while writing."""

    def __init__(self, workspace: Workspace) -> None:
        self.files = RecordFiles(workspace.record_files())
        self.names = iter(("plan", "write"))

    def __iter__(self) -> Iterator[Record]:
        return watch(iter(self.files), next(self.names, "read"), total=len(self.files), unit="records")


def _write(folder: Path, result: BuildResult) -> None:
    with ExitStack() as stack:
        writers = {s: stack.enter_context(ExampleWriter(folder / f"{s}.parquet")) for s in SPLITS}
        for place, example in result.made:
            if place not in writers:
                writers[place] = stack.enter_context(ExampleWriter(folder / f"{place}.parquet"))
            writers[place].add(example)


def _manifest(wanted: str, inputs: dict[str, str], config: Config, result: BuildResult) -> Manifest:
    plan = result.plan
    embargoes = {k: [round(s / 3600, 2) for s in v] for k, v in plan.embargoes.items()}
    thresholds = sorted(t.threshold / 60 for t in plan.threads.values())
    extra = {
        "me": result.me,
        "people": dict(sorted(result.people.items())),
        "embargo_hours": embargoes,
        "gap_minutes": [round(thresholds[i * (len(thresholds) - 1) // 2], 1) for i in range(3)] if thresholds else [],
    }
    section = {"corpus": config.corpus.model_dump(mode="json"), "privacy": config.privacy.model_dump(mode="json")}
    counts = {k: result.counts[k] for k in (*SPLITS, *sorted(result.counts)) if k in SPLITS or result.counts[k]}
    return Manifest(stage="build", fingerprint=wanted, inputs=inputs, section=section, counts=counts, extra=extra)


def _report(name: str, manifest: Manifest) -> str:
    counts, extra = manifest.counts, manifest.extra
    rows = [
        (split, counts.get(f"{split} units", 0), counts.get(split, 0), counts.get(f"{split} learned turns", 0))
        for split in (*SPLITS, IMPOSTOR)
        if counts.get(split)
    ]
    left = sorted(
        ((k.removeprefix(LEFT_OUT), float(v)) for k, v in counts.items() if k.startswith(LEFT_OUT)), key=_size
    )
    other = [(k, v) for k, v in counts.items() if "left out" in k and not k.startswith(LEFT_OUT)]
    body = [
        tiles(
            [
                ("your messages", number(counts.get(OWN, 0))),
                ("of them learned", number(counts.get(LEARNED, 0))),
                ("your documents", number(counts.get("own documents", 0))),
                ("profiles", number(counts.get("profiles", 0))),
            ]
        ),
        table(["split", "units", "examples", "learned turns"], rows),
    ]
    kept = [figure(bars(left), "Your messages that are not learned from, by reason")] if left else []
    kept += [table(["others", "records"], other)] if other else []
    hours = ", ".join(f"{kind}: {v[0]:g} h and {v[1]:g} h" for kind, v in extra["embargo_hours"].items())
    how = [paragraph(f"Time left out before validation and before test: {hours}.")] if hours else []
    if gaps := extra["gap_minutes"]:
        how.append(
            paragraph(
                f"A conversation ends after a silence of {gaps[1]:g} minutes in the middle thread "
                f"(from {gaps[0]:g} to {gaps[2]:g}), as the gaps of each thread tell."
            )
        )
    return page(
        f"Data set {name}",
        [
            Section(
                "What is learned from",
                body,
                "Units are conversations, documents and profiles; no unit is in two splits.",
            ),
            Section("What is left out", kept or [paragraph("Nothing.")]),
            Section("How it was cut", how or [paragraph("By a stable hash: nothing here has a time.")]),
        ],
        lead="Counts of what became examples, and of what did not, with the reason. No message is shown here.",
        foot=f"gemel {manifest.version}, fingerprint {manifest.fingerprint}",
    )


def _size(row: tuple[str, float]) -> tuple[float, str]:
    return -row[1], row[0]
