"""What a wheel carries beside the package: the web app, without which none is built, and the ready recipes.

Editable installs need neither: they read both from the source tree.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Looks for the web app's bundle before a wheel is built, and adds `recipes/*.toml`."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse a standard wheel without the bundle."""
        if self.target_name != "wheel" or version != "standard":
            return
        root = Path(self.root)
        if not (root / "src" / "gemel" / "serve" / "static" / "app" / "index.html").is_file():
            raise FileNotFoundError("the web app is not built: run `make web` before building a wheel")
        for recipe in (root / "recipes").glob("*.toml"):
            build_data["force_include"][str(recipe)] = f"gemel/recipes/{recipe.name}"
