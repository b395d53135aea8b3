"""Reads Twenty's hooks: one record in JSON, signed over the raw body and a time."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

from connectors.contract import Hint, Raw
from connectors.crms.twenty.shape import is_ref
from connectors.errors import Unverified

OLDEST = 300.0  # seconds
KINDS = {"opportunity": "opportunities", "person": "people", "company": "companies"}


def verify(raw: Raw, secret: str) -> None:
    """Raise `Unverified` unless Twenty signed this with the secret of the hook, or with one of several by spaces."""
    if not secret:
        raise Unverified("Twenty: enter a secret for its webhooks, without one nobody can tell who sent this")
    stamp = raw.header("x-twenty-webhook-timestamp")
    if not (stamp.isascii() and stamp.isdecimal()):
        raise Unverified("Twenty: the time of the signature is missing")
    if abs(raw.received_at.timestamp() - int(stamp) / 1000) > OLDEST:
        raise Unverified("Twenty: the signature is older than five minutes, or a clock is wrong")
    told, signed = raw.header("x-twenty-webhook-signature").encode(), stamp.encode() + b":" + raw.body
    wanted = [hmac.new(one.encode(), signed, hashlib.sha256).hexdigest().encode() for one in secret.split()]
    if not any(hmac.compare_digest(one, told) for one in wanted):
        raise Unverified("Twenty: the signature does not fit this body and the secret of the webhook")


def hints(body: bytes) -> list[Hint]:
    """The record a hook is about. Its fields are called differently in the documentation and by the server."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(told, dict):
        return []
    kind = KINDS.get(str(told.get("eventName") or told.get("event") or "").partition(".")[0], "")
    record: Any = told.get("record") or told.get("data")
    ref = str(record.get("id") or "") if isinstance(record, dict) else ""
    return [Hint(kind, ref)] if kind and is_ref(ref) else []
