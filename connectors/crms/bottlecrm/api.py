"""Calls to BottleCRM's API, and the names of what goes wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Http, Value
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after

LEADS, DEALS, CONTACTS, ACCOUNTS = "leads", "opportunities", "contacts", "accounts"
NOTES, TASKS = "comments", "tasks"
OBJECTS = {
    LEADS: "lead_obj", DEALS: "opportunity_obj", CONTACTS: "contact_obj", ACCOUNTS: "account_obj", TASKS: "task_obj",
}  # fmt: skip
"""What a record is called in its own answer."""
_NOBODY = "Organization context"
_QUOTED = re.compile(r"""["'][^"']*["']""")
_REF = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
Params = Sequence[tuple[str, str]]
Row = dict[str, Any]


class Api:
    """The calls of one token."""

    def __init__(self, http: Http, base: str, token: str) -> None:
        self._http, self._base, self._token = http, base, token

    def call(self, method: str, path: str, params: Params = (), json: Value = None) -> Answer:
        """One call below /api. Raises `Pause` and `Retry` for what concerns the whole account."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = self._http.send(method, f"{self._base}/api/{path}", headers=headers, params=list(params), json=json)
        if answer.status == 401 or (answer.status == 403 and _NOBODY in _detail(answer)):
            # A bad token is a 403: seen on 1.35.0.
            raise Pause("BottleCRM does not accept the token: create a new personal access token")
        if answer.status == 429:
            raise Retry("BottleCRM asks for a pause", after=retry_after(answer) or 60.0, effect=False)
        if 300 <= answer.status < 400:
            raise Pause("This address leads elsewhere: enter the address of BottleCRM's server itself")
        return answer

    def read(self, path: str, params: Params = ()) -> tuple[dict[str, Any], Answer]:
        """A GET: its object and the answer."""
        answer = self.call("GET", path, params)
        return _object(answer), answer

    def object(self, kind: str, ref: str) -> dict[str, Any] | None:
        """One record, None where there is positively none."""
        told = self.around(kind, ref)
        return None if told is None else told[OBJECTS[kind]]

    def around(self, kind: str, ref: str) -> dict[str, Any] | None:
        """One record with what its page shows around it, None where there is positively none."""
        answer = self.call("GET", f"{kind}/{ref}/")
        if answer.status == 404 and (_detail(answer) or not _REF.match(ref)):  # a malformed id gets a page
            return None
        told = _object(answer)
        found = told.get(OBJECTS[kind])
        if not isinstance(found, dict) or not found.get("id"):
            raise Retry("BottleCRM's answer holds no record")
        return told

    def send(self, method: str, path: str, json: Value) -> tuple[dict[str, Any], Answer]:
        """A call that changes something. Raises `Refuse` and `Missing`; `Retry(effect=True)` when nobody knows."""
        answer = self.call(method, path, json=json)
        if answer.status in {200, 201, 204}:
            told = answer.json() if answer.body else {}
            if not isinstance(told, dict) or (told and told.get("status") == "error"):
                raise Retry("BottleCRM's answer does not say what it did", effect=True)
            return told, answer
        if answer.status >= 500:
            raise Retry(f"BottleCRM answered with status {answer.status}: it may have stored it", effect=True)
        raise _refusal(answer)


def _object(answer: Answer) -> dict[str, Any]:
    if answer.status == 404:
        raise Pause("This address does not answer like BottleCRM: check it")
    if answer.status == 403:
        raise Pause("The token's user may not read this: it must be an administrator, the token without scopes")
    told = answer.json() if answer.status == 200 else None
    if not isinstance(told, dict):
        raise Retry(f"BottleCRM answered with status {answer.status} and no usable content")
    return told


def now(answer: Answer) -> datetime:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        raise Retry("BottleCRM's answer has no Date header, so no safe cursor can be set") from None


def _detail(answer: Answer) -> str:
    """What a refusal says in one text, "" for a page."""
    told = _told(answer)
    return str(told.get("detail") or told.get("errors") or "")


def _told(answer: Answer) -> dict[str, Any]:
    try:
        told = answer.json()
    except Retry:
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(answer: Answer) -> ConnectorError:
    if answer.status == 404:
        return Missing("The record is gone in BottleCRM")
    if answer.status == 403:
        return Refuse("BottleCRM does not let the token's user do this")
    if answer.status not in {400, 409, 413, 422}:
        return Retry(f"BottleCRM answered with status {answer.status}")
    told = _told(answer)
    fields = dict(_named(told.get("errors", told)))
    words = "; ".join(f"{name}: {why}" for name, why in fields.items()) or f"status {answer.status}"
    if "already exists with this email" in fields.get("email", ""):
        return Conflict("BottleCRM has a contact with this e-mail already")
    if "Account already exists with this name" in fields.get("name", ""):
        return Conflict("BottleCRM has a company with this name already")
    return Refuse(f"BottleCRM refuses {words}", fields)


def _named(errors: Any) -> Iterator[tuple[str, str]]:
    """Fields and reasons, those of custom fields under their own names; quoted values are left out."""
    if not isinstance(errors, dict):
        return
    for name, why in errors.items():
        if name == "custom_fields" and isinstance(why, dict):
            yield from _named(why)
        elif name not in {"error", "detail", "non_field_errors"}:
            text = " ".join(map(str, why)) if isinstance(why, list) else str(why)
            yield str(name), _QUOTED.sub("…", text)
