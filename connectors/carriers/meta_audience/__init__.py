"""Custom audiences of Meta ads: hashed e-mails and phones of clients who agreed are added, nothing else leaves.

Guarantees: only SHA-256 hashes are sent, and whatever is no such hash is refused here. Adding somebody who is in the
audience already changes nothing over there, so a lost answer is tried again.
"""

from __future__ import annotations

import re
from typing import Any

from connectors.contract import Carrier, Evidence, Letter, Setting
from connectors.errors import Missing, Pause, Refuse, Retry
from connectors.http import retry_after

BASE = "https://graph.facebook.com/v23.0"
HASHED = re.compile(r"[0-9a-f]{64}")
SCHEMA = {"email": "EMAIL_SHA256", "phone": "PHONE_SHA256"}
BUSY = {1, 2, 4, 17, 32, 341, 368, 613, 80003}  # https://developers.facebook.com/docs/graph-api/guides/error-handling
TOKEN = {10, 102, 190, 200, 294}


class MetaAudience(Carrier):
    """One system user's token and the audiences it may fill."""

    name = "meta_audience"
    title = "Meta custom audiences"
    evidence = Evidence.DOCUMENTED
    source = "https://developers.facebook.com/docs/marketing-api/audiences/guides/custom-audiences"
    carries = "audience"
    form = (
        Setting("token", "Access token", secret=True, required=True, help="of a system user with ads_management"),
        Setting("audiences", "Audiences", required=True, help="Warm = 2384012345; Bought = 2384067890"),
        Setting("base", "Graph API address", default=BASE),
    )

    def send(self, letter: Letter) -> str:
        audience = self._audiences().get(str(letter.body["to"]).strip().lower())
        if audience is None:
            raise Refuse(f"No audience is called “{letter.body['to']}” in this connection", {"to": "is not here"})
        known = {name: str(letter.body[name]) for name in SCHEMA if letter.body.get(name)}
        if not known or not all(HASHED.fullmatch(value) for value in known.values()):
            raise Refuse("Only hashed identifiers may leave for an audience", dict.fromkeys(known, "is no hash"))
        payload = {"schema": [SCHEMA[name] for name in known], "data": [list(known.values())]}
        return str(self._call("POST", f"{audience}/users", {"payload": payload}).get("session_id") or letter.id)

    def find(self, letter: Letter) -> str | None:
        """May be sent again: whoever is in the audience stays in it once."""
        return ""

    def check(self) -> str:
        found = [str(self._call("GET", number).get("name", number)) for number in self._audiences().values()]
        return f"Audiences: {', '.join(found)}"

    def _audiences(self) -> dict[str, str]:
        pairs = [one.partition("=") for one in self.settings.get("audiences", "").split(";") if one.strip()]
        found = {name.strip().lower(): number.strip() for name, _is, number in pairs}
        if not found or not all(number.isdecimal() for number in found.values()):
            raise Pause("Meta audiences: write each as Name = number, with ; in between")
        return found

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        if self.http is None:
            raise Pause("Meta audiences: there is no way out")
        headers = {"Authorization": f"Bearer {self.secrets.get('token', '')}"}
        answer = self.http.send(
            method, f"{(self.settings.get('base') or BASE).rstrip('/')}/{path}", headers=headers, json=body
        )
        told = answer.json()
        told = told if isinstance(told, dict) else {}
        if answer.status == 200 and "error" not in told:
            return told
        raise _meant(answer.status, told.get("error"), retry_after(answer))


def _meant(status: int, error: Any, after: float | None) -> Exception:
    code = error.get("code") if isinstance(error, dict) else None
    if code in TOKEN or status == 401:
        return Pause(f"Meta refuses the access token (error {code}): make a new one for the system user")
    if code in BUSY or status == 429 or status >= 500:
        return Retry(f"Meta asks to wait (status {status}, error {code})", after=after, effect=False)
    if status == 404 or code == 803:
        return Missing("Meta knows no such audience")
    return Refuse(f"Meta refuses this (status {status}, error {code})")
