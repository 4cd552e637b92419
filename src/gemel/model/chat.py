"""Templates of downloaded bases: the chat template they bring along, or plain names and line breaks.

The chat template is rendered once with placeholders instead of the messages and cut at them, so that
any template works, what people typed never becomes a special token, and every token is known to be
frame or message. Reasoning blocks are stripped: a twin does not think aloud.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from gemel.errors import ConfigError
from gemel.examples import Role, Turn
from gemel.model.template import SPECIAL_TOKENS, Codec, Encoded, GemelTemplate, Template

__all__ = ["ChatTemplate", "MessengerTemplate", "PlainTemplate", "choose_template"]

OPENER = "…"
"""Stands for the user where templates want one to speak: at the start, between two own turns."""

_HOLE = re.compile("\ue000(\\d+)\ue001")
_THINK = re.compile(r"<think>\s*(</think>)?\s*")
_THOUGHT = re.compile(r".*</think>\s*", re.DOTALL)


class _Message(NamedTuple):
    role: str
    turns: list[int]
    """Indices of the turns it joins; -1 is the opener."""


class ChatTemplate(Template):
    """The base's own chat template: `me` is the assistant, everybody else is the user.

    Turns of others in a row are joined by line breaks, as are the parts of a burst. Where more than
    one other person speaks, their names stand before their words.

    Args:
        tokenizer: a Hugging Face fast tokenizer with a `chat_template`.
    """

    name = "chat"

    def __init__(self, tokenizer: Any) -> None:
        self.codec = Codec(tokenizer)
        self._tokenizer = tokenizer
        self._special = set(tokenizer.all_special_ids) | set(tokenizer.added_tokens_decoder)
        self._eos: int | None = tokenizer.eos_token_id
        self._system = self._renders([{"role": "system", "content": "s"}, {"role": "user", "content": "u"}])
        frames = self._frames([_Message("user", [0]), _Message("assistant", [1])])
        self._ending = self._end_of_turn(frames[-1])
        ends = [*self._ending[-1:], *([] if self._eos is None else [self._eos])]
        self.stop_ids = frozenset(i for i in ends if i in self._special)

    def encode(self, turns: Sequence[Turn], *, close: bool = True) -> Encoded:
        return self._encode(turns, open_end=False)

    def header(self, turns: Sequence[Turn], *, name: str, now: datetime | None = None) -> list[int]:
        reply = Turn(role=Role.me, parts=("",), name=name, time=now)
        return self._encode([*turns, reply], open_end=True).ids

    def parts(self, ids: Sequence[int]) -> tuple[str, ...]:
        text = self.codec.decode(self.until_stop(ids))
        return tuple(_THOUGHT.sub("", text).lstrip(" ").split("\n"))

    def _encode(self, turns: Sequence[Turn], *, open_end: bool) -> Encoded:
        messages = self._messages(turns)
        named = len({t.name for t in turns if t.role is Role.other and t.name}) > 1
        order = [i for m in messages for i in m.turns]
        frames = self._frames(messages)
        lasts = {m.turns[-1] for m in messages if m.role == "assistant"}
        out = Encoded([], [], [])

        def add(ids: list[int], *, learn: bool, turn: int) -> None:
            out.ids.extend(ids)
            out.learn.extend([learn] * len(ids))
            out.turn.extend([turn] * len(ids))

        space = self._add_frame(frames[0], add, learned=-1)
        for k, i in enumerate(order):
            if open_end and k == len(order) - 1:
                return out
            turn = turns[i] if i >= 0 else Turn(role=Role.other, parts=(OPENER,))
            text = turn.text.strip()
            if named and turn.role is Role.other and turn.name:
                text = f"{turn.name}: {text}"
            add(self.codec.encode(space + text), learn=turn.learn, turn=i)
            ends = i in lasts and turn.learn
            space = self._add_frame(frames[k + 1], add, learned=i if ends else -1)
        return out

    def _add_frame(self, frame: str, add: Any, *, learned: int) -> str:
        """Write a frame; its end-of-turn tokens are learned where a learned turn ends there."""
        body = frame[:-1] if frame.endswith(" ") else frame  # the space belongs to the word that follows
        ids = self.codec.encode_frame(body)
        if learned >= 0:
            end = self._end_of_turn(frame)
            add(end, learn=True, turn=learned)
            ids = ids[len(end) :] if ids[: len(end)] == end else ids
        add(ids, learn=False, turn=-1)
        return frame[len(body) :]

    def _end_of_turn(self, frame: str) -> list[int]:
        """The tokens of a frame up to its first special one; the base's end token where there is none."""
        ids = self.codec.encode_frame(frame)
        for k, token in enumerate(ids):
            if token in self._special:
                return ids[: k + 1]
        return [] if self._eos is None else [self._eos]

    def _messages(self, turns: Sequence[Turn]) -> list[_Message]:
        out: list[_Message] = []
        for i, turn in enumerate(turns):
            role = "assistant" if turn.role is Role.me else "user"
            if self._system and turn.role in (Role.system, Role.data) and all(m.role == "system" for m in out):
                role = "system"
            if out and out[-1].role == role and role != "assistant":
                out[-1].turns.append(i)
                continue
            if out and out[-1].role == role:
                out.append(_Message("user", [-1]))
            out.append(_Message(role, [i]))
        first = 1 if out and out[0].role == "system" else 0
        if len(out) == first or out[first].role != "user":
            out.insert(first, _Message("user", [-1]))
        return out

    def _frames(self, messages: list[_Message]) -> list[str]:
        """The text before, between and after the turns of `messages`: one more than there are turns."""
        hole = iter(range(10**9))
        rows = [{"role": m.role, "content": "\n".join(f"\ue000{next(hole)}\ue001" for _ in m.turns)} for m in messages]
        frames = _HOLE.split(self._render(rows))[::2]
        if len(frames) != sum(len(m.turns) for m in messages) + 1:
            raise ConfigError(
                "the base's chat template does not show every message", hint='Set template = "plain" under [model].'
            )
        return [_THINK.sub("", frame) for frame in frames]

    def _render(self, rows: list[dict[str, str]]) -> str:
        # Llama 3 writes today's date into its system message; a fixed one keeps runs repeatable.
        text: str = self._tokenizer.apply_chat_template(rows, tokenize=False, date_string="26 Jul 2024")
        return text

    def _renders(self, rows: list[dict[str, str]]) -> bool:
        from jinja2 import TemplateError

        try:
            return "s" in self._render(rows)
        except TemplateError:
            return False


