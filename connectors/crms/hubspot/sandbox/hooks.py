"""Hooks of the stand-in: arrays of events, signed, tried again by the vendor's table, lost and doubled on demand."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from connectors.crms.hubspot.sandbox.state import Account, Row
from connectors.testing.sandbox import Postman

MOST = 99  # events in one body
RETRIES = (60.0, 300.0, 900.0, 3600.0, 7200.0, 7200.0, 14400.0, 14400.0, 14400.0, 14400.0)  # ten within 24 hours


class Post(Postman):
    """Signs what it delivers with the app's secret."""

    def __init__(self, account: Account, retries: tuple[float, ...] = RETRIES) -> None:
        super().__init__(retries, patience=5.0)
        self._account = account

    def tell(self, events: list[Row]) -> None:
        """The events of one call."""
        address = self._account.hook_address
        for start in range(0, len(events) if address else 0, MOST):
            body = json.dumps(events[start : start + MOST]).encode()
            self.deliver(address, body, signature(self._account.secret, address, body, self._account.now()))


def signature(secret: str, address: str, body: bytes, now: int, method: str = "POST") -> dict[str, str]:
    """Headers of version 3; `now` in milliseconds."""
    signed = method.encode() + address.encode() + body + str(now).encode()
    code = base64.b64encode(hmac.new(secret.encode(), signed, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "X-HubSpot-Signature-v3": code,
        "X-HubSpot-Request-Timestamp": str(now),
    }
