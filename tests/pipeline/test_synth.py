"""Synthesis jobs from end to end, with a teacher who answers well and badly by script."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from click.testing import CliRunner

from gemel.cli.synth import command
from gemel.errors import Incomplete, Refused
from gemel.examples import Example, Role, Turn, read_examples, write_examples
from gemel.pipeline.synth import clear_dead, run_job
from gemel.pipeline.synth_contamination import benches_of
from gemel.pipeline.synth_export import add_pairs
from gemel.pipeline.synth_job import Job, load_job, read_rows
from gemel.synth.pairs import slices_of
from gemel.workspace import Manifest, Workspace
from tests.stub_server import Stub, stub_server

TEXTS = {
    "train": "Ambition must be made to counteract ambition. If men were angels, no government would be necessary. "
    "In 1787 we wrote this down.",
    "valid": "A zeal for different opinions concerning religion has divided mankind into parties. So it was ever.",
    "test": "The accumulation of all powers in the same hands may justly be pronounced the very definition of tyranny.",
}
PEOPLE = ("baker", "pilot", "judge", "nurse", "tailor", "fisher", "printer", "gardener")


def slices() -> dict[str, Example]:
    return {
        split: Example(
            id=f"{split}-slice",
            kind="slice",
            turns=(
                Turn(role=Role.prompt, parts=("On checks",)),
                Turn(role=Role.me, parts=(text,), name="James", learn=True, ids=(f"doc-{split}",)),
            ),
            session=f"session-{split}",
            provenance=(f"doc-{split}",),
            split=split,
        )
        for split, text in TEXTS.items()
    }


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "twin")
    made.prepare()
    folder = made.dataset("main")
    folder.mkdir(parents=True)
    for split, example in slices().items():
        write_examples(folder / f"{split}.parquet", [example])
    Manifest(stage="build", fingerprint="f", counts={"train": 1}, extra={"me": "James", "people": {}}).write(folder)
    return made


def teacher(body: dict[str, Any]) -> str:
    """Three questions on a text; answers with true, false, invented and empty quotations; personas by number."""
    said = body["messages"][-1]["content"]
    if "prepare an interview" in body["messages"][0]["content"]:
        questions = ["Why is a government needed?", "What did you think of kings?", "What keeps ambition in check?"]
        return json.dumps({"questions": [*questions, questions[0].upper(), "When was this written down first?"]})
    if "Question to the author: What did" in said:
        return '{"claims": []}'
    if "Question to the author: When" in said:
        return json.dumps({"claims": [{"claim": "It was in 1788.", "quote": "we wrote this down"}]})
    if "Question to the author" in said:
        train = "angels" in said
        good = "If men were angels, no government" if train else "has divided mankind into parties"
        claim = "Men are no angels, so there is a government." if train else "Mankind is divided into parties."
        return json.dumps(
            {
                "claims": [
                    {"claim": claim, "quote": good},
                    {"claim": "Kings are wise.", "quote": "kings are the wisest of all men"},
                ]
            }
        )
    number = sum(map(ord, said)) % len(PEOPLE)
    if "JSON" in body["messages"][0]["content"]:
        persona = f"A {PEOPLE[number]} from town {len(said) % 7}, fond of {PEOPLE[-number - 1]} stories and long walks."
        return json.dumps({"persona": persona, "domain": PEOPLE[number]})
    if "<question>" in said:
        return f"<question>What does every {PEOPLE[number]} know that number {len(said)} does not?</question>"
    return "<answer>" + f"Every {PEOPLE[number]} learns with the years to look twice at things. " * 3 + "</answer>"


def qa_job(workspace: Workspace, address: str, **more: Any) -> Job:
    return Job(
        kind="qa",
        output=str(workspace.synth("qa")),
        input=str(workspace.dataset("main")),
        teachers=(address,),
        settings={"model": "m", "concurrency": 4, "deadline": 8.0},
        **more,
    )


def test_pairs_are_grounded_and_test_texts_never_leave(workspace: Workspace) -> None:
    with stub_server(Stub(answer=teacher)) as stub:
        outcome = run_job(qa_job(workspace, stub.address))
        sent = json.dumps(stub.bodies)
        assert "definition of tyranny" not in sent
        assert "must be made to counteract" in sent
    rows = list(read_rows(workspace.synth("qa")))
    asked = ("Why is a government needed?", "What keeps ambition in check?")
    assert {(r["split"], r["question"]) for r in rows} == {(s, q) for s in ("train", "valid") for q in asked}
    rows.sort(key=lambda r: (r["split"], r["question"]))
    assert rows[0]["answer"] == "If men were angels, no government would be necessary."
    assert rows[0]["dropped_claims"] == 1
    for row in rows:
        for claim in row["claims"]:
            assert all(len(row["text"][a:b].split()) >= 5 for a, b in claim["spans"])
        assert row["answer"] in TEXTS[row["split"]]
    assert outcome.report.rejected["text_answer: the text does not answer"] == 2
    assert outcome.report.rejected["text_answer: a number that is not quoted"] == 1
    assert outcome.report.rejected["text_answer: the quotation is not in the text"] == 1


def test_a_test_text_is_refused_and_overlap_with_it_is_dropped(workspace: Workspace) -> None:
    with pytest.raises(Refused):
        list(slices_of([slices()["test"]], "English", count=1))
    with stub_server(Stub(answer=teacher)) as stub:
        clean = run_job(qa_job(workspace, stub.address))
        held = Example(
            id="t",
            kind="slice",
            turns=(Turn(role=Role.me, parts=("If men were angels, no government would be necessary.",), learn=True),),
            split="test",
        )
        write_examples(workspace.dataset("main") / "test.parquet", [held])
        bench = workspace.root / "bench" / "main" / "questions.jsonl"
        bench.parent.mkdir(parents=True)
        bench.write_text('{"id": "q1", "text": "what keeps ambition in check"}\n', encoding="utf-8")
        overlapping = run_job(qa_job(workspace, stub.address, against=benches_of(workspace)))
    assert clean.rows == 4
    assert overlapping.report.asked == 0
    assert [r["split"] for r in read_rows(workspace.synth("qa"))] == ["valid"]
    assert overlapping.dropped["stands in what is measured on"] == 3
    report = json.loads(workspace.synth("qa").with_name("qa.contamination.json").read_text(encoding="utf-8"))
    assert report["sets"] == {
        "questions.jsonl": {"texts": 2, "rows left out": 2, "texts asked about that overlap": 0},
        "test": {"texts": 1, "rows left out": 1, "texts asked about that overlap": 0},
    }
    assert len(report["rows left out"]) == 3
    assert "ambition" not in json.dumps(report).casefold()


def test_a_text_that_quotes_the_test_is_told_and_no_pair_of_it_passes(workspace: Workspace) -> None:
    quoting = "As I say elsewhere, " + TEXTS["test"][0].lower() + TEXTS["test"][1:]
    copy = slices()["train"]
    turns = (copy.turns[0], replace(copy.turns[1], parts=(quoting,)))
    write_examples(workspace.dataset("main") / "train.parquet", [replace(copy, turns=turns)])

    def quotes(body: dict[str, Any]) -> str:
        if "Question to the author" in body["messages"][-1]["content"]:
            return json.dumps({"claims": [{"claim": "That is tyranny.", "quote": "the very definition of tyranny"}]})
        return teacher(body)

    with stub_server(Stub(answer=quotes)) as stub:
        run_job(qa_job(workspace, stub.address))
    assert not any(r["split"] == "train" for r in read_rows(workspace.synth("qa")))
    report = json.loads(workspace.synth("qa").with_name("qa.contamination.json").read_text(encoding="utf-8"))
    assert report["texts asked about"] == {"train-slice": "test"}
    assert report["sets"]["test"]["rows left out"] > 0


def test_pairs_of_a_document_that_is_kept_for_testing_now_never_enter(workspace: Workspace) -> None:
    with stub_server(Stub(answer=teacher)) as stub:
        run_job(qa_job(workspace, stub.address))
    moved = replace(slices()["train"], split="test")
    write_examples(workspace.dataset("main") / "test.parquet", [moved])
    with pytest.raises(Refused, match="kept for testing"):
        add_pairs(workspace, workspace.config(), workspace.synth("qa"))
    assert not workspace.dataset("qa").exists()


def test_the_command_makes_a_data_set_and_goes_on_after_faults(workspace: Workspace) -> None:
    down = [True]

    def faults(body: dict[str, Any], rng: Any) -> int:
        return 422 if down[0] and "What keeps" in body["messages"][-1]["content"] else 200

    with stub_server(Stub(answer=teacher, faults=faults)) as stub:
        line = ["qa", "--twin", str(workspace.root), "--teacher", stub.address, "--model", "m", "--deadline", "8"]
        first = CliRunner().invoke(command, line)
        assert isinstance(first.exception, Incomplete)
        assert first.exception.exit_code == 8
        assert "1 pairs added to train, 1 to valid" in first.output
        seen = CliRunner().invoke(command, ["status", "qa", "--twin", str(workspace.root)])
        assert "status 422" in seen.output
        down[0] = False
        asked = len(stub.bodies)
        again = CliRunner().invoke(command, ["retry", "qa", "--twin", str(workspace.root)])
        assert again.exception is None, again.output
        assert len(stub.bodies) - asked == 2  # only the calls that failed
        done = CliRunner().invoke(command, line)
        assert "2 pairs added to train, 2 to valid" in done.output
        assert len(stub.bodies) - asked == 2
    train = list(read_examples(workspace.dataset("qa") / "train.parquet"))
    assert [e.kind for e in train] == ["slice", "qa", "qa"]
    pair = train[1]
    assert pair.session == "session-train"
    assert pair.split == "train"
    assert pair.turns[0].role is Role.prompt
    assert pair.turns[1].ids == ("doc-train",)
    assert pair.turns[1].learn
    assert pair.turns[1].name == "James"
    assert "train-slice" in pair.provenance
    test = (workspace.dataset("qa") / "test.parquet").read_bytes()
    assert test == (workspace.dataset("main") / "test.parquet").read_bytes()


def test_nothing_leaves_the_machine_unseen(workspace: Workspace) -> None:
    line = ["qa", "--twin", str(workspace.root), "--teacher", "https://example.org/v1", "--model", "m"]
    refused = CliRunner().invoke(command, line)
    assert isinstance(refused.exception, Refused)
    assert "2 rows would be sent to https://example.org/v1" in refused.output
    assert "Ambition must be made" in refused.output


def test_personas_relations_questions_knowledge_in_a_row(tmp_path: Path) -> None:
    texts = tmp_path / "texts.txt"
    texts.write_text("\n\n".join(f"Text number {i} about {'the sea ' * i}." for i in range(12)), encoding="utf-8")
    place = {k: str(tmp_path / f"{k}.jsonl") for k in ("personas", "relate", "questions", "knowledge")}
    with stub_server(Stub(answer=teacher)) as stub:
        common = ["--teacher", stub.address, "--model", "m", "--twin", str(tmp_path / "twin"), "--locale", "vi-VN"]
        steps = [
            ["personas", "--from", str(texts), "--output", place["personas"]],
            ["relate", "--from", place["personas"], "--output", place["relate"], "--rounds", "2"],
            ["questions", "--from", place["relate"], "--output", place["questions"]],
            ["knowledge", "--from", place["questions"], "--output", place["knowledge"], "--by-domain"],
        ]
        for step in steps:
            result = CliRunner().invoke(command, [*step, *common])
            assert result.exception is None, result.output
        assert "lives in Vietnam" in json.dumps(stub.bodies)
        assert "in Vietnamese" in json.dumps(stub.bodies)
    personas, everyone = (list(read_rows(Path(place[k]))) for k in ("personas", "relate"))
    assert len(everyone) > len(personas) > 3
    known = {r["id"] for r in everyone}
    graph = list(read_rows(tmp_path / "relate.graph.jsonl"))
    assert len(graph) == len(everyone) - len(personas)
    assert all(e["parent"] in known and e["child"] in known for e in graph)
    knowledge = list(read_rows(Path(place["knowledge"])))
    assert {s["template"] for s in knowledge[0]["made"]} >= {"question@1", "knowledge@1"}
    assert sum(len(list(read_rows(p))) for p in (tmp_path / "knowledge").glob("*.jsonl")) == len(knowledge)
    assert load_job(Path(place["relate"]))[1]["figures"]["unseen mass of domains"] <= 1
    to = tmp_path / "knowledge.parquet"
    exported = CliRunner().invoke(command, ["export", place["knowledge"], "--to", str(to), "--examples"])
    assert exported.exception is None, exported.output
    examples = list(read_examples(to))
    assert {e.kind for e in examples} == {"knowledge"}
    assert examples[0].turns[0].role is Role.system


def test_relations_stop_when_little_new_is_to_be_expected(tmp_path: Path) -> None:
    texts = tmp_path / "personas.jsonl"
    rows = [{"id": f"p{i}", "persona": f"Somebody {'very ' * i}fond of boats.", "domain": "sea"} for i in range(6)]
    texts.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")
    found = {}

    def anybody(body: dict[str, Any]) -> str:
        said = json.dumps(body["messages"])
        number = crc32(said.encode())
        return json.dumps(
            {"persona": f"Number {number} keeps {number % 97} bees on a roof.", "domain": f"d{number % 3}"}
        )

    with stub_server(Stub(answer=anybody)) as stub:
        for limit in (0.0, 0.9):
            job = Job(
                kind="relate",
                output=str(tmp_path / f"out{limit}.jsonl"),
                input=str(texts),
                teachers=(stub.address,),
                settings={"model": "m", "concurrency": 4, "deadline": 8.0},
                rounds=3,
                until_unseen=limit,
            )
            run_job(job)
            found[limit] = list(read_rows(Path(job.output)))
    assert max(r.get("round", 0) for r in found[0.9]) == 1
    assert max(r.get("round", 0) for r in found[0.0]) > 1
    assert {r["id"] for r in found[0.9]} < {r["id"] for r in found[0.0]}


@pytest.mark.skipif(os.name != "posix", reason="SIGINT")
def test_ctrl_c_is_clean_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("\n\n".join(f"text {i}" for i in range(300)), encoding="utf-8")
    template = tmp_path / "plain.yml"
    template.write_text("text: 'say {text}'", encoding="utf-8")
    calls = tmp_path / "out.calls.jsonl"
    with stub_server(Stub(latency=0.05)) as stub:
        line = [sys.executable, "-m", "gemel", "synth", "run", "--template", str(template), "--model", "m"]
        line += [
            "--teacher",
            stub.address,
            "--input",
            str(tmp_path / "in.txt"),
            "--output",
            str(tmp_path / "out.jsonl"),
        ]
        line += ["--concurrency", "4"]
        process = subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8")
        end = time.monotonic() + 60
        while (not calls.exists() or calls.read_bytes().count(b"\n") < 60) and time.monotonic() < end:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=30)
        assert process.returncode == 130
        assert "Traceback" not in told
        assert 60 <= calls.read_bytes().count(b"\n") < 300
        stub.latency = 0.0
        done = subprocess.run(line, capture_output=True, check=False)
        assert done.returncode == 0
        assert len(list(read_rows(tmp_path / "out.jsonl"))) == 300
        assert stub.asked.total() <= 304


@pytest.mark.parametrize("place", ["local:2", "ray:2"])
def test_shards_equal_one(place: str, tmp_path: Path) -> None:
    if place.startswith("ray"):
        pytest.importorskip("ray")
    rows = tmp_path / "in.jsonl"
    rows.write_text("".join(json.dumps({"id": i, "text": f"t{i}"}) + "\n" for i in range(40)), encoding="utf-8")
    template = tmp_path / "plain.yml"
    template.write_text("text: 'say {text}'", encoding="utf-8")
    outputs = {}
    with stub_server() as stub:
        for shards in ("here", place):
            job = Job(
                kind="run",
                output=str(tmp_path / f"{shards[:4]}.jsonl".replace(":", "")),
                input=str(rows),
                teachers=(stub.address,),
                templates=(str(template),),
                settings={"model": "m", "concurrency": 8},
                shards=shards,
            )
            assert run_job(job).report.asked == 40
            outputs[shards] = re.sub(r"\s", "", Path(job.output).read_text(encoding="utf-8"))
            assert clear_dead(job) == 0
            assert not list(tmp_path.glob("*-of-*"))
        assert stub.asked.total() == 80
    assert outputs["here"] == outputs[place]
    assert '"text":"re:sayt39"' in outputs["here"]
