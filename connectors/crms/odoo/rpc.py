"""The doors of an Odoo database: JSON-2 from version 19 on, JSON-RPC before. Both behind one `call`.

Guarantees: an error that Odoo itself reports means that its transaction was rolled back, so it is raised as one
without effect; whatever else comes back (a page of a proxy, half an answer) leaves the outcome open. No text of
Odoo's errors is passed on, because it quotes values; the names of the fields it speaks of are.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from connectors.contract import Answer, Http, Value
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after

TIMEOUT = 120.0
"""A worker of Odoo is killed after 120 s by default (limit_time_real): nothing of a call can happen later."""
JSON2_SINCE = 19

_ADDRESS = "This address does not answer like Odoo: check the address and that its API is not blocked"
_KEY = "Odoo does not accept the API key: make a new one under Preferences → Account security"
_FIELDS = re.compile(r"Field: [^\n]*?\((\w+)\)|Wrong value for [\w.]+\.(\w+):|Invalid field '?(\w+)")
_BUSY = re.compile(r"SerializationFailure|LockNotAvailable|DeadlockDetected|OperationalError|could not serialize")


class Denied(Refuse):
    """The user has no right to this model, or to one of these records."""


def is_id(value: Any) -> bool:
    """An id; `false` stands for none."""
    return isinstance(value, int) and not isinstance(value, bool)


def rows(told: Any) -> list[dict[str, Any]]:
    """The rows of a list; `Retry` when it is none."""
    if not isinstance(told, list) or not all(isinstance(row, dict) and is_id(row.get("id")) for row in told):
        raise Retry("Odoo's answer is no list of records", effect=True)
    return told


def now(answer: Answer) -> int:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except (TypeError, ValueError):
        raise Retry("Odoo's answer has no Date header, so no safe cursor can be set") from None


class Told(NamedTuple):
    """A result, and the answer it came in."""

    value: Any
    answer: Answer


@dataclass
class Rpc:
    """One database. Which door it has, and our user's id, are found out once."""

    http: Http
    base: str
    database: str
    login: str
    key: str
    context: Mapping[str, Value]
    version: int = 0
    _user: int = 0

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Value) -> Any:
        """The result of a method; `ids` for methods of records. Raises as the module says."""
        return self.ask(model, method, ids, **named).value

    def ask(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Value) -> Told:
        """As `call`, with the answer around the result."""
        named["context"] = {**self.context, **named.pop("context", {})}
        return self._json2(model, method, ids, named) if self.modern else self._rpc(model, method, ids, named)

    @property
    def modern(self) -> bool:
        """Whether the database has JSON-2."""
        if not self.version:
            self.version = self._detect()
        return self.version >= JSON2_SINCE

    # ── doors ────────────────────────────────────────────────────────────────────────────────────

    def _json2(self, model: str, method: str, ids: Sequence[int] | None, named: Mapping[str, Value]) -> Told:
        headers = {"Authorization": f"bearer {self.key}"}
        if self.database:
            headers["X-Odoo-Database"] = self.database
        body = {**named, **({"ids": list(ids)} if ids is not None else {})}
        answer = self._send("POST", f"json/2/{model}/{method}", body, headers)
        if answer.status == 200:
            return Told(answer.json(), answer)
        raise _failure(answer, _problem(answer))

    def _rpc(self, model: str, method: str, ids: Sequence[int] | None, named: dict[str, Value]) -> Told:
        args: list[Value] = [] if ids is None else [list(ids)]
        if method == "create":  # looked at by position up to version 18
            args.append(named.pop("vals_list"))
        user = self._user or self._authenticate()
        return self._execute("object", "execute_kw", [self._db(), user, self.key, model, method, args, named])

    def _execute(self, part: str, method: str, args: list[Value]) -> Told:
        params = {"service": part, "method": method, "args": args}
        answer = self._send("POST", "jsonrpc", {"jsonrpc": "2.0", "method": "call", "id": 1, "params": params})
        told = answer.json() if answer.status == 200 else None
        if not isinstance(told, dict):
            raise _failure(answer, _problem(answer))
        if isinstance(told.get("error"), dict):
            data = told["error"].get("data")
            raise _failure(answer, data if isinstance(data, dict) else {"name": "?"})
        if "result" not in told and told.get("jsonrpc") != "2.0":
            raise Retry("The answer is JSON, but not Odoo's: is the address right?", effect=True)
        return Told(told.get("result"), answer)

    def _authenticate(self) -> int:
        if not self.login:
            raise Pause("Before version 19 Odoo wants the user's login beside the API key: enter it")
        told = self._execute("common", "authenticate", [self._db(), self.login, self.key, {}]).value
        if not isinstance(told, int) or isinstance(told, bool):
            raise Pause("Odoo knows no user with this login and API key in this database")
        self._user = told
        return told

    def _db(self) -> str:
        host = urlsplit(self.base).hostname or ""
        if not self.database and not host.endswith(".odoo.com"):
            raise Pause("Enter the name of the database: this Odoo is not asked for it by its address")
        return self.database or host.partition(".")[0]

    def _detect(self) -> int:
        """The major version; `version()` needs no login and has been in every Odoo, /web/version is its heir."""
        try:
            told = self._execute("common", "version", []).value
        except Pause:
            answer = self._send("GET", "web/version", None)
            if answer.status != 200:
                raise
            told = answer.json()
        shown = told if isinstance(told, dict) else {}
        info = shown.get("server_version_info") or shown.get("version_info")
        major = re.search(r"\d+", str(info[0])) if isinstance(info, list) and info else None  # "saas~18" is Online
        if not major:
            raise Retry("Odoo's answer does not tell its version: is the address right?")
        return int(major[0])

    def _send(self, method: str, path: str, json: Value, headers: Mapping[str, str] | None = None) -> Answer:
        return self.http.send(method, f"{self.base}/{path}", headers=headers, json=json, timeout=TIMEOUT)


