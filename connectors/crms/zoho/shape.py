"""A record as Zoho's API shows it, and as the hub's mapping wants it.

Its names stay its own; references are ids. Two things are gathered here: `phones` and `emails` are lists over several
fields, and `Full_Name`, which Zoho composes and does not take, goes into its parts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.contract import Op, Record, Value
from connectors.errors import Refuse

LEADS, PEOPLE, FIRMS, DEALS, NOTES, TASKS = "Leads", "Contacts", "Accounts", "Deals", "Notes", "Tasks"
CALLS, EVENTS = "Calls", "Events"
KINDS = (LEADS, DEALS, PEOPLE, FIRMS)
MARKER = "HUB_ID"
UNKNOWN = "[not provided]"
MOST_FIELDS = 50
"""A query and a list show at most so many; fields of the hub come first among those that were added."""

_READ = {
    LEADS: "Last_Name First_Name Full_Name Company Designation Email Secondary_Email Phone Mobile Lead_Status "
    "Lead_Source Rating Website Industry Description Owner Created_Time Modified_Time Converted__s Converted_Deal "
    "Converted_Contact Converted_Account",
    PEOPLE: "Last_Name First_Name Full_Name Title Email Secondary_Email Phone Mobile Home_Phone Other_Phone Department "
    "Account_Name Lead_Source Description Owner Created_Time Modified_Time",
    FIRMS: "Account_Name Phone Website Industry Billing_Street Billing_City Description Owner "
    "Created_Time Modified_Time",
    DEALS: "Deal_Name Stage Pipeline Amount Closing_Date Probability Account_Name Contact_Name Type Lead_Source "
    "Reason_For_Loss__s Next_Step Description Owner Created_Time Modified_Time",
    NOTES: "Note_Title Note_Content Owner Modified_Time",
    TASKS: "Subject Due_Date Status Priority Description Owner Who_Id What_Id Closed_Time Modified_Time",
    CALLS: "Subject Call_Type Call_Start_Time Call_Duration Call_Duration_in_seconds Outgoing_Call_Status "
    "Outbound_Call_Status Call_Status Description Owner Who_Id What_Id Modified_Time",
    EVENTS: "Event_Title Start_DateTime End_DateTime Check_In_Time Description Owner Who_Id What_Id Modified_Time",
}
PHONES = {LEADS: ("Phone", "Mobile"), PEOPLE: ("Phone", "Mobile", "Home_Phone", "Other_Phone"), FIRMS: ("Phone",)}
EMAILS = {LEADS: ("Email", "Secondary_Email"), PEOPLE: ("Email", "Secondary_Email")}
ROOM = {kind: {"phones": len(PHONES[kind]), "emails": len(EMAILS.get(kind, ()))} for kind in PHONES}
REFERENCES = {PEOPLE: {FIRMS: "Account_Name"}, DEALS: {FIRMS: "Account_Name", PEOPLE: "Contact_Name"}}
_CONVERTED = {DEALS: ("Converted_Deal", "deal"), PEOPLE: ("Converted_Contact", "contact"),
              FIRMS: ("Converted_Account", "account")}  # fmt: skip
_UNREAD = {"subform", "multiselectlookup", "multiuserlookup", "fileupload", "imageupload", "profileimage", "tag"}
_LOOKUPS = {"lookup", "ownerlookup", "userlookup"}


@dataclass(frozen=True, slots=True)
class Column:
    """A field, as the settings of its module tell."""

    ref: str
    name: str
    type: str
    label: str
    length: int
    required: bool
    read_only: bool
    options: tuple[tuple[str, str], ...]
    rows: tuple[Mapping[str, Any], ...]


Columns = Mapping[str, Column]


def columns(kind: str, rows: Sequence[Mapping[str, Any]]) -> dict[str, Column]:
    """The fields we read: some of Zoho's own, then those that were added, as far as there is room."""
    known = {str(row.get("api_name")): row for row in rows if str(row.get("data_type")) not in _UNREAD}
    added = sorted((name for name, row in known.items() if row.get("custom_field")), key=_ours)
    wanted = [*_READ[kind].split(), *added]
    return {name: _column(name, known[name]) for name in [one for one in wanted if one in known][: MOST_FIELDS - 1]}


def _ours(name: str) -> tuple[bool, str]:
    return not name.lower().startswith("hub_"), name


