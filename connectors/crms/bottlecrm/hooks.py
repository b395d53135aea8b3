"""Reads BottleCRM's webhooks: one event a body, signed with the endpoint's secret and the time of sending."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from connectors.contract import Hint, Raw
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS
from connectors.errors import Unverified

KINDS = {"lead": LEADS, "deal": DEALS, "contact": CONTACTS, "account": ACCOUNTS}
TOLERANCE = 300.0
"""Seconds a signature is good for. Every attempt is signed anew, so a late retry is no old signature."""


def verify(raw: Raw, secret: str) -> None:
    """Raise `Unverified` unless BottleCRM signed this within the last minutes."""
    if not secret:
        raise Unverified("BottleCRM: enter the webhook's secret, without it nobody can tell who sent this")
    if not _signed(raw, secret):
        raise Unverified("BottleCRM: the signature does not fit this body and the webhook's secret, or is old")


def hints(raw: Raw, secret: str) -> list[Hint]:
    """The record an event is about; nothing without a secret, a right signature and a kind of ours.

    One conversion makes three events with ids of their own; the hub reads the records, so each is worth a hint.
    """
    if not secret or not _signed(raw, secret):
        return []
    try:
        told: Any = json.loads(raw.body)
        data, event = told["data"], str(told["event"])
        ref = data["id"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []
    kind = KINDS.get(event.partition(".")[0])
    return [Hint(kind, ref)] if kind and isinstance(ref, str) else []


def _signed(raw: Raw, secret: str) -> bool:
    """`t=<unix>,v1=<hex HMAC-SHA256 of "<unix>.<body>">` (webhooks/tasks.py, `sign`)."""
    parts = dict(part.split("=", 1) for part in raw.header("x-bottlecrm-signature").split(",") if "=" in part)
    at = parts.get("t", "")
    if not at.isascii() or not at.isdecimal() or len(at) > 12:
        return False
    signed, told = at.encode() + b"." + raw.body, parts.get("v1", "").encode()
    mine = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest().encode() for one in secret.split()]
    fresh = abs(raw.received_at.timestamp() - int(at)) <= TOLERANCE
    return fresh and any(hmac.compare_digest(one, told) for one in mine)
