"""Records of the stand-in, v1 and v2, and the gatekeeper before them (budget, faults, token)."""

from __future__ import annotations

import json
import re
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.pipedrive.sandbox.rules import Wrong, check
from connectors.crms.pipedrive.sandbox.state import Account, Row
from connectors.testing.sandbox import guard

api = Blueprint("pipedrive", __name__)
Answer = Response | tuple[Any, int]
INFO = "Please check developers.pipedrive.com for more information about Pipedrive API."
NEW = "<any(deals, persons, organizations, activities):kind>"
OLD = "<any(leads, notes):kind>"
_HIDDEN = {"cells", "written", "merged", "source_lead_id", "participants"}
_COSTS = {"POST": 5, "PATCH": 5, "PUT": 5, "DELETE": 3}


def account() -> Account:
    """The company behind this application."""
    state = current_app.extensions["pipedrive"]
    assert isinstance(state, Account)  # noqa: S101
    return state


def problem(status: int, text: str = "On demand", code: Any = None) -> Response:
    """The envelope of every refusal; Cloudflare has its own."""
    if status == 403 and code is None:
        return Response("<!doctype html><title>Access denied | Cloudflare</title>", status=403, mimetype="text/html")
    answer = jsonify({"success": False, "error": text, "error_info": INFO, "data": None, "additional_data": None,
                      "code": code or status})  # fmt: skip
    answer.status_code = status
    if status == 429:
        answer.headers |= {"x-ratelimit-limit": str(account().rate or 0), "x-ratelimit-remaining": "0",
                           "x-ratelimit-reset": "2"}  # fmt: skip
    return answer


def told(data: Any, status: int = 200, **more: Any) -> Answer:
    """The envelope of every success."""
    return jsonify({"success": True, "data": data, "additional_data": more or None}), status


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """Count the call and its tokens; refuse what is over."""
    state, path = account(), request.path.removeprefix("/api/")
    with state.lock:
        state.calls[f"{request.method} {'/'.join(path.split('/')[:2])}"] += 1
    if state.latency:
        time.sleep(state.latency)
    if status := state.throttled(_cost(path)):
        answer = problem(status, "request over limit")
        if state.tokens is not None and status == 429:
            answer.headers["x-daily-requests-left"] = "0"
        return answer
    return None


def _cost(path: str) -> int:
    """Tokens by https://pipedrive.readme.io/docs/core-api-concepts-rate-limiting; v1 costs twice as much."""
    one = path.count("/") > 1
    cost = _COSTS.get(request.method) or (20 if path.endswith("search") else 1 if one else 10)
    return cost * (2 if path.startswith("v1") else 1)


guard(
    api,
    lambda: account().faults,
    problem,
    lambda: account().clock(),
    lambda kind: problem(403, "Deals limit reached.", "feature_capping_deals_limit") if kind == "cap" else None,
)


@api.before_request
def known() -> Response | None:
    """An API token, or a bearer of OAuth."""
    given = request.headers.get("x-api-token") or request.headers.get("Authorization", "").removeprefix("Bearer ")
    return None if given == account().token else problem(401, "unauthorized access")


