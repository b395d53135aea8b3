"""What people did, as Bitrix24 keeps it: activities (calls, meetings, mails, chats, to-dos) and comments.

All activities are in one list by change time (https://apidocs.bitrix24.com/api-reference/crm/timeline/activities/index.html);
comments are listed for one record at a time, so those of people are not looked for. Short messages are left out: robots
write them, and nothing tells which.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Activity, Changes, Record, Value
from connectors.crms.bitrix24.calls import Rest
from connectors.crms.bitrix24.notes import COMMENTS, TODOS
from connectors.crms.bitrix24.scan import PAGE, Scan, iso
from connectors.crms.bitrix24.shape import TYPES, WORDS
from connectors.errors import Retry

LIST = "crm.activity.list"
SEEN = ("ID", "OWNER_ID", "OWNER_TYPE_ID", "TYPE_ID", "PROVIDER_ID", "DIRECTION", "SUBJECT", "DESCRIPTION", "COMPLETED",
        "RESPONSIBLE_ID", "LAST_UPDATED", "START_TIME", "DEADLINE", "SETTINGS")  # fmt: skip
KINDS = {number: kind for kind, number in TYPES.items()}
_WHAT = {"1": "meeting", "2": "call", "4": "mail"}
_CHAT, _TODO = "IMOPENLINES_SESSION", "CRM_TODO"
NEVER = 0  # no activity has this id


def changes(rest: Rest, cursor: str, hold: int) -> Changes:
    """A page of activities by change time. A page is asked for by the time the one before ended with, and repeats
    some; by position only within one second."""
    scan = Scan.read(cursor)
    where: dict[str, Any] = {">=LAST_UPDATED": iso(scan.low or scan.since)} if cursor else {"=ID": NEVER}
    order = {"LAST_UPDATED": "ASC", "ID": "ASC"}
    told, clock = rest.call(LIST, {"filter": where, "order": order, "select": [*SEEN], "start": scan.last or -1})
    records = [shown(TODOS, row) for row in _rows(told)]
    start = scan.start or int(clock)
    last = records[-1].updated_at if records else None
    if len(records) < PAGE or last is None:
        return Changes(tuple(records), str(max(scan.since, start - hold)))
    low = int(last.timestamp())
    place = scan.last + PAGE if low == scan.low else 0
    return Changes(tuple(records), Scan(scan.since, start, low, place).text(), more=True)


def hanging(rest: Rest, kind: str, card: str, ref: str) -> list[Record]:
    """What hangs on one record, newest first."""
    if kind == COMMENTS:
        where = {"ENTITY_TYPE": WORDS[card], "ENTITY_ID": int(ref)}
        wish = {"filter": where, "order": {"ID": "DESC"}, "select": ["ID", "COMMENT", "AUTHOR_ID", "CREATED"]}
        told, _clock = rest.call("crm.timeline.comment.list", wish)
        return [Record(kind, str(row["ID"]), row, links={card: (ref,)}) for row in _rows(told)]
    where = {"OWNER_TYPE_ID": TYPES[card], "OWNER_ID": int(ref)}
    told, _clock = rest.call(LIST, {"filter": where, "order": {"ID": "DESC"}, "select": [*SEEN], "start": -1})
    return [shown(kind, row) for row in _rows(told)]


def shown(kind: str, row: Mapping[str, Any]) -> Record:
    """An activity as a record."""
    owner = str(row.get("OWNER_TYPE_ID") or "")
    card = KINDS.get(int(owner), "") if owner.isdecimal() else ""
    links = {card: (str(row.get("OWNER_ID")),)} if card else {}
    return Record(kind, str(row["ID"]), dict(row), updated_at=_moment(row.get("LAST_UPDATED")), links=links)


def told(record: Record) -> Activity | None:
    """What it says; None for short messages and what other programs keep there."""
    values = record.values
    if record.kind == COMMENTS:
        by = _text(values.get("AUTHOR_ID"))
        return Activity("note", _text(values.get("COMMENT")), _moment(values.get("CREATED")), by)
    provider = _text(values.get("PROVIDER_ID"))
    what = _WHAT.get(_text(values.get("TYPE_ID")), "message" if provider == _CHAT else "")
    what = "task" if provider == _TODO else what
    if not what:
        return None
    done, settings = values.get("COMPLETED") == "Y", values.get("SETTINGS")
    missed = isinstance(settings, dict) and bool(settings.get("MISSED_CALL"))
    way = "in" if _text(values.get("DIRECTION")) == "1" and what != "task" else "out"
    at = _moment(values.get("DEADLINE" if what == "task" and not done else "LAST_UPDATED"))
    text = _text(values.get("DESCRIPTION")) or _text(values.get("SUBJECT"))
    by = _text(values.get("RESPONSIBLE_ID"))
    answered = done and not missed and what in ("call", "meeting")
    return Activity(what, text, at, by, way, answered, open=not done and what in ("task", "call", "meeting"))


def worded(activity: Activity) -> dict[str, Value]:
    """A comment or a to-do of ours."""
    if activity.what != "task":
        return {"COMMENT": activity.text}
    due = {"deadline": activity.at.isoformat()} if activity.at else {}
    by = {"responsibleId": int(activity.by)} if activity.by.isdecimal() else {}
    return {"title": activity.text.partition("\n")[0][:255], "description": activity.text, **due, **by}


def _rows(told: Any) -> list[Mapping[str, Any]]:
    if not isinstance(told, list) or not all(
        isinstance(row, dict) and _text(row.get("ID")).isdecimal() for row in told
    ):
        raise Retry("Bitrix24 answered a list with no usable content")
    return told


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def _moment(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and value else None
    except ValueError:
        return None
    return at.replace(tzinfo=UTC) if at and not at.tzinfo else at
