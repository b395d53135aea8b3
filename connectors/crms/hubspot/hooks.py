"""Reads HubSpot's hooks: JSON arrays of events, each about one property of one record, signed.

https://developers.hubspot.com/docs/api/webhooks/validating-requests
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from connectors.contract import Hint, Raw
from connectors.errors import Unverified

OLDEST = 300.0  # seconds
ECHOES = frozenset({"API", "INTEGRATION"})
KINDS = {
    "contact": "contacts", "company": "companies", "deal": "deals",
    "0-1": "contacts", "0-2": "companies", "0-3": "deals",
}  # fmt: skip
_PLAIN = {"3A": ":", "2F": "/", "3F": "?", "40": "@", "21": "!", "24": "$", "27": "'", "28": "(", "29": ")", "2A": "*",
          "2C": ",", "3B": ";"}  # fmt: skip
_QUOTED = re.compile("%(" + "|".join(_PLAIN) + ")", re.IGNORECASE)


def verify(raw: Raw, secret: str, address: str = "") -> None:
    """Raise `Unverified` unless HubSpot signed this. `address` is the hub's as seen from outside, "" = as called.
    `secret` may be several, by spaces, while one takes the place of another."""
    if not secret:
        raise Unverified("HubSpot: enter the client secret of the app, without it nobody can tell who sent this")
    if raw.header("x-hubspot-signature-v3"):
        _fresh(raw)
    if not any(_signed(raw, one, address) for one in secret.split()):
        raise Unverified("HubSpot: the signature does not fit this body, this address and the app's client secret")


def _signed(raw: Raw, secret: str, address: str) -> bool:
    """Version 3 where it is there: that alone covers address and time."""
    if told := raw.header("x-hubspot-signature-v3"):
        stamp = raw.header("x-hubspot-request-timestamp").encode()
        signed = (raw.method.encode() + uri.encode() + raw.body + stamp for uri in _uris(raw, address))
        return any(hmac.compare_digest(_base64(secret, text), told.encode()) for text in signed)
    wanted = hashlib.sha256(secret.encode() + raw.body).hexdigest()
    return hmac.compare_digest(wanted.encode(), raw.header("x-hubspot-signature").encode())


def events(body: bytes) -> list[Mapping[str, Any]]:
    """The events of a body; nothing for one that is no hook."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return []
    return [event for event in told if isinstance(event, dict)] if isinstance(told, list) else []


def hints(told: Iterable[Mapping[str, Any]]) -> list[Hint]:
    """Each record once, in the order mentioned."""
    return list(dict.fromkeys(hint for event in told for hint in _of(event)))


def our_own(event: Mapping[str, Any]) -> bool:
    """Whether this is the echo of a write of the app that hears it. A robot's edit after ours has another source."""
    what = str(event.get("subscriptionType") or "").rpartition(".")[2]
    by_us = event.get("appId") is not None and str(event.get("sourceId")) == str(event["appId"])
    return by_us and event.get("changeSource") in ECHOES and what in {"creation", "propertyChange"}


def _of(event: Mapping[str, Any]) -> Iterator[Hint]:
    """A merge names up to three records and more, a change of an association two."""
    told = str(event.get("subscriptionType") or event.get("eventType") or "")
    kind = KINDS.get(told.partition(".")[0]) or KINDS.get(str(event.get("objectTypeId") or ""), "")
    ids = [event.get(name) for name in ("objectId", "primaryObjectId", "newObjectId", "fromObjectId")]
    merged = event.get("mergedObjectIds")
    yield from _hints(kind, [*ids, *(merged if isinstance(merged, list) else ())])
    other = str(event.get("associationType") or "").rpartition("_TO_")[2].lower()
    yield from _hints(KINDS.get(other, ""), [event.get("toObjectId")])


def _hints(kind: str, ids: list[Any]) -> Iterator[Hint]:
    for one in ids:
        if kind and isinstance(one, int | str) and not isinstance(one, bool) and str(one).isdecimal():
            yield Hint(kind, str(one))


def _fresh(raw: Raw) -> None:
    told = raw.header("x-hubspot-request-timestamp")
    if not (told.isascii() and told.isdecimal()):
        raise Unverified("HubSpot: the time of the signature is missing")
    if abs(raw.received_at.timestamp() - int(told) / 1000) > OLDEST:
        raise Unverified("HubSpot: the signature is older than five minutes, or a clock is wrong")


def _uris(raw: Raw, address: str) -> Iterator[str]:
    """The address as HubSpot called it: a proxy before the hub may have told us, or changed, host and scheme."""
    tail = f"{raw.path}{'?' + raw.query if raw.query else ''}"
    hosts = (raw.header("x-forwarded-host"), raw.header("host"))
    whole = [address, *(f"{scheme}://{host}{tail}" for host in hosts if host for scheme in ("https", "http"))]
    return (_QUOTED.sub(lambda found: _PLAIN[found[1].upper()], one) for one in whole if one)


def _base64(secret: str, signed: bytes) -> bytes:
    return base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest())
