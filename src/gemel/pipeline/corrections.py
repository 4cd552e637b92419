"""Answers that the owner corrected, as examples to learn from.

Each is one example: what was said before, and what the owner would have said. They stand in the training split
only, under pseudonyms like everything that is learned. A talk that may not be learned from, and one with somebody
who is excluded, gives none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

from gemel.examples import Example, Role, Turn
from gemel.feedback import Feedback, Said
from gemel.people import Consent, People
from gemel.privacy.scrub import Scrubber
from gemel.records import stable_id
from gemel.workspace import Workspace

__all__ = ["KIND", "corrections", "edits_hash"]

KIND = "correction"
BEFORE = 12
"""Turns of the talk that stand before the corrected one at most."""


def corrections(workspace: Workspace, scrubber: Scrubber, *, me: str) -> Iterator[Example]:
    """Every corrected answer that may be learned from.

    Args:
        me: the person's name in the examples.
    """
    if not workspace.feedback_path.exists():
        return
    people = workspace.people()
    with closing(Feedback(workspace.feedback_path)) as store:
        for talk in store.conversations():
            if talk.consent != "train" or _excluded(people, talk.recipient):
                continue
            for said in store.messages(talk.id):
                if said.edit and said.role == "me":
                    yield _example(store.thread(said.id)[:-1][-BEFORE:], said, talk.recipient, scrubber, me)


def edits_hash(workspace: Workspace) -> str:
    """What corrections a data set made now would hold; "" where there are none."""
    if not workspace.feedback_path.exists():
        return ""
    with closing(Feedback(workspace.feedback_path)) as store:
        usable = {
            m.id: m.edit for t in store.conversations() if t.consent == "train" for m in store.messages(t.id) if m.edit
        }
    return stable_id(*sorted(f"{k} {v!r}" for k, v in usable.items())) if usable else ""


def _excluded(people: People, name: str) -> bool:
    return any(p.consent is Consent.exclude for p in people.find(name)) if name else False


def _example(before: list[Said], said: Said, recipient: str, scrubber: Scrubber, me: str) -> Example:
    partner = scrubber.text(recipient) if recipient else ""
    number = stable_id("correction", said.id, *said.edit)
    turns = [
        Turn(
            role=Role.me if s.role == "me" else Role.other,
            parts=tuple(scrubber.text(p) for p in (s.edit or s.parts)),
            name=me if s.role == "me" else partner,
            time=datetime.fromtimestamp(s.time, UTC),
            learn=s is said,
        )
        for s in (*before, said)
    ]
    return Example(
        id=number,
        kind=KIND,
        turns=tuple(turns),
        session=f"correction {said.id}",
        thread="feedback",
        recipients=(partner,) if partner else (),
        time=datetime.fromtimestamp(said.time, UTC),
        traits={"recipient": partner} if partner else {},
        provenance=(number,),
        split="train",
    )
