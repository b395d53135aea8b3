"""Calls to one EspoCRM, and what a refusal means. There is no limit of calls; a proxy before it may have one."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Http
from connectors.crms.espocrm.shape import Row
from connectors.errors import Pause, Retry, Unsupported
from connectors.http import retry_after

Params = Sequence[tuple[str, str]]


class NotAllowed(Pause):
    """The role of the API user lacks a right."""


class Api:
    """One site. `admin` is (user, password) of an administrator, for the set-up only."""

    def __init__(self, http: Http, base: str, key: str, admin: tuple[str, str] = ("", "")) -> None:
        self._http, self.base, self._key, self._admin = http, base, key, admin

    def call(self, method: str, path: str, params: Params = (), json: Any = None, headers: Row | None = None) -> Answer:
        """One call; raises what concerns the whole site, answers the rest."""
        signed = {"X-Api-Key": self._key, **(headers or {})}
        answer = self._http.send(method, f"{self.base}/api/v1/{path}", headers=signed, params=list(params), json=json)
        if answer.status == 401:
            raise Pause("EspoCRM does not accept the API key: copy it again from the API user")
        if answer.status == 429 or (answer.status == 503 and retry_after(answer) is not None):
            raise Retry("EspoCRM (or the proxy before it) wants us to wait", after=retry_after(answer) or 5.0)
        if 300 <= answer.status < 400:
            raise Pause("The EspoCRM site moved: enter its new address")
        return answer

    def as_admin(self, method: str, path: str, json: Any = None) -> Answer:
        """What an API user may never do."""
        if not all(self._admin):
            raise Unsupported("EspoCRM lets only an administrator do this: enter one's name and password")
        pair = b64encode(":".join(self._admin).encode()).decode()
        headers = {"Espo-Authorization": pair, "Authorization": f"Basic {pair}"}
        return self._http.send(method, f"{self.base}/api/v1/{path}", headers=headers, json=json)

    def read(self, path: str, params: Params = ()) -> tuple[Row, Answer]:
        """A GET: the parsed object, {} when there is no such thing."""
        answer = self.call("GET", path, params, headers={"X-No-Total": "true"})
        if answer.status == 404:
            return {}, answer
        if answer.status == 403:
            raise NotAllowed(f"The API user's role does not allow this in EspoCRM: {reason(answer) or path}")
        if answer.status >= 500:
            raise Retry(f"EspoCRM answered with status {answer.status}")
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or not told.keys() & {"id", "list", "user", "fields"}:
            raise Retry(f"EspoCRM answered {path.split('/')[0]} with status {answer.status} and no usable content")
        return told, answer


def rows(told: Row) -> list[Row]:
    """Rows of a list."""
    found = told.get("list")
    return [row for row in found if isinstance(row, dict) and row.get("id")] if isinstance(found, list) else []


def further(told: Row, page: int) -> bool:
    """Whether there is more: instead of a total, X-No-Total gives -1 for that and -2 for the end."""
    total = told.get("total")
    return total == -1 if total in (-1, -2) else len(rows(told)) >= page


def now(answer: Answer) -> int:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except (TypeError, ValueError):
        raise Retry("EspoCRM's answer has no Date header, so no safe cursor can be set") from None


def reason(answer: Answer) -> str:
    """Why a call was refused: in a header, rarely in the body."""
    return answer.headers.get("x-status-reason", "")[:200]
