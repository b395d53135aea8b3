"""Secrets of connections at rest: AES-256-GCM, bound to the row they belong to.

A sealed value copied to another row does not open, because table, row and column are authenticated with
it. The key lives in a file of mode 0600 beside the data or in LEADHUB_KEY, never in the database.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

NONCE = 12


class KeyUnfit(RuntimeError):
    """The key does not open what is stored; nothing was changed."""


class Vault:
    """Seals and opens small mappings with one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCM(key)

    def seal(self, secrets: Mapping[str, str], place: str) -> bytes:
        """`place` names table, row and column, such as "connection/01J.../secrets"."""
        nonce = os.urandom(NONCE)
        return nonce + self._cipher.encrypt(nonce, json.dumps(dict(secrets)).encode(), place.encode())

    def open(self, sealed: bytes, place: str) -> dict[str, str]:
        """The mapping again; {} for an empty cell."""
        if not sealed:
            return {}
        try:
            plain = self._cipher.decrypt(sealed[:NONCE], sealed[NONCE:], place.encode())
        except InvalidTag:
            raise KeyUnfit(f"The hub's key does not open {place}: start with the key this data was made with") from None
        opened: dict[str, str] = json.loads(plain)
        return opened


def load_key(folder: Path, given: str = "") -> bytes:
    """The key from `given` (base64, as in LEADHUB_KEY), else from `folder/key`, made at the first start."""
    file = folder / "key"
    if not given:
        try:
            given = file.read_text()
        except FileNotFoundError:
            given = _make_key(file)
    try:
        key = base64.b64decode(given, validate=True)
    except binascii.Error:
        key = b""
    if len(key) != 32:
        raise KeyUnfit("The hub's key must be 32 bytes in base64 (LEADHUB_KEY or the file `key` in the data folder)")
    return key


def _make_key(file: Path) -> str:
    text = base64.b64encode(os.urandom(32)).decode()
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    return text
