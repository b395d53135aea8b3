"""What hangs on a card: notes, calls, messages and mails (all of them notes over there), and tasks.

Notes are listed for one kind of record at a time (https://www.amocrm.ru/developers/content/crm_platform/events-and-notes);
tasks in one list (https://www.amocrm.ru/developers/content/crm_platform/tasks-api).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Activity, Op, Record, Value
from connectors.crms.amocrm.shape import flat

NOTES, TASKS = "notes", "tasks"
LISTED = ("leads/notes", "contacts/notes", TASKS)
MEETING = 2  # https://www.amocrm.ru/developers/content/crm_platform/tasks-api: types every account has
_TOUCHES = {"call_in": ("call", "in"), "call_out": ("call", "out"), "sms_in": ("message", "in"),
            "sms_out": ("message", "out")}  # fmt: skip
_CALLS = frozenset({"call_in", "call_out"})


def shown(path: str, row: Mapping[str, Any]) -> Record:
    """A row of a list; a note does not say which kind of record its card is, but its list does."""
    owner, _slash, kind = path.rpartition("/")
    card, ref = str(owner or row.get("entity_type") or ""), row.get("entity_id")
    return replace(flat(kind, row), links={card: (str(ref),)} if card and ref else {})


def told(record: Record) -> Activity | None:
    """What a note or a task says. Lines that amoCRM or an integration wrote by itself have nobody's number; calls come
    from telephony, which names whom they are to be answered for."""
    return _task(record.values) if record.kind == TASKS else _note(record.values)


def _task(values: Mapping[str, Value]) -> Activity:
    what = "meeting" if values.get("task_type_id") == MEETING else "task"
    done = bool(values.get("is_completed"))
    at = _moment(values.get("updated_at" if done else "complete_till"))
    text, by = str(values.get("text") or ""), _user(values.get("responsible_user_id"))
    return Activity(what, text, at, by, answered=done and what == "meeting", open=not done)


def _note(values: Mapping[str, Value]) -> Activity | None:
    kind, said = str(values.get("note_type") or ""), values.get("params")
    params: Mapping[str, Any] = said if isinstance(said, dict) else {}
    at, author = _moment(values.get("created_at")), _user(values.get("created_by"))
    text = str(params.get("text") or "")
    if kind in _CALLS:
        what, way = _TOUCHES[kind]
        by = _user(values.get("responsible_user_id")) or author
        return Activity(what, text, at, by, way, answered=bool(params.get("duration")))
    if kind == "amomail_message":
        way = "in" if params.get("income") else "out"
        return Activity("mail", str(params.get("subject") or text), at, author, way) if author or way == "in" else None
    what, way = _TOUCHES.get(kind, ("note", "out"))
    if kind not in {"common", *_TOUCHES} or not (author or way == "in"):
        return None
    return Activity(what, text, at, author, way)


def worded(activity: Activity) -> dict[str, Value]:
    """A note or a task of ours."""
    if activity.what != "task":
        return {"note_type": "common", "params": {"text": activity.text}}
    at = {"complete_till": int(activity.at.timestamp())} if activity.at else {}
    by = {"responsible_user_id": int(activity.by)} if activity.by.isdecimal() else {}
    return {"text": activity.text, **at, **by}


def route(op: Op) -> str:
    """Where it is made."""
    card, _ref = _card(op)
    return TASKS if op.kind == TASKS else f"{card}/notes"


def body(op: Op) -> dict[str, Value]:
    """What is sent; the ones that are there already are not ours to change."""
    card, ref = _card(op)
    if op.ref:
        raise KeyError("notes are written once")
    return {**op.values, "entity_id": int(ref), **({"entity_type": card} if op.kind == TASKS else {})}


def search(kind: str, card: str, ref: str) -> tuple[str, list[tuple[str, str]]]:
    """Path and parameters of what hangs on one card."""
    if kind == TASKS:
        return TASKS, [("filter[entity_type]", card), ("filter[entity_id][]", ref)]
    return f"{card}/{ref}/notes", [("order[id]", "desc")]


def _card(op: Op) -> tuple[str, str]:
    return next(((kind, refs[0]) for kind, refs in op.links.items() if refs), ("", ""))


def _user(value: Value) -> str:
    return str(value) if value else ""


def _moment(value: Value) -> datetime | None:
    return datetime.fromtimestamp(value, UTC) if isinstance(value, int) and value > 0 else None
