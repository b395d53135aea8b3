"""The REST and metadata API of the stand-in, and the gatekeeper before them (token, budget, faults)."""

from __future__ import annotations

import base64
import copy
import json
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.twenty.sandbox.state import COLOURS, SINGULAR, Row, Workspace, Wrong, shown
from connectors.testing.sandbox import guard

api = Blueprint("twenty", __name__)
MOST = 60
Answer = Response | tuple[Any, int]
KIND = f"<any({', '.join(SINGULAR)}):kind>"
_TERM = re.compile(r'([\w.]+)\[(\w+)\]:(\[[^\]]*\]|"[^"]*"|\w+)\Z')


def workspace() -> Workspace:
    """The workspace behind this application."""
    state = current_app.extensions["twenty"]
    assert isinstance(state, Workspace)  # noqa: S101
    return state


def problem(status: int, message: str = "On demand") -> Response:
    """As every refusal."""
    answer = jsonify({"statusCode": status, "error": "Error", "messages": [message]})
    answer.status_code = status
    return answer


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """Budget, then whatever fault the test ordered; the token comes after it."""
    state = workspace()
    with state.lock:
        state.calls[f"{request.method} {request.path.lstrip('/')}"] += 1
    if state.latency:
        time.sleep(state.latency)
    return problem(429, "Limit reached (100 tokens per 60000 ms)") if state.throttled() else None


guard(
    api, lambda: workspace().faults, problem, lambda: workspace().clock(),
    lambda kind: problem(400, "Bad request") if kind == "blind400" else None,
)  # fmt: skip


@api.before_request
def known() -> Response | None:
    """The key."""
    token = request.headers.get("Authorization", "").removeprefix("Bearer ")
    return None if token in workspace().access else problem(401, "Token invalid.")


