"""A twin goes out and comes back the same; nothing that could run, point outside or was changed comes in."""

from __future__ import annotations

import json
import pickle
import shutil
import stat
import zipfile
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner

from gemel.cli.export import command as export_command
from gemel.cli.load import command as load_command
from gemel.config import Config, TraitsSection
from gemel.errors import (
    ConfigError,
    DamagedCheckpoint,
    DamagedExport,
    GemelError,
    MissingModel,
    Refused,
    UnsafeArchive,
)
from gemel.examples import Role, Turn
from gemel.feedback import Feedback, Said
from gemel.model.base import load_base, load_run, save_base_file
from gemel.model.likelihood import LocalScorer
from gemel.model.lora import AdapterSpec, inject, save_adapter
from gemel.model.splice import wrap
from gemel.model.twin import load_twin
from gemel.pipeline.merged import export_merged
from gemel.pipeline.parcel import CHECKSUMS, sha256
from gemel.pipeline.portable import export_twin, load_portable
from gemel.pipeline.seal import WEIGHTS, weights_of
from gemel.privacy.unservable import mark_unservable
from gemel.workspace import Manifest, Workspace
from tests.twins import FACTS, twin_config, twin_workspace

PAIRS = [
    ((Turn(role=Role.other, parts=(asked,), name="Mara"),), Turn(role=Role.me, parts=said, name="Tom"))
    for asked, said in FACTS.items()
]


def nats(workspace: Workspace, config: Config) -> list[tuple[float, ...]]:
    """What the current voice gives to the same replies."""
    run = workspace.current()
    assert run is not None
    return [one.nats for one in LocalScorer(load_run(workspace.run(run), config.model)).likelihoods(PAIRS)]


def adapted(root: Path, *, splice: bool = False) -> Workspace:
    """A workspace whose voice is an adapter on the tiny base, with a splice if wanted."""
    workspace = twin_workspace(root, run=False)
    base = load_base(twin_config(root).model)
    folder = workspace.run("r2")
    folder.mkdir(parents=True)
    torch.manual_seed(3)
    inject(base.model, AdapterSpec(rank=2, alpha=4))
    if splice:
        wrap(base.model, 3, TraitsSection())
    with torch.no_grad():
        for parameter in base.model.parameters():
            if parameter.requires_grad:
                parameter += 0.2 * torch.randn_like(parameter)
    save_adapter(base.model, folder / "adapter", base="tiny")
    if splice:
        base.model.splice.save(folder / "splice.safetensors")
    save_base_file(folder, base, "")
    sealed(folder)
    workspace.promote("r2")
    return workspace


def sealed(folder: Path, **extra: object) -> None:
    Manifest(stage="train", fingerprint="t", extra={"me": "Tom", WEIGHTS: weights_of(folder), **extra}).write(folder)


@pytest.mark.parametrize("form", ["twin.gemel", "folder"])
@pytest.mark.parametrize("kind", ["weights", "adapter", "splice"])
def test_a_voice_comes_back_with_equal_log_probabilities(tmp_path: Path, kind: str, form: str) -> None:
    here = twin_workspace(tmp_path) if kind == "weights" else adapted(tmp_path, splice=kind == "splice")
    config = twin_config(tmp_path)
    made = export_twin(here, config, tmp_path / form)
    there = Workspace(tmp_path / "there")
    base = None if kind == "weights" else tmp_path / "base"
    loaded = load_portable(tmp_path / form, there, base=base, expected=made.id)
    assert loaded.id == made.id
    assert loaded.about == made.about
    assert nats(there, there.config()) == nats(here, config)


def test_with_memory_it_remembers_and_without_it_does_not(tmp_path: Path) -> None:
    here, config = twin_workspace(tmp_path), twin_config(tmp_path)
    for memory in (True, False):
        made = export_twin(here, config, tmp_path / f"{memory}.gemel", memory=memory, name="Thomas")
        assert any("others' words" in w for w in made.warnings) == memory
        there = Workspace(tmp_path / str(memory))
        load_portable(tmp_path / f"{memory}.gemel", there)
        with closing(load_twin(there, there.config())) as twin:
            assert twin.disclosure == "AI imitation of Thomas"
            assert twin.me == "Tom"
            assert twin.card.chat is not None
            assert bool(twin.memory.find("what is the dog called?").citations) == memory
            assert twin.reply(PAIRS[0][0]).parts


