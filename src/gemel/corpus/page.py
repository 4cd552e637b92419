"""The one look of every page gemel writes: a self-contained HTML file with small charts, light and dark.

Pages open offline: no script, no font, no image from elsewhere, and a content security policy that would
refuse them. Charts are drawn for a laptop and, where they are wide, a second time for a phone, so that
their labels stay readable. Everything given as text is escaped; fragments returned by these functions are HTML.
"""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from html import escape
from importlib.resources import files
from typing import NamedTuple

__all__ = [
    "Interval",
    "Section",
    "bars",
    "dots",
    "figure",
    "heat",
    "hist",
    "lines",
    "number",
    "page",
    "paragraph",
    "percent",
    "table",
    "tiles",
]

Format = Callable[[float], str]
NARROW, WIDE = 400, 880
"""Widths of a chart in CSS pixels: half a laptop's column or a phone; a laptop's whole column."""


class Section(NamedTuple):
    """A part of a page."""

    title: str
    body: Sequence[str]
    """HTML fragments, as the functions here return them."""
    note: str = ""
    """What the part shows and how it was measured: plain text."""


class Interval(NamedTuple):
    """A value with its interval, and what it is to be read against."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None
    floor: float | None = None
    ceiling: float | None = None
    refused: str = ""
    """Why there is no value."""


def page(title: str, sections: Sequence[Section], *, lead: str = "", foot: str = "") -> str:
    """A whole HTML page: title, one paragraph of `lead`, a table of contents, the sections, a `foot` line."""
    style = files("gemel.corpus").joinpath("page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    contents = "".join(f'<a href="#s{i}">{escape(s.title)}</a>' for i, s in enumerate(sections))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta name="robots" content="noindex">'
        f"<title>{escape(title)}</title><style>{style}</style></head>\n<body><main>\n"
        f'<header><h1 dir="auto">{escape(title)}</h1>{paragraph(lead, kind="lead") if lead else ""}</header>\n'
        f'<nav aria-label="Contents">{contents}</nav>\n'
        + "\n".join(_section(i, section) for i, section in enumerate(sections))
        + f"\n<footer>{escape(foot)}</footer>\n</main></body></html>\n"
    )


def _section(index: int, section: Section) -> str:
    note = paragraph(section.note, kind="note") if section.note else ""
    body = "\n".join(section.body)
    return f'<section id="s{index}"><h2>{escape(section.title)}</h2>{note}<div class="grid">{body}</div></section>'


def paragraph(text: str, *, kind: str = "") -> str:
    """A paragraph of plain text; `kind` is lead, note, warn or nothing."""
    return f'<p class="{kind}" dir="auto">{escape(text)}</p>' if kind else f'<p dir="auto">{escape(text)}</p>'


def number(value: float) -> str:
    """A number for a person: 1,234,567; 12.3; 0.045; 1.2 M from ten millions."""
    if not math.isfinite(value):
        return "–"
    size = abs(value)
    if size >= 1e7:
        return f"{value / 1e6:,.1f} M"
    if size >= 100 or float(value).is_integer():
        return f"{value:,.0f}"
    return f"{value:.1f}" if size >= 10 else f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def percent(value: float) -> str:
    """A share as per cent: 0.123 → 12 %, 0.0123 → 1.2 %."""
    if 0 < value < 0.0005:
        return "< 0.1 %"
    return f"{100 * value:.0f} %" if abs(value) >= 0.0995 or value == 0 else f"{100 * value:.1f} %"


def tiles(items: Sequence[tuple[str, str]]) -> str:
    """Headline figures: (what it is, the figure)."""
    cells = "".join(f'<div><dt>{escape(label)}</dt><dd dir="auto">{escape(value)}</dd></div>' for label, value in items)
    return f'<dl class="tiles">{cells}</dl>'


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table; columns of figures stand to the right, everything else as text."""
    right = [bool(rows) and all(map(_figure, (row[i] for row in rows))) for i in range(len(header))]
    head = "".join(f'<th class="{"r" if r else ""}">{escape(h)}</th>' for h, r in zip(header, right))
    body = "".join("<tr>" + "".join(map(_cell, row, right)) + "</tr>" for row in rows)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _figure(value: object) -> bool:
    return value is None or isinstance(value, int | float) or (isinstance(value, str) and value[:1] in "+−–<0123456789")


def _cell(value: object, right: bool) -> str:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    text = number(float(value)) if plain else "–" if value is None else str(value)  # type: ignore[arg-type]
    return f'<td class="r">{escape(text)}</td>' if right else f'<td dir="auto">{escape(text)}</td>'


def figure(chart: str, caption: str, *, wide: bool = False, note: str = "") -> str:
    """A chart under its caption; a wide one takes the whole column."""
    under = f"<small>{escape(note)}</small>" if note else ""
    return f'<figure class="{"wide" if wide else ""}"><figcaption>{escape(caption)}</figcaption>{chart}{under}</figure>'


