"""The card: who this is and how they write, measured from their own turns, with rules and corrections.

It becomes a system text for any language model: a sentence for a small base, an instruction for a
large one. It carries habits (lengths, bursts, emoji, punctuation, case, words, languages), not facts:
those are the memory's.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gemel.errors import DamagedCheckpoint, TooLittle
from gemel.examples import Example, Role
from gemel.text import emoji, sentences, words

__all__ = ["Card", "Correction", "Habits"]

OWN_KINDS = frozenset(["chat", "window", "slice", "essay"])
"""Kinds of examples whose learned turns the person wrote; synthetic ones are not measured."""
LANGUAGE_SAMPLE = 400
"""Messages whose language is detected."""


class Correction(NamedTuple):
    """What the twin said and what the person would have said."""

    said: str
    better: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Habits:
    """Measured habits of one form of writing: messages of chats, or sentences of longer texts."""

    count: int
    """Messages (or sentences) measured."""
    words: tuple[float, float, float]
    """Words in one: 10th, 50th, 90th percentile."""
    burst: float
    """Messages in one turn, mean."""
    starts_low: float
    """Share that begins with a lower-case letter, of those that begin with a cased letter."""
    full_stop: float
    """Share that ends with a full stop."""
    bare: float
    """Share that ends with no punctuation."""
    exclaims: float
    asks: float
    emoji: float
    """Emoji in a hundred."""
    favourite_emoji: tuple[str, ...] = ()
    favourite_words: tuple[str, ...] = ()
    """Words used more than the other side uses them, strongest first."""
    openers: tuple[str, ...] = ()
    """The most usual first words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """A person as a short text."""

    name: str
    """As the examples have it: the pseudonym."""
    chat: Habits | None = None
    prose: Habits | None = None
    languages: Mapping[str, float] = field(default_factory=dict)
    """ISO 639-1 code → share of messages."""
    partners: Mapping[str, int] = field(default_factory=dict)
    """Name → how many own turns answered them, the most usual first."""
    rules: tuple[str, ...] = ()
    """What the person wrote down themself."""
    corrections: tuple[Correction, ...] = ()

    @classmethod
    def measure(cls, examples: Iterable[Example], *, name: str = "", languages: Sequence[str] = ()) -> Card:
        """Measure the learned turns of `examples`.

        Args:
            examples: usually the training split; synthetic kinds are left out.
            name: of the person; empty: the most usual name of learned turns.
            languages: ISO 639-1 codes among which languages are told apart; empty: not measured.

        Raises:
            TooLittle: when no turn of the person is there.
        """
        seen = _Seen()
        for example in examples:
            if example.kind in OWN_KINDS:
                seen.add(example)
        if not seen.bursts and not seen.sentences:
            raise TooLittle("there is not one turn of the person to measure", hint="Check `gemel build`'s report.")
        chat = [m for burst in seen.bursts for m in burst]
        return cls(
            name=name or (seen.names.most_common(1)[0][0] if seen.names else ""),
            chat=_habits(chat, len(seen.bursts), seen.others) if chat else None,
            prose=_habits(seen.sentences, len(seen.sentences), Counter()) if seen.sentences else None,
            languages=_languages(chat or seen.sentences, languages) if languages else {},
            partners=dict(seen.partners.most_common(200)),
        )

    def with_feedback(self, rules: Sequence[str], corrections: Sequence[Correction]) -> Card:
        """The same card with the person's own rules and corrections."""
        return replace(self, rules=tuple(rules), corrections=tuple(corrections))

    def text(self, *, small: bool = False) -> str:
        """The system text: one paragraph for a small base, an instruction for a large one."""
        habits = " ".join(h for h in (_sentence(self.chat, "messages"), _sentence(self.prose, "sentences")) if h)
        if small:
            return " ".join(filter(None, [f"You are {self.name}.", habits, *self.rules]))
        who = (
            f"You write as {self.name}: an imitation made from {self.name}'s own writing. Answer as {self.name} would, "
            "in the first person, in their words, length and spelling. Do not explain, do not be more polite, longer "
            "or tidier than they are. Write each message of a burst on a line of its own."
        )
        lines = [who]
        if habits:
            lines.append(f"How {self.name} writes (measured): {habits}")
        if self.languages:
            shares = ", ".join(f"{code} {share:.0%}" for code, share in self.languages.items())
            lines.append(f"Languages: {shares}. Answer in the language they would use.")
        if self.rules:
            lines.append("Rules that always hold:\n" + "\n".join(f"- {rule}" for rule in self.rules))
        if self.corrections:
            pairs = "\n".join(f'- not "{c.said}" but "{c.better}"' for c in self.corrections[-12:])
            lines.append(f"{self.name} corrected earlier answers:\n{pairs}")
        return "\n\n".join(lines)

    def save(self, path: Path) -> None:
        """Write as JSON; the caller makes the write atomic."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Card:
        """The card that `save` wrote.

        Raises:
            DamagedCheckpoint: when it does not read back.
        """
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            for form in ("chat", "prose"):
                if raw[form] is not None:
                    habits: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in raw[form].items()}
                    raw[form] = Habits(**habits)
            raw["rules"] = tuple(raw["rules"])
            raw["corrections"] = tuple(Correction(*c) for c in raw["corrections"])
            return cls(**raw)
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedCheckpoint(f"{path.name} cannot be read", hint="Delete it: it is measured again.") from error


class _Seen:
    """What passes by while measuring."""

    def __init__(self) -> None:
        self.bursts: list[tuple[str, ...]] = []
        self.sentences: list[str] = []
        self.others: Counter[str] = Counter()
        self.names: Counter[str] = Counter()
        self.partners: Counter[str] = Counter()

    def add(self, example: Example) -> None:
        last = ""
        for turn in example.turns:
            if turn.role is Role.other:
                last = turn.name or last
                self.others.update(w.casefold() for w in words(turn.text))
            elif turn.role is Role.me and turn.learn:
                if turn.name:
                    self.names[turn.name] += 1
                if example.kind in ("slice", "essay"):
                    self.sentences.extend(sentences(turn.text))
                else:
                    self.bursts.append(tuple(p for p in turn.parts if p.strip()))
                    if last:
                        self.partners[last] += 1


def _habits(texts: Sequence[str], turns: int, others: Counter[str]) -> Habits:
    lengths = [len(words(t)) for t in texts]
    p10, p50, p90 = np.percentile(lengths, [10, 50, 90])
    stripped = [t.strip() for t in texts if t.strip()]
    cased = [t[0] for t in stripped if t[0].lower() != t[0].upper()]
    faces = Counter(e for t in texts for e in emoji(t))
    endings = [_without_emoji(t)[-1:] for t in stripped]
    first = Counter(w[0].casefold() for t in stripped if (w := words(t)))
    return Habits(
        count=len(texts),
        words=(float(p10), float(p50), float(p90)),
        burst=len(texts) / max(1, turns),
        starts_low=sum(c.islower() for c in cased) / max(1, len(cased)),
        full_stop=sum(e == "." for e in endings) / max(1, len(endings)),
        bare=sum(e.isalnum() for e in endings) / max(1, len(endings)),
        exclaims=sum("!" in t for t in texts) / len(texts),
        asks=sum("?" in t for t in texts) / len(texts),
        emoji=100 * sum(faces.values()) / len(texts),
        favourite_emoji=tuple(e for e, _ in faces.most_common(6)),
        favourite_words=_own_words(texts, others),
        openers=tuple(w for w, n in first.most_common(5) if n >= 3),
    )


def _without_emoji(text: str) -> str:
    for face in emoji(text):
        text = text.replace(face, "")
    return text.rstrip() or text


def _own_words(texts: Sequence[str], others: Counter[str], *, most: int = 14) -> tuple[str, ...]:
    """Words by z-scored log-odds with a Dirichlet prior against the other side (Monroe et al. 2008)."""
    own = Counter(w.casefold() for t in texts for w in words(t) if len(w) > 2 and not w.isdigit())
    if sum(others.values()) < 50:
        return ()
    n, m, prior = sum(own.values()), sum(others.values()), 500.0
    scores: list[tuple[float, str]] = []
    for word, count in own.items():
        if count < 3:
            continue
        theirs = others[word]
        a = prior * (count + theirs) / (n + m)
        gain = math.log((count + a) / (n + prior - count - a)) - math.log((theirs + a) / (m + prior - theirs - a))
        z = gain / math.sqrt(1 / (count + a) + 1 / (theirs + a))
        if z > 1.96:
            scores.append((z, word))
    return tuple(word for _, word in sorted(scores, reverse=True)[:most])


def _languages(texts: Sequence[str], codes: Sequence[str]) -> dict[str, float]:
    from lingua import IsoCode639_1, LanguageDetectorBuilder

    known = [iso for code in codes if (iso := getattr(IsoCode639_1, code.upper(), None)) is not None]
    long = [t for t in texts if len(words(t)) >= 3]
    if len(known) < 2 or not long:
        return {}
    step = max(1, len(long) // LANGUAGE_SAMPLE)
    detector = LanguageDetectorBuilder.from_iso_codes_639_1(*known).build()
    found = Counter(
        language.iso_code_639_1.name.lower()
        for t in long[::step]
        if (language := detector.detect_language_of(t)) is not None
    )
    total = sum(found.values())
    return {code: n / total for code, n in found.most_common() if n / total >= 0.02}


def _sentence(h: Habits | None, what: str) -> str:
    if h is None:
        return ""
    p10, p50, p90 = h.words
    said = [f"{what.capitalize()} of about {p50:.0f} words (mostly {p10:.0f} to {p90:.0f})"]
    if what == "messages":
        said.append(f"{h.burst:.1f} messages in a turn")
        said.append(
            "starts in lower case"
            if h.starts_low > 0.7
            else "starts with a capital"
            if h.starts_low < 0.3
            else f"starts in lower case {h.starts_low:.0%} of the time"
        )
        said.append("rarely ends with a full stop" if h.full_stop < 0.2 else f"ends {h.full_stop:.0%} with a full stop")
        said.append(f"emoji in every {100 / h.emoji:.0f} messages or so" if h.emoji >= 1 else "no emoji")
        if h.favourite_emoji and h.emoji >= 1:
            said[-1] += f" ({' '.join(h.favourite_emoji[:4])})"
    said.append(f"asks in {h.asks:.0%}")
    if h.exclaims >= 0.05:
        said.append(f"exclaims in {h.exclaims:.0%}")
    text = "; ".join(said) + "."
    if h.favourite_words:
        text += f" Favourite words: {', '.join(h.favourite_words[:10])}."
    return text
