"""SMS through smsc.ru, whose plain HTTP interface many gateways copy.

Guarantees: a message carries a number of ours made from the letter's id, by which the gateway is asked what became of
it before anything is sent again. Login and password travel in the body, never in an address.
"""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from connectors.contract import Carrier, Evidence, Letter, Setting
from connectors.errors import Pause, Refuse, Retry
from connectors.http import retry_after

BASE = "https://smsc.ru"
FINAL = {
    1: "wrong parameters",
    6: "forbidden by the gateway",
    7: "no such phone number",
    8: "cannot be delivered there",
}
"""Error codes of one message that stay so (https://smsc.ru/api/http/send/sms/)."""
ACT = {2: "login or password is wrong", 3: "the account has no money left"}
NOT_FOUND = 3
"""What status.php answers for a message that was never taken (https://smsc.ru/api/http/status_messages/)."""


class Smsc(Carrier):
    """One account at the gateway."""

    name = "smsc"
    title = "SMS (smsc.ru)"
    evidence = Evidence.DOCUMENTED
    source = "https://smsc.ru/api/http/"
    carries = "sms"
    form = (
        Setting("login", "Login", required=True),
        Setting("password", "Password", secret=True, required=True, help="or the API password of the account"),
        Setting("sender", "Sender's name", help="as registered with the gateway; empty: its own"),
        Setting("base", "Gateway address", default=BASE, help="of a gateway with the same interface"),
    )

    def send(self, letter: Letter) -> str:
        sender = {"sender": self.settings["sender"]} if self.settings.get("sender") else {}
        told = self._call(
            "send.php", **_whom(letter), phones=str(letter.body["to"]), mes=str(letter.body["text"]), **sender
        )
        code = told.get("error_code")
        if code in FINAL:
            raise Refuse(f"SMS gateway: {FINAL[code]}", {"to": FINAL[code]})
        if code is not None:
            raise Retry(f"SMS gateway: it does not take the message now (error {code})", effect=False)
        if "id" not in told:
            raise Retry("SMS gateway: its answer names no message", effect=True)
        return str(told["id"])

    def find(self, letter: Letter) -> str | None:
        whom = _whom(letter)
        told = self._call("status.php", **whom, phone=str(letter.body["to"]))
        if told.get("error_code") == NOT_FOUND:
            return ""
        return whom["id"] if "status" in told else None

    def check(self) -> str:
        return f"{self.settings.get('login', '')}: balance {self._call('balance.php').get('balance', '?')}"

    def _call(self, page: str, **fields: str) -> dict[str, Any]:
        if self.http is None:
            raise Pause("SMS gateway: there is no way out")
        account = {"login": self.settings.get("login", ""), "psw": self.secrets.get("password", "")}
        body = urlencode({**account, "fmt": "3", "charset": "utf-8", **fields}).encode()
        address = f"{(self.settings.get('base') or BASE).rstrip('/')}/sys/{page}"
        answer = self.http.send(
            "POST", address, headers={"Content-Type": "application/x-www-form-urlencoded"}, data=body
        )
        if answer.status != 200:
            perhaps = page == "send.php" and answer.status >= 500
            raise Retry(f"SMS gateway: it answered {answer.status}", after=retry_after(answer), effect=perhaps)
        told = answer.json()
        if not isinstance(told, dict):
            raise Retry("SMS gateway: its answer is not understood", effect=True)
        code = told.get("error_code")
        if code in ACT and (page, code) != ("status.php", NOT_FOUND):
            raise Pause(f"SMS gateway: {ACT[code]}")
        return told


def _whom(letter: Letter) -> dict[str, str]:
    """Our number of the message: the gateway takes 1 to 2147483647, and knows a message by it and the phone."""
    number = int.from_bytes(hashlib.sha256(letter.id.encode()).digest()[:4]) % (2**31 - 1) + 1
    return {"id": str(number)}
