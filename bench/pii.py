"""How much of what identifies people gemel finds, how much else it takes, and how fast; beside Presidio.

    python bench/pii.py [--texts FOLDER] [--peer PYTHON] [--speed FILE] [--json FILE]

Two sets. `labelled`: the texts of presidio-research (MIT), names of a random half of the persons known as they
would be from a chat. `chat`: sentences of chats in five languages with things injected whose truth is known,
each plain, in lower case, misspelt and with split digits, beside sentences full of harmless numbers.
A finding counts where it covers at least four fifths of a labelled span; `typed` asks for the same type too.
Precision: findings that touch a labelled span of the same type, findings on other labelled spans left out.
F2 weighs recall over precision. Intervals are Wilson's, 95 %. The peer runs its pattern recognisers for all
languages in an interpreter of its own and never sees the names, which it does not look for.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from pii_cases import PEOPLE, Case, Gold, chat_cases, known_half, labelled_cases

PEER = {
    "EMAIL_ADDRESS": "email",
    "PHONE_NUMBER": "phone",
    "CREDIT_CARD": "card",
    "IBAN_CODE": "iban",
    "IP_ADDRESS": "ip",
    "US_SSN": "id",
    "ES_NIF": "id",
    "ES_NIE": "id",
    "IT_FISCAL_CODE": "id",
    "US_ITIN": "id",
    "US_PASSPORT": "id",
    "DE_TAX_ID": "id",
    "UK_NINO": "id",
    "URL": "url",
}


def gemel_spans(texts: list[str], names: Iterable[str]) -> tuple[list[list[Gold]], float]:
    """What gemel finds, and the seconds it took."""
    from gemel.people import Handle, People, Person
    from gemel.privacy.scrub import Scrubber
    from gemel.privacy.vault import Vault

    people = People(
        Person(id=f"p{i}", name=n, handles=(Handle("chat", n, n),)) for i, n in enumerate(dict.fromkeys(names))
    )
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "vault.sqlite")
        scrubber = Scrubber(vault, people)
        start = time.perf_counter()
        found = [[Gold(s.start, s.end, s.kind) for s in scrubber.findings(t)] for t in texts]
        seconds = time.perf_counter() - start
        vault.close()
    return found, seconds


def peer_spans(texts: list[str], python: str) -> tuple[list[list[Gold]], float]:
    """What Presidio's pattern recognisers find, in an interpreter of their own."""
    done = subprocess.run(
        [python, __file__, "--as-peer"],
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    answer = json.loads(done.stdout)
    return [[Gold(*s) for s in spans] for spans in answer["spans"]], answer["seconds"]


def run_as_peer() -> None:
    """Inside the peer's interpreter: every predefined recogniser that needs no language model."""
    from presidio_analyzer import PatternRecognizer, RecognizerRegistry, predefined_recognizers

    del RecognizerRegistry
    recognizers = []
    for name in dir(predefined_recognizers):
        part = getattr(predefined_recognizers, name)
        if not isinstance(part, type) or part is PatternRecognizer:
            continue
        if issubclass(part, PatternRecognizer) or name == "PhoneRecognizer":
            try:
                recognizers.append(part())
            except Exception:  # a recogniser of the peer that needs a service or an argument
                continue
    wanted = set(PEER)
    recognizers = [r for r in recognizers if wanted & set(r.supported_entities)]
    texts = json.loads(sys.stdin.read())
    start = time.perf_counter()
    out = []
    for text in texts:
        spans = {
            (f.start, f.end, PEER[f.entity_type])
            for r in recognizers
            for f in r.analyze(text, list(r.supported_entities), None) or []
            if f.entity_type in PEER and f.score >= 0.3
        }
        out.append(sorted(spans))
    json.dump({"spans": out, "seconds": time.perf_counter() - start}, sys.stdout)


def wilson(hits: int, n: int) -> tuple[float, float]:
    """95 % interval of a share."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.96, hits / n
    middle = (p + z * z / 2 / n) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / 4 / n / n)
    return max(0.0, middle - half), min(1.0, middle + half)


class Tally(NamedTuple):
    """Counts of one type."""

    n: int
    covered: int
    typed: int
    right: int
    wrong: int

    @property
    def recall(self) -> float:
        return self.typed / self.n if self.n else math.nan

    @property
    def precision(self) -> float:
        return self.right / (self.right + self.wrong) if self.right + self.wrong else math.nan

    @property
    def f2(self) -> float:
        p, r = self.precision, self.recall
        return 5 * p * r / (4 * p + r) if p + r > 0 else 0.0


def score(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> dict[str, Tally]:
    """Counts per type."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for case, spans in zip(cases, found):
        for gold in case.spans:
            count = counts[gold.kind]
            count["n"] += 1
            count["covered"] += _covered(gold, spans)
            count["typed"] += _covered(gold, [s for s in spans if s.kind == gold.kind])
        for span in spans:
            touched = {g.kind for g in case.spans if g.start < span.end and span.start < g.end}
            if span.kind in touched:
                counts[span.kind]["right"] += 1
            elif not touched:
                counts[span.kind]["wrong"] += 1
    fields = Tally._fields
    return {k: Tally(*(c[f] for f in fields)) for k, c in sorted(counts.items()) if not k.startswith("~")}


def _covered(gold: Gold, spans: Iterable[Gold]) -> bool:
    inside = set(range(gold.start, gold.end))
    hit = set[int]().union(*(inside & set(range(s.start, s.end)) for s in spans))
    return len(hit) >= 0.8 * len(inside)


def report(title: str, mine: dict[str, Tally], peers: dict[str, Tally] | None) -> None:
    """A table per set."""
    columns = f"{'type':9}{'n':>6}  {'recall':>22}  {'covered':>7}  {'precision':>22}  {'F2':>5}"
    print(f"\n{title}\n{columns}   peer: recall precision F2")
    for kind, t in mine.items():
        low, high = wilson(t.typed, t.n)
        plow, phigh = wilson(t.right, t.right + t.wrong)
        line = f"{kind:9}{t.n:6}  {t.recall:6.3f} [{low:.3f}, {high:.3f}]  {t.covered / max(1, t.n):7.3f}  "
        line += f"{t.precision:6.3f} [{plow:.3f}, {phigh:.3f}]  {t.f2:5.3f}"
        if peers is not None and kind in peers:
            p = peers[kind]
            line += f"         {p.recall:6.3f} {p.precision:9.3f} {p.f2:.3f}"
        print(line)


def by_variant(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> None:
    """Recall (covered by a finding of any type) by way of writing."""
    groups: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for case, spans in zip(cases, found):
        for gold in case.spans:
            groups[gold.kind, case.variant].append(_covered(gold, spans))
    variants = sorted({v for _, v in groups})
    print("\nreplaced, by way of writing\n" + " " * 9 + "".join(f"{v:>10}" for v in variants))
    for kind in sorted({k for k, _ in groups}):
        cells = [groups.get((kind, v), []) for v in variants]
        print(f"{kind:9}" + "".join(f"{sum(c) / len(c):10.3f}" if c else " " * 10 for c in cells))


def lines_of(path: Path, limit: int) -> Iterator[str]:
    """Texts of a JSON-lines file (`turns` of [speaker, text]), up to `limit` bytes."""
    size = 0
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            for _, text in json.loads(line)["turns"]:
                size += len(text.encode())
                if size > limit:
                    return
                yield text


def speed(path: Path, people: int = 40) -> dict[str, float]:
    """MB of UTF-8 scrubbed per second of processor time, with `people` known persons, best of three."""
    from gemel.people import Handle, People, Person
    from gemel.privacy.scrub import Scrubber
    from gemel.privacy.vault import Vault

    texts = list(lines_of(path, 8_000_000))
    size = sum(len(t.encode()) for t in texts)
    names = [n for group in PEOPLE.values() for n in group]
    known = People(Person(id=n, name=n, handles=(Handle("chat", n, n),)) for n in names[:people])
    best = math.inf
    with tempfile.TemporaryDirectory() as folder:
        vault = Vault(Path(folder) / "vault.sqlite")
        scrubber = Scrubber(vault, known)
        for _ in range(3):
            start = time.process_time()
            for i in range(0, len(texts), 2000):
                scrubber.texts(texts[i : i + 2000])
            best = min(best, time.process_time() - start)
        vault.close()
    replaced = sum(scrubber.counts.values())
    return {"MB": size / 1e6, "texts": len(texts), "MB/s": size / 1e6 / best, "replaced": replaced}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--texts", type=Path, help="folder with the JSON files of presidio-research")
    parser.add_argument("--peer", default="", help="a Python that has presidio-analyzer")
    parser.add_argument("--speed", type=Path, nargs="*", default=[], help="JSON lines (gzip) with a field turns")
    parser.add_argument("--each", type=int, default=30, help="chat cases per language, type and way of writing")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--missed", action="store_true", help="print what was missed or taken wrongly")
    parser.add_argument("--as-peer", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.as_peer:
        return run_as_peer()
    sets = [("chat", [n for g in PEOPLE.values() for n in g], chat_cases(args.seed, args.each))]
    if args.texts:
        sets.append(("labelled", *known_half(labelled_cases(args.texts), args.seed)))
    for title, names, cases in sets:
        texts = [c.text for c in cases]
        found, seconds = gemel_spans(texts, names)
        peers = None
        if args.peer:
            spans, peer_seconds = peer_spans(texts, args.peer)
            peers = score(cases, spans)
            print(
                f"{title}: one text at a time, gemel {seconds:.2f} s, peer {peer_seconds:.2f} s for {len(texts)} texts"
            )
        report(title, score(cases, found), peers)
        if title == "chat":
            by_variant(cases, found)
        if args.missed:
            show_missed(cases, found)
    for path in args.speed:
        print(path.name, {k: round(v, 1) for k, v in speed(path).items()})


def show_missed(cases: Sequence[Case], found: Sequence[Sequence[Gold]]) -> None:
    """What to look at next."""
    for case, spans in zip(cases, found):
        for gold in case.spans:
            if not gold.kind.startswith("~") and not _covered(gold, [s for s in spans if s.kind == gold.kind]):
                print(
                    "missed",
                    gold.kind,
                    case.variant,
                    repr(case.text[gold.start : gold.end]),
                    "|",
                    repr(case.text[:120]),
                    spans,
                )
        for span in spans:
            if not any(g.start < span.end and span.start < g.end for g in case.spans):
                print("wrong", span.kind, repr(case.text[span.start : span.end]), "|", repr(case.text[:120]))


if __name__ == "__main__":
    main()
