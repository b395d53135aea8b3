"""API v4 of the stand-in: notes and tasks, several of several records at once."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from connectors.crms.amocrm.sandbox.routes import BATCH, KIND, PAGE, Answer, account, listed, problem, wishes_of
from connectors.crms.amocrm.sandbox.setup_routes import api
from connectors.crms.amocrm.sandbox.state import Row

__all__ = ["api"]
TYPES = {"common", "call_in", "call_out", "sms_in", "sms_out", "service_message", "extended_service_message"}


@api.post(f"/api/v4/{KIND}/notes")
def add_notes(kind: str) -> Answer:
    """Up to 250 notes."""
    return _add("notes", kind, lambda wish: wish.get("note_type") in TYPES and "text" in (wish.get("params") or {}))


@api.post("/api/v4/tasks")
def add_tasks() -> Answer:
    """Up to 250 tasks."""
    return _add("tasks", "", lambda wish: bool(wish.get("text")) and type(wish.get("complete_till")) is int)


def _add(name: str, kind: str, good: Any) -> Answer:
    state, wishes = account(), wishes_of(BATCH)
    with state.lock:
        bad = [(n, path) for n, wish in enumerate(wishes) if (path := _wrong(kind, wish, good))]
        if bad:
            told = [
                {"request_id": str(wishes[n].get("request_id", n)),
                 "errors": [{"code": "NotSupportedChoice", "path": path, "detail": "This value is not valid."}]}
                for n, path in bad
            ]  # fmt: skip
            return problem(400, "Bad Request", **{"validation-errors": told})
        where, by = getattr(state, name), next(reversed(state.users))
        rows = [(state.hang(where, {"entity_type": kind, "task_type_id": 1, "is_completed": False, **wish}, by), wish)
                for wish in wishes]  # fmt: skip
        told = [{"id": row["id"], "entity_id": row["entity_id"], "request_id": str(wish.get("request_id", n))}
                for n, (row, wish) in enumerate(rows)]  # fmt: skip
    return jsonify({"_embedded": {name: told}})


def _wrong(kind: str, wish: Any, good: Any) -> str:
    """The path of what is wrong, "" when nothing is."""
    state = account()
    if not isinstance(wish, dict) or not good(wish):
        return "params.text" if kind else "text"
    card = state.rows.get(kind or str(wish.get("entity_type")), {}).get(wish.get("entity_id", 0))
    return "" if card and not card["is_deleted"] else "entity_id"


@api.get(f"/api/v4/{KIND}/notes")
def notes(kind: str) -> Answer:
    """Notes of all records of a kind."""
    return _page("notes", [one for one in account().notes if one["entity_type"] == kind])


@api.get(f"/api/v4/{KIND}/<int:number>/notes")
def notes_of(kind: str, number: int) -> Answer:
    """Notes of one record."""
    mine = [one for one in account().notes if (one["entity_type"], one["entity_id"]) == (kind, number)]
    return _page("notes", mine)


@api.get("/api/v4/tasks")
def tasks() -> Answer:
    """All tasks, or those of one record."""
    kind, refs = request.args.get("filter[entity_type]"), request.args.getlist("filter[entity_id][]")
    rows = account().tasks
    return _page("tasks", [one for one in rows if not kind or (one["entity_type"], str(one["entity_id"])) in
                           {(kind, ref) for ref in refs}])  # fmt: skip


def _page(name: str, rows: list[Row]) -> Answer:
    args = request.args
    since = int(args.get("filter[updated_at][from]", 0))
    state = account()
    with state.lock:
        found = sorted(
            (one for one in rows if one["updated_at"] >= since), key=lambda one: (one["updated_at"], one["id"])
        )
        found = found[::-1] if args.get("order[id]") == "desc" else found
        page, limit = int(args.get("page", 1)), min(int(args.get("limit", 50)), PAGE)
        hidden = {"entity_type"} if name == "notes" else set()
        part = [{k: v for k, v in one.items() if k not in {*hidden, "request_id"}}
                for one in found[(page - 1) * limit : page * limit]]  # fmt: skip
    return listed(name, part, page, more=len(found) > page * limit) if part else Response(status=204)