def test_nothing_private_goes_along(tmp_path: Path) -> None:
    here, config = adapted(tmp_path), twin_config(tmp_path)
    with closing(Feedback(here.feedback_path)) as store:
        talk = store.begin("x")
        store.edit(store.add(talk, Said(role="me", parts=("a private talk",))), ("another",))
        store.add_rule("Never before nine.")
    export_twin(here, config, tmp_path / "out")
    files = {p.relative_to(tmp_path / "out").as_posix(): p.read_bytes() for p in (tmp_path / "out").rglob("*.*")}
    assert {Path(name).suffix for name in files} == {".json", ".safetensors"}
    together = b"".join(files.values())
    for private in (b"Thomas", b"cello", b"Bruno", str(tmp_path).encode()):
        assert private not in together
    there = Workspace(tmp_path / "there")
    load_portable(tmp_path / "out", there, base=tmp_path / "base")
    with closing(Feedback(there.feedback_path)) as store:
        assert [rule.text for rule in store.rules()] == ["Never before nine."]
        assert [edit.better for edit in store.edits()] == [("another",)]


def test_the_same_twin_gives_the_same_bytes(tmp_path: Path) -> None:
    here, config = adapted(tmp_path), twin_config(tmp_path)
    names = [tmp_path / "a.gemel", tmp_path / "b.gemel"]
    for name in names:
        export_twin(here, config, name)
    assert sha256(names[0]) == sha256(names[1])


def audited(workspace: Workspace, audit: dict[str, object] | None) -> None:
    folder = workspace.run("r2")
    manifest = Manifest.read(folder)
    assert manifest is not None
    extra = {**manifest.extra, **({"audit": audit} if audit else {})}
    Manifest(**{**asdict(manifest), "extra": extra}).write(folder)


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        (None, "no audit was made"),
        ({"passed": False, "failures": ["exposure"]}, "its audit failed (exposure)"),
        ({"passed": True, "failures": []}, ""),
    ],
)
def test_both_sides_are_told_how_the_audit_went(tmp_path: Path, audit: dict[str, object] | None, said: str) -> None:
    here = adapted(tmp_path)
    (here.root / "gemel.toml").write_text('[model]\nembedder = "hash"\ncontext = 512\n', encoding="utf-8")
    audited(here, audit)
    run = CliRunner()
    out = run.invoke(export_command, ["twin", str(tmp_path / "t.gemel"), "--twin", str(here.root)])
    assert out.exit_code == 0, out.output
    assert (said in out.output) if said else ("audit" not in out.output)
    arguments = [str(tmp_path / "t.gemel"), "--twin", str(tmp_path / "there"), "--base", str(tmp_path / "base")]
    back = run.invoke(load_command, arguments)
    assert back.exit_code == 0, back.output
    assert (said in back.output) if said else ("audit" not in back.output)


# what must not come in --------------------------------------------------------------
Change = Callable[[Path], None]


def add(name: str, data: bytes, *, summed: bool = False) -> Change:
    """A file more, or another; with its checksum if wanted."""

    def change(folder: Path) -> None:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
        if summed:
            sums = json.loads((folder / CHECKSUMS).read_text(encoding="utf-8"))
            sums["sha256"][name] = sha256(folder / name)
            (folder / CHECKSUMS).write_text(json.dumps(sums), encoding="utf-8")

    return change


def flip(folder: Path) -> None:
    """One bit of the weights."""
    file = folder / "voice" / "adapter" / "adapter_model.safetensors"
    data = bytearray(file.read_bytes())
    data[-3] ^= 1
    file.write_bytes(bytes(data))


def lose(folder: Path) -> None:
    (folder / "card.json").unlink()


def link(folder: Path) -> None:
    (folder / "twin.json").rename(folder.parent / "elsewhere.json")
    (folder / "twin.json").symlink_to(folder.parent / "elsewhere.json")


def rebased(base: str) -> Change:
    def change(folder: Path) -> None:
        row = json.loads((folder / "twin.json").read_text(encoding="utf-8"))
        add("twin.json", json.dumps({**row, "base": base}).encode(), summed=True)(folder)

    return change