@api.after_request
def flush(answer: Response) -> Response:
    """Hooks go out even when the answer gets lost."""
    account().flush()
    return answer


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A refusal of one record."""
    return problem(wrong.status, wrong.text, wrong.code)


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Response:
    """An id in the path that does not exist."""
    return problem(404, "Not found", "ERR_NOT_FOUND")


# ── showing ──────────────────────────────────────────────────────────────────────────────────────


def shown(kind: str, row: Row) -> Row:
    """A record in the shape of its version."""
    found = {key: value for key, value in row.items() if key not in _HIDDEN}
    if kind == "leads":
        stamps = {key: row[key].replace("Z", ".000Z") for key in ("add_time", "update_time")}
        cells = {key: value for key, value in row["cells"].items() if value is not None}
        return {**{key: value for key, value in found.items() if key != "is_deleted"}, **stamps, **cells}
    if kind == "notes":
        stamps = {key: row[key].replace("T", " ").rstrip("Z") for key in ("add_time", "update_time")}
        return {**{key: value for key, value in found.items() if key != "is_deleted"}, **stamps, "active_flag": True}
    if kind == "deals" and "source_lead_id" in request.args.get("include_fields", ""):
        found["source_lead_id"] = row["source_lead_id"]
    return {**found, "custom_fields": {key: value for key, value in row["cells"].items()}}


def _visible(kind: str, row: Row, state: Account) -> bool:
    mine = {name: request.args[name] for name in ("lead_id", "deal_id", "person_id", "org_id") if name in request.args}
    if kind in {"notes", "activities"} and any(str(row.get(name)) != ref for name, ref in mine.items()):
        return False
    status = request.args.get("status", "open,won,lost").split(",")
    if row["is_deleted"]:
        return kind == "deals" and "deleted" in status and row["written"] > state.clock() - 30 * 86_400
    if kind == "deals" and row["status"] not in status:
        return False
    if since := request.args.get("updated_since"):
        return bool(row["update_time"] >= since) and state.clock() - row["written"] >= state.list_lag
    return True


def _limit() -> int:
    limit = int(request.args.get("limit", 100))
    if not 1 <= limit <= 500:
        raise Wrong("Validation failed: limit: Number must be less than or equal to 500")
    return limit


@api.get(f"/api/v2/{NEW}")
def new_rows(kind: str) -> Answer:
    """A page by cursor; the cursor remembers the last row's sort value and id."""
    state, args, limit = account(), request.args, _limit()
    by, down = args.get("sort_by", "id"), args.get("sort_direction") == "desc"
    with state.lock:
        found = [row for row in state.rows[kind].values() if _visible(kind, row, state)]
        if ids := args.get("ids"):
            found = [row for row in found if str(row["id"]) in ids.split(",")[:100]]
        found.sort(key=lambda row: (row[by], row["id"]), reverse=down)
        if args.get("cursor"):
            place = _place(args["cursor"])
            found = [row for row in found if ([row[by], row["id"]] < place if down else [row[by], row["id"]] > place)]
        rows = [shown(kind, row) for row in found[:limit]]
    last = found[limit - 1] if len(found) > limit else None
    return told(rows, next_cursor=_cursor([last[by], last["id"]]) if last else None)


def _cursor(place: list[Any]) -> str:
    return urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> list[Any]:
    try:
        return list(json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))))
    except ValueError:
        raise Wrong("Validation failed: cursor: Invalid cursor") from None


@api.get(f"/api/v1/{OLD}")
def old_rows(kind: str) -> Answer:
    """A page by position."""
    state = account()
    with state.lock:
        every = [row for row in state.rows[kind].values() if not row.get("is_archived") and _visible(kind, row, state)]
        return _paged(kind, every)


@api.get("/api/v1/leads/archived")
def archived() -> Answer:
    """Archived leads; this list knows no updated_since."""
    state = account()
    with state.lock:
        every = [row for row in state.rows["leads"].values() if row["is_archived"] and not row["is_deleted"]]
        return _paged("leads", every)


def _paged(kind: str, every: Sequence[Row]) -> Answer:
    by, _, way = request.args.get("sort", "add_time ASC").partition(" ")
    start, limit = int(request.args.get("start", 0)), _limit()
    found = sorted(every, key=lambda row: (row[by], str(row["id"])), reverse=way == "DESC")
    more = len(found) > start + limit
    pages = {"start": start, "limit": limit, "more_items_in_collection": more}
    if more:
        pages["next_start"] = start + limit
    rows = [shown(kind, row) for row in found[start : start + limit]]
    return told(rows or None, pagination=pages)


