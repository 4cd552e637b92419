"""What a reader can check with their own eyes: replies side by side, words that give the twin away, claims without
support, replies outside the domain, and why a reply sounds like the person. Fragments of HTML for the report.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import polars as pl

from gemel.corpus.page import bars, figure, paragraph, table
from gemel.corpus.wording import log_odds
from gemel.errors import MissingExtra, TooLittle
from gemel.evaluate.metrics import METRICS
from gemel.evaluate.metrics.faithfulness import grounded
from gemel.evaluate.metrics.vocabulary import tokens
from gemel.evaluate.sample import bare_text, evenly, trim
from gemel.evaluate.study import Study
from gemel.evaluate.zeroshot import PROMPTS

__all__ = ["beyond_domain", "claims_to_check", "examples", "telling_words", "whys"]

_SHOWN = 8
_TELLING = 12
"""Words of either side."""
_CLAIMS = 12


def examples(study: Study) -> list[str]:
    """A few held-out replies with every system's answer."""
    cases = study.board.cases
    systems = [s for s in study.board.systems if s not in ("self", "impostor")]
    if not systems:
        return []
    out: list[str] = []
    for i in evenly(len(cases), _SHOWN):
        case = cases[i]
        rows = [("asked", trim(case.incoming, 40))] if case.incoming else []
        rows.append(("the person", trim(case.truth.text, 60)))
        said = [(s, bare_text(study.board.answers[s][i].parts)) for s in systems]
        rows += [(s, trim(text, 60)) for s, text in said if i in study.board.partial.get(s, [i])]
        out.append(table([f"example {len(out) + 1}", ""], rows))
    return out


def whys(study: Study) -> list[str]:
    """Replies of the voice by words, beside the person's own messages, habits and traits."""
    out = []
    for found in study.whys.values():
        words = sorted(found.words, key=lambda w: -abs(w.bits))[:10]
        if not words:
            continue
        text = trim(" ".join(w.text.strip() for w in found.words), 30)
        chart = bars([(w.text.strip(), w.bits) for w in words], form=lambda v: f"{v:+.1f} bits")
        out.append(figure(chart, text, note=f"{found.total:+.1f} bits in all"))
        rows = [("own words nearby", trim(n.text, 30), f"{n.score:.2f}") for n in found.similar]
        rows += [("card", habit, "") for habit in found.habits]
        rows += [("trait", name, f"{bits:+.2f} bits") for name, bits in found.traits.items()]
        if rows:
            out.append(table(["what speaks for it", "", ""], rows))
    return out


def telling_words(study: Study) -> list[str]:
    """Words that tell the twin's replies from the person's, by log-odds with a Dirichlet prior."""
    if study.primary not in study.board.answers:
        return []
    said = Counter(w for a in study.board.answers[study.primary] for w in tokens(a.text))
    true = Counter(w for c in study.board.cases for w in tokens(c.truth.text))
    kinds = sorted({*said, *true})
    counts = pl.DataFrame(
        {"gram": kinds, "you": [true[w] for w in kinds], "others": [said[w] for w in kinds]},
        schema={"gram": pl.String, "you": pl.Int64, "others": pl.Int64},
    )
    found = log_odds(counts, top=_TELLING)
    rows = [
        (caption, [(f"{r['gram']}  {r['you']} : {r['others']}", float(r["z"])) for r in found[side]], tone)
        for side, caption, tone in (("you", "The person says more", 3), ("others", f"The {study.primary} says more", 1))
    ]
    if not any(words for _, words, _ in rows):
        return [paragraph("No word is surely more frequent on one side (z below 3.3): wording does not give it away.")]
    return [figure(bars(words, tone=tone), caption) for caption, words, tone in rows if words]


def claims_to_check(study: Study) -> list[str]:
    """Claims of the twin that nothing supports, beside the nearest passage: for checking by hand."""
    measured = {s.metric for s in study.scores if s.system == study.primary and s.value is not None}
    if "unsupported" not in measured:
        return []
    try:
        judged = grounded(study.board.sample(study.primary, METRICS.get("unsupported")))
    except (TooLittle, MissingExtra):
        return []
    found = [c for claims in judged.values() for c in claims if not c.supported]
    rows = [
        (trim(found[i].text, 40), trim(found[i].passage, 40) or "nothing", found[i].where or "–", found[i].probability)
        for i in evenly(len(found), _CLAIMS)
    ]
    return [table(["claim", "nearest passage", "where", "p(support)"], rows)] if rows else []


def beyond_domain(study: Study) -> list[str]:
    """Replies to a few prompts from outside the person's domain."""
    if not study.beyond:
        return []
    rows = [
        (PROMPTS[i], *(trim(answers[i].text, 40) for answers in study.beyond.values()))
        for i in np.linspace(0, len(PROMPTS) - 1, 6).astype(int)
    ]
    return [table(["prompt", *study.beyond], rows)]
