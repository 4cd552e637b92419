"""The owner's own view: pseudonyms become names again when a reply is shown, names become pseudonyms when
something is asked.

Only the owner's authenticated session uses it; measurements, exports and others never do.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import closing

from gemel.config import Config
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.workspace import Workspace

__all__ = ["Display"]


class Display:
    """Translates between the owner's names and the twin's.

    Args:
        workspace: its vault and people.
        config: `privacy`.
    """

    def __init__(self, workspace: Workspace, config: Config) -> None:
        self._workspace = workspace
        self._section = config.privacy
        self._on = config.privacy.mode == "pseudonym" and workspace.vault_path.exists()
        self._lock = threading.Lock()

    def inward(self, text: str) -> str:
        """What the twin gets to read."""
        if not self._on or not text:
            return text
        with self._lock, closing(Vault(self._workspace.vault_path)) as vault:
            return Scrubber(vault, self._workspace.people(), self._section).text(text)

    def outward(self, text: str) -> str:
        """What the owner gets to read."""
        if not self._on or not text:
            return text
        with self._lock, closing(Vault(self._workspace.vault_path)) as vault:
            return vault.restore(text)

    def stream(self, pieces: Iterable[str]) -> Iterator[str]:
        """The same for text that comes in pieces: a word is shown when it is whole."""
        if not self._on:
            yield from pieces
            return
        held = ""
        for piece in pieces:
            held += piece
            end = max(held.rfind(" "), held.rfind("\n")) + 1
            if end and "[" not in held[:end].rpartition("]")[2]:
                yield self.outward(held[:end])
                held = held[end:]
        if held:
            yield self.outward(held)
