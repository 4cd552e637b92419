"""The vault's optional encryption: what stands for what is then unreadable without a passphrase.

A random key encrypts the values (AES-SIV, RFC 5297: equal values stay equal, so that they can still be looked up in
the file); a key made of the passphrase by scrypt (RFC 7914) encrypts that key (AES-GCM). Pseudonyms, kinds and how
many there are stay readable, since the data sets show them anyway. Whoever can read this process's memory, or the
raw records beside the vault, is not kept out: for those, encrypt the disk.
"""

from __future__ import annotations

import hashlib
import os
from importlib import import_module
from pathlib import Path
from typing import Any

from gemel.errors import ConfigError, MissingExtra, Refused

__all__ = ["VARIABLE", "Cipher", "Sealed", "keep_passphrase", "new_key", "opened", "passphrase_for", "wrap"]

VARIABLE = "GEMEL_PASSPHRASE"
"""Environment variable that holds the passphrase."""
SHORTEST = 8
"""Characters a passphrase has at least."""
_SERVICE = "gemel"
_COST, _BLOCK, _MEMORY = 2**16, 8, 2**27
"""scrypt: 64 MiB and about a fifth of a second."""
_VERSION = b"1"
_known: dict[bytes, bytes] = {}
"""Keys of this process by their wrapped form: the passphrase is stretched once."""


class Cipher:
    """Values as they stand in the file: as they are."""

    def hide(self, value: str, column: str) -> str:
        """As it is written."""
        return value

    def show(self, value: str, column: str) -> str:
        """As it was before."""
        return value


class Sealed(Cipher):
    """Values under a key of 64 bytes.

    Raises:
        MissingExtra: when the package is not installed.
    """

    def __init__(self, key: bytes) -> None:
        self._siv = _ciphers().AESSIV(key)

    def hide(self, value: str, column: str) -> str:
        data = value.encode("utf-8", "surrogatepass")
        return str(self._siv.encrypt(data, [column.encode()]).hex()) if data else ""

    def show(self, value: str, column: str) -> str:
        data: bytes = self._siv.decrypt(bytes.fromhex(value), [column.encode()]) if value else b""
        return data.decode("utf-8", "surrogatepass")


def new_key() -> bytes:
    """A random key."""
    return os.urandom(64)


def wrap(key: bytes, passphrase: str) -> bytes:
    """A key under a passphrase.

    Raises:
        ConfigError: when the passphrase is too short.
        MissingExtra: when the package is not installed.
    """
    if len(passphrase) < SHORTEST:
        raise ConfigError(f"a passphrase has at least {SHORTEST} characters")
    salt, nonce = os.urandom(16), os.urandom(12)
    wrapped = _VERSION + salt + nonce + _ciphers().AESGCM(_stretched(passphrase, salt)).encrypt(nonce, key, _VERSION)
    _known[wrapped] = key
    return bytes(wrapped)


def opened(wrapped: bytes | None, path: Path) -> Cipher:
    """The cipher of a vault, by the passphrase of the environment or the keyring.

    Raises:
        Refused: when there is no passphrase, or a wrong one.
        MissingExtra: when the package is not installed.
    """
    if wrapped is None:
        return Cipher()
    key = _known.get(wrapped)
    if key is None:
        key = _known[wrapped] = _unwrap(wrapped, passphrase_for(path))
    return Sealed(key)


def passphrase_for(path: Path) -> str:
    """The passphrase of a vault.

    Raises:
        Refused: when nobody tells it.
    """
    told = os.environ.get(VARIABLE, "")
    keyring = _keyring()
    if not told and keyring is not None:
        told = keyring.get_password(_SERVICE, str(path.resolve())) or ""
    if not told:
        raise Refused("the vault is locked", hint=f"Put its passphrase into {VARIABLE}, or into the system's keyring.")
    return told


def keep_passphrase(path: Path, passphrase: str) -> None:
    """Put a passphrase into the system's keyring.

    Raises:
        MissingExtra: when the package is not installed.
    """
    keyring = _keyring()
    if keyring is None:
        raise MissingExtra("keyring", extra="vault")
    keyring.set_password(_SERVICE, str(path.resolve()), passphrase)


def _unwrap(wrapped: bytes, passphrase: str) -> bytes:
    ciphers = _ciphers()
    salt, nonce, sealed = wrapped[1:17], wrapped[17:29], wrapped[29:]
    try:
        return bytes(ciphers.AESGCM(_stretched(passphrase, salt)).decrypt(nonce, sealed, wrapped[:1]))
    except import_module("cryptography.exceptions").InvalidTag:
        raise Refused("this is not the passphrase of the vault") from None


def _stretched(passphrase: str, salt: bytes) -> bytes:
    return hashlib.scrypt(passphrase.encode(), salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32)


def _ciphers() -> Any:
    try:
        return import_module("cryptography.hazmat.primitives.ciphers.aead")
    except ImportError:
        raise MissingExtra("cryptography", extra="vault") from None


def _keyring() -> Any:
    try:
        return import_module("keyring")
    except ImportError:
        return None
