"""An organisation in memory: its objects with their fields, what is refused, the bin, conversions, people."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.crms.salesforce.sandbox import doings
from connectors.crms.salesforce.sandbox.refusal import Wrong
from connectors.testing.sandbox import Faults

Row = dict[str, Any]
PREFIXES = {"Lead": "00Q", "Contact": "003", "Account": "001", "Opportunity": "006", "Note": "002", **doings.PREFIXES}
FIRST, HUMAN, HUB = "005", "0055g0000000012AAA", "0055g0000000011AAA"
STATUSES = (("Open - Not Contacted", False), ("Working - Contacted", False), ("Closed - Not Converted", False),
            ("Closed - Converted", True))  # fmt: skip
STAGES = (("Prospecting", False, False), ("Proposal/Price Quote", False, False), ("Closed Won", True, True),
          ("Closed Lost", True, False))  # fmt: skip
_TEXTS = {
    "Lead": "FirstName LastName Company Title Email Phone MobilePhone LeadSource Rating Website Industry Description",
    "Contact": "FirstName LastName Title Email Phone MobilePhone HomePhone OtherPhone Department Description",
    "Account": "Name Phone Website Industry BillingStreet BillingCity Description",
    "Opportunity": "Name Type LeadSource Description NextStep",
    "Note": "Title Body", **doings.TEXTS,
}  # fmt: skip
_REFERENCES = {
    "Lead": "OwnerId ConvertedOpportunityId ConvertedContactId ConvertedAccountId MasterRecordId",
    "Contact": "OwnerId AccountId MasterRecordId", "Account": "OwnerId MasterRecordId",
    "Opportunity": "OwnerId AccountId ContactId RecordTypeId", "Note": "OwnerId ParentId",
    **doings.REFERENCES,
}  # fmt: skip
_NEEDED = {"Lead": ("LastName", "Company"), "Contact": ("LastName",), "Account": ("Name",), "Note": ("Title",),
           "Opportunity": ("Name", "StageName", "CloseDate")}  # fmt: skip


def _field(name: str, kind: str = "string", *, custom: bool = False, **more: Any) -> Row:
    return {"name": name, "type": kind, "label": name, "length": 255 if kind == "string" else 0, "nillable": True,
            "createable": True, "updateable": True, "defaultedOnCreate": False, "custom": custom,
            "picklistValues": [], **more}  # fmt: skip


def fields_at_birth(kind: str) -> dict[str, Row]:
    """The fields of a new organisation."""
    fields = [_field(name, "phone" if name.endswith("Phone") else "string") for name in _TEXTS[kind].split()]
    fields += [_field(name, "reference") for name in _REFERENCES[kind].split()]
    fixed: Row = {"createable": False, "updateable": False}
    fields += [_field(name, "datetime", **fixed) for name in ("CreatedDate", "SystemModstamp")]
    fields += [_field("Id", "id", **fixed), _field("IsDeleted", "boolean", **fixed)]
    if kind in ("Lead", "Contact"):
        fields.append(_field("Name", **fixed))
    if kind == "Lead":
        fields += [_field("IsConverted", "boolean", **fixed), _field("ConvertedDate", "date", **fixed)]
        fields.append(_picklist("Status", [name for name, _ in STATUSES]))
    if kind == "Opportunity":
        fields += [_picklist("StageName", [name for name, *_ in STAGES]), _field("CloseDate", "date")]
        fields += [_field("Amount", "currency"), _field("Probability", "percent")]
        fields += [_field("IsClosed", "boolean", **fixed), _field("IsWon", "boolean", **fixed)]
    fields += [_field(name, told) for name, told in doings.TYPES.get(kind, {}).items()]
    fields += [_field(name, told, **fixed) for name, told in doings.FIXED.get(kind, {}).items()]
    fields += [_picklist(name, values) for name, values in doings.PICKLISTS.get(kind, {}).items()]
    for one in fields:
        one["nillable"] = one["name"] not in _NEEDED.get(kind, ())
    return {one["name"]: one for one in fields}


def _picklist(name: str, values: list[str]) -> Row:
    options = [{"value": one, "label": one, "active": True} for one in values]
    return _field(name, "picklist", picklistValues=options, restricted=True)


class Organisation:
    """One organisation. `lag` is how long a person's transaction takes, in seconds."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.left, self.lag, self.latency = clock, rate, lag, latency
        self.lock = threading.RLock()
        self.faults = Faults()
        self.tokens, self.secrets = {token}, {"client": "secret"}
        self.calls: Counter[str] = Counter()
        self.fields = {kind: fields_at_birth(kind) for kind in PREFIXES}
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in PREFIXES}
        self.custom: dict[str, Row] = {}
        self.shown: set[str] = set()  # fields the hub's profile may see
        self.record_types: dict[str, tuple[str, list[str]]] = {}
        self.locked: set[str] = set()  # rows that somebody else holds this moment
        self.index_lag = 0.0
        self._next = 0
        self._late: list[tuple[float, float, Callable[[float], object]]] = []

    def close(self) -> None:
        """Nothing to stop."""

    def fail(self, kind: str, times: int = 1, *, path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; see `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, path=path, seconds=seconds)

    def number(self, prefix: str) -> str:
        """A new id of 18 characters."""
        self._next += 1
        return f"{prefix}5g{self._next:010d}AAA"

    def day(self, days: int = 0) -> str:
        return (datetime.fromtimestamp(self.clock(), UTC) + timedelta(days=days)).date().isoformat()

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def kind_of(self, ref: str) -> str:
        """The object an id belongs to."""
        return next((kind for kind, prefix in PREFIXES.items() if ref.startswith(prefix)), "")

    def by_key(self, kind: str, key: str, value: Any) -> list[str]:
        """Ids of live rows with this external id."""
        return [ref for ref, row in self.rows[kind].items() if row.get(key) == value and not row["IsDeleted"]]

    def known(self, kind: str, wish: Mapping[str, Any]) -> None:
        """Refuse what is no field, or of another type: that is the whole collection's end."""
        for name, value in wish.items():
            field = self.fields[kind].get(name)
            if name in ("attributes", "Id", "id") or (isinstance(value, dict) and f"{name}Id" in self.fields[kind]):
                continue
            if field is None or (field["custom"] and name not in self.shown_of(kind)):
                raise Wrong("INVALID_FIELD", f"No such column '{name}' on sobject of type {kind}")
            if field["type"] in ("currency", "percent", "double") and isinstance(value, str):
                raise Wrong("JSON_PARSER_ERROR", "Cannot deserialize instance of double from VALUE_STRING value")

    def shown_of(self, kind: str) -> set[str]:
        return {name.partition(".")[2] for name in self.shown if name.startswith(f"{kind}.")}

    def create(self, kind: str, wish: Mapping[str, Any], at: float | None = None) -> str:
        """A new row."""
        needed = [name for name in _NEEDED.get(kind, ()) if not wish.get(name)]
        if needed:
            raise Wrong("REQUIRED_FIELD_MISSING", f"Required fields are missing: {needed}", tuple(needed))
        ref = self.number(PREFIXES[kind])
        row: Row = {name: None for name in self.fields[kind]} | {"Id": ref, "IsDeleted": False, "OwnerId": HUB}
        row |= doings.BORN.get(kind, {})
        if kind == "Lead":
            row |= {"Status": STATUSES[0][0], "IsConverted": False}
        row["CreatedDate"] = stamp(self.clock() if at is None else at)
        self.fill(kind, row, wish, at)
        self.rows[kind][ref] = row
        return ref

    def change(self, kind: str, ref: str, wish: Mapping[str, Any]) -> None:
        """Change a live row."""
        row = self.rows[kind].get(ref)
        if row is None:
            raise Wrong("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
        if row["IsDeleted"]:
            raise Wrong("ENTITY_IS_DELETED", "entity is deleted")
        if ref in self.locked:
            raise Wrong("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record")
        if row.get("IsConverted"):
            raise Wrong("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        self.fill(kind, row, wish)

    def fill(self, kind: str, row: Row, wish: Mapping[str, Any], at: float | None = None) -> None:
        """Checked values into a row."""
        given = {name: value for name, value in wish.items() if name not in ("attributes", "Id", "id")}
        for name, value in list(given.items()):
            if isinstance(value, dict):
                given[f"{name}Id"] = self._referred(name, given.pop(name))
                continue
            self._checked(self.fields[kind][name], value)
        changed = stamp(self.clock() if at is None else at)
        row |= given | doings.derived(kind, row | given, changed)
        if kind in ("Lead", "Contact"):
            row["Name"] = " ".join(filter(None, (row["FirstName"], row["LastName"])))
        if kind == "Opportunity":
            stage = next((one for one in STAGES if one[0] == row["StageName"]), STAGES[0])
            row["IsClosed"], row["IsWon"] = stage[1:]
        row["SystemModstamp"] = changed
        row["_written"] = self.clock()

    def _referred(self, kind: str, key: Mapping[str, Any]) -> str:
        [(name, value)] = key.items()
        found = self.by_key(kind, name, value)
        if not found:
            raise Wrong("INVALID_FIELD", f"Foreign key external ID: {value} not found for field {name}", (name,))
        return found[0]

    def _checked(self, field: Row, value: Any) -> None:
        name = field["name"]
        if not field["createable"]:
            raise Wrong("INVALID_FIELD_FOR_INSERT_UPDATE", f"Unable to create/update fields: {name}", (name,))
        if value is None:
            return
        if field.get("restricted") and value not in [one["value"] for one in field["picklistValues"]]:
            raise Wrong("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", f"{name}: bad value", (name,))
        if field["length"] and len(str(value)) > field["length"]:
            raise Wrong("STRING_TOO_LONG", f"{name}: data value too large", (name,))
        if name == "Email" and not re.fullmatch(r"[^@\s,;]+@[^@\s,;]+\.\w+", str(value)):
            raise Wrong("INVALID_EMAIL_ADDRESS", f"{name}: invalid email address", (name,))

    def add_field(self, full: str, metadata: Mapping[str, Any]) -> str:
        """A custom field, hidden until somebody shows it."""
        kind, _, name = full.partition(".")
        if kind not in self.fields or not name.endswith("__c"):
            raise Wrong("INVALID_FULLNAME", f"{full} is no field")
        types = {"Text": "string", "LongTextArea": "textarea", "Number": "double", "Checkbox": "boolean",
                 "DateTime": "datetime", "Date": "date", "Picklist": "picklist", "Currency": "currency"}  # fmt: skip
        ref = self.number("00N")
        values = metadata.get("valueSet", {}).get("valueSetDefinition", {}).get("value", [])
        options = [{"value": one["fullName"], "label": one["label"], "active": True} for one in values]
        made = _field(name, types[metadata["type"]], custom=True, picklistValues=options)
        self.fields[kind][name] = made | {"label": metadata["label"], "length": metadata.get("length", 0)}
        for row in self.rows[kind].values():
            row[name] = None
        self.custom[ref] = {"Id": ref, "TableEnumOrId": kind, "DeveloperName": name.removesuffix("__c"),
                            "Metadata": dict(metadata)}  # fmt: skip
        return ref

    # ── conversion ───────────────────────────────────────────────────────────────────────────────

    def convert(self, wish: Mapping[str, str]) -> Row:
        """As the button does: an account, a contact and a deal, new unless they are named."""
        row = self.rows["Lead"].get(wish["leadId"])
        if row is None or row["IsDeleted"]:
            raise Wrong("INVALID_ID_FIELD", "invalid lead id")
        if row["IsConverted"]:
            raise Wrong("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead")
        if wish.get("convertedStatus") not in [name for name, converted in STATUSES if converted]:
            raise Wrong("INVALID_STATUS", "invalid convertedStatus")
        if wish.get("contactId") and not wish.get("accountId"):
            raise Wrong("INVALID_ID_FIELD", "a contact needs its account")
        firm = wish.get("accountId") or self.create("Account", {"Name": row["Company"]})
        parts = {name: row[name] for name in ("FirstName", "LastName", "Email", "Phone") if row[name]}
        person = wish.get("contactId") or self.create("Contact", {**parts, "AccountId": firm})
        if self.rows["Contact"][person]["AccountId"] != firm:
            raise Wrong("INVALID_ID_FIELD", "the contact belongs to another account")
        name = wish.get("opportunityName") or f"{row['Company']}-"
        deal = {
            "Name": name,
            "StageName": STAGES[0][0],
            "CloseDate": self.day(90),
            "AccountId": firm,
            "ContactId": person,
        }
        made = self.create("Opportunity", deal)
        self.fill("Lead", row, {"Status": wish["convertedStatus"]})
        row |= {"IsConverted": True, "ConvertedDate": self.day(), "ConvertedOpportunityId": made,
                "ConvertedContactId": person, "ConvertedAccountId": firm}  # fmt: skip
        return {"accountId": firm, "contactId": person, "leadId": row["Id"], "opportunityId": made}

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, ref: str, **values: Any) -> None:
        """A person changes a record."""
        kind = self.kind_of(ref)
        self._later(lambda at: self.fill(kind, self.rows[kind][ref], values, at))

    def act(self, card: str, kind: str = "Task", **values: Any) -> None:
        """A person writes down what was done, or shall be, about a record."""
        end = "WhoId" if self.kind_of(card) in ("Lead", "Contact") else "WhatId"
        self._later(lambda at: self.create(kind, {"OwnerId": HUMAN, end: card, **values}, at))

    def _later(self, change: Callable[[float], object]) -> None:
        """Others see it once the transaction is over, under the time it began at."""
        with self.lock:
            if self.lag:
                self._late.append((self.clock() + self.lag, self.clock(), change))
            else:
                change(self.clock())

    def settle(self) -> None:
        """Commit what people began at least `lag` seconds ago."""
        with self.lock:
            due = [one for one in self._late if one[0] <= self.clock()]
            self._late = [one for one in self._late if one[0] > self.clock()]
            for _, began, change in due:
                change(began)

    def drag_card(self, ref: str, place: str) -> None:
        """Move a card to another column."""
        self.edit(ref, **{"Status" if self.kind_of(ref) == "Lead" else "StageName": place})

    def delete(self, ref: str, into: str = "") -> None:
        """Into the bin, or merged into another."""
        with self.lock:
            row = self.rows[self.kind_of(ref)][ref]
            row |= {"IsDeleted": True, "SystemModstamp": stamp(self.clock()), "_written": self.clock()}
            if into:
                row["MasterRecordId"] = into

    def purge(self, ref: str) -> None:
        """Out of the bin for good."""
        with self.lock:
            del self.rows[self.kind_of(ref)][ref]


def stamp(at: float) -> str:
    """As the API tells a time."""
    return datetime.fromtimestamp(int(at), UTC).strftime("%Y-%m-%dT%H:%M:%S.000+0000")
