"""Tasks, events and mail messages of the stand-in: their fields, what Salesforce works out by itself, what it refuses.

Fields and rules as in https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.crms.salesforce.sandbox.refusal import Wrong

TASK, EVENT, MAIL = "Task", "Event", "EmailMessage"
PREFIXES = {TASK: "00T", EVENT: "00U", MAIL: "02s"}
TEXTS = {TASK: "Subject Priority CallDisposition", EVENT: "Subject Location", MAIL: "Subject FromAddress ToAddress"}
REFERENCES = {TASK: "OwnerId WhoId WhatId", EVENT: "OwnerId WhoId WhatId", MAIL: "ActivityId"}
STATUSES = {"Not Started": False, "In Progress": False, "Completed": True, "Waiting on someone else": False,
            "Deferred": False}  # fmt: skip
PICKLISTS = {
    TASK: {"Status": list(STATUSES), "TaskSubtype": ["Task", "Call", "Email", "ListEmail", "Cadence"],
           "CallType": ["Inbound", "Internal", "Outbound"]},
}  # fmt: skip
TYPES = {
    TASK: {"Description": "textarea", "ActivityDate": "date", "CallDurationInSeconds": "int"},
    EVENT: {"Description": "textarea", "StartDateTime": "datetime", "EndDateTime": "datetime",
            "DurationInMinutes": "int", "IsAllDayEvent": "boolean"},
    MAIL: {"Incoming": "boolean"},
}  # fmt: skip
FIXED = {
    TASK: {"IsClosed": "boolean", "CompletedDateTime": "datetime", "IsRecurrence": "boolean"},
    EVENT: {"IsChild": "boolean", "IsRecurrence": "boolean"},
}
BORN: Mapping[str, Mapping[str, Any]] = {
    TASK: {"Status": "Not Started", "Priority": "Normal", "TaskSubtype": "Task", "IsRecurrence": False},
    EVENT: {"IsAllDayEvent": False, "IsChild": False, "IsRecurrence": False},
    MAIL: {"Incoming": False},
}
_LEAD, _CONTACT = "00Q", "003"


def derived(kind: str, row: Mapping[str, Any], now: str) -> dict[str, Any]:
    """What follows from the values of a task or an event. Raises `Wrong` for those that contradict each other."""
    if kind not in (TASK, EVENT):
        return {}
    who, what = str(row["WhoId"] or ""), str(row["WhatId"] or "")
    if who and who[:3] not in (_LEAD, _CONTACT):
        raise Wrong("FIELD_INTEGRITY_EXCEPTION", "Name ID: id value of incorrect type", ("WhoId",))
    if what[:3] in (_LEAD, _CONTACT) or (what and who.startswith(_LEAD)):
        raise Wrong("FIELD_INTEGRITY_EXCEPTION", "Related To ID: not together with a lead", ("WhatId",))
    if kind == TASK:
        closed = STATUSES[row["Status"]]
        return {"IsClosed": closed, "CompletedDateTime": (row["CompletedDateTime"] or now) if closed else None}
    return _ends(row)


def _ends(row: Mapping[str, Any]) -> dict[str, Any]:
    start = _moment(row["StartDateTime"])
    minutes, end = row["DurationInMinutes"], _moment(row["EndDateTime"])
    if start is None or (end is None and minutes is None and not row["IsAllDayEvent"]):
        raise Wrong("REQUIRED_FIELD_MISSING", "Required fields are missing", ("DurationInMinutes",))
    if row["IsAllDayEvent"]:
        start = start.replace(hour=0, minute=0, second=0)
        end = end or start
    end = end or start + timedelta(minutes=int(minutes))
    if end < start:
        raise Wrong("FIELD_INTEGRITY_EXCEPTION", "An event ends after it begins", ("EndDateTime",))
    told = {"StartDateTime": start, "EndDateTime": end}
    return {name: f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.000+0000" for name, at in told.items()}


def _moment(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
