"""Who is who: joining of handles, and when the owner is known, asked for, or refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gemel.corpus.identify import Sighting, people_from, who_is_me
from gemel.errors import PersonUnknown
from gemel.people import Consent, Handle, People, Person


def seen(source: str, id_: str, name: str = "", messages: int = 5, threads: int = 1) -> Sighting:
    return Sighting(source=source, id=id_, name=name or id_, messages=messages, threads=threads)


def test_one_name_in_two_apps_is_one_person() -> None:
    people = people_from([seen("whatsapp", "Bo"), seen("telegram", "user2", "bo")], People())
    assert [len(p.handles) for p in people] == [2]


def test_one_name_twice_in_one_app_is_two_people_and_joins_nobody() -> None:
    rows = [seen("telegram", "user1", "Alex"), seen("telegram", "user2", "Alex"), seen("whatsapp", "Alex")]
    assert sorted(len(p.handles) for p in people_from(rows, People())) == [1, 1, 1]


def test_what_is_known_stays() -> None:
    known = People(
        [Person(id="p-1", name="Bo", handles=(Handle("sms", "7", "Bo"),), consent=Consent.exclude, aliases=("B",))]
    )
    people = people_from([seen("whatsapp", "Bo")], known)
    assert (people.persons[0].id, people.persons[0].consent, len(people.persons[0].handles)) == (
        "p-1",
        Consent.exclude,
        2,
    )


NAMES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("pqrst")), max_size=12, unique=True)


@given(NAMES)
def test_every_handle_has_exactly_one_person_and_a_second_time_changes_nothing(rows: list[tuple[str, str]]) -> None:
    sightings = [seen(source, name) for source, name in rows]
    people = people_from(sightings, People())
    assert sorted(h.id + h.source for p in people for h in p.handles) == sorted(n + s for s, n in rows)
    assert people_from(sightings, people).persons == people.persons


def decide(sightings: list[Sighting], threads: dict[str, int], **options: object) -> People:
    return who_is_me(people_from(sightings, People()), sightings, threads, **options)  # type: ignore[arg-type]


def test_the_only_name_in_every_thread() -> None:
    rows = [seen("whatsapp", "Ana", threads=3), seen("whatsapp", "Bo", threads=1), seen("whatsapp", "Cy", threads=2)]
    assert decide(rows, {"whatsapp": 3}).me.name == "Ana"  # type: ignore[union-attr]


@pytest.mark.parametrize("threads", [1, 2])
def test_two_names_in_every_thread_are_asked_about(threads: int) -> None:
    rows = [seen("whatsapp", "Ana", threads=threads), seen("whatsapp", "Bo", threads=threads)]
    with pytest.raises(PersonUnknown) as caught:
        decide(rows, {"whatsapp": threads})
    assert set(caught.value.candidates) == {"Ana", "Bo"}


def test_an_export_that_tells_settles_one_that_does_not() -> None:
    rows = [
        seen("telegram", "user1", "Ana"),
        seen("telegram", "user2", "Bo"),
        seen("whatsapp", "Ana"),
        seen("whatsapp", "Cy"),
    ]
    people = decide(rows, {"telegram": 1, "whatsapp": 1}, own=[("telegram", "user1")])
    assert {(h.source, h.id) for h in people.me.handles} == {("telegram", "user1"), ("whatsapp", "Ana")}  # type: ignore[union-attr]
    assert len(people) == 3


def test_an_export_that_calls_the_owner_me_takes_the_name_from_another() -> None:
    rows = [
        Sighting(source="sms", id="me", name="", messages=1, threads=1),
        seen("whatsapp", "Ana"),
        seen("whatsapp", "Bo"),
    ]
    people = decide(rows, {"sms": 1, "whatsapp": 1}, own=[("sms", "me")], named=["Ana"])
    assert people.me is not None
    assert (people.me.name, len(people.me.handles)) == ("Ana", 2)


def test_a_name_that_is_nowhere_is_refused() -> None:
    with pytest.raises(PersonUnknown, match="nobody in whatsapp is called Zoe"):
        decide([seen("whatsapp", "Ana"), seen("whatsapp", "Bo")], {"whatsapp": 1}, named=["Zoe"])


def test_without_chats_there_is_no_question() -> None:
    assert decide([], {}).me is None


def test_there_is_one_owner_when_the_answer_changes() -> None:
    rows = [seen("whatsapp", "Ana"), seen("whatsapp", "Bo")]
    first = decide(rows, {"whatsapp": 1}, named=["Ana"])
    assert sum(p.me for p in who_is_me(first, rows, {"whatsapp": 1}, named=["Ana"])) == 1
