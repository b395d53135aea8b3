"""What people did, as HubSpot keeps it: calls, mails, meetings, messages, notes and tasks are objects of their own.

Found by change time like everything else (one search a kind); what they hang on is asked for in further calls, and only
of those that are news. What workflows and other programs made is nobody's
(https://developers.hubspot.com/docs/api-reference/crm-calls-v3/guide).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from html import escape, unescape
from typing import Any

from connectors.contract import Activity, Record, Value
from connectors.crms.hubspot.answers import rows
from connectors.crms.hubspot.lookup import BATCH, OBJECTS, Api, ends_of
from connectors.crms.hubspot.shape import flat, moment

NOTES, TASKS = "notes", "tasks"
LISTED = ("calls", "emails", "meetings", "communications", NOTES, TASKS)
CARDS = ("deals", "contacts")
COMMON = ("hs_timestamp", "hs_lastmodifieddate", "hubspot_owner_id", "hs_object_source", "hs_created_by_user_id")
SEEN: Mapping[str, tuple[str, ...]] = {
    "calls": ("hs_call_body", "hs_call_direction", "hs_call_status", "hs_call_duration"),
    "emails": ("hs_email_subject", "hs_email_direction", "hs_email_status"),
    "meetings": ("hs_meeting_title", "hs_meeting_outcome"),
    "communications": ("hs_communication_body", "hs_communication_channel_type"),
    NOTES: ("hs_note_body",),
    TASKS: ("hs_task_subject", "hs_task_body", "hs_task_status"),
}
_WHAT = {"calls": "call", "emails": "mail", "meetings": "meeting", "communications": "message", NOTES: "note",
         TASKS: "task"}  # fmt: skip
_TEXTS = {"calls": "hs_call_body", "emails": "hs_email_subject", "meetings": "hs_meeting_title",
          "communications": "hs_communication_body", NOTES: "hs_note_body"}  # fmt: skip
ROBOTS = frozenset({"AUTOMATION_PLATFORM", "WORKFLOWS", "INTEGRATION", "API", "BOT", "IMPORT", "MIGRATION"})
_DONE = {"calls": ("hs_call_status", {"COMPLETED", "NO_ANSWER", "BUSY", "FAILED", "CANCELED", "MISSED"}),
         "meetings": ("hs_meeting_outcome", {"COMPLETED", "NO_SHOW"}),
         TASKS: ("hs_task_status", {"COMPLETED"})}  # fmt: skip


def names(kind: str) -> tuple[str, ...]:
    """Properties to read of a kind of activity."""
    return (*SEEN[kind], *COMMON)


def placed(api: Api, records: Sequence[Record]) -> tuple[Record, ...]:
    """With what they hang on: one call for each kind of card, none for none."""
    found = {one.ref: dict(one.links) for one in records}
    for card in CARDS if records else ():
        for ref, refs in ends_of(api, records[0].kind, card, list(found)).items():
            found[ref][card] = refs
    return tuple(replace(one, links=found[one.ref]) for one in records)


def hanging(api: Api, kind: str, card: str, ref: str) -> list[Record]:
    """What hangs on one record, the newest first."""
    ids = sorted(ends_of(api, card, kind, [ref]).get(ref, ()), key=int, reverse=True)[:BATCH]
    wish = {"properties": [*names(kind)], "inputs": [{"id": one} for one in ids]}
    told = api.read(f"{OBJECTS}/{kind}/batch/read", json=wish) if ids else {}
    return [replace(flat(kind, row), links={card: (ref,)}) for row in rows(told) if "id" in row]


def told(record: Record) -> Activity | None:
    """What it says; None for what a program made, and for drafts. Notes and tasks of programs are told of as well where
    one asks what hangs on a record: ours are among them."""
    kind, values = record.kind, record.values
    what, source = _WHAT[kind], str(values.get("hs_object_source") or "")
    by = str(values.get("hubspot_owner_id") or "")
    inward = str(values.get("hs_call_direction") or values.get("hs_email_direction") or "")
    way = "in" if inward in {"INBOUND", "INCOMING_EMAIL"} else "out"
    if source in ROBOTS and way == "out" and what not in ("note", "task"):
        return None
    name, states = _DONE.get(kind, ("", set()))
    done = not name or str(values.get(name) or "") in states
    answered = name != "" and str(values.get(name) or "") == "COMPLETED" and what != "task"
    at = moment(values.get("hs_timestamp"))
    return Activity(what, _text(kind, values), at, by, way, answered, open=not done)


def _text(kind: str, values: Mapping[str, Value]) -> str:
    """Bodies are HTML."""
    if kind == TASKS:
        return _plain(values.get("hs_task_body") or escape(str(values.get("hs_task_subject") or "")))
    return _plain(values.get(_TEXTS[kind]))


def _plain(told: Any) -> str:
    return unescape(re.sub(r"<[^>]*>", "", re.sub(r"<(?:br|/p|/div)\s*/?>", "\n", str(told or "")))).strip()


def worded(activity: Activity) -> dict[str, Value]:
    """A note or a task of ours."""
    at = {"hs_timestamp": activity.at.isoformat()} if activity.at else {}
    by = {"hubspot_owner_id": activity.by} if activity.by else {}
    body = escape(activity.text, quote=False).replace("\n", "<br>")
    if activity.what != "task":
        return {"hs_note_body": body, **at, **by}
    subject = activity.text.partition("\n")[0][:255]
    return {"hs_task_subject": subject, "hs_task_body": body, "hs_task_status": "NOT_STARTED", **at, **by}
