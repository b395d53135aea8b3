"""The CRM API of the stand-in: what an admin sets up (properties, pipelines), owners, and the token server."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from connectors.crms.hubspot.sandbox.reads import api
from connectors.crms.hubspot.sandbox.routes import Answer, account, asked, problem
from connectors.crms.hubspot.sandbox.schema import Pipelines, Wrong, property_of, shown

__all__ = ["api"]
PROPERTIES = "/crm/v3/properties/<any(contacts, companies, deals, notes, tasks):kind>"
PIPELINES = "/crm/v3/pipelines/deals"


@api.get("/account-info/v3/details")
def about() -> Answer:
    """Which account this is."""
    state = account()
    return jsonify({"portalId": state.id, "accountType": "STANDARD", "timeZone": "Europe/Tallinn",
                    "companyCurrency": "EUR", "uiDomain": "app.hubspot.com", "dataHostingLocation": "na1"})  # fmt: skip


@api.get("/crm/v3/owners")
def owners() -> Answer:
    """People, two on a page so that pages are seen."""
    state, after = account(), int(request.args.get("after", 0))
    some = list(state.owners.items())[after : after + 2]
    told: dict[str, Any] = {"results": [
        {"id": ref, "email": state.emails.get(ref, f"{first.lower()}@northwind.test"), "firstName": first,
         "lastName": last, "userId": int(ref) + 9000, "archived": False} for ref, (first, last) in some]}  # fmt: skip
    if after + 2 < len(state.owners):
        told["paging"] = {"next": {"after": str(after + 2)}}
    return jsonify(told)


@api.route(PROPERTIES, methods=["GET", "POST"])
def properties(kind: str) -> Answer:
    """All definitions, or a new one: a name in lower case, a group that exists, at most ten unique ones."""
    state = account()
    known = state.properties[kind]
    if request.method == "GET":
        return jsonify({"results": list(known.values())})
    wish = asked()
    name = str(wish.get("name") or "")
    if not name or name != name.lower() or not name.replace("_", "").isalnum() or not wish.get("label"):
        raise Wrong("VALIDATION_ERROR", 400, f"Property name {name} is not valid")
    if name in known:
        raise Wrong("CONFLICT", 409, f"A property named '{name}' already exists.")
    if wish.get("groupName") not in state.groups[kind]:
        raise Wrong("VALIDATION_ERROR", 400, f"Property group {wish.get('groupName')} does not exist")
    unique = sum(bool(one["hasUniqueValue"]) for one in known.values())
    if wish.get("type") not in {"bool", "date", "datetime", "enumeration", "number", "phone_number", "string"} or (
        wish.get("hasUniqueValue") and unique >= 10
    ):
        raise Wrong("VALIDATION_ERROR", 400, "Property definition is not valid")
    known[name] = property_of(**{"kind": wish["type"], **{k: v for k, v in wish.items() if k != "type"}})
    return jsonify(known[name]), 201


@api.route(f"{PROPERTIES}/<name>", methods=["GET", "PATCH", "DELETE"])
def one_property(kind: str, name: str) -> Answer:
    """Uniqueness can be said at the creation only."""
    known = account().properties[kind]
    found = known[name]
    if request.method == "DELETE":
        if found["groupName"] == "information":
            raise Wrong("VALIDATION_ERROR", 400, "A property of HubSpot cannot be deleted")
        del known[name]
        return Response(status=204)
    if request.method == "PATCH":
        if "hasUniqueValue" in asked():
            raise Wrong("VALIDATION_ERROR", 400, "hasUniqueValue cannot be changed")
        found |= {key: value for key, value in asked().items() if key in {"label", "groupName", "options"}}
    return jsonify(found)


@api.post(f"{PROPERTIES}/groups")
def add_group(kind: str) -> Answer:
    """A group of properties."""
    name, groups = str(asked().get("name")), account().groups[kind]
    if name in groups:
        return problem(409, "CONFLICT", "The group exists")
    groups.add(name)
    return jsonify({"name": name, "label": asked().get("label"), "archived": False}), 201


@api.delete(f"{PROPERTIES}/groups/<name>")
def remove_group(kind: str, name: str) -> Answer:
    """An empty one."""
    account().groups[kind].remove(name)
    return Response(status=204)


@api.route(PIPELINES, methods=["GET", "POST"])
def pipelines() -> Answer:
    """All deal pipelines with their stages, or a new one."""
    state = account()
    with state.lock:
        if request.method == "POST":
            return jsonify(shown(state.pipelines.add(asked()))), 201
        return jsonify({"results": [shown(one) for one in state.pipelines.all.values()]})


@api.route(f"{PIPELINES}/<ref>", methods=["PATCH", "DELETE"])
def one_pipeline(ref: str) -> Answer:
    """Rename it, or remove it while no deal stands in it."""
    state = account()
    with state.lock:
        found = state.pipelines.all[ref]
        if request.method == "DELETE":
            _must_be_empty("pipeline", ref)
            del state.pipelines.all[ref]
            return Response(status=204)
        found |= {key: value for key, value in asked().items() if key in {"label", "displayOrder"}}
        return jsonify(shown(found))


@api.route(f"{PIPELINES}/<ref>/stages", methods=["GET", "POST"])
def stages(ref: str) -> Answer:
    """Stages of a pipeline."""
    state = account()
    with state.lock:
        if request.method == "POST":
            return jsonify(state.pipelines.add_stage(ref, asked())), 201
        return jsonify({"results": shown(state.pipelines.all[ref])["stages"]})


@api.route(f"{PIPELINES}/<ref>/stages/<stage>", methods=["PATCH", "DELETE"])
def one_stage(ref: str, stage: str) -> Answer:
    """Change it, or remove it while no deal stands in it."""
    state = account()
    with state.lock:
        there = state.pipelines.all[ref]["stages"]
        found = there[stage]
        if request.method == "DELETE":
            _must_be_empty("dealstage", stage)
            del there[stage]
            return Response(status=204)
        there[stage] = Pipelines.stage(stage, {**found, **asked()})
        return jsonify(there[stage])


def _must_be_empty(name: str, ref: str) -> None:
    rows = account().rows["deals"].values()
    if any(row["props"].get(name) == ref and not row["archived"] for row in rows):
        raise Wrong("VALIDATION_ERROR", 400, "It is referenced by deals")


@api.post("/oauth/v1/token")
def token() -> Answer:
    """Tokens of half an hour; the refresh token stays the same."""
    state, form = account(), request.form
    with state.lock:
        if form.get("grant_type") == "refresh_token" and form.get("refresh_token") in state.refresh:
            refresh = form["refresh_token"]
        elif form.get("grant_type") == "authorization_code" and form.get("code") in state.codes:
            refresh = "refresh-1"
        else:
            return problem(400, "BAD_REFRESH_TOKEN", "missing or unknown refresh token")
        access = f"access-{state.number()}"
        state.access.add(access)
        state.expires[access] = state.clock() + 1800
        return jsonify({"token_type": "bearer", "refresh_token": refresh, "access_token": access, "expires_in": 1800})
