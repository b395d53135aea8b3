"""Proofs of the sender: secrets compared in constant time, and the two spellings of an HMAC."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Mapping

from connectors.errors import Unverified


def require(secrets: Mapping[str, str], name: str, title: str) -> str:
    """The secret `name`; `Unverified` when the connection has none, because no secret must never mean "let in"."""
    secret = secrets.get(name, "").strip()
    if not secret:
        raise Unverified(f"{title}: no secret is set in this connection; enter the one the sender signs with")
    return secret


def same(given: str | bytes, expected: str | bytes) -> bool:
    """Whether two texts are equal, in a time that does not tell where they differ. An empty `expected` is never met."""
    return bool(expected) and hmac.compare_digest(_bytes(given), _bytes(expected))


def sign(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> bytes:
    """The HMAC of `message`; `algorithm` is sha1, sha256 or sha512."""
    return hmac.digest(_bytes(secret), message, algorithm)


def sign_hex(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> str:
    """The HMAC in lower-case hex."""
    return sign(secret, message, algorithm).hex()


def sign_base64(secret: str | bytes, message: bytes, algorithm: str = "sha256") -> str:
    """The HMAC in standard base64 with padding."""
    return base64.b64encode(sign(secret, message, algorithm)).decode()


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
