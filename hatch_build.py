"""A wheel carries the web app: building one without its bundle is refused. Editable installs need no bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Looks for the bundle before a wheel is built."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Refuse a standard wheel without the bundle."""
        bundle = Path(self.root) / "src" / "gemel" / "serve" / "static" / "app" / "index.html"
        if self.target_name == "wheel" and version == "standard" and not bundle.is_file():
            raise FileNotFoundError("the web app is not built: run `make web` before building a wheel")