class PlainTemplate(Template):
    """Names, colons and blank lines, for bases that know neither gemel's tokens nor a chat form.

    A turn ends with a blank line where the tokenizer has one as a single token, else with the base's
    end token. Text of nobody in particular (slices of documents) has no name before it.
    """

    name = "plain"
    preamble = ""

    def __init__(self, tokenizer: Any) -> None:
        self.codec = Codec(tokenizer)
        self._bos: int | None = tokenizer.bos_token_id
        blank = self.codec.encode("\n\n")
        eos: int | None = tokenizer.eos_token_id
        self._end = blank if len(blank) == 1 or eos is None else [eos]
        self.stop_ids = frozenset([self._end[-1], *([] if eos is None else [eos])])

    def encode(self, turns: Sequence[Turn], *, close: bool = True) -> Encoded:
        out = Encoded([], [], [])
        self._add(out, [] if self._bos is None else [self._bos], learn=False, turn=-1)
        self._add(out, self.codec.encode(self.preamble), learn=False, turn=-1)
        for i, turn in enumerate(turns):
            self._add(out, self._opening(turn), learn=False, turn=i)
            text = re.sub(r"\n\s*\n", "\n", turn.text.strip())
            self._add(out, self.codec.encode(f" {text}" if turn.name else text), learn=turn.learn, turn=i)
            self._add(out, self._end, learn=turn.learn, turn=i)
        return out

    def header(self, turns: Sequence[Turn], *, name: str, now: datetime | None = None) -> list[int]:
        return self.encode(turns, close=False).ids + self._opening(Turn(role=Role.me, parts=(), name=name))

    def parts(self, ids: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.codec.decode(self.until_stop(ids)).strip(" ").split("\n"))

    def _opening(self, turn: Turn) -> list[int]:
        return self.codec.encode(f"{turn.name}:") if turn.name else []

    @staticmethod
    def _add(out: Encoded, ids: list[int], *, learn: bool, turn: int) -> None:
        out.ids.extend(ids)
        out.learn.extend([learn] * len(ids))
        out.turn.extend([turn] * len(ids))


class MessengerTemplate(PlainTemplate):
    """Plain names under a system prompt in Llama 2's form, as an older system for chat exports trained."""

    name = "messenger"
    preamble = "[INST] <<SYS>>Write a realistic text message chat. Avoid repetition.<</SYS>> [/INST]\n"


def choose_template(tokenizer: Any, wanted: str = "auto") -> Template:
    """The template by name; `auto` takes gemel's tokens where the tokenizer has them, then the base's own.

    Raises:
        ConfigError: when the tokenizer cannot do what was asked.
    """
    vocabulary = tokenizer.get_vocab()
    has_tokens = all(token in vocabulary for token in SPECIAL_TOKENS)
    if wanted == "gemel" or (wanted == "auto" and has_tokens):
        if not has_tokens:
            raise ConfigError("this base has none of gemel's conversation tokens", hint="Train with them first.")
        return GemelTemplate(tokenizer)
    if wanted == "chat" or (wanted == "auto" and tokenizer.chat_template):
        if not tokenizer.chat_template:
            raise ConfigError("this base has no chat template", hint='Set template = "auto" under [model].')
        return ChatTemplate(tokenizer)
    if wanted == "messenger":
        return MessengerTemplate(tokenizer)
    return PlainTemplate(tokenizer)