def _column(name: str, row: Mapping[str, Any]) -> Column:
    told = row.get("pick_list_values")
    picks = tuple(one for one in told if isinstance(one, dict)) if isinstance(told, list) else ()
    length = row.get("length")
    return Column(
        str(row.get("id")), name, str(row.get("data_type")), str(row.get("field_label") or name),
        length if isinstance(length, int) else 0, bool(row.get("system_mandatory")),
        bool(row.get("field_read_only") or row.get("read_only")),
        tuple((str(one.get("actual_value")), str(one.get("display_value"))) for one in picks), picks,
    )  # fmt: skip


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of a list or a query; a list also shows the tags, a query does not."""
    values = {name: _id(value) for name, value in row.items() if name not in ("id", "Tag") and name[:1] != "$"}
    if isinstance(row.get("Tag"), list):
        values["tags"] = [tag.get("name") for tag in row["Tag"] if isinstance(tag, dict)]
    for gathered, names in (("phones", PHONES.get(kind, ())), ("emails", EMAILS.get(kind, ()))):
        if any(name in row for name in names):
            values[gathered] = [{"value": values[name], "enum_code": name} for name in names if values.get(name)]
    stamp = str(row.get("Modified_Time") or "")
    return Record(kind, str(row.get("id")), values, stamp, moment(stamp), links=_links(kind, row))


def gone(kind: str, row: Mapping[str, Any]) -> Record:
    """A row of the list of what was deleted."""
    stamp = str(row.get("deleted_time") or "")
    return Record(kind, str(row.get("id")), {}, stamp, moment(stamp), deleted=True)


def _id(value: Value) -> Value:
    return value["id"] if isinstance(value, dict) and "id" in value else value


def _links(kind: str, row: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    detail = row.get("$converted_detail")
    detail = detail if isinstance(detail, dict) else {}
    if kind == LEADS:
        told = {other: _id(row.get(name) or detail.get(key)) for other, (name, key) in _CONVERTED.items()}
    else:
        told = {other: _id(row.get(name)) for other, name in REFERENCES.get(kind, {}).items()}
    return {other: (str(ref),) for other, ref in told.items() if ref}


def moment(stamp: str) -> datetime | None:
    """Zoho's times have the offset of the organisation."""
    try:
        told = datetime.fromisoformat(stamp)
    except ValueError:
        return None
    return told if told.tzinfo else None


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def body(op: Op, known: Columns, day: str) -> dict[str, Value]:
    """A record for create or update. Raises `Refuse` for what this organisation has no field for."""
    wish: dict[str, Value] = {}
    for name, value in op.values.items():
        if name in ("phones", "emails"):
            wish |= _spread(value, [one for one in _gathered(op.kind, name) if one in known])
        elif name == "tags":
            wish["Tag"] = [{"name": str(tag)} for tag in value or []]
        elif name == "Full_Name":
            parts = {"Last_Name", "First_Name"} & op.values.keys()
            wish |= {} if parts else {"Last_Name": value, "First_Name": None}
        elif not (name == "Pipeline" and not value):
            wish[name] = None if value == "" else value
    unknown = [name for name in wish if name not in known and name != "Tag"]
    if unknown:
        raise Refuse(f"Zoho has no field {', '.join(unknown)}", dict.fromkeys(unknown, "no such field"))
    wish = {name: _sent(value, known.get(name)) for name, value in wish.items()} | _referred(op)
    return wish if op.ref else {**wish, **_needed(op, wish, known, day)}


def _gathered(kind: str, name: str) -> Sequence[str]:
    return (PHONES if name == "phones" else EMAILS).get(kind, ())


def _sent(value: Value, column: Column | None) -> Value:
    if column is not None and column.type in _LOOKUPS and value is not None:
        return {"id": str(value)}
    return value


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
    """References by id; a note and a task name the record they hang on in their own ways."""
    if op.kind in (NOTES, TASKS):
        kind, refs = next(iter(op.links.items()), ("", ()))
        if not refs:
            raise Refuse("A note or a task needs the record it belongs to")
        if op.kind == NOTES:
            return {"Parent_Id": {"id": refs[0], "module": {"api_name": kind}}}
        return {"Who_Id": {"id": refs[0]}} if kind == PEOPLE else {"What_Id": {"id": refs[0]}, "$se_module": kind}
    fields = REFERENCES.get(op.kind, {})
    return {name: {"id": op.links[kind][0]} for kind, name in fields.items() if op.links.get(kind)}


def _needed(op: Op, wish: Mapping[str, Value], known: Columns, day: str) -> dict[str, Value]:
    """What must not be empty: the record comes nevertheless, and says that something was not known."""
    told = next((wish[name] for name in ("Email", "Phone", "Mobile") if wish.get(name)), UNKNOWN)
    needs = {
        LEADS: {"Last_Name": told, "Company": UNKNOWN},
        PEOPLE: {"Last_Name": told},
        FIRMS: {"Account_Name": told},
        DEALS: {"Deal_Name": UNKNOWN, "Closing_Date": day},
    }.get(op.kind, {})
    return {
        name: value for name, value in needs.items() if not wish.get(name) and name in known and known[name].required
    }


PERSON = ("First_Name", "Last_Name", "Full_Name", "phones", "emails")


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


def select(fields: Sequence[str], kind: str, where: str, limit: int) -> str:
    """A query, oldest change first."""
    return " ".join(
        ("select", ", ".join(fields), "from", kind, "where", where, "order by Modified_Time, id limit 0,", str(limit))
    )


def quoted(text: str) -> str:
    """A text in a query."""
    return "'" + re.sub(r"([\\'])", r"\\\1", text) + "'"
