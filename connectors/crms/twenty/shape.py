"""The two shapes of a record: nested as Twenty has it, flat as the hub's mapping wants it.

Parts of a compound field stand under a dotted name (`name.firstName`), money as a decimal text, phones and e-mails as
lists of `{"value": ..., "enum_code": "primary" or "additional"}`. Fields of ours are called `hub_text` here and
`hubText` over there, where names must be in camel case.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.contract import Record, Value

MICROS = 1_000_000
LINKS: Mapping[str, Mapping[str, str]] = {
    "opportunities": {"people": "pointOfContactId", "companies": "companyId"},
    "people": {"companies": "companyId"},
}
"""Other records a record names, one of each kind."""
TARGETS = {"opportunities": "opportunityId", "people": "personId", "companies": "companyId"}
_IDS = uuid.UUID("6f9d1a52-5c0e-4b7e-9a53-3d4b2f0c7a11")  # any constant will do, it may never change
_PLAIN = frozenset({"name", "stage", "closeDate", "jobTitle", "city", "title", "status", "dueAt", "position"})
_UNSENT = frozenset({"id", "createdAt", "updatedAt", "deletedAt", "createdBy", "updatedBy", "searchVector"})


def ref_of(kind: str, marker: str) -> str:
    """The id of the record that carries a marker: the client may choose it, so the same marker is the same record."""
    try:
        return str(uuid.UUID(marker))
    except ValueError:
        return str(uuid.uuid5(_IDS, f"{kind}:{marker}"))


def is_ref(text: str) -> bool:
    """Whether this can be an id at all; another text would be refused with the whole call."""
    return bool(re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text))


def theirs(name: str) -> str:
    """hub_first_source → hubFirstSource; all other names are theirs already."""
    return re.sub(r"_([a-z0-9])", lambda found: found[1].upper(), name) if name.startswith("hub_") else name


def ours(name: str) -> str:
    """The other way round."""
    if not re.match(r"hub[A-Z]", name):
        return name
    return re.sub(r"[A-Z]", lambda found: f"_{found[0].lower()}", name)


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of a list or of an answer."""
    values: dict[str, Value] = {}
    for name, told in row.items():
        if name in {"emails", "phones"}:
            values[name] = _list(name, told)
        elif isinstance(told, dict):
            values |= _parts(name, told)
        elif not isinstance(told, list):
            values[ours(name)] = None if told == "" else told
    updated, gone = moment(row.get("updatedAt")), moment(row.get("deletedAt"))
    links = {other: (str(row[name]),) for other, name in LINKS.get(kind, {}).items() if row.get(name)}
    latest = max(filter(None, (updated, gone)), default=None)
    return Record(kind, str(row["id"]), values, str(row.get("updatedAt") or ""), latest, bool(gone), links=links)


def nested(kind: str, values: Mapping[str, Value], links: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """Body of a create or an update. ValueError or TypeError for what Twenty has no form for."""
    body: dict[str, Any] = {}
    for name, value in values.items():
        head, _, part = name.partition(".")
        if name in _UNSENT:
            continue
        if name in {"emails", "phones"}:
            body[name] = _spread(name, value or [])
        elif name == "amount":
            body.setdefault("amount", {})["amountMicros"] = _micros(value)
        elif name == "body":
            body["bodyV2"] = {"markdown": str(value or ""), "blocknote": None}
        elif part:
            body.setdefault(head, {})[part] = "" if value is None else value
        else:
            body[theirs(name)] = value
    for other, refs in links.items():
        if name := LINKS.get(kind, {}).get(other, ""):
            body[name] = _first(refs)
        elif kind not in {"notes", "tasks"} or other not in TARGETS:
            raise ValueError(f"{kind} name no {other}")
    return body


def moment(told: Any) -> datetime | None:
    """A time as Twenty writes it."""
    try:
        at = datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and not at.tzinfo else at


def _first(refs: Sequence[str]) -> str:
    if len(refs) != 1 or not is_ref(refs[0]):
        raise ValueError("one id of each kind")
    return refs[0]


def _parts(name: str, told: Mapping[str, Any]) -> dict[str, Value]:
    if name == "amount":
        micros = told.get("amountMicros")
        amount = _decimal(micros) if micros is not None else None
        return {"amount": amount, "amount.currencyCode": told.get("currencyCode") or None}
    if name == "bodyV2":
        return {"body": told.get("markdown") or None}
    return {f"{name}.{part}": value or None for part, value in told.items() if not isinstance(value, dict | list)}


def _decimal(micros: Any) -> str | None:
    try:
        return format((Decimal(str(micros)) / MICROS).normalize(), "f")
    except InvalidOperation:
        return None


def _micros(value: Value) -> int | None:
    if value is None or value == "":
        return None
    try:
        return int((Decimal(str(value)) * MICROS).to_integral_value())
    except (InvalidOperation, OverflowError):
        raise ValueError("no amount") from None


def _list(name: str, told: Any) -> list[dict[str, str]]:
    told = told if isinstance(told, dict) else {}
    if name == "emails":
        main, more = told.get("primaryEmail"), told.get("additionalEmails")
        found = [main, *(more if isinstance(more, list) else ())]
    else:
        more = told.get("additionalPhones")
        rest = [one for one in (more if isinstance(more, list) else ()) if isinstance(one, dict)]
        found = [_number(told, "primaryPhoneNumber", "primaryPhoneCallingCode")]
        found += [_number(one, "number", "callingCode") for one in rest]
    values = list(dict.fromkeys(str(one) for one in found if one))
    return [{"value": one, "enum_code": "additional" if n else "primary"} for n, one in enumerate(values)]


def _number(told: Mapping[str, Any], number: str, code: str) -> str:
    """Numbers are kept in two parts, unless a person typed one that could not be read."""
    text = str(told.get(number) or "")
    return text if not text or text.startswith("+") else f"{told.get(code) or ''}{text}"


def _spread(name: str, parts: Sequence[Any]) -> dict[str, Any]:
    values = [str(one.get("value") or "") if isinstance(one, Mapping) else str(one) for one in parts]
    first, *rest = list(dict.fromkeys(filter(None, values))) or [""]
    if name == "emails":
        return {"primaryEmail": first, "additionalEmails": rest}
    blank = {} if first else {"primaryPhoneCountryCode": None, "primaryPhoneCallingCode": None}
    return {"primaryPhoneNumber": first, **blank, "additionalPhones": [{"number": one} for one in rest]}
