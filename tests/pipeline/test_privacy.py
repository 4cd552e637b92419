"""What identifies people stays where it came in: the whole way from an export to pairs, byte by byte."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from gemel.pipeline.build import build_dataset
from gemel.pipeline.imports import import_paths
from gemel.pipeline.remember import remember
from gemel.pipeline.synth import run_job
from gemel.pipeline.synth_export import add_pairs
from gemel.pipeline.synth_job import Job
from gemel.records import stable_id
from gemel.track import Event, listening
from gemel.workspace import Manifest, Workspace
from tests.stub_server import Stub, stub_server

PERSON, SURNAME, PHONE, MAIL = "Zebulon", "Quistgaard", "0170 8877665", "zq77@post.example.org"
CANARIES = (PERSON, SURNAME, PHONE, PHONE.replace(" ", ""), MAIL)
RAW = ("records/whatsapp/whatsapp.parquet", "records/writings/writings.parquet")
"""Where text lies as it was typed; `private/` and the portrait are the owner's alone as well."""
OWNERS = ("private/", "portrait/")


def chat_file(folder: Path) -> None:
    rng = random.Random(1)
    when = datetime(2023, 1, 2, 9, 0)
    lines = []
    for i in range(400):
        when += timedelta(minutes=rng.choice([1, 2, 3, 2000 if i % 10 == 0 else 4]))
        name = f"{PERSON} {SURNAME}" if i % 2 else "Ana"
        more = rng.choice([f"ask {PERSON.lower()}", f"call {PHONE}", f"write to {MAIL}", "see you then", "fine"])
        lines.append(f"[{when:%d.%m.%y, %H:%M:%S}] {name}: this is line {i} of it, {more}")
    (folder / f"WhatsApp Chat with {PERSON} {SURNAME}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")


def essays(folder: Path) -> None:
    for n in range(9):
        said = [f"In part {n} I hold that point {k} of the sea is worth a thought." for k in range(30)]
        said[3] = f"As {PERSON} told me when I rang {PHONE}, the sea in part {n} is never the same."
        (folder / f"essay{n}.md").write_text(f"# Essay {n}\n\n" + " ".join(said) + "\n", encoding="utf-8")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    inbox = tmp_path / "in"
    inbox.mkdir()
    chat_file(inbox)
    essays(inbox)
    made = Workspace(tmp_path / "twin")
    made.prepare()
    made.config_path.write_text('[import]\nme = "Ana"\n[corpus]\nlanguages = ["en"]\n', encoding="utf-8")
    import_paths(made, [inbox], made.config())
    return made


def readable(path: Path) -> str:
    """A file's content, tables uncompressed."""
    if path.suffix == ".parquet":
        table = pq.read_table(path)
        return json.dumps([table.to_pylist(), str(table.schema.metadata)], default=str, ensure_ascii=False)
    return path.read_bytes().decode("utf-8", "replace")


def holders(workspace: Workspace) -> Iterator[str]:
    """Files outside of the owner's own places in which a canary stands."""
    for path in sorted(workspace.root.rglob("*")):
        name = path.relative_to(workspace.root).as_posix()
        if path.is_file() and not name.startswith(OWNERS):
            low = readable(path).lower()
            if any(c.lower() in low for c in CANARIES):
                yield name


def quoting(body: dict[str, Any]) -> str:
    said = body["messages"][-1]["content"]
    text = said.partition(">")[2].partition("</text>")[0]
    sentence = max(text.split(". "), key=lambda s: ("told me" in s, len(s))).strip()
    if "Question to the author" in said:
        return json.dumps({"claims": [{"claim": sentence, "quote": sentence}]})
    return json.dumps({"questions": ["What did somebody tell you about the sea in this part?"]})


def test_nobody_is_named_beyond_the_records_from_import_to_pairs(workspace: Workspace) -> None:
    heard: list[Event] = []
    config = workspace.config()
    with listening(heard.append), stub_server(Stub(answer=quoting)) as stub:
        build_dataset(workspace, config)
        remember(workspace, config)
        place, out = str(workspace.dataset()), str(workspace.synth("qa"))
        job = Job(kind="qa", output=out, input=place, teachers=(stub.address,), settings={"model": "m"})
        run_job(job)
        add_pairs(workspace, config, workspace.synth("qa"))
        sent = json.dumps(stub.bodies, ensure_ascii=False)
    assert "told me when I rang [phone-1]" in sent
    assert not any(c.lower() in sent.lower() for c in CANARIES)
    assert not any(c in repr(heard) for c in CANARIES)
    assert set(holders(workspace)) == set(RAW)


def test_manifests_name_no_chat_file_and_old_ones_are_read_and_mended(workspace: Workspace, tmp_path: Path) -> None:
    path = workspace.records / "whatsapp" / "manifest.json"
    name = f"in/WhatsApp Chat with {PERSON} {SURNAME}.txt"
    raw = json.loads(path.read_text(encoding="utf-8"))
    assert list(raw["inputs"]) == [stable_id(name)]
    assert PERSON not in path.read_text(encoding="utf-8")
    # as it was written before names were hidden
    path.write_text(json.dumps({**raw, "inputs": {name: raw["inputs"][stable_id(name)]}}), encoding="utf-8")
    again = import_paths(workspace, [tmp_path / "in"], workspace.config())
    assert all(s.up_to_date for s in again.sources)
    with (tmp_path / name).open("a", encoding="utf-8") as file:
        file.write("[02.02.24, 09:00:00] Ana: one more\n")
    newer = import_paths(workspace, [tmp_path / "in"], workspace.config())
    assert sum(s.kept for s in newer.sources if not s.up_to_date) == 1
    mended = Manifest.read(path.parent)
    assert mended is not None
    assert list(mended.inputs) == [stable_id(name)]
