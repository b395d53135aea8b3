"""Tasks, calls and meetings of the stand-in: their fields, what Zoho works out by itself, what it refuses.

Calls as in https://help.zoho.com/portal/en/community/topic/kaizen-38-calls-api.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.crms.zoho.sandbox.refusal import Wrong

Row = Mapping[str, Any]
_HANGS = "Description:textarea Who_Id:lookup What_Id:lookup Owner:ownerlookup"
FIELDS = {
    "Tasks": f"Subject! Due_Date:date Status:picklist Closed_Time-:datetime {_HANGS}",
    "Calls": "Subject! Call_Type!:picklist Call_Start_Time!:datetime Call_Duration Call_Duration_in_seconds-:integer "
    f"Outgoing_Call_Status:picklist {_HANGS}",
    "Events": f"Event_Title! Start_DateTime!:datetime End_DateTime!:datetime Check_In_Time-:datetime {_HANGS}",
}
TYPES = ("Inbound", "Outbound", "Missed")
STATES = ("Completed", "Scheduled", "Overdue", "Cancelled")


def derived(rows: Mapping[str, Mapping[str, Row]], module: str, before: Row, wish: Row, now: str) -> dict[str, Any]:
    """What follows from the values of a task, a call or a meeting. Raises `Wrong` for those that make no sense."""
    if module not in FIELDS:
        return {}
    _hangs(rows, wish)
    row = {**before, **wish}
    if module == "Calls":
        return _call(row, before, now)
    if module == "Events":
        if _moment(row["End_DateTime"]) < _moment(row["Start_DateTime"]):
            raise Wrong("INVALID_DATA", "End_DateTime")
        return {}
    return {"Closed_Time": (row.get("Closed_Time") or now) if row.get("Status") == "Completed" else None}


def _hangs(rows: Mapping[str, Mapping[str, Row]], wish: Row) -> None:
    """A contact as Who_Id; anything else as What_Id, with its module beside it."""
    who, what = wish.get("Who_Id"), wish.get("What_Id")
    if who and who["id"] not in rows["Contacts"]:
        raise Wrong("INVALID_DATA", "Who_Id")
    if what and what["id"] not in rows.get(str(wish.get("$se_module")), {}):
        raise Wrong("INVALID_DATA", "What_Id")


def _call(row: Row, before: Row, now: str) -> dict[str, Any]:
    kind, lasted = row["Call_Type"], row.get("Call_Duration")
    if kind not in TYPES or before.get("Call_Type") not in (None, kind):
        raise Wrong("INVALID_DATA", "Call_Type")
    state = None if kind == "Missed" else row.get("Outgoing_Call_Status") or ("Completed" if lasted else "Scheduled")
    if state is not None and state not in STATES:
        raise Wrong("INVALID_DATA", "Outgoing_Call_Status")
    if state == "Completed" and not lasted:
        raise Wrong("INVALID_DATA", "Call_Duration")
    if state == "Completed" and _moment(row["Call_Start_Time"]) > _moment(now):
        raise Wrong("INVALID_DATA", "Call_Start_Time")
    minutes, _, seconds = str(lasted or "0:0").partition(":")
    return {"Outgoing_Call_Status": state, "Call_Duration_in_seconds": int(minutes) * 60 + int(seconds)}


def _moment(text: Any) -> datetime:
    return datetime.fromisoformat(str(text))
