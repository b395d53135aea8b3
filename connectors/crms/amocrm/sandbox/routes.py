"""API v4 of the stand-in: records, and the gatekeeper before them (token, budget, faults)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from flask import Blueprint, Response, current_app, jsonify, request

from connectors.crms.amocrm.sandbox.rules import errors, stale
from connectors.crms.amocrm.sandbox.schema import Wrong
from connectors.crms.amocrm.sandbox.state import KINDS, Account, Row
from connectors.testing.sandbox import guard

api = Blueprint("amocrm", __name__)
PAGE, BATCH, COMPLEX, CELLS = 250, 250, 50, 40
_HIDDEN = {"cells", "tags", "links", "written", "merged", "old_status_id", "old_pipeline_id"}
_CELL_FILTER = re.compile(r"filter\[custom_fields_values\]\[(\d+)\]\[\]\Z")
Answer = Response | tuple[Any, int]
KIND = "<any(leads, contacts, companies):kind>"


def account() -> Account:
    """The account behind this application."""
    state = current_app.extensions["amocrm"]
    assert isinstance(state, Account)  # noqa: S101
    return state


def problem(status: int, title: str, **more: Any) -> Response:
    """application/problem+json, as every refusal."""
    answer = jsonify({"title": title, "type": f"https://httpstatus.es/{status}", "status": status, **more})
    answer.status_code = status
    answer.mimetype = "application/problem+json"
    return answer


# ── gatekeeper ───────────────────────────────────────────────────────────────────────────────────


@api.before_request
def admit() -> Response | None:
    """Budget, then whatever fault the test ordered; the token comes after it."""
    state, path = account(), request.path.removeprefix("/api/v4/")
    with state.lock:
        state.calls[f"{request.method} {path}"] += 1
    if state.latency:
        time.sleep(state.latency)
    if not path.startswith("/oauth2") and (status := state.throttled()):
        return problem(status, "Too Many Requests" if status == 429 else "Forbidden")
    return None


guard(
    api,
    lambda: account().faults,
    lambda status: problem(status, "On demand"),
    lambda: account().clock(),
    lambda kind: problem(400, "Bad Request") if kind == "blind400" else None,
)


@api.before_request
def known() -> Response | None:
    """Whoever asks for a token has none yet."""
    if request.path.startswith("/oauth2"):
        return None
    if request.headers.get("Authorization", "").removeprefix("Bearer ") not in account().access:
        return problem(401, "Unauthorized", hint="Token has been revoked")
    return None


@api.after_request
def flush(answer: Response) -> Response:
    """Hooks go out even when the answer gets lost."""
    account().flush()
    return answer


@api.errorhandler(Wrong)
def refuse(wrong: Wrong) -> Response:
    """A single refusal outside arrays of records."""
    return problem(400, "Bad Request", **{"validation-errors": [{"request_id": "0", "errors": wrong.errors}]})


@api.errorhandler(KeyError)
def unknown(_: KeyError) -> Response:
    """An id in the path that does not exist."""
    return problem(404, "Not Found")


# ── records ──────────────────────────────────────────────────────────────────────────────────────


def render(state: Account, kind: str, row: Row, extra: Sequence[str]) -> Row:
    """A record in the API's shape; `extra` is what `with` asked for."""
    fields = state.fields[kind]
    cells = [
        {"field_id": n, "field_name": f["name"], "field_code": f["code"], "field_type": f["type"], "values": values}
        for n, values in row["cells"].items()
        if (f := fields.get(n))
    ]
    inside: Row = {"tags": [{"id": 1, "name": name} for name in row["tags"]]}
    for other in KINDS:
        if other != kind and (other in extra or (other == "companies")):
            refs = [ref for ref in row["links"].get(other, ()) if not state.rows[other][ref]["is_deleted"]]
            main = {"is_main": True} if kind == "leads" and other == "contacts" else {}
            inside[other] = [{"id": ref, **(main if not n else {})} for n, ref in enumerate(refs)]
    shown_row = {key: value for key, value in row.items() if key not in _HIDDEN}
    return {**shown_row, "custom_fields_values": cells or None, "account_id": state.id, "_embedded": inside}


@api.get(f"/api/v4/{KIND}")
def rows(kind: str) -> Answer:
    """A page of records; 204 when it is empty."""
    state, args = account(), request.args
    extra = args.get("with", "").split(",")
    with state.lock:
        found = [row for row in _ordered(state, kind) if _wanted(state, kind, row, "only_deleted" in extra)]
        page, limit = int(args.get("page", 1)), min(int(args.get("limit", 50)), PAGE)
        part = found[(page - 1) * limit : page * limit]
        if "only_deleted" in extra:
            told = [{"id": row["id"], "updated_at": row["updated_at"], "is_deleted": True} for row in part]
        else:
            told = [render(state, kind, row, extra) for row in part]
    return listed(kind, told, page, more=len(found) > page * limit)


def _ordered(state: Account, kind: str) -> Iterator[Row]:
    args = request.args
    if wanted := args.getlist("filter[id][]"):
        known = state.rows[kind]
        return iter([known[int(ref)] for ref in wanted if int(ref) in known])
    since = int(args.get("filter[updated_at][from]", 0))
    if ("filter[updated_at][from]" in args) != ("filter[updated_at][to]" in args):
        raise Wrong("InvalidValue", "filter.updated_at", "A range is needed.")
    return state.by_change(kind, since, newest=args.get("order[updated_at]") == "desc")


