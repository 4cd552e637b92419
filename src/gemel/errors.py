"""Every error that gemel raises on purpose, in one tree.

    GemelError                  what went wrong, where, and what to do about it
    ├── ConfigError             gemel.toml or the command line asks for something impossible
    ├── DataError               what was brought cannot be used
    │   ├── UnknownFormat       no source recognises the file
    │   ├── DamagedExport       the file is of a known format but cannot be read
    │   ├── UnsafeArchive       an archive that points outside itself or unpacks without bound
    │   ├── PersonUnknown       who "me" is could not be decided
    │   └── TooLittle           not enough text for what was asked
    ├── Missing                 a part that this step stands on is not there
    │   ├── MissingExtra        an optional package is not installed
    │   ├── MissingStage        an earlier stage has not been run
    │   └── MissingModel        a base or run that cannot be found or loaded
    ├── ModelError              a model cannot do what was asked
    │   ├── NotAScorer          log-probabilities were asked of a speaker that has none
    │   ├── Diverged            the loss stopped being a number
    │   └── DamagedCheckpoint   a checkpoint or adapter that does not read back
    ├── RemoteError             a server named by the user did not answer as it should
    ├── ResourceError           memory, disk or time ran out
    │   └── Busy                another process works in the same place
    ├── Refused                 privacy, consent or an audit forbids it
    └── Incomplete              finished, but some rows are missing and were listed

Each class carries the exit code of the command line. Errors never quote what a person wrote:
they name files, line numbers and ids.
"""

from __future__ import annotations

__all__ = [
    "Busy",
    "ConfigError",
    "DamagedCheckpoint",
    "DamagedExport",
    "DataError",
    "Diverged",
    "GemelError",
    "Incomplete",
    "Missing",
    "MissingExtra",
    "MissingModel",
    "MissingStage",
    "ModelError",
    "NotAScorer",
    "PersonUnknown",
    "Refused",
    "RemoteError",
    "ResourceError",
    "TooLittle",
    "UnknownFormat",
    "UnsafeArchive",
]


class GemelError(Exception):
    """An error with a message for a person and a hint at what to do next."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class ConfigError(GemelError):
    """gemel.toml or the command line asks for something impossible."""

    exit_code = 2


class DataError(GemelError):
    """What was brought cannot be used."""

    exit_code = 3


class UnknownFormat(DataError):
    """No source recognises the file."""


class DamagedExport(DataError):
    """The file is of a known format but cannot be read."""


class UnsafeArchive(DataError):
    """An archive that points outside itself or unpacks without bound."""


class PersonUnknown(DataError):
    """Who "me" is could not be decided.

    Args:
        candidates: names among which the owner can choose.
    """

    def __init__(self, message: str, *, hint: str = "", candidates: tuple[str, ...] = ()) -> None:
        super().__init__(message, hint=hint)
        self.candidates = candidates


class TooLittle(DataError):
    """Not enough text for what was asked."""


class Missing(GemelError):
    """A part that this step stands on is not there."""

    exit_code = 4


class MissingExtra(Missing):
    """An optional package is not installed.

    Args:
        package: the import name that failed.
        extra: the extra of gemel that brings it.
    """

    def __init__(self, package: str, *, extra: str) -> None:
        super().__init__(
            f"this needs the package '{package}', which is not installed",
            hint=f"pip install 'gemel[{extra}]'",
        )


class MissingStage(Missing):
    """An earlier stage has not been run."""


class MissingModel(Missing):
    """A base or run that cannot be found or loaded."""


class ModelError(GemelError):
    """A model cannot do what was asked."""

    exit_code = 4


class NotAScorer(ModelError):
    """Log-probabilities were asked of a speaker that has none."""


class Diverged(ModelError):
    """The loss stopped being a number."""


class DamagedCheckpoint(ModelError):
    """A checkpoint or adapter that does not read back."""


class RemoteError(GemelError):
    """A server named by the user did not answer as it should."""

    exit_code = 5


class ResourceError(GemelError):
    """Memory, disk or time ran out."""

    exit_code = 6


class Busy(ResourceError):
    """Another process works in the same place."""


class Refused(GemelError):
    """Privacy, consent or an audit forbids it."""

    exit_code = 7


class Incomplete(GemelError):
    """Finished, but some rows are missing and were listed."""

    exit_code = 8
