"""The twin: card, memory and voice of one workspace joined into a `Speaker` with several ways to answer.

`voice` is the model alone: it streams, and all figures of likeness are about it. `assisted` chooses
between samples and the person's own past replies. `memory` and `prompted` answer by instructions, over a
local base or any OpenAI-compatible server (`model.server`), and need no training. Everything here
speaks pseudonyms; `Display` gives the owner names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from gemel.config import Config, ModelSection
from gemel.errors import ConfigError, MissingExtra
from gemel.examples import Example, TraitValue, Turn, read_examples
from gemel.feedback import Feedback
from gemel.model.card import Card, Correction
from gemel.model.embed import Embedder, embedder
from gemel.model.memory import Memory
from gemel.model.voice import PLAIN, Preface
from gemel.privacy.unservable import refuse_unservable
from gemel.speaker import Reply, Sampling, Speaker
from gemel.workspace import Manifest, Workspace, atomic, fingerprint

__all__ = ["WAYS", "Answers", "Parts", "Twin", "answers", "beside", "load_twin", "prepare", "ruled"]

WAYS = ("voice", "assisted", "memory", "prompted", "base")
"""Ways to answer; not every twin has all."""
SMALL = 100_000_000
"""Parameters below which a base does not follow instructions."""
READ = ("train", "valid", "test", "contacts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """Speakers by way, and the engine behind them (None for a server)."""

    speakers: Mapping[str, Speaker]
    engine: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What needs no training."""

    card: Card
    memory: Memory
    changed: bool = False
    """Whether something had to be measured or indexed anew."""


class Twin(Speaker):
    """One person's twin.

    Args:
        name: the person's name as the owner sees it.
        me: their name in the examples.
        run: id of the trained voice; "" where there is none.
        parts: card and memory.
        answers: speakers by way.
        answer: the way `reply` takes.
    """

    def __init__(self, *, name: str, me: str, run: str, parts: Parts, answers: Answers, answer: str) -> None:
        self.name = name
        self.me = me
        self.run = run
        self.parts = parts
        self.card = parts.card
        self.memory = parts.memory
        self.engine = answers.engine
        self.speakers = dict(answers.speakers)
        if answer not in self.speakers:
            raise ConfigError(
                f"this twin cannot answer by '{answer}'", hint=f"It can by: {', '.join(sorted(self.speakers))}."
            )
        self.answer = answer

    @property
    def disclosure(self) -> str:
        """What has to stand over every conversation."""
        return f"AI imitation of {self.name}"

    @property
    def partner(self) -> str:
        """The name of who the person writes with most; "" where nobody is known."""
        return next(iter(self.card.partners), "")

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        return self.speakers[self.answer].reply(turns, sampling=sampling, traits=traits)

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Iterator[str | Reply]:
        return self.speakers[self.answer].stream(turns, sampling=sampling, traits=traits)

    def close(self) -> None:
        """Let go of the engine and the memory."""
        if self.engine is not None:
            self.engine.close(drain=False)
        for speaker in self.speakers.values():
            if isinstance(speaker, Instructed):
                speaker.close()
        self.memory.close()


class Instructed(Speaker):
    """Puts a preface before every conversation of another speaker."""

    def __init__(self, inner: Speaker, preface: Preface, *, name: str) -> None:
        self.inner = inner
        self.preface = preface
        self.name = name

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Reply:
        return self.inner.reply([*self.preface(turns), *turns], sampling=sampling, traits=traits)

    def stream(
        self,
        turns: Sequence[Turn],
        *,
        sampling: Sampling = PLAIN,
        traits: Mapping[str, TraitValue] | None = None,
    ) -> Iterator[str | Reply]:
        return self.inner.stream([*self.preface(turns), *turns], sampling=sampling, traits=traits)

    def close(self) -> None:
        """Close the connections of the speaker inside, where it has any."""
        if callable(close := getattr(self.inner, "close", None)):
            close()


