"""A record as Salesforce's API shows it, and as the hub's mapping wants it.

Its names stay its own. Two things are gathered here: `phones` and `emails` are lists over several fields, and `Name` of
a person, which Salesforce composes and does not take, goes into its parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.contract import Op, Record, Value
from connectors.errors import Refuse

LEADS, PEOPLE, FIRMS, DEALS, NOTES, TASKS = "Lead", "Contact", "Account", "Opportunity", "Note", "Task"
EVENTS = "Event"
KINDS = (LEADS, DEALS, PEOPLE, FIRMS)
BY_ID = 300  # ids in one query: its text may have 16,384 characters in an address
MARKER = "HUB_ID__c"
UNKNOWN = "[not provided]"
"""What Salesforce's own web forms write into a field that must not be empty."""

_READ = {
    LEADS: "Company FirstName LastName Name Title Email Phone MobilePhone Status LeadSource Rating Website Industry "
    "Description OwnerId IsConverted ConvertedDate ConvertedOpportunityId ConvertedContactId ConvertedAccountId "
    "MasterRecordId",
    PEOPLE: "FirstName LastName Name Title Email Phone MobilePhone HomePhone OtherPhone Department AccountId OwnerId "
    "Description LeadSource MasterRecordId",
    FIRMS: "Name Phone Website Industry BillingStreet BillingCity OwnerId Description MasterRecordId",
    DEALS: "Name StageName Amount CloseDate Probability IsClosed IsWon AccountId ContactId OwnerId RecordTypeId Type "
    "LeadSource Description NextStep",
    NOTES: "ParentId Title Body OwnerId",
    TASKS: "WhoId WhatId Subject Description ActivityDate Status Priority OwnerId TaskSubtype IsClosed "
    "CompletedDateTime CallType CallDurationInSeconds IsRecurrence",
    EVENTS: "WhoId WhatId Subject Description StartDateTime EndDateTime IsAllDayEvent IsChild IsRecurrence OwnerId",
}
_ALWAYS = ("Id", "IsDeleted", "CreatedDate", "SystemModstamp")
PHONES = {
    LEADS: ("Phone", "MobilePhone"),
    PEOPLE: ("Phone", "MobilePhone", "HomePhone", "OtherPhone"),
    FIRMS: ("Phone",),
}
EMAILS = {LEADS: ("Email",), PEOPLE: ("Email",)}
ROOM = {kind: {"phones": len(PHONES[kind]), "emails": len(EMAILS.get(kind, ()))} for kind in PHONES}
_REFERENCES = {PEOPLE: {FIRMS: "AccountId"}, DEALS: {FIRMS: "AccountId", PEOPLE: "ContactId"}}
_BEGINS = {"00Q": LEADS, "003": PEOPLE, "001": FIRMS, "006": DEALS}
"""How ids begin, the same in every organisation: what an activity hangs on is told by id alone."""
_CONVERTED = {DEALS: "ConvertedOpportunityId", PEOPLE: "ConvertedContactId", FIRMS: "ConvertedAccountId"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field, as the description of its object tells."""

    name: str
    type: str
    label: str
    length: int
    required: bool
    creatable: bool
    updatable: bool
    options: tuple[tuple[str, str], ...]


Columns = Mapping[str, Column]


def columns(kind: str, told: Any) -> dict[str, Column]:
    """The fields we read: some of Salesforce's own, and all that were added."""
    rows = told.get("fields") if isinstance(told, dict) else None
    known = {str(row.get("name")): row for row in rows or () if isinstance(row, dict)}
    wanted = [*_ALWAYS, *_READ[kind].split(), *sorted(name for name, row in known.items() if row.get("custom"))]
    return {name: _column(name, known[name]) for name in wanted if name in known}


def _column(name: str, row: Mapping[str, Any]) -> Column:
    picks = row.get("picklistValues")
    options = [one for one in picks if isinstance(one, dict) and one.get("active")] if isinstance(picks, list) else []
    length = row.get("length")
    return Column(
        name,
        str(row.get("type")),
        str(row.get("label") or name),
        length if isinstance(length, int) else 0,
        not row.get("nillable", True) and bool(row.get("createable")) and not row.get("defaultedOnCreate"),
        bool(row.get("createable")),
        bool(row.get("updateable")),
        tuple((str(one.get("value")), str(one.get("label"))) for one in options),
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of a query. One that was merged away is deleted and says into which."""
    values = {name: value for name, value in row.items() if name not in ("attributes", "Id", "IsDeleted")}
    if kind == DEALS:
        values["RecordTypeId"] = values.get("RecordTypeId") or ""
    for gathered, names in (("phones", PHONES.get(kind, ())), ("emails", EMAILS.get(kind, ()))):
        if names:
            values[gathered] = [{"value": values[name], "enum_code": name} for name in names if values.get(name)]
    stamp = str(row.get("SystemModstamp") or "")
    return Record(
        kind, str(row.get("Id")), values, stamp, moment(stamp), bool(row.get("IsDeleted")),
        str(row.get("MasterRecordId") or ""), _links(kind, row),
    )  # fmt: skip


def _links(kind: str, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    if kind in (TASKS, EVENTS):
        refs = [str(row[name]) for name in ("WhoId", "WhatId") if row.get(name)]
        return {_BEGINS[ref[:3]]: (ref,) for ref in refs if ref[:3] in _BEGINS}
    fields = _CONVERTED if kind == LEADS else _REFERENCES.get(kind, {})
    return {other: (str(row[name]),) for other, name in fields.items() if row.get(name)}


def moment(stamp: str) -> datetime | None:
    """`2026-05-27T08:00:01.000+0000`, whose offset has no colon."""
    try:
        return datetime.strptime(stamp, "%Y-%m-%dT%H:%M:%S.%f%z")
    except ValueError:
        return None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def body(op: Op, known: Columns, today: str) -> dict[str, Value]:
    """A record for create or update. Raises `Refuse` for what this organisation has no field for."""
    wish: dict[str, Value] = {}
    for name, value in op.values.items():
        if name in ("phones", "emails"):
            wish |= _spread(value, (PHONES if name == "phones" else EMAILS).get(op.kind, ()))
        elif name == "Name" and op.kind in (LEADS, PEOPLE):
            parts = {"LastName", "FirstName"} & op.values.keys()
            wish |= {} if parts else {"LastName": value, "FirstName": None}
        elif not (name == "RecordTypeId" and not value):
            wish[name] = None if value == "" else value
    unknown = [name for name in wish if name not in known]
    if unknown:
        raise Refuse(f"Salesforce has no field {', '.join(unknown)}", dict.fromkeys(unknown, "no such field"))
    wish |= _referred(op)
    return wish if op.ref else {**wish, **_needed(op, wish, today)}


def _spread(told: Value, names: Sequence[str]) -> dict[str, Value]:
    """Each value into the field it is called after, the others into those that are free; the rest has no place."""
    rows = [one if isinstance(one, dict) else {"value": one} for one in (told if isinstance(told, list) else [told])]
    rows = [one for one in rows if one.get("value")]
    placed: dict[str, Value] = {}
    for one in rows:
        if (code := str(one.get("enum_code"))) in names and code not in placed:
            placed[code] = one["value"]
    rest = [one["value"] for one in rows if one["value"] not in placed.values()]
    free = [name for name in names if name not in placed]
    return {**dict.fromkeys(names), **placed, **dict(zip(free, rest, strict=False))}


def _referred(op: Op) -> dict[str, Value]:
    """References by id. Who a deal is with can be said when it is made, and by people afterwards."""
    told = {} if op.kind in (NOTES, TASKS) else _REFERENCES.get(op.kind, {})
    found = {name: op.links[kind][0] for kind, name in told.items() if op.links.get(kind)}
    if op.ref:
        found.pop("ContactId", None)
    if op.kind == NOTES:
        found["ParentId"] = _first(op)
    if op.kind == TASKS:
        found["WhoId" if next(iter(op.links), "") in (LEADS, PEOPLE) else "WhatId"] = _first(op)
    return dict(found)


def _first(op: Op) -> str:
    refs = next(iter(op.links.values()), ())
    if not refs:
        raise Refuse("A note or a task needs the record it belongs to")
    return refs[0]


def _needed(op: Op, wish: Mapping[str, Value], today: str) -> dict[str, Value]:
    """What must not be empty: the record comes nevertheless, and says that something was not known."""
    known = next((wish[name] for name in ("Email", "Phone", "MobilePhone") if wish.get(name)), UNKNOWN)
    needs = {
        LEADS: {"LastName": known, "Company": UNKNOWN},
        PEOPLE: {"LastName": known},
        FIRMS: {"Name": known},
        DEALS: {"Name": UNKNOWN, "CloseDate": today},
    }.get(op.kind, {})
    return {name: value for name, value in needs.items() if not wish.get(name)}


PERSON = ("FirstName", "LastName", "Name", "Title", "phones", "emails")


def person(values: Mapping[str, Value]) -> dict[str, Value]:
    """What a lead says of its person, taken from a contact: a lead has the person inside."""
    return {name: values[name] for name in PERSON if values.get(name)}


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


def digits(phone: str) -> str:
    """The last ten digits: what two spellings of one number have in common."""
    return re.sub(r"\D", "", phone)[-10:]


def carries(record: Record, key: str, wanted: str) -> bool:
    """Whether the record really has this key."""
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted)
    told = [str(one["value"]) for one in record.values.get("phones" if key == "phone" else "emails") or ()]
    if key == "phone":
        return bool(digits(wanted)) and digits(wanted) in map(digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)


def select(fields: str, kind: str, rest: str = "") -> str:
    """A query."""
    return " ".join(("SELECT", fields, "FROM", kind, rest)).strip()


def quoted(text: str) -> str:
    """A text in a query."""
    return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"
