"""Every section of gemel.toml.

One file, one dial: `scale` (tiny, laptop, gpu, cluster) sets the rest, and whatever is written in the
file wins over the dial. Unknown keys are errors with a suggestion; all errors are told at once.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gemel.errors import ConfigError

__all__ = [
    "Config",
    "CorpusSection",
    "EvaluateSection",
    "ImportSection",
    "ImproveSection",
    "ModelSection",
    "PrivacySection",
    "Scale",
    "Section",
    "ServeSection",
    "SynthSection",
    "TrainSection",
    "TraitsSection",
    "load",
    "parse",
]

Scale = Literal["tiny", "laptop", "gpu", "cluster"]


class Section(BaseModel):
    """A frozen part of the configuration; a stage's fingerprint covers just its sections."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class ImportSection(Section):
    """Reading exports."""

    me: str = ""
    """Your name or handle as the exports have it; empty: found if it is certain, else asked."""
    also_me: tuple[str, ...] = ()
    """Further names and handles that are you."""
    day_first: bool | None = None
    """Order of day and month where a file of dates alone cannot tell."""
    max_member_bytes: int = Field(default=8 * 2**30, gt=0)
    """Bytes one member of an archive may unpack to."""
    max_ratio: int = Field(default=1000, gt=1)
    """Largest ratio of unpacked to packed bytes of a member above 1 MiB."""
    fields: dict[str, str] = Field(default_factory=dict)
    """Field map for tables of profiles: column = number, ordinal, category, many, essay or skip."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Columns of a table of messages: time, sender and text, also thread, title, id, me = its column's name."""


class PrivacySection(Section):
    """What is replaced before anything is learned."""

    mode: Literal["pseudonym", "redact", "drop", "off"] = "pseudonym"
    """Replace by stable pseudonyms, by a tag, drop the message, or leave everything."""
    detectors: tuple[str, ...] = ()
    """Detectors by name; empty: all that need no extra."""
    regions: tuple[str, ...] = ("US", "GB", "DE", "VN")
    """Countries whose national phone formats are recognised."""
    keep: tuple[str, ...] = ()
    """Names and words that are never replaced."""
    exclude_topics: tuple[str, ...] = ()
    """Sensitive topics kept out of training: health, sex, politics, religion, finance, minors."""


class CorpusSection(Section):
    """From records to examples."""

    forms: tuple[Literal["sessions", "windows", "tokens", "slices", "essays"], ...] = ("sessions", "slices", "essays")
    """Whole sessions, windows of the last messages, 200-token windows, slices of documents, essays of profiles."""
    window_messages: int = Field(default=5, ge=1)
    """Messages of context in a window."""
    window_tokens: int = Field(default=200, ge=20)
    """Tokens (words and punctuation) of a token window."""
    slice_words: int = Field(default=220, ge=20)
    """Words of a slice of a document."""
    session_words: int = Field(default=320, ge=20)
    """A longer session is cut at the next turn into examples of the same session."""
    gap_min_minutes: float = Field(default=10.0, gt=0)
    """Lower clamp of the gap that ends a session."""
    gap_max_minutes: float = Field(default=480.0, gt=0)
    """Upper clamp of the gap that ends a session."""
    split: tuple[float, float, float] = (0.8, 0.1, 0.1)
    """Shares of train, validation and test by sessions in time."""
    embargo_hours: float = Field(default=24.0, ge=0)
    """Time left out between the splits."""
    heldout_contacts: float = Field(default=0.0, ge=0, lt=1)
    """Share of contacts kept for the second test (at least five contacts needed)."""
    languages: tuple[str, ...] = ("en", "vi", "de", "es", "it", "fr")
    """ISO 639-1 codes among which languages are told apart."""
    author: str = ""
    """Author of the documents that are the person's own; empty: all documents are."""
    impostor: str = ""
    """A contact or author whose words are written apart for comparison; `auto`: whoever wrote most; empty: nobody."""
    zone: str = ""
    """Your time zone (IANA, e.g. Europe/Berlin) for hours of the day; empty: as the exports have them."""