def prepare(workspace: Workspace, config: Config, dataset: str = "main") -> Parts:
    """Card and memory of a workspace, measured and indexed where they are not up to date.

    Raises:
        MissingStage: when nothing was built yet.
        TooLittle: when no turn of the person is in the data set.
    """
    folder = workspace.dataset(dataset)
    manifest = workspace.need(folder, "the data set", "gemel build")
    wanted = fingerprint(
        "remember", {"dataset": manifest.fingerprint}, {"embedder": config.model.embedder, "counts": manifest.counts}
    )
    memory = Memory(workspace.memory_path, partial(choose_embedder, config.model.embedder))
    changed = memory.fingerprint != wanted or not workspace.card_path.exists()
    if changed:
        if manifest.stage != "load":  # a twin that was brought along brought its card
            train = list(_examples(workspace, dataset, ("train",)))
            card = Card.measure(train, name=_me(manifest), languages=config.corpus.languages)
            with atomic(workspace.card_path) as path:
                card.save(path)
        memory.sync(_examples(workspace, dataset, READ), fingerprint=wanted)
    card = Card.load(workspace.card_path)
    if workspace.feedback_path.exists():
        feedback = Feedback(workspace.feedback_path)
        edits = [Correction(" / ".join(e.said), " / ".join(e.better)) for e in feedback.edits()]
        card = card.with_feedback([r.text for r in feedback.rules()], edits)
        feedback.close()
    return Parts(card=card, memory=memory, changed=changed)


def load_twin(
    workspace: Workspace,
    config: Config,
    answer: str | None = None,
    *,
    run: str | None = None,
    batch: int = 16,
) -> Twin:
    """The twin of a workspace, ready to answer.

    Args:
        answer: one of `WAYS`; None: as configured.
        run: id of a trained voice; None: the current one, or none at all.
        batch: chats decoded together at most.

    Raises:
        MissingStage: when nothing was built yet.
        Refused: when the voice knows something that was forgotten since.
        ConfigError: when the twin has no such way to answer.
    """
    parts = prepare(workspace, config)
    run = run or workspace.current() or ""
    if run:
        refuse_unservable(workspace.run(run))
    manifest = Manifest.read(workspace.dataset("main"))
    me = (_me(manifest) if manifest else "") or parts.card.name
    if config.model.server:
        found: Answers = _remote(config, parts)
    else:
        int8, warm = config.serve.weights != "exact", config.serve.temperature == "fitted"
        found = answers(workspace, config, parts, me=me, run=run, batch=batch, int8=int8, warm=warm)
    person = workspace.people().me
    name = config.name or (person.name if person else "") or me or "the author"
    return Twin(name=name, me=me, run=run, parts=parts, answers=found, answer=answer or _way(config.model, found))


def answers(
    workspace: Workspace,
    config: Config,
    parts: Parts,
    *,
    me: str,
    run: str = "",
    splits: Sequence[str] | None = None,
    batch: int = 16,
    int8: bool = False,
    warm: bool = False,
) -> Answers:
    """Every way to answer over a local model.

    Args:
        me: the person's name in the examples.
        run: id of a trained voice; "": the base alone, told by the card.
        splits: data splits that memory may draw on; measurements give `("train",)`.
        batch: chats decoded together at most.
        int8: round the weights where the processor gains by it; measurements do not.
        warm: draw at the temperature that was fitted to the person; measurements do not.
    """
    from gemel.model.base import load_base, load_run
    from gemel.model.engine import Engine
    from gemel.model.warmth import fitted

    device = _device()
    base = load_run(workspace.run(run), config.model, device=device) if run else load_base(config.model, device=device)
    traits = _traits(workspace, run, base.model)
    warmth = None
    if warm and run:
        warmth = fitted(workspace.run(run), base, lambda: _examples(workspace, "main", ("valid",)), traits=traits)
    engine = Engine(base, batch=batch, int8=int8)
    speakers = _over(engine, parts, me=me, trained=bool(run), splits=splits, traits=traits, warmth=warmth)
    return Answers(speakers=speakers, engine=engine)


def beside(workspace: Workspace, twin: Twin, run: str) -> Mapping[str, Speaker] | None:
    """Another trained voice by way, as an adapter on the twin's own engine; None where it needs weights of its own.

    Raises:
        Refused: when something it was trained on was forgotten since.
    """
    from gemel.model.adapters import difference

    folder = workspace.run(run)
    refuse_unservable(folder)
    loaded, wanted = (_low_rank(workspace, r) for r in (twin.run, run))
    if twin.engine is None or loaded is None or wanted is None or loaded[0] != wanted[0]:
        return None
    from gemel.model.warmth import load

    if run not in twin.engine.adapters:
        twin.engine.add(run, difference(wanted[1], loaded[1]))
    return _over(twin.engine, twin.parts, me=twin.me, trained=True, adapter=run, warmth=load(folder, twin.engine.base))


