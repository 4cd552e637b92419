"""Cleaning, dressing and the contamination check of the seedling recipe, on small inputs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.examples import Role


def test_tidy_keeps_words_and_makes_dashes(recipe):
    assert recipe["clean"].tidy(" Well --  I\u00a0never!\x00 ") == "Well—I never!"


@given(text=st.text())
def test_tidy_is_idempotent(recipe, text):
    tidy = recipe["clean"].tidy
    assert tidy(tidy(text)) == tidy(text)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("I 'm not sure , are you ?", "I'm not sure, are you?"),
        ("Mm - hmm . OK .", "Mm-hmm. OK."),
        ("the L_C_D_ screen", "the LCD screen"),
    ],
)
def test_transcripts_are_detokenised(recipe, raw, clean):
    assert recipe["clean"].detokenise(raw) == clean


def test_names_in_capitals_become_names(recipe):
    assert recipe["clean"].name_case("MRS. ALVING.") == "Mrs. Alving"
    assert recipe["clean"].name_case("Higgins") == "Higgins"


def test_wrapped_and_unwrapped_books_give_the_same_paragraphs(recipe):
    paragraphs = recipe["clean"].paragraphs
    flat = [
        "It was late. " * 12 + "Nobody came.",
        '"Who is there?" asked Anna.',
        "Then all was still. " * 9 + "At last.",
    ]
    wrapped = []
    for text in flat:
        line = ""
        for word in text.split():
            if len(line) + len(word) > 66:
                wrapped.append(line)
                line = ""
            line = f"{line} {word}".strip()
        wrapped += [line, ""]
    assert paragraphs("\n".join(wrapped)) == paragraphs("\n\n".join(flat)) == [t.strip() for t in flat]


def test_speech_becomes_turns_of_two_who_alternate(recipe):
    book = [
        "The rain fell.",
        '"You are late," said Anna.',
        '"I missed the train, and then," he said, "I lost my way."',
        '"As you always do!"',
        '"Not always," replied Tom.',
        "Nobody spoke for a while.",
        '"A single line," said Eve.',
    ]
    (run,) = recipe["clean"].speech_runs(book)
    assert [name for name, _ in run] == ["Anna", "Tom", "Anna", "Tom"]
    assert run[1][1] == "I missed the train, and then, I lost my way."


def test_a_run_whose_names_contradict_the_alternation_is_left_out(recipe):
    book = ['"One," said Anna.', '"Two," said Anna.', '"Three," said Tom.', '"Four," said Eve.']
    assert recipe["clean"].speech_runs(book) == []


def test_nicks_are_renamed_as_whole_words_only(recipe):
    assert recipe["clean"].rename("bob_: try bob_s, BOB_", {"bob_": "Mia"}) == "Mia: try bob_s, Mia"


def test_dressing_depends_on_the_seed_alone(recipe):
    said = [("user", "Hello there. How are you?"), ("agent", "I am fine."), ("user", "Good."), ("user", "Bye.")]
    options = {"chat": True, "keep_names": False, "typing": True}
    dress = recipe["dress"].dress
    assert dress(said, seed="a", **options) == dress(said, seed="a", **options)
    assert len({dress(said, seed=str(n), **options) for n in range(8)}) > 1


@given(seed=st.text(), chat=st.booleans(), typing=st.booleans())
def test_dressing_keeps_who_speaks_and_the_order_of_times(recipe, seed, chat, typing):
    said = [("a", "One thing. Two things."), ("b", "Yes."), ("b", "No."), ("a", "Well?")]
    turns = recipe["dress"].dress(said, seed=seed, chat=chat, keep_names=False, typing=typing)
    spoken = [t for t in turns if t.role is not Role.system]
    assert [t.name for t in spoken] == [spoken[0].name, spoken[1].name, spoken[0].name]
    assert spoken[0].name != spoken[1].name
    times = [t.time for t in spoken if t.time]
    assert times == sorted(times)
    assert len(times) in (0, 3)
    assert all(t.learn for t in turns)


def test_a_lower_case_habit_is_said_in_the_card_and_kept(recipe):
    habit = recipe["dress"].Habit(lower=True, bare=True, short=True)
    assert habit.write("Thanks. I can't, are you OK?") == "thx i cant, r u ok?"
    assert "lower case" in habit.about("Mia")


def test_thirteen_shared_words_are_found_and_twelve_are_not(recipe):
    grams, contains = recipe["contamination"].grams, recipe["contamination"].contains
    words = [f"word{n}" for n in range(30)]
    known = np.unique(grams(" ".join(words)))
    assert contains(known, grams("other " + " ".join(words[3:16]).upper() + ", other")).sum() == 1
    assert contains(known, grams("other " + " ".join(words[3:15]) + " other")).sum() == 0
    assert len(grams("too short")) == 0


def test_duplicates_differ_in_case_and_marks_only(recipe):
    dress, fingerprint = recipe["dress"].dress, recipe["prepare"].fingerprint
    example = recipe["sources"]._example
    one, two, other = (
        example("d", "k", dress([("a", text)], seed="s", chat=False, keep_names=True, typing=False), "train")
        for text in ("Hello, you!", "hello you", "hello me")
    )
    assert fingerprint(one) == fingerprint(two) != fingerprint(other)


def test_sessions_are_held_out_by_name_alone(recipe):
    held = recipe["sources"].held
    splits = [held(f"dialogue{n}", 10) for n in range(500)]
    assert splits == [held(f"dialogue{n}", 10) for n in range(500)]
    assert 20 < splits.count("valid") < 90


@pytest.mark.parametrize(
    ("key", "row", "speakers"),
    [
        ("soda", {"speakers": ["Ann", "Bo", "Ann"], "dialogue": ["Hi.", "Hello.", "Tea?"]}, 2),
        ("persona", {"Best Generated Conversation": "User 1: Hi.\nUser 2: Hello: you!\nUser 1: Tea?"}, 2),
        ("everyday", {"messages": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]}, 2),
        ("stories", {"text": "Once there was a cat."}, 1),
    ],
)
def test_rows_of_larger_sets_become_examples(recipe, key, row, speakers):
    (example,) = recipe["more_data"].read(key, iter([row]))
    assert len({t.name for t in example.turns if t.role in (Role.me, Role.other)}) == speakers
    assert recipe["more_data"].SETS[key].licence