@api.get("/api/v2/<any(deals, leads, persons, organizations):kind>/search")
def search(kind: str) -> Answer:
    """The index is behind, and shows a reduced record."""
    state, args = account(), request.args
    term, exact = args.get("term", "").casefold(), args.get("exact_match") == "true"
    if len(term) < (1 if exact else 2):
        raise Wrong("Validation failed: term: String must contain at least 2 character(s)")
    with state.lock:
        known = [row for row in state.rows[kind].values() if not row["is_deleted"]]
        found = [row for row in known if state.clock() - row["written"] >= state.lag and _hit(row, term, exact)]
    hits = [{"result_score": 0.5, "item": {"id": row["id"], "type": kind[:-1]}} for row in found[: _limit()]]
    return told({"items": hits}, next_cursor=None)


def _hit(row: Row, term: str, exact: bool) -> bool:
    return any(text == term if exact else term in text for text in _texts(row, request.args.get("fields", "")))


def _texts(row: Row, fields: str) -> list[str]:
    parts: list[Any] = list(row["cells"].values()) if "custom_fields" in fields else []
    if "phone" in fields:
        parts += [re.sub(r"[^\d]", "", one["value"]) for one in row.get("phones") or ()]
    if "email" in fields:
        parts += [one["value"] for one in row.get("emails") or ()]
    return [str(part).casefold() for part in parts]


# ── one record ───────────────────────────────────────────────────────────────────────────────────


@api.get(f"/api/v2/{NEW}/<int:number>")
def new_row(kind: str, number: int) -> Answer:
    """A deal that was deleted says so, anything else is simply gone."""
    state = account()
    with state.lock:
        row = state.rows[kind][str(number)] if kind == "deals" else state.live(kind, number)
        return told(shown(kind, row))


@api.get(f"/api/v1/{OLD}/<ref>")
def old_row(kind: str, ref: str) -> Answer:
    """A lead (its id must look like one) or a note."""
    if kind == "leads" and not re.fullmatch(r"[0-9a-f-]{36}", ref):
        raise Wrong("Validation failed: id: Invalid uuid")
    state = account()
    with state.lock:
        return told(shown(kind, state.live(kind, ref)))


@api.post(f"/api/v2/{NEW}")
@api.post(f"/api/v1/{OLD}")
def create(kind: str) -> Answer:
    """One record; there is no call for more."""
    state = account()
    with state.lock:
        wish = check(state, kind, request.get_json(silent=True), new=True)
        return told(shown(kind, state.create(kind, wish)), 201)


@api.patch(f"/api/v2/{NEW}/<ref>")
@api.route(f"/api/v1/{OLD}/<ref>", methods=["PATCH", "PUT"])
def change(kind: str, ref: str) -> Answer:
    """The fields that are given; lists are replaced as a whole."""
    state = account()
    with state.lock:
        row = state.live(kind, ref)
        state.change(kind, row, check(state, kind, request.get_json(silent=True), new=False))
        return told(shown(kind, row))


@api.delete(f"/api/v2/{NEW}/<ref>")
@api.delete(f"/api/v1/{OLD}/<ref>")
def remove(kind: str, ref: str) -> Answer:
    """Into the bin."""
    account().delete(kind, ref, "api")
    return told({"id": ref})


@api.put("/api/v1/<any(deals, persons, organizations):kind>/<ref>/merge")
def merge(kind: str, ref: str) -> Answer:
    """The record of the path disappears into the one of the body."""
    account().merge(kind, request.get_json()["merge_with_id"], ref, "api")
    return told({"id": request.get_json()["merge_with_id"]})


@api.post("/api/v2/leads/<ref>/convert/deal")
def convert(ref: str) -> Answer:
    """Begin a job."""
    state = account()
    with state.lock:
        state.live("leads", ref)
        place = check(state, "deals", request.get_json(silent=True) or {}, new=False)
        return told({"conversion_id": state.job(ref, place)["conversion_id"]})


@api.get("/api/v2/leads/<ref>/convert/status/<job>")
def conversion(ref: str, job: str) -> Answer:
    """Ask after a job; it outlives its lead."""
    state = account()
    with state.lock:
        found = state.jobs[job]
        state.look(found)
        return told({key: found[key] for key in ("lead_id", "deal_id", "conversion_id", "status") if key in found})
