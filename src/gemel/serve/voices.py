"""Who can answer: the current twin, other trained voices, and the arms of a comparison, each under a model id.

The current twin is loaded once and loaded anew when another run is promoted. Another voice of low rank on the same
base is an adapter on the same engine; one with weights or traits of its own is loaded beside, the least used let go.
"""

from __future__ import annotations

import re
import threading
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from gemel.config import Config
from gemel.errors import ConfigError, MissingModel
from gemel.improve.arms import arms
from gemel.model.base import BASE_FILE
from gemel.model.twin import Twin, beside, load_twin, ruled
from gemel.privacy.unservable import is_unservable
from gemel.speaker import Speaker
from gemel.workspace import Manifest, Workspace

__all__ = ["Chosen", "Voices", "slug"]

LOADED = 2
"""Voices with weights of their own that are kept loaded beside the current one."""
RUNS = 20
"""Versions that are listed, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """What a model id stands for."""

    way: str
    run: str = ""
    """Id of a trained voice; "": the current one, or the base where none was trained."""
    rules: tuple[str, ...] = ()
    """Rules besides the owner's."""
    temperature: float = 1.0
    """Where the request gives none."""
    top_p: float = 1.0
    arm: str = ""


class Voices:
    """Everyone who can answer in a workspace.

    Args:
        changed: called when the current twin was replaced.
    """

    def __init__(self, workspace: Workspace, config: Config, changed: Callable[[], None]) -> None:
        self.workspace, self.config = workspace, config
        self._changed = changed
        self._lock = threading.RLock()
        self._twin: Twin | None = None
        self._made: tuple[Any, ...] = ()
        self._others: OrderedDict[str, Twin] = OrderedDict()
        self._beside: dict[str, Mapping[str, Speaker]] = {}

    @property
    def loaded(self) -> Twin | None:
        """The current twin, if it is loaded already."""
        return self._twin

    def twin(self) -> Twin:
        """The current twin as it is on disk now."""
        twin = self._twin
        if twin is not None and self._generation() == self._made:
            return twin
        with self._lock:
            if self._twin is None or self._generation() != self._made:
                old, others = self._twin, list(self._others.values())
                self._twin = load_twin(self.workspace, self.config, batch=self.config.serve.batch)
                self._made = self._generation()
                self._others.clear()
                self._beside.clear()
                self._changed()
                for gone in (*others, *([old] if old else [])):
                    threading.Thread(target=_retire, args=(gone,), daemon=True).start()
            return self._twin

    def renew(self) -> None:
        """Load the twin again at the next request."""
        self._made = ()

    def ids(self) -> dict[str, Chosen]:
        """Model id → who answers: the twin, its ways, its other versions, the arms of a comparison."""
        twin = self.twin()
        name = slug(twin.name)
        top_p = self.config.serve.top_p
        out = {f"{name}-{way}": Chosen(way=way, run=twin.run, top_p=top_p) for way in twin.speakers}
        out[name] = Chosen(way=twin.answer, run=twin.run, top_p=top_p)
        for run in self._versions():
            out |= {f"{name}-{way}@{run}": Chosen(way=way, run=run, top_p=top_p) for way in ("voice", "assisted")}
        for arm in self._arms():
            out[f"{name}-arm-{arm.id}"] = Chosen(
                way=arm.way,
                run=arm.run or twin.run,
                rules=tuple(arm.rules),
                temperature=arm.temperature,
                top_p=arm.top_p,
                arm=arm.id,
            )
        return out

    def speaker(self, chosen: Chosen) -> Speaker:
        """Who answers.

        Raises:
            MissingModel: when there is no such voice.
            ConfigError: when it cannot answer that way.
            Refused: when something it learned was forgotten since.
        """
        speakers = ruled(self.twin(), self._of(chosen.run), chosen.rules)
        if chosen.way not in speakers:
            raise ConfigError(f"this voice cannot answer by '{chosen.way}'", hint=f"By: {', '.join(speakers)}.")
        return speakers[chosen.way]

    def close(self) -> None:
        """Let go of every voice."""
        with self._lock:
            for twin in (*self._others.values(), *([self._twin] if self._twin else [])):
                twin.close()

    def _of(self, run: str) -> Mapping[str, Speaker]:
        twin = self.twin()
        if run in ("", twin.run):
            return twin.speakers
        with self._lock:
            if run in self._beside:
                return self._beside[run]
            if run not in self._others:
                if not (self.workspace.run(run) / BASE_FILE).exists():
                    raise MissingModel("there is no such voice", hint="GET /api/runs lists them.")
                speakers = beside(self.workspace, twin, run)
                if speakers is not None:
                    self._beside[run] = speakers
                    return speakers
                self._others[run] = load_twin(self.workspace, self.config, run=run, batch=self.config.serve.batch)
                while len(self._others) > LOADED:
                    _, gone = self._others.popitem(last=False)
                    threading.Thread(target=_retire, args=(gone,), daemon=True).start()
            self._others.move_to_end(run)
            return self._others[run].speakers

    def _versions(self) -> list[str]:
        folders = self.workspace.runs.glob("*/") if self.workspace.runs.exists() else []
        made = [(m.finished, f.name) for f in folders if not is_unservable(f) and (m := Manifest.read(f)) is not None]
        return [name for _, name in sorted(made, reverse=True)[:RUNS] if not name.endswith(("-audit", "-control"))]

    def _arms(self) -> list[Any]:
        try:
            return list(arms(self.workspace))
        except ConfigError:
            return []  # GET /api/compare says what is wrong with the file

    def _generation(self) -> tuple[Any, ...]:
        card = self.workspace.card_path
        return self.workspace.current(), card.stat().st_mtime_ns if card.exists() else 0


def slug(name: str) -> str:
    """A name as part of a model id: ASCII letters, digits and hyphens."""
    plain = unicodedata.normalize("NFKD", name.replace("đ", "d").replace("Đ", "D")).encode("ascii", "ignore").decode()
    return re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-") or "twin"


def _retire(twin: Twin) -> None:
    if twin.engine is not None:
        twin.engine.close(drain=True)
    twin.close()
