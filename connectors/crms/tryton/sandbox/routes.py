"""JSON-RPC of the stand-in: sessions, the methods of models, and errors that arrive with status 200."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.tryton.sandbox.state import BUTTONS, FIELDS, INNER, LEAD, STATES, Account, Broken, Row, Said
from connectors.testing.sandbox import guard

api = Blueprint("tryton", __name__)
DATABASE, USER = "tryton", "hub"


def account() -> Account:
    """The account behind this application."""
    state = current_app.extensions["tryton"]
    assert isinstance(state, Account)  # noqa: S101
    return state


@api.before_request
def admit() -> None:
    """Count the call."""
    state = account()
    told = request.get_json(silent=True)
    with state.lock:
        state.calls[str(told.get("method")) if isinstance(told, dict) else ""] += 1
    if state.latency:
        time.sleep(state.latency)


guard(api, lambda: account().faults, lambda status: Response(status=status), lambda: account().clock())


@api.post("/<database>/rpc/")
def rpc(database: str) -> Response:
    """One call."""
    told = request.get_json(silent=True)
    if database != DATABASE:
        return Response(status=404)
    if not isinstance(told, dict) or told.keys() != {"id", "method", "params"}:
        return Response(status=400)
    state, method = account(), str(told["method"])
    if method == "common.db.login":
        return _log_in(state, told)
    if request.headers.get("Authorization", "").removeprefix("Session ") not in state.sessions:
        return Response(status=401)
    return _answer(state, told["id"], method, list(told["params"]))


def _log_in(state: Account, told: Mapping[str, Any]) -> Response:
    name, given, *_ = told["params"]
    if name != USER or given.get("password") != state.password:
        return Response(status=401)
    session = f"session-{len(state.sessions)}"
    state.sessions.add(_token(session))
    return jsonify({"id": told["id"], "result": [1, session, None]})


def _token(session: str) -> str:
    return b64encode(f"{USER}:1:{session}".encode()).decode()


def _answer(state: Account, number: Any, method: str, params: list[Any]) -> Response:
    if method == "model.res.user.get_preferences":
        return jsonify({"id": number, "result": {"company": 1, "employee": 1, "language": "en"}})
    model, _, act = method.removeprefix("model.").rpartition(".")
    wanted = METHODS.get(act) or (_press(act) if model == LEAD and act in BUTTONS else None)
    if wanted is None or model not in state.rows:
        return Response(status=403)
    try:
        with state.lock:
            return jsonify({"id": number, "result": wanted(state, model, params)})
    except Said as said:
        return jsonify({"id": number, "error": ["UserError", [str(said), "", None]]})
    except Broken as broken:
        return jsonify({"id": number, "error": [str(broken), ""]})


def _press(button: str) -> Callable[[Account, str, list[Any]], None]:
    return lambda state, model, params: state.press(button, params[0])


def _search_read(state: Account, model: str, params: list[Any]) -> list[Row]:
    domain, offset, most, order, names, _context = params
    rows = state.search(model, domain)
    for name, _ in reversed(order or [["id", "ASC"]]):
        rows.sort(key=lambda row: _order(row.get(name)))
    return [state.show(row, names) for row in rows[offset : offset + most if most else None]]


def _order(value: Any) -> Any:
    if value is None:
        return (0,)
    return (1, *list(value.values())[1:]) if isinstance(value, dict) else (1, value)


def _read(state: Account, model: str, params: list[Any]) -> list[Row]:
    refs, names, _context = params
    if gone := [str(ref) for ref in refs if ref not in state.rows[model]]:
        raise Said(f'You are trying to read records "{", ".join(gone)}" of "{model}" that don\'t exist.')
    return [state.show(state.rows[model][ref], names) for ref in refs]


def _write(state: Account, model: str, params: list[Any]) -> None:
    state.write(model, params[:-1], params[-1].get("_timestamp") or {})


def _fields(state: Account, model: str, params: list[Any]) -> Row:
    told = {name: {"name": name, "type": kind, "string": label, "readonly": name in {"state", "number"}}
            for name, (kind, label) in FIELDS[model].items() if name not in INNER}  # fmt: skip
    if model == LEAD:
        told["state"]["selection"] = [[one, one.title()] for one in STATES]
    return told


METHODS: Mapping[str, Callable[[Account, str, list[Any]], Any]] = {
    "search_read": _search_read,
    "read": _read,
    "create": lambda state, model, params: state.create(model, params[0]),
    "write": _write,
    "delete": lambda state, model, params: state.delete(model, params[0]),
    "fields_get": _fields,
}
