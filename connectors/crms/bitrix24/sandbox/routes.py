"""REST of the stand-in: the gatekeeper (rate, faults, token), single calls, batches, and the token server."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.bitrix24.sandbox import hung, methods, setup_methods
from connectors.crms.bitrix24.sandbox.query import filled, parse, php
from connectors.crms.bitrix24.sandbox.schema import Row, Wrong
from connectors.crms.bitrix24.sandbox.state import Account
from connectors.testing.sandbox import guard

api = Blueprint("bitrix24", __name__)
BATCH, CODE_SECONDS = 50, 30
METHODS = methods.METHODS | hung.HUNG | setup_methods.METHODS
_REFUSALS = {
    401: ("expired_token", "The access token provided has expired."),
    403: ("ACCESS_DENIED", "REST API is available only on commercial plans"),
    429: ("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit."),
    500: ("INTERNAL_SERVER_ERROR", "Internal server error"),
    503: ("QUERY_LIMIT_EXCEEDED", "Too many requests"),
}


def account() -> Account:
    """The account behind this application."""
    state = current_app.extensions["sandbox"]
    assert isinstance(state, Account)  # noqa: S101
    return state


def problem(status: int) -> Response:
    """A refusal in the vendor's words; a web page where a proxy would answer."""
    if status not in _REFUSALS:
        return Response("<html><h1>Bad gateway</h1></html>", status=status, mimetype="text/html")
    return refusal(Wrong(*_REFUSALS[status], status))


def refusal(wrong: Wrong) -> Response:
    """The body of every error."""
    answer = jsonify(wrong.body())
    answer.status_code = wrong.status
    return answer


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """The rate first: it knows no accounts, only addresses."""
    state = account()
    with state.lock:
        state.calls[request.path.rpartition("/")[2] or request.path] += 1
    if state.latency:
        time.sleep(state.latency)
    return problem(503) if request.path.startswith("/rest") and state.throttled() else None


def _html503(kind: str) -> Response | None:
    return Response("<html><h1>503</h1></html>", status=503, mimetype="text/html") if kind == "html503" else None


guard(api, lambda: account().faults, problem, lambda: account().clock(), _html503)


@api.post("/rest/<int:user>/<secret>/<method>")
def by_webhook(user: int, secret: str, method: str) -> Response:
    """A call of an incoming webhook."""
    if secret != account().token:
        return refusal(Wrong("NO_AUTH_FOUND", "Wrong authorization data", 401))
    return _answer(method, _told(), app=False)


@api.post("/rest/<method>")
def by_app(method: str) -> Response:
    """A call of an application, its token among the parameters."""
    told, state = _told(), account()
    token = told.pop("auth", None) or request.args.get("auth")
    if token in state.expired:
        return problem(401)
    if token not in state.access:
        return refusal(Wrong("NO_AUTH_FOUND", "Wrong authorization data", 401))
    return _answer(method, told, app=True)


def _told() -> Row:
    told = request.get_json(silent=True)
    return told if isinstance(told, dict) else parse(request.get_data(as_text=True))


def _answer(method: str, told: Row, *, app: bool) -> Response:
    state = account()
    method = method.removesuffix(".json").lower()
    with state.lock:
        start = state.clock()
        try:
            result, extra = (_batch(state, told, app), {}) if method == "batch" else _one(state, method, told, app)
        except Wrong as wrong:
            return refusal(wrong)
        finally:
            made, state.fresh = state.fresh, []
            state.run_robots(made)
        body = {"result": php(result), **{k: v for k, v in extra.items() if k != "time"}}
        return jsonify({**body, "time": {**_time(start), **extra.get("time", {})}})


def _time(start: float) -> Row:
    return {"start": start, "finish": start + 0.01, "duration": 0.01, "processing": 0.005}


# ── calls ────────────────────────────────────────────────────────────────────────────────────────


def _one(state: Account, method: str, told: Row, app: bool) -> tuple[Any, Row]:
    if method in setup_methods.APP_METHODS and not app:
        raise Wrong("ACCESS_DENIED", "Access denied! Application context required", 403)
    act = METHODS.get(method) or setup_methods.APP_METHODS.get(method)
    if act is None:
        raise Wrong("ERROR_METHOD_NOT_FOUND", "Method not found!", 404)
    if ("user" if method.startswith("user.") else "crm") not in state.scope and method != "scope":
        raise Wrong("insufficient_scope", "The request requires higher privileges than provided", 403)
    state.commands[method] += 1
    operating, reset = state.spend(method)
    state.paging = None
    result = act(state, told)
    extra: Row = {"time": {"operating": operating, "operating_reset_at": int(reset)}}
    if state.paging:
        total, after = state.paging
        extra |= {"total": total} | ({"next": after} if after else {})
    return result, extra


def _batch(state: Account, told: Row, app: bool) -> Row:
    """One command after the other; a refusal stops the rest only with `halt`."""
    commands = told.get("cmd")
    if not isinstance(commands, Mapping):
        raise Wrong("100", "Could not find value for parameter {cmd}")
    if len(commands) > BATCH:
        raise Wrong("ERROR_BATCH_LENGTH_EXCEEDED", "Max batch length exceeded")
    results: Row = {}
    parts: dict[str, Row] = {"result_error": {}, "result_total": {}, "result_next": {}, "result_time": {}}
    for key, text in commands.items():
        method, _, query = str(text).partition("?")
        try:
            if method.strip() == "batch":
                raise Wrong("ERROR_BATCH_METHOD_NOT_ALLOWED", "Method is not allowed for batch usage")
            result, extra = _one(state, method.strip().lower(), filled(parse(query), results), app)
        except Wrong as wrong:
            parts["result_error"][key] = wrong.body()
            if str(told.get("halt", 0)) in {"1", "True"}:
                break
            continue
        results[key] = php(result)
        parts["result_time"][key] = {**_time(state.clock()), **extra["time"]}
        for name in ("total", "next"):
            if name in extra:
                parts[f"result_{name}"][key] = extra[name]
    errors = parts["result_error"]
    if errors and all(str(key).isdecimal() for key in errors):  # keys that look like numbers get lost
        parts["result_error"] = list(errors.values())  # type: ignore[assignment]
    return {"result": php(results), **{name: php(part) for name, part in parts.items()}}


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────


@api.route("/oauth/token/", methods=["GET", "POST"])
def tokens() -> Any:
    """A new pair; a refresh token works once."""
    state, told = account(), {**request.args, **request.form}
    with state.lock:
        if told.get("grant_type") != "refresh_token" or told.get("refresh_token") not in state.refresh:
            return jsonify({"error": "invalid_grant", "error_description": ""}), 400
        state.refresh.discard(told["refresh_token"])
        number = state.number()
        state.refresh.add(f"refresh-{number}")
        state.expired |= state.access
        state.access = {f"access-{number}"}
    return jsonify({
        "access_token": f"access-{number}", "refresh_token": f"refresh-{number}", "expires_in": 3600,
        "client_endpoint": f"{request.host_url}rest/", "domain": "oauth.bitrix24.test", "member_id": "m1",
    })  # fmt: skip
