from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gemel.corpus.moods import Languages
from gemel.corpus.writings import essays, slice_text, slices
from gemel.examples import Role
from gemel.records import Document, Profile

texts = st.lists(st.sampled_from(["word ", "Ein Satz. ", "“Why?” ", "\n", "\n\n", "ô…  ", "x" * 50]), max_size=80)


@given(texts.map("".join), st.integers(1, 40))
def test_slices_laid_end_to_end_are_the_document(text, size):
    made = slice_text(text, size)
    assert "".join(made) == text
    assert all(len(s.split()) <= size for s in made)


def test_slices_end_at_paragraphs_and_sentences():
    text = "One two three four.\n\nFive six. Seven eight nine ten eleven. Twelve."
    assert slice_text(text, 5) == ["One two three four.\n\n", "Five six. ", "Seven eight nine ten eleven. ", "Twelve."]


def test_a_line_break_inside_a_paragraph_is_no_border():
    assert slice_text("one two\nthree four\nfive six", 4) == ["one two\nthree four\n", "five six"]


def test_a_document_asks_its_title_and_learns_its_text():
    time = datetime(1788, 1, 2, tzinfo=UTC)
    document = Document(id="d", source="writings", text="A b c. " * 60, title="Federalist No. 30", time=time)
    made = list(slices(document, 50, split="test", name="Ada", detect=Languages(("en",))))
    assert len(made) == 4
    assert {e.session for e in made} == {made[0].session}
    for example in made:
        ask, text = example.turns
        assert (ask.role, ask.parts, ask.learn) == (Role.prompt, ("Federalist No. 30",), False)
        assert (text.role, text.learn, text.name) == (Role.me, True, "Ada")
        assert (example.split, example.kind, example.provenance) == ("test", "slice", ("d",))
        assert example.traits == {"year": 1788, "language": "en"}
    assert len({e.id for e in made}) == 4


def test_a_first_line_that_repeats_the_title_is_not_learned():
    one = Document(id="d", source="writings", text="# On Liberty\n\nText of it.", title="On liberty")
    two = Document(id="d", source="writings", text="On Liberty", title="On Liberty")
    texts = [
        next(iter(slices(d, 50, split="train", name="A", detect=Languages(("en",))))).turns[1].text for d in (one, two)
    ]
    assert texts == ["Text of it.", "On Liberty"]


def test_an_essay_asks_its_prompt_under_the_profile_s_traits():
    profile = Profile(
        id="p",
        source="profiles",
        traits={"height": 70.0, "pets": ("likes dogs",)},
        essays={"My self summary": "I row.", "Friday": " "},
    )
    (example,) = essays(profile, split="train", name="Me")
    assert [t.parts for t in example.turns] == [("My self summary",), ("I row.",)]
    assert [t.learn for t in example.turns] == [False, True]
    assert example.traits == {"height": 70.0, "pets": ("likes dogs",)}
