"""Recipes do not only parse: each trains a small base on a small chat, from records to a voice that answers."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from corpus.chats import PEOPLE, START, chat
from safetensors.torch import load_file
from tiny import tiny_folder, tiny_model, tiny_tokenizer

from gemel.config import ModelSection
from gemel.corpus.forms import _TOKEN
from gemel.examples import Example, read_examples
from gemel.model.base import load_run
from gemel.model.chat import MessengerTemplate
from gemel.model.engine import Engine
from gemel.model.voice import Voice
from gemel.pipeline.build import build_dataset
from gemel.pipeline.recipes import load_recipe
from gemel.pipeline.train import train_voice
from gemel.records import Document, Message, Profile, write_records
from gemel.sinks import read_events
from gemel.speaker import Sampling
from gemel.workspace import Manifest, Workspace

SAID = ("are you there?", "what about nine?", "did you eat", "no way!!", "see you at the corner then")
OWN = ("yes 😀", "sure, why not", "haha!! 😂😂", "nine is fine", "ok ok ok")
PLAIN = {"corpus": {"languages": ["en"]}, "privacy": {"mode": "off"}}


def put(workspace: Workspace, name: str, records: list[Any], kind: type) -> None:
    folder = workspace.records / name
    folder.mkdir(parents=True)
    write_records(folder / f"{name}.parquet", records, kind)
    Manifest(stage="import", fingerprint=name).write(folder)


def profile(i: int) -> Profile:
    traits = {
        "height": 60.0 + i % 20,
        "income": 1000.0 * (20 + i),
        "age": 20.0 + i,
        "education": ("graduated from college", "dropped out of high school")[i % 2],
        "drinks": ("socially", "often")[i % 2],
        "drugs": ("never", "sometimes")[i % 2],
        "smokes": ("no", "yes")[i % 2],
        "body_type": ("fit", "average")[i % 2],
        "orientation": ("straight", "gay")[i % 2],
        "sex": "mf"[i % 2],
    }
    return Profile(id=f"p{i}", source="profiles", traits=traits, essays={"About me": f"I am number {i} and so on"})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Twelve days of talk, one long session a day; two documents and some profiles."""
    rng = random.Random(0)
    made = Workspace(tmp_path / "twin")
    made.save_people(PEOPLE)
    lines = [(who, rng.choice(said)) for _ in range(30) for who, said in (("bob", SAID), ("ada", OWN))]
    days = [chat(lines, thread="t", start=START + timedelta(days=3 * d)) for d in range(12)]
    put(made, "chat", [replace(m, id=f"{d}-{m.id}") for d, day in enumerate(days) for m in day], Message)
    text = " ".join(f"The {w} of the house was {w} and {w} again." for w in ("roof", "door", "wall", "lamp") * 40)
    put(
        made,
        "writings",
        [Document(id=f"d{i}", source="writings", text=text, title=f"No {i}") for i in range(5)],
        Document,
    )
    put(made, "profiles", [profile(i) for i in range(30)], Profile)
    return made


def run(workspace: Workspace, recipe: str, update: Callable[[dict[str, Any]], None] = lambda raw: None) -> Manifest:
    """The recipe as it ships, but for the base, a handful of steps and where records come from."""
    raw = load_recipe(recipe)
    raw["corpus"] = {**raw.get("corpus", {}), **PLAIN["corpus"]}
    raw["privacy"] = PLAIN["privacy"]
    raw["model"] = {**raw.get("model", {}), "base": str(workspace.root.parent / "base")}
    raw.setdefault("train", {}).update({"max_steps": 6, "threads": 1, "evaluate_every": 6})
    update(raw)
    config = workspace.config(raw)
    build_dataset(workspace, config)
    return train_voice(workspace, config)


def answer(workspace: Workspace, manifest: Manifest) -> str:
    base = load_run(workspace.run(str(manifest.extra["run"])), ModelSection())
    engine = Engine(base, batch=1)
    try:
        context = next(iter(read_examples(workspace.dataset() / "valid.parquet"))).turns[:1]
        return Voice(engine, me="Ada").reply(context, sampling=Sampling(max_tokens=12, seed=1)).text
    finally:
        engine.close(drain=False)


def wide(workspace: Workspace) -> None:
    """A base wide enough for blocks of bitsandbytes, with room for windows in bytes."""
    shape = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    tiny_folder(workspace.root.parent / "base", **shape, max_position_embeddings=2048)


def words(example: Example) -> int:
    return sum(len(_TOKEN.findall(part)) for turn in example.turns for part in turn.parts)


