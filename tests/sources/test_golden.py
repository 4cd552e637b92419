"""Every case below tests/sources/<source>/<case>/: `input/` holds an export, `expected.jsonl` what comes of it.

`pytest tests/sources --regen` writes the expectations anew.
"""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from gemel.config import ImportSection
from gemel.sources import SOURCES, opened
from gemel.sources._entries import MEDIA

HERE = Path(__file__).parent
CASES = sorted(p.parent for p in HERE.glob("*/*/input"))


def plain(item: Any) -> dict[str, Any]:
    """An item as JSON, without the fields that have their default."""
    row: dict[str, Any] = {"is": type(item).__name__}
    for field in fields(item):
        value = getattr(item, field.name)
        default = field.default_factory() if field.default_factory is not MISSING else field.default
        if value != default:
            row[field.name] = _plain(value)
    return row


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(getattr(v, "__dict__", v)) if not hasattr(v, "emoji") else [v.emoji, v.sender] for v in value]
    return value.isoformat() if hasattr(value, "isoformat") else value


def read_all(name: str, folder: Path, section: ImportSection) -> list[Any]:
    """All items that the source makes of the folder; every file must be claimed by it and by no surer one."""
    source = SOURCES.get(name)()
    others = [cls() for other, cls in SOURCES if other != name]
    with opened([folder], section) as entries:
        mine = [e for e in entries if source.claims(e, section)]
        assert not [e.name for e in mine if e.suffix in MEDIA], "an import would not look at it"
        for entry in mine:
            rivals = [o.name for o in others if (o.rank, o.name) < (source.rank, name) and o.claims(entry, section)]
            assert not rivals, f"{entry.name} would go to {rivals}"
        return list(source.read(mine, section))


@pytest.mark.parametrize("case", CASES, ids=lambda p: f"{p.parent.name}-{p.name}")
def test_golden(case: Path, request: pytest.FixtureRequest) -> None:
    settings = case / "settings.json"
    section = ImportSection(**json.loads(settings.read_text("utf-8")) if settings.exists() else {})
    rows = [plain(item) for item in read_all(case.parent.name, case / "input", section)]
    text = "".join(json.dumps(row, ensure_ascii=False, sort_keys=True) + "\n" for row in rows)
    expected = case / "expected.jsonl"
    if request.config.getoption("--regen"):
        expected.write_text(text, encoding="utf-8")
    assert text == expected.read_text(encoding="utf-8")


def test_there_are_cases_for_every_source() -> None:
    assert {case.parent.name for case in CASES} == set(SOURCES.names())
