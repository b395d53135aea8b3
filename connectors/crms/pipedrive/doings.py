"""What hangs on a record: notes, and activities (calls, meetings, mails, tasks: one object, told apart by its type).

Both are listed by change time (https://developers.pipedrive.com/docs/api/v1/Activities). What nobody has done yet is
open; an activity of a type that people made themselves is a task.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC
from html import escape, unescape
from typing import Any

from connectors.contract import Activity, Record, Value

NOTES, ACTIVITIES = "notes", "activities"
LISTED = (ACTIVITIES, NOTES)
_WHAT = {"call": "call", "meeting": "meeting", "lunch": "meeting", "email": "mail"}
FILTERS: Mapping[str, str] = {"leads": "lead_id", "deals": "deal_id", "persons": "person_id", "organizations": "org_id"}
"""The parameter by which the list of one record is asked for."""


def told(record: Record) -> Activity:
    """What it says. Changes of activities come with their owner, who did them."""
    values = record.values
    by = str(values.get("owner_id") or values.get("user_id") or "")
    if record.kind == NOTES:
        return Activity("note", _plain(values.get("content")), None, by)
    what, done = _WHAT.get(str(values.get("type") or ""), "task"), bool(values.get("done"))
    text = _plain(values.get("note")) or str(values.get("subject") or "")
    answered = done and what in ("call", "meeting")
    return Activity(what, text, record.updated_at, by, answered=answered, open=not done)


def _plain(told: Any) -> str:
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<(?:br|/p|/div)\s*/?>", "\n", str(told or "")))).strip()


def worded(activity: Activity) -> dict[str, Value]:
    """A note or an activity of ours."""
    body = escape(activity.text, quote=False).replace("\n", "<br>")
    if activity.what != "task":
        return {"content": body}
    at = activity.at.astimezone(UTC) if activity.at else None
    due = {"due_date": f"{at:%Y-%m-%d}", "due_time": f"{at:%H:%M}"} if at else {}
    by = {"owner_id": activity.by} if activity.by else {}
    subject = activity.text.partition("\n")[0][:255]
    return {"subject": subject, "type": "task", "note": body, **due, **by}
