from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner
from corpus.chats import PEOPLE, START, chat

from gemel.cli.build import command
from gemel.config import parse
from gemel.corpus.turns import LEARNED, LEFT_OUT, OWN
from gemel.errors import ConfigError, GemelError, MissingStage, TooLittle
from gemel.examples import SPLITS, read_examples
from gemel.pipeline.build import build_dataset
from gemel.pipeline.export import export_dataset
from gemel.records import Message, write_records
from gemel.workspace import Manifest, Workspace

CANARY = "xylophone-canary"
CONFIG = {"corpus": {"languages": ["en"]}, "privacy": {"mode": "off"}}


def messages(days: int = 30) -> list[Message]:
    lines = [("bob", "Did you see it?"), ("ada", f"yes {CANARY}"), ("ada", "twice"), ("dan", "psst"), ("ada", "ok")]
    return [
        m for d in range(days) for m in chat(lines, thread=f"t{d}", start=START + timedelta(days=2 * d), group=True)
    ]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "twin")
    made.save_people(PEOPLE)
    folder = made.records / "chat"
    folder.mkdir(parents=True)
    write_records(folder / "chat.parquet", messages(), Message)
    Manifest(stage="import", fingerprint="one").write(folder)
    return made


def test_a_data_set_is_written_with_counts_that_add_up(workspace: Workspace):
    manifest = build_dataset(workspace, parse(CONFIG))
    folder = workspace.dataset()
    for split in SPLITS:
        examples = list(read_examples(folder / f"{split}.parquet"))
        assert len(examples) == manifest.counts[split]
        assert {e.split for e in examples} <= {split}
    counts = manifest.counts
    assert counts[OWN] == 90 == counts[LEARNED] + sum(v for k, v in counts.items() if k.startswith(LEFT_OUT))
    assert manifest.extra["me"] == "Ada"
    assert manifest.extra["people"] == {"Ada": "me", "Bob": "bob"}
    assert "Dan" not in "".join(str(e) for e in read_examples(folder / "train.parquet"))


def test_no_text_reaches_the_manifest_or_the_report(workspace: Workspace):
    build_dataset(workspace, parse(CONFIG))
    for name in ("manifest.json", "report.html"):
        assert CANARY not in (workspace.dataset() / name).read_text(encoding="utf-8")


def test_the_same_inputs_are_not_built_twice_and_other_settings_are(workspace: Workspace):
    first = build_dataset(workspace, parse(CONFIG))
    assert build_dataset(workspace, parse(CONFIG)) == first
    second = build_dataset(
        workspace, parse({**CONFIG, "corpus": {"languages": ["en"], "forms": ["sessions", "windows"]}})
    )
    assert second.fingerprint != first.fingerprint
    assert second.counts["train"] > first.counts["train"]


def test_building_again_gives_the_same_files(workspace: Workspace):
    build_dataset(workspace, parse(CONFIG))
    before = {s: list(read_examples(workspace.dataset() / f"{s}.parquet")) for s in SPLITS}
    (workspace.dataset() / "manifest.json").unlink()
    build_dataset(workspace, parse(CONFIG))
    assert {s: list(read_examples(workspace.dataset() / f"{s}.parquet")) for s in SPLITS} == before


def test_a_build_that_dies_leaves_the_old_data_set(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    first = build_dataset(workspace, parse(CONFIG))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("gemel.pipeline.build._manifest", die)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(workspace, parse({**CONFIG, "corpus": {"forms": ["windows"]}}))
    assert Manifest.read(workspace.dataset()) == first
    assert [p.name for p in workspace.dataset().parent.iterdir()] == ["main"]


def test_nothing_imported_and_nothing_to_learn_are_said(tmp_path: Path, workspace: Workspace):
    with pytest.raises(MissingStage, match="import"):
        build_dataset(Workspace(tmp_path / "empty"), parse(CONFIG))
    assert not (tmp_path / "empty").exists()
    write_records(workspace.records / "chat" / "chat.parquet", chat([("bob", "hi")]), Message)
    Manifest(stage="import", fingerprint="two").write(workspace.records / "chat")
    with pytest.raises(TooLittle):
        build_dataset(workspace, parse(CONFIG))
    assert not workspace.dataset().exists()


def test_the_command_tells_what_came_out(workspace: Workspace):
    (workspace.config_path).write_text("[privacy]\nmode = 'off'\n", encoding="utf-8")
    result = CliRunner().invoke(command, ["--twin", str(workspace.root), "--impostor", "Bob"])
    assert result.exit_code == 0, result.output
    assert "impostor" in result.output
    assert "report.html" in result.output
    result = CliRunner().invoke(command, ["--twin", str(workspace.root), "--impostor", "Zed"])
    assert isinstance(result.exception, GemelError)


def test_export_as_messages_and_plain_text(workspace: Workspace, tmp_path: Path):
    manifest = build_dataset(workspace, parse(CONFIG))
    counts = export_dataset(workspace, tmp_path / "out")
    assert counts == {s: manifest.counts[s] for s in SPLITS if manifest.counts[s]}
    rows = [json.loads(r) for r in (tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows[0]["messages"][:2] == [
        {"role": "user", "content": "Bob: Did you see it?", "learn": False},
        {"role": "assistant", "content": f"yes {CANARY}\ntwice", "learn": True},
    ]
    assert not (tmp_path / "out" / "contacts.jsonl").exists()
    export_dataset(workspace, tmp_path / "out", form="plain")
    row = json.loads((tmp_path / "out" / "train.jsonl").read_text(encoding="utf-8").splitlines()[0])
    assert row["text"] == f"Bob: Did you see it?\nAda: yes {CANARY}\nAda: twice"


def test_export_as_a_dataset_dict(workspace: Workspace, tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    manifest = build_dataset(workspace, parse(CONFIG))
    for form in ("messages", "gemel"):
        export_dataset(workspace, tmp_path / form, form=form, hf=True)
        loaded = datasets.load_from_disk(str(tmp_path / form))
        assert {s: len(rows) for s, rows in loaded.items()} == {
            s: manifest.counts[s] for s in SPLITS if manifest.counts[s]
        }


def test_export_refuses_the_data_set_s_own_folder(workspace: Workspace):
    build_dataset(workspace, parse(CONFIG))
    with pytest.raises(ConfigError):
        export_dataset(workspace, workspace.dataset())
