"""What people did, as Salesforce keeps it: tasks (calls and mails among them, told apart by a subtype) and events.

Both are listed by change time. A task is done when it is closed
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_task.htm).
Nothing says whether an event was held: one that was over when it was last saved was written down afterwards, all others
are plans. Which way a mail went stands in its message
(https://developer.salesforce.com/docs/atlas.en-us.object_reference.meta/object_reference/sforce_api_objects_emailmessage.htm).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from connectors.contract import Activity, Record, Value
from connectors.crms.salesforce.shape import BY_ID, EVENTS, TASKS, moment, quoted, select
from connectors.errors import Refuse

LISTED = (TASKS, EVENTS)
NEVER = "4102444800::0:0"  # a cursor: nothing was changed after 2099
CALL, MAIL, MASS_MAIL = "Call", "Email", "ListEmail"
_INCOMING = "Incoming"
_DAY = timedelta(days=1)
Query = Callable[[str], Sequence[Mapping[str, Any]]]


def directed(query: Query, records: Sequence[Record]) -> tuple[Record, ...]:
    """With the direction of the mails that are among them: a call for these, none for none."""
    mails = [one.ref for one in records if one.values.get("TaskSubtype") == MAIL and one.values.get("IsClosed")]
    found: dict[str, bool] = {}
    for start in range(0, len(mails), BY_ID):
        found |= _ways(query, mails[start : start + BY_ID])
    return tuple(
        replace(one, values={**one.values, _INCOMING: found[one.ref]}) if one.ref in found else one for one in records
    )


def _ways(query: Query, tasks: Sequence[str]) -> dict[str, bool]:
    where = f"WHERE ActivityId IN ({', '.join(map(quoted, tasks))})"
    try:
        rows = query(select(f"ActivityId, {_INCOMING}", "EmailMessage", where))
    except Refuse:  # the object is there only with Enhanced Email
        return {}
    return {str(row["ActivityId"]): bool(row.get(_INCOMING)) for row in rows if row.get("ActivityId")}


def told(record: Record) -> Activity | None:
    """What it says; None for mass mails, calls among colleagues, copies for invitees and the pattern of a series."""
    values = record.values
    if record.kind not in LISTED or values.get("IsRecurrence") or values.get("IsChild"):
        return None
    return _event(record, values) if record.kind == EVENTS else _task(record, values)


def _task(record: Record, values: Mapping[str, Value]) -> Activity | None:
    subtype, direction = values.get("TaskSubtype"), values.get("CallType")
    if subtype == MASS_MAIL or direction == "Internal":
        return None
    done, by = bool(values.get("IsClosed")), str(values.get("OwnerId") or "")
    at = (moment(str(values.get("CompletedDateTime") or "")) or record.updated_at) if done else None
    if subtype == MAIL and _INCOMING in values:
        way = "in" if values[_INCOMING] else "out"
        return Activity("mail", str(values.get("Subject") or ""), at, by, way, open=not done)
    text = str(values.get("Description") or values.get("Subject") or "")
    if subtype != CALL and not direction:
        return Activity("task", text, at, by, open=not done)
    spoke, way = bool(values.get("CallDurationInSeconds")), "in" if direction == "Inbound" else "out"
    return Activity("call", text, at, by, way, done and spoke, open=not done)


def _event(record: Record, values: Mapping[str, Value]) -> Activity:
    over, by = _end(values), str(values.get("OwnerId") or "")
    held = over is not None and record.updated_at is not None and over <= record.updated_at
    text = str(values.get("Description") or values.get("Subject") or "")
    at = moment(str(values.get("StartDateTime") or ""))
    return Activity("meeting", text, at, by, answered=held, open=not held)


def _end(values: Mapping[str, Value]) -> datetime | None:
    """An event of whole days ends with its last day, and tells the midnight that day began with."""
    end = moment(str(values.get("EndDateTime") or ""))
    return end + _DAY if end and values.get("IsAllDayEvent") else end


def worded(activity: Activity) -> dict[str, Value]:
    """A note or a task of ours."""
    first = activity.text.partition("\n")[0]
    if activity.what != "task":
        return {"Title": first[:80], "Body": activity.text}
    day = {"ActivityDate": f"{activity.at:%Y-%m-%d}"} if activity.at else {}
    by = {"OwnerId": activity.by} if activity.by else {}
    return {"Subject": first[:255], "Description": activity.text, **day, **by}
