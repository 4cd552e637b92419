"""What is stored about the owner, as one zip that a person can read: words, settings, talks, judgement, figures.

It holds the owner's own words only. Left out: what others wrote, the vault, tokens, and weights (the voice is
exported by `gemel export`).
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, fields
from typing import Any

from gemel.feedback import Feedback
from gemel.people import Person
from gemel.records import Message, Record, read_records
from gemel.workspace import Workspace

__all__ = ["FILE", "export"]

FILE = "gemel-about-me.zip"
KEPT = ("gemel.toml", "portrait/portrait.html", "card.json")
FIGURES = ("runs/*/manifest.json", "evals/*/scores.json", "evals/*/audit.json")
NOTE = """What gemel stores about you: your own messages and documents (records/), your settings, your talks with
the twin and your judgement (feedback.json), its measured description of you (card.json, portrait), and the
figures of trainings and evaluations. Replies of the twin in feedback.json are an AI imitation of you.

Not in this file: what others wrote to you, the key to the pseudonyms, the tokens of your devices, and the
weights of the voice.
"""


def export(workspace: Workspace, feedback: Feedback) -> bytes:
    """The zip."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", NOTE)
        me = workspace.people().me
        if me is not None:
            archive.writestr("me.json", _json({"name": me.name, "names": me.names, "handles": me.handles}))
        for path in workspace.record_files():
            rows = [_row(r) for r in read_records(path) if _own(r, me)]
            archive.writestr(f"records/{path.parent.name}.jsonl", "".join(_json(row) + "\n" for row in rows))
        archive.writestr("feedback.json", _json(_judgement(feedback), indent=1))
        for pattern in (*KEPT, *FIGURES):
            for path in sorted(workspace.root.glob(pattern)):
                archive.write(path, path.relative_to(workspace.root).as_posix())
    return out.getvalue()


def _own(record: Record, me: Person | None) -> bool:
    """Messages of the owner; documents and profiles were brought as the owner's."""
    if not isinstance(record, Message):
        return True
    return me is not None and any(h.source == record.source and h.id == record.sender for h in me.handles)


def _row(record: Record) -> dict[str, Any]:
    """A record without others' names: who it went to, the title of its thread, who reacted."""
    hidden = {"recipients", "thread", "thread_title", "reactions", "file"}
    return {"type": type(record).__name__} | {
        f.name: getattr(record, f.name) for f in fields(record) if f.name not in hidden
    }


def _judgement(feedback: Feedback) -> dict[str, Any]:
    return {
        "rules": [r.text for r in feedback.rules()],
        "conversations": [
            {"title": c.title, "created": c.created, "turns": list(_turns(feedback, c.id))}
            for c in feedback.conversations()
        ],
        "votes": [v._asdict() for v in feedback.votes()],
    }


def _turns(feedback: Feedback, conversation: str) -> Iterator[dict[str, Any]]:
    for said in feedback.messages(conversation):
        yield {**asdict(said), "written_by": "AI imitation" if said.role == "me" else "you"}


def _json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent, default=str)