# ── what went wrong ──────────────────────────────────────────────────────────────────────────────


def _problem(answer: Answer) -> dict[str, Any]:
    """Odoo's own description of an error; {} for anything else, a proxy's page above all."""
    try:
        told = answer.json()
    except Retry:
        return {}
    return told if isinstance(told, dict) and isinstance(told.get("name"), str) else {}


def _failure(answer: Answer, problem: Mapping[str, Any]) -> ConnectorError:
    if answer.status == 429:
        return Retry("Odoo wants fewer calls", after=retry_after(answer) or 1.0)
    if answer.status == 401:
        return Pause(_KEY)
    if problem:
        return _named(str(problem.get("name")), str(problem.get("message") or ""))
    if answer.status == 503 and retry_after(answer) is not None:
        return Retry("Odoo is away for a while", after=retry_after(answer))
    if answer.status >= 500:
        return Retry(f"Odoo's server answered with status {answer.status}", effect=True)
    return Refuse("The call is larger than Odoo's server allows") if answer.status == 413 else Pause(_ADDRESS)


def _named(name: str, message: str) -> ConnectorError:
    """By the class of the exception over there; its transaction is rolled back whatever it was."""
    short = name.rpartition(".")[2]
    if short in {"AccessDenied", "Unauthorized", "SessionExpiredException"}:
        return Pause(_KEY)
    if short == "AccessError":
        return Denied("Odoo does not let the hub's user do this: check its access rights")
    if short == "MissingError":
        return Missing("Odoo has no such record any more")
    if _BUSY.search(name) or _BUSY.search(message):
        return Retry("Odoo is busy with the same records", after=1.0)
    if short in {"KeyError", "NotFound"}:
        return Pause("Odoo has no such model or method: is the app CRM installed?")
    fields = {field: short for parts in _FIELDS.findall(message) for field in parts if field}
    return Refuse(f"Odoo refuses {', '.join(fields) or 'the record'} ({short})", fields)