@api.after_request
def flush(answer: Response) -> Response:
    """Hooks go out even when the answer gets lost."""
    workspace().flush()
    return answer


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A refusal of the whole call."""
    return problem(wrong.status, wrong.message)


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Response:
    """An id that does not exist."""
    return problem(404, "Record not found")


# ── records ──────────────────────────────────────────────────────────────────────────────────────


@api.post(f"/rest/batch/{KIND}")
def batch(kind: str) -> Answer:
    """Up to sixty, all or nothing; with upsert what is there is changed."""
    state, many = workspace(), request.get_json(silent=True)
    if not isinstance(many, list) or not many or len(many) > MOST:
        raise Wrong(f"Body must be an array of 1 to {MOST} records")
    with state.lock:
        for one in many:
            state.check(kind, one)
        before = copy.deepcopy(state.rows[kind])
        try:
            there = [state.there(kind, one) if request.args.get("upsert") == "true" else None for one in many]
            made = [state.upsert(kind, dict(one), row) for one, row in zip(many, there, strict=True)]
        except Wrong:
            state.rows[kind] = before
            raise
        return jsonify({"data": {kind: [shown(row) for row in made]}}), 201


@api.patch(f"/rest/{KIND}/<ref>")
def update(kind: str, ref: str) -> Answer:
    """One that is not deleted."""
    state, wish = workspace(), request.get_json()
    with state.lock:
        state.check(kind, wish)
        row = state.rows[kind][ref]
        if row["deletedAt"]:
            raise KeyError(ref)
        state.change(kind, row, wish)
        return jsonify({"data": {f"update{SINGULAR[kind].capitalize()}": shown(row)}})


@api.patch(f"/rest/{KIND}")
def update_alike(kind: str) -> Answer:
    """The same for all that a filter finds."""
    state, wish, which = workspace(), request.get_json(), request.args["filter"]
    with state.lock:
        state.check(kind, wish)
        found = [row for row in state.rows[kind].values() if not row["deletedAt"] and fits(row, which)]
        for row in found:
            state.change(kind, row, wish)
        return jsonify({"data": {f"update{kind.capitalize()}": [shown(row) for row in found]}})


@api.delete(f"/rest/{KIND}/<ref>")
def remove(kind: str, ref: str) -> Answer:
    """Destroys, unless asked to keep it in the bin."""
    state = workspace()
    if request.args.get("soft_delete") == "true":
        state.delete(kind, ref)
    else:
        state.destroy(kind, ref)
    return jsonify({"data": {f"delete{SINGULAR[kind].capitalize()}": {"id": ref}}})


@api.get(f"/rest/{KIND}")
def rows(kind: str) -> Answer:
    """A page; deleted ones only where the filter speaks of them."""
    state, args = workspace(), request.args
    limit = min(int(args.get("limit", MOST)), MOST)
    names = [*filter(None, [args.get("order_by")]), "id"]  # the id is always the last of the order
    wish = args.get("filter", "")
    with state.lock:
        seen = [row for row in state.rows[kind].values() if "deletedAt" in wish or not row["deletedAt"]]
        if "updatedAt" in wish:
            seen = [row for row in seen if row["_written"] <= state.clock() - state.lag]
        found = [row for row in seen if not wish or fits(row, wish)]
        found.sort(key=lambda row: [str(row[name] or "") for name in names])
        if after := args.get("starting_after"):
            edge = json.loads(base64.b64decode(after))
            found = [row for row in found if [str(row[name] or "") for name in names] > edge]
        part = [shown(row) for row in found[:limit]]
    last = (
        base64.b64encode(json.dumps([str(part[-1][name] or "") for name in names]).encode()).decode() if part else None
    )
    info = {"hasNextPage": len(found) > limit, "startCursor": None, "endCursor": last}
    return jsonify({"data": {kind: part}, "totalCount": len(found), "pageInfo": info})


def fits(row: Row, wish: str) -> bool:
    """Whether a record fits a filter: terms `field[op]:value`, joined by `and(...)`, `or(...)`."""
    for word, every in (("and(", all), ("or(", any)):
        if wish.startswith(word):
            return every(fits(row, one) for one in _terms(wish[len(word) : -1]))
    return all(_term(row, one) for one in _terms(wish))


def _terms(text: str) -> Iterator[str]:
    """Split at commas outside of brackets and quotes."""
    depth, quoted, start = 0, False, 0
    for n, sign in enumerate(text):
        quoted ^= sign == '"'
        depth += 0 if quoted else (sign in "([") - (sign in ")]")
        if sign == "," and not depth and not quoted:
            yield text[start:n]
            start = n + 1
    yield text[start:]


def _term(row: Row, text: str) -> bool:
    found = _TERM.match(text)
    if not found:
        raise Wrong(f"filter invalid: {text}")
    name, operator, told = found.groups()
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    if operator == "is":
        return (value is not None) == (told == "NOT_NULL")
    wish = json.loads(told)
    if operator == "in":
        return value in wish
    if operator == "ilike":
        return str(wish).strip("%").lower() in str(value or "").lower()
    return bool(value == wish if operator == "eq" else value is not None and value >= wish)


# ── what an admin sets up ────────────────────────────────────────────────────────────────────────


@api.get("/rest/metadata/objects")
def objects() -> Answer:
    """All definitions."""
    return jsonify({"data": {"objects": list(workspace().objects.values())}, "pageInfo": {"hasNextPage": False}})


@api.post("/rest/metadata/fields")
def add_field() -> Answer:
    """A new field; names in camel case."""
    state, wish = workspace(), request.get_json()
    target = next((one for one in state.objects.values() if one["id"] == wish.get("objectMetadataId")), None)
    if target is None or not re.fullmatch(r"[a-z][a-zA-Z0-9]*", str(wish.get("name"))):
        raise Wrong("String is not valid: name must be in camel case")
    if any(one["name"] == wish["name"] for one in target["fields"]):
        raise Wrong("Field already exists")
    _check_options(wish.get("options"))
    made = state.field(wish["name"], wish["type"], label=wish["label"], options=wish.get("options"), isCustom=True)
    target["fields"].append(made)
    for row in state.rows[target["namePlural"]].values():
        row.setdefault(made["name"], None)
    return jsonify({"data": {"createOneField": made}}), 201


@api.route("/rest/metadata/fields/<ref>", methods=["PATCH", "DELETE"])
def one_field(ref: str) -> Answer:
    """Options go as a whole; only what is switched off may be deleted."""
    home, found = next((h, f) for h in workspace().objects.values() for f in h["fields"] if f["id"] == ref)
    if request.method == "DELETE":
        if found["isActive"] or not found["isCustom"]:
            raise Wrong("Active fields can't be deleted")
        home["fields"].remove(found)
        return jsonify({"data": {"deleteOneField": {"id": ref}}})
    wish = request.get_json()
    _check_options(wish.get("options"))
    for one in wish.get("options") or ():
        one.setdefault("id", str(uuid.uuid4()))
    found |= {name: value for name, value in wish.items() if name in {"label", "options", "isActive"}}
    return jsonify({"data": {"updateOneField": found}})


def _check_options(told: Any) -> None:
    values = [one.get("value") for one in told or ()]
    good = all(re.fullmatch(r"[A-Z0-9_]+", str(value)) for value in values) and len(set(values)) == len(values)
    if not good or any(one.get("color") not in COLOURS or not one.get("label") for one in told or ()):
        raise Wrong("Options are not valid")


@api.get("/rest/workspaceMembers")
def members() -> Answer:
    """People."""
    parts = [(ref, *name.split()) for ref, name in workspace().members.items()]
    told = [{"id": ref, "name": {"firstName": first, "lastName": last}, "userEmail": f"{first.lower()}@northwind.test"}
            for ref, first, last in parts]  # fmt: skip
    return jsonify({"data": {"workspaceMembers": told}, "pageInfo": {"hasNextPage": False}})


@api.route("/rest/webhooks", methods=["GET", "POST"])
def webhooks() -> Answer:
    """Subscriptions."""
    state = workspace()
    if request.method == "POST":
        made = {"id": str(uuid.uuid4()), **request.get_json()}
        state.hooks.append(made)
        return jsonify({"data": {"createWebhook": made}}), 201
    return jsonify({"data": {"webhooks": state.hooks}, "pageInfo": {"hasNextPage": False}})


@api.delete("/rest/webhooks/<ref>")
def remove_webhook(ref: str) -> Answer:
    """No longer."""
    state = workspace()
    state.hooks[:] = [one for one in state.hooks if one["id"] != ref]
    return jsonify({"data": {"deleteWebhook": {"id": ref}}})
