"""The CRM API of the stand-in: records, and the gatekeeper before them (token, budget, faults)."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.hubspot.sandbox.schema import REQUIRED, Wrong, check
from connectors.crms.hubspot.sandbox.state import Account, Row
from connectors.testing.sandbox import guard

api = Blueprint("hubspot", __name__)
BATCH, PAIRS = 100, 2000
KIND = "<any(contacts, companies, deals, notes, tasks, calls, emails, meetings, communications):kind>"
OBJECTS = f"/crm/v3/objects/{KIND}"
Answer = Response | tuple[Any, int]
Work = Callable[[Account, str, Row], Row]


def account() -> Account:
    """The account behind this application."""
    state = current_app.extensions["hubspot"]
    assert isinstance(state, Account)  # noqa: S101
    return state


def problem(status: int, category: str, message: str = "", **more: Any) -> Response:
    """As every refusal."""
    told = {"status": "error", "message": message or category, "correlationId": "00000000-0000-4000-8000-000000000000"}
    answer = jsonify({**told, "category": category, **more})
    answer.status_code = status
    return answer


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """Budget, then whatever fault the test ordered; the token comes after it."""
    state, path = account(), request.path.lstrip("/")
    with state.lock:
        state.calls[f"{request.method} {path}"] += 1
    if state.latency:
        time.sleep(state.latency)
    if policy := state.throttled(path):
        told = f"You have reached your {policy.lower()} limit."
        return problem(429, "RATE_LIMITS", told, errorType="RATE_LIMIT", policyName=policy)
    return None


def _special(kind: str) -> Response | None:
    if kind == "daily":
        told = "You have reached your daily limit."
        return problem(429, "RATE_LIMITS", told, errorType="RATE_LIMIT", policyName="DAILY")
    if kind == "scopes":
        return problem(403, "MISSING_SCOPES", "This app hasn't been granted all required scopes", errors=[
            {"message": "lacking", "context": {"requiredGranularScopes": ["crm.objects.deals.write"]}}])  # fmt: skip
    return problem(400, "VALIDATION_ERROR", "Invalid input") if kind == "blind400" else None


def _plain(status: int) -> Response:
    return problem(status, {429: "RATE_LIMITS", 401: "INVALID_AUTHENTICATION"}.get(status, "ON_DEMAND"))


guard(api, lambda: account().faults, _plain, lambda: account().clock(), _special)


@api.before_request
def known() -> Response | None:
    """Whoever asks for a token has none yet."""
    state = account()
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if request.path.startswith("/oauth"):
        return None
    if token not in state.access:
        return problem(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
    if token in state.expires and state.expires[token] < state.clock():
        return problem(401, "EXPIRED_AUTHENTICATION", "The OAuth token used to make this call expired.")
    return None


@api.after_request
def flush(answer: Response) -> Response:
    """Hooks go out even when the answer gets lost."""
    account().flush()
    return answer


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A refusal of the whole call."""
    return problem(wrong.status, wrong.category, wrong.message)


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Response:
    """Something in the path that does not exist."""
    return problem(404, "OBJECT_NOT_FOUND", "resource not found")


# ── shapes ───────────────────────────────────────────────────────────────────────────────────────


