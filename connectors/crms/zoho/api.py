"""How Zoho CRM is called, and what its errors mean: those of a whole call, and those of one record in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Http, Value
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after
from connectors.oauth import Grant

VERSION = "v8"
TIMEOUT = 60.0
LIST = 200
"""Rows of a page of a plain list."""
CROWDED = 60.0
"""Concurrent calls and credits come back by themselves; nothing says when."""
_SCOPE = ("ZohoCRM.modules.ALL,ZohoCRM.settings.ALL,ZohoCRM.users.READ,ZohoCRM.org.READ,ZohoCRM.coql.READ,"
          "ZohoCRM.notifications.ALL,ZohoSearch.securesearch.READ")  # fmt: skip

_LIMITS = {"TOO_MANY_REQUESTS", "LIMIT_EXCEEDED", "API_LIMIT_EXCEEDED"}
_RIGHTS = {"INVALID_TOKEN", "AUTHENTICATION_FAILURE", "OAUTH_SCOPE_MISMATCH", "NO_PERMISSION", "AUTHORIZATION_FAILED",
           "INVALID_MODULE", "INACTIVE_USER", "ORG_INACTIVE"}  # fmt: skip
_ACCESS = "Zoho does not let the hub's user in: connect the account again, and check the scopes and the user's profile"


@dataclass(frozen=True, slots=True)
class Api:
    """One organisation. `token` is empty where OAuth puts it on every call."""

    http: Http
    base: str
    token: str

    def call(
        self,
        method: str,
        path: str,
        params: Sequence[tuple[str, str]] = (),
        json: Value = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call below /crm. Raises what concerns the whole organisation, answers the rest."""
        signed = {"Authorization": f"Zoho-oauthtoken {self.token}"} if self.token else {}
        url = f"{self.base}/crm/{VERSION}/{path}"
        wanted = {**signed, **(headers or {})}
        answer = self.http.send(method, url, headers=wanted, params=list(params), json=json, timeout=TIMEOUT)
        if error := trouble(answer):
            raise error
        return answer

    def rows(
        self, path: str, name: str, params: Sequence[tuple[str, str]] = (), headers: Mapping[str, str] | None = None
    ) -> tuple[list[dict[str, Any]], bool, Answer]:
        """A list: its rows, whether there are more, and the answer. 204 and 304 are Zoho's empty lists."""
        answer = self.call("GET", path, params, headers=headers)
        try:
            return listed(answer, name, path)
        except Refuse as error:
            raise Pause(f"{error}: check the hub's user and its scopes") from None

    def pages(self, path: str, params: Sequence[tuple[str, str]], headers: Mapping[str, str]) -> list[dict[str, Any]]:
        """All rows of a plain list, of ten pages at most."""
        found: list[dict[str, Any]] = []
        for page in range(1, 11):
            numbered = [*params, ("page", str(page)), ("per_page", str(LIST))]
            rows, more, _ = self.rows(path, "data", numbered, headers)
            found += rows
            if not more:
                break
        return found


def listed(answer: Answer, name: str, path: str) -> tuple[list[dict[str, Any]], bool, Answer]:
    """The rows under `name`. Raises `Retry` for anything that is no list."""
    if answer.status in {204, 304}:
        return [], False, answer
    told = answer.json()
    rows = told.get(name) if isinstance(told, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        if answer.status >= 400:
            raise Refuse(f"Zoho refuses to be asked for {path.split('?')[0]} ({code_of(told) or answer.status})")
        raise Retry("Zoho's answer is no list of records", effect=True)
    info = told.get("info")
    return rows, bool(info.get("more_records")) if isinstance(info, dict) else False, answer


def code_of(told: Any) -> str:
    """The code of an error, "" for anything else."""
    return str(told.get("code") or "") if isinstance(told, dict) else ""


def trouble(answer: Answer) -> ConnectorError | None:
    """What concerns the whole organisation rather than one record."""
    code = _code(answer) if answer.status >= 400 else ""
    if answer.status == 429 or code in _LIMITS:
        return Retry("Zoho wants fewer calls, or today's credits are used up", after=retry_after(answer) or CROWDED)
    if answer.status in {401, 403} or code in _RIGHTS:
        return Pause(_ACCESS)
    if answer.status == 503 and retry_after(answer) is not None:
        return Retry("Zoho is away for a while", after=retry_after(answer))
    if answer.status >= 500:
        return Retry(f"Zoho answered with status {answer.status}", effect=True)
    if (answer.status != 304 and 300 <= answer.status < 400) or (answer.status == 404 and not code):
        return Pause("This address does not answer like Zoho CRM: check the address of your data centre")
    return None


def _code(answer: Answer) -> str:
    try:
        return code_of(answer.json())
    except Retry:
        return ""


def refusal(told: Mapping[str, Any]) -> ConnectorError:
    """What became of one record. Zoho's words quote values and are not passed on."""
    code, details = code_of(told) or "no reason", told.get("details")
    details = details if isinstance(details, dict) else {}
    name = str(details.get("api_name") or "")
    if code in _LIMITS or code in {"RECORD_LOCKED", "INTERNAL_ERROR"}:
        return Retry("Zoho is busy with this record", after=5.0 if code not in _LIMITS else CROWDED)
    if code == "DUPLICATE_DATA":
        return Conflict("Zoho has a record with this value already", _twin(details))
    if (
        code in {"INVALID_DATA", "RECORD_NOT_FOUND"} and name in {"id", ""} and "json_path" not in details
    ) or name == "id":
        return Missing("Zoho has no such record any more")
    return Refuse(f"Zoho refuses {name or 'the record'} ({code})", {name: code} if name else {})


def _twin(details: Mapping[str, Any]) -> str | None:
    other = details.get("duplicate_record")
    ref = other.get("id") if isinstance(other, dict) else details.get("id")
    return str(ref) if ref else None


# ── times ────────────────────────────────────────────────────────────────────────────────────────


def after(second: int) -> dict[str, str]:
    """The header that asks for what changed since."""
    return {"If-Modified-Since": datetime.fromtimestamp(second, UTC).isoformat()}


def date_of(answer: Answer) -> datetime | None:
    """Their clock when they answered."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def known_date(answer: Answer) -> datetime:
    """The same where the next look depends on it."""
    at = date_of(answer)
    if at is None:
        raise Retry("Zoho's answer has no Date header, so no safe cursor can be set")
    return at


# ── access ───────────────────────────────────────────────────────────────────────────────────────


def grant(base: str, client: str, secret: str, uri: str) -> Grant:
    """How tokens are got and refreshed in the data centre of this address."""
    centre = base.partition("zohoapis.")[2] or "com"
    accounts = "https://accounts.zohocloud.ca" if centre == "ca" else f"https://accounts.zoho.{centre}"
    return Grant(
        f"{accounts}/oauth/v2/token", client, secret, uri, authorize=f"{accounts}/oauth/v2/auth", scope=_SCOPE,
        more=(("access_type", "offline"), ("prompt", "consent")), scheme="Zoho-oauthtoken",
    )  # fmt: skip
