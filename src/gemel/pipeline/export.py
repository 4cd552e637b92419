"""A data set in the formats of other tools: JSONL per split, or a Hugging Face DatasetDict.

Three forms: `messages` (role and content per turn, as chat trainers read it), `plain` (one text with names) and `gemel`
(whole examples). What is written holds pseudonyms, as the data set does; the vault is never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from gemel.corpus.dataset import IMPOSTOR
from gemel.errors import ConfigError, MissingExtra
from gemel.examples import SPLITS, Example, Role, Turn, read_examples, to_json
from gemel.track import watch
from gemel.workspace import Workspace, atomic, atomic_folder

__all__ = ["FORMS", "export_dataset", "messages", "plain"]

ROLES: Mapping[Role, str] = {
    Role.system: "system",
    Role.data: "user",
    Role.prompt: "user",
    Role.other: "user",
    Role.me: "assistant",
}


def messages(example: Example) -> dict[str, Any]:
    """Turns as chat messages; in a group others' words begin with their name; `learn` says what carries loss."""
    return {
        "id": example.id,
        "kind": example.kind,
        "session": example.session,
        "messages": [
            {"role": ROLES[turn.role], "content": _content(turn, example.group), "learn": turn.learn}
            for turn in example.turns
        ],
    }


def plain(example: Example) -> dict[str, Any]:
    """One text: a line per message with the speaker's name before it; writings without a name."""
    spoken = example.kind in ("chat", "window")
    lines = [f"{t.name}: {part}" if spoken and t.name else part for t in example.turns for part in t.parts]
    return {"id": example.id, "kind": example.kind, "session": example.session, "text": "\n".join(lines)}


def _content(turn: Turn, group: bool) -> str:
    return f"{turn.name}: {turn.text}" if group and turn.role is Role.other and turn.name else turn.text


def _own(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = json.loads(to_json(example))
    return row


FORMS: Mapping[str, Callable[[Example], dict[str, Any]]] = {"messages": messages, "plain": plain, "gemel": _own}


def export_dataset(
    workspace: Workspace, target: Path, name: str = "main", *, form: str = "messages", hf: bool = False
) -> dict[str, int]:
    """Write every split that holds something; returns split → examples.

    Raises:
        MissingStage: when the data set was not built.
        MissingExtra: when a DatasetDict is asked for and `datasets` is not installed.
        ConfigError: when the target is inside the workspace's data set, or a file.
    """
    folder = workspace.dataset(name)
    workspace.need(folder, f"the data set '{name}'", "gemel build")
    if target.is_file() or folder in target.resolve().parents or target.resolve() == folder:
        raise ConfigError(f"{target} cannot hold the export", hint="Give a folder outside the data set.")
    files = {s: folder / f"{s}.parquet" for s in (*SPLITS, IMPOSTOR) if (folder / f"{s}.parquet").exists()}
    if hf:
        return _dataset_dict(files, target, FORMS[form])
    counts = {}
    for split, file in files.items():
        with atomic(target / f"{split}.jsonl") as path, path.open("w", encoding="utf-8", newline="\n") as out:
            count = 0
            for row in watch(_rows(file, FORMS[form]), f"write {split}", unit="examples"):
                out.write(json.dumps(row, ensure_ascii=False) + "\n")
                count += 1
        if count:
            counts[split] = count
        else:
            (target / f"{split}.jsonl").unlink()
    return counts


def _rows(file: Path, form: Callable[[Example], dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (form(example) for example in read_examples(file))


def _dataset_dict(files: Mapping[str, Path], target: Path, form: Callable[[Example], dict[str, Any]]) -> dict[str, int]:
    try:
        from datasets import Dataset, DatasetDict
    except ImportError as error:
        raise MissingExtra("datasets", extra="export") from error
    splits = {}
    for split, file in files.items():
        if rows := list(_rows(file, form)):
            splits[split] = Dataset.from_list([_flat(row) for row in rows])
    with atomic_folder(target) as folder:
        DatasetDict(splits).save_to_disk(str(folder))
    return {split: len(rows) for split, rows in splits.items()}


def _flat(row: Mapping[str, Any]) -> dict[str, Any]:
    """Trait values differ in type from row to row, which Arrow cannot hold: they become JSON."""
    turns = [{**t, "traits": json.dumps(t.get("traits"))} for t in row.get("turns", ())]
    flat = {**row, **({"turns": turns} if turns else {})}
    return {**flat, "traits": json.dumps(row["traits"], ensure_ascii=False)} if "traits" in row else flat
