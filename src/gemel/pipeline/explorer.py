"""The page of `gemel traits sweep`: one trait under a slider, in one file that needs no network.

It shows samples and derivatives of the model and says so; essays stand in the page, so it is as private as
they are. The live page with every trait belongs to the web app.
"""

from __future__ import annotations

import base64
import hashlib
import json
from html import escape
from importlib.resources import files

from gemel.corpus.page import Interval, Section, dots, figure, page, paragraph, table
from gemel.pipeline.traits import Swept

__all__ = ["explorer"]

CAUTION = (
    "What is shown is the model's own behaviour: what it would write, and how likely it finds what it wrote. "
    "It says nothing about people of this kind, and nothing about why they write as they do."
)


def explorer(swept: Swept) -> str:
    """The whole page as HTML."""
    style, script = _asset("explorer.css"), _asset("explorer.js")
    data = json.dumps(
        {
            "steps": [
                {
                    "shown": s.shown,
                    "u": round(s.u, 4),
                    "score": round(s.score, 4),
                    "ended": s.ended,
                    "words": [[w.text, round(w.value, 4)] for w in s.words],
                }
                for s in swept.steps
            ]
        },
        ensure_ascii=False,
    ).replace("</", "<\\/")
    sections = [
        Section("The essay", [_stage(swept)], f"Asked: {swept.question}. {_known(swept)}"),
        *([_louder(swept)] if swept.loudness else []),
        Section("The derivative, checked", [_checked(swept)], "By the exact pass and by moving the trait a little."),
    ]
    html = page(
        f"{swept.trait.replace('_', ' ').capitalize()}, moved",
        sections,
        lead=f"{len(swept.steps)} essays that share their chance: the slider changes only what the trait touches.",
        foot=CAUTION,
    )
    policy = f"style-src {_hash(style)} 'sha256-"
    html = html.replace("style-src 'sha256-", policy, 1).replace(
        "base-uri 'none'", f"script-src {_hash(script)}; base-uri 'none'", 1
    )
    html = html.replace("</head>", f"<style>{style}</style></head>", 1)
    tail = f'<script type="application/json" id="data">{data}</script><script>{script}</script></body>'
    return html.replace("</body>", tail, 1)


def _stage(swept: Swept) -> str:
    last, middle = len(swept.steps) - 1, len(swept.steps) // 2
    text = "".join(w.text for w in swept.steps[middle].words)
    return (
        f'<div class="slider"><label for="slider">{escape(swept.trait.replace("_", " "))} '
        '<span id="sd"></span></label><output id="value" for="slider">'
        f"{escape(swept.steps[middle].shown)}</output>"
        f'<input id="slider" type="range" min="0" max="{last}" value="{middle}" step="1"></div>'
        '<div class="strip" id="strip" title="how many words change at each step"></div>'
        f'<div class="essay" id="essay" dir="auto" aria-live="polite">{escape(text)}</div>'
        '<div class="told"><span>S = d log p / du: <b id="score">–</b> nats per sd</span>'
        '<span>words new here: <b id="marked">0</b></span>'
        f'<span><span class="key up">likelier</span> <span class="key down">unlikelier</span> '
        f'with more {escape(swept.trait.replace("_", " "))}</span><span class="key new">new here</span>'
        '<button id="shade" type="button" aria-pressed="true">Do not shade</button></div>'
    )


def _known(swept: Swept) -> str:
    given = [f"{k} {v}" for k, v in swept.profile.items() if k != swept.trait]
    return f"Other traits: {', '.join(given)}." if given else "No other trait is given."


def _louder(swept: Swept) -> Section:
    rows = [
        Interval(
            name.replace("_", " "),
            e.value,
            e.low,
            e.high,
            floor=swept.control[name].high if name in swept.control else None,
        )
        for name, e in swept.loudness.items()
    ]
    note = (
        "The tick is the upper end of a control trained on shuffled traits: what does not pass it is noise."
        if swept.control
        else "No control was trained, so small values may be noise: `gemel traits train --control` trains one."
    )
    count = next(iter(swept.loudness.values())).n
    body = [
        figure(dots(rows), "Bits that one essay tells about each trait, per sd²", wide=True, note=note),
        paragraph(f"Mean and 95 % interval over {count} essays sampled at the middle of the slider.", kind="note"),
    ]
    return Section("How loud each trait is", body, "How strongly what the model writes depends on each trait.")


def _checked(swept: Swept) -> str:
    middle = swept.steps[len(swept.steps) // 2]
    return table(
        ["at", "exact S", "by finite difference", "difference"],
        [(middle.shown, f"{middle.score:.4f}", f"{swept.checked:.4f}", f"{abs(middle.score - swept.checked):.1e}")],
    )


def _asset(name: str) -> str:
    return files("gemel.pipeline").joinpath(name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