def bars(rows: Sequence[tuple[str, float]], *, form: Format = number, tone: int = 1) -> str:
    """Horizontal bars with a label and the value; `tone` 1 to 4 chooses the colour."""
    top = max((abs(v) for _, v in rows), default=0.0) or 1.0
    cells = "".join(
        f'<dt dir="auto">{escape(label)}</dt><dd><svg class="bar" aria-hidden="true"><rect class="f{tone}" '
        f'width="{max(0.5, 100 * abs(value) / top):.1f}%" height="100%"/></svg><span>{escape(form(value))}</span></dd>'
        for label, value in rows
    )
    return f'<dl class="bars">{cells}</dl>'


def hist(
    labels: Sequence[str], series: Mapping[str, Sequence[float]], *, form: Format = number, wide: bool = False
) -> str:
    """Columns per label, side by side where there are several series; every nth label is written.

    Args:
        labels: one per column, in order.
        series: name → values ≥ 0, as many as labels.
    """

    def draw(width: int) -> str:
        height, left, bottom, top = 210, 40, 24, 8
        high = max((v for values in series.values() for v in values), default=0.0) or 1.0
        ticks = _ticks(0, high, whole=all(float(v).is_integer() for values in series.values() for v in values))
        scale = (height - bottom - top) / max(high, ticks[-1])
        step = (width - left - 4) / max(1, len(labels))
        bar = step * (0.86 if len(labels) < 60 else 1.0) / max(1, len(series))
        marks = [_rule(left, width, height - bottom - t * scale, form(t)) for t in ticks]
        for s, (name, values) in enumerate(series.items()):
            for i, value in enumerate(values):
                x, h = left + i * step + s * bar + step * 0.04, value * scale
                told = f"{labels[i]}{', ' + name if name else ''}: {form(value)}"
                marks.append(
                    f'<rect class="f{s + 1}" x="{x:.1f}" y="{height - bottom - h:.1f}" width="{bar:.1f}" '
                    f'height="{h:.1f}"><title>{escape(told)}</title></rect>'
                )
        every = max(1, math.ceil(len(labels) * (7 * max(map(len, labels), default=1) + 7) / (width - left)))
        for i in range(0, len(labels), every):
            marks.append(_label(left + (i + 0.5) * step, height - 7, labels[i], "middle"))
        return _svg(width, height, marks, "columns: " + ", ".join(n for n in series if n))

    return _legend(series) + _twice(draw, wide=wide)