PICKLE = pickle.dumps({"a": 1})
CHANGES: dict[str, tuple[Change, type[GemelError]]] = {
    "one bit of the weights": (flip, DamagedExport),
    "a file is missing": (lose, DamagedExport),
    "a file more": (add("more.json", b"{}"), DamagedExport),
    "a pickle": (add("voice/adapter/pytorch_model.bin", PICKLE, summed=True), UnsafeArchive),
    "a pickle named safetensors": (add("voice/adapter/adapter_model.safetensors", PICKLE, summed=True), UnsafeArchive),
    "a pickle named json": (add("voice/traits.json", PICKLE, summed=True), UnsafeArchive),
    "a pickle named parquet": (add("memory/train.parquet", PICKLE, summed=True), UnsafeArchive),
    "code": (add("voice/model/modeling.py", b"import os", summed=True), UnsafeArchive),
    "a hidden file": (add(".ssh/authorized.json", b"{}", summed=True), UnsafeArchive),
    "a device's name": (add("voice/nul.json", b"{}", summed=True), UnsafeArchive),
    "a link": (link, UnsafeArchive),
    "no JSON": (add("card.json", b"{", summed=True), UnsafeArchive),
    "deep JSON": (add("card.json", b"[" * 200_000, summed=True), UnsafeArchive),
    "another card": (add("card.json", b"{}", summed=True), DamagedCheckpoint),
    "a path as base": (rebased("/etc"), DamagedExport),
    "a path out as base": (rebased("../../base"), DamagedExport),
    "weights of another training": (
        add("voice/adapter/adapter_config.json", b'{"r": 1}', summed=True),
        DamagedCheckpoint,
    ),
}


@pytest.fixture(name="parcel", scope="module")
def _parcel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("parcel")
    export_twin(adapted(root), twin_config(root), root / "parcel")
    return root


@pytest.mark.parametrize("how", CHANGES)
def test_what_was_changed_is_refused_and_nothing_is_left_behind(parcel: Path, tmp_path: Path, how: str) -> None:
    change, error = CHANGES[how]
    bad = tmp_path / "bad"
    shutil.copytree(parcel / "parcel", bad)
    change(bad)
    there = Workspace(tmp_path / "there")
    with pytest.raises(error):
        load_portable(bad, there, base=parcel / "base")
    assert not there.current_path.exists()
    assert not there.runs.exists() or not [p for p in there.runs.iterdir() if not p.name.startswith(".")]


