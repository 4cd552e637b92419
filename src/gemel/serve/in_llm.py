"""A model for the `llm` command line: `llm -m gemel "How are you?"` asks the twin in this terminal.

The twin is the folder in GEMEL_TWIN, or ./mytwin, or `-o twin FOLDER`. Real names are shown, as by `gemel talk`; `llm`
keeps its own log of what was said (`llm logs off` stops that). Importing this costs nothing: the twin is loaded when
it is asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llm
from pydantic import Field

from gemel.errors import GemelError
from gemel.examples import Role

if TYPE_CHECKING:
    from gemel.serve.companion import Companion, Line

__all__ = ["TwinModel", "register_models"]


class TwinModel(llm.Model):
    """The twin as one of llm's models."""

    model_id = "gemel"
    can_stream = True

    class Options(llm.Options):
        """`-o NAME VALUE`."""

        twin: str = Field(default="", description="Folder of the twin; default: GEMEL_TWIN, else ./mytwin")
        answer: str = Field(default="", description="voice, assisted, memory or prompted; default: as configured")
        to: str = Field(default="", description="Who you speak as; default: who the person writes with most")
        temperature: float = Field(default=1.0, ge=0, le=2, description="1 keeps the person's own spread")
        max_tokens: int = Field(default=200, ge=1, description="Length of an answer at most")
        seed: int | None = Field(default=None, description="Repeatable answers")

    def __init__(self) -> None:
        self._held: dict[tuple[str, str], Companion] = {}

    def execute(
        self, prompt: llm.Prompt, stream: bool, response: llm.Response, conversation: llm.Conversation | None = None
    ) -> Iterator[str]:
        """Pieces of the answer; its sources go into llm's log."""
        from gemel.speaker import Reply, Sampling

        given: Any = prompt.options
        sampling = Sampling(temperature=given.temperature, max_tokens=given.max_tokens, seed=given.seed)
        try:
            companion = self._companion(given.twin, given.answer)
            for piece in companion.stream(_lines(prompt, conversation, given.to), sampling=sampling):
                if isinstance(piece, Reply):
                    response.response_json = {
                        "disclosure": companion.twin.disclosure,
                        "quoted": piece.quoted,
                        "sources": [c.record for c in piece.citations],
                    }
                    response.set_usage(input=piece.tokens_in, output=piece.tokens_out)
                else:
                    yield piece
        except GemelError as error:
            raise llm.ModelError(f"{error.message}. {error.hint}".strip()) from error

    def _companion(self, folder: str, answer: str) -> Companion:
        from gemel.serve.companion import Companion
        from gemel.workspace import Workspace

        folder = folder or os.environ.get("GEMEL_TWIN", "mytwin")
        if (folder, answer) not in self._held:
            workspace = Workspace(Path(folder))
            self._held[folder, answer] = Companion(workspace, workspace.config(), names=True, answer=answer)
        return self._held[folder, answer]


def _lines(prompt: llm.Prompt, conversation: llm.Conversation | None, to: str) -> list[Line]:
    from gemel.serve.companion import Line

    lines: list[Line] = []
    said: list[Any] = list(conversation.responses) if conversation else []
    for past in said:
        lines += [Line(Role.other, past.prompt.prompt, to), Line(Role.me, past.text_or_raise())]
    system = [Line(Role.system, prompt.system)] if prompt.system else []
    return [*system, *lines, Line(Role.other, prompt.prompt, to)]


@llm.hookimpl
def register_models(register: Any) -> None:
    """Told to llm by the entry point."""
    register(TwinModel())
