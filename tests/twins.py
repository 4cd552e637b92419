"""A workspace with a built data set and, if wanted, a trained voice, made in a second without training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gemel.config import Config, parse
from gemel.examples import Example, Role, Turn, write_examples
from gemel.model.base import load_base, save_base_file
from gemel.people import Handle, People, Person
from gemel.workspace import Manifest, Workspace
from tests.tiny import START, tiny_folder

__all__ = ["FACTS", "twin_config", "twin_workspace"]

FACTS = {
    "which instrument did you learn?": ("I played the cello for nine years", "badly"),
    "where did you spend the summer?": ("we rented a cabin on a lake in Sweden",),
    "what is the dog called?": ("Bruno, he is a lazy beagle",),
    "how is your sister?": ("she moved to Lisbon and opened a bakery",),
}


def chat_examples(split: str = "train", *, me: str = "Tom", partner: str = "Mara") -> list[Example]:
    """One chat for each fact."""
    return [
        Example(
            id=f"{split}{i}",
            kind="chat",
            session=f"s{i}",
            split=split,
            turns=(
                Turn(role=Role.other, parts=(asked,), name=partner, ids=(f"o{i}",), time=START),
                Turn(role=Role.me, parts=said, name=me, learn=True, ids=tuple(f"m{i}.{j}" for j in range(len(said)))),
            ),
        )
        for i, (asked, said) in enumerate(FACTS.items())
    ]


def twin_workspace(root: Path, *, run: bool = True, examples: Sequence[Example] | None = None) -> Workspace:
    """A workspace of Tom, whose real name is Thomas."""
    workspace = Workspace(root / "twin")
    workspace.prepare()
    folder = workspace.dataset("main")
    folder.mkdir(parents=True)
    count = write_examples(folder / "train.parquet", chat_examples() if examples is None else examples)
    Manifest(stage="build", fingerprint="f", counts={"train": count}, extra={"me": "Tom", "people": {}}).write(folder)
    workspace.save_people(
        People([Person(id="p1", name="Thomas", handles=(Handle("whatsapp", "t", "Thomas"),), me=True)])
    )
    base = tiny_folder(root / "base")
    if run:
        place = workspace.run("r1")
        (place / "model").mkdir(parents=True)
        loaded = load_base(twin_config(root).model)
        loaded.model.save_pretrained(place / "model")
        loaded.tokenizer.save_pretrained(place / "model")
        save_base_file(place, loaded, "")
        Manifest(stage="train", fingerprint="t").write(place)
        workspace.promote("r1")
    assert base.exists()
    return workspace


def twin_config(root: Path, **model: Any) -> Config:
    """The tiny base, and an embedder without weights."""
    return parse({"model": {"base": str(root / "base"), "embedder": "hash", "context": 512, **model}})
