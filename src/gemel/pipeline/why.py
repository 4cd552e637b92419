"""Why a twin said something, for whoever shows it: the terminal, the server, the report.

Two models are compared, the voice and its base, both as trained; memory and card say what else speaks for
the reply. Everything here is in pseudonyms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from threading import Lock

from gemel.config import Config
from gemel.errors import NotAScorer
from gemel.evaluate.why import Near, Why, followed, why
from gemel.examples import Role, TraitValue, Turn
from gemel.model.base import load_base, load_run
from gemel.model.card import Card
from gemel.model.likelihood import LocalScorer
from gemel.model.memory import Memory
from gemel.pipeline.contenders import base_section, scorer_of
from gemel.workspace import Workspace

__all__ = ["Explainer"]


class Explainer:
    """Explains replies of one voice; may be kept and shared between threads.

    Args:
        run: id of the voice.
        me: the person's name in the examples.

    Raises:
        NotAScorer: when there is no voice to compare with its base.
    """

    def __init__(self, workspace: Workspace, config: Config, run: str, *, me: str) -> None:
        if not run:
            raise NotAScorer("without a trained voice there is nothing to explain", hint="Run `gemel train` first.")
        self.run = run
        self._me = me
        twin = load_run(workspace.run(run), config.model)
        self._twin = scorer_of(workspace, run, twin)
        self._base = LocalScorer(load_base(base_section(config, twin), device=twin.device))
        self._traited = hasattr(twin.model, "splice")
        self._lock = Lock()

    def explain(
        self,
        context: Sequence[Turn],
        parts: Sequence[str],
        *,
        memory: Memory | None = None,
        card: Card | None = None,
        traits: Mapping[str, TraitValue] | None = None,
        similar: int = 3,
    ) -> Why:
        """Explain the reply `parts` to `context`.

        Args:
            traits: values the twin answered under; left aside where the voice learned none.
            similar: own messages shown at most.
        """
        reply = Turn(role=Role.me, parts=tuple(parts), name=self._me)
        with self._lock:
            found = why(self._twin, self._base, context, reply, traits=traits if self._traited else None)
        near = memory.search("\n".join(parts), similar) if memory is not None else []
        return replace(
            found,
            similar=tuple(Near(c.quote, c.score, c.record, c.title) for c in near),
            habits=followed(card, parts) if card is not None else (),
        )
