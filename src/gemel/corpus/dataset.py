"""All records to all examples: two passes, the first to plan splits, the second to render.

The second pass holds one session in memory at a time. Every message of the person is counted: learned, or left out with
its reason, and the counts add up. Others' words are context; apart from that they are rendered only for an impostor
whom the configuration names, into examples of their own with the same splits.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import tee
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gemel.config import CorpusSection
from gemel.corpus.forms import cut, token_windows, windows
from gemel.corpus.moods import Languages
from gemel.corpus.sessions import Plan, Thread, own_document, speaker, talks, unsaid
from gemel.corpus.turns import LEFT_OUT, OWN, Heard, Said, Scrub, reverse, spoken, stretches, with_traits
from gemel.corpus.writings import essays, slices
from gemel.errors import ConfigError, PersonUnknown
from gemel.examples import SPLITS, Example, Role, TraitValue, Turn
from gemel.people import Consent, People, Person
from gemel.records import Document, Message, Profile, Record, stable_id
from gemel.text import fold

__all__ = ["IMPOSTOR", "BuildResult", "build"]

IMPOSTOR = "impostor"
"""Where the impostor's examples go, beside the splits."""
OUTSIDE = "no words of yours in the session"


@dataclass
class BuildResult:
    """Examples as they are made; the counts are whole once all were taken."""

    plan: Plan
    counts: Counter[str] = field(default_factory=Counter)
    me: str = ""
    """The name under which the person appears."""
    people: dict[str, str] = field(default_factory=dict)
    """Name in the examples → person id, for those who appear."""
    made: Iterable[tuple[str, Example]] = ()
    """(split or `IMPOSTOR`, example), once."""

    @property
    def examples(self) -> Iterator[Example]:
        """The person's examples, each with its split; takes from `made`."""
        return (example for place, example in self.made if place != IMPOSTOR)


def build(records: Iterable[Record], people: People, section: CorpusSection, scrub: Scrub) -> BuildResult:
    """Make examples of records.

    Args:
        records: raw; iterated twice, in the same order (a list, or an object that reads files anew).
        people: who is who; `me` is needed where there are messages.
        section: forms, gaps, split, author, impostor.
        scrub: replaces what is private.

    Raises:
        PersonUnknown: there are messages, but it is not known which are the person's.
        ConfigError: an author, impostor or time zone that does not exist.
    """
    plan = Plan.of(records, people, section)
    if plan.threads and people.me is None:
        raise PersonUnknown(
            "it is not known which messages are yours",
            hint="Run `gemel import --me NAME` with your name as the exports have it.",
        )
    if section.author and plan.authors and not any(fold(a) == fold(section.author) for a in plan.authors):
        known = "; ".join(a or "(no author)" for a, _ in plan.authors.most_common(8))
        raise ConfigError(f"no document is by '{section.author}'", hint=f"Authors found: {known}")
    result = BuildResult(plan)
    maker = _Maker(result, people, section, scrub)
    result.me = maker.own_name
    result.made = maker.run(records)
    return result


class _Wanted(NamedTuple):
    """A record that has a place, and how many messages of its session are still to come."""

    record: Record
    place: str
    left: int


