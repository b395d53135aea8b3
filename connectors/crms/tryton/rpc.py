"""The line to one Tryton database: JSON-RPC, logging in when it has to, and the names of what goes wrong.

An error that Tryton answers means that its transaction was rolled back: nothing happened. Everything else that is no
result leaves the outcome open.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

from connectors.contract import Answer, Http, Value
from connectors.errors import Conflict, Pause, Refuse, Retry
from connectors.http import retry_after

_PAUSES = {
    401: "Tryton does not accept this user name and password",
    403: "Tryton does not let this user do what the hub needs: check the groups of the user",
    404: "Tryton has no such database at this address",
    405: "This address does not answer like Tryton 8: check address and version",
}
_BUSY = re.compile(r"lock|deadlock|serializ|timeout|timed out|connection", re.IGNORECASE)
_QUOTED = re.compile(r'"[^"]*"')


class Refused(Refuse):
    """Tryton's own refusal. `said` is its sentence with record names and values in quotes: for comparing only."""

    def __init__(self, said: str) -> None:
        super().__init__("Tryton refuses this: " + _QUOTED.sub("…", said))
        self.said = said

    @property
    def quoted(self) -> list[str]:
        """What stands in quotes: labels of fields, names of records, values."""
        return [part[1:-1] for part in _QUOTED.findall(self.said)]


class Rpc:
    """Calls of one user. A session is opened at the first call, and again when the server has forgotten it."""

    def __init__(self, http: Http, base: str, database: str, user: str, password: str) -> None:
        self._http, self._url = http, f"{base}/{database}/rpc/"
        self._user, self._password = user, password
        self._session = ""
        self._context: dict[str, Value] = {}

    @property
    def context(self) -> dict[str, Value]:
        """The user's preferences (company, employee), in the language whose messages we can read, archived included."""
        if not self._session:
            self._log_in()
        return {**self._context, "language": "en", "active_test": False}

    def call(self, method: str, *params: Any, more: Mapping[str, Value] | None = None) -> Any:
        """The result of a method of the database, called with the context and `more` of it.

        Raises `Refused`, `Conflict`, `Pause`, `Retry(effect=False)`: nothing happened; `Retry(effect=True)`: unknown.
        """
        return self.told(method, *params, more=more)[0]

    def told(self, method: str, *params: Any, more: Mapping[str, Value] | None = None) -> tuple[Any, Answer]:
        """As `call`, with the answer it came in."""
        context = {**self.context, **(more or {})}
        answer = self._send(method, [*params, context], self._session)
        if answer.status == 401:
            self._session = ""
            context = {**self.context, **(more or {})}
            answer = self._send(method, [*params, context], self._session)
        return _result(answer), answer

    def _log_in(self) -> None:
        told = _result(self._send("common.db.login", [self._user, {"password": self._password}, "en"]))
        if not isinstance(told, list) or len(told) < 2 or not isinstance(told[0], int):
            raise Pause(_PAUSES[401])
        session = "Session " + b64encode(f"{self._user}:{told[0]}:{told[1]}".encode()).decode()
        prefs = _result(self._send("model.res.user.get_preferences", [True, {}], session))
        if not isinstance(prefs, dict):
            raise Pause(_PAUSES[405])
        self._context, self._session = prefs, session

    def _send(self, method: str, params: list[Any], session: str = "") -> Answer:
        headers = {"Authorization": session} if session else {}
        return self._http.send("POST", self._url, headers=headers, json={"id": 1, "method": method, "params": params})


def _result(answer: Answer) -> Any:
    if answer.status in _PAUSES:
        raise Pause(_PAUSES[answer.status])
    if answer.status == 429:
        raise Retry("Tryton asks for a pause after failed logins", after=retry_after(answer) or 60.0, effect=False)
    if answer.status in {400, 413}:
        raise Refuse(f"Tryton cannot read this call (status {answer.status})")
    if answer.status != 200:
        raise Retry(f"Tryton answered with status {answer.status}", effect=True)
    told = answer.json()
    if not isinstance(told, dict) or not told.keys() & {"result", "error"}:
        raise Retry("The answer is not one of Tryton's: is the address right?", effect=True)
    if "error" in told:
        raise _error(told["error"])
    return told["result"]


def _error(error: Any) -> Exception:
    """UserError and UserWarning carry a list, the others a text."""
    kind, *rest = error if isinstance(error, list) and error else [""]
    detail = rest[0] if rest else ""
    if kind == "UserError" and isinstance(detail, list) and detail:
        return Refused(str(detail[0]))
    if kind == "UserWarning":
        return Refuse("Tryton warns and waits for a person to confirm")
    if kind == "ConcurrencyException":
        return Conflict("The record was changed in Tryton meanwhile")
    if kind == "LoginException":
        return Pause(_PAUSES[401])
    if _BUSY.search(str(kind)):
        return Retry("Tryton's database is busy", effect=False)
    return Refused(f'Python error "{kind}"')
