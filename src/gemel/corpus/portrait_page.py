"""The portrait as one HTML page, from the facts of `portrait` and `portrait_texts`.

Every figure says on how much it stands; what is not known is left out. The page holds words and names from the corpus
and is meant for its owner.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gemel.corpus.moods import NAMES
from gemel.corpus.page import Section, bars, figure, heat, hist, lines, number, page, paragraph, percent, table, tiles
from gemel.corpus.rhythm import DELAYS, LENGTHS

__all__ = ["portrait_page"]

Facts = Mapping[str, Any]
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
BOTH = ("you", "others")
MINUS = "−"


def portrait_page(facts: Facts) -> str:
    """The whole page.

    Args:
        facts: "name" and, each when there is such data, "messages", "writings", "profiles".
    """
    sections: list[Section] = []
    if messages := facts.get("messages"):
        sections += [
            _overview(messages),
            _time(messages),
            _people(messages),
            _conversations(messages),
            _style(messages),
            _words(messages),
            _moods(messages),
            _topics(messages["topics"], "days of your messages"),
        ]
    if writings := facts.get("writings"):
        sections += [_writings(writings), _author(writings), _topics(writings["topics"], "slices of your documents")]
    if profiles := facts.get("profiles"):
        sections.append(_profiles(profiles))
    name = facts.get("name") or ""
    return page(
        f"A portrait of {name}" if name else "A portrait of a corpus",
        [s for s in sections if s.body],
        lead="What was imported, before anything is learned from it: measured, not guessed. "
        "This page holds names and words from your own data. It never leaves this machine by itself.",
        foot=f"Written by gemel {facts.get('version', '')}. The same figures are in portrait.json beside this page.",
    )


def _overview(m: Facts) -> Section:
    counts = m["counts"]
    cells = [
        ("messages", number(counts["messages"])),
        ("yours", number(counts["yours"])),
        ("your words", number(counts["words"])),
        ("people", number(counts["people"])),
        ("chats", number(counts["threads"])),
        ("of them groups", number(counts["groups"])),
    ]
    if m["from"]:
        cells += [("from", m["from"]), ("to", m["to"])]
    body = [tiles(cells)]
    if len(m["kinds"]) > 1:
        body.append(figure(bars([(k, float(v)) for k, v in list(m["kinds"].items())[:8]]), "By kind"))
    return Section("Messages", body)


def _time(m: Facts) -> Section:
    months = m["months"]
    body = []
    if len(months) > 2:
        series = {who: [(_month(r["month"]), float(r[who])) for r in _filled(months)] for who in BOTH}
        body.append(figure(lines(series, x_form=_month_name, wide=True), "Messages per month", wide=True))
    if any(map(sum, m["hours"])):
        grid = heat(m["hours"], DAYS, [str(h) for h in range(24)], wide=True)
        body.append(figure(grid, "When you write: your messages by weekday and hour", wide=True))
    return Section("Over time", body)


def _people(m: Facts) -> Section:
    rows = m["contacts"]
    if not rows:
        return Section("With whom", [])
    body = [
        figure(bars([(r["name"], float(r["you"])) for r in rows[:12]]), "Your messages to each"),
        figure(bars([(r["name"], float(r["others"])) for r in rows[:12]], tone=2), "Their messages to you"),
        table(
            ["contact", "messages", "yours", "you reply in", "they reply in", "you begin", "your words", "theirs"],
            [
                (
                    r["name"],
                    r["total"],
                    percent(r["you"] / r["total"]),
                    _duration(r["delay_you"]),
                    _duration(r["delay_others"]),
                    _share(r["begun"]),
                    _round(r["words_you"]),
                    _round(r["words_others"]),
                )
                for r in rows
            ],
        ),
    ]
    return Section(
        "With whom",
        body,
        "Chats between two, most messages first. Replies: median delay within a conversation; "
        "the last two columns are words per message.",
    )


def _conversations(m: Facts) -> Section:
    c = m["conversations"]
    cells = [("conversations", number(c["count"])), ("messages (median)", number(c["median_messages"]))]
    if c["median_minutes"] is not None:
        cells.append(("minutes (median)", number(c["median_minutes"])))
    if c["you_begin"] is not None:
        cells += [("you begin", percent(c["you_begin"])), ("you have the last word", percent(c["you_end"]))]
    for who, label in (("you", "you reply in"), ("others", "others reply in")):
        if c["median_delay"][who] is not None:
            cells.append((label, _duration(c["median_delay"][who])))
    body = [
        tiles(cells),
        figure(hist([b for b, _ in LENGTHS], {"": c["messages"]}, form=percent), "Messages per conversation"),
        figure(
            hist(["1", "2", "3", "4", "5+"], _named(c["bursts"]), form=percent),
            "Messages in a row before somebody else speaks",
        ),
    ]
    if any(map(sum, c["delays"].values())):
        delays = hist([b for b, _ in DELAYS], _named(c["delays"]), form=percent, wide=True)
        body.append(figure(delays, "Time until a reply: up to …, share of replies", wide=True))
    silence = f" (here about {number(m['silence_minutes'])} minutes)" if m["silence_minutes"] else ""
    between = number(c["between_two"])
    counted = f" Who begins and ends is counted in the {between} conversations between two." if c["between_two"] else ""
    return Section(
        "Conversations",
        body,
        f"A conversation ends after a silence that is unusual for that contact{silence}." + counted,
    )


def _style(m: Facts) -> Section:
    lengths = m["lengths"]
    chart = hist([b for b, _ in LENGTHS], _named(lengths["bins"]), form=percent)
    means = "; ".join(
        f"{who}: mean {_round(lengths['mean'][who])}, median {_round(lengths['median'][who])}" for who in BOTH
    )
    body = [figure(chart, "Words per message", note=means)]
    for who, title, tone in (("you", "Your emoji", 1), ("others", "Others' emoji", 2)):
        if rows := m["emoji"][who]:
            body.append(figure(bars([(e, float(n)) for e, n in rows[:10]], tone=tone), title))
    rows = [(h["habit"], h["you"], h["others"]) for h in m["habits"] if max(h["you"] or 0, h["others"] or 0) >= 0.0005]
    rows.sort(key=lambda r: -abs((r[1] or 0) - (r[2] or 0)))
    body.append(table(["habit: share of messages", "you", "others"], [(h, _share(a), _share(b)) for h, a, b in rows]))
    return Section("How you write", body, "Messages with words; forwarded ones left out. Largest differences first.")


def _words(m: Facts) -> Section:
    return Section("Your words", _telling(m["words"], m["pairs"], "others'"), _TELLING)


def _author(w: Facts) -> Section:
    telling = w["telling"]
    return Section("Your words in writing", _telling(telling["words"], telling["pairs"], "other authors'"), _TELLING)


_TELLING = (
    "Words and pairs of words that tell you from the others: log-odds with a Dirichlet prior, as z-scores (3.3 and "
    "more is shown: one in a thousand by chance). Names of people and numbers are left out."
)


def _telling(single: Facts, pairs: Facts, theirs: str) -> list[str]:
    body = []
    for rows, title, tone in (
        (single["you"], "Words that are yours", 1),
        (single["others"], f"Words that are {theirs}", 2),
        (pairs["you"], "Pairs that are yours", 1),
        (pairs["others"], f"Pairs that are {theirs}", 2),
    ):
        if rows:
            body.append(
                figure(bars([(r["gram"], r["z"]) for r in rows[:15]], tone=tone, form=lambda z: f"{z:.1f}"), title)
            )
    return body


def _moods(m: Facts) -> Section:
    moods = m["moods"]
    body = []
    total = {who: sum(r[who] for r in moods["languages"]) for who in BOTH}
    if len(moods["languages"]) > 1 and total["you"]:
        for who, tone in (("you", 1), ("others", 2)):
            rows = [(NAMES.get(r["language"], r["language"]), r[who] / max(1, total[who])) for r in moods["languages"]]
            body.append(
                figure(bars(rows, form=percent, tone=tone), "Your languages" if who == "you" else "Others' languages")
            )
        if moods["mixed"]["you"]:
            body.append(
                paragraph(
                    f"Vietnamese and English mixed within one message: {_share(moods['mixed']['you'])} of yours, "
                    f"{_share(moods['mixed']['others'])} of others'."
                )
            )
    quarters = moods["sentiment"]
    if len(quarters) > 2:
        series = {who: [(_month(q["quarter"]), q[who]) for q in quarters if q[who] is not None] for who in BOTH}
        chart = lines(series, x_form=_quarter_name, form=_signed, wide=True)
        body.append(figure(chart, "Sentiment by quarter (−1 to 1)", wide=True))
    if moods["contacts"]:
        moody = [
            (
                r["name"],
                _signed(r["you"]),
                _signed(r["others"]),
                NAMES.get(r["language"], r["language"]),
                _asks(m, r["name"]),
            )
            for r in moods["contacts"]
        ]
        body.append(table(["contact", "your sentiment", "theirs", "you write in", "you ask in"], moody))
    asks = {h["habit"]: h for h in m["habits"]}["asks (?)"]
    body.append(
        paragraph(
            f"Questions: {_share(asks['you'])} of your messages ask something, {_share(asks['others'])} of others'."
        )
    )
    return Section(
        "Languages, moods, questions",
        body,
        f"From a sample of {number(moods['n']['you'])} of your messages and {number(moods['n']['others'])} of others'. "
        "Sentiment is VADER's and for English alone: read it as a tendency, not as a feeling.",
    )


def _asks(m: Facts, name: str) -> str:
    return next((_share(r["asks_you"]) for r in m["contacts"] if r["name"] == name), "–")


def _topics(t: Facts, of: str) -> Section:
    rows = t["rows"]
    title = "What you write about" if "documents" in of else "What you talk about"
    body = [table(["share", "words"], [(percent(r["share"]), ", ".join(r["words"])) for r in rows])] if rows else []
    return Section(title, body, f"Topics found in {of} (non-negative factors of TF-IDF); the words that weigh most.")


def _writings(w: Facts) -> Section:
    lengths = w["lengths"]
    cells = [
        ("documents", number(w["documents"])),
        ("words", number(w["words"])),
        ("words (median)", number(lengths[len(lengths) // 2])),
    ]
    cells += [(f"{k} (median)", _round(_middle(v))) for k, v in w["readability"].items() if v]
    body = [tiles(cells)]
    if len(w["authors"]) > 1:
        body.append(figure(bars([(a, float(n)) for a, n in w["authors"]]), "Documents by author"))
    if len(w["growth"]) > 5:
        curve = lines({"": [(float(n), float(k)) for n, k in w["growth"]]})
        body.append(figure(curve, "Different words among the first n", note="The steeper, the richer the vocabulary."))
    ease = w["readability"]["reading ease"]
    if len(ease) > 9:
        body.append(
            figure(_spread(ease), "Reading ease per document", note="Flesch; 60 and more reads easily. English only.")
        )
    return Section("Your writings", body)


def _profiles(p: Facts) -> Section:
    missing = sorted(((t["name"], t["missing"]) for t in p["traits"]), key=lambda r: -r[1])
    body = [
        tiles([("profiles", number(p["profiles"])), ("traits", number(len(p["traits"])))]),
        figure(bars([r for r in missing if r[1] > 0], form=percent, tone=2), "Not given"),
    ]
    if p["essays"]:
        body.append(figure(bars(p["essays"], form=percent), "Essays given"))
    for trait in p["traits"]:
        if trait.get("counts"):
            labels = [number(e) for e in trait["edges"][:-1]]
            chart = hist(labels, {"": trait["counts"]})
            body.append(figure(chart, trait["name"], note=f"median {number(trait['median'])}"))
        elif trait.get("top"):
            more = trait["distinct"] - len(trait["top"])
            chart = bars([(str(k), float(v)) for k, v in trait["top"]])
            body.append(figure(chart, trait["name"], note=f"and {more} more" if more > 0 else ""))
    return Section("Profiles", body, "Each trait among those who gave it.")


def _spread(values: Sequence[float]) -> str:
    low, high = min(values), max(values)
    step = max(1.0, (high - low) / 12)
    counts = [0.0] * (int((high - low) / step) + 1)
    for value in values:
        counts[int((value - low) / step)] += 1
    return hist([f"{low + i * step:.0f}" for i in range(len(counts))], {"": counts})


def _named(parts: Facts) -> dict[str, Sequence[float]]:
    return {who: parts[who] for who in BOTH if any(parts[who])}


def _middle(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _month(text: str) -> float:
    """Months since year 0 of "2024-05"."""
    year, month = text.split("-")
    return int(year) * 12 + int(month) - 1


def _month_name(value: float) -> str:
    year, month = divmod(round(value), 12)
    return f"{year}-{month + 1:02d}"


def _quarter_name(value: float) -> str:
    year, month = divmod(round(value), 12)
    return f"{year} Q{month // 3 + 1}"


def _filled(months: Sequence[Facts]) -> list[Facts]:
    """The months with the empty ones between them."""
    known = {_month(r["month"]): r for r in months}
    first, last = int(min(known)), int(max(known))
    return [known.get(float(i), {"month": _month_name(i), "you": 0, "others": 0}) for i in range(first, last + 1)]


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds == 0:
        return "< 1 min"  # an export without seconds
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _share(value: float | None) -> str:
    return "–" if value is None else percent(value)


def _round(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _signed(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+.2f}".replace("-", MINUS) if round(value, 2) else "0"
