"""Requests made from the schema, sound ones and broken ones: whatever comes, no 5xx but a deliberate 503."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.generation import GenerationMode

from gemel.serve.app import STATIC, create_app
from tests.serve.live import live_server
from tests.twins import twin_config, twin_workspace

BY_HAND = {("POST", "/api/jobs"), ("DELETE", "/api/devices/{device}"), ("POST", "/api/forget")}
"""Starting processes, revoking the test's own token and forgetting are tested elsewhere."""


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode))
def test_nothing_breaks(tmp_path: Path, mode: GenerationMode) -> None:
    app = create_app(twin_workspace(tmp_path), twin_config(tmp_path), folder=STATIC)
    app.state.house.twin()
    token = app.state.devices.add("schema", ("chat", "names", "train", "admin"))[1]
    headers = {"Authorization": f"Bearer {token}"}
    schema = schemathesis.openapi.from_dict(app.openapi())
    with live_server(app) as base:
        tried = sum(attack(found.ok(), mode, base, headers) for found in schema.get_all_operations())
    assert tried > 100


def attack(operation: Any, mode: GenerationMode, base: str, headers: dict[str, str]) -> int:
    """Send what the schema allows (or forbids) to one route; returns how many requests were made."""
    if (operation.method.upper(), operation.path) in BY_HAND:
        return 0
    tried = 0

    @settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case: schemathesis.Case) -> None:
        nonlocal tried
        tried += 1
        answer = case.call(base_url=base, headers=headers)
        assert answer.status_code < 500 or answer.status_code == 503, (case.method, case.path, answer.status_code)

    with suppress(Unsatisfiable):  # nothing about this route can be broken
        run()
    return tried