def _wanted(state: Account, kind: str, row: Row, deleted: bool) -> bool:
    args, now = request.args, state.clock()
    if row["is_deleted"] != deleted:
        return False
    if row["updated_at"] > int(args.get("filter[updated_at][to]", 2**31)):
        return False
    if "filter[updated_at][from]" in args and now - row["written"] < state.list_lag:
        return False
    words = args.get("query")
    cells = {int(m[1]): args.getlist(key) for key in args if (m := _CELL_FILTER.match(key))}
    if (words or cells) and now - row["written"] < state.lag:
        return False
    if any(not {one["value"] for one in row["cells"].get(n, ())} & set(values) for n, values in cells.items()):
        return False
    return not words or words.casefold() in _text(row)


def _text(row: Row) -> str:
    told = [str(one["value"]) for values in row["cells"].values() for one in values]
    return " ".join([row["name"], *told, *(re.sub(r"\D", "", one) for one in told)]).casefold()


def listed(name: str, told: list[Any], page: int = 1, *, more: bool = False) -> Answer:
    if not told:
        return Response(status=204)
    links: Row = {"self": {"href": request.url}}
    if more:
        links["next"] = {"href": f"{request.base_url}?page={page + 1}"}
    return jsonify({"_page": page, "_links": links, "_embedded": {name: told}})


@api.get(f"/api/v4/{KIND}/<int:number>")
def row(kind: str, number: int) -> Answer:
    """One record; 204 when there is none."""
    state = account()
    with state.lock:
        found = state.rows[kind].get(number)
        if not found or found["is_deleted"]:
            return Response(status=204)
        return jsonify(render(state, kind, found, request.args.get("with", "").split(",")))


def wishes_of(limit: int) -> list[Any]:
    wishes = request.get_json(silent=True)
    if not isinstance(wishes, list) or not wishes or len(wishes) > limit:
        raise Wrong("InvalidValue", "", f"An array of 1 to {limit} elements is needed.")
    return wishes


def _checked(wishes: list[Any], check: Callable[[Any], list[dict[str, str]]]) -> Response | None:
    """All or nothing: one bad element refuses the array and is named."""
    bad = [
        {"request_id": str(wish.get("request_id", n)) if isinstance(wish, dict) else str(n), "errors": found}
        for n, wish in enumerate(wishes)
        if (found := check(wish))
    ]
    return problem(400, "Bad Request", **{"validation-errors": bad}) if bad else None


@api.post(f"/api/v4/{KIND}")
def create(kind: str) -> Answer:
    """Up to 250 records; the answer has ids only."""
    state, wishes = account(), wishes_of(BATCH)
    with state.lock:
        if bad := _checked(wishes, lambda wish: errors(state, kind, wish)):
            return bad
        made = [(state.create(kind, wish), wish.get("request_id", str(n))) for n, wish in enumerate(wishes)]
    return jsonify({"_embedded": {kind: [{"id": row["id"], "request_id": str(asked)} for row, asked in made]}})


@api.patch(f"/api/v4/{KIND}")
def update(kind: str) -> Answer:
    """Up to 250 records."""
    state, wishes = account(), wishes_of(BATCH)

    def check(wish: Any) -> list[dict[str, str]]:
        found = state.rows[kind].get(wish.get("id", 0)) if isinstance(wish, dict) else None
        if not found or found["is_deleted"]:
            return [{"code": "NotFound", "path": "id", "detail": "Entity not found"}]
        return errors(state, kind, wish) + stale(found, wish)

    with state.lock:
        if bad := _checked(wishes, check):
            return bad
        told = []
        for n, wish in enumerate(wishes):
            changed = state.rows[kind][wish["id"]]
            state.change(kind, changed, wish)
            asked = str(wish.get("request_id", n))
            told.append({"id": wish["id"], "updated_at": changed["updated_at"], "request_id": asked})
    return jsonify({"_embedded": {kind: told}})


@api.post("/api/v4/leads/complex")
def compound() -> Answer:
    """Up to 50 leads, each with one contact and one company; the answer is a bare array."""
    state, wishes = account(), wishes_of(COMPLEX)

    def check(wish: Any) -> list[dict[str, str]]:
        found = errors(state, "leads", wish, complex_=True)
        if len(wish.get("custom_fields_values") or ()) > CELLS:
            found.append({"code": "TooMany", "path": "custom_fields_values", "detail": "At most 40 values."})
        return found

    with state.lock:
        if bad := _checked(wishes, check):
            return bad
        return jsonify([_with_parts(state, wish, str(n)) for n, wish in enumerate(wishes)])


def _with_parts(state: Account, wish: Row, asked: str) -> Row:
    inside = wish.get("_embedded") or {}
    made: dict[str, int | None] = {"contacts": None, "companies": None}
    for other in made:
        for part in inside.get(other) or ():
            made[other] = part["id"] if "id" in part else state.create(other, part)["id"]
    lead = state.create("leads", {**wish, "_embedded": {
        "tags": inside.get("tags") or [], **{other: [{"id": ref}] for other, ref in made.items() if ref},
    }})  # fmt: skip
    if made["contacts"] and made["companies"]:
        state.link("contacts", state.rows["contacts"][made["contacts"]], "companies", made["companies"])
    return {"id": lead["id"], "contact_id": made["contacts"], "company_id": made["companies"],
            "request_id": [str(wish.get("request_id", asked))], "merged": False}  # fmt: skip


@api.post(f"/api/v4/{KIND}/<int:number>/link")
def link(kind: str, number: int) -> Answer:
    """Tie records together."""
    state, wishes = account(), wishes_of(BATCH)
    with state.lock:
        row = state.rows[kind][number]
        for wish in wishes:
            state.link(kind, row, wish["to_entity_type"], wish["to_entity_id"])
        state.touch(kind, row, "update")
    return jsonify({"_embedded": {"links": wishes}})
