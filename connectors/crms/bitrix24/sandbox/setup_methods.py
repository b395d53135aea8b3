"""The methods of what an admin sets up: stages, pipelines, fields, users, event handlers and the queue of events."""

from __future__ import annotations

import re
from typing import Any

from connectors.crms.bitrix24.sandbox.methods import Method
from connectors.crms.bitrix24.sandbox.schema import Row, Wrong, stages_of
from connectors.crms.bitrix24.sandbox.state import Account

_WORDS = {"lead": "leads", "deal": "deals", "contact": "contacts", "company": "companies"}
_TYPES = {"string", "integer", "double", "boolean", "datetime", "date", "money", "url", "enumeration"}


def mode(state: Account, told: Row) -> Any:
    """1 with leads, 2 without."""
    return 1 if state.leads else 2


def scope(state: Account, told: Row) -> Any:
    """What the caller may use."""
    return sorted(state.scope)


def users(state: Account, told: Row) -> Any:
    """Fifty people a page."""
    start = int(told.get("start") or 0)
    people = [
        {"ID": str(n), "ACTIVE": True, "NAME": name.split()[0], "LAST_NAME": name.split()[-1],
         "EMAIL": f"user{n}@northwind.test"} for n, name in state.users.items()
    ]  # fmt: skip
    state.paging = (len(people), start + 50 if len(people) > start + 50 else None)
    return people[start : start + 50]


def statuses(state: Account, told: Row) -> Any:
    """Stages of one list."""
    where = str((told.get("filter") or {}).get("ENTITY_ID") or "")
    rows = sorted(state.stages.all.get(where, ()), key=lambda one: int(one["SORT"]))
    return [{**one, "EXTRA": {"COLOR": one["COLOR"]}} for one in rows]


def add_status(state: Account, told: Row) -> Any:
    """A stage; answers its number."""
    return int(state.stages.add(told.get("fields") or {}))


def change_status(state: Account, told: Row) -> Any:
    """Name, order, colour."""
    state.stages.change(str(told.get("id")), told.get("fields") or {})
    return True


def delete_status(state: Account, told: Row) -> Any:
    """An empty stage; the vendor's own only when forced."""
    row = state.stages.row(str(told.get("id")))
    if row["SYSTEM"] == "Y" and (told.get("params") or {}).get("FORCED") != "Y":
        raise Wrong("", "System statuses cannot be deleted.")
    if any(one.get("stageId") == row["STATUS_ID"] for kind in ("leads", "deals") for one in state.rows[kind].values()):
        raise Wrong("", "There are active items in this status.")
    state.stages.all[row["ENTITY_ID"]].remove(row)
    return True


def categories(state: Account, told: Row) -> Any:
    """Pipelines; leads have none."""
    if str(told.get("entityTypeId")) != "2":
        raise Wrong("ENTITY_TYPE_NOT_SUPPORTED", "Entity type is not supported")
    return {"categories": list(state.stages.categories.values())}


def add_category(state: Account, told: Row) -> Any:
    """A new pipeline with its stages."""
    return {"category": state.stages.add_category(told.get("fields") or {})}


def _category(state: Account, told: Row) -> Row:
    number = str(told.get("id"))
    if not number.isdecimal() or int(number) not in state.stages.categories:
        raise Wrong("NOT_FOUND", "Element not found")
    return state.stages.categories[int(number)]


def change_category(state: Account, told: Row) -> Any:
    """Name and order."""
    row = _category(state, told)
    row |= {key: value for key, value in (told.get("fields") or {}).items() if key in {"name", "sort"}}
    return {"category": row}


def delete_category(state: Account, told: Row) -> Any:
    """An empty one that is not the default."""
    row = _category(state, told)
    if row["id"] == 0 or any(one["categoryId"] == row["id"] for one in state.rows["deals"].values()):
        raise Wrong("", "The pipeline is not empty or is the default one")
    del state.stages.categories[row["id"]]
    del state.stages.all[stages_of(row["id"])]
    return None


def fields(kind: str) -> Method:
    """Custom fields of a kind."""

    def act(state: Account, told: Row) -> Any:
        wanted = (told.get("filter") or {}).get("FIELD_NAME")
        return [row for row in state.fields[kind].values() if wanted in (None, row["FIELD_NAME"])]

    return act


