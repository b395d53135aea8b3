"""Standard Webhooks (also Svix and everybody built on it): signed JSON events whose `data` is the lead.

The signature is checked here and not by the `standardwebhooks` library: that judges a message's age by the clock of the
moment, so a message from quarantine could never be checked again. The tests hold ours against the library's.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, TypeGuard
from urllib.parse import quote

from connectors.contract import Draft, Evidence, Raw, Setting, Source
from connectors.errors import Missing, Pause, Retry, Unreadable, Unverified
from connectors.reading import Body, flatten, instant, read, require, same, sign_base64, text

_TOLERANCE = 300  # seconds both ways, as the reference libraries have it
_THIN = {"id", "type", "object"}


class StandardWebhooks(Source):
    """One endpoint at a sender; several secrets, separated by spaces, while keys rotate."""

    name = "standard_webhooks"
    title = "Standard Webhooks"
    evidence = Evidence.RECORDED
    source = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
    form = (
        Setting("secret", "Signing secrets", secret=True, required=True, help="whsec_...; old and new, by a space"),
        Setting("types", "Event types", help="lead.created, contact.created; empty: every event is an inquiry"),
        Setting("url", "Address of one record", help="https://api.example.com/leads/{id} if events hold only an id"),
        Setting("api_key", "API key", secret=True, help="Sent as Bearer token to that address"),
    )

    def verify(self, raw: Raw) -> None:
        message, stamp, given = (_header(raw, name) for name in ("id", "timestamp", "signature"))
        sent_at = instant(int(stamp)) if stamp.isdecimal() and len(stamp) < 12 else None
        if not message or sent_at is None or abs((raw.received_at - sent_at).total_seconds()) > _TOLERANCE:
            raise Unverified(f"{self.title}: webhook-id is missing, or webhook-timestamp is not within five minutes")
        signed = f"{message}.{stamp}.".encode() + raw.body
        expected = [f"v1,{sign_base64(key, signed)}" for key in self._keys()]
        if not any(same(one, good) for one in given.split() for good in expected):
            raise Unverified(f"{self.title}: no signature in webhook-signature fits a secret of this connection")

    def _keys(self) -> Iterator[bytes]:
        for secret in require(self.secrets, "secret", self.title).split():
            try:
                yield base64.b64decode(secret.removeprefix("whsec_") + "==")
            except (binascii.Error, ValueError):
                raise Unverified(f"{self.title}: a secret is not base64; copy it whole, as whsec_...") from None

    def delivery(self, raw: Raw) -> str | None:
        return _header(raw, "id") or None

    def resolve(self, raw: Raw) -> Raw:
        url = self.settings.get("url", "")
        if not url or self.http is None:
            return raw
        event = read(raw).fields
        if not _is_thin(data := event.get("data")):
            return raw
        address = url.replace("{id}", quote(text(data["id"]), safe=""))
        answer = self.http.send("GET", address, headers={"Authorization": f"Bearer {self.secrets.get('api_key', '')}"})
        if answer.status in (401, 403):
            raise Pause(f"{self.title}: the address of records refuses our API key; enter a valid one")
        if answer.status in (404, 410):
            raise Missing(f"{self.title}: the record this event points at is gone")
        if answer.status != 200:
            raise Retry(f"{self.title}: the address of records answers {answer.status}", effect=False)
        return replace(raw, body=json.dumps({**event, "data": answer.json()}).encode())

    def parse(self, raw: Raw) -> Sequence[Draft]:
        body = read(raw)
        kind, data = text(body.fields.get("type")), body.fields.get("data")
        wanted = self.settings.get("types", "").replace(",", " ").split()
        if wanted and kind not in wanted:
            return []
        if not isinstance(data, dict) or not data:
            raise Unreadable("the event has no `data` with fields")
        if _is_thin(data):
            raise Unreadable("the event holds only an id; enter the address of one record in this connection")
        return [_draft(raw, body, kind, data)]


def _draft(raw: Raw, body: Body, kind: str, data: dict[str, Any]) -> Draft:
    key = text(data.get("id")) or _header(raw, "id")
    at = instant(body.fields.get("timestamp"))
    return Draft(key=key or None, form=kind, occurred_at=at, fields=flatten(data), flags=body.flags)


def _is_thin(data: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(data, dict) and "id" in data and data.keys() <= _THIN


def _header(raw: Raw, name: str) -> str:
    return raw.header(f"webhook-{name}") or raw.header(f"svix-{name}")
