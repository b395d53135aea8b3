"""What the company is made of: users, fields, pipelines, stages, lead labels, hooks."""

from __future__ import annotations

from flask import request

from connectors.crms.pipedrive.sandbox.routes import Answer, account, api, told
from connectors.crms.pipedrive.sandbox.rules import Wrong
from connectors.crms.pipedrive.sandbox.state import Row

__all__ = ["api"]

FIELDS = "<any(dealFields, personFields, organizationFields):path>"
COLOURS = {"blue", "brown", "dark-gray", "gray", "green", "orange", "pink", "purple", "red", "yellow"}
TYPES = {"varchar", "varchar_auto", "text", "double", "monetary", "date", "set", "enum", "user", "org", "people",
         "phone", "time", "timerange", "daterange", "address"}  # fmt: skip


@api.get("/api/v1/users/me")
def me() -> Answer:
    """Whom the token belongs to."""
    state = account()
    return told({"id": 701, "name": state.users[701], "company_id": state.id, "company_name": state.name,
                 "company_domain": "northwind", "default_currency": "EUR"})  # fmt: skip


@api.get("/api/v1/users")
def users() -> Answer:
    """Everybody."""
    rows = [{"id": n, "name": name, "email": f"{name.split()[0].lower()}@northwind.test", "active_flag": True}
            for n, name in account().users.items()]  # fmt: skip
    return told(rows)


@api.route(f"/api/v2/{FIELDS}", methods=["GET", "POST"])
def fields(path: str) -> Answer:
    """All of one list, or a new one."""
    state = account()
    with state.lock:
        if request.method == "GET":
            return told([dict(row) for row in state.fields[path]], next_cursor=None)
        wish = _wish("field_name", "field_type")
        if wish["field_type"] not in TYPES or (wish["field_type"] in {"enum", "set"} and not wish.get("options")):
            raise Wrong("Validation failed: field_type: Invalid enum value")
        return told(state.add_field(path, wish), 201)


@api.route(f"/api/v2/{FIELDS}/<key>", methods=["PATCH", "DELETE"])
def one_field(path: str, key: str) -> Answer:
    """Rename or remove a field."""
    state = account()
    with state.lock:
        row = next((row for row in state.fields[path] if row["field_code"] == key and row["is_custom_field"]), None)
        if row is None:
            raise KeyError(key)
        if request.method == "DELETE":
            state.fields[path].remove(row)
        else:
            row["field_name"] = _wish("field_name")["field_name"]
        return told(row)


@api.post(f"/api/v2/{FIELDS}/<key>/options")
def add_options(path: str, key: str) -> Answer:
    """More options of a field."""
    state = account()
    with state.lock:
        row = next(row for row in state.fields[path] if row["field_code"] == key)
        row["options"] = [*(row["options"] or []),
                          *({"id": state.number(), "label": one["label"]} for one in request.get_json())]  # fmt: skip
        return told(row["options"], 201)


@api.route("/api/v2/<any(pipelines, stages):what>", methods=["GET", "POST"])
def places(what: str) -> Answer:
    """Pipelines and stages; a new pipeline is empty."""
    state = account()
    with state.lock:
        if request.method == "GET":
            wanted = request.args.get("pipeline_id")
            held = (state.pipelines if what == "pipelines" else state.stages).values()
            rows = [row for row in held if not row["is_deleted"] and wanted in (None, str(row.get("pipeline_id")))]
            return told(rows, next_cursor=None)
        if what == "pipelines":
            return told(state.add_pipeline(_wish("name")["name"]), 201)
        wish = _wish("name", "pipeline_id")
        return told(state.add_stage(state.pipelines[wish["pipeline_id"]]["id"], wish["name"]), 201)


@api.route("/api/v2/<any(pipelines, stages):what>/<int:number>", methods=["PATCH", "DELETE"])
def one_place(what: str, number: int) -> Answer:
    """Rename or remove; a pipeline takes its stages with it."""
    state = account()
    with state.lock:
        row = (state.pipelines if what == "pipelines" else state.stages)[number]
        if request.method == "PATCH":
            row["name"] = _wish("name")["name"]
            return told(row)
        inside = [n for n, one in state.stages.items() if what == "pipelines" and one["pipeline_id"] == number]
        for n in inside:
            del state.stages[n]
        del (state.pipelines if what == "pipelines" else state.stages)[number]
        return told({"id": number})


@api.route("/api/v1/leadLabels", methods=["GET", "POST"])
def labels() -> Answer:
    """Labels of leads, and nothing but a name and one of ten colours."""
    state = account()
    with state.lock:
        if request.method == "GET":
            return told(list(state.labels.values()))
        wish = _wish("name", "color")
        return told(state.add_label(wish["name"], _colour(wish)), 201)


@api.route("/api/v1/leadLabels/<ref>", methods=["PATCH", "DELETE"])
def one_label(ref: str) -> Answer:
    """Change or remove a label."""
    state = account()
    with state.lock:
        row = state.labels[ref]
        if request.method == "DELETE":
            del state.labels[ref]
        else:
            wish = _wish()
            row |= {key: wish[key] for key in ("name", "color") if key in wish and (key != "color" or _colour(wish))}
        return told(row)


def _colour(wish: Row) -> str:
    if wish["color"] not in COLOURS:
        raise Wrong("Validation failed: color: Invalid enum value")
    return str(wish["color"])


@api.route("/api/v1/webhooks", methods=["GET", "POST"])
def hooks() -> Answer:
    """Who hears of what. Passwords are not shown."""
    state = account()
    with state.lock:
        if request.method == "POST":
            wish = _wish("subscription_url", "event_action", "event_object", "name")
            if len(state.hooks) >= 40:
                raise Wrong("Webhook limit reached.", 400, "webhooks_limit")
            state.hooks.append({**wish, "id": state.number(), "is_active": 1})
            return told({**state.hooks[-1], "http_auth_password": None}, 201)
        return told([{**row, "http_auth_password": None} for row in state.hooks])


@api.delete("/api/v1/webhooks/<int:number>")
def one_hook(number: int) -> Answer:
    """Unsubscribe."""
    state = account()
    with state.lock:
        row = next((row for row in state.hooks if row["id"] == number), None)
        if row is None:
            raise KeyError(number)
        state.hooks.remove(row)
        return told(None)


def _wish(*needed: str) -> Row:
    wish = request.get_json(silent=True)
    if not isinstance(wish, dict) or any(not wish.get(name) for name in needed):
        raise Wrong(f"Validation failed: {', '.join(needed)}: Required")
    return wish
