"""The doors of the stand-in, JSON-RPC and JSON-2, and the methods they lead to."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.odoo.sandbox.hung import say
from connectors.crms.odoo.sandbox.models import SUBTYPES
from connectors.crms.odoo.sandbox.orm import Wrong
from connectors.crms.odoo.sandbox.state import HUB_USER, LEADS, Database
from connectors.testing.sandbox import guard

api = Blueprint("odoo", __name__)
_STATUS = {"AccessError": 403, "AccessDenied": 403, "MissingError": 404, "UserError": 422, "ValidationError": 422}


def database() -> Database:
    """The database behind this application."""
    state = current_app.extensions["odoo"]
    assert isinstance(state, Database)  # noqa: S101
    return state


def page(status: int) -> Response:
    """What stands before Odoo answers in pages."""
    return Response(f"<html><title>{status}</title><center>nginx</center></html>", status, mimetype="text/html")


def told_wrong(wrong: Wrong) -> dict[str, Any]:
    """An error in Odoo's words."""
    return {
        "name": wrong.name,
        "message": str(wrong),
        "arguments": [str(wrong)],
        "context": {},
        "debug": "Traceback ...",
    }


def refusal(wrong: Wrong) -> Response:
    """An error through the door it came by: JSON-RPC says it with status 200."""
    if request.path.startswith("/json/2"):
        answer = jsonify(told_wrong(wrong))
        answer.status_code = _STATUS.get(wrong.name.rpartition(".")[2], 500)
        return answer
    code = 0 if database().version >= 19 else 200
    error = {"code": code, "message": "Odoo Server Error", "data": told_wrong(wrong)}
    return jsonify({"jsonrpc": "2.0", "id": 1, "error": error})


@api.before_request
def admit() -> Response | None:
    """Count, wait, and refuse who calls too often; other people's transactions end meanwhile."""
    state = database()
    with state.lock:
        state.calls[_what()] += 1
    state.settle()
    if state.latency:
        time.sleep(state.latency)
    return page(429) if state.throttled() else None


def _what() -> str:
    """The method that is called, "crm.lead.create"."""
    if request.path.startswith("/json/2/"):
        return ".".join(request.path.split("/")[3:5])
    params = (request.get_json(silent=True) or {}).get("params") or {} if request.path == "/jsonrpc" else {}
    args = params.get("args") or []
    return f"{args[3]}.{args[4]}" if params.get("service") == "object" and len(args) > 4 else request.path


def _own(kind: str) -> Response | None:
    return refusal(Wrong(kind, "could not serialize access due to concurrent update")) if "Failure" in kind else None


guard(api, lambda: database().faults, page, lambda: database().clock(), _own)


@api.get("/web/version")
def version() -> Response:
    """Since 19, and without a login."""
    state = database()
    if state.version < 19:
        return page(404)
    return jsonify({"version_info": [state.version, 0, 0, "final", 0, ""], "version": f"{state.version}.0"})


@api.post("/jsonrpc")
def jsonrpc() -> Response:
    """Every version until it is taken out; errors come with status 200."""
    state = database()
    if not state.jsonrpc:
        return page(404)
    params = (request.get_json(silent=True) or {}).get("params") or {}
    try:
        result = _dispatch(state, str(params.get("service")), str(params.get("method")), params.get("args") or [])
    except Wrong as wrong:
        return refusal(wrong)
    return jsonify({"jsonrpc": "2.0", "id": 1, "result": result})


def _dispatch(state: Database, part: str, method: str, args: Sequence[Any]) -> Any:
    if (part, method) == ("common", "version"):
        return {"server_version": f"{state.version}.0", "server_version_info": [state.version, 0, 0, "final", 0, ""]}
    if (part, method) == ("common", "authenticate"):
        name, login, key, _ = args
        return HUB_USER if (name, login) == (state.name, state.login) and key in state.keys else False
    name, user, key, model, called, given, named = args
    if (name, user) != (state.name, HUB_USER) or key not in state.keys:
        raise Wrong("AccessDenied", "Access Denied")
    named = dict(named)
    if called == "create":
        named["vals_list"] = given[0]
    elif given:
        named["ids"] = given[0]
    return run(state, str(model), str(called), named)


@api.post("/json/2/<model>/<method>")
def json2(model: str, method: str) -> Response:
    """Since 19: named arguments, bare results, real statuses."""
    state = database()
    if state.version < 19:
        return page(404)
    if request.headers.get("Authorization", "").removeprefix("bearer ") not in state.keys:
        answer = jsonify(told_wrong(Wrong("werkzeug.exceptions.Unauthorized", "Invalid apikey")))
        answer.status_code = 401
        return answer
    body = request.get_json(silent=True)
    try:
        return jsonify(run(state, model, method, dict(body) if isinstance(body, dict) else {}))
    except Wrong as wrong:
        return refusal(wrong)


# ── methods ──────────────────────────────────────────────────────────────────────────────────────


