"""Optional step: add larger open sets from the Hugging Face hub, by name and licence, where a network is.

    python recipes/seedling/more_data.py --out .work/seedling --sets soda everyday --most 200000

It needs `pip install datasets` and writes one file a set beside what `prepare.py` wrote, so that the later
steps (the contamination check too) treat it alike. The seedling that ships was trained without it: this
page's readers are tested on rows made by hand, never on the sets themselves.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from clean import tidy
from dress import dress, one_answer
from prepare import fingerprint
from sources import held

from gemel.examples import Example, Turn, to_json

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSet:
    """A data set on the hub, what it may be used under, and how a row becomes turns."""

    path: str
    name: str = ""
    licence: str
    about: str
    turns: Callable[[Row, str], tuple[Turn, ...]]


def _soda(row: Row, seed: str) -> tuple[Turn, ...]:
    said = [(name, tidy(text)) for name, text in zip(row["speakers"], row["dialogue"], strict=False)]
    return dress(said, seed=seed, chat=True, keep_names=True, typing=True)


def _messages(row: Row, seed: str) -> tuple[Turn, ...]:
    said = [(m["role"], tidy(m["content"])) for m in row["messages"] if m["role"] != "system"]
    return dress(said, seed=seed, chat=True, keep_names=False, typing=True)


def _persona(row: Row, seed: str) -> tuple[Turn, ...]:
    lines = row["Best Generated Conversation"].splitlines()
    said = [(who, tidy(text)) for who, mark, text in (line.partition(":") for line in lines) if mark]
    return dress(said, seed=seed, chat=True, keep_names=False, typing=True)


def _story(row: Row, _seed: str) -> tuple[Turn, ...]:
    return one_answer("", tidy(row["text"]))


SETS = {
    "soda": OpenSet(path="allenai/soda", licence="CC BY 4.0", about="1.2 M social dialogues, named", turns=_soda),
    "persona": OpenSet(
        path="google/Synthetic-Persona-Chat", licence="CC BY 4.0", about="8,938 persona chats (train)", turns=_persona
    ),
    "everyday": OpenSet(
        path="HuggingFaceTB/smoltalk",
        name="everyday-conversations",
        licence="Apache-2.0",
        about="2,260 short everyday talks",
        turns=_messages,
    ),
    "stories": OpenSet(
        path="roneneldan/TinyStories", licence="CDLA-Sharing-1.0", about="2.1 M short stories", turns=_story
    ),
}


def read(key: str, rows: Iterator[Row]) -> Iterator[Example]:
    """The Examples of a set's rows."""
    for n, row in enumerate(rows):
        session = f"{key}:{n}"
        turns = SETS[key].turns(row, session)
        if any(t.text for t in turns):
            yield Example(
                id=f"{session}:0", kind="chat", turns=turns, session=session, thread=key, split=held(session, 2000)
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sets", nargs="+", choices=sorted(SETS), required=True)
    parser.add_argument("--most", type=int, default=200_000, help="rows a set")
    args = parser.parse_args()
    from datasets import load_dataset

    for key in args.sets:
        chosen = SETS[key]
        rows = load_dataset(chosen.path, chosen.name or None, split="train", streaming=True)
        seen: set[bytes] = set()
        part = args.out / "examples" / f"{key}.part"
        with part.open("w", encoding="utf-8") as file:
            for example in read(key, islice(iter(rows), args.most)):
                if (mark := fingerprint(example)) not in seen:
                    seen.add(mark)
                    file.write(to_json(example) + "\n")
        part.replace(part.with_suffix(".jsonl"))
        print(f"{key}: {len(seen)} examples, {chosen.licence}", flush=True)


if __name__ == "__main__":
    main()
