"""Sensitive topics are counted, and kept out only on request."""

from __future__ import annotations

from pathlib import Path

import pytest
from known_people import PEOPLE

from gemel.config import PrivacySection
from gemel.errors import ConfigError
from gemel.privacy.scrub import Scrubber
from gemel.privacy.topics import TOPICS, topics
from gemel.privacy.vault import Vault
from gemel.records import Message


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("my diagnosis came", {"health"}), ("die Schulden wachsen", {"finance"}), ("voy a rezar", {"religion"}),
        ("ho votato", {"politics"}), ("send nudes", {"sex"}), ("chùa và nợ", {"religion", "finance"}),
        ("see you at ten", set()),
    ],
)  # fmt: skip
def test_topics(text: str, wanted: set[str]) -> None:
    assert topics(text) == wanted
    assert wanted <= set(TOPICS)


def test_excluded_on_request_only(tmp_path: Path) -> None:
    vault = Vault(tmp_path / "vault.sqlite")
    record = Message(id="m", source="whatsapp", thread="t", sender="Tom", text="my diagnosis came")
    assert Scrubber(vault, PEOPLE).record(record) is not None
    strict = Scrubber(vault, PEOPLE, PrivacySection(exclude_topics=("health",)))
    assert strict.record(record) is None
    assert strict.counts["topic health"] == 1
    with pytest.raises(ConfigError):
        Scrubber(vault, PEOPLE, PrivacySection(exclude_topics=("weather",)))
    vault.close()
