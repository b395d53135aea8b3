"""The API v8 of the stand-in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.zoho.sandbox.coql import Malformed, Query
from connectors.crms.zoho.sandbox.refusal import Wrong
from connectors.crms.zoho.sandbox.state import HUB, HUMAN, MODULES, STAGES, Organisation, Row
from connectors.testing.sandbox import guard

api = Blueprint("zoho", __name__)
CRM, BATCH, FIELDS = "/crm/v8", 100, 50
MODULE = f"<any({', '.join(MODULES)}):module>"


def organisation() -> Organisation:
    """The organisation behind this application."""
    state = current_app.extensions["zoho"]
    assert isinstance(state, Organisation)  # noqa: S101
    return state


_CODES = {401: "INVALID_TOKEN", 403: "NO_PERMISSION", 429: "TOO_MANY_REQUESTS", 500: "INTERNAL_ERROR"}


def problem(status: int, code: str = "", details: Any = None) -> Response:
    """An error of a whole call."""
    told = {
        "code": code or _CODES.get(status, "INVALID_DATA"),
        "details": details or {},
        "message": "no",
        "status": "error",
    }
    answer = jsonify(told)
    answer.status_code = status
    return answer


@api.before_request
def admit() -> Response | None:
    """Count the call; other people's transactions end meanwhile."""
    state = organisation()
    with state.lock:
        state.calls[f"{request.method} {request.path.removeprefix(CRM + '/')}"] += 1
    state.settle()
    if state.latency:
        time.sleep(state.latency)
    return None


def _own(kind: str) -> Response | None:
    return problem(400, "LIMIT_EXCEEDED") if kind == "limit" else None


guard(api, lambda: organisation().faults, problem, lambda: organisation().clock(), _own)


