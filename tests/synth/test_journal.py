"""The journal: nothing written is lost, nothing torn is believed."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gemel.errors import Busy
from gemel.synth.journal import Journal


def key(i: int) -> str:
    return f"{i:032x}"


def test_rows_come_back_also_before_they_are_written(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.jsonl") as journal:
        journal.add(key(1), {"text": "ä\n😀"})
        assert journal.pending
        assert (journal.get(key(1)) or {})["text"] == "ä\n😀"
        assert key(2) not in journal
    with Journal(tmp_path / "j.jsonl") as journal:
        assert len(journal) == 1
        journal.add(key(1), {"text": "newer"})
    with Journal(tmp_path / "j.jsonl") as journal:
        assert (journal.get(key(1)) or {})["text"] == "newer"


@settings(max_examples=40, deadline=None)
@given(cut=st.integers(0, 400), texts=st.lists(st.text(max_size=30), min_size=1, max_size=5))
def test_a_file_cut_anywhere_keeps_every_whole_row(
    tmp_path_factory: pytest.TempPathFactory, cut: int, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("j") / "j.jsonl"
    with Journal(path) as journal:
        for i, text in enumerate(texts):
            journal.add(key(i), {"text": text})
    data = path.read_bytes()[:cut]
    path.write_bytes(data)
    with Journal(path) as journal:
        assert len(journal) == data.count(b"\n")
        journal.add(key(99), {"text": "next"})
    with Journal(path) as journal:
        assert len(journal) == data.count(b"\n") + 1
        assert journal.damaged == 0


def test_a_damaged_line_is_left_out_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "j.jsonl"
    with Journal(path) as journal:
        for i in range(3):
            journal.add(key(i), {"text": f"text {i}"})
    path.write_bytes(path.read_bytes().replace(b"text 1", b"text X"))
    with Journal(path) as journal:
        assert journal.damaged == 1
        assert key(1) not in journal
        assert key(2) in journal


def test_one_writer_and_a_union_by_key(tmp_path: Path) -> None:
    with Journal(tmp_path / "a.jsonl") as one, Journal(tmp_path / "b.jsonl", below=one) as other:
        with pytest.raises(Busy):
            Journal(tmp_path / "a.jsonl")
        one.add(key(1), {"text": "1"})
        assert key(1) in other
        other.add(key(2), {"text": "2"})
        assert one.absorb(other) == 1
        assert one.absorb(other) == 0
        assert [r["text"] for r in one] == ["1", "2"]
