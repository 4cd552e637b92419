"""When a round is due."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gemel.config import ImproveSection
from gemel.improve.schedule import DAY, due

WEEK = ImproveSection()
NOW = 1_800_000_000.0


def test_by_the_calendar() -> None:
    assert due(WEEK, now=NOW, last=0.0, changed=False).now
    assert not due(WEEK, now=NOW, last=NOW - 6 * DAY, changed=False).now
    found = due(WEEK, now=NOW, last=NOW - 8 * DAY, changed=False)
    assert found.now
    assert found.at == NOW - DAY


def test_when_something_was_brought_or_left_unfinished_but_not_every_minute() -> None:
    assert due(WEEK, now=NOW, last=NOW - DAY, changed=True).now
    assert due(WEEK, now=NOW, last=NOW - DAY, changed=False, unfinished=True).now
    assert not due(WEEK, now=NOW, last=NOW - 60, changed=True, unfinished=True).now


@given(st.floats(0, 100), st.booleans(), st.booleans())
def test_there_is_always_a_reason(days: float, changed: bool, unfinished: bool) -> None:
    found = due(WEEK, now=NOW, last=NOW - days * DAY, changed=changed, unfinished=unfinished)
    assert found.reason
    assert found.now or days < WEEK.every_days
