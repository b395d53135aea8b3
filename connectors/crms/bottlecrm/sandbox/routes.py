"""The API of the stand-in: records, and the gatekeeper before them (token, faults)."""

from __future__ import annotations

import re
import time
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.bottlecrm.sandbox.rules import ACCOUNTS, CONTACTS, DEALS, LEADS, Row, Wrong
from connectors.crms.bottlecrm.sandbox.state import Account
from connectors.testing.sandbox import guard

api = Blueprint("bottlecrm", __name__)
KIND = "<any(leads, opportunities, contacts, accounts):kind>"
OBJECTS = {LEADS: "lead_obj", DEALS: "opportunity_obj", CONTACTS: "contact_obj", ACCOUNTS: "account_obj"}
REF = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
Answer = Response | tuple[Any, int]


def account() -> Account:
    """The account behind this application."""
    state = current_app.extensions["bottlecrm"]
    assert isinstance(state, Account)  # noqa: S101
    return state


@api.before_request
def admit() -> None:
    """Count the call."""
    state = account()
    with state.lock:
        state.calls[f"{request.method} {request.path.removeprefix('/api/')}"] += 1
    if state.latency:
        time.sleep(state.latency)


guard(api, lambda: account().faults, lambda status: Response(status=status), lambda: account().clock())


@api.before_request
def known() -> Answer | None:
    """A bad token is a 403."""
    given = request.headers.get("Authorization", "").removeprefix("Bearer ")
    if given not in {account().token, account().session}:
        return jsonify(detail="Organization context is required. Please login again."), 403
    return None


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Answer:
    """What the rules say."""
    return jsonify(error=True, errors=wrong.errors), 400


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Answer:
    """An id that nobody has."""
    return jsonify(detail="No record matches the given query."), 404


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def shown(state: Account, kind: str, row: Row) -> Row:
    """A record in the API's shape."""
    told = {name: value for name, value in row.items() if name != "at"}
    told["assigned_to"] = [{"id": ref} for ref in row["assigned_to"]]
    for name in ("contacts", "teams"):
        if name in row:
            told[name] = [{"id": ref} for ref in row[name]]
    told["tags"] = [{"id": one["id"], "name": one["name"]} for one in state.tags if one["id"] in row["tags"]]
    firm = state.rows[ACCOUNTS].get(row.get("account") or "")
    named = {"id": firm["id"], "name": firm["name"]} if firm else None
    if kind == CONTACTS:
        told["account_detail"] = named
    if kind in (DEALS, ACCOUNTS):
        del told["updated_at"]
    if kind == DEALS:
        told["account"] = named
        stages = next(one["stages"] for one in state.pipelines if one["id"] == row["pipeline"])
        told["stage_kind"] = next((one["kind"] for one in stages if one["code"] == row["stage"]), "open")
    return told


@api.get(f"/api/{KIND}/")
def rows(kind: str) -> Answer:
    """A page of everything, in the order of random ids; converted leads are in none."""
    state, since = account(), request.args.get("created_at__gte", "")
    with state.lock:
        found = [row for ref, row in sorted(state.rows[kind].items(), reverse=True) if row["created_at"][:10] >= since]
        found = [row for row in found if state.clock() - row["at"] >= state.lag]
        told = [shown(state, kind, row) for row in found if kind != LEADS or row["status"] != "converted"]
    if kind == ACCOUNTS:
        told = [row for row in told if request.args.get("name", "").casefold() in row["name"].casefold()]
        halves = {"open": [row for row in told if row["is_active"]], "close": [r for r in told if not r["is_active"]]}
        return jsonify({
            under: {f"{half}_accounts": _page(halves[half]), f"{half}_accounts_count": len(halves[half])}
            for under, half in (("active_accounts", "open"), ("closed_accounts", "close"))
        })  # fmt: skip
    if kind == CONTACTS:
        return jsonify(results=_page(told), count=len(told))
    if kind == DEALS:
        return jsonify(opportunities=_page(told), opportunities_count=len(told))
    parts = {name: [row for row in told if (row["status"] == "closed") == (name == "close_leads")]
             for name in ("open_leads", "close_leads")}  # fmt: skip
    return jsonify({name: {name: _page(part), "leads_count": len(part)} for name, part in parts.items()})