@api.before_request
def known() -> Response | None:
    """Token, then credits."""
    state = organisation()
    if request.headers.get("Authorization", "").removeprefix("Zoho-oauthtoken ") not in state.tokens:
        return problem(401)
    state.spent += 1
    return problem(429) if state.credits is not None and state.spent > state.credits else None


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A refusal of a whole call."""
    return problem(400, wrong.code, wrong.details)


def listing(name: str, rows: Sequence[Any], page: int = 1, size: int = 200) -> Any:
    """A page; 204 when it is empty."""
    part = rows[(page - 1) * size : page * size]
    if not part:
        return Response(status=204)
    info = {"per_page": size, "count": len(part), "page": page, "more_records": len(rows) > page * size}
    return jsonify({name: part, "info": info})


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _shown(row: Row, names: Sequence[str]) -> Row:
    return {"id": row["id"], **{name: row.get(name) for name in names if name != "id"}}


def _names() -> list[str]:
    names = request.args.get("fields", "").split(",")
    if not names[0] or len(names) > FIELDS:
        raise Wrong("REQUIRED_PARAM_MISSING" if not names[0] else "LIMIT_REACHED", "fields")
    return names


@api.post(f"{CRM}/coql")
def coql() -> Any:
    """A query; converted leads are in none."""
    state = organisation()
    try:
        asked = Query(str((request.get_json(silent=True) or {}).get("select_query")))
    except Malformed:
        return problem(400, "SYNTAX_ERROR")
    if unknown := asked.asked - state.fields[asked.kind].keys() - {"id"}:
        return problem(400, "INVALID_QUERY", {"column_name": min(unknown)})
    with state.lock:
        rows = [row for row in state.rows[asked.kind].values() if not row["Converted__s"] and asked.test(row)]
        rows.sort(key=lambda row: (datetime.fromisoformat(row["Modified_Time"]), row["id"]))
        return listing("data", [_shown(row, asked.fields) for row in rows[: asked.limit]], size=asked.limit)


@api.get(f"{CRM}/{MODULE}")
def rows(module: str) -> Any:
    """Records by id, or those that were converted, changed since."""
    state, names = organisation(), _names()
    with state.lock:
        found = list(state.rows[module].values())
        if "ids" in request.args:
            wanted = request.args["ids"].split(",")
            if len(wanted) > BATCH:
                raise Wrong("LIMIT_REACHED", "ids")
            found = [row for row in found if row["id"] in wanted]
        told = request.args.get("converted", "false")
        found = [row for row in found if told == "both" or row["Converted__s"] == (told == "true")]
        shown = [_shown(row, names) for row in found if _since(row["Modified_Time"])]
    if not shown and request.headers.get("If-Modified-Since"):
        return Response(status=304)
    return listing("data", shown, int(request.args.get("page", 1)), int(request.args.get("per_page", 200)))


def _since(stamp: str) -> bool:
    told = request.headers.get("If-Modified-Since")
    return not told or datetime.fromisoformat(stamp) >= datetime.fromisoformat(told)


@api.get(f"{CRM}/{MODULE}/deleted")
def deleted(module: str) -> Any:
    """The bin."""
    state = organisation()
    rows = [row for row in state.bin[module] if _since(row["deleted_time"])]
    return listing("data", rows, int(request.args.get("page", 1)), int(request.args.get("per_page", 200)))


@api.get(f"{CRM}/{MODULE}/search")
def search(module: str) -> Any:
    """Phones only, behind by the lag of the index."""
    state, names, phone = organisation(), _names(), request.args["phone"]
    phones = [name for name, field in state.fields[module].items() if field["data_type"] == "phone"]
    with state.lock:
        found = [row for row in state.rows[module].values() if row["_written"] + state.index_lag <= state.clock()
                 and any(phone in re.sub(r"\D", "", str(row.get(name) or "")) for name in phones)]  # fmt: skip
    return listing("data", [_shown(row, names) for row in found])


@api.get(f"{CRM}/org")
def org() -> Any:
    """Whose account this is."""
    return jsonify({"org": [{"id": "554023000000020813", "company_name": "Northwind Windows"}]})


@api.get(f"{CRM}/users")
def users() -> Any:
    """People."""
    told = ((HUB, "Hub", "hub@northwind.test"), (HUMAN, "Vera Lind", "vera@northwind.test"))
    return listing("users", [{"id": r, "full_name": n, "email": m, "status": "active"} for r, n, m in told])


@api.get(f"{CRM}/settings/fields")
def fields() -> Any:
    """Fields of a module."""
    return listing("fields", list(organisation().fields[request.args["module"]].values()), size=500)


@api.get(f"{CRM}/settings/layouts")
def layouts() -> Any:
    """One layout."""
    return jsonify({"layouts": [{"id": "554023000000091023", "name": "Standard"}]})


@api.get(f"{CRM}/settings/pipeline")
def pipeline() -> Any:
    """The pipelines of a layout; none where the feature is off."""
    maps = [{"display_value": name, "actual_value": name, "sequence_number": n, "forecast_type": kind,
             "colour_code": colour} for n, (name, kind, colour) in enumerate(STAGES, 1)]  # fmt: skip
    told = [{"display_value": "Standard", "actual_value": "Standard", "default": True, "maps": maps}]
    return listing("pipeline", told if organisation().pipelines else [])


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def _each(act: Callable[[Row], Row]) -> Any:
    """Each record for itself; the status says whether all, some or none were taken."""
    wishes = (request.get_json(silent=True) or {}).get("data") or []
    if not 0 < len(wishes) <= BATCH:
        raise Wrong("INVALID_DATA", "data", maximum_length=BATCH)
    told = []
    for wish in wishes:
        try:
            told.append({"code": "SUCCESS", "details": act(wish), "message": "record added", "status": "success"})
        except Wrong as wrong:
            told.append(wrong.told())
    good = sum(one["status"] == "success" for one in told)
    return jsonify({"data": told}), 201 if good == len(told) else 207 if good else 400


@api.post(f"{CRM}/{MODULE}")
def insert(module: str) -> Any:
    """Up to a hundred new records."""
    state = organisation()
    with state.lock:
        return _each(lambda wish: _details(state.create(module, wish)))


@api.put(f"{CRM}/{MODULE}")
def update(module: str) -> Any:
    """Up to a hundred changes."""
    state = organisation()

    def act(wish: Row) -> Row:
        row = state.rows[module].get(str(wish.get("id")))
        if row is None:
            raise Wrong("INVALID_DATA", "id")
        state.change(module, row, wish)
        return _details(row)

    with state.lock:
        return _each(act)


@api.post(f"{CRM}/{MODULE}/upsert")
def upsert(module: str) -> Any:
    """Up to a hundred records, new or known by a unique field."""
    state, keys = organisation(), (request.get_json(silent=True) or {}).get("duplicate_check_fields") or []
    if any(not state.fields[module].get(key, {}).get("unique") for key in keys):
        raise Wrong("INVALID_DATA", "duplicate_check_fields")

    def act(wish: Row) -> Row:
        row = next((found for key in keys if (found := state.by_key(module, key, wish.get(key)))), None)
        if row is None:
            return _details(state.create(module, wish))
        state.change(module, row, wish)
        return _details(row)

    with state.lock:
        return _each(act)


def _details(row: Row) -> Row:
    return {"id": row["id"], "Modified_Time": row["Modified_Time"], "Created_Time": row["Created_Time"]}


@api.delete(f"{CRM}/{MODULE}")
def delete(module: str) -> Any:
    """Into the bin."""
    state = organisation()
    for ref in request.args["ids"].split(","):
        if ref in state.rows[module]:
            state.delete(module, ref)
    return jsonify({"data": []})


@api.post(f"{CRM}/Leads/<lead>/actions/convert")
def convert(lead: str) -> Any:
    """One conversion."""
    state, [wish] = organisation(), request.get_json()["data"]
    with state.lock:
        try:
            told = state.convert(lead, wish)
        except Wrong as wrong:
            if wrong.code == "ID_ALREADY_CONVERTED":
                raise
            return jsonify({"data": [wrong.told()]}), 400
    row = {"code": "SUCCESS", "details": told, "message": "converted", "status": "success"}
    return jsonify({"data": [row]})


@api.post(f"{CRM}/settings/fields")
def add_field() -> Any:
    """A field."""
    [wish] = request.get_json()["fields"]
    made = organisation().add_field(request.args["module"], wish)
    return _settled("fields", {"id": made["id"]})


@api.route(f"{CRM}/settings/fields/<ref>", methods=["PATCH", "DELETE"])
def field(ref: str) -> Any:
    """Rename or remove a field."""
    fields = organisation().fields[request.args["module"]]
    name = next((name for name, one in fields.items() if one["id"] == ref and one["custom_field"]), None)
    if name is None:
        raise Wrong("INVALID_DATA", "id")
    if request.method == "PATCH":
        fields[name]["field_label"] = request.get_json()["fields"][0]["field_label"]
    else:
        del fields[name]
    return _settled("fields", {"id": ref})


@api.route(f"{CRM}/actions/watch", methods=["GET", "POST", "DELETE"])
def watch() -> Any:
    """Notifications, for a week at most."""
    state = organisation()
    if request.method == "GET":
        return listing("watch", list(state.watches.values()))
    if request.method == "DELETE":
        state.watches.pop(request.args["channel_ids"], None)
        return _settled("watch", {})
    [wish] = request.get_json()["watch"]
    if datetime.fromisoformat(wish["channel_expiry"]).timestamp() > state.clock() + 7 * 86400 + 60:
        raise Wrong("INVALID_DATA", "channel_expiry")
    state.watches[wish["channel_id"]] = wish
    return _settled("watch", {"channel_id": wish["channel_id"]})


def _settled(name: str, details: Mapping[str, Any]) -> Any:
    return jsonify({name: [{"code": "SUCCESS", "details": details, "message": "done", "status": "success"}]})
