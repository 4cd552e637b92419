"""Small text cleaners of the seedling recipe: pure functions from text to text (or to paragraphs).

They repair typography and tokenised spacing, unwrap novels and lift their quoted speech out as turns.
They never judge meaning; what is dropped is counted by the caller.
"""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections.abc import Mapping, Sequence

__all__ = [
    "detokenise",
    "name_case",
    "paragraphs",
    "plain_quotes",
    "quoted",
    "rename",
    "speech_runs",
    "tidy",
]

QUOTES = str.maketrans({"“": '"', "”": '"', "‘": "'", "’": "'"})
SAID = (
    r"(?:said|says|asked|replied|answered|cried|exclaimed|returned|observed|remarked|whispered|murmured|"
    r"added|continued|repeated|inquired|enquired|muttered|shouted|demanded|suggested|rejoined)"
)
NAME = r"((?:(?:Mr|Mrs|Miss|Dr|Sir|Lady|Lord|Captain|Colonel|Aunt|Uncle)\.? )?[A-Z][a-z]+(?: [A-Z][a-z]+)?)"
ATTRIBUTION = re.compile(rf"\b{SAID} {NAME}\b|\b{NAME} {SAID}\b")
PRONOUNS = frozenset(
    {"He", "She", "It", "They", "We", "You", "I", "The", "This", "That", "But", "And", "Then", "There", "His", "Her"}
    | {"My", "Not"}
)
QUOTE = re.compile(r'["“]([^"“”]+)["”]')


def tidy(text: str) -> str:
    """NFC, one space, em dashes for `--`, no control or replacement characters."""
    text = unicodedata.normalize("NFC", text).replace("\u00a0", " ").replace("\ufeff", "").replace("\u200b", "")
    text = re.sub(r"\s*--+\s*", "—", text)
    text = "".join(c for c in text if c == "\n" or c.isprintable())
    return re.sub(r"\s+", " ", text.replace("\ufffd", "")).strip()


def plain_quotes(text: str) -> str:
    """Straight quotes and apostrophes, as keyboards type them."""
    return text.translate(QUOTES)


def name_case(name: str) -> str:
    """A speaker's name as one writes it: `MRS. ALVING.` becomes `Mrs. Alving`."""
    name = re.sub(r"\s+", " ", name.strip(" .:;,[]()_*"))
    if name.isupper():
        name = " ".join(w.capitalize() if not re.fullmatch(r"[IVX]+", w) else w for w in name.split())
    return name[:40]


def detokenise(text: str) -> str:
    """Undo the spacing of tokenised transcripts: `I 'm - I guess .` becomes `I'm - I guess.`"""
    text = re.sub(r" ([.,!?;:])", r"\1", text)
    text = re.sub(r" ('(?:m|s|re|ve|ll|d|t|kay)\b)", r"\1", text)
    text = re.sub(r" (n't\b)", r"\1", text)
    text = re.sub(r"\b(?:[A-Z]_)+(?:[A-Z]?s?\b)", lambda m: m.group().replace("_", ""), text)
    text = re.sub(r"\b([Mm]m|[Uu]h|[Hh]uh) - (hmm|huh|uh)\b", r"\1-\2", text)
    text = re.sub(r"(\w) - (\w)(?=\w*\b)", r"\1-\2", text) if text.count(" - ") <= 1 and len(text) < 30 else text
    return re.sub(r"\s+", " ", text).strip()


def rename(text: str, names: Mapping[str, str]) -> str:
    """Replace every whole-word nick by its pseudonym."""
    return re.sub(r"[A-Za-z0-9_\-\[\]`^|\\]+", lambda m: names.get(m.group().lower(), m.group()), text)


def paragraphs(text: str) -> list[str]:
    """The paragraphs of a book, whether it is hard-wrapped or has one paragraph a line."""
    lines = text.split("\n")
    full = [len(line) for line in lines if line.strip()]
    if not full:
        return []
    blank = 1 - len(full) / len(lines)
    if statistics.median(full) > 82 or blank > 0.4:
        return [p for line in lines if (p := _book(line))]
    width = statistics.quantiles(full, n=20)[-1]
    out: list[list[str]] = [[]]
    for before, line in zip(["", *lines], lines, strict=False):
        ended = before.rstrip().endswith((".", "!", "?", '"', "”", ":"))
        short = len(before) < 0.8 * width
        speech = line.startswith(('"', "“")) and before.rstrip().endswith(('"', "”", ".", "!", "?"))
        if not line.strip() or line[:1] in " \t" or (ended and (short or speech)):
            out.append([])
        out[-1].append(line)
    return [p for part in out if (p := _book(" ".join(part)))]


def _book(text: str) -> str:
    text = tidy(text)
    return re.sub(r"^([\"“]) | (?=[\"”]$)", r"\1", text.replace("_", ""))[:6000]


def quoted(paragraph: str) -> tuple[str, str]:
    """What a paragraph says in quotes and who says it: (`I can't, it's late.`, `Anna`) or two empty strings."""
    if not paragraph.startswith(('"', "“")):
        return "", ""
    pieces = [m.strip() for m in QUOTE.findall(paragraph)]
    if not pieces or sum(map(len, pieces)) < 0.35 * len(paragraph):
        return "", ""
    said = " ".join(pieces)
    said = said[:-1] + "." if said.endswith(",") else said
    between = QUOTE.sub(" ", paragraph)
    found = ATTRIBUTION.search(between)
    name = (found.group(1) or found.group(2)) if found else ""
    return said, "" if name.split(" ")[0] in PRONOUNS else name


def speech_runs(book: Sequence[str], *, least: int = 4) -> list[list[tuple[str, str]]]:
    """Runs of neighbouring paragraphs of speech, as (speaker, text); the speakers of a run alternate.

    Two places alternate, 0 and 1. A place is called by the name that the book's "said …" gives it, and stays
    "" where it gives none. A run whose names contradict the alternation is left out.
    """
    runs, run = [], list[tuple[str, str]]()
    for paragraph in [*book, ""]:
        said, name = quoted(paragraph)
        if said:
            run.append((name, said))
            continue
        if len(run) >= least:
            names = [{n for n, _ in run[place::2] if n} for place in (0, 1)]
            if all(len(n) <= 1 for n in names) and not names[0] & names[1]:
                called = [next(iter(n), "") for n in names]
                runs.append([(called[i % 2], text) for i, (_, text) in enumerate(run)])
        run = []
    return runs
