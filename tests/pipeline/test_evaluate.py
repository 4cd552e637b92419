"""A voice of a tiny base is trained and measured; the same command again does nothing; an audit runs through."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from made_people import chat, shuffled
from stub_server import Stub, stub_server
from tiny import tiny_folder

from gemel.cli import root
from gemel.config import parse
from gemel.errors import MissingStage, Refused
from gemel.examples import Example, Role, Turn, write_examples
from gemel.pipeline.audit import audit_run
from gemel.pipeline.evaluate import compare_runs, evaluate_run, read_scores
from gemel.pipeline.train import train_voice
from gemel.sinks import read_events
from gemel.workspace import Manifest, Workspace

WORDS = ["tea", "rain", "boat", "lamp", "green", "slow", "river", "seven"]


def session(number: int, split: str) -> Example:
    turns = tuple(
        Turn(
            role=Role.me if i % 2 else Role.other,
            parts=(" ".join(WORDS[(number * 7 + i * k) % 8] for k in (1, 2, 3)),),
            name="Anna" if i % 2 else "Tom",
            learn=bool(i % 2),
        )
        for i in range(8)
    )
    return Example(id=f"e{number}", kind="chat", turns=turns, session=f"s{number}", recipients=("Tom",), split=split)


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    root_ = tmp_path_factory.mktemp("twin")
    tiny_folder(root_ / "base")
    found = Workspace(root_ / "twin")
    found.prepare()
    (found.root / "gemel.toml").write_text(
        f"""scale = "tiny"
