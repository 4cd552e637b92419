"""The card for other programs: a system prompt, and a character card as role-play front ends read it.

Both describe how the person writes, under the pseudonym. A character card may carry exchanges of the training data;
by default it carries none.

Source: Character Card V2 (malfoyslastname) and V3 (kwaroran), the JSON forms.
"""

from __future__ import annotations

import json
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from gemel import __version__
from gemel.config import Config
from gemel.examples import Example, Role, read_examples
from gemel.model.card import Card
from gemel.model.display import Display
from gemel.model.twin import prepare
from gemel.pipeline.portable import inside
from gemel.workspace import Workspace, atomic

__all__ = ["export_character", "system_prompt"]

SPECS = {"v2": ("chara_card_v2", "2.0"), "v3": ("chara_card_v3", "3.0")}


def system_prompt(workspace: Workspace, config: Config) -> str:
    """The card as a system text for a large model, under the pseudonym.

    Raises:
        MissingStage: when nothing was built yet.
    """
    return _card(workspace, config).text()


def export_character(
    workspace: Workspace, config: Config, target: Path, *, spec: str = "v3", examples: int = 0
) -> dict[str, Any]:
    """Write a character card; returns it.

    Args:
        spec: v2 or v3.
        examples: exchanges of the training data to include.

    Raises:
        MissingStage: when nothing was built yet.
    """
    card = _card(workspace, config)
    said = _exchanges(workspace, examples) if examples else ""
    data: dict[str, Any] = {
        "name": card.name,
        "description": card.text(small=True),
        "personality": "",
        "scenario": "",
        "first_mes": "",
        "mes_example": said,
        "creator_notes": f"An AI imitation of how {card.name} writes, measured from their own words. Say so.",
        "system_prompt": card.text(),
        "post_history_instructions": "",
        "alternate_greetings": [],
        "tags": ["gemel", "AI imitation"],
        "creator": "gemel",
        "character_version": __version__,
        "extensions": {"gemel": {"partners": len(card.partners), "languages": dict(card.languages)}},
    }
    if spec == "v3":
        data["group_only_greetings"] = []
    name, version = SPECS[spec]
    row = {"spec": name, "spec_version": version, "data": data}
    with atomic(target) as path:
        path.write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")
    return row


def _card(workspace: Workspace, config: Config) -> Card:
    parts = prepare(workspace, config)
    with closing(parts.memory):
        return inside(Display(workspace, config), parts.card)


def _exchanges(workspace: Workspace, most: int) -> str:
    """The last exchange of chats, as front ends mark them."""
    file = workspace.dataset("main") / "train.parquet"
    found = (text for e in read_examples(file) if (text := _exchange(e))) if file.exists() else iter(())
    return "".join(f"<START>\n{text}\n" for text in islice(found, most))


def _exchange(example: Example) -> str:
    for before, turn in reversed(list(zip(example.turns, example.turns[1:]))):
        if turn.role is Role.me and turn.learn and before.role is Role.other:
            return f"{{{{user}}}}: {before.text}\n{{{{char}}}}: {turn.text}"
    return ""
