"""Writes the server's OpenAPI schema to `openapi.json`, from which the page's types are generated.

Run it when routes change, then `npm run types` in `web/app`. No twin is loaded.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from gemel.config import Config
from gemel.serve.app import create_app
from gemel.workspace import Workspace

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        schema = create_app(Workspace(Path(folder)), Config()).openapi()
    schema["info"]["version"] = "0"  # a release alone changes no type
    text = json.dumps(schema, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    (Path(__file__).parent / "openapi.json").write_text(text, encoding="utf-8")
