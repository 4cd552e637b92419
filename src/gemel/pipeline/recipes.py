"""Ready configurations by name: partial gemel.toml files that ship in `recipes/`.

A recipe is laid over a workspace's own configuration, and is checked like it.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from gemel.config import parse
from gemel.errors import ConfigError

__all__ = ["load_recipe", "recipe_names"]

PLACES = (
    Path(__file__).resolve().parent.parent / "recipes",  # installed from a wheel
    Path(__file__).resolve().parents[3] / "recipes",  # a source tree
)


def recipe_names() -> list[str]:
    """The recipes that ship, sorted."""
    return sorted({path.stem for place in PLACES for path in place.glob("*.toml")})


def load_recipe(name: str) -> dict[str, Any]:
    """The sections of a recipe, by its name or by the path of a TOML file.

    Raises:
        ConfigError: when there is none, or it has mistakes.
    """
    own = Path(name)
    candidates = [own] if own.suffix == ".toml" else [place / f"{name}.toml" for place in PLACES]
    path = next((p for p in candidates if p.is_file()), None)
    if path is None:
        raise ConfigError(f"there is no recipe called '{name}'", hint=f"Known: {', '.join(recipe_names())}")
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error
    parse(raw)
    return raw