def iso(millis: int) -> str:
    """As HubSpot writes times."""
    return datetime.fromtimestamp(millis / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render(kind: str, row: Row, names: Any = None) -> Row:
    """A record; unless told by name it shows what it has, blanks are null. Unknown names are passed over."""
    stamp = "lastmodifieddate" if kind == "contacts" else "hs_lastmodifieddate"
    own = {"hs_object_id": row["id"], stamp: iso(row["changed"]), "createdate": iso(row["created"])}
    props = {**own, **row["props"]}
    if isinstance(names, list):
        props = {name: props.get(name) for name in (*own, *names) if name in account().properties[kind]}
    told = {"id": row["id"], "properties": props, "createdAt": iso(row["created"]), "updatedAt": iso(row["changed"])}
    archived = {"archived": row["archived"], **({"archivedAt": iso(row["archived_at"])} if row["archived"] else {})}
    return {**told, **archived}


def asked() -> Row:
    """The body, which must be an object."""
    told = request.get_json(silent=True)
    if not isinstance(told, dict):
        raise Wrong("VALIDATION_ERROR", 400, "Invalid input JSON")
    return told


def inputs(most: int = BATCH) -> list[Row]:
    """The inputs of a batch."""
    told = asked().get("inputs")
    if not isinstance(told, list) or not told or len(told) > most or not all(isinstance(one, dict) for one in told):
        raise Wrong("VALIDATION_ERROR", 400, f"inputs must hold 1 to {most} objects")
    return told


def listed(results: list[Any], errors: list[Row] | None = None, status: int = 200) -> Answer:
    """The answer of a batch."""
    told: Row = {"status": "COMPLETE", "results": results, "startedAt": iso(0), "completedAt": iso(0)}
    if errors:
        told |= {"errors": errors, "numErrors": len(errors)}
    return jsonify(told), 207 if errors else status


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


@api.post(f"{OBJECTS}/batch/create")
def create(kind: str) -> Answer:
    """Up to 100, with links."""
    return _batch(kind, _create, split=True, status=201)


@api.post(f"{OBJECTS}/batch/upsert")
def upsert(kind: str) -> Answer:
    """Up to 100 by a unique property, without links."""
    return _batch(kind, _upsert, split=True)


@api.post(f"{OBJECTS}/batch/update")
def update(kind: str) -> Answer:
    """Up to 100; all or nothing."""
    return _batch(kind, _update, split=False)


def _batch(kind: str, work: Work, *, split: bool, status: int = 200) -> Answer:
    """With a trace id on every input the good ones are taken; else one bad input refuses all."""
    state, many = account(), inputs()
    keys = [one.get("id") for one in many if one.get("id")]
    if len(set(keys)) < len(keys):
        raise Wrong("VALIDATION_ERROR", 400, "Duplicate IDs found in batch input")
    traced = split and all(one.get("objectWriteTraceId") for one in many)
    results: list[Row] = []
    errors: list[Row] = []
    with state.lock:
        for one in [] if traced else many:
            work(state, kind, {**one, "dry": True})
        for one in many:
            try:
                row = work(state, kind, one)
            except Wrong as wrong:
                if not traced:
                    raise
                context = {"objectWriteTraceId": [one["objectWriteTraceId"]]}
                told = {"status": "error", "category": wrong.category, "message": wrong.message, "context": context}
                errors.append(told)
            else:
                shown = render(kind, row)
                shown |= {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}
                results.append({**shown, "new": row.pop("new")} if "new" in row else shown)
    return listed(results[::-1], errors, status)  # no order is promised


def _unique(state: Account, kind: str, sent: Mapping[str, str], ref: str = "") -> None:
    for name, value in sent.items():
        if value and state.properties[kind][name].get("hasUniqueValue"):
            holder = state.holder(kind, name, value)
            if holder and holder != ref and name == "email":
                raise Wrong("CONFLICT", 409, f"Contact already exists. Existing ID: {holder}")
            if holder and holder != ref:
                line = {"isValid": False, "message": "taken", "error": "CONFLICTING_UNIQUE_VALUE", "name": name}
                raise Wrong("VALIDATION_ERROR", 400, "", line)


def _create(state: Account, kind: str, one: Row) -> Row:
    sent = one.get("properties") or {}
    check(state.properties[kind], sent, REQUIRED.get(kind, ()))
    _unique(state, kind, sent)
    if kind == "deals":
        state.pipelines.must_hold({**state.pipelines.first(), **sent})
    links: dict[str, list[str]] = {}
    for end in one.get("associations") or ():
        other, ref = _other(kind, end["types"][0]["associationTypeId"]), str(end["to"]["id"])
        if state.resolve(other, ref) is None:
            raise Wrong("OBJECT_NOT_FOUND", 404, f"No {other} with ID {ref} exists")
        links.setdefault(other, []).append(ref)
    return {} if one.get("dry") else state.create(kind, sent, links)


def _update(state: Account, kind: str, one: Row) -> Row:
    row = state.resolve(kind, str(one.get("id")))
    if row is None:
        raise Wrong("OBJECT_NOT_FOUND", 404, "resource not found")
    sent = one.get("properties") or {}
    check(state.properties[kind], sent)
    _unique(state, kind, sent, row["id"])
    if kind == "deals" and {"pipeline", "dealstage"} & sent.keys():
        state.pipelines.must_hold({**row["props"], **sent})
    if not one.get("dry"):
        state.change(kind, row, sent)
    return row


def _upsert(state: Account, kind: str, one: Row) -> Row:
    name, value = one.get("idProperty"), str(one.get("id") or "")
    if not state.properties[kind].get(str(name), {}).get("hasUniqueValue") or not value:
        raise Wrong("VALIDATION_ERROR", 400, f"Unable to perform update/upsert by non-unique property {name}")
    sent = {str(name): value, **(one.get("properties") or {})}
    if holder := state.holder(kind, str(name), value):
        return {**_update(state, kind, {**one, "id": holder, "properties": sent}), "new": False}
    return {**_create(state, kind, {**one, "properties": sent, "associations": ()}), "new": True}


# ── links ────────────────────────────────────────────────────────────────────────────────────────

TYPES = {3: ("deals", "contacts"), 4: ("contacts", "deals"), 1: ("contacts", "companies"),
         5: ("deals", "companies"), 341: ("deals", "companies"), 342: ("companies", "deals"),
         279: ("contacts", "companies"), 280: ("companies", "contacts"), 202: ("notes", "contacts"),
         214: ("notes", "deals"), 190: ("notes", "companies"), 204: ("tasks", "contacts"), 216: ("tasks", "deals"),
         192: ("tasks", "companies")}  # fmt: skip


def _other(kind: str, number: Any) -> str:
    here, there = TYPES.get(number, ("", ""))
    if here != kind:
        raise Wrong("VALIDATION_ERROR", 400, f"{number} is no association type of {kind}")
    return there


@api.post(f"/crm/v4/associations/{KIND}/<other>/batch/create")
def link(kind: str, other: str) -> Answer:
    """Tie records together; again does no harm."""
    state = account()
    many = inputs(PAIRS)
    with state.lock:
        for one in many:
            if _other(kind, one["types"][0]["associationTypeId"]) != other:
                raise Wrong("VALIDATION_ERROR", 400, "This association type is one of other records")
            state.link(kind, str(one["from"]["id"]), other, str(one["to"]["id"]))
    return listed([{"fromObjectId": one["from"]["id"], "toObjectId": one["to"]["id"]} for one in many], status=201)


@api.post(f"/crm/v4/associations/{KIND}/<other>/batch/read")
def linked(kind: str, other: str) -> Answer:
    """Up to 1000; who has no links is left out and named."""
    state, found = account(), []
    missing: list[Row] = []
    for one in inputs(1000):
        refs = state.links.get((kind, str(one["id"])), {}).get(other, [])
        to = [
            {"toObjectId": int(ref), "associationTypes": [{"category": "HUBSPOT_DEFINED", "typeId": 3}]} for ref in refs
        ]
        if to:
            found.append({"from": {"id": str(one["id"])}, "to": to})
        else:
            missing.append({"status": "error", "category": "OBJECT_NOT_FOUND", "message": "No association found",
                            "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"})  # fmt: skip
    return listed(found, missing)
