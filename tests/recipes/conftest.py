"""Load the flat scripts of recipes/seedling for tests, without leaving their folder on the import path."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "recipes" / "seedling"
NAMES = (
    *("clean", "dress", "sources", "prepare", "more_data", "contamination"),
    *("tokenizer", "pack", "llama", "muon", "ngram", "pretrain", "export"),
)


@pytest.fixture(scope="session")
def recipe() -> dict[str, ModuleType]:
    """The recipe's modules by name; a few of their names are common, so sys.modules forgets them again."""
    before = {name: sys.modules.pop(name) for name in NAMES if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    try:
        return {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name in NAMES:
            sys.modules.pop(name, None)
        sys.modules.update(before)
