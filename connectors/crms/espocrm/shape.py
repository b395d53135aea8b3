"""The two shapes of a record: attributes as EspoCRM has them, flat as the hub's mapping wants them.

Our fields are called `hubId`, `hubText` ...; over there they carry the prefix EspoCRM gives to custom fields ("c"
since 8.1: `cHubId`), or none in older ones.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value
from connectors.errors import Refuse

Row = dict[str, Any]
LEADS, DEALS, PEOPLE, FIRMS, NOTES, TASKS = "Lead", "Opportunity", "Contact", "Account", "Note", "Task"
KINDS = (LEADS, DEALS, PEOPLE, FIRMS, NOTES, TASKS)
CALLS, MEETINGS, MAILS = "Call", "Meeting", "Email"
MARKER = "hubId"
PERSON = ("firstName", "lastName", "middleName", "salutationName", "emails", "phones")
"""What a lead takes over of its contact."""
LINKS: Mapping[str, Mapping[str, str]] = {
    LEADS: {"createdContactId": PEOPLE, "createdAccountId": FIRMS, "createdOpportunityId": DEALS},
    DEALS: {"contactId": PEOPLE, "accountId": FIRMS, "originalLeadId": LEADS},
    PEOPLE: {"accountId": FIRMS},
    FIRMS: {},
    NOTES: {},
    TASKS: {"contactId": PEOPLE},
    **{kind: {} for kind in (CALLS, MEETINGS, MAILS)},
}
_LISTS = {"phones": ("phoneNumber", "phoneNumberData", "Mobile"), "emails": ("emailAddress", "emailAddressData", "")}
_APART = frozenset({"id", "deleted", *(name for names in _LISTS.values() for name in names[:2])})
_OURS = re.compile(r"hub(?=[A-Z])")


def theirs(name: str, prefix: str) -> str:
    """`hubId` as it is called over there."""
    return f"{prefix}{name[0].upper()}{name[1:]}" if prefix and _OURS.match(name) else name


def ours(name: str, prefix: str) -> str:
    """The way back."""
    bare = name[len(prefix) :]
    told = f"{bare[:1].lower()}{bare[1:]}"
    return told if prefix and name.startswith(f"{prefix}Hub") and _OURS.match(told) else name


def flat(kind: str, row: Mapping[str, Any], prefix: str, *, whole: bool = True) -> Record:
    """A row. `whole` tells a record read by id from a row of a list, which has no phones and e-mails but the first."""
    values: dict[str, Value] = {ours(key, prefix): value for key, value in row.items() if key not in _APART}
    for name, (single, data, _) in _LISTS.items():
        if whole and (single in row or data in row):
            values[name] = _points(row.get(data), row.get(single), single)
    stamp = str(row.get("modifiedAt") or row.get("createdAt") or "")
    links = {other: (str(row[key]),) for key, other in LINKS[kind].items() if row.get(key)}
    if row.get("parentId") and row.get("parentType") in KINDS:
        links[str(row["parentType"])] = (str(row["parentId"]),)
    return Record(kind, str(row["id"]), values, stamp, instant(stamp), bool(row.get("deleted")), links=links)


def _points(data: Any, single: Any, name: str) -> list[Value]:
    """Phones or e-mails, the primary one first."""
    rows = [one for one in data if isinstance(one, dict) and one.get(name)] if isinstance(data, list) else []
    if not rows:
        return [{"value": single, "enum_code": ""}] if single else []
    rows.sort(key=lambda one: not one.get("primary"))
    return [{"value": one[name], "enum_code": str(one.get("type") or "")} for one in rows]


def instant(text: str) -> datetime | None:
    """ "YYYY-MM-DD HH:MM:SS" is UTC."""
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def body(kind: str, values: Mapping[str, Value], links: Mapping[str, Sequence[str]], prefix: str) -> Row:
    """Attributes of a create or an update. Lists of phones and e-mails are sent whole, as they are replaced whole."""
    told: Row = {theirs(name, prefix): _moment(name, value) for name, value in values.items() if name not in _LISTS}
    for name, (single, data, kind_of) in _LISTS.items():
        if name in values:
            told[data] = [_point(name, one, n, single, kind_of) for n, one in enumerate(values[name] or [])]
            told[single] = told[data][0][single] if told[data] else None
    known = {other: key for key, other in LINKS[kind].items()}
    for other, refs in links.items():
        if other in known and refs:
            told[known[other]] = refs[0]
        elif refs and kind in (NOTES, TASKS):
            told |= {"parentType": other, "parentId": refs[0]}
    return told


def _moment(name: str, value: Value) -> Value:
    """Attributes that end in "At" hold moments; RFC 3339 is what everybody else writes."""
    if not name.endswith("At") or not isinstance(value, str):
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if at.tzinfo else value


def _point(name: str, one: Any, n: int, key: str, kind: str) -> Row:
    if not isinstance(one, dict) or not isinstance(one.get("value"), str):
        raise Refuse(f"EspoCRM wants a list for {name}", {name: "not a list of values"})
    return {key: one["value"], "primary": n == 0, **({"type": one.get("enum_code") or kind} if kind else {})}


def parted(values: Mapping[str, Value], *, new: bool) -> dict[str, Value]:
    """`name` is composed over there: a name that nobody took apart becomes the last name."""
    rest = {key: value for key, value in values.items() if key != "name"}
    if not values.get("name") or {"firstName", "lastName"} & values.keys():
        return rest
    return {**rest, **({} if new else {"firstName": None}), "lastName": values["name"]}


def surname(values: Mapping[str, Value], marker: str) -> str:
    """A last name is required: whoever has none is called by name, e-mail or phone."""
    for name in ("lastName", "firstName", "name"):
        if values.get(name):
            return str(values[name])
    rows = [*(values.get("emails") or []), *(values.get("phones") or [])]
    return next((str(one["value"]) for one in rows if isinstance(one, dict) and one.get("value")), marker or "-")