def ruled(twin: Twin, speakers: Mapping[str, Speaker], rules: Sequence[str]) -> Mapping[str, Speaker]:
    """The same speakers under further rules; of a small base only words to avoid are heeded."""
    from gemel.model.voice import Voice

    if not rules:
        return speakers
    card = twin.card.with_feedback([*twin.card.rules, *rules], twin.card.corrections)
    parts, voice, told = Parts(card=card, memory=twin.memory), speakers.get("voice"), speakers.get("prompted")
    if isinstance(voice, Voice):
        return _over(voice.engine, parts, me=twin.me, trained=bool(twin.run), like=voice)
    return _told(told.inner, parts) if isinstance(told, Instructed) else speakers


def _over(
    engine: Any,
    parts: Parts,
    *,
    me: str,
    trained: bool,
    splits: Sequence[str] | None = None,
    like: Any = None,
    **options: Any,
) -> dict[str, Speaker]:
    """Every way to answer over an engine.

    Args:
        trained: a voice was trained, so that it needs no card.
        like: a voice whose adapter, traits and warmth are taken.
        options: `adapter`, `traits` and `warmth` of the voice.
    """
    from gemel.model.assisted import Assisted
    from gemel.model.never import forbidden
    from gemel.model.preface import carded, remembering
    from gemel.model.voice import Voice

    small = engine.base.parameters < SMALL
    never = forbidden(parts.card.rules)
    make = partial(Voice, engine, me=me, never=never, **(like.options if like is not None else options))
    told = parts.card.rules or parts.card.corrections
    preface = carded(parts.card, small=small) if not trained or (told and not small) else None
    voice = make(preface=preface)
    speakers: dict[str, Speaker] = {
        "voice": voice,
        "assisted": Assisted(voice, parts.memory, splits=splits),
        "prompted": make(name="prompted", preface=carded(parts.card, small=small)),
    }
    if not small:
        speakers["memory"] = make(name="memory", preface=remembering(parts.card, parts.memory, splits=splits))
    return speakers


def _low_rank(workspace: Workspace, run: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """What a voice stands on and its low-rank changes; None where it has traits or weights of its own."""
    from gemel.model.adapters import pairs_of
    from gemel.model.base import BASE_FILE

    folder = workspace.run(run or "-")
    if not (folder / "adapter").exists() or (folder / "model").exists() or (folder / "traits.json").exists():
        return None
    pairs = pairs_of(folder / "adapter")
    return (json.loads((folder / BASE_FILE).read_text(encoding="utf-8")), pairs) if pairs else None


def choose_embedder(name: str) -> Embedder:
    """The embedder of memory: rounded MiniLM for `minilm`, hashing where its packages are not installed."""
    try:
        return embedder("minilm-int8" if name == "minilm" else name)
    except MissingExtra:
        return embedder("hash")


def _remote(config: Config, parts: Parts) -> Answers:
    from gemel.remote import RemoteSpeaker

    return Answers(speakers=_told(RemoteSpeaker(config.model.server, config.model.server_model), parts), engine=None)


def _told(inner: Speaker, parts: Parts) -> dict[str, Speaker]:
    """Every way to answer over a model that follows instructions."""
    from gemel.model.preface import carded, remembering

    return {
        "memory": Instructed(inner, remembering(parts.card, parts.memory), name="memory"),
        "prompted": Instructed(inner, carded(parts.card), name="prompted"),
    }


def _way(section: ModelSection, found: Answers) -> str:
    if section.answer != "auto" and section.answer in found.speakers:
        return section.answer
    if found.engine is None:
        return "memory"
    return "assisted" if found.engine.base.parameters < SMALL else "voice"


def _traits(workspace: Workspace, run: str, model: Any) -> Callable[[Mapping[str, TraitValue]], Any] | None:
    if not hasattr(model, "splice"):
        return None
    import torch

    from gemel.traits import TraitSpec

    spec = TraitSpec.load(workspace.run(run) / "traits.json")
    return lambda values: torch.from_numpy(spec.encode(values))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _me(manifest: Manifest) -> str:
    return str(manifest.extra.get("me", ""))


def _examples(workspace: Workspace, dataset: str, splits: Sequence[str]) -> Iterator[Example]:
    for split in splits:
        path = workspace.dataset(dataset) / f"{split}.parquet"
        if path.exists():
            for example in read_examples(path):
                yield example if example.split else example.with_split(split)