class ModelSection(Section):
    """The base and how the twin answers."""

    base: str = "seedling"
    """`seedling` (ships with gemel), a local folder, or a hub name."""
    revision: str = ""
    """Revision of a hub base."""
    template: Literal["auto", "gemel", "chat", "plain", "messenger"] = "auto"
    """How turns become text: gemel's own tokens, the base's chat template, plain names, or plain names under a
    Llama 2 system prompt; auto chooses."""
    precision: Literal["auto", "fp32", "bf16", "fp16", "int8", "nf4"] = "auto"
    """Type of the frozen weights; auto measures."""
    context: int = Field(default=1024, ge=64)
    """Tokens of context used at most."""
    answer: Literal["auto", "voice", "assisted"] = "auto"
    """Default way to answer; auto: assisted below 100 M parameters."""
    server: str = ""
    """An OpenAI-compatible server to answer instead of a local base (card and memory still apply)."""
    server_model: str = ""
    """Model name at that server."""
    embedder: str = "minilm"
    """`minilm` (works offline), `hash`, or a sentence-transformers name."""


class TrainSection(Section):
    """Learning the voice."""

    method: Literal["lora", "rslora", "dora", "qlora", "int8", "full"] = "lora"
    """What is trained; `full` suits bases up to 20 M parameters and is set for the seedling."""
    rank: int = Field(default=16, ge=1)
    """LoRA rank."""
    alpha: float = Field(default=32.0, gt=0)
    """LoRA alpha: the update is scaled by alpha / rank (rsLoRA: alpha / sqrt(rank))."""
    dropout: float = Field(default=0.0, ge=0, lt=1)
    """LoRA dropout."""
    targets: tuple[str, ...] = ()
    """Names of linear layers; empty: all of the decoder."""
    optimizer: Literal["adamw", "adamw8bit", "paged_adamw8bit"] = "adamw"
    """Optimiser; the 8-bit ones need the lowbit extra."""
    lr: float = Field(default=1e-3, gt=0)
    """Peak learning rate."""
    schedule: Literal["cosine", "constant", "linear"] = "cosine"
    """Course of the learning rate after the warm-up."""
    warmup: float = Field(default=0.05, ge=0)
    """Warm-up: a share of all steps below 1, else a number of steps."""
    weight_decay: float = Field(default=0.01, ge=0)
    """Decoupled weight decay."""
    clip: float = Field(default=1.0, gt=0)
    """Largest gradient norm."""
    epochs: float = Field(default=3.0, gt=0)
    """Passes over the training split."""
    max_steps: int = Field(default=0, ge=0)
    """Stop after so many optimiser steps; 0: no such bound."""
    max_minutes: float = Field(default=0.0, ge=0)
    """Plan the epochs so that training takes about this long; 0: no such bound."""
    batch_tokens: int = Field(default=4096, ge=64)
    """Tokens in one forward pass at most."""
    batch_examples: int = Field(default=0, ge=0)
    """Sequences in one forward pass at most; 0: as many as `batch_tokens` holds."""
    accumulate: int = Field(default=1, ge=1)
    """Forward passes per optimiser step (of all processes together)."""
    checkpointing: bool = False
    """Recompute activations to save memory."""
    shard: bool = False
    """Split the weights over the processes of torchrun (FSDP2) instead of keeping them whole in each."""
    rehearsal: float = Field(default=0.0, ge=0, lt=1)
    """Share of general text mixed in."""
    style_weight: float = Field(default=1.0, gt=0)
    """Factor of the loss of tokens without a letter or digit: emoji, punctuation."""
    evaluate_every: int = Field(default=50, ge=1)
    """Steps between evaluations on the validation split."""
    checkpoint_every: int = Field(default=100, ge=1)
    """Steps between checkpoints."""
    patience: int = Field(default=3, ge=0)
    """Evaluations without gain before training stops early; 0: never."""
    seed: int = 0
    """Seed of initialisation, order and dropout."""
    threads: int = Field(default=0, ge=0)
    """CPU threads; 0: measured at start."""
    sinks: tuple[Literal["tensorboard", "wandb", "mlflow"], ...] = ()
    """Where events go besides events.jsonl."""


