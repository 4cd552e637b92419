"""Words that a rule forbids are never drawn: "I never say dear" holds for a base too small to read it.

Understood are English rules of the form never (don't, do not) say (write, use) WORDS, with or without quotation
marks, several joined by commas or "or". Other rules are the card's alone. A longer word may be lost with a forbidden
one that it begins with, when the model would spell it piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from gemel.model.template import Codec

__all__ = ["Never", "forbidden"]

MOST = 4
"""Words of a forbidden phrase; a longer one is a description, not a phrase."""
BACK = 24
"""Tokens that are looked back on."""
_RULE = re.compile(
    r"\b(?:never|don['’]t|do not|doesn['’]t|does not|won['’]t|not)\s+(?:ever\s+)?(?:say|write|use)\s+(.+)",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"[\"“„»«‘']([^\"“”„»«‘’']+)[\"”“»«’']")
_JOINED = re.compile(r",\s*(?:or\s+|nor\s+)?|\s+(?:or|nor)\s+")
_ENDS = " \t.!?;:,"


def forbidden(rules: Iterable[str]) -> tuple[str, ...]:
    """The words and phrases that rules forbid, lower-cased, in their order."""
    found = (word for rule in rules for word in _words(rule))
    return tuple(dict.fromkeys(found))


def _words(rule: str) -> Iterator[str]:
    said = _RULE.search(rule)
    if said is None:
        return
    quoted = _QUOTED.findall(said[1])
    for one in quoted or _JOINED.split(re.split(r"[.;!?]", said[1])[0]):
        words = one.strip(_ENDS).casefold().split()
        if words and (quoted or len(words) <= MOST):
            yield " ".join(words)


class Never:
    """Which tokens may not come next.

    Args:
        words: as `forbidden` gives them.
        codec: of the template.
        count: rows of the vocabulary.
        text: the text of tokens so far.
    """

    def __init__(self, words: Sequence[str], codec: Codec, count: int, text: Callable[[Sequence[int]], str]) -> None:
        self._text = text
        self._whole = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, words))})(?!\w)")
        stop = codec.encode(".")[-1]  # a tokenizer may leave out the space before a text's first token
        before = len(codec.decode([stop]))
        pieces = [codec.decode([stop, i])[before:].casefold() for i in range(count)]
        self._always: frozenset[int] = frozenset()
        self._after: list[tuple[str, frozenset[int]]] = []
        for word in words:
            inside = re.compile(rf"(?<=\W){re.escape(word)}(?!\w)")
            self._always |= {i for i, piece in enumerate(pieces) if inside.search(piece)}
            for k in range(len(word)):
                rest = re.compile(rf"{re.escape(word[k:])}(?!\w)")
                ending = frozenset(i for i, piece in enumerate(pieces) if rest.match(piece))
                if ending:
                    self._after.append((word[:k], ending))

    def __call__(self, ids: Sequence[int]) -> frozenset[int]:
        """What would complete a forbidden word after these tokens."""
        tail = self._text(ids[-BACK:]).casefold()
        out = self._always
        for begun, ending in self._after:
            if tail.endswith(begun) and not tail[: len(tail) - len(begun)][-1:].isalnum():
                out |= ending
        return out

    def allows(self, text: str) -> bool:
        """Whether a text, a quotation say, holds none of the words."""
        return self._whole.search(text.casefold()) is None
