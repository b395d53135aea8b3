"""Calls to one Pipedrive account: v1 and v2 side by side, and what a refusal of the whole account means.

Guarantees: a call that was throttled, in any of Pipedrive's three ways, is a `Retry` that certainly had no effect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import Answer, Http
from connectors.crms.pipedrive.names import Row
from connectors.errors import Pause, Retry
from connectors.http import retry_after

PAGE = 500  # cost does not depend on the size of a page: always the largest
CLOUDFLARE_SECONDS = 300.0
SPENT_SECONDS = 1800.0  # the day's tokens come back at midnight of a zone we do not know
Params = Sequence[tuple[str, str]]
_PAUSES = {
    401: "Pipedrive does not accept the token: copy it again from Personal preferences, API",
    402: "The Pipedrive account is not paid",
}


class Api:
    """One account. `path` begins with the version: "v2/deals"."""

    def __init__(self, http: Http, base: str, token: str, page: int = PAGE) -> None:
        self._http, self.base, self._token, self.page = http, base, token, page

    def call(self, method: str, path: str, params: Params = (), json: Any = None) -> Answer:
        """One call; raises what concerns the whole account, answers the rest."""
        headers = {"x-api-token": self._token} if self._token else {}
        answer = self._http.send(method, f"{self.base}/api/{path}", headers=headers, params=list(params), json=json)
        if answer.status in _PAUSES:
            raise Pause(_PAUSES[answer.status])
        if answer.status == 429:
            raise Retry("Pipedrive's limit of calls is reached", after=_wait(answer))
        if answer.status == 403:
            _judge_forbidden(answer)
        if 300 <= answer.status < 400:
            raise Pause("The Pipedrive account moved: enter its new address")
        return answer

    def read(self, path: str, params: Params = ()) -> tuple[Row, Answer]:
        """A GET: the parsed envelope ({} when there is no such thing) and the answer."""
        return self.judged(path, self.call("GET", path, params))

    def judged(self, path: str, answer: Answer) -> tuple[Row, Answer]:
        """What `read` answers, of an answer that is here already."""
        if answer.status in {404, 410}:
            return {}, answer
        if answer.status == 403:
            raise Pause(f"The token's user may not read this in Pipedrive: {reason(answer)}")
        if answer.status >= 500:
            raise Retry(f"Pipedrive answered with status {answer.status}")
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or told.get("success") is not True or "data" not in told:
            raise Retry(f"Pipedrive answered {path} with status {answer.status} and no usable content")
        return told, answer

    def all_rows(self, path: str, params: Params = ()) -> list[Row]:
        """Every row of a short list, whichever way it is paged; a single thing is a list of one."""
        found: list[Row] = []
        place: list[tuple[str, str]] = []
        for _ in range(100):
            told, _answer = self.read(path, [*params, ("limit", str(PAGE)), *place])
            found += rows(told)
            after = further(told)
            if after is None:
                break
            place = [after]
        return found

    def one(self, path: str, params: Params = ()) -> Row | None:
        """A single record, None when it is positively absent. Not an id at all (400) is absent too."""
        answer = self.call("GET", path, params)
        if answer.status == 400 and answer.headers.get("content-type", "").startswith("application/json"):
            return None
        found = rows(self._told(answer))
        return found[0] if found else None

    @staticmethod
    def _told(answer: Answer) -> Mapping[str, Any]:
        if answer.status in {404, 410}:
            return {}
        told = answer.json() if answer.status == 200 else None
        if not isinstance(told, dict) or told.get("success") is not True or not isinstance(told.get("data"), dict):
            raise Retry(f"Pipedrive answered with status {answer.status} and no usable content")
        return told


def rows(told: Mapping[str, Any]) -> list[Row]:
    """Rows of a list (null when empty), the hits of a search, or the one record there is."""
    data = told.get("data")
    if isinstance(data, dict) and isinstance(data.get("items"), list):
        data = [hit.get("item") for hit in data["items"] if isinstance(hit, dict)]
    many = data if isinstance(data, list) else [data]
    return [row for row in many if isinstance(row, dict) and row.get("id", row.get("field_code")) is not None]


def further(told: Mapping[str, Any]) -> tuple[str, str] | None:
    """The parameter that asks for the next page, None at the end: a cursor in v2, a position in v1."""
    more = told.get("additional_data")
    more = more if isinstance(more, dict) else {}
    if cursor := more.get("next_cursor"):
        return "cursor", str(cursor)
    pages = more.get("pagination")
    if isinstance(pages, dict) and pages.get("more_items_in_collection"):
        return "start", str(pages.get("next_start"))
    return None


def now(answer: Answer) -> int:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except (TypeError, ValueError):
        raise Retry("Pipedrive's answer has no Date header, so no safe cursor can be set") from None


def instant(answer: Answer) -> datetime:
    """The same as a time."""
    return datetime.fromtimestamp(now(answer), UTC)


def at(seconds: int) -> str:
    """Unix seconds as Pipedrive writes an instant."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def reason(answer: Answer) -> str:
    """What Pipedrive says about a refusal."""
    return str(_told(answer).get("error") or f"status {answer.status}")[:300]


def _told(answer: Answer) -> Mapping[str, Any]:
    try:
        told = answer.json()
    except Retry:
        return {}
    return told if isinstance(told, dict) else {}


def _wait(answer: Answer) -> float:
    """There is no Retry-After; a spent day and a burst look alike but for one header."""
    if answer.headers.get("x-daily-requests-left", "").strip() == "0":
        return SPENT_SECONDS
    asked = retry_after(answer)
    if asked is None:
        reset = answer.headers.get("x-ratelimit-reset", "").strip()
        asked = float(reset) if reset.isdecimal() else None
    return 2.0 if asked is None else asked


def _judge_forbidden(answer: Answer) -> None:
    """HTML comes from Cloudflare when 429 were ignored; JSON says which cap of the plan or which right it is."""
    told = _told(answer)
    if not told:
        raise Retry("Pipedrive's Cloudflare blocks us for a while: too many calls", after=CLOUDFLARE_SECONDS)
    if str(told.get("code", "")).startswith("feature_capping"):
        raise Pause(f"A limit of the Pipedrive plan is reached: {reason(answer)}")
