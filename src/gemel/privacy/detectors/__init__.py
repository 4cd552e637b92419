"""One file, one thing that can be found. A detector says where it is and what it is; it changes nothing.

Detectors prefer finding too much to finding too little where a number is long enough to identify
somebody. What each of them takes for proof (a checksum, a form, a word beside it) stands in its file.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from gemel.config import PrivacySection
from gemel.people import People
from gemel.privacy.view import Span, View
from gemel.registry import Registry

__all__ = ["DETECTORS", "Detector", "Setup"]


@dataclass(frozen=True, slots=True)
class Setup:
    """What a detector is built from."""

    section: PrivacySection
    people: People
    forgotten: Callable[[str], bool] = lambda word: False
    """Whether a lower-cased word names somebody who was forgotten."""


class Detector(ABC):
    """Finds one kind of thing."""

    rank: ClassVar[int] = 50
    """Who wins where two detectors overlap: the lower rank."""
    extra: ClassVar[str] = ""
    """The extra of gemel it needs; such a detector runs only when it is named in the configuration."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup

    @abstractmethod
    def find(self, view: View) -> Iterator[Span]:
        """Everything of its kind in the text, in any order."""


DETECTORS: Registry[type[Detector]] = Registry("detector", "gemel.privacy.detectors")
