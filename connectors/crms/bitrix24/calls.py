"""How Bitrix24 is spoken to: single calls in JSON, batches of commands in PHP's query form, and what its refusals mean.

Guarantees: a refusal is named after what the hub does next; a batch tells for every command whether it was done,
refused or not mentioned. Throttling is known by the code in the body: Bitrix24 answers it with 503 and with 429, and
sends no Retry-After (https://apidocs.bitrix24.com/limits.html).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import quote

from connectors.contract import Answer, Http, Value
from connectors.errors import ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after

LIMIT = 50  # commands in one batch
TIMEOUT = 60.0  # Bitrix24 ends a request after a minute by itself
BUSY_SECONDS = 400.0  # of 480 that one method may use up in ten minutes
_THROTTLED = {"QUERY_LIMIT_EXCEEDED": 1.0, "OPERATION_TIME_LIMIT": 60.0}
_PAUSES = {
    "expired_token": "Bitrix24 no longer accepts the token: connect the account again",
    "invalid_token": "Bitrix24 does not accept the token: connect the account again",
    "no_auth_found": "Bitrix24 does not know this webhook: create a new incoming webhook and enter its address",
    "invalid_credentials": "Bitrix24 does not accept the webhook: its owner left or lost the rights",
    "insufficient_scope": "The webhook or application lacks a permission: tick CRM and Users in its card",
    "payment_required": "The Bitrix24 account is not paid",
    "portal_deleted": "This Bitrix24 account was deleted",
    "overload_limit": "Bitrix24 has blocked this account's REST by hand: ask its support",
    "user_access_error": "The application may not be used by this user: give the user access to it",
    "allowed_only_intranet_user": "The webhook belongs to an outside user: let an employee create it",
    "error_method_not_found": "This account has no such method: its version or plan is too old",
}
_QUOTED = re.compile(r"[\"'«`]([^\"'»`]{1,80})[\"'»`]|\b(UF_CRM_\w+)")


@dataclass(frozen=True, slots=True)
class Ref:
    """What an earlier command of the same batch answered: `Ref("a1", "item", "id")`."""

    key: str
    path: tuple[str | int, ...]

    def __str__(self) -> str:
        return f"$result[{self.key}]" + "".join(f"[{part}]" for part in self.path)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a batch."""

    method: str
    params: Mapping[str, Any] = field(default_factory=dict)

    def text(self) -> str:
        """PHP's query form. Brackets are encoded too, references to earlier answers are not, as the vendor shows it."""
        return f"{self.method}?" + "&".join(_pair(name, value) for name, value in _flat(self.params, ""))


@dataclass(frozen=True, slots=True)
class Batch:
    """Answers by command key. A key in neither map is a command nobody knows about. `wait` are seconds a method
    that was used up wants to rest, `clock` the remote time in unix seconds."""

    told: Mapping[str, Any]
    refused: Mapping[str, tuple[str, str]]
    next: Mapping[str, Any]
    clock: float
    wait: float | None = None

    def done(self, key: str) -> Any:
        """What a command answered; raises what its refusal means."""
        if key in self.told:
            return self.told[key]
        raise self.error(key) or Retry("Bitrix24's answer does not mention this command", effect=True)

    def error(self, key: str, values: Mapping[str, Value] | None = None) -> ConnectorError | None:
        """What the refusal of a command means, None when it was not refused."""
        return meaning(*self.refused[key], values or {}) if key in self.refused else None


class Rest:
    """Calls below one REST address. `base` holds the webhook's secret and is never shown; `http` is asked for at each
    call, because the hub signs in after the connector is made."""

    def __init__(self, http: Callable[[], Http], base: str) -> None:
        self._http, self._base = http, base.rstrip("/")

    def call(self, method: str, params: Mapping[str, Value]) -> tuple[Any, float]:
        """One method: its result and the remote time. Raises what a refusal means."""
        answer = self._http().send("POST", f"{self._base}/{method}", json=dict(params), timeout=TIMEOUT)
        told = _judged(answer)
        return told["result"], _clock(told)

    def batch(self, commands: Mapping[str, Command]) -> Batch:
        """At most 50 commands, one after the other; the refusal of one does not stop the others."""
        wish = {"halt": 0, "cmd": {key: one.text() for key, one in commands.items()}}
        result, clock = self.call("batch", wish)
        if not isinstance(result, dict) or "result" not in result:
            raise Retry("Bitrix24 answered a batch with no usable content", effect=True)
        refused = {key: _refusal(one) for key, one in _keyed(result.get("result_error")).items()}
        busy = [one for one in _keyed(result.get("result_time")).values() if isinstance(one, dict)]
        return Batch(_keyed(result["result"]), refused, _keyed(result.get("result_next")), clock, _rest(busy, clock))