class _Maker:
    """The second pass."""

    def __init__(self, result: BuildResult, people: People, section: CorpusSection, scrub: Scrub) -> None:
        self.result, self.people, self.section, self.scrub = result, people, section, scrub
        self.plan, self.counts = result.plan, result.counts
        self.me = people.me.id if people.me else ""
        self.zone = _zone(section.zone)
        self.detect = Languages(section.languages)
        self.rival, self.rival_author = _impostor(section.impostor, self.plan, people, section.author)
        self.chats = bool({"sessions", "windows", "tokens"} & set(section.forms))
        self.own_name = self._name_of(people.me) if people.me else self._author(section.author)

    def _name_of(self, person: Person) -> str:
        handle = person.handles[0] if person.handles else None
        name = self.scrub.name(handle.source, handle.id, handle.name) if handle else person.name
        self.result.people[name] = person.id
        return name

    def _author(self, author: str) -> str:
        return self.scrub.name("documents", author, author) if author else "Me"

    def _name(self, source: str, handle: str, shown: str) -> str:
        name = self.scrub.name(source, handle, shown)
        person = self.people.by_handle(source, handle)
        self.result.people.setdefault(name, person.id if person else f"{source}:{handle}")
        return name

    def run(self, records: Iterable[Record]) -> Iterator[tuple[str, Example]]:
        """Scrub what has a place and render it, session by session."""
        wanted, again = tee(self._wanted(records))
        heard: defaultdict[Thread, list[Heard]] = defaultdict(list)
        for (raw, place, left), kept in zip(wanted, self.scrub.records(w.record for w in again)):
            if isinstance(raw, Message):
                key = Thread(raw.source, raw.thread)
                heard[key].append(Heard(raw, kept, speaker(raw, self.people)))
                if not left:
                    yield from self._session(key, place, heard.pop(key))
            elif isinstance(kept, Document):
                yield from self._document(kept, place)
            elif isinstance(kept, Profile):
                self.counts["profiles"] += 1
                self.counts[f"{place} units"] += 1
                yield from self._counted(place, essays(kept, split=place, name=self.own_name))
            else:
                self.counts["documents and profiles left out: privacy or consent"] += 1

    def _wanted(self, records: Iterable[Record]) -> Iterator[_Wanted]:
        """Records that have a place; the others are counted."""
        seen: Counter[Thread] = Counter()
        for record in records:
            if isinstance(record, Message):
                if not talks(record):
                    self.counts[f"{record.kind.value} messages (nobody speaks)"] += 1
                    continue
                key = Thread(record.source, record.thread)
                index = seen[key]
                seen[key] += 1
                thread = self.plan.threads[key]
                session = thread.session(index)
                place = thread.places[session]
                if place in SPLITS and self.chats:
                    yield _Wanted(record, place, thread.span(session)[1] - index - 1)
                else:
                    self._not_wanted(record, place)
            elif isinstance(record, Document):
                yield from self._document_wanted(record)
            elif "essays" in self.section.forms:
                yield _Wanted(record, self.plan.profiles[record.id], 0)
            else:
                self.counts["profiles left out: not asked for"] += 1

    def _not_wanted(self, message: Message, place: str) -> None:
        if speaker(message, self.people) != self.me:
            self.counts[f"others' messages left out: {place or OUTSIDE}"] += 1
            return
        self.counts[OWN] += 1
        reason = place if place not in SPLITS else "not asked for"
        self.counts[LEFT_OUT + (unsaid(message) or reason)] += 1

    def _document_wanted(self, document: Document) -> Iterator[_Wanted]:
        mine = own_document(document, self.section.author)
        place = self.plan.documents[document.id]
        if "slices" not in self.section.forms:
            self.counts["documents left out: not asked for"] += 1
        elif not mine and (not self.rival_author or fold(document.author) != fold(self.rival_author)):
            self.counts["documents left out: by another author"] += 1
        elif place not in SPLITS:
            self.counts[f"documents left out: {place}"] += 1
        else:
            yield _Wanted(document, place, 0)

    def _document(self, document: Document, place: str) -> Iterator[tuple[str, Example]]:
        mine = own_document(document, self.section.author)
        name = self.own_name if mine else self._author(document.author)
        size, zone = self.section.slice_words, self.zone
        made = slices(document, size, split=place, name=name, detect=self.detect, zone=zone)
        shelf = place if mine else IMPOSTOR
        self.counts["own documents" if mine else "impostor's documents"] += 1
        self.counts[f"{shelf} units"] += 1
        yield from self._counted(shelf, made)

    def _counted(self, shelf: str, examples: Iterable[Example]) -> Iterator[tuple[str, Example]]:
        for example in examples:
            self.counts[shelf] += 1
            self.counts[f"{shelf} learned turns"] += len(example.learned)
            yield shelf, example

    def _session(self, key: Thread, place: str, heard: Sequence[Heard]) -> Iterator[tuple[str, Example]]:
        self.counts[f"{place} units"] += 1
        for number, said in enumerate(stretches(heard, self.me, self._name, self.counts)):
            session = stable_id(key.source, key.id, "session", heard[0].raw.id)
            yield from self._counted(place, self._examples(key, place, session, number, said))
            if self.rival and any(s.who == self.rival for s in said):
                theirs = reverse(said, self.rival)
                self.counts[f"{IMPOSTOR} units"] += not number
                yield from self._counted(IMPOSTOR, self._examples(key, place, session, number, theirs))

    def _examples(self, key: Thread, place: str, session: str, number: int, said: Sequence[Said]) -> Iterator[Example]:
        thread = self.plan.threads[key]
        language = spoken(said, self.detect)
        turns = with_traits(said, language=language, zone=self.zone, group=thread.group)
        twin = next((t.name for t in turns if t.learn), "")
        partner = next((t.name for t in turns if t.role is Role.other), "")
        for kind, which, piece in self._forms(turns):
            if not any(t.learn for t in piece):
                continue
            others = tuple(dict.fromkeys(t.name for t in piece if t.role is Role.other))
            traits: dict[str, TraitValue] = {"group_size": len({s.who for s in said} | {self.me})}
            if piece[0].time is not None:
                traits["year"] = (piece[0].time.astimezone(self.zone) if self.zone else piece[0].time).year
            if language:
                traits["language"] = language
            if not thread.group and partner:
                traits["recipient"] = partner
            yield Example(
                id=stable_id(session, number, which, twin),
                kind=kind,
                turns=piece,
                session=session,
                thread=f"{key.source}/{key.id}",
                group=thread.group,
                recipients=others,
                time=piece[0].time,
                traits=traits,
                provenance=tuple(dict.fromkeys(i for t in piece for i in t.ids)),
                split=place,
            )

    def _forms(self, turns: Sequence[Turn]) -> Iterator[tuple[str, str, tuple[Turn, ...]]]:
        """(kind, what tells it from the session's other pieces, turns) of every form asked for."""
        section = self.section
        for form in section.forms:
            pieces: Iterable[tuple[Turn, ...]] = ()
            if form == "sessions":
                pieces = cut(turns, section.session_words)
            elif form == "windows":
                pieces = windows(turns, section.window_messages)
            elif form == "tokens":
                pieces = token_windows(turns, section.window_tokens)
            for i, piece in enumerate(pieces):
                yield "chat" if form == "sessions" else "window", f"{form} {i}", piece


def _zone(name: str) -> ZoneInfo | None:
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ConfigError(
            f"corpus.zone: there is no time zone '{name}'", hint="Write it as Region/City, e.g. Europe/Berlin."
        ) from error


def _impostor(wanted: str, plan: Plan, people: People, author: str) -> tuple[str, str]:
    """(person id, author of documents) of the impostor; "" where there is none."""
    if not wanted:
        return "", ""
    me = people.me.id if people.me else ""
    barred = {p.id for p in people if p.consent is Consent.exclude} | {me}
    others = [a for a, _ in plan.authors.most_common() if author and a and fold(a) != fold(author)]
    if wanted == "auto":
        talkers = [who for who, n in plan.words.most_common() if n and who not in barred]
        return (talkers[0] if talkers else ""), (others[0] if others else "")
    persons = [p.id for p in people.find(wanted) if p.id not in barred]
    authors = [a for a in others if fold(a) == fold(wanted)]
    if not persons and not authors:
        raise ConfigError(f"corpus.impostor: nobody is called '{wanted}'", hint="Give a name as the exports have it.")
    return (persons[0] if persons else ""), (authors[0] if authors else "")
