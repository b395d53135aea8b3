"""What HubSpot's answers say: which input a line is about, and what the hub does about a refusal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from connectors.contract import Answer, Op
from connectors.crms.hubspot.shape import MARKER, named
from connectors.errors import Conflict, ConnectorError, Missing, Pause, Refuse, Retry
from connectors.http import retry_after

Told = Mapping[str, Any]
_WRONG = re.compile(r"Property values were not valid: (\[.*\])", re.DOTALL)
_TWIN = re.compile(r"Existing ID:\s*(\d+)")


_BUSY = {423: 2.0, 477: 60.0, 429: 1.0}  # a locked record, a move to another data centre, too many calls
_DAY = 600.0


def rows(told: Any, name: str = "results") -> list[dict[str, Any]]:
    """The objects of a list inside an answer, whatever else stands there."""
    found = told.get(name) if isinstance(told, dict) else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def problem(answer: Answer) -> Told:
    """The body of a refusal, empty when it is none of HubSpot's."""
    try:
        told = answer.json()
    except Retry:
        return {}
    return told if isinstance(told, dict) else {}


def trouble(answer: Answer) -> ConnectorError | None:
    """What concerns the whole account, None when it is about this call only."""
    if answer.status in _BUSY:
        return _busy(answer)
    if answer.status == 401:
        return Pause("HubSpot does not accept the access token: copy it from the private app again")
    return _forbidden(answer) if answer.status == 403 else None


def _busy(answer: Answer) -> Retry:
    """No header says when the calls of a day are renewed: at midnight in the account's time zone."""
    day = "daily" in str(problem(answer).get("policyName") or problem(answer).get("message") or "").lower()
    asked = retry_after(answer)
    wait = asked if asked is not None else _DAY if day else _BUSY[answer.status]
    return Retry("HubSpot's calls of today are used up" if day else "HubSpot asks us to wait", after=wait)


def _forbidden(answer: Answer) -> Pause | Retry:
    """A scope that was not granted is for a person; a page of the guard before HubSpot passes."""
    told = problem(answer)
    if told.get("category") == "MISSING_SCOPES" or "scope" in str(told.get("message") or "").lower():
        scopes = {one for error in rows(told, "errors") for one in _scopes(error)}
        return Pause(f"HubSpot: the app lacks scopes: {', '.join(sorted(scopes)) or 'see the setup guide'}")
    return Retry("HubSpot blocks us for a while, or the app may not do this", after=60.0)


def _scopes(error: Told) -> Iterator[str]:
    context = error.get("context")
    told = context.get("requiredGranularScopes") if isinstance(context, dict) else None
    yield from map(str, told if isinstance(told, list) else ())


def keys_of(row: Told) -> Iterator[str]:
    """Everything by which the input of a result can be known again."""
    told = row.get("properties")
    for one in (row.get("objectWriteTraceId"), row.get("id"), told.get(MARKER) if isinstance(told, dict) else None):
        if isinstance(one, str) and one:
            yield one


def blamed(error: Told) -> Iterator[str]:
    """The inputs an error names: trace ids, or ids of records."""
    context = error.get("context")
    for name in ("objectWriteTraceId", "ids", "id"):
        told = context.get(name) if isinstance(context, dict) else None
        yield from (str(one) for one in (told if isinstance(told, list) else [told]) if one)


def wrong_fields(error: Told) -> dict[str, str]:
    """Properties that were refused and why: HubSpot hides a JSON list in the sentence."""
    found = _WRONG.search(str(error.get("message") or ""))
    try:
        listed = json.loads(found[1]) if found else []
    except (ValueError, RecursionError):
        listed = []
    lines = [one for one in listed if isinstance(one, dict)] if isinstance(listed, list) else []
    return {str(one.get("name")): _short(one) for one in lines if one.get("name")}


def twin(error: Told) -> str:
    """The id of the contact that has this e-mail already, "" when the error is another one."""
    found = _TWIN.search(str(error.get("message") or ""))
    return found[1] if found else ""


def unmarked(error: Told) -> bool:
    """Whether the account has no property for our marker, or one that is not unique."""
    text = str(error.get("message") or "")
    return MARKER in text and ("non-unique" in text or "PROPERTY_DOESNT_EXIST" in text)


def there_already(error: Told) -> bool:
    """Whether a create failed because a record carries its marker."""
    return MARKER in wrong_fields(error) and not unmarked(error)


def refusal(op: Op, error: Told) -> ConnectorError:
    """What one refused input means for its op."""
    category = str(error.get("category") or "")
    if unmarked(error):
        return Pause(f"HubSpot has no unique property {MARKER} for {op.kind}: set the account up first")
    if category == "RATE_LIMITS" or error.get("errorType") == "RATE_LIMIT":
        return Retry("HubSpot was busy with this record", after=1.0)
    if category == "OBJECT_NOT_FOUND" and op.ref:
        return Missing(f"HubSpot has no {op.kind} {op.ref} any more")
    if ref := twin(error):
        if not op.ref:
            return Conflict(f"Another hub record has the contact {ref} with this e-mail", ref)
        name = named(op.kind, op.values, "email")
        return Refuse("This e-mail belongs to another contact", {name: f"belongs to contact {ref}"})
    fields = {named(op.kind, op.values, name): why for name, why in wrong_fields(error).items()}
    return Refuse(f"HubSpot refuses {', '.join(fields) or 'the record'} ({category or 'no reason given'})", fields)


def _short(one: Told) -> str:
    """The code of a wrong value. Its sentence quotes the value, which is personal."""
    return str(one.get("error") or "not valid")
