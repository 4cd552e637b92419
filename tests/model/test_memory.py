"""Memory: only own words are cited, it says when it knows nothing, and it forgets by record."""

from __future__ import annotations

import itertools
import re
import shutil
import sqlite3
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import pytest

import gemel
from gemel.errors import DamagedCheckpoint
from gemel.examples import Example, Role, Turn
from gemel.model.embed import embedder
from gemel.model.memory import Memory

FACTS = {
    "which instrument did you learn": "I played the cello for nine years, badly",
    "where did you spend the summer": "we rented a cabin on a lake in Värmland",
    "what's the dog called": "Bruno, he is a lazy beagle",
    "how is your sister": "she moved to Lisbon and opened a bakery",
    "what do you want for dinner": "anything but mushrooms, you know that",
    "did you finish the book": "no, Middlemarch is longer than my patience",
}


def play() -> list[tuple[str, str]]:
    """What was said to Higgins and what he answered, from the demo's group chat."""
    with zipfile.ZipFile(Path(gemel.__file__).parent / "assets" / "demo" / "pygmalion.zip") as archive:
        text = archive.read(archive.namelist()[0]).decode()
    said = re.findall(r"^[\d/]+, [\d:]+ - ([^:\n]+): (.+)$", text, re.MULTILINE)
    return [(a[1], b[1]) for a, b in itertools.pairwise(said) if b[0] == "Higgins" and a[0] != "Higgins"]


def chats(split: str = "train") -> list[Example]:
    out = []
    for i, (asked, said) in enumerate([*FACTS.items(), *play()[:100]]):
        turns = (
            Turn(role=Role.other, parts=(asked,), name="Mara", ids=(f"o{i}",)),
            Turn(
                role=Role.me,
                parts=(said,),
                name="Tom",
                learn=True,
                ids=(f"m{i}",),
                time=datetime(2024, 5, 1, tzinfo=UTC),
            ),
        )
        out.append(Example(id=f"e{i}", kind="chat", session=f"s{i}", turns=turns, split=split))
    return out


@pytest.fixture(name="built", scope="module", params=["minilm-int8", "hash", None])
def _built(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[Path, str | None]:
    path = tmp_path_factory.mktemp("memory") / "memory.sqlite"
    memory = open_memory(path, request.param)
    memory.sync(chats(), fingerprint="one")
    memory.close()
    return path, request.param


@pytest.fixture(name="memory")
def _memory(built: tuple[Path, str | None], tmp_path: Path) -> Memory:
    shutil.copy(built[0], tmp_path / "memory.sqlite")
    return open_memory(tmp_path / "memory.sqlite", built[1])


def open_memory(path: Path, name: str | None) -> Memory:
    """A memory with this embedder; None: words alone."""
    return Memory(path, (lambda: embedder(name)) if name else None)


@pytest.mark.parametrize(
    ("query", "record"),
    [
        ("what instrument do you play?", "m0"),
        ("were you in varmland", "m1"),
        ("what is your dog called", "m2"),
        ("Lisbon bakery", "m3"),
    ],
)
def test_it_finds_and_cites_own_words(memory: Memory, query: str, record: str) -> None:
    found = memory.find(query)
    assert found.citations[0].record == record
    assert found.citations[0].quote in FACTS.values()
    assert found.support >= 0.5


@pytest.mark.parametrize(
    "query", ["who won the world cup in 1998?", "what is the capital of Mongolia?", "explain quantum chromodynamics"]
)
def test_it_knows_what_it_does_not_know(memory: Memory, query: str) -> None:
    assert memory.find(query).citations == ()
    assert memory.find(query).support < 0.5


def test_it_never_quotes_others(memory: Memory) -> None:
    quotes = {c.quote for asked in FACTS for c in memory.search(asked, 40)}
    assert quotes
    assert not quotes & set(FACTS)


def test_replies_to_similar_situations(memory: Memory) -> None:
    best = memory.replies("what is the name of the dog", 3)
    assert best[0].parts == ("Bruno, he is a lazy beagle",)
    assert best[0].record == "m2"
    assert "m2" not in [past.record for past in memory.replies("what is the name of the dog", 3, without=["s2"])]
    assert memory.replies("what is the name of the dog", 3, splits=["test"]) == []


def test_sync_embeds_only_what_is_new_and_drops_what_is_gone(tmp_path: Path) -> None:
    encoded: list[str] = []

    class Counting(type(embedder("hash"))):  # type: ignore[misc]
        def encode(self, texts):  # type: ignore[no-untyped-def]
            encoded.extend(texts)
            return super().encode(texts)

    model = Counting()
    memory = Memory(tmp_path / "m.sqlite", lambda: model)
    first, second = chats()[:10], chats()[3:12]
    assert tuple(memory.sync(first)) == (10, 0, 0)
    encoded.clear()
    assert tuple(memory.sync(second, fingerprint="two")) == (2, 3, 7)
    assert not [t for t in encoded if "beagle" in t]
    assert memory.fingerprint == "two"
    assert len(memory) == 9
    memory.sync([e.with_split("test") for e in second])
    assert memory.search("Lisbon", splits=["train"]) == []
    assert memory.search("Lisbon", splits=["test"])


def test_forgetting_reaches_own_words_and_what_they_answered(memory: Memory, tmp_path: Path) -> None:
    assert memory.forget(["m2", "o3", "nothing"]) == 2
    assert memory.find("name of the dog").citations == ()
    with sqlite3.connect(tmp_path / "memory.sqlite") as db:  # another process, as `gemel forget` is
        db.execute("DELETE FROM passages WHERE record = 'm0'")
    again = Memory(tmp_path / "memory.sqlite", None)
    assert len(again) == 106 - 3
    assert again._db.execute("SELECT count(*) FROM said WHERE said MATCH 'cello OR beagle OR bakery'").fetchone() == (
        0,
    )
    again._db.execute("INSERT INTO said (said) VALUES ('integrity-check')")


def test_documents_are_cited_by_title_and_the_telling_sentence(tmp_path: Path) -> None:
    text = (
        "There is much to say. " * 20
        + "The judiciary has neither force nor will. It has merely judgment. "
        + "So it goes. " * 20
    )
    turns = (Turn(role=Role.prompt, parts=("No. 78",)), Turn(role=Role.me, parts=(text,), learn=True))
    memory = Memory(tmp_path / "m.sqlite")
    memory.sync([Example(id="x", kind="slice", turns=turns, provenance=("doc78",))])
    [hit] = memory.search("force of the judiciary")
    assert hit.record == "doc78"
    assert hit.title == "No. 78"
    assert hit.quote.startswith("The judiciary has neither force nor will. It has merely judgment.")


def test_synthetic_text_and_damage(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "m.sqlite")
    made = chats()[0]
    memory.sync([Example(id="q", kind="qa", turns=made.turns)])
    assert len(memory) == 0
    assert memory.search("cello") == []
    assert memory.find("").citations == ()
    (tmp_path / "bad.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(DamagedCheckpoint):
        Memory(tmp_path / "bad.sqlite")
