"""Personas from texts and from other personas, with the relations between them kept as a graph.

Text-to-persona asks who would write, read, like or dislike a text; persona-to-persona follows typed relations for
some rounds and so reaches people who leave no text behind (Ge et al. 2024, Persona Hub). Every persona carries its
domain, its locale and where it comes from. Whether such people exist is not claimed.
"""

from __future__ import annotations

import random
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from gemel.synth.engine import Row, row_id
from gemel.text import fold

__all__ = ["RELATIONS", "STANCES", "Edge", "by_domain", "edges", "frontier", "locale_of", "texts_in"]

RELATIONS: Mapping[str, tuple[str, ...]] = {
    "family": ("child", "parent", "grandparent", "spouse", "sibling"),
    "work": ("colleague", "employer", "apprentice", "competitor", "customer", "supplier"),
    "learning": ("student", "teacher"),
    "care": ("patient", "doctor", "carer"),
    "place": ("neighbour", "landlord", "shopkeeper round the corner"),
    "friends": ("friend", "penfriend", "team mate"),
    "conflict": ("rival", "critic", "opponent in a dispute"),
}
"""Kind of relation → relations."""
STANCES = ("write", "read", "like", "dislike")
_LANGUAGES = {
    "en": "English", "hi": "Hindi", "ta": "Tamil", "bn": "Bengali", "te": "Telugu", "mr": "Marathi", "vi": "Vietnamese",
    "de": "German", "fr": "French", "es": "Spanish", "it": "Italian", "pt": "Portuguese", "nl": "Dutch", "pl": "Polish",
    "tr": "Turkish", "ru": "Russian", "uk": "Ukrainian", "ar": "Arabic", "fa": "Persian", "sw": "Swahili",
    "zh": "Chinese", "ja": "Japanese", "ko": "Korean", "id": "Indonesian", "th": "Thai",
}  # fmt: skip
_COUNTRIES = {
    "IN": "India", "VN": "Vietnam", "US": "the United States", "GB": "Britain", "IE": "Ireland", "DE": "Germany",
    "AT": "Austria", "CH": "Switzerland", "FR": "France", "ES": "Spain", "MX": "Mexico", "AR": "Argentina",
    "IT": "Italy", "PT": "Portugal", "BR": "Brazil", "NL": "the Netherlands", "PL": "Poland", "TR": "Turkey",
    "UA": "Ukraine", "EG": "Egypt", "IR": "Iran", "KE": "Kenya", "NG": "Nigeria", "ZA": "South Africa", "CN": "China",
    "TW": "Taiwan", "JP": "Japan", "KR": "South Korea", "ID": "Indonesia", "TH": "Thailand", "AU": "Australia",
    "CA": "Canada", "NZ": "New Zealand", "PK": "Pakistan", "BD": "Bangladesh", "LK": "Sri Lanka",
}  # fmt: skip


class Edge(NamedTuple):
    """`child` is the `relation` of `parent`."""

    parent: str
    relation: str
    kind: str
    child: str


def locale_of(tag: str) -> dict[str, str]:
    """Language and country, in English, of a BCP 47 tag; codes that are not in the table stay codes.

    The country of `en` alone is left open.
    """
    language, _, country = tag.replace("_", "-").partition("-")
    country = country.upper()
    return {
        "locale": tag,
        "language": _LANGUAGES.get(language.lower(), language),
        "country": _COUNTRIES.get(country, country),
    }


def texts_in(rows: Iterable[Row], locale: str) -> Iterator[Row]:
    """Inputs of text-to-persona: every text with each stance in turn, and the locale."""
    place = locale_of(locale)
    for i, row in enumerate(rows):
        yield {**row, **place, "id": row_id(row), "stance": row.get("stance") or STANCES[i % len(STANCES)]}


def frontier(rows: Iterable[Row], locale: str, *, each: int = 2, seed: int = 0) -> Iterator[Row]:
    """Inputs of one round of persona-to-persona: each persona with `each` relations of different kinds.

    Drawn by the persona's own id, so that a persona's relations do not depend on who else is there.
    """
    place = locale_of(locale)
    for row in rows:
        rng = random.Random(f"{row_id(row)}|{seed}")
        for kind in rng.sample(sorted(RELATIONS), min(each, len(RELATIONS))):
            relation = rng.choice(RELATIONS[kind])
            yield {
                **place,
                "id": f"{row_id(row)}:{relation}",
                "parent": row_id(row),
                "persona": row["persona"],
                "relation": relation,
                "kind": kind,
                "round": int(row.get("round", 0)) + 1,
            }


def edges(rows: Iterable[Row]) -> list[Edge]:
    """The graph of all personas that came from another."""
    return [Edge(r["parent"], r["relation"], r["kind"], r["id"]) for r in rows if r.get("parent")]


def by_domain(rows: Sequence[Row], *, least: int = 1) -> dict[str, list[Row]]:
    """Rows by domain, spelled as most spell it, the largest first; smaller ones than `least` under `other`."""
    spelled: defaultdict[str, Counter[str]] = defaultdict(Counter)
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        name = str(row.get("domain") or "other").strip()
        spelled[fold(name)][name] += 1
        groups[fold(name)].append(row)
    out: defaultdict[str, list[Row]] = defaultdict(list)
    for key, group in sorted(groups.items(), key=lambda g: (-len(g[1]), g[0])):
        out["other" if len(group) < least else spelled[key].most_common(1)[0][0]].extend(group)
    return dict(out)
