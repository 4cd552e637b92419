"""Fixtures that every part shares."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")


# A busy machine is no failure: how long one example takes is not what these tests are about.
settings.register_profile("gemel", deadline=None)
settings.load_profile("gemel")


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--regen` writes the golden files of tests/sources anew; look at the difference before committing it."""
    parser.addoption("--regen", action="store_true", help="write golden files anew")