def zipped(path: Path, members: Sequence[tuple[zipfile.ZipInfo, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for info, data in members:
            archive.writestr(info, data)
    return path


def linked() -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("twin.json")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    return info


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize(
    "members",
    [
        [(zipfile.ZipInfo("../twin.json"), b"{}")],
        [(zipfile.ZipInfo("/tmp/twin.json"), b"{}")],
        [(zipfile.ZipInfo("C:/twin.json"), b"{}")],
        [(zipfile.ZipInfo("a\\..\\twin.json"), b"{}")],
        [(zipfile.ZipInfo("voice/../../twin.json"), b"{}")],
        [(linked(), b"/etc/passwd")],
        [(zipfile.ZipInfo("twin.json"), b"{}"), (zipfile.ZipInfo("TWIN.json"), b"{}")],
    ],
    ids=["up", "absolute", "drive", "backslash", "inside out", "link", "twice"],
)
def test_an_archive_that_points_elsewhere_is_refused(
    tmp_path: Path, members: list[tuple[zipfile.ZipInfo, bytes]]
) -> None:
    (tmp_path / "x").mkdir()
    bad = zipped(tmp_path / "x" / "bad.gemel", members)
    with pytest.raises(UnsafeArchive):
        load_portable(bad, Workspace(tmp_path / "there"))
    assert {p.name for p in tmp_path.iterdir()} <= {"x", "there"}


def test_a_cut_archive_and_other_files_are_refused(parcel: Path, tmp_path: Path) -> None:
    good = tmp_path / "good.gemel"
    export_twin(Workspace(parcel / "twin"), twin_config(parcel), good)
    cut = tmp_path / "cut.gemel"
    cut.write_bytes(good.read_bytes()[:-2000])
    for source in (cut, Path(__file__)):
        with pytest.raises(DamagedExport):
            load_portable(source, Workspace(tmp_path / "there"))
    with pytest.raises(MissingModel):
        load_portable(tmp_path / "nowhere.gemel", Workspace(tmp_path / "there"))


def test_refusals_that_are_about_places(parcel: Path, tmp_path: Path) -> None:
    there = Workspace(tmp_path / "there")
    with pytest.raises(Refused):
        load_portable(parcel / "parcel", there, base=parcel / "base", expected="0123456789")
    with pytest.raises(MissingModel, match="stands on the base 'base'"):
        load_portable(parcel / "parcel", there)
    other = twin_workspace(tmp_path / "other").run("r1") / "model"
    weights = next(other.glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes() + b" ")
    with pytest.raises(MissingModel, match="is not the 'base'"):
        load_portable(parcel / "parcel", there, base=other)
    load_portable(parcel / "parcel", there, base=parcel / "base")
    with pytest.raises(ConfigError, match="holds a twin already"):
        load_portable(parcel / "parcel", there, base=parcel / "base")
    (tmp_path / "notes").mkdir()
    with pytest.raises(ConfigError, match="no exported twin"):
        export_twin(Workspace(parcel / "twin"), twin_config(parcel), tmp_path / "notes")


def test_a_voice_that_must_not_speak_does_not_travel(tmp_path: Path) -> None:
    here = adapted(tmp_path)
    mark_unservable(here.run("r2"), "forgotten")
    with pytest.raises(Refused):
        export_twin(here, twin_config(tmp_path), tmp_path / "t.gemel")
    assert not (tmp_path / "t.gemel").exists()


# other forms ------------------------------------------------------------------------
@pytest.mark.parametrize(("dtype", "gap"), [("fp32", 1e-4), ("bf16", 0.15), ("fp16", 0.02)])
def test_a_merged_model_agrees_with_the_voice(tmp_path: Path, dtype: str, gap: float) -> None:
    here, config = adapted(tmp_path), twin_config(tmp_path)
    export_merged(here, config, tmp_path / "merged", dtype=dtype)
    assert {p.suffix for p in (tmp_path / "merged").iterdir()} <= {".json", ".safetensors", ".jinja"}
    own = config.model.model_copy(update={"base": str(tmp_path / "merged"), "precision": "fp32"})
    merged = [one.nats for one in LocalScorer(load_base(own)).likelihoods(PAIRS)]
    gaps = [abs(a - b) for x, y in zip(merged, nats(here, config)) for a, b in zip(x, y, strict=True)]
    assert max(gaps) < gap
    with pytest.raises(ConfigError, match="not empty"):
        export_merged(here, config, tmp_path / "merged")


def test_a_merged_model_says_that_traits_stay_behind(tmp_path: Path) -> None:
    made = export_merged(adapted(tmp_path, splice=True), twin_config(tmp_path), tmp_path / "merged")
    assert any("traits" in warning for warning in made.warnings)


@pytest.mark.parametrize("spec", ["v2", "v3"])
def test_a_character_card_has_every_field_and_no_examples_unless_asked(tmp_path: Path, spec: str) -> None:
    here = twin_workspace(tmp_path, run=False)
    (here.root / "gemel.toml").write_text('[model]\nembedder = "hash"\n', encoding="utf-8")
    run = CliRunner()
    for examples in (0, 2):
        target = tmp_path / f"{examples}.json"
        arguments = [str(target), "--spec", spec, "--examples", str(examples), "--twin", str(here.root)]
        done = run.invoke(export_command, ["character", *arguments])
        assert done.exit_code == 0, done.output
        card = json.loads(target.read_text(encoding="utf-8"))
        assert (card["spec"], card["spec_version"]) == (f"chara_card_{spec}", {"v2": "2.0", "v3": "3.0"}[spec])
        assert card["data"]["name"] == "Tom"
        assert "Thomas" not in target.read_text(encoding="utf-8")
        assert card["data"]["mes_example"].count("<START>") == examples
        wanted = {
            "description", "personality", "scenario", "first_mes", "mes_example", "creator_notes", "system_prompt",
            "post_history_instructions", "alternate_greetings", "tags", "creator", "character_version", "extensions",
        }  # fmt: skip
        assert wanted <= set(card["data"])
        assert ("group_only_greetings" in card["data"]) == (spec == "v3")
    assert "{{user}}: which instrument" in card["data"]["mes_example"]
    shown = run.invoke(export_command, ["prompt", "--twin", str(here.root)])
    assert shown.output.strip() == card["data"]["system_prompt"]


def test_a_card_alone_travels_too(tmp_path: Path) -> None:
    here, config = twin_workspace(tmp_path, run=False), twin_config(tmp_path)
    made = export_twin(here, replace_base(config), tmp_path / "card.gemel")
    assert made.about.run is None
    assert made.warnings == ()
    there = Workspace(tmp_path / "there")
    load_portable(tmp_path / "card.gemel", there)
    assert there.current() is None
    assert there.config().model.base == "seedling"


def replace_base(config: Config) -> Config:
    return config.model_copy(update={"model": config.model.model_copy(update={"base": "seedling"})})
