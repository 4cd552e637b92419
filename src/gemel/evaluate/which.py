"""Which is me? A page for friends: a context, two replies, one of them real; votes come back with an interval.

The page works offline and sends nothing. It holds no names of systems, and the key only as a hash that it
needs to show the interval after every vote; whoever wants to cheat can.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import NamedTuple

from gemel.errors import DataError
from gemel.evaluate.answers import Answer
from gemel.evaluate.bench.files import Judgment
from gemel.evaluate.cases import Case
from gemel.evaluate.statistics import wilson
from gemel.examples import Role
from gemel.records import stable_id

__all__ = ["Key", "Place", "Votes", "ballots", "count_votes", "which_page"]


class Place(NamedTuple):
    """What one item of the page is."""

    side: str
    """Where the real reply stands: l or r."""
    case: str


Key = Mapping[str, Place]
"""Item of the page → what it is; stays with the owner."""


REAL, MADE = "expert", "voice"
"""The two systems of the page, as the bench calls them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Votes:
    """How often the real reply was found."""

    found: int
    n: int
    low: float
    high: float
    voters: int

    @property
    def sentence(self) -> str:
        """The result for a person."""
        if not self.n:
            return "No votes yet."
        return (
            f"{self.voters} {'friend' if self.voters == 1 else 'friends'} found the real reply {self.found} times "
            f"of {self.n} ({self.found / self.n:.0%}; 95 % interval {self.low:.0%} to {self.high:.0%}; "
            "50 % would be guessing)."
        )


