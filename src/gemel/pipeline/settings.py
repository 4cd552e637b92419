"""Writing gemel.toml: settings as TOML, for a person to read and edit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["to_toml", "toml_value"]


def to_toml(raw: Mapping[str, Any]) -> str:
    """Write sections of plain values as TOML."""
    lines = [f"{key} = {toml_value(value)}" for key, value in raw.items() if not isinstance(value, Mapping)]
    for name, section in raw.items():
        if isinstance(section, Mapping):
            lines += ["", f"[{name}]", *(f"{key} = {toml_value(value)}" for key, value in section.items())]
    return "\n".join(lines).lstrip("\n") + "\n"


def toml_value(value: object) -> str:
    """One value as TOML. JSON's strings, numbers and booleans are TOML's."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(k)} = {toml_value(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    return json.dumps(value, ensure_ascii=False)
