"""What people did, as Zoho keeps it: calls, meetings ("Events") and tasks are modules of their own.

All are queried by change time. A call was made when it has a duration and is not just scheduled
(https://help.zoho.com/portal/en/community/topic/kaizen-38-calls-api). Nothing says whether a meeting was held: one that
somebody checked in at, or that was over when it was last saved, was; all others are plans. What they hang on is told by
id alone and may be of any module, so the records with these ids are asked for, when there is news. Mails are listed for
one record at a time, so they are not looked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Activity, Record, Value
from connectors.crms.zoho.shape import CALLS, DEALS, EVENTS, LEADS, PEOPLE, TASKS, moment

LISTED = (CALLS, EVENTS, TASKS)
NEVER = "4102444800::0:0"  # a cursor: nothing was changed after 2099
CARDS = (LEADS, DEALS, PEOPLE)
_ENDS = ("What_Id", "Who_Id")
STATES = ("Outgoing_Call_Status", "Outbound_Call_Status", "Call_Status")
"""Names of one field, which differ from account to account."""
_PLANNED = frozenset({"Scheduled", "Overdue", "Cancelled"})
_MISSED, _INBOUND = "Missed", "Inbound"
_TITLES = {CALLS: "Subject", EVENTS: "Event_Title", TASKS: "Subject"}
Rows = Callable[[str, str, Sequence[tuple[str, str]]], Sequence[Mapping[str, Any]]]


def placed(rows: Rows, records: Sequence[Record], batch: int) -> tuple[Record, ...]:
    """With what they hang on: a call for each kind of card, none for none."""
    ends = {one.ref: [str(one.values[name]) for name in _ENDS if one.values.get(name)] for one in records}
    wanted = list(dict.fromkeys(ref for refs in ends.values() for ref in refs))
    kinds: dict[str, str] = {}
    for kind in CARDS:
        unknown = [ref for ref in wanted if ref not in kinds]
        for start in range(0, len(unknown), batch):
            kinds |= dict.fromkeys(_there(rows, kind, unknown[start : start + batch]), kind)
    return tuple(replace(one, links={kinds[ref]: (ref,) for ref in ends[one.ref] if ref in kinds}) for one in records)


def _there(rows: Rows, kind: str, refs: Sequence[str]) -> list[str]:
    asked = [("ids", ",".join(refs)), ("fields", "Modified_Time")]
    asked += [("converted", "both")] if kind == LEADS else []
    return [str(row.get("id")) for row in rows(kind, "data", asked)]


def told(record: Record) -> Activity | None:
    """What it says; None for what is no activity."""
    values = record.values
    if record.kind not in LISTED:
        return None
    by, text = str(values.get("Owner") or ""), str(values.get("Description") or values.get(_TITLES[record.kind]) or "")
    if record.kind == CALLS:
        return _call(record, values, text, by)
    if record.kind == EVENTS:
        return _meeting(record, values, text, by)
    done = bool(values.get("Closed_Time")) or values.get("Status") == "Completed"
    return Activity("task", text, moment(str(values.get("Closed_Time") or "")), by, open=not done)


def _call(record: Record, values: Mapping[str, Value], text: str, by: str) -> Activity:
    """One that was missed is one of the client's, and nobody answered it."""
    kind, start = values.get("Call_Type"), moment(str(values.get("Call_Start_Time") or ""))
    state = next((values[name] for name in STATES if values.get(name)), "")
    lasted = str(values.get("Call_Duration_in_seconds") or values.get("Call_Duration") or "")
    early = start is not None and record.updated_at is not None and start > record.updated_at
    done = bool(lasted) and state not in _PLANNED and not early
    spoke = done and kind != _MISSED and any(sign in "123456789" for sign in lasted)
    way = "in" if kind in (_INBOUND, _MISSED) else "out"
    return Activity("call", text, start, by, way, spoke, open=not (done or kind == _MISSED))


def _meeting(record: Record, values: Mapping[str, Value], text: str, by: str) -> Activity:
    end = moment(str(values.get("End_DateTime") or ""))
    over = end is not None and record.updated_at is not None and end <= record.updated_at
    held = over or bool(values.get("Check_In_Time"))
    return Activity("meeting", text, moment(str(values.get("Start_DateTime") or "")), by, answered=held, open=not held)


def worded(activity: Activity) -> dict[str, Value]:
    """A note or a task of ours."""
    if activity.what != "task":
        return {"Note_Content": activity.text}
    day = {"Due_Date": f"{activity.at:%Y-%m-%d}"} if activity.at else {}
    by = {"Owner": activity.by} if activity.by else {}
    return {"Subject": activity.text.partition("\n")[0][:255], "Description": activity.text, **day, **by}