def lines(
    series: Mapping[str, Sequence[tuple[float, float]]],
    *,
    x_form: Format = number,
    form: Format = number,
    zero: bool = True,
    wide: bool = False,
) -> str:
    """Lines through points (x, y), each series sorted by x; the first series is filled underneath.

    Args:
        zero: begin the vertical axis at 0.
    """
    points = [p for values in series.values() for p in values]
    if not points:
        return paragraph("Nothing to show.", kind="note")
    x0, x1 = min(p[0] for p in points), max(p[0] for p in points)
    y0, y1 = min(p[1] for p in points), max(p[1] for p in points)
    y0 = min(0.0, y0) if zero else y0

    def draw(width: int) -> str:
        height, left, bottom, top = 210, 40, 24, 8
        ticks = _ticks(y0, y1)
        low, high = min(y0, ticks[0]), max(y1, ticks[-1])

        def at(p: tuple[float, float]) -> tuple[float, float]:
            x = left + 4 + (p[0] - x0) / ((x1 - x0) or 1) * (width - left - 12)
            return x, top + (high - p[1]) / ((high - low) or 1) * (height - bottom - top)

        marks = [_rule(left, width, at((x0, t))[1], form(t)) for t in ticks]
        for s, (name, values) in enumerate(series.items()):
            path = " ".join(f"{x:.1f},{y:.1f}" for x, y in map(at, values))
            if s == 0 and values and zero:
                start, end = at((values[0][0], low)), at((values[-1][0], low))
                marks.append(
                    f'<polygon class="area" points="{start[0]:.1f},{start[1]:.1f} {path} {end[0]:.1f},{end[1]:.1f}"/>'
                )
            marks.append(f'<polyline class="l{s + 1}" points="{path}"><title>{escape(name)}</title></polyline>')
        places = sorted({p[0] for p in points})
        for x in places[:: math.ceil(len(places) / max(2, width // 130))]:
            anchor = "start" if x == x0 else "end" if x > x0 + 0.95 * (x1 - x0) else "middle"
            marks.append(_label(at((x, low))[0], height - 7, x_form(x), anchor))
        return _svg(width, height, marks, "lines: " + ", ".join(n for n in series if n))

    return _legend(series) + _twice(draw, wide=wide)


def heat(
    values: Sequence[Sequence[float]],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    form: Format = number,
    wide: bool = False,
) -> str:
    """A grid of cells, the darker the larger (square-root scale), with every nth column named."""
    top = max((v for row in values for v in row), default=0.0) or 1.0

    def draw(width: int) -> str:
        left = 12 + 7 * max(map(len, rows), default=0)
        step = (width - left - 2) / max(1, len(columns))
        tall = min(30.0, max(16.0, step))
        marks = []
        for i, row in enumerate(values):
            marks.append(_label(left - 8, i * tall + tall / 2 + 4, rows[i], "end"))
            for j, value in enumerate(row):
                told = f"{rows[i]}, {columns[j]}: {form(value)}"
                marks.append(
                    f'<rect class="f1" x="{left + j * step:.1f}" y="{i * tall:.1f}" width="{step - 1.5:.1f}" rx="2" '
                    f'height="{tall - 1.5:.1f}" fill-opacity="{0.05 + 0.95 * math.sqrt(max(0.0, value) / top):.2f}">'
                    f"<title>{escape(told)}</title></rect>"
                )
        every = max(1, math.ceil(len(columns) * (7 * max(map(len, columns), default=1) + 7) / (width - left)))
        for j in range(0, len(columns), every):
            marks.append(_label(left + (j + 0.5) * step, len(rows) * tall + 14, columns[j], "middle"))
        return _svg(width, int(len(rows) * tall + 20), marks, "a grid of counts")

    return _twice(draw, wide=wide)


def dots(rows: Sequence[Interval], *, form: Format = number, wide: bool = True) -> str:
    """Values with intervals on one axis, one row each; floor and ceiling as ticks, refusals in words."""
    known = [v for r in rows for v in (r.value, r.low, r.high, r.floor, r.ceiling) if v is not None]
    low, high = min(known, default=0.0), max(known, default=1.0)
    ticks = _ticks(low, high)
    low, high = min(low, ticks[0]), max(high, ticks[-1])

    def draw(width: int) -> str:
        left, tall = min(int(width * 0.42), 14 + 7 * max((len(r.label) for r in rows), default=0)), 26

        def at(value: float) -> float:
            return left + 8 + (value - low) / ((high - low) or 1) * (width - left - 24)

        base = len(rows) * tall + 4
        marks = [f'<line class="rule" x1="{at(t):.1f}" x2="{at(t):.1f}" y1="0" y2="{base}"/>' for t in ticks]
        marks += [_label(at(t), base + 14, form(t), "middle") for t in ticks]
        for i, row in enumerate(rows):
            y = i * tall + tall / 2 + 2
            marks.append(_label(0, y + 4, _short(row.label, left // 7), "start"))
            marks += _dot(row, y, left + 8, at, form)
        return _svg(width, base + 20, marks, "values with intervals")

    return _twice(draw, wide=wide)


def _dot(row: Interval, y: float, start: float, at: Callable[[float], float], form: Format) -> list[str]:
    if row.value is None:
        return [f'<text class="dim" x="{start:.1f}" y="{y + 4:.1f}">{escape(row.refused or "refused")}</text>']
    marks = []
    for kind, value in (("floor", row.floor), ("ceiling", row.ceiling)):
        if value is not None:
            told = f"{kind} {form(value)}"
            marks.append(
                f'<line class="{kind}" x1="{at(value):.1f}" x2="{at(value):.1f}" y1="{y - 8:.1f}" y2="{y + 8:.1f}">'
                f"<title>{escape(told)}</title></line>"
            )
    if row.low is not None and row.high is not None:
        marks.append(
            f'<line class="whisker" x1="{at(row.low):.1f}" x2="{at(row.high):.1f}" y1="{y:.1f}" y2="{y:.1f}"/>'
        )
    span = "" if row.low is None or row.high is None else f" ({form(row.low)} to {form(row.high)})"
    told = f"{row.label}: {form(row.value)}{span}"
    return [
        *marks,
        f'<circle class="f1" cx="{at(row.value):.1f}" cy="{y:.1f}" r="4.5"><title>{escape(told)}</title></circle>',
    ]


def _twice(draw: Callable[[int], str], *, wide: bool) -> str:
    if not wide:
        return draw(NARROW)
    return f'<div class="laptop">{draw(WIDE)}</div><div class="phone">{draw(NARROW)}</div>'


def _svg(width: int, height: int, marks: Sequence[str], what: str) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(what)}">{"".join(marks)}</svg>'


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _rule(left: float, right: float, y: float, text: str) -> str:
    line = f'<line class="rule" x1="{left}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
    return line + _label(left - 6, y + 4, text, "end")


def _legend(series: Mapping[str, object]) -> str:
    if len(series) < 2:
        return ""
    keys = "".join(f'<span class="k{i + 1}">{escape(name)}</span>' for i, name in enumerate(series))
    return f'<div class="legend">{keys}</div>'


def _short(text: str, size: int) -> str:
    return text if len(text) <= size else text[: max(1, size - 1)] + "…"


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    """Three to six round values that span [low, high]; integers if `whole`."""
    span = (high - low) or abs(high) or 1.0
    step = 10 ** math.floor(math.log10(span / 3))
    step = max(1.0, step) if whole else step
    step *= next(m for m in (1, 2, 5, 10, 20) if span / (step * m) <= 5)
    first = math.floor(low / step)
    return [round(step * i, 12) for i in range(first, math.ceil(high / step - 1e-9) + 1)]
