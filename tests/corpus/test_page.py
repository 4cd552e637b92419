from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from gemel.corpus.page import (
    Interval,
    Section,
    bars,
    dots,
    figure,
    heat,
    hist,
    lines,
    number,
    page,
    paragraph,
    percent,
    table,
    tiles,
)

EVIL = '<script>alert(1)</script>&"'


def whole() -> str:
    body = [
        paragraph(EVIL),
        tiles([(EVIL, EVIL)]),
        figure(bars([(EVIL, 3.0), ("b", 0.0)]), EVIL, note=EVIL),
        figure(hist(["1", EVIL], {"you": [1, 2], EVIL: [0, 3]}), "h"),
        figure(lines({EVIL: [(0, 1), (5, -2)], "b": [(1, 1)]}, wide=True), "l", wide=True),
        figure(heat([[0, 1], [2, 3]], ["Mon", EVIL], ["0", "1"]), "heat"),
        figure(dots([Interval(EVIL, 0.5, 0.4, 0.6, 0.1, 0.9), Interval("b", None, refused=EVIL)]), "d"),
        table([EVIL, "n"], [[EVIL, 1.5], ["x", None]]),
    ]
    return page(EVIL, [Section(EVIL, body, EVIL), Section("empty", [])], lead=EVIL, foot=EVIL)


def test_a_page_is_well_formed_and_nothing_given_as_text_is_markup():
    html = whole()
    assert "<script" not in html
    body = html[html.index("<main>") : html.index("</body>")]
    root = ElementTree.fromstring(body)
    assert len(root.findall(".//svg")) >= 8


def test_a_page_needs_nothing_from_elsewhere_and_forbids_it():
    html = whole()
    assert not re.search(r"(?:src|href)=[\"'](?!#)", html)
    assert "default-src 'none'" in html
    assert "style=" not in html.replace("style-src", "")


def test_the_policy_allows_the_style_that_is_there():
    import base64
    import hashlib

    html = whole()
    style = html[html.index("<style>") + 7 : html.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"'sha256-{digest}'" in html


def test_wide_charts_are_drawn_for_laptop_and_phone():
    assert lines({"a": [(0, 1), (1, 2)]}, wide=True).count("<svg") == 2
    assert lines({"a": [(0, 1), (1, 2)]}).count("<svg") == 1


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (7, "7"), (1234567, "1,234,567"), (12.34, "12.3"), (0.5, "0.50"), (0.0123, "0.012"), (2.5e7, "25.0 M")],
)
def test_numbers_for_a_person(value: float, text: str):
    assert number(value) == text


@pytest.mark.parametrize(("value", "text"), [(0, "0 %"), (0.123, "12 %"), (0.0123, "1.2 %"), (0.0001, "< 0.1 %")])
def test_shares_for_a_person(value: float, text: str):
    assert percent(value) == text


def test_counts_have_whole_ticks():
    labels = re.findall(r'text-anchor="end">([^<]*)<', hist(["a"], {"": [3]}))
    assert labels == ["0", "1", "2", "3"]


def test_charts_of_nothing_do_not_fail():
    assert "Nothing" in lines({})
    for chart in (bars([]), hist([], {}), heat([], [], []), dots([]), table(["a"], [])):
        assert chart


def test_a_flat_line_and_a_single_point_have_axes():
    assert "NaN" not in lines({"a": [(3, 0.0)]}) + lines({"a": [(1, 5.0), (2, 5.0)]}, zero=False)


def test_labels_stand_where_there_are_points():
    chart = lines({"a": [(0.0, 1.0), (1.0, 2.0), (6.0, 3.0)]}, x_form=lambda x: f"at {x:g}", wide=True)
    assert set(re.findall(r"at [\d.]+", chart)) == {"at 0", "at 1", "at 6"}
