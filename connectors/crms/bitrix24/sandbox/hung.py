"""The methods of comments, to-dos and activities."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from connectors.crms.bitrix24.sandbox.methods import PAGE, Method, found, kind_of
from connectors.crms.bitrix24.sandbox.schema import TYPES, Row, Wrong
from connectors.crms.bitrix24.sandbox.state import Account

WORDS = {"lead": "leads", "deal": "deals", "contact": "contacts", "company": "companies"}


def comment(state: Account, told: Row) -> Any:
    """A comment in a timeline; answers its number."""
    wish = told.get("fields") or {}
    kind = WORDS.get(str(wish.get("ENTITY_TYPE")))
    if kind is None or not wish.get("COMMENT"):
        raise Wrong("", "ENTITY_TYPE or COMMENT is missing")
    found(state, kind, {"id": wish.get("ENTITY_ID")})
    state.notes.append({"ID": state.number(), **wish})
    return state.notes[-1]["ID"]


def comments(state: Account, told: Row) -> Any:
    """The comments of one record, newest first."""
    where = told.get("filter") or {}
    if not where.get("ENTITY_ID") or where.get("ENTITY_TYPE") not in WORDS:
        raise Wrong("100", "Could not find value for parameter {ENTITY_ID}")
    place = (str(where["ENTITY_TYPE"]), str(where["ENTITY_ID"]))
    mine = [one for one in state.notes if (str(one.get("ENTITY_TYPE")), str(one.get("ENTITY_ID"))) == place]
    return [{**one, "ID": str(one["ID"])} for one in mine[::-1]][:PAGE]


def todo(state: Account, told: Row) -> Any:
    """A to-do; its deadline is needed."""
    found(state, kind_of({"entityTypeId": told.get("ownerTypeId")}), told, "ownerId")
    if not told.get("deadline"):
        raise Wrong("100", "Could not find value for parameter {deadline}")
    made = act(
        state, TYPES[int(told["ownerTypeId"])], told["ownerId"], TYPE_ID="6", PROVIDER_ID="CRM_TODO",
        SUBJECT=told.get("title"), DESCRIPTION=told.get("description") or "", DEADLINE=told["deadline"], COMPLETED="N",
        RESPONSIBLE_ID=str(told.get("responsibleId") or 1),
    )  # fmt: skip
    state.notes.append({**told, "ID": made["ID"]})
    return {"id": made["ID"]}


def act(state: Account, kind: str, ref: Any, **values: Any) -> Row:
    """An activity of a record, as a person or telephony makes it."""
    now = datetime.fromtimestamp(state.clock(), UTC).isoformat(timespec="seconds")
    owner = next(number for number, name in TYPES.items() if name == kind)
    row = {"ID": state.number(), "OWNER_TYPE_ID": str(owner), "OWNER_ID": str(ref), "PROVIDER_ID": "", "DIRECTION": "2",
           "SUBJECT": "", "DESCRIPTION": "", "COMPLETED": "Y", "RESPONSIBLE_ID": "1", "LAST_UPDATED": now,
           "START_TIME": now, "DEADLINE": now, "SETTINGS": [], **values}  # fmt: skip
    state.activities.append(row)
    return row


def finish(state: Account, number: int) -> None:
    """Somebody ticks an activity off."""
    row = next(one for one in state.activities if one["ID"] == number)
    row |= {"COMPLETED": "Y", "LAST_UPDATED": datetime.fromtimestamp(state.clock(), UTC).isoformat(timespec="seconds")}


def activities(state: Account, told: Row) -> Any:
    """A page of 50 by change time, or those of one record."""
    where, order = told.get("filter") or {}, told.get("order") or {}
    unknown = where.keys() - {">=LAST_UPDATED", "=ID", "OWNER_TYPE_ID", "OWNER_ID"}
    if unknown:
        raise Wrong("INVALID_ARG_VALUE", f"Unknown filter: {unknown}")
    rows = [one for one in state.activities if _wanted(one, where)]
    rows.sort(key=lambda one: (_at(one["LAST_UPDATED"]) if "LAST_UPDATED" in order else 0.0, one["ID"]))
    rows = rows[::-1] if order.get("ID") == "DESC" else rows
    start = max(0, int(told.get("start") or 0))
    return [
        {key: str(value) if key == "ID" else value for key, value in one.items()} for one in rows[start : start + PAGE]
    ]


def _wanted(row: Row, where: Row) -> bool:
    if "=ID" in where and str(row["ID"]) != str(where["=ID"]):
        return False
    if ">=LAST_UPDATED" in where and _at(row["LAST_UPDATED"]) < _at(str(where[">=LAST_UPDATED"])):
        return False
    return all(str(row[name]) == str(where[name]) for name in ("OWNER_TYPE_ID", "OWNER_ID") if name in where)


def _at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


HUNG: dict[str, Method] = {
    "crm.timeline.comment.add": comment, "crm.timeline.comment.list": comments, "crm.activity.todo.add": todo,
    "crm.activity.list": activities,
}  # fmt: skip
