"""What stands beside the records of the stand-in: tasks and tags."""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from flask import jsonify, request

from connectors.crms.bottlecrm.sandbox.routes import Answer, account
from connectors.crms.bottlecrm.sandbox.rules import ACCOUNTS, DEALS, LEADS, Row, Wrong
from connectors.crms.bottlecrm.sandbox.setup_routes import api

__all__ = ["api"]
PARENTS = {"lead": LEADS, "opportunity": DEALS, "account": ACCOUNTS}
_SLIM = ("id", "title", "status", "priority", "due_date", *PARENTS, "assigned_to", "created_at")


@api.route("/api/tasks/", methods=["GET", "POST"])
def tasks() -> Answer:
    """Tasks of a record without their words; or a new one, whose id is not told."""
    state = account()
    with state.lock:
        if request.method == "POST":
            _add(request.get_json())
            return jsonify(error=False, message="Task Created Successfully")
        wish = {name: ref for name in PARENTS if (ref := request.args.get(name))}
        found = [one for one in state.tasks.values() if all(one[name] == ref for name, ref in wish.items())]
        rows = [_shown(one, _SLIM) for one in sorted(found, key=lambda one: str(one["id"]), reverse=True)]
    return jsonify(tasks=rows[: int(request.args.get("limit", 10))], tasks_count=len(rows))


@api.get("/api/tasks/<ref>/")
def one_task(ref: str) -> Answer:
    """One task, whole."""
    return jsonify(task_obj=_shown(account().tasks[ref], (*_SLIM, "description")), comments=[])


def _add(wish: Row) -> None:
    state, mine = account(), {name: wish.get(name) for name in PARENTS}
    if len([one for one in mine.values() if one]) > 1:
        raise Wrong(account="A task can only be linked to one parent entity")
    for name, ref in mine.items():
        if ref and ref not in state.rows[PARENTS[name]]:
            raise Wrong(**{name: f'Invalid pk "{ref}" - object does not exist.'})
    if not 0 < len(str(wish.get("title") or "")) <= 200:
        raise Wrong(title="Ensure this field has no more than 200 characters.")
    if wish.get("status") not in {"New", "In Progress", "Completed"}:
        raise Wrong(status=f'"{wish.get("status")}" is not a valid choice.')
    if wish.get("priority") not in {"Low", "Medium", "High"}:
        raise Wrong(priority=f'"{wish.get("priority")}" is not a valid choice.')
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", str(wish.get("due_date") or "2026-01-01")):
        raise Wrong(due_date="Date has wrong format.")
    row = {**mine, "id": state.new_id(), "created_at": state.now(), "assigned_to": wish.get("assigned_to") or []}
    row |= {name: wish.get(name) for name in ("title", "description", "due_date", "status", "priority")}
    state.tasks[str(row["id"])] = row


def _shown(row: Row, names: tuple[str, ...]) -> Row:
    told = {name: row[name] for name in names}
    told |= {name: {"id": told[name], "name": ""} if told[name] else None for name in PARENTS}
    return {**told, "assigned_to": [{"id": ref} for ref in row["assigned_to"]]}


# ── tags ─────────────────────────────────────────────────────────────────────────────────────────


@api.route("/api/tags/", methods=["GET", "POST"])
def tags() -> Any:
    """Those in use; or a new one, an archived one of the same name again."""
    state = account()
    with state.lock:
        if request.method == "GET":
            shown = [one for one in state.tags if one["is_active"]]
            return jsonify(tags=shown, tags_count=len(shown))
        name = str(request.get_json().get("name") or "").strip()
        slug = _slug(name)
        if not slug or len(name) > 50:
            raise Wrong(name="A tag name needs at least one letter or digit.")
        if held := next((one for one in state.tags if one["slug"] == slug), None):
            if held["is_active"]:
                raise Wrong(name="A tag with this name already exists.")
            held["is_active"] = True
            return jsonify(error=False, message="Tag reactivated successfully", tag=held)
        state.tags.append({"id": state.new_id(), "name": name, "slug": slug, "is_active": True})
        return jsonify(error=False, message="Tag Created Successfully", tag=state.tags[-1]), 201


def _slug(name: str) -> str:
    plain = unicodedata.normalize("NFKC", name).lower()
    kept = "".join(sign for sign in plain if sign.isalnum() or sign in "_-" or sign.isspace())
    return re.sub(r"[-\s]+", "-", kept).strip("-_")
