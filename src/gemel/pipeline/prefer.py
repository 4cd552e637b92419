"""A preference stage: what the owner corrected and rated in talks with the twin moves its voice.

The judged answers are read from the feedback store, under pseudonyms like everything that is learned; talks that may
not be learned from, and talks with somebody who is excluded, are left out. Votes hold no text: nothing can be learned
from them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from gemel.config import Config
from gemel.errors import ConfigError, MissingStage
from gemel.examples import Role, Turn
from gemel.feedback import Feedback, Said
from gemel.people import Consent
from gemel.pipeline.train import train_voice
from gemel.pipeline.warm import can_go_on
from gemel.privacy.scrub import Scrubber
from gemel.privacy.vault import Vault
from gemel.train.preference import Judged, Kind, Preference
from gemel.workspace import Manifest, Workspace

__all__ = ["judged", "prefer_voice"]

BEFORE = 12
"""Turns of a talk that stand before an answer at most."""


def prefer_voice(
    workspace: Workspace, config: Config, kind: Kind, *, start: str | None = None, beta: float = 0.1
) -> Manifest:
    """Move a voice by what its owner thought of its answers; the result is a run of its own.

    Args:
        config: all but `train.method`, which is the moved voice's own.
        start: id of the run to move; None: the current one.

    Raises:
        MissingStage: when there is no voice yet.
        ConfigError: when the voice carries a splice or tokens of its own.
        TooLittle: when nothing was judged in a way that `kind` can learn from.
    """
    start = start or workspace.current()
    if start is None:
        raise MissingStage("there is no voice to move", hint="`gemel train` makes one.")
    before = workspace.need(workspace.run(start), f"the run '{start}'", "gemel train")
    method = str(before.section["train"]["method"])
    if not can_go_on(workspace.run(start), method):
        raise ConfigError(
            f"the run '{start}' cannot be moved",
            hint="Voices with traits or with tokens of their own cannot be so far.",
        )
    config = config.model_copy(update={"train": config.train.model_copy(update={"method": method})})
    found = tuple(judged(workspace, config, me=str(before.extra.get("me", ""))))
    wanted = Preference(kind=kind, judged=found, beta=beta)
    return train_voice(workspace, config, str(before.extra["dataset"]), start=start, prefer=wanted)


def judged(workspace: Workspace, config: Config, *, me: str) -> Iterator[Judged]:
    """Every corrected or rated answer that may be learned from, the latest talk first.

    Args:
        me: the person's name in the examples.
    """
    if not workspace.feedback_path.exists():
        return
    people = workspace.people()
    with closing(Feedback(workspace.feedback_path)) as store, closing(Vault(workspace.vault_path)) as vault:
        scrubber = Scrubber(vault, people, config.privacy)
        for talk, said in store.judged():
            partner = talk.recipient
            barred = partner and any(p.consent is Consent.exclude for p in people.find(partner))
            if talk.consent != "train" or said.role != "me" or barred:
                continue
            name = scrubber.text(partner) if partner else ""
            context = [_turn(s, s.edit or s.parts, scrubber, me, name) for s in store.thread(said.id)[:-1][-BEFORE:]]
            answer = replace(_turn(said, said.parts, scrubber, me, name), learn=True)
            better = replace(_turn(said, said.edit, scrubber, me, name), learn=True) if said.edit else None
            yield Judged(context=tuple(context), said=answer, better=better, liked=said.rating > 0)


def _turn(said: Said, parts: tuple[str, ...], scrubber: Scrubber, me: str, partner: str) -> Turn:
    mine = said.role == "me"
    return Turn(
        role=Role.me if mine else Role.other,
        parts=tuple(scrubber.text(part) for part in parts),
        name=me if mine else partner,
        time=datetime.fromtimestamp(said.time, UTC),
        learn=False,
    )