def _page(told: list[Row]) -> list[Row]:
    start = int(request.args.get("offset", 0))
    return told[start : start + int(request.args.get("limit", 10))]


@api.post(f"/api/{KIND}/")
def create(kind: str) -> Answer:
    """A new record: 200, as it is over there."""
    ref = account().create(kind, request.get_json())
    return jsonify(error=False, message="Created Successfully", id=ref), 200


@api.route(f"/api/{KIND}/<ref>/", methods=["GET", "POST", "PATCH", "PUT", "DELETE"])
def record(kind: str, ref: str) -> Answer:
    """One record; a malformed id has no such page."""
    state = account()
    if not REF.fullmatch(ref):
        return Response("<!DOCTYPE html><title>Page not found</title>", status=404)
    with state.lock:
        row = state.rows[kind][ref]
        if request.method == "POST":
            state.comment(kind, ref, request.get_json().get("comment") or "", by=state.people[0]["id"])
        if request.method in {"GET", "POST"}:
            told = shown(state, kind, row)
            if kind == ACCOUNTS:
                deals = (one for one in state.rows[DEALS].values() if one["account"] == ref)
                told["opportunities"] = [{"id": one["id"], "name": one["name"]} for one in deals]
            said = sorted(state.comments.get((kind, ref), ()), key=lambda one: str(one["id"]), reverse=True)
            return jsonify({OBJECTS[kind]: told, "comments": said})
        if request.method == "DELETE":
            state.delete(kind, ref)
            return jsonify(error=False, message="Deleted Successfully")
        return _changed(state, kind, ref, request.get_json())


def _changed(state: Account, kind: str, ref: str, wish: Row) -> Answer:
    """PATCH and PUT differ where a lead is converted: PUT takes an empty e-mail and clears lists that are not sent."""
    held = state.rows[kind][ref]
    converts = kind == LEADS and wish.get("status") == "converted" != held["status"]
    if converts and request.method == "PATCH" and not (wish.get("email") or held["email"]):
        raise Wrong(email="This lead needs an email address before it can be converted.")
    if request.method == "PUT":
        if "email" not in wish:
            raise Wrong(email="This field is required.")
        wish = {"assigned_to": [], "teams": [], "tags": [], "contacts": [], **wish}
    told = state.change(kind, ref, wish)
    message = "Lead Converted Successfully" if told else "updated Successfully"
    return jsonify(error=False, message=message, **told)


@api.post(f"/api/{KIND}/duplicates/")
def duplicates(kind: str) -> Answer:
    """Who has this e-mail or phone; converted leads are left out."""
    state, wish = account(), request.get_json()
    mail, digits = str(wish.get("email") or "").casefold(), re.sub(r"\D", "", str(wish.get("phone") or ""))[-10:]
    with state.lock:
        found = [
            ref for ref, row in state.rows[kind].items()
            if row.get("status") != "converted"
            and ((mail and str(row["email"] or "").casefold() == mail)
                 or (digits and re.sub(r"\D", "", row["phone"] or "")[-10:] == digits))
        ]  # fmt: skip
    return jsonify(duplicates=[{"id": ref} for ref in found])


@api.get("/api/activities/")
def activities() -> Answer:
    """The newest entries, 50 at most."""
    state, entity = account(), request.args.get("entity_type")
    with state.lock:
        seen = [one for one in state.feed if state.clock() - one["at"] >= state.lag]
        told = [one for one in seen if entity in (None, one["entity_type"])]
    told = told[: min(50, int(request.args.get("limit", 10)))]
    return jsonify(error=False, count=len(told), activities=told)