[model]
base = {json.dumps(str(root_ / "base"))}
embedder = "hash"
context = 256
[train]
max_steps = 3
max_minutes = 0
evaluate_every = 3
[evaluate]
replies = 40
bootstrap = 200
metrics = ["length", "trigrams", "c2st", "echo"]
""",
        encoding="utf-8",
    )
    data = found.dataset()
    data.mkdir(parents=True)
    for split, numbers in (("train", range(40)), ("valid", range(40, 46)), ("test", range(50, 60))):
        write_examples(data / f"{split}.parquet", [session(n, split) for n in numbers])
    Manifest(stage="build", fingerprint="data", extra={"me": "Anna"}).write(data)
    return found


def test_without_a_voice_there_is_nothing_to_measure(tmp_path: Path) -> None:
    with pytest.raises(MissingStage, match="voice"):
        evaluate_run(Workspace(tmp_path), parse({}))


def test_a_voice_is_measured_once_and_told_on_the_command_line(workspace: Workspace) -> None:
    config = workspace.config()
    run = str(train_voice(workspace, config).extra["run"])
    manifest = evaluate_run(workspace, config)
    folder = workspace.eval(run)
    assert {p.name for p in folder.iterdir()} >= {"scores.json", "report.html", "report.md", "replies.jsonl"}
    verdict, scores = read_scores(folder)
    assert manifest.extra["verdict"] == verdict.sentence
    systems = {s.system for s in scores}
    assert {"base", "prompted", "voice", "impostor", "self"} <= systems
    assert any(s.metric == "identity_gain" for s in scores)
    told = {(e["system"], e["metric"]): e["value"] for e in read_events(folder / "events.jsonl")}
    assert told == {(s.system, s.metric): s.value for s in scores if s.group == "all" and s.value is not None}
    before = (folder / "scores.json").stat().st_mtime_ns
    assert evaluate_run(workspace, config).fingerprint == manifest.fingerprint
    assert (folder / "scores.json").stat().st_mtime_ns == before
    shown = CliRunner().invoke(root, ["evaluate", "--twin", str(workspace.root)])
    assert shown.exit_code == 0, shown.output
    assert verdict.sentence in shown.output
    assert compare_runs(workspace, [run, run]).exists()


def test_the_audit_trains_a_shadow_and_marks_the_voice(workspace: Workspace) -> None:
    config = workspace.config()
    run = str(train_voice(workspace, config).extra["run"])
    found = audit_run(workspace, config, count=16)
    assert found.canaries == 16
    assert found.epsilon == 0.0  # three steps learn nobody's secret
    manifest = Manifest.read(workspace.run(run))
    assert manifest is not None
    assert manifest.extra["audit"]["passed"] is found.passed
    assert workspace.current() == run
    text = (workspace.eval(run) / "audit.json").read_text(encoding="utf-8")
    assert "the code of" not in text


def test_a_twin_behind_a_server_is_measured_by_its_replies_alone(tmp_path: Path) -> None:
    found = Workspace(tmp_path / "twin")
    found.prepare()
    data = found.dataset()
    data.mkdir(parents=True)
    for split, numbers in (("train", range(40)), ("valid", range(40, 46)), ("test", range(50, 60))):
        write_examples(data / f"{split}.parquet", [session(n, split) for n in numbers])
    Manifest(stage="build", fingerprint="data", extra={"me": "Anna"}).write(data)
    with stub_server(Stub(answer=lambda body: "tea rain boat")) as stub:
        (found.root / "gemel.toml").write_text(
            f'[model]\nserver = "{stub.address}"\nserver_model = "m"\nembedder = "hash"\n'
            '[evaluate]\nbootstrap = 200\nmetrics = ["length", "trigrams", "identity_gain"]\n',
            encoding="utf-8",
        )
        shown = CliRunner().invoke(root, ["evaluate", "--yes", "--twin", str(found.root)])
        assert shown.exit_code == 0, (shown.output, shown.exception)
        before = len(stub.bodies)
        assert CliRunner().invoke(root, ["evaluate", "--yes", "--twin", str(found.root)]).exit_code == 0
        assert len(stub.bodies) == before
    (folder,) = (found.root / "evals").iterdir()
    scores = read_scores(folder)[1]
    assert {s.system for s in scores} >= {"base", "prompted", "memory", "impostor", "self"}
    assert not any(s.metric in ("identity_gain", "bits_per_byte", "choice") for s in scores)
    assert any(s.metric == "length" and s.system == "memory" and s.value is not None for s in scores)


def twin_of(root: Path, parts: dict[str, list[Example]], **train: float) -> tuple[Workspace, str]:
    """A voice trained on the base that ships."""
    found = Workspace(root)
    found.prepare()
    settings = {"threads": 1, "batch_tokens": 1024, "epochs": 40, "patience": 0, "checkpoint_every": 1000, **train}
    lines = "\n".join(f"{key} = {value}" for key, value in settings.items())
    (found.root / "gemel.toml").write_text(
        f'scale = "tiny"\n[model]\nembedder = "hash"\n[train]\nmax_minutes = 0\n{lines}\n', encoding="utf-8"
    )
    data = found.dataset()
    data.mkdir(parents=True)
    for split, examples in parts.items():
        write_examples(data / f"{split}.parquet", examples)
    Manifest(stage="build", fingerprint="data", extra={"me": "Anna"}).write(data)
    return found, str(train_voice(found, found.config()).extra["run"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sessions", "canaries", "steps", "lr", "passes"), [(60, 48, 6, 2e-4, True), (24, 16, 42, 2e-3, False)]
)
def test_an_over_trained_voice_fails_the_audit_and_a_gently_trained_one_passes(
    tmp_path: Path, sessions: int, canaries: int, steps: int, lr: float, passes: bool
) -> None:
    train = [chat(i, turns=6) for i in range(sessions)]
    # Chosen on its own training text: nothing stops it from learning that by heart.
    valid = [chat(i, turns=6) for i in range(300, 306)] if passes else train[:20]
    parts = {"train": train, "valid": valid, "test": [chat(i, turns=6) for i in range(200, 224)]}
    found, run = twin_of(tmp_path, parts, max_steps=steps, evaluate_every=steps, lr=lr)
    told = CliRunner().invoke(root, ["audit", "--canaries", str(canaries), "--twin", str(found.root)])
    assert isinstance(told.exception, Refused) is not passes, told.output
    manifest = Manifest.read(found.run(run))
    assert manifest is not None
    assert manifest.extra["audit"]["passed"] is passes
    if not passes:
        assert any("exposure" in f or "membership" in f for f in manifest.extra["audit"]["failures"]), told.output


@pytest.mark.slow
def test_a_voice_of_shuffled_speakers_has_no_identity_gain_and_one_of_the_person_has(tmp_path: Path) -> None:
    train = {"person": [chat(i) for i in range(80)], "nobody": [shuffled(chat(i)) for i in range(80)]}
    valid = {"person": [chat(i) for i in range(300, 308)], "nobody": [shuffled(chat(i)) for i in range(300, 308)]}
    gains = {}
    for kind in train:
        parts = {"train": train[kind], "valid": valid[kind], "test": [chat(i) for i in range(100, 130)]}
        found, run = twin_of(tmp_path / kind, parts, max_steps=24, evaluate_every=24, lr=1e-3)
        config = found.config({"evaluate": {"replies": 120, "bootstrap": 300, "metrics": ("length",), "systems": ()}})
        evaluate_run(found, config)
        scores = read_scores(found.eval(run))[1]
        gains[kind] = next(s for s in scores if s.metric == "identity_gain" and s.group == "all")
    person, nobody = gains["person"], gains["nobody"]
    assert person.low is not None
    assert nobody.low is not None
    assert person.low > 0.02, gains
    assert nobody.low <= 0.01, gains
    assert (nobody.value or 0) < 0.1 * (person.value or 0), gains