def run(state: Database, model: str, method: str, named: dict[str, Any]) -> Any:
    """One call is one transaction."""
    act = _METHODS.get(method)
    if model not in state.fields or act is None:
        raise Wrong("werkzeug.exceptions.NotFound", f"the model {model!r} does not exist")
    if (model, method) in state.denied:
        raise Wrong("AccessError", f"You are not allowed to {method} '{model}' records.")
    context = named.pop("context", None) or {}
    try:
        with state.transaction():
            told = act(state, model, context, **named)
    except _Taken as wrong:
        return {"ids": False, "messages": [{"type": "error", "record": 0, "message": str(wrong)}], "nextrow": 0}
    if state.robot and model == LEADS and method in {"create", "write", "load"}:
        for ref in told if isinstance(told, list) else named.get("ids", ()):
            state.robot(state, ref)
    return told


def _search_read(
    state: Database, model: str, context: Mapping[str, Any], *, domain: Sequence[Any] = (), fields: Sequence[str] = (),
    order: str = "id", limit: int | None = None, load: str | None = "_classic_read",
) -> Any:  # fmt: skip
    rows = state.search(model, domain, context.get("active_test", True))
    for name in reversed([part.split()[0] for part in order.split(",")]):
        rows.sort(key=lambda row: row.get(name) or 0)
    return [state.shown(model, row, fields, load is None) for row in rows[:limit]]


def _read(
    state: Database, model: str, _: Any, *, ids: Sequence[int], fields: Sequence[str], load: str | None = ""
) -> Any:
    if model == LEADS and state.hidden & set(ids):
        raise Wrong("AccessError", f"Due to security restrictions, you are not allowed to access '{model}' records.")
    rows = [state.rows[model][ref] for ref in ids if ref in state.rows[model]]
    return [state.shown(model, row, fields, load is None) for row in rows]


def _create(state: Database, model: str, _: Any, *, vals_list: Sequence[Mapping[str, Any]]) -> Any:
    return [state.create(model, values) for values in vals_list]


def _write(state: Database, model: str, _: Any, *, ids: Sequence[int], vals: Mapping[str, Any]) -> Any:
    state.write(model, ids, vals)
    return True


def _unlink(state: Database, model: str, _: Any, *, ids: Sequence[int]) -> Any:
    state.unlink(model, ids)
    return True


def _load(
    state: Database, model: str, context: Mapping[str, Any], *, fields: Sequence[str], data: Sequence[Sequence[str]]
) -> Any:
    """An import: texts only, references by id under "name/.id", whoever is in the archive unknown by default."""
    if any(not isinstance(cell, str) for row in data for cell in row):
        raise Wrong("builtins.AttributeError", "'int' object has no attribute 'strip'")
    messages, wishes = [], []
    for n, row in enumerate(data):
        found = state.search(model, [["id", "=", int(row[0])]], context.get("active_test", True))
        if not found:
            messages.append({"type": "error", "record": n, "field": ".id", "message": "Unknown database identifier"})
        wishes.append((int(row[0]), dict(zip(fields[1:], row[1:], strict=True))))
    if messages:
        return {"ids": False, "messages": messages, "nextrow": 0}
    for ref, cells in wishes:
        values = {name.removesuffix("/.id"): _cell(state, model, name, text) for name, text in cells.items()}
        try:
            state.write(model, [ref], values)
        except Wrong as wrong:
            raise _Taken(wrong.name, str(wrong)) from None
    return {"ids": [ref for ref, _ in wishes], "messages": [], "nextrow": 0}


class _Taken(Wrong):
    """An import takes everything back and tells why instead of raising."""


def _cell(state: Database, model: str, name: str, text: str) -> Any:
    kind = state.fields[model].get(name.removesuffix("/.id"), {}).get("type")
    if not text:
        return False
    if kind == "many2one":
        return int(text)
    if kind == "many2many":
        return [[6, 0, [int(part) for part in text.split(",")]]]
    return text.lower() in ("1", "true", "yes") if kind == "boolean" else text


def _post(state: Database, model: str, _: Any, *, ids: Sequence[int], body: str, subtype_xmlid: str) -> Any:
    if ids[0] not in state.rows[model]:
        raise Wrong("MissingError", "Record does not exist or has been deleted.")
    note = say(state, model, ids[0], by=HUB_USER, body=body, message_type="notification",
               subtype_id=SUBTYPES[subtype_xmlid])  # fmt: skip
    return [note] if state.version >= 19 else note


def _execute(state: Database, model: str, _: Any, *, ids: Sequence[int]) -> Any:
    state.leads_menu = bool(state.rows[model][ids[0]].get("group_use_lead"))
    state.write("res.groups", [1], {"implied_ids": [[6, 0, [2] if state.leads_menu else []]]})


_METHODS: dict[str, Callable[..., Any]] = {
    "search_read": _search_read,
    "search_count": lambda state, model, context, *, domain: len(
        state.search(model, domain, context.get("active_test", True))
    ),
    "fields_get": lambda state, model, _, *, attributes: state.described(model),
    "read": _read,
    "create": _create,
    "write": _write,
    "unlink": _unlink,
    "load": _load,
    "message_post": _post,
    "execute": _execute,
}
