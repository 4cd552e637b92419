"""The schema that the typed client is made from is the server's own. Needs no browser."""

from __future__ import annotations

import json
from pathlib import Path

from gemel.config import Config
from gemel.serve.app import create_app
from gemel.workspace import Workspace

CLIENT = Path(__file__).parents[2] / "web" / "client" / "openapi.json"


def test_the_schema_is_fresh(tmp_path: Path) -> None:
    """After a route changed: `python web/client/dump.py`, then `npm run types` in `web/app`."""
    made = create_app(Workspace(tmp_path), Config()).openapi()
    kept = json.loads(CLIENT.read_text(encoding="utf-8"))
    made["info"]["version"] = kept["info"]["version"]
    assert made == kept
