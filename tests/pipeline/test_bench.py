"""A bench by its commands: form, retest, controls, two judges over HTTP, people's votes, formats in and out."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from stub_server import Stub, stub_server

from gemel.cli import root
from gemel.errors import ConfigError, TooLittle
from gemel.evaluate.bench.controls import CONTROLS
from gemel.evaluate.bench.files import Judgment, write_rows
from gemel.examples import Example, Role, Turn, write_examples
from gemel.pipeline.bench import Bench
from gemel.workspace import Manifest, Workspace

ASKED = [f"What do you think of the {thing}?" for thing in ("rain", "sea", "king", "tax", "dog", "law", "moon", "war")]
LEARNED = "one must in all fairness keep the harbour lights burning through every single night of the year"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = Workspace(tmp_path / "twin")
    found.prepare()
    (found.root / "gemel.toml").write_text('[model]\nembedder = "hash"\n', encoding="utf-8")
    data = found.dataset()
    data.mkdir(parents=True)
    turns = (Turn(role=Role.other, parts=("Well?",), name="Tom"), Turn(role=Role.me, parts=(LEARNED,), learn=True))
    for split in ("train", "valid", "test"):
        write_examples(data / f"{split}.parquet", [Example(id=split, kind="chat", turns=turns, session=split)])
    Manifest(stage="build", fingerprint="data", extra={"me": "Anna"}).write(data)
    return found


def gemel(workspace: Workspace, *words: object) -> str:
    command, *rest = (str(w) for w in words)
    told = CliRunner().invoke(root, ["bench", command, "--twin", str(workspace.root), *rest])
    assert told.exit_code == 0, told.output
    return told.output


def liking(system: str) -> Callable[[dict[str, Any]], str]:
    """A judge that likes answers with a mark, else the longest."""

    def answer(body: dict[str, Any]) -> str:
        shown = re.split(r"\n\nAnswer [ABC]:\n", body["messages"][-1]["content"])[1:]
        marked = [i for i, text in enumerate(shown) if f"<{system}>" in text] or [
            max(range(len(shown)), key=lambda i: len(shown[i]))
        ]
        letter = "ABC"[marked[0]]
        return f"identity: {letter}\nstance: {letter}\nquality: {letter}"

    return answer


def fill(path: Path, form: str, answer: Callable[[str], str]) -> Path:
    rows = [json.loads(line) for line in form.splitlines()]
    path.write_text("".join(json.dumps({**r, "text": answer(r["asked"])}) + "\n" for r in rows), encoding="utf-8")
    return path


def test_ten_questions_from_form_to_report(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\n".join([*ASKED, LEARNED, "And you?"]), encoding="utf-8")
    assert "exploratory" in gemel(workspace, "questions", "--from", tmp_path / "q.txt")
    form = gemel(workspace, "form")
    rng = random.Random(0)
    for system, kind in (("expert", "first"), ("retest", "again"), ("voice", "made")):
        filled = fill(tmp_path / "form.jsonl", form, lambda q, k=kind: f"<{k}> {q} {rng.random()}")
        assert "10 answers" in gemel(workspace, "take", filled, "--as", system)
    assert set(Bench(workspace, workspace.config()).answer(())) == set(CONTROLS)
    with stub_server(Stub(answer=liking("again"))) as stub:
        systems = [word for s in ("retest", "voice", "null") for word in ("--system", s)]
        args = ("judge", "--server", stub.address, "--yes", *systems)
        assert "60 comparisons" in gemel(workspace, *args, "--model", "maker/llama-1")
        stub.answer = liking("made")
        gemel(workspace, *args, "--model", "qwen-2")
        before = len(stub.bodies)
        gemel(workspace, *args, "--model", "qwen-2")
        assert len(stub.bodies) == before  # what was judged once is not asked again
        texts = [m["content"] for b in stub.bodies for m in b["messages"]]
        assert any("Reference, by the person:\n<first>" in t for t in texts)
        assert {b["model"] for b in stub.bodies} == {"maker/llama-1", "qwen-2"}
    told = gemel(workspace, "report")
    assert "No score below 200 questions" in told
    assert "llama-1" in told
    found = json.loads((workspace.root / "bench/main/result.json").read_text(encoding="utf-8"))
    assert found["exploratory"]
    assert len(found["contamination"]["runs"]) == 1
    shares = {(s["system"], s["against"]): s["share"] for s in found["shares"]["identity"]}
    assert shares[("retest", "voice")] == 0.5  # one judge for each
    (agreement,) = found["agreement"]["identity"]
    assert agreement["share"] == pytest.approx(2 / 3)


def test_a_three_way_comparison_goes_round(workspace: Workspace, tmp_path: Path) -> None:
    rows = [
        {
            "question": q,
            "expert": f"e {q}",
            "finetuned": f"f {q}",
            "base": f"b {q}",
            "winner": "finetuned",
            "judge": "j",
        }
        for q in ASKED
    ]
    (tmp_path / "three.json").write_text(json.dumps({"comparisons": rows}), encoding="utf-8")
    gemel(workspace, "questions", "--from", tmp_path / "three.json")
    out = json.loads(gemel(workspace, "export", "--form", "three-way"))
    assert [{k: r[k] for k in ("question", "expert", "finetuned", "base")} for r in out] == [
        {k: r[k] for k in ("question", "expert", "finetuned", "base")} for r in rows
    ]
    assert all(r["ranking"] == ["voice"] for r in out)
    (tmp_path / "again.json").write_text(json.dumps(out), encoding="utf-8")
    gemel(workspace, "questions", "--name", "again", "--from", tmp_path / "again.json")
    for name in ("main", "again"):
        gemel(workspace, "report", "--name", name)
    one, two = (
        json.loads((workspace.root / f"bench/{name}/result.json").read_text(encoding="utf-8"))["shares"]
        for name in ("main", "again")
    )
    assert one == two
    assert {(s["system"], s["against"], s["wins"]) for s in one["quality"]} >= {("voice", "base", 8.0)}


def test_people_stand_apart_from_judges(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\n".join(ASKED), encoding="utf-8")
    gemel(workspace, "questions", "--from", tmp_path / "q.txt")
    rows = [
        Judgment(question=str(i), judge="r1", shown=("expert", "voice"), ranking={"identity": ("expert",)})
        for i in range(8)
    ]
    write_rows(workspace.root / "bench/main/human/r1.jsonl", rows)
    told = gemel(workspace, "report")
    assert "people: expert over voice 8 of 8" in told


def test_a_contender_on_a_server_answers_under_its_own_name(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\n".join(ASKED), encoding="utf-8")
    gemel(workspace, "questions", "--from", tmp_path / "q.txt")
    with stub_server(Stub(answer=lambda body: f"of {body['messages'][-1]['content']}")) as stub:
        args = ("answer", "--server", stub.address, "--model", "m", "--yes", "--as")
        assert "8" in gemel(workspace, *args, "other")
        assert all(m["role"] != "system" for b in stub.bodies for m in b["messages"])
        before = len(stub.bodies)
        gemel(workspace, *args, "other")
        assert len(stub.bodies) == before
        gemel(workspace, *args, "told", "--card")
        assert any(m["role"] == "system" for b in stub.bodies[before:] for m in b["messages"])
    answers = Bench(workspace, workspace.config()).answers()
    assert set(answers) == {"other", "told"}
    assert set(answers["other"].values()) == {f"of {q}" for q in ASKED}
    for bad in ("../x", "null", "a|b"):
        told = CliRunner().invoke(
            root, ["bench", "take", str(tmp_path / "q.txt"), "--as", bad, "--twin", str(workspace.root)]
        )
        assert isinstance(told.exception, ConfigError)
        assert "cannot name" in str(told.exception)


def test_one_system_alone_is_not_judged(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text("\n".join(ASKED), encoding="utf-8")
    gemel(workspace, "questions", "--from", tmp_path / "q.txt")
    told = CliRunner().invoke(
        root,
        ["bench", "judge", "--server", "http://127.0.0.1:9", "--model", "m", "--yes", "--twin", str(workspace.root)],
    )
    assert isinstance(told.exception, TooLittle)
    assert "fewer than two systems" in str(told.exception)


def test_a_judged_file_needs_no_data_set(tmp_path: Path) -> None:
    rows = [{"question": q, "expert": "e", "finetuned": "f", "base": "b", "winner": "base"} for q in ASKED]
    (tmp_path / "three.json").write_text(json.dumps(rows), encoding="utf-8")
    bare = Workspace(tmp_path / "bare")
    gemel(bare, "questions", "--from", tmp_path / "three.json")
    assert "No score below 200" in gemel(bare, "report")
