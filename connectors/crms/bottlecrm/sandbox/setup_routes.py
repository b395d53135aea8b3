"""The rest of the stand-in's API: the organisation, its people, custom fields, pipelines, webhooks."""

from __future__ import annotations

import re
from typing import Any

from flask import jsonify, request

from connectors.crms.bottlecrm.sandbox.routes import Answer, account, api
from connectors.crms.bottlecrm.sandbox.rules import Row, Wrong
from connectors.crms.bottlecrm.sandbox.state import Account

__all__ = ["api"]


@api.get("/api/org/settings/")
def organisation() -> Answer:
    """Whose account this is."""
    return jsonify(id=account().id, name="Northwind Windows")


@api.get("/api/profile/")
def profile() -> Answer:
    """Whose token this is."""
    return jsonify(user_obj={"id": account().people[0]["id"]})


@api.get("/api/users/get-teams-and-users/")
def users() -> Answer:
    """The organisation's people."""
    told = [
        {"id": one["id"], "is_active": True,
         "user_details": {"email": f"{one['name'].lower()}@northwind.test", "name": one["name"], "is_active": True}}
        for one in account().people
    ]  # fmt: skip
    return jsonify(teams=[], profiles=told)


# ── custom fields ────────────────────────────────────────────────────────────────────────────────


@api.route("/api/custom-fields/", methods=["GET", "POST"])
def custom_fields() -> Answer:
    """All of them, or a new one whose key nobody has."""
    state = account()
    if request.method == "GET":
        return jsonify(definitions=state.fields)
    wish = request.get_json()
    if any((one["target_model"], one["key"]) == (wish["target_model"], wish["key"]) for one in state.fields):
        raise Wrong(key=f"a {wish['target_model']} field with key '{wish['key']}' already exists")
    if wish["field_type"] not in {"text", "textarea", "number", "dropdown", "date", "checkbox"}:
        raise Wrong(field_type=f'"{wish["field_type"]}" is not a valid choice.')
    state.fields.append({**wish, "id": state.new_id(), "is_active": True})
    return jsonify(state.fields[-1]), 201


@api.route("/api/custom-fields/<ref>/", methods=["PUT", "DELETE"])
def custom_field(ref: str) -> Answer:
    """Switched on or off; never gone."""
    found = next(one for one in account().fields if one["id"] == ref)
    found["is_active"] = request.method == "PUT"
    return jsonify(found)


# ── pipelines of deals ───────────────────────────────────────────────────────────────────────────


@api.route("/api/opportunities/pipelines/", methods=["GET", "POST"])
def pipelines() -> Answer:
    """All of them, or a new one with the usual stages."""
    state = account()
    if request.method == "GET":
        return jsonify(pipelines=state.pipelines)
    return jsonify(state.add_pipeline(str(request.get_json()["name"]))), 201


@api.route("/api/opportunities/pipelines/<ref>/", methods=["PATCH", "DELETE"])
def pipeline(ref: str) -> Answer:
    """Renamed, or removed while nothing is in it."""
    state = account()
    found = _pipeline(state, ref)
    if request.method == "PATCH":
        found["name"] = request.get_json()["name"]
        return jsonify(found)
    if any(row["pipeline"] == ref for row in state.rows["opportunities"].values()):
        return jsonify(error=True, errors="This pipeline still holds deals."), 400
    state.pipelines.remove(found)
    return "", 204


@api.post("/api/opportunities/pipelines/<ref>/stages/")
def add_stage(ref: str) -> Answer:
    """A stage at the end, behind the closing ones."""
    state, wish = account(), request.get_json()
    found = _pipeline(state, ref)
    if any(one["label"].casefold() == wish["label"].casefold() for one in found["stages"]):
        raise Wrong(label="This pipeline already has a stage with this name.")
    base = re.sub(r"[^A-Z0-9]+", "_", wish["label"].upper()).strip("_") or "STAGE"
    taken = {one["code"] for one in found["stages"]}
    code = next(one for one in (base, *(f"{base}_{n}" for n in range(2, 99))) if one not in taken)
    last = max(one["order"] for one in found["stages"])
    found["stages"].append({**wish, "id": state.new_id(), "code": code, "order": last + 1})
    return jsonify(found), 201


@api.post("/api/opportunities/pipelines/<ref>/stages/reorder/")
def reorder(ref: str) -> Answer:
    """All stages in their new order."""
    found, wanted = _pipeline(account(), ref), request.get_json()["stage_ids"]
    if sorted(wanted) != sorted(one["id"] for one in found["stages"]):
        return jsonify(error=True, errors="Send every stage of this pipeline exactly once."), 400
    for one in found["stages"]:
        one["order"] = wanted.index(one["id"]) + 1
    return jsonify(found)


@api.route("/api/opportunities/stages/<ref>/", methods=["PATCH", "DELETE"])
def stage(ref: str) -> Answer:
    """Renamed, or removed while nothing is in it."""
    state = account()
    owner, found = next((p, one) for p in state.pipelines for one in p["stages"] if one["id"] == ref)
    if request.method == "PATCH":
        found["label"] = request.get_json()["label"]
        return jsonify(owner)
    if any(row["stage"] == found["code"] for row in state.rows["opportunities"].values()):
        return jsonify(error=True, errors="This stage still holds deals."), 400
    owner["stages"].remove(found)
    return "", 204


def _pipeline(state: Account, ref: str) -> Row:
    return next(one for one in state.pipelines if one["id"] == ref)


# ── webhooks ─────────────────────────────────────────────────────────────────────────────────────


@api.post("/api/webhooks/")
def webhooks() -> Any:
    """Only for people who signed in."""
    state = account()
    if request.headers.get("Authorization") != f"Bearer {state.session}":
        why = "API tokens and organization API keys cannot read or manage other credentials. Sign in to manage them."
        return jsonify(detail=why), 403
    hook = {"id": state.new_id(), "url": request.get_json()["url"], "secret": f"whsec_{state.new_id()}"}
    state.hooks.append(hook)
    return jsonify(hook), 201
