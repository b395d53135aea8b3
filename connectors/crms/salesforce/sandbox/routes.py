"""REST, composite, tooling and SOAP of the stand-in."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from html import escape, unescape
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.salesforce.sandbox.refusal import Wrong
from connectors.crms.salesforce.sandbox.soql import Malformed, Query
from connectors.crms.salesforce.sandbox.state import HUB, HUMAN, STAGES, STATUSES, Organisation, Row
from connectors.testing.sandbox import guard

api = Blueprint("salesforce", __name__)
DATA = "/services/data/v62.0"
COLLECTION, COLLECTIONS = 200, 5


def organisation() -> Organisation:
    """The organisation behind this application."""
    state = current_app.extensions["salesforce"]
    assert isinstance(state, Organisation)  # noqa: S101
    return state


def problem(status: int, code: str = "UNKNOWN_EXCEPTION", message: str = "On demand", **more: Any) -> Response:
    """A list of one error, as every refusal."""
    answer = jsonify([{"message": message, "errorCode": code, **more}])
    answer.status_code = status
    return answer


@api.before_request
def admit() -> Response | None:
    """Count calls against the day; other people's transactions end meanwhile."""
    state = organisation()
    with state.lock:
        state.calls[f"{request.method} {request.path.removeprefix(DATA + '/')}"] += 1
    state.settle()
    if state.latency:
        time.sleep(state.latency)
    if state.left is not None:
        state.left -= 1
        if state.left < 0:
            return problem(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
    return None


def _own(kind: str) -> Response | None:
    return problem(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.") if kind == "limit" else None


guard(api, lambda: organisation().faults, problem, lambda: organisation().clock(), _own)


@api.before_request
def known() -> Response | None:
    """A session that ended is a 401; SOAP says it in a fault of its own."""
    if request.path.startswith(("/services/oauth2", "/services/Soap")):
        return None
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in organisation().tokens:
        return problem(401, "INVALID_SESSION_ID", "Session expired or invalid")
    return None


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A refusal of a whole call."""
    return problem(404 if wrong.code == "NOT_FOUND" else 400, **_told(wrong))


def _told(wrong: Wrong) -> dict[str, Any]:
    return {"code": wrong.code, "message": str(wrong), "fields": list(wrong.fields)}


@api.post("/services/oauth2/token")
def token() -> Any:
    """The client credentials flow."""
    state = organisation()
    if state.secrets.get(request.form.get("client_id", "")) != request.form.get("client_secret"):
        return jsonify({"error": "invalid_client", "error_description": "invalid client credentials"}), 400
    made = state.number("00D")
    state.tokens.add(made)
    return jsonify({"access_token": made, "instance_url": request.host_url, "token_type": "Bearer"})


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _tables(state: Organisation, kind: str) -> list[Row] | None:
    """Rows of the objects that describe the organisation."""
    users = ((HUB, "Hub", "hub@northwind.test"), (HUMAN, "Vera Lind", "vera@northwind.test"))
    told: dict[str, list[Row]] = {
        "Organization": [{"Id": "00D5g0000000001EAA", "Name": "Northwind Windows"}],
        "User": [{"Id": ref, "Name": name, "Email": mail, "IsActive": True, "UserType": "Standard",
                  "ProfileId": "00e5g0000000001AAA"} for ref, name, mail in users],
        "LeadStatus": [{"ApiName": name, "MasterLabel": name, "SortOrder": n, "IsConverted": converted}
                       for n, (name, converted) in enumerate(STATUSES, 1)],
        "OpportunityStage": [{"ApiName": name, "MasterLabel": name, "SortOrder": n, "IsActive": True,
                              "IsClosed": closed, "IsWon": won} for n, (name, closed, won) in enumerate(STAGES, 1)],
        "RecordType": [{"Id": ref, "Name": name, "SobjectType": "Opportunity", "IsActive": True}
                       for ref, (name, _) in state.record_types.items()],
        "PermissionSet": [{"Id": "0PS5g0000000001AAA", "IsOwnedByProfile": True, "ProfileId": "00e5g0000000001AAA"}],
        "CustomField": list(state.custom.values()),
    }  # fmt: skip
    return told.get(kind)


@api.get(f"{DATA}/<any(query, queryAll):which>")
@api.get(f"{DATA}/tooling/<any(query):which>")
def query(which: str) -> Any:
    """A query; what is in the bin only where it is asked for."""
    state = organisation()
    try:
        asked = Query(request.args.get("q", ""))
    except Malformed as wrong:
        raise Wrong("MALFORMED_QUERY", f"unexpected token: {wrong}") from None
    with state.lock:
        rows = _tables(state, asked.kind)
        if rows is None:
            rows = [row for row in state.rows[asked.kind].values() if which == "queryAll" or not row["IsDeleted"]]
            known = {n for n, one in state.fields[asked.kind].items() if not one["custom"]} | state.shown_of(asked.kind)
            if asked.asked - known:
                raise Wrong("INVALID_FIELD", f"No such column '{min(asked.asked - known)}' on entity '{asked.kind}'")
        found = [row for row in rows if asked.test(row)]
    for name in reversed(asked.order):
        found.sort(key=lambda row: str(row.get(name)).zfill(9))
    told = [
        {"attributes": {"type": asked.kind}, **{n: row.get(n) for n in asked.fields}} for row in found[: asked.limit]
    ]
    return jsonify({"totalSize": len(told), "done": True, "records": told})


@api.get(f"{DATA}/search")
def search() -> Any:
    """Phones only, behind by the lag of the index."""
    state = organisation()
    told = re.fullmatch(r"FIND \{(\w+)\} IN PHONE FIELDS RETURNING (\w+)\(Id\)", request.args.get("q", ""))
    if told is None:
        raise Wrong("MALFORMED_SEARCH")
    names = [name for name in state.fields[told[2]] if name.endswith("Phone")]
    with state.lock:
        rows = [row for row in state.rows[told[2]].values()
                if not row["IsDeleted"] and row["_written"] + state.index_lag <= state.clock()
                and any(told[1] in re.sub(r"\D", "", str(row[name] or "")) for name in names)]  # fmt: skip
    return jsonify({"searchRecords": [{"attributes": {"type": told[2]}, "Id": row["Id"]} for row in rows]})


@api.get(f"{DATA}/sobjects/<kind>/describe")
def describe(kind: str) -> Any:
    """Fields the user may see."""
    state = organisation()
    if kind not in state.fields:
        raise Wrong("NOT_FOUND", "The requested resource does not exist")
    fields = [one for name, one in state.fields[kind].items() if not one["custom"] or name in state.shown_of(kind)]
    return jsonify({"name": kind, "fields": fields})


@api.get(f"{DATA}/ui-api/object-info/Opportunity/picklist-values/<ref>/StageName")
def picklist(ref: str) -> Any:
    """The stages of one record type."""
    return jsonify({"values": [{"value": name, "label": name} for name in organisation().record_types[ref][1]]})


@api.get(f"{DATA}/chatter/users/me")
def me() -> Any:
    """Whose token this is."""
    return jsonify({"id": HUB})


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


@api.post(f"{DATA}/composite")
def composite() -> Any:
    """Up to five collections, one after another."""
    wishes = (request.get_json(silent=True) or {}).get("compositeRequest") or []
    if not 0 < len(wishes) <= COLLECTIONS:
        raise Wrong("PROCESSING_HALTED", "too many collections")
    told = []
    for wish in wishes:
        status, body = _collection(str(wish["method"]), str(wish["url"]), wish["body"])
        told.append({"body": body, "httpHeaders": {}, "httpStatusCode": status, "referenceId": wish["referenceId"]})
    return jsonify({"compositeResponse": told})


def _collection(method: str, url: str, body: Mapping[str, Any]) -> tuple[int, Any]:
    """Each record for itself, unless one cannot even be read: then none."""
    state, parts = organisation(), url.removeprefix(f"{DATA}/composite/sobjects").strip("/").split("/")
    records = body.get("records") or []
    try:
        if not 0 < len(records) <= COLLECTION:
            raise Wrong("EXCEEDED_MAX_RECORDS", f"a collection holds 1 to {COLLECTION} records")
        with state.lock:
            for record in records:
                state.known(record["attributes"]["type"], record)
            if parts != [""] and parts[1] not in state.shown_of(parts[0]):
                raise Wrong("NOT_FOUND", "Provided external ID field does not exist or is not accessible")
            act = _upsert(parts[1]) if parts != [""] else _create if method == "POST" else _change
            return 200, [_result(act, state, record) for record in records]
    except Wrong as wrong:
        return 400, [wrong.told("errorCode")]


def _result(act: Callable[[Organisation, str, Row], Row], state: Organisation, record: Row) -> Row:
    try:
        return {**act(state, record["attributes"]["type"], record), "success": True, "errors": []}
    except Wrong as wrong:
        return {"success": False, "errors": [wrong.told()]}


def _create(state: Organisation, kind: str, record: Row) -> Row:
    return {"id": state.create(kind, record)}


def _change(state: Organisation, kind: str, record: Row) -> Row:
    state.change(kind, record["Id"], record)
    return {"id": record["Id"]}


def _upsert(key: str) -> Callable[[Organisation, str, Row], Row]:
    def act(state: Organisation, kind: str, record: Row) -> Row:
        found = state.by_key(kind, key, record[key])
        if not found:
            return {"id": state.create(kind, record), "created": True}
        state.change(kind, found[0], record)
        return {"id": found[0], "created": False}

    return act


@api.delete(f"{DATA}/composite/sobjects")
def delete() -> Any:
    """Into the bin."""
    state = organisation()
    told = []
    for ref in request.args["ids"].split(","):
        known = ref in state.rows.get(state.kind_of(ref), {})
        if known:
            state.delete(ref)
        told.append({"id": ref, "success": known, "errors": []})
    return jsonify(told)


@api.post(f"{DATA}/tooling/sobjects/CustomField")
def add_field() -> Any:
    """A field, seen by nobody yet."""
    wish = request.get_json()
    return jsonify({"id": organisation().add_field(wish["FullName"], wish["Metadata"]), "success": True}), 201


@api.route(f"{DATA}/tooling/sobjects/CustomField/<ref>", methods=["GET", "PATCH", "DELETE"])
def field(ref: str) -> Any:
    """Read, rename or remove a field."""
    state = organisation()
    if ref not in state.custom:
        raise Wrong("NOT_FOUND", "The requested resource does not exist")
    row = state.custom[ref]
    name = f"{row['DeveloperName']}__c"
    if request.method == "GET":
        return jsonify(row)
    if request.method == "PATCH":
        row["Metadata"] = request.get_json()["Metadata"]
        state.fields[row["TableEnumOrId"]][name]["label"] = row["Metadata"]["label"]
    else:
        del state.custom[ref]
        state.fields[row["TableEnumOrId"]].pop(name)
        state.shown.discard(f"{row['TableEnumOrId']}.{name}")
    return Response(status=204)


@api.post(f"{DATA}/sobjects/FieldPermissions")
def show_field() -> Any:
    """Show a field to whoever has the permission set."""
    wish, state = request.get_json(), organisation()
    if wish["Field"] in state.shown:
        raise Wrong("DUPLICATE_VALUE", "duplicate value found")
    state.shown.add(wish["Field"])
    return jsonify({"id": state.number("01k"), "success": True}), 201


# ── SOAP ─────────────────────────────────────────────────────────────────────────────────────────

_CONVERT = re.compile(r"<urn:leadConverts>(.*?)</urn:leadConverts>", re.DOTALL)
_PART = re.compile(r"<urn:(\w+)>([^<]*)</urn:\w+>")


@api.post("/services/Soap/u/62.0")
def soap() -> Response:
    """convertLead, the elements in the order of the WSDL."""
    state, text = organisation(), request.get_data(as_text=True)
    session = re.search(r"<urn:sessionId>([^<]*)<", text)
    if session is None or unescape(session[1]) not in state.tokens:
        return _xml("<soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode></soapenv:Fault>", 500)
    with state.lock:
        parts = [_convert(state, part) for part in _CONVERT.findall(text)]
    return _xml(f"<convertLeadResponse>{''.join(parts)}</convertLeadResponse>")


def _convert(state: Organisation, text: str) -> str:
    pairs = _PART.findall(text)
    in_order = [name for name, _ in pairs] == sorted(name for name, _ in pairs)
    try:
        if not in_order:
            raise Wrong("INVALID_XML", "elements out of order")
        told = state.convert({name: unescape(value) for name, value in pairs})
    except Wrong as wrong:
        code = f"<errors><message>{escape(str(wrong))}</message><statusCode>{wrong.code}</statusCode></errors>"
        return f'<result><accountId xsi:nil="true"/>{code}<success>false</success></result>'
    inside = "".join(f"<{name}>{told[name]}</{name}>" for name in ("accountId", "contactId", "leadId", "opportunityId"))
    return f"<result>{inside}<success>true</success></result>"


def _xml(body: str, status: int = 200) -> Response:
    text = f'<?xml version="1.0"?><soapenv:Envelope><soapenv:Body>{body}</soapenv:Body></soapenv:Envelope>'
    return Response(text, status, mimetype="text/xml")