def meaning(code: str, text: str, values: Mapping[str, Value] | None = None) -> ConnectorError:
    """The error of a refused call. `values` are those that were sent: the ones that are blamed are named."""
    if code.upper() in _THROTTLED:
        return Retry(f"Bitrix24 asks for a rest ({code.lower()})", after=_THROTTLED[code.upper()])
    if code.lower() in _PAUSES:
        return Pause(_PAUSES[code.lower()])
    if code in {"NOT_FOUND", "ERROR_NOT_FOUND"} or text.strip().rstrip(".").lower() in {
        "not found",
        "element not found",
    }:
        return Missing("Bitrix24 has no such record")
    if code == "INTERNAL_SERVER_ERROR":
        return Retry("Bitrix24 broke down over this", effect=True)
    return Refuse(f"Bitrix24 refuses this: {(text or code)[:200]}", _blamed(text, values or {}))


def _blamed(text: str, values: Mapping[str, Value]) -> dict[str, str]:
    """Bitrix24 names a field by its code or by its label, in quotes."""
    names = {_plain(name): name for name in values}
    told = [a or b for a, b in _QUOTED.findall(text)]
    known = {names[_plain(one)]: text[:200] for one in told if _plain(one) in names}
    return known or {one: text[:200] for one in told[:1]}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", name).casefold()


def _judged(answer: Answer) -> dict[str, Any]:
    told = _body(answer)
    if answer.status == 200 and "result" in told:
        return told
    if "error" in told and answer.status != 200:
        code, text = _refusal(told)
        error = meaning(code, text)
        if isinstance(error, Retry):
            error.after = retry_after(answer) or error.after
        elif isinstance(error, Refuse) and answer.status >= 500:
            return _strange(answer)
        elif answer.status in {401, 403}:
            error = error if isinstance(error, Pause) else Pause(f"Bitrix24 refuses access: {(text or code)[:200]}")
        raise error
    return _strange(answer)


def _strange(answer: Answer) -> dict[str, Any]:
    """No answer of Bitrix24's REST: a web page, a redirect, a breakdown."""
    if 300 <= answer.status < 400:
        raise Pause("The Bitrix24 account moved: enter its new address")
    if answer.status in {401, 403, 404}:
        raise Pause("This address does not answer like Bitrix24's REST: check the address of the webhook")
    after = retry_after(answer) or (60.0 if answer.status == 429 else None)
    raise Retry(
        f"Bitrix24 answered with status {answer.status} and no usable content", after=after, effect=answer.status != 429
    )


def _body(answer: Answer) -> dict[str, Any]:
    try:
        told = answer.json()
    except Retry:
        if answer.status == 200:
            raise
        return {}
    return told if isinstance(told, dict) else {}


def _refusal(one: Any) -> tuple[str, str]:
    """(code, text); the code may be "" or 0."""
    if not isinstance(one, dict):
        return "", str(one)
    return str(one.get("error") or ""), str(one.get("error_description") or "")


def _keyed(told: Any) -> dict[str, Any]:
    """PHP writes an empty map as [], and one whose keys look like numbers as a list: that one cannot be matched."""
    return told if isinstance(told, dict) else {}


def _clock(told: Mapping[str, Any]) -> float:
    """When the call began by their clock, the only one their change times can be compared with; 0 if not said."""
    time = told.get("time")
    start = time.get("start") if isinstance(time, dict) else None
    if isinstance(start, int | float) and not isinstance(start, bool):
        return float(start)
    try:
        return datetime.fromisoformat(str(time["date_start"])).timestamp() if isinstance(time, dict) else 0.0
    except (KeyError, ValueError):
        return 0.0


def _rest(times: Sequence[Mapping[str, Any]], clock: float) -> float | None:
    """Seconds until a method that is nearly used up has its time again."""
    waits = [float(one["operating_reset_at"]) - clock for one in times
             if _number(one.get("operating")) > BUSY_SECONDS and _number(one.get("operating_reset_at"))]  # fmt: skip
    return max(1.0, max(waits)) if waits else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _flat(value: Any, name: str) -> Iterator[tuple[str, Any]]:
    """PHP brackets. An empty list is sent as one blank, which is how a list is cleared."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            yield from _flat(one, f"{name}[{key}]" if name else str(key))
    elif isinstance(value, list | tuple):
        for n, one in enumerate(value or [""]):
            yield from _flat(one, f"{name}[{n}]")
    else:
        yield name, value


def _pair(name: str, value: Any) -> str:
    if isinstance(value, Ref):
        return f"{quote(name, safe='')}={value}"
    if isinstance(value, bool):
        text = str(int(value)) if "UF_" in name else "YN"[not value]
    else:
        # "$result[...]" in what a person wrote would be replaced by another command's answer.
        text = "" if value is None else str(value).replace("$result", "$\u200bresult")
    return f"{quote(name, safe='')}={quote(text, safe='')}"
