"""How Salesforce is called: its token, its two styles of API, and what its errors mean.

Guarantees: a token that expired is renewed once, and the call it stopped is sent again, because it was not served; a
used-up day is a wait and no missing right, although both are a 403.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.contract import Answer, Http, Value
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after
from connectors.oauth import Grant

VERSION = "62.0"
TIMEOUT = 120.0
"""A call may run for ten minutes over there, but none of ours needs more than two."""
DAY_IS_OVER = 900.0
"""Calls are counted in a rolling day: a quarter of an hour frees some."""

_ACCESS = "Salesforce does not let the hub's user in: check the connected app, its policies and the user's rights"
_CODES: dict[str, str] = {
    "REQUEST_LIMIT_EXCEEDED": "wait", "SERVER_UNAVAILABLE": "soon", "UNABLE_TO_LOCK_ROW": "soon",
    "QUERY_TIMEOUT": "soon", "ENTITY_IS_DELETED": "gone", "NOT_FOUND": "gone", "INVALID_CROSS_REFERENCE_KEY": "gone",
    "DUPLICATES_DETECTED": "twin", "DUPLICATE_VALUE": "twin", "API_DISABLED_FOR_ORG": "pause",
    "API_CURRENTLY_DISABLED": "pause", "INVALID_SESSION_ID": "pause", "INSUFFICIENT_ACCESS": "pause",
}  # fmt: skip


@dataclass
class Api:
    """One organisation. `token` is asked for when there is none, with the grant of a client of its own."""

    http: Http
    base: str
    grant: Grant | None
    token: str = ""
    client: str = field(default="LeadHub")

    def call(
        self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Value = None, data: bytes = b""
    ) -> Answer:
        """One call below the address. Raises what concerns the whole organisation, answers the rest."""
        answer = self._send(method, path, params, json, data)
        if answer.status == 401 and self.grant is not None:
            self.token = ""
            answer = self._send(method, path, params, json, data)
        if error := trouble(answer):
            raise error
        return answer

    def rest(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Value = None) -> Any:
        """The parsed answer of a REST call that must succeed."""
        answer = self.call(method, f"services/data/v{VERSION}/{path}", params, json)
        if answer.status >= 400:
            raise refusal(_problems(answer))
        return answer.json() if answer.body else None

    def session(self) -> str:
        """The token, for the calls that want it in their body."""
        if not self.token and self.grant is not None:
            self.token = self.grant.ask(self.http, 0.0, grant_type="client_credentials").access
        return self.token

    def _send(self, method: str, path: str, params: Sequence[tuple[str, str]], json: Value, data: bytes) -> Answer:
        headers = {
            "Authorization": f"Bearer {self.session()}",
            "Sforce-Call-Options": f"client={self.client}",  # in change events: our own changes
            "Sforce-Duplicate-Rule-Header": "allowSave=true",  # who is whom is decided in the hub
        }
        if data:
            headers |= {"Content-Type": "text/xml; charset=UTF-8", "SOAPAction": '""'}
        url = f"{self.base}/{path}"
        return self.http.send(
            method, url, headers=headers, params=list(params), json=json, data=data or None, timeout=TIMEOUT
        )


def trouble(answer: Answer) -> ConnectorError | None:
    """What concerns the whole organisation rather than one record."""
    codes = {str(one.get("errorCode")) for one in _problems(answer)}
    if answer.status == 429 or "REQUEST_LIMIT_EXCEEDED" in codes:
        return Retry("Salesforce's calls of today are used up", after=retry_after(answer) or DAY_IS_OVER)
    if answer.status in {401, 403} or codes & {"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"}:
        return Pause(_ACCESS)
    if answer.status == 503:
        return Retry("Salesforce is away for a while", after=retry_after(answer) or 30.0)
    if answer.status >= 500 and "text/xml" not in answer.headers.get("content-type", ""):
        return Retry(f"Salesforce answered with status {answer.status}", effect=True)
    if 300 <= answer.status < 400 or (answer.status == 404 and not codes):
        return Pause("This address does not answer like Salesforce: enter the organisation's My Domain address")
    return None


def _problems(answer: Answer) -> list[dict[str, Any]]:
    if answer.status < 400:
        return []
    try:
        told = answer.json()
    except Retry:
        return []
    return problems(told)


def problems(told: Any) -> list[dict[str, Any]]:
    """Errors in either of the two shapes Salesforce has for them, as errorCode, message, fields."""
    rows = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    return [{**one, "errorCode": one.get("errorCode") or one.get("statusCode") or ""} for one in rows]


def refusal(errors: Sequence[Mapping[str, Any]]) -> ConnectorError:
    """What became of one record. The words of Salesforce quote values and are not passed on."""
    codes = [str(one.get("errorCode")) for one in errors] or ["no reason"]
    names = [str(name) for one in errors for name in (one.get("fields") or []) if isinstance(one.get("fields"), list)]
    meaning = _CODES.get(codes[0], "")
    if meaning in {"wait", "soon"}:
        return Retry("Salesforce is busy with this record", after=DAY_IS_OVER if meaning == "wait" else 5.0)
    if meaning == "gone":
        return Missing("Salesforce has no such record any more")
    if meaning == "twin":
        return Conflict("Salesforce takes this for a record it has already")
    if meaning == "pause" and not names:
        return Pause(_ACCESS)
    what = ", ".join(names) or "the record"
    return Refuse(f"Salesforce refuses {what} ({codes[0]})", dict.fromkeys(names, codes[0]))
