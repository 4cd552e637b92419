"""The real `llm` program against a real port, set up as its documentation says; `openai` is in test_openai."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("llm")


@pytest.mark.parametrize("options", [[], ["--no-stream"], ["-o", "temperature", "0.5", "-o", "max_tokens", "12"]])
def test_llm_talks_to_the_twin(address: tuple[str, str], tmp_path: Path, options: list[str]) -> None:
    base, token = address
    model = {"model_id": "twin", "model_name": "thomas-voice", "api_base": f"{base}/v1", "api_key_name": "gemel"}
    # JSON is YAML
    (tmp_path / "extra-openai-models.yaml").write_text(json.dumps([model]), encoding="utf-8")
    (tmp_path / "keys.json").write_text(json.dumps({"gemel": token}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "llm", "-m", "twin", "what is the dog called?", "--no-log", *options],
        env={**os.environ, "LLM_USER_PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
