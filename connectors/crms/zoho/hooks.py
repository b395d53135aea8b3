"""Zoho's notifications: a module and the ids that changed in it. The proof of the sender is a token inside, ours."""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import Any

from connectors.contract import Hint
from connectors.crms.zoho.shape import KINDS
from connectors.errors import Unverified


def verify(body: bytes, token: str) -> None:
    """Raise `Unverified` unless the notification carries the token we gave when we asked for it."""
    if not _carries(_told(body), token):
        raise Unverified("This notification does not carry our token: plan the set-up again to renew it")


def hints(body: bytes, token: str) -> list[Hint]:
    """The records a notification with our token names; nothing for any other body."""
    told = _told(body)
    kind, refs = told.get("module"), told.get("ids")
    if kind not in KINDS or not isinstance(refs, list) or not _carries(told, token):
        return []
    return [Hint(kind, str(ref)) for ref in refs]


def _told(body: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _carries(told: Mapping[str, Any], token: str) -> bool:
    return hmac.compare_digest(str(told.get("token")).encode("utf-8", "replace"), token.encode())
