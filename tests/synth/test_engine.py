"""The engine: nothing lost, nothing null, nothing asked twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from gemel.errors import ConfigError
from gemel.remote import Endpoint, Gone
from gemel.synth.engine import Engine, Failed, Rejected, Report, Row, Stage, results
from gemel.synth.journal import Journal
from gemel.synth.template import load_template
from tests.stub_server import Stub, stub_server

PLAIN = "version: 1\nuser: '{{ text }}'\ninputs: {text: {}}\noutput: {field: answer}\nparameters: {seed: 1}\n"
WORKER = """
import sys
from pathlib import Path
from tests.synth.test_engine import ask, rows, stage
folder = Path(sys.argv[2])
ask(sys.argv[1], folder, [stage(folder)], rows(400), concurrency=16)
"""


def rows(count: int) -> list[Row]:
    return [{"id": f"r{i}", "text": f"q{i}"} for i in range(count)]


def stage(folder: Path, more: str = "", **given: Any) -> Stage:
    path = folder / "plain.yml"
    path.write_text(PLAIN + more, encoding="utf-8")
    return Stage(template=load_template(path), **given)


def ask(address: str, folder: Path, stages: list[Stage], given: list[Row], **options: Any) -> Report:
    limits = {k: options.pop(k) for k in ("concurrency", "price_in", "price_out") if k in options}
    with Journal(folder / "calls.jsonl") as calls, Journal(folder / "dead.jsonl") as dead:
        engine = Engine([Endpoint(address=address, model="m", **limits)], calls, dead, **{"deadline": 6.0, **options})
        return engine.run(stages, given)


def made(folder: Path, stages: list[Stage], given: list[Row]) -> list[Row | Failed]:
    with Journal(folder / "calls.jsonl", write=False) as calls:
        return list(results(stages, given, calls, model="m"))


def test_faults_lose_nothing_and_a_second_run_asks_nothing(tmp_path: Path) -> None:
    def faults(body: dict[str, Any], rng: random.Random) -> int:
        if body["messages"][-1]["content"] in ("q7", "q70"):
            return 400
        return rng.choices([200, 429, 500, -1, -2], [80, 10, 5, 3, 2])[0]

    with stub_server(Stub(faults=faults)) as stub:
        report = ask(stub.address, tmp_path, [stage(tmp_path)], rows(200), concurrency=24)
        assert report.asked == 198
        assert report.dead == {"plain: status 400": 2}
        assert report.refused["status 429"] > 0
        found = made(tmp_path, [stage(tmp_path)], rows(200))
        assert [f.id for f in found if isinstance(f, Failed)] == ["r7", "r70"]
        assert all(r["answer"] == f"re: {r['text']}" for r in found if not isinstance(r, Failed))
        again = ask(stub.address, tmp_path, [stage(tmp_path)], rows(200))
        assert (again.asked, again.known, sum(again.dead.values())) == (0, 198, 2)
        assert max(stub.asked.values()) == 1


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_killed_at_half_only_what_was_in_flight_is_asked_again(tmp_path: Path) -> None:
    with stub_server(Stub(latency=0.03)) as stub:
        root = Path(__file__).parents[2]
        process = subprocess.Popen([sys.executable, "-c", WORKER, stub.address, str(tmp_path)], cwd=root)
        journal = tmp_path / "calls.jsonl"
        end = time.monotonic() + 60
        while (not journal.exists() or journal.read_bytes().count(b"\n") < 150) and time.monotonic() < end:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert 150 <= journal.read_bytes().count(b"\n") < 400
        ask(stub.address, tmp_path, [stage(tmp_path)], rows(400), concurrency=16)
        assert not any(isinstance(r, Failed) for r in made(tmp_path, [stage(tmp_path)], rows(400)))
        assert len(stub.asked) == 400
        assert stub.asked.total() - 400 <= 16


def test_stages_follow_each_other_and_keep_where_rows_come_from(tmp_path: Path) -> None:
    def split(row: Row, given: Row) -> list[Row]:
        if row["text"] == "q1":
            raise Rejected("not wanted")
        return [{**row, "text": f"{given['answer']} {i}"} for i in range(2)]

    stages = [stage(tmp_path, finish=split), stage(tmp_path)]
    with stub_server(Stub(latency=0.01)) as stub:
        report = ask(stub.address, tmp_path, stages, rows(10), concurrency=4)
    assert report.rejected == {"plain: not wanted": 1}
    found = [r for r in made(tmp_path, stages, rows(10)) if not isinstance(r, Failed)]
    assert [r["answer"] for r in found[:3]] == ["re: re: q0 0", "re: re: q0 1", "re: re: q2 0"]
    assert len({r["id"] for r in found}) == 18
    assert found[0]["made"][0]["from"] == "r0"
    assert found[0]["made"][1]["template"] == "plain@1"


def test_an_unusable_answer_is_asked_for_again_with_another_seed(tmp_path: Path) -> None:
    def answer(body: dict[str, Any]) -> str:
        return "good answer" if body["seed"] >= (2 if body["messages"][-1]["content"] == "q0" else 9) else "bad"

    checked = stage(tmp_path, "checks: [{like: good}]\ntries: 2\n")
    with stub_server(Stub(answer=answer)) as stub:
        report = ask(stub.address, tmp_path, [checked], rows(2))
        assert report.dead == {"plain: output: check like": 1}
        first, second = made(tmp_path, [checked], rows(2))
        assert not isinstance(first, Failed)
        assert first["answer"] == "good answer"
        assert isinstance(second, Failed)


def test_a_budget_stops_and_a_later_run_goes_on(tmp_path: Path) -> None:
    with stub_server() as stub:
        prices = {"price_in": 1e6, "price_out": 0.0, "concurrency": 2}  # ten tokens in: a cost of 10 a call
        report = ask(stub.address, tmp_path, [stage(tmp_path)], rows(50), budget=105.0, **prices)
        assert report.stopped == "budget"
        assert 9 <= report.asked <= 13
        assert report.cost == 10.0 * report.asked
        assert ask(stub.address, tmp_path, [stage(tmp_path)], rows(50)).asked == 50 - report.asked
        with pytest.raises(ConfigError, match="prices"):
            ask(stub.address, tmp_path, [stage(tmp_path)], rows(1), budget=1.0)


def test_no_server_is_an_error_that_keeps_what_was_answered(tmp_path: Path) -> None:
    with stub_server() as stub:
        ask(stub.address, tmp_path, [stage(tmp_path)], rows(5))
        address = stub.address
    with pytest.raises(Gone):
        ask(address, tmp_path, [stage(tmp_path)], rows(40), patience=0.5)
    assert len([r for r in made(tmp_path, [stage(tmp_path)], rows(40)) if not isinstance(r, Failed)]) == 5


def test_two_servers_share_the_work_and_one_may_go(tmp_path: Path) -> None:
    with stub_server(Stub(latency=0.01)) as one, stub_server(Stub(faults=lambda b, r: 401)) as other:
        ends = [Endpoint(address=s.address, model="m", concurrency=4) for s in (other, one)]
        with Journal(tmp_path / "calls.jsonl") as calls, Journal(tmp_path / "dead.jsonl") as dead:
            report = Engine(ends, calls, dead).run([stage(tmp_path)], rows(30))
        assert report.asked == 30
        assert one.asked.total() == 30