def test_messenger_windows_run_as_published(workspace: Workspace) -> None:
    pytest.importorskip("bitsandbytes")
    wide(workspace)
    manifest = run(workspace, "messenger-windows", lambda raw: raw["train"].update(style_weight=1.5))
    train = list(read_examples(workspace.dataset() / "train.parquet"))
    assert {e.kind for e in train} == {"window"}
    assert all(words(e) <= 200 for e in train)
    assert sum(words(e) > 150 for e in train) > len(train) / 3
    folder = workspace.run(str(manifest.extra["run"]))
    base = load_run(folder, ModelSection())
    assert isinstance(base.template, MessengerTemplate)
    assert base.precision == "int8"
    begin = base.template.codec.decode(base.template.encode(train[0].turns).ids[:100])
    assert begin.startswith("[INST] <<SYS>>Write a realistic text message chat. Avoid repetition.<</SYS>> [/INST]\n")
    steps = [e for e in read_events(folder / "events.jsonl") if e["event"] == "train.step"]
    assert [e["lr"] for e in steps] == pytest.approx([2e-5 * (k + 1) / 100 for k in range(len(steps))])
    assert manifest.section["train"]["style_weight"] == 1.5
    adapter = load_file(folder / "adapter" / "adapter_model.safetensors")
    assert all(v.abs().max() > 0 for k, v in adapter.items() if "lora_B" in k)
    assert len({k.split(".")[-3] for k in adapter}) == 7
    assert isinstance(answer(workspace, manifest), str)


def test_weighing_style_moves_the_loss_and_the_voice_towards_it(workspace: Workspace) -> None:
    """Emoji and exclamation marks are a fifth of what is said here; weighed, they are learned sooner."""
    pytest.importorskip("bitsandbytes")
    wide(workspace)
    losses, weights = [], []
    for heavy in (1.0, 4.0):

        def change(raw: dict[str, Any], heavy: float = heavy) -> None:
            raw["train"].update(style_weight=heavy, lr=5e-3, warmup=0.0, max_steps=20, evaluate_every=10)

        manifest = run(workspace, "messenger-windows", change)
        assert manifest.extra["bits"] < 0.9 * manifest.extra["bits_before"]
        folder = workspace.run(str(manifest.extra["run"]))
        losses.append([e["loss"] for e in read_events(folder / "events.jsonl") if e["event"] == "train.step"])
        weights.append(load_file(folder / "adapter" / "adapter_model.safetensors"))
    assert losses[0][0] != pytest.approx(losses[1][0], rel=1e-3)
    assert any(not torch.equal(value, weights[1][name]) for name, value in weights[0].items())


@pytest.mark.parametrize("recipe", ["messenger", "replica"])
def test_low_bit_recipes_run(recipe: str, workspace: Workspace) -> None:
    pytest.importorskip("bitsandbytes")
    wide(workspace)
    manifest = run(workspace, recipe)
    assert manifest.extra["steps"] == 6
    kinds = {e.kind for e in read_examples(workspace.dataset() / "train.parquet")}
    assert ("window" in kinds) == (recipe == "replica")
    assert isinstance(answer(workspace, manifest), str)


@pytest.mark.parametrize("recipe", ["default", "writer", "profile"])
def test_recipes_run_on_the_base_that_knows_gemels_tokens(recipe: str, workspace: Workspace) -> None:
    tiny_folder(workspace.root.parent / "base", max_position_embeddings=2048)
    manifest = run(workspace, recipe)
    assert manifest.extra["steps"] > 0
    assert manifest.extra["bits"] < manifest.extra["bits_before"]
    folder = workspace.run(str(manifest.extra["run"]))
    assert (folder / "splice.safetensors").exists() == (recipe == "profile")


def test_tiny_llm_learns_tokens_that_it_did_not_have(workspace: Workspace) -> None:
    """All weights are trained, and the conversation tokens are added to a vocabulary without them."""
    folder = workspace.root.parent / "base"
    tiny_tokenizer(("<s>", "</s>"), bos_token="<s>", eos_token="</s>").save_pretrained(folder)
    tiny_model(258, max_position_embeddings=2048).save_pretrained(folder)
    manifest = run(workspace, "tiny-llm", lambda raw: raw["train"].update(lr=5e-3))
    assert manifest.extra["bits"] < manifest.extra["bits_before"]
    base = load_run(workspace.run(str(manifest.extra["run"])), ModelSection())
    assert base.template.name == "gemel"
    assert isinstance(answer(workspace, manifest), str)
