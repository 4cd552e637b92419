"""A twin to carry: what makes it answer as it does, in one file or folder, and back into a workspace elsewhere.

It holds the card with rules and corrections, the voice, figures of its evaluation and audit, and, only where
asked for, the memory: the examples themselves. Everything is under pseudonyms; the vault, records, talks and keys
never leave. A base that is not ours is named by its hash and not carried.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from gemel import __version__
from gemel.config import Config
from gemel.errors import ConfigError, DamagedExport, GemelError, MissingModel, Refused
from gemel.feedback import Feedback, Said
from gemel.model.base import BASE_FILE, SEEDLING, seedling_path
from gemel.model.card import Card, Correction
from gemel.model.display import Display
from gemel.model.twin import READ, prepare
from gemel.pipeline.parcel import opened, pack, parcel_id, sha256
from gemel.pipeline.seal import WEIGHTS, check, weights_of
from gemel.privacy.unservable import refuse_unservable
from gemel.workspace import Manifest, Workspace, atomic, atomic_folder

__all__ = ["About", "Packed", "audit_of", "export_twin", "inside", "load_portable"]

ABOUT = "twin.json"
REPORTS = ("scores.json", "audit.json")
_Text = Annotated[str, StringConstraints(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Id = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,80}$")]
_Base = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][\w.-]{0,95}(/[A-Za-z0-9_][\w.-]{0,95})?$")]


class About(BaseModel):
    """What a parcel says of the twin inside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["gemel-twin"] = "gemel-twin"
    version: Literal[1] = 1
    gemel: _Text = __version__
    name: _Text
    """As shown over every conversation."""
    me: _Text
    """In the examples."""
    run: _Id | None = None
    base: _Base = SEEDLING
    base_carried: bool = False
    """Whether the voice holds the whole model."""
    base_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{0,64}$")] = ""
    """Of the base's weights; empty where they were fetched by name."""
    context: int = Field(default=0, ge=0)
    embedder: _Text = ""
    memory: bool = False
    audit: Literal["passed", "failed", "missing"] = "missing"
    audit_failures: tuple[_Text, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What was written or read."""

    id: str
    about: About
    files: int
    bytes: int

    @property
    def warnings(self) -> tuple[str, ...]:
        """What whoever passes the twin on, or takes it, has to know."""
        said = {
            "passed": (),
            "missing": ("no audit was made: it is not known what this voice can be made to repeat (`gemel audit`)",),
            "failed": (f"its audit failed ({', '.join(self.about.audit_failures)}): it may repeat what it has read",),
        }[self.about.audit if self.about.run else "passed"]
        held = ("it holds the memory: the examples themselves, others' words among them",) if self.about.memory else ()
        return (*said, *held)


def export_twin(
    workspace: Workspace,
    config: Config,
    target: Path,
    *,
    run: str | None = None,
    memory: bool = False,
    name: str = "",
) -> Packed:
    """Write a twin to `target`: a file where its name ends in `.gemel`, else a folder.

    Args:
        run: id of a voice; None: the current one, or none.
        memory: whether the examples go along.
        name: shown over conversations; empty: the pseudonym.

    Raises:
        MissingStage: when nothing was built yet.
        Refused: when the voice was trained on what has been forgotten since.
        DamagedCheckpoint: when the voice's weights are not those it was trained to.
    """
    run = run or workspace.current()
    parts = prepare(workspace, config)
    parts.memory.close()
    with TemporaryDirectory(prefix="gemel-") as held:
        place = Path(held)
        about = About(
            name=name or parts.card.name or "the author",
            me=parts.card.name,
            base=_name_of(config.model.base),
            base_sha256=_hash_of(config.model.base),
            context=config.model.context,
            embedder=config.model.embedder,
            memory=memory,
        )
        if run:
            about = about.model_copy(update=_voice(workspace, run, place))
        inside(Display(workspace, config), parts.card).save(place / "card.json")
        if memory:
            _memory(workspace, place / "memory")
        (place / ABOUT).write_text(about.model_dump_json(indent=1), encoding="utf-8")
        number = pack(place, target)
        return _packed(place, about, number)


def load_portable(source: Path, workspace: Workspace, *, base: Path | None = None, expected: str = "") -> Packed:
    """Put an exported twin into an empty workspace, ready to talk.

    Args:
        base: folder of the base's weights, where the twin does not carry them and they are no name to fetch.
        expected: id that the parcel must have, or its first characters (8 at least); empty: not compared.

    Raises:
        ConfigError: when the workspace holds a twin already.
        UnsafeArchive: when the parcel holds what a twin does not.
        DamagedExport: when it was changed or is not whole.
        MissingModel: when the base is not there or is another one.
    """
    if workspace.current_path.exists() or Manifest.read(workspace.dataset("main")) is not None:
        raise ConfigError(f"{workspace.root} holds a twin already", hint="Give another folder with --twin.")
    with opened(source) as place:
        number = parcel_id(place)
        if expected and (len(expected) < 8 or not number.startswith(expected.lower())):
            raise Refused("this is another twin than the one expected", hint=f"Its id begins with {number[:12]}.")
        about = _about(place)
        named = _base_for(about, base)
        card = Card.load(place / "card.json")
        with workspace.lock("load"):
            if about.run:
                _place_voice(place / "voice", workspace.run(about.run), named)
            _place_data(place / "memory", workspace, about, number)
            _place_card(card, workspace)
            _place_config(about, workspace, named)
            workspace.promote(about.run, reason="loaded")
        return _packed(place, about, number)


def audit_of(manifest: Manifest) -> dict[str, Any]:
    """The verdict of a voice's audit, as `About` has it."""
    audit = manifest.extra.get("audit")
    if not isinstance(audit, Mapping):
        return {"audit": "missing"}
    failures = tuple(str(f)[:100] for f in audit.get("failures", ()))
    return {"audit": "passed" if audit.get("passed") else "failed", "audit_failures": failures}


# out ----------------------------------------------------------------------------
def _voice(workspace: Workspace, run: str, place: Path) -> dict[str, Any]:
    """Copy a voice and its figures; returns what `About` says of it."""
    folder = workspace.run(run)
    refuse_unservable(folder)
    manifest = check(folder)
    target = place / "voice"
    target.mkdir()
    single = [*folder.glob("splice.safetensors"), folder / "traits.json", folder / "warmth.json"]
    for file in [*single, *folder.glob("adapter/*"), *folder.glob("model/*")]:
        if file.suffix in (".json", ".safetensors") and file.is_file():
            (target / file.relative_to(folder)).parent.mkdir(exist_ok=True)
            shutil.copyfile(file, target / file.relative_to(folder))
    _fold_template(folder / "model", target / "model")
    said = json.loads((folder / BASE_FILE).read_text(encoding="utf-8"))
    carried = (folder / "model").is_dir()
    sha = "" if carried else _hash_of(said["base"])
    named = _name_of(said["base"])
    (target / BASE_FILE).write_text(json.dumps({**said, "base": named}, indent=1), encoding="utf-8")
    extra = {k: manifest.extra[k] for k in ("audit", "me") if k in manifest.extra}
    replace(manifest, inputs={}, section={}, extra={**extra, WEIGHTS: weights_of(target)}).write(target)
    for report in REPORTS:
        if (source := workspace.eval(run) / report).exists():
            (place / "reports").mkdir(exist_ok=True)
            shutil.copyfile(source, place / "reports" / report)
    return {"run": run, "base": named, "base_carried": carried, "base_sha256": sha, **audit_of(manifest)}


def _fold_template(source: Path, target: Path) -> None:
    """A chat template lies beside the tokenizer as a file of its own: it goes into the tokenizer's JSON."""
    own, settings = source / "chat_template.jinja", target / "tokenizer_config.json"
    if own.exists() and settings.exists():
        row = json.loads(settings.read_text(encoding="utf-8"))
        row["chat_template"] = own.read_text(encoding="utf-8")
        settings.write_text(json.dumps(row, ensure_ascii=False, indent=1), encoding="utf-8")


def _memory(workspace: Workspace, place: Path) -> None:
    place.mkdir()
    for split in READ:
        if (file := workspace.dataset("main") / f"{split}.parquet").exists():
            shutil.copyfile(file, place / file.name)


def inside(display: Display, card: Card) -> Card:
    """Rules and corrections are written with the owner's names: pseudonyms go along."""
    rules = [display.inward(rule) for rule in card.rules]
    return card.with_feedback(rules, [Correction(*map(display.inward, c)) for c in card.corrections])


def _name_of(base: str) -> str:
    """A folder's path is nobody else's business: its last part stays."""
    return Path(base).expanduser().name if Path(base).expanduser().is_dir() else base


def _hash_of(base: str) -> str:
    """SHA-256 over the hashes of a local base's weights; "" where they are fetched by name."""
    folder = seedling_path() if base == SEEDLING else Path(base).expanduser()
    if not folder.is_dir():
        return ""
    import hashlib

    sums = [f"{p.name} {sha256(p)}" for p in sorted(folder.glob("*.safetensors"))]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _packed(place: Path, about: About, number: str) -> Packed:
    sizes = [p.stat().st_size for p in place.rglob("*") if p.is_file()]
    return Packed(id=number, about=about, files=len(sizes), bytes=sum(sizes))


# in -----------------------------------------------------------------------------
def _about(place: Path) -> About:
    try:
        return About.model_validate_json((place / ABOUT).read_text(encoding="utf-8"))
    except (OSError, ValidationError) as error:
        raise DamagedExport(
            "this is no twin, or one of a later gemel", hint="`gemel --version` here and there may differ."
        ) from error


def _base_for(about: About, given: Path | None) -> str:
    """The base's name here.

    Raises:
        MissingModel: when it is not there or is another one.
    """
    if about.base_carried:
        return about.base
    named = str(given.expanduser().resolve()) if given else about.base
    here = _hash_of(named)
    if about.base_sha256 and not here:
        raise MissingModel(f"this twin stands on the base '{about.base}'", hint="Give its folder with --base.")
    if about.base_sha256 and here != about.base_sha256:
        raise MissingModel(f"the base at hand is not the '{about.base}' this twin stands on", hint="Check --base.")
    return named


def _place_voice(source: Path, target: Path, base: str) -> None:
    if not (source / BASE_FILE).exists():
        raise DamagedExport("the parcel holds no voice where it says so")
    with atomic_folder(target) as folder:
        shutil.copytree(source, folder, dirs_exist_ok=True)
        said = json.loads((folder / BASE_FILE).read_text(encoding="utf-8"))
        (folder / BASE_FILE).write_text(json.dumps({**said, "base": base}, indent=1), encoding="utf-8")
    try:
        check(target)
    except GemelError:
        shutil.rmtree(target)
        raise


def _place_data(source: Path, workspace: Workspace, about: About, number: str) -> None:
    counts = {}
    with atomic_folder(workspace.dataset("main")) as folder:
        for file in sorted(source.glob("*.parquet")) if about.memory else ():
            shutil.copyfile(file, folder / file.name)
            counts[file.stem] = _rows(file)
        Manifest(stage="load", fingerprint=number, counts=counts, extra={"me": about.me}).write(folder)


def _rows(file: Path) -> int:
    from pyarrow.parquet import read_metadata

    return int(read_metadata(file).num_rows)


def _place_card(card: Card, workspace: Workspace) -> None:
    """Rules and corrections go to where their owner can change them."""
    with atomic(workspace.card_path) as path:
        replace(card, rules=(), corrections=()).save(path)
    with closing(Feedback(workspace.feedback_path)) as store:
        for rule in card.rules:
            store.add_rule(rule)
        talk = store.begin("Brought along") if card.corrections else ""
        for correction in card.corrections:
            said = store.add(talk, Said(role="me", parts=(correction.said,)))
            store.edit(said, (correction.better,))


def _place_config(about: About, workspace: Workspace, base: str) -> None:
    if workspace.config_path.exists():
        return
    model = {"base": base, "embedder": about.embedder, "context": about.context}
    lines = [f"name = {_toml(about.name)}", "", "[model]"]
    lines += [f"{key} = {_toml(value)}" for key, value in model.items() if value]
    with atomic(workspace.config_path) as path:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _toml(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
