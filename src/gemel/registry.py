"""One file added is one part added: sources, detectors and metrics find themselves.

A registry belongs to a package; every module in that package that registers something is a part.
Packages installed elsewhere join through the entry-point group of the same name.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from gemel.errors import ConfigError

__all__ = ["Registry"]

T = TypeVar("T")


class Registry(Generic[T]):
    """Parts of one kind by name, loaded the first time one is asked for.

    Args:
        kind: what a part is called in messages, e.g. "source".
        package: dotted name of the package whose modules hold the parts; also the entry-point group.
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind = kind
        self.package = package
        self._parts: dict[str, T] = {}
        self._loaded = False

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator: make a part known under `name`.

        Raises:
            ValueError: when another part has the name.
        """

        def keep(part: T) -> T:
            if self._parts.setdefault(name, part) is not part:
                raise ValueError(f"two {self.kind}s are called {name!r}")
            return part

        return keep

    def names(self) -> list[str]:
        """The names of all parts, sorted."""
        self._load()
        return sorted(self._parts)

    def get(self, name: str) -> T:
        """The part of this name.

        Raises:
            ConfigError: when there is none.
        """
        self._load()
        try:
            return self._parts[name]
        except KeyError:
            raise ConfigError(
                f"there is no {self.kind} called '{name}'", hint=f"Known: {', '.join(self.names())}"
            ) from None

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._load()
        return iter(sorted(self._parts.items()))

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        for entry in entry_points(group=self.package):
            entry.load()