def add_field(kind: str) -> Method:
    """A custom field; its name gets the prefix."""

    def act(state: Account, told: Row) -> Any:
        wish = told.get("fields") or {}
        name = f"UF_CRM_{str(wish.get('FIELD_NAME')).removeprefix('UF_CRM_')}"
        if not re.fullmatch(r"[A-Z0-9_]{8,50}", name) or wish.get("USER_TYPE_ID") not in _TYPES:
            raise Wrong("ERROR_CORE", "FIELD_NAME or USER_TYPE_ID is not valid")
        if name in state.fields[kind]:
            raise Wrong("ERROR_CORE", f"The field {name} already exists.")
        state.fields[kind][name] = {**wish, "ID": str(state.number()), "FIELD_NAME": name}
        for row in state.rows[kind].values():
            row[name] = None
        return int(state.fields[kind][name]["ID"])

    return act


def change_field(kind: str) -> Method:
    """Labels only."""

    def act(state: Account, told: Row) -> Any:
        row = _field(state, kind, told)
        row["LABEL"] = (told.get("fields") or {}).get("EDIT_FORM_LABEL", row.get("LABEL"))
        return True

    return act


def delete_field(kind: str) -> Method:
    """A custom field with all its values."""

    def act(state: Account, told: Row) -> Any:
        name = _field(state, kind, told)["FIELD_NAME"]
        del state.fields[kind][name]
        for row in state.rows[kind].values():
            row.pop(name, None)
        return True

    return act


def _field(state: Account, kind: str, told: Row) -> Row:
    found = next((row for row in state.fields[kind].values() if row["ID"] == str(told.get("id"))), None)
    if found is None:
        raise Wrong("ERROR_NOT_FOUND", "The entity with ID is not found.")
    return found


# ── events, for applications only ────────────────────────────────────────────────────────────────


def handlers(state: Account, told: Row) -> Any:
    """Who hears what."""
    return [
        {"event": one["event"], "handler": one["handler"], "offline": int(one["offline"])} for one in state.handlers
    ]


def bind(state: Account, told: Row) -> Any:
    """One more handler; the same twice is refused."""
    offline = told.get("event_type") == "offline"
    row = {"event": str(told.get("event")).upper(), "handler": "" if offline else str(told.get("handler") or ""),
           "offline": offline}  # fmt: skip
    if not str(row["event"]).startswith(("ONCRM", "ONOFFLINEEVENT")):
        raise Wrong("ERROR_EVENT_NOT_FOUND", "Event not found")
    if row in state.handlers:
        raise Wrong("ERROR_EVENT_BINDING_EXISTS", "Handler already bound")
    state.handlers.append(row)
    return True


def unbind(state: Account, told: Row) -> Any:
    """Take a handler away."""
    before = len(state.handlers)
    gone = (str(told.get("event")).upper(), str(told.get("handler") or ""))
    state.handlers = [one for one in state.handlers if (one["event"], one["handler"]) != gone]
    return {"count": before - len(state.handlers)}


def offline_get(state: Account, told: Row) -> Any:
    """The queue's oldest, reserved under a process id unless cleared at once."""
    process = f"process-{state.number()}"
    free = [key for key, one in state.queue.items() if not one["process"]][: int(told.get("limit") or 50)]
    events = [{name: value for name, value in state.queue[key].items() if name != "process"} for key in free]
    for key in free:
        if str(told.get("clear", 1)) == "1":
            del state.queue[key]
        else:
            state.queue[key]["process"] = process
    return {"process_id": process if events else None, "events": events}


def offline_clear(state: Account, told: Row) -> Any:
    """Forget what was reserved."""
    state.queue = {key: one for key, one in state.queue.items() if one["process"] != told.get("process_id")}
    return True


METHODS: dict[str, Method] = {
    "crm.settings.mode.get": mode, "scope": scope, "user.get": users, "crm.status.list": statuses,
    "crm.status.add": add_status, "crm.status.update": change_status, "crm.status.delete": delete_status,
    "crm.category.list": categories, "crm.category.add": add_category, "crm.category.update": change_category,
    "crm.category.delete": delete_category,
    **{f"crm.{word}.userfield.{what}": make(kind) for word, kind in _WORDS.items()
       for what, make in (("list", fields), ("add", add_field), ("update", change_field), ("delete", delete_field))},
}  # fmt: skip
APP_METHODS: dict[str, Method] = {
    "event.get": handlers, "event.bind": bind, "event.unbind": unbind, "event.offline.get": offline_get,
    "event.offline.clear": offline_clear,
}  # fmt: skip
