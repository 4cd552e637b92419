"""A page to choose the better of several replies without seeing who wrote them; the key lies apart in `blind.json`."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }
section { border-top: 1px solid #8886; padding: 1rem 0; }
p.said { margin: .2rem 0; opacity: .8; } label { display: block; padding: .4rem; border-radius: .4rem; }
label:has(input:checked) { background: #8883; }
"""
SCRIPT = """
document.querySelector('button').onclick = () => {
  const wins = {};
  for (const x of document.querySelectorAll('input:checked')) {
    const name = key[x.name][x.value];
    wins[name] = (wins[name] || 0) + 1;
  }
  document.querySelector('output').textContent = Object.entries(wins).map(([n, k]) => `${n}: ${k}`).join(', ');
};
"""


class Question(NamedTuple):
    """Replies of several bases to one context."""

    person: str
    context: Sequence[tuple[str, str]]
    """(who, what they said), the latest last."""
    name: str
    """Who answers."""
    answers: Mapping[str, str]
    """Base → reply."""


def write_page(folder: Path, questions: Sequence[Question], *, seed: int = 0) -> None:
    """Write `folder`/blind.html and `folder`/blind.json: questions in random order, replies in random order each."""
    rng = random.Random(seed)
    order = rng.sample(list(questions), len(questions))
    key: dict[str, list[str]] = {}
    body = []
    for k, question in enumerate(order):
        key[f"q{k}"] = names = rng.sample(list(question.answers), len(question.answers))
        said = "".join(f'<p class="said"><b>{escape(n)}</b> {escape(t)}</p>' for n, t in question.context)
        choices = "".join(
            f'<label><input type="radio" name="q{k}" value="{i}"> {escape(question.answers[n])}</label>'
            for i, n in enumerate(names)
        )
        asked = f"What would {escape(question.name)} ({escape(question.person)}) rather say?"
        body.append(f"<section>{said}<fieldset><legend>{asked}</legend>{choices}</fieldset></section>")
    page = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Which sounds right?</title><style>{STYLE}</style>'
        f"<h1>Which sounds right?</h1>{''.join(body)}<p><button>Count</button> <output></output></p>"
        # "<" is written as an escape so that no text can end the script.
        f"<script>const key = {json.dumps(key).replace('<', chr(92) + 'u003c')};{SCRIPT}</script></html>"
    )
    (folder / "blind.html").write_text(page, encoding="utf-8")
    rows = [{**q._asdict(), "order": key[f"q{k}"]} for k, q in enumerate(order)]
    (folder / "blind.json").write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