class TraitsSection(Section):
    """Conditioning on traits."""

    use: tuple[str, ...] = ()
    """Traits by name; empty: no conditioning."""
    ordinal: Literal["partition", "cumulative"] = "partition"
    """Form of ordinals in the vector."""
    missing: Literal["learned", "random"] = "learned"
    """A learned embedding for what is missing, or a random draw as in the profile seed."""
    dropout: float = Field(default=0.15, ge=0, lt=1)
    """Probability with which a trait is hidden in training."""
    kind: Literal["modulate", "additive"] = "modulate"
    """How the splice acts on a layer."""
    layers: Literal["all", "early", "middle", "late"] = "all"
    """Where the splice sits."""
    hidden: int = Field(default=64, ge=4)
    """Width of the conditioner."""


class EvaluateSection(Section):
    """Measuring likeness."""

    replies: int = Field(default=200, ge=1)
    """Test replies that are generated and measured at most."""
    bootstrap: int = Field(default=2000, ge=100)
    """Bootstrap resamples."""
    systems: tuple[str, ...] = ("base", "prompted", "memory", "voice", "assisted", "impostor", "self")
    """Systems laid side by side."""
    near_duplicate: float = Field(default=0.8, gt=0, le=1)
    """Character-5-gram Jaccard from which a test reply counts as seen."""
    metrics: tuple[str, ...] = ()
    """Metrics by name; empty: all that apply."""
    seed: int = 0


class SynthSection(Section):
    """Synthesis through a teacher."""

    teacher: str = ""
    """Base address of an OpenAI-compatible server, e.g. http://localhost:8000/v1."""
    model: str = ""
    """Model name at the teacher."""
    concurrency: int = Field(default=64, ge=1)
    """Requests in flight per endpoint."""
    requests_per_minute: float = Field(default=0, ge=0)
    """0: no such limit."""
    tokens_per_minute: float = Field(default=0, ge=0)
    """0: no such limit."""
    deadline: float = Field(default=120.0, gt=0)
    """Seconds a request may take, retries included."""
    budget: float = Field(default=0.0, ge=0)
    """Stop when the cost passes this; 0: no bound."""
    price_in: float = Field(default=0.0, ge=0)
    """Cost of a million tokens the teacher reads, in any currency."""
    price_out: float = Field(default=0.0, ge=0)
    """Cost of a million tokens the teacher writes."""
    locale: str = "en"
    """BCP 47 locale of what is made, e.g. en-IN or vi-VN."""


class ServeSection(Section):
    """The server."""

    host: str = "127.0.0.1"
    """Address; other than loopback needs --allow-remote and a token."""
    port: int = Field(default=8484, ge=0, le=65535)
    """Port; 0 takes a free one."""
    queue: int = Field(default=64, ge=1)
    """Requests waiting at most; beyond that 429."""
    batch: int = Field(default=16, ge=1)
    """Chats decoded together at most."""
    cache: int = Field(default=512, ge=0)
    """Deterministic replies kept."""
    temperature: Literal["fitted", "plain"] = "fitted"
    """How warm temperature 1 is: as fitted to the person's own words of the validation split, with the length of
    replies and bursts, or as the voice was trained; measurements are always plain."""
    top_p: float = Field(default=0.8, gt=0, le=1)
    """Share of the probability that words are drawn from where nobody asks for another, in chats and on the server:
    the rarest words of a small base are noise. Measurements draw from all of it."""
    weights: Literal["auto", "exact", "int8"] = "auto"
    """Weights for answering: eight bits on a CPU (auto), or exactly as trained; likelihoods are always exact."""


class ImproveSection(Section):
    """Learning on."""

    scheduled: bool = False
    """The server retrains by itself when it is due."""
    every_days: float = Field(default=7.0, gt=0)
    """Days between scheduled retrainings."""
    min_new_turns: int = Field(default=50, ge=1)
    """Own turns that must be new before retraining is worth it."""
    start: Literal["warm", "fresh"] = "warm"
    """Continue from the current voice or begin anew."""
    rehearsal: float = Field(default=0.1, ge=0, le=1)
    """Share of older examples rehearsed in a warm start."""
    corrections: int = Field(default=3, ge=0)
    """How often a pass meets a new correction, where an imported turn is met once."""
    holdout: float = Field(default=0.2, gt=0, lt=0.5)
    """Share of new sessions held out for good, to measure this and later voices on."""
    replies: int = Field(default=120, ge=10)
    """Held-out replies, old and new each, on which candidate and current voice are compared at most."""
    screen: bool = True
    """Set new text aside, untrained, when the voice does not recognise the person in it."""
    evaluate: bool = True
    """Write the full likeness report of every candidate."""
    audit: Literal["quick", "full"] = "full"
    """Leak measures of the gate alone, or the audit with a shadow training too."""
    promote: Literal["ask", "auto"] = "ask"
    """Propose a voice that passed, or make it the twin at once."""


