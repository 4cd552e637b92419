"""Figures and tables of the simulated year (`python bench/year.py plot FOLDER OUT`).

The SVG files carry their own background and follow the reader's light or dark setting; they need no script and no font.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from gemel.improve.gate import Finding, Leak, decide
from gemel.workspace import atomic

__all__ = ["plot"]

LINES = {
    "with": "the twin that learns on",
    "longer": "trained as long on the first three months",
    "without": "the first voice, left as it was",
}
MARKS = {"promoted": "●", "kept": "○", "set aside": "×"}
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 800, 400, 62, 24, 78, 64
STYLE = """
.paper{fill:#fbfaf7}.ink{fill:#23221f}.soft{fill:#6a675f}.grid{stroke:#dedad0}
text{font:13px system-ui,sans-serif}.title{font-size:15px;font-weight:600}.small{font-size:12px}
.with{stroke:#0b7a6b;fill:#0b7a6b}.longer{stroke:#b2562b;fill:#b2562b}.without{stroke:#77746c;fill:#77746c}
polyline{fill:none;stroke-width:2.2}.bar{stroke-width:1.4}.dot{stroke:none}
@media(prefers-color-scheme:dark){.paper{fill:#191816}.ink{fill:#ece7dd}.soft{fill:#a8a399}.grid{stroke:#3a3832}
.with{stroke:#55c7b3;fill:#55c7b3}.longer{stroke:#e59a6d;fill:#e59a6d}.without{stroke:#a09c92;fill:#a09c92}}
"""


def plot(year: Mapping[str, Any], out: Path) -> None:
    """Write `gain.svg`, `difference.svg` and `rounds.md` into `out`.

    Args:
        year: what `year.py run` wrote, complete or not.
    """
    months = list(year["months"].values())
    names = [m["month"] for m in months]
    under = _marks(year["rounds"], len(months))
    apart = any(m["runs"]["longer"] != m["runs"]["without"] for m in months)
    lines = LINES if apart else {key: label for key, label in LINES.items() if key != "longer"}
    gains = {key: [m[key] for m in months] for key in lines}
    ahead = {key: [m[f"difference to {key}"] for m in months] for key in ("without", "longer") if key in lines}
    figures = {
        "gain.svg": _figure("Bits per byte saved against the base, on the month not yet learned", names, gains, under),
        "difference.svg": _figure(
            "How much more the twin that learns on saves (paired, 95 %)",
            names,
            ahead,
            under,
            {"without": "than the first voice", "longer": "than as much training on the first three months"},
        ),
    }
    for name, text in (*figures.items(), ("rounds.md", "\n".join(_tables(year)) + "\n")):
        with atomic(out / name) as path:
            path.write_text(text, encoding="utf-8")


def _marks(rounds: Mapping[str, Any], count: int) -> list[str]:
    """What became of each month's import."""
    return [MARKS.get(rounds.get(str(i + 1), {}).get("outcome", ""), "") for i in range(count)]


def _figure(
    title: str,
    names: Sequence[str],
    lines: Mapping[str, Sequence[Sequence[float]]],
    under: Sequence[str],
    labels: Mapping[str, str] = LINES,
) -> str:
    values = [v for rows in lines.values() for row in rows for v in row]
    low, high = min(0.0, *values), max(values)
    step = next(s for s in (0.02, 0.05, 0.1, 0.2, 0.5) if (high - low) / s <= 8)

    def across(i: float) -> float:
        return LEFT + (i + 0.5) * (WIDTH - LEFT - RIGHT) / len(names)

    def up(value: float) -> float:
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - BOTTOM - TOP)

    body = [f'<text class="ink title" x="{LEFT}" y="26">{title}</text>']
    for i, (key, label) in enumerate((k, labels[k]) for k in lines):
        x = LEFT + sum(38 + 6.7 * len(labels[k]) for k in list(lines)[:i])
        body.append(f'<circle class="{key} dot" cx="{x + 5}" cy="47" r="4.5"/>')
        body.append(f'<text class="ink small" x="{x + 15}" y="51">{label}</text>')
    for tick in range(int(low / step) - 1, int(high / step) + 1):
        if low <= tick * step <= high:
            y = up(tick * step)
            body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            body.append(
                f'<text class="soft small" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick * step:.2f}</text>'
            )
    for i, name in enumerate(names):
        x = across(i)
        label = name[5:] if i and name[:4] == names[i - 1][:4] else name
        body.append(
            f'<text class="soft small" x="{x:.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{label}</text>'
        )
        body.append(f'<text class="ink" x="{x:.1f}" y="{HEIGHT - BOTTOM + 38}" text-anchor="middle">{under[i]}</text>')
    legend = "the month's import: ● learned and promoted, ○ learned and kept back by the gate, × set aside, not learned"
    body.append(f'<text class="soft small" x="{LEFT}" y="{HEIGHT - 8}">{legend}</text>')
    for shift, (key, rows) in enumerate(lines.items()):
        body += _line(key, rows, [across(i + 0.08 * (shift - 1)) for i in range(len(rows))], up)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}">'
        f"<style>{STYLE}</style>"
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>{"".join(body)}</svg>\n'
    )


def _line(key: str, rows: Sequence[Sequence[float]], xs: Sequence[float], up: Any) -> Iterable[str]:
    points = " ".join(f"{x:.1f},{up(row[0]):.1f}" for x, row in zip(xs, rows))
    yield f'<polyline class="{key}" style="fill:none" points="{points}"/>'
    for x, (value, low, high) in zip(xs, rows):
        yield f'<line class="{key} bar" x1="{x:.1f}" x2="{x:.1f}" y1="{up(low):.1f}" y2="{up(high):.1f}"/>'
        yield f'<circle class="{key} dot" cx="{x:.1f}" cy="{up(value):.1f}" r="3.2"/>'


def _tables(year: Mapping[str, Any]) -> Iterable[str]:
    columns = {
        "with": "learns on",
        "without": "first voice",
        "longer": "trained as long",
        "difference to without": "learns on − first",
        "difference to longer": "learns on − as long",
    }
    yield f"| month | {' | '.join(columns.values())} |"
    yield "|---" * (len(columns) + 1) + "|"
    for row in year["months"].values():
        yield f"| {row['month']} | " + " | ".join(_shown(row[key]) for key in columns) + " |"
    yield "\nBits per byte, 95 % intervals over days.\n"
    yield "| import | outcome | reason | seconds of processor |"
    yield "|---|---|---|---|"
    for name, row in year["rounds"].items():
        if name == "first voice":
            continue
        if name == "damage":
            why = f"{row['refused']}; the twin went back to {row['now']}"
            yield f"| one byte of {row['run']} turned over | refused and left | {why} | |"
        else:
            yield f"| {name} | {row['outcome']} | {'; '.join(row['reasons'])} | {row['cpu']:.0f} |"
            if name.endswith("screen off"):
                yield f"| the same, were nobody asked who wrote it | {_blind_to_author(row)} | |"


def _blind_to_author(row: Mapping[str, Any]) -> str:
    """What the gate would say of a round if it did not ask whether the text is the person's."""
    measured = row["measured"]
    said = decide([Finding(**f) for f in measured["findings"]], [Leak(**one) for one in measured["leaks"]])
    return f"would have been {'promoted' if said.passed else 'kept'} | {'; '.join(said.reasons)}"


def _shown(row: Sequence[float]) -> str:
    return f"{row[0]:+.3f} ({row[1]:+.3f} to {row[2]:+.3f})"