def which_page(
    name: str, cases: Sequence[Case], answers: Sequence[Answer], *, items: int = 20, seed: int = 0
) -> tuple[str, dict[str, Place]]:
    """The page, and the key to it.

    Args:
        answers: the twin's, one per case.
    """
    rng = random.Random(stable_id("which", seed))
    order = [i for i, c in enumerate(cases) if c.truth.text.strip() and answers[i].text.strip()]
    chosen = rng.sample(order, min(items, len(order)))
    key: dict[str, Place] = {}
    salt = f"{rng.getrandbits(64):x}"
    rows = []
    for i in chosen:
        item = stable_id(salt, cases[i].id)
        side = rng.choice("lr")
        key[item] = Place(side, cases[i].id)
        real, made = cases[i].truth.text, answers[i].text
        before = [
            {"name": t.name or ("…" if t.role is Role.prompt else ""), "text": t.text}
            for t in cases[i].context[-4:]
            if t.role in (Role.me, Role.other, Role.prompt)
        ]
        left, right = (real, made) if side == "l" else (made, real)
        rows.append({"id": item, "before": before, "l": left, "r": right, "check": _check(salt, item, side)})
    # "<" is written as an escape so that no text can end the script element.
    data = json.dumps({"salt": salt, "items": rows}, ensure_ascii=False).replace("<", "\\u003c")
    script = _SCRIPT.replace("/*DATA*/", data)
    policy = (
        f"default-src 'none'; style-src 'sha256-{_digest(_STYLE)}'; script-src 'sha256-{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGE.substitute(policy=policy, name=escape(name), style=_STYLE, script=script), key


def ballots(paths: Sequence[Path], key: Key) -> dict[str, list[Judgment]]:
    """Rater → what they chose, from the files that friends sent back; the same file twice is one rater.

    Raises:
        DataError: when a file holds no votes, or votes on another page.
    """
    out: dict[str, list[Judgment]] = {}
    for path in paths:
        try:
            votes = json.loads(path.read_text(encoding="utf-8-sig"))["votes"]
            pairs = sorted((str(k), str(v)) for k, v in votes.items())
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(f"{path.name} holds no votes", hint="Use the file that the page saves.") from error
        if any(k not in key or v not in ("l", "r") for k, v in pairs):
            raise DataError(f"{path.name} holds votes on another page", hint="Votes belong to the page made last.")
        rater = f"rater-{stable_id(*(x for pair in pairs for x in pair))[:8]}"
        out[rater] = [_judgment(rater, key[item], chosen) for item, chosen in pairs]
    return out


def _judgment(rater: str, place: Place, chosen: str) -> Judgment:
    shown = REAL, MADE
    if place.side == "r":
        shown = MADE, REAL
    best = shown[0] if chosen == "l" else shown[1]
    return Judgment(question=place.case, judge=rater, shown=shown, ranking={"identity": (best,)})


def count_votes(judgments: Sequence[Judgment]) -> Votes:
    """How often people found the real reply."""
    seen = [j for j in judgments if set(j.shown) == {REAL, MADE}]
    found, n = sum(j.ranking["identity"] == (REAL,) for j in seen), len(seen)
    low, high = wilson(found, n)
    return Votes(found=found, n=n, low=low, high=high, voters=len({j.judge for j in seen}))


def _check(salt: str, item: str, side: str) -> int:
    """FNV-1a, 32 bits, as the page computes it."""
    value = 0x811C9DC5
    for byte in (salt + item + side).encode():
        value = (value ^ byte) * 0x01000193 & 0xFFFFFFFF
    return value


def _digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


_STYLE = """
:root{color-scheme:light dark;--ink:#1c1b19;--paper:#faf8f4;--line:#d8d2c6;--mark:#2f5d62}
@media(prefers-color-scheme:dark){:root{--ink:#ece7dd;--paper:#191816;--line:#3d3a34;--mark:#8fc1b5}}
body{margin:0 auto;max-width:44rem;padding:1.5rem 1rem;background:var(--paper);color:var(--ink);
font:1.05rem/1.5 Georgia,serif}
h1{font-size:1.5rem;margin:0 0 .5rem}
#before p{margin:.2rem 0}#before b{font-weight:600}#before:focus{outline:none}
.two{display:grid;grid-template-columns:1fr 1fr;gap:1rem;margin:1rem 0}
@media(max-width:34rem){.two{grid-template-columns:1fr}}
button{font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:.5rem;padding:1rem;
text-align:start;white-space:pre-wrap;cursor:pointer}
button:hover,button:focus-visible{border-color:var(--mark);outline:2px solid var(--mark)}
#told{color:var(--mark);min-height:1.5em}
"""
_SCRIPT = """
const data = /*DATA*/;
const votes = {};
let at = 0, found = 0;
const $ = id => document.getElementById(id);
function check(text) {
  let h = 0x811c9dc5;
  for (const b of new TextEncoder().encode(text)) h = Math.imul(h ^ b, 0x01000193) >>> 0;
  return h;
}
function wilson(k, n) {
  const z = 1.96, p = k / n, d = 1 + z * z / n, c = (p + z * z / (2 * n)) / d;
  const h = z / d * Math.sqrt(p * (1 - p) / n + z * z / (4 * n * n));
  return [Math.max(0, c - h), Math.min(1, c + h)];
}
function show() {
  if (at >= data.items.length) {
    $("ask").hidden = true; $("done").hidden = false; return;
  }
  const item = data.items[at];
  $("count").textContent = `${at + 1} of ${data.items.length}`;
  $("before").replaceChildren(...item.before.map(t => {
    const p = document.createElement("p"), b = document.createElement("b");
    b.textContent = t.name ? t.name + ": " : ""; p.dir = "auto"; p.append(b, t.text); return p;
  }));
  $("l").textContent = item.l; $("r").textContent = item.r; $("before").focus();
}
function vote(side) {
  const item = data.items[at];
  votes[item.id] = side;
  if (check(data.salt + item.id + side) === item.check) found++;
  at++;
  const [low, high] = wilson(found, at);
  const pc = x => Math.round(100 * x) + " %";
  $("told").textContent = `Found ${found} of ${at} (${pc(low)} to ${pc(high)}; 50 % is guessing).`;
  show();
}
$("l").onclick = () => vote("l");
$("r").onclick = () => vote("r");
$("save").onclick = () => {
  const link = document.createElement("a");
  const text = JSON.stringify({votes});
  link.href = URL.createObjectURL(new Blob([text], {type: "application/json"}));
  link.download = "votes.json";
  link.click();
};
show();
"""
_PAGE = Template("""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">
<title>Which is $name?</title><style>$style</style></head>
<body><h1>Which is $name?</h1>
<p>One of the two replies is real, the other was written by an imitation. Choose the real one.</p>
<main id="ask"><p id="count"></p><div id="before" tabindex="-1"></div>
<div class="two"><button id="l" dir="auto"></button><button id="r" dir="auto"></button></div></main>
<div id="done" hidden><p>Thank you. Save the votes and send the file back.</p>
<button id="save">Save votes</button></div>
<p id="told" role="status"></p>
<script>$script</script></body></html>
""")
