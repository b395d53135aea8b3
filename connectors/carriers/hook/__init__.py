"""Webhooks of ours: signed as Standard Webhooks, the letter's id as `webhook-id` so that a receiver knows repeats.

Guarantees: only public addresses are called (the edge's own guard), only https unless the host was allowed, the
signature covers id, moment and body. A receiver that follows the standard may be called twice and acts once, so a lost
answer is tried again.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json

from connectors.contract import Answer, Carrier, Evidence, Letter, Setting
from connectors.errors import Pause, Refuse, Retry
from connectors.http import retry_after

GONE = 410  # "stop": https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md


class Hook(Carrier):
    """One signing secret for all webhooks of robots."""

    name = "hook"
    title = "Webhooks of robots"
    evidence = Evidence.DOCUMENTED
    source = "https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md"
    carries = "webhook"
    form = (
        Setting("secret", "Signing secret", secret=True, required=True,
                help="whsec_ and 24 to 64 random bytes in base64; the receivers get the same"),
    )  # fmt: skip

    def send(self, letter: Letter) -> str:
        told = {name: value for name, value in letter.body.items() if name != "to"}
        event = {"type": "robot", "timestamp": letter.at.isoformat(), "data": told}
        body = json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")
        answer = self._post(str(letter.body["to"]), body, self._signed(letter, body))
        status = answer.status
        if 200 <= status < 300:
            return letter.id
        if status == GONE or (400 <= status < 500 and status not in (408, 409, 425, 429)):
            raise Refuse(f"The receiver of this webhook refuses it (status {status})", {"to": str(status)})
        raise Retry(f"The receiver of this webhook answered {status}", after=retry_after(answer), effect=False)

    def find(self, letter: Letter) -> str | None:
        """May be sent again: the receiver knows it by its id."""
        return ""

    def check(self) -> str:
        self._key()
        return "Webhooks are signed with this secret"

    def _post(self, address: str, body: bytes, headers: dict[str, str]) -> Answer:
        if self.http is None:
            raise Pause("Webhooks: there is no way out")
        try:
            return self.http.send("POST", address, headers=headers, data=body, timeout=15.0)
        except Pause as error:  # the address of one robot, not of this connection
            raise Refuse(str(error), {"to": "is not permitted"}) from None

    def _signed(self, letter: Letter, body: bytes) -> dict[str, str]:
        stamp = str(int(letter.at.timestamp()))
        signed = hmac.new(self._key(), f"{letter.id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        signature = f"v1,{base64.b64encode(signed).decode()}"
        ids = {"webhook-id": letter.id, "webhook-timestamp": stamp, "webhook-signature": signature}
        return {"Content-Type": "application/json", **ids}

    def _key(self) -> bytes:
        try:
            key = base64.b64decode(self.secrets.get("secret", "").removeprefix("whsec_"), validate=True)
        except (binascii.Error, ValueError):
            key = b""
        if len(key) < 24:
            raise Pause("Webhooks: the secret is whsec_ and at least 24 bytes in base64; make a new one")
        return key
