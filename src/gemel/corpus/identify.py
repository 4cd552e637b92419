"""Who is who, and who is "me".

Handles of one name in different apps become one person; two handles of one app stay two. The owner is the
account's own handle where an export tells it, the name given, or the one name that writes in every thread;
where none of these decides, the owner is asked and never guessed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from gemel.errors import PersonUnknown
from gemel.people import Handle, People, Person
from gemel.records import stable_id
from gemel.text import fold

__all__ = ["Sighting", "people_from", "who_is_me"]

SHOWN = 12
"""Candidates that an error lists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One handle and where it was seen."""

    source: str
    id: str
    name: str
    messages: int
    threads: int
    """Threads in which it wrote."""


def people_from(sightings: Iterable[Sighting], known: People) -> People:
    """`known`, with every handle that is new joined to the person of its name or made a person.

    A name joins handles of different apps only where each app has it once.
    """
    seen = list(sightings)
    times = Counter((s.source, fold(s.name or s.id)) for s in seen)
    people = known
    for sighting in sorted(seen, key=lambda s: (-s.messages, s.source, s.id)):
        if people.by_handle(sighting.source, sighting.id) is not None:
            continue
        name = sighting.name or sighting.id
        handle = Handle(sighting.source, sighting.id, sighting.name)
        match = [p for p in people if _may_join(p, sighting, times)] if times[sighting.source, fold(name)] == 1 else []
        if len(match) == 1:
            people = people.with_person(replace(match[0], handles=(*match[0].handles, handle)))
        else:
            new = Person(id=f"p-{stable_id(sighting.source, sighting.id)[:10]}", name=name, handles=(handle,))
            people = people.with_person(new)
    return people


def _may_join(person: Person, sighting: Sighting, times: Mapping[tuple[str, str], int]) -> bool:
    name = fold(sighting.name or sighting.id)
    if all(handle.source != sighting.source for handle in person.handles):
        return name in {fold(n) for n in person.names} and all(times[h.source, name] <= 1 for h in person.handles)
    return False


def who_is_me(
    people: People,
    sightings: Sequence[Sighting],
    threads: Mapping[str, int],
    *,
    own: Iterable[tuple[str, str]] = (),
    named: Sequence[str] = (),
) -> People:
    """`people` with the owner marked, all the owner's handles joined to one person.

    Args:
        people: everyone, the owner perhaps known from before.
        sightings: who wrote where.
        threads: source → number of its threads.
        own: (source, handle) pairs that exports name as the account's own.
        named: names or handles that the owner gave; any of them is the owner.

    Raises:
        PersonUnknown: naming the source that does not tell, with its candidates.
    """
    by_source: dict[str, list[Sighting]] = defaultdict(list)
    for sighting in sightings:
        by_source[sighting.source].append(sighting)
    told: dict[str, set[str]] = defaultdict(set)
    for source, handle in own:
        told[source].add(handle)
    wanted = {fold(n) for n in named}
    if people.me is not None:
        wanted |= {fold(n) for n in people.me.names}
    mine: list[Handle] = []
    undecided: list[str] = []
    for source in sorted(by_source, key=lambda s: s not in told):
        found = _mine(by_source[source], told[source], wanted, people, threads.get(source, 0))
        if not found:
            undecided.append(source)
        mine += [Handle(s.source, s.id, s.name) for s in found]
        wanted |= {fold(s.name) for s in found if s.name}
    for source in undecided:  # a name learnt from a later source may settle an earlier one
        found = [s for s in by_source[source] if fold(s.name) in wanted]
        if not found:
            raise _unknown(source, by_source[source], named)
        mine += [Handle(s.source, s.id, s.name) for s in found]
    return _joined(people, mine) if mine else people


def _mine(
    sightings: Sequence[Sighting], told: set[str], wanted: set[str], people: People, threads: int
) -> list[Sighting]:
    """The owner's handles of one source: told by it, named, known from before, or alone in every thread."""
    certain = [s for s in sightings if s.id in told]
    named = [s for s in sightings if wanted & {fold(s.name), fold(s.id)}]
    if certain or named:
        return list(dict.fromkeys([*certain, *named]))
    known = people.me
    if known is not None and (before := [s for s in sightings if Handle(s.source, s.id, s.name) in known.handles]):
        return before
    everywhere = [s for s in sightings if s.threads == threads]
    return everywhere if threads > 1 and len(everywhere) == 1 else []


def _unknown(source: str, sightings: Sequence[Sighting], named: Sequence[str]) -> PersonUnknown:
    ranked = sorted(sightings, key=lambda s: (-s.threads, -s.messages, s.name))[:SHOWN]
    candidates = tuple(dict.fromkeys(s.name or s.id for s in ranked))
    listed = ", ".join(candidates) + (" and others" if len(sightings) > SHOWN else "")
    who = f"nobody in {source} is called {' or '.join(named)}" if named else f"{source} does not tell who you are"
    example = candidates[0] if candidates else "NAME"
    return PersonUnknown(
        who, hint=f'Say it with --me, e.g. --me "{example}". Who writes there: {listed}', candidates=candidates
    )


def _joined(people: People, mine: Sequence[Handle]) -> People:
    """All persons behind the owner's handles as one, who is me; consent and aliases of the first stay."""
    owners = [p for p in people if p.me or any(people.by_handle(h.source, h.id) == p for h in mine)]
    if not owners:
        first = mine[0]
        owners = [Person(id=f"p-{stable_id(first.source, first.id)[:10]}", name=first.name or first.id, handles=())]
    main = next((p for p in owners if p.me), owners[0])
    handles = dict.fromkeys([h for p in owners for h in p.handles] + list(mine))
    by_id = {(h.source, h.id): h for h in handles}
    shown = [h.name for h in by_id.values() if h.name]
    name = main.name if main.name in shown or not shown else shown[0]  # some exports call the owner just "me"
    aliases = tuple(dict.fromkeys(a for p in owners for a in (*p.aliases, *p.names) if a != name))
    me = replace(main, name=name, me=True, handles=tuple(by_id.values()), aliases=aliases)
    gone = {p.id for p in owners} - {main.id}
    rest = [replace(p, me=False) for p in people if p.id not in gone and p.id != main.id]
    return People([me, *rest])