class Config(Section):
    """The whole of gemel.toml."""

    scale: Scale = "laptop"
    """The one dial."""
    name: str = ""
    """Name of the twin; empty: the person's."""
    imports: ImportSection = Field(default_factory=ImportSection, alias="import")
    privacy: PrivacySection = Field(default_factory=PrivacySection)
    corpus: CorpusSection = Field(default_factory=CorpusSection)
    model: ModelSection = Field(default_factory=ModelSection)
    train: TrainSection = Field(default_factory=TrainSection)
    traits: TraitsSection = Field(default_factory=TraitsSection)
    evaluate: EvaluateSection = Field(default_factory=EvaluateSection)
    synth: SynthSection = Field(default_factory=SynthSection)
    serve: ServeSection = Field(default_factory=ServeSection)
    improve: ImproveSection = Field(default_factory=ImproveSection)


DIAL: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "tiny": {
        "train": {"batch_tokens": 2048, "max_minutes": 2.0},
        "evaluate": {"replies": 60, "systems": ("base", "prompted", "voice", "impostor", "self")},
    },
    "laptop": {},
    "gpu": {
        "model": {"context": 4096},
        "train": {"lr": 2e-4, "batch_tokens": 16_384, "checkpointing": True},
        "evaluate": {"replies": 1000},
    },
    "cluster": {
        "model": {"context": 8192},
        "train": {"lr": 2e-4, "batch_tokens": 32_768, "checkpointing": True},
        "evaluate": {"replies": 2000},
        "synth": {"concurrency": 512},
    },
}
"""What each position of the dial sets."""
SEEDLING: Mapping[str, Mapping[str, Any]] = {"train": {"method": "full"}}
"""What the base that ships sets below the dial: it is small enough to be trained whole, which learns faster."""


def load(path: Path, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read gemel.toml; a missing file means all defaults.

    Raises:
        ConfigError: naming every mistake at once.
    """
    if not path.exists():
        return parse({}, overrides)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is not valid TOML: {error}") from error
    return parse(raw, overrides)


def parse(raw: Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Config:
    """Build a configuration: the dial's values, then `raw`, then `overrides`.

    Raises:
        ConfigError: naming every mistake at once.
    """
    given = _merge(raw, overrides or {})
    scale = given.get("scale", "laptop")
    dial = DIAL.get(scale, {}) if isinstance(scale, str) else {}
    settings = _merge(dial, given)
    model = settings.get("model", {})
    if isinstance(model, Mapping) and model.get("base", "seedling") == "seedling":
        settings = _merge(SEEDLING, settings)
    try:
        return Config.model_validate(settings)
    except ValidationError as error:
        lines = [_explain(dict(e)) for e in error.errors()]
        raise ConfigError("gemel.toml: " + "; ".join(lines), hint="`gemel config` lists every key.") from None


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(below)
    for key, value in above.items():
        if isinstance(value, Mapping) and isinstance(out.get(key), Mapping):
            out[key] = _merge(out[key], value)
        else:
            out[key] = value
    return out


def _explain(error: Mapping[str, Any]) -> str:
    where = [str(part) for part in error["loc"]]
    path = ".".join(where)
    if error["type"] != "extra_forbidden":
        return f"{path}: {error['msg'].lower()}"
    known = _keys(where[:-1])
    close = difflib.get_close_matches(where[-1], known, n=1)
    return f"unknown key {path}" + (f" (did you mean {close[0]}?)" if close else "")


def _keys(path: list[str]) -> list[str]:
    model: Any = Config
    for part in path:
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                model = info.annotation
                break
        if not (isinstance(model, type) and issubclass(model, BaseModel)):
            return []
    return [info.alias or name for name, info in model.model_fields.items()]


SCALES: tuple[str, ...] = get_args(Scale)
