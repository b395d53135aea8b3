"""What hangs on a record of BottleCRM: comments, which are written to the record itself, and tasks, which name it.

Neither answer says which one is new: it is known by its words, the latest of those that say the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connectors.contract import Activity, Done, Op, Outcome, Record
from connectors.crms.bottlecrm.api import ACCOUNTS, DEALS, LEADS, NOTES, TASKS, Api, Row
from connectors.crms.bottlecrm.shape import stamp
from connectors.errors import Missing, Pause, Refuse, Retry

PARENT = {LEADS: "lead", DEALS: "opportunity", ACCOUNTS: "account"}
"""What a task calls the record it is about; of several it could be about it takes one."""
TITLE = 200
MANY = 50
"""Tasks of one record that are read, the newest first; their words take a call each."""


def worded(activity: Activity) -> Mapping[str, Any]:
    """A comment; or a task, whose title is the first line, with the day it is due: over there it has no hour."""
    if activity.what != "task":
        return {"comment": activity.text}
    title = activity.text.partition("\n")[0][:TITLE]
    told: dict[str, Any] = {"title": title, "status": "New", "priority": "Medium"}
    if title != activity.text:
        told["description"] = activity.text
    if activity.at:
        told["due_date"] = activity.at.date().isoformat()
    return {**told, **({"assigned_to": [activity.by]} if activity.by else {})}


def activity(record: Record) -> Activity:
    """What a comment or a task says."""
    values = record.values
    by = str(values.get("by") or "")
    if record.kind == NOTES:
        return Activity("note", str(values.get("comment") or ""), record.updated_at, by)
    due = str(values.get("due_date") or "")
    until = datetime.fromisoformat(f"{due}T00:00:00+00:00") if due else None
    text = str(values.get("description") or values.get("title") or "")
    return Activity("task", text, until, by, open=values.get("status") != "Completed")


def hung_on(api: Api, what: str, kind: str, ref: str) -> list[Record]:
    """The comments or tasks of a record, the newest first. Raises `Missing` when the record is gone."""
    if what == TASKS:
        rows = sorted(_tasks(api, kind, ref), key=stamp, reverse=True)[:MANY]
        told = [api.object(TASKS, str(row["id"])) for row in rows]
        return [_task(row, kind, ref) for row in told if row is not None]
    around = api.around(kind, ref)
    if around is None:
        raise Missing("The record is gone in BottleCRM")
    return _comments(around, kind, ref)


def hang(api: Api, op: Op) -> Outcome:
    """Say one comment, or set one task."""
    [(kind, refs)] = op.links.items() or [("", ())]
    if op.ref is not None or not refs:
        raise Refuse("BottleCRM: comments and tasks are made on a record, and left as they are")
    made = _commented(api, op, kind, refs[0]) if op.kind == NOTES else _planned(api, op, kind, refs[0])
    if made is None:
        raise Retry("BottleCRM's answer does not show what it made", effect=True)
    return Done(made)


def _commented(api: Api, op: Op, kind: str, ref: str) -> Record | None:
    told, _ = api.send("POST", f"{kind}/{ref}/", dict(op.values))
    return next((one for one in _comments(told, kind, ref) if _same(one, "comment", op)), None)


def _planned(api: Api, op: Op, kind: str, ref: str) -> Record | None:
    if kind not in PARENT:
        raise Refuse(f"BottleCRM sets no task about one of its {kind}")
    api.send("POST", f"{TASKS}/", {**op.values, PARENT[kind]: ref})
    try:
        rows = sorted(_tasks(api, kind, ref), key=stamp, reverse=True)
    except (Retry, Pause) as error:
        raise Retry(str(error), effect=True) from None
    found = (_task({**op.values, **row}, kind, ref) for row in rows)
    return next((one for one in found if _same(one, "title", op)), None)


def _tasks(api: Api, kind: str, ref: str) -> Sequence[Row]:
    """All of a record's tasks, without their words."""
    if kind not in PARENT:
        return ()
    told, _ = api.read(f"{TASKS}/", [(PARENT[kind], ref), ("limit", "1000"), ("slim", "true")])
    return _rows(told, TASKS)


def _comments(told: Mapping[str, Any], kind: str, ref: str) -> list[Record]:
    rows = sorted(_rows(told, NOTES), key=_said, reverse=True)
    return [
        Record(NOTES, str(row["id"]), {**row, "by": _author(row)}, updated_at=_said(row), links={kind: (ref,)})
        for row in rows
    ]


def _task(row: Mapping[str, Any], kind: str, ref: str) -> Record:
    people = [one for one in row.get("assigned_to") or () if isinstance(one, dict)]
    values = {**row, "by": str(people[0].get("id") or "") if people else ""}
    return Record(TASKS, str(row["id"]), values, updated_at=stamp(row), links={kind: (ref,)})


def _rows(told: Mapping[str, Any], name: str) -> list[Row]:
    rows = told.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise Retry(f"BottleCRM's answer holds no {name}")
    return rows


def _said(row: Mapping[str, Any]) -> datetime:
    return stamp({"updated_at": row.get("commented_on")})


def _author(row: Mapping[str, Any]) -> str:
    by = row.get("commented_by")
    return str(by.get("id") or "") if isinstance(by, dict) else ""


def _same(one: Record, name: str, op: Op) -> bool:
    return " ".join(str(one.values.get(name) or "").split()) == " ".join(str(op.values[name]).split())
