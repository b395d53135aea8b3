"""API v4 of the stand-in: what an admin sets up (pipelines, stages, fields, hooks), and the token server."""

from __future__ import annotations

from typing import Any

from flask import Response, jsonify, request

from connectors.crms.amocrm.sandbox.routes import BATCH, KIND, PAGE, Answer, account, api, listed, problem, wishes_of
from connectors.crms.amocrm.sandbox.schema import Wrong, first_open, shown
from connectors.crms.amocrm.sandbox.state import Row

__all__ = ["api"]


@api.get("/api/v4/account")
def about() -> Answer:
    """Who this is."""
    state = account()
    return jsonify({"id": state.id, "name": state.name, "subdomain": state.subdomain, "current_user_id": 504_101,
                    "country": "RU", "is_unsorted_on": True})  # fmt: skip


@api.get("/api/v4/users")
def users() -> Answer:
    """People of the account."""
    if int(request.args.get("page", 1)) > 1:
        return Response(status=204)
    return listed("users", [_user(number, name) for number, name in account().users.items()])


def _user(number: int, name: str) -> dict[str, Any]:
    email = account().emails.get(number, f"user{number}@example.com")
    return {"id": number, "name": name, "email": email, "rights": {"is_active": True}}


@api.get("/api/v4/leads/loss_reasons")
def loss_reasons() -> Answer:
    """Why deals are lost, as people named it; 204 when nobody did."""
    reasons = [{"id": number, "name": name, "sort": sort} for sort, (number, name) in
               enumerate(account().loss_reasons.items())]  # fmt: skip
    if not reasons or int(request.args.get("page", 1)) > 1:
        return Response(status=204)
    return listed("loss_reasons", reasons)


@api.get("/api/v4/leads/pipelines")
def pipelines() -> Answer:
    """All pipelines with their stages; never paged."""
    state = account()
    with state.lock:
        return listed("pipelines", [shown(one) for one in state.pipelines.all.values()])


@api.post("/api/v4/leads/pipelines")
def add_pipelines() -> Answer:
    """New pipelines."""
    state, wishes = account(), wishes_of(BATCH)
    with state.lock:
        return listed("pipelines", [shown(state.pipelines.add(wish)) for wish in wishes])


@api.route("/api/v4/leads/pipelines/<int:pipeline>", methods=["GET", "PATCH", "DELETE"])
def one_pipeline(pipeline: int) -> Answer:
    """Read, rename or remove an empty pipeline."""
    state = account()
    with state.lock:
        found = state.pipelines.all[pipeline]
        if request.method == "PATCH":
            found |= {key: value for key, value in request.get_json().items() if key in {"name", "sort", "is_main"}}
        if request.method != "DELETE":
            return jsonify(shown(found))
        if any(row["pipeline_id"] == pipeline and not row["is_deleted"] for row in state.rows["leads"].values()):
            raise Wrong("NotEmpty", "id", "The pipeline has leads.")
        del state.pipelines.all[pipeline]
    return Response(status=204)


@api.route("/api/v4/leads/pipelines/<int:pipeline>/statuses", methods=["GET", "POST"])
def statuses(pipeline: int) -> Answer:
    """Stages of a pipeline."""
    state = account()
    with state.lock:
        if request.method == "POST":
            made = [state.pipelines.add_stage(pipeline, wish) for wish in wishes_of(BATCH)]
            return listed("statuses", [{**one, "pipeline_id": pipeline} for one in made])
        if int(request.args.get("page", 1)) > 1:
            return Response(status=204)
        return listed("statuses", shown(state.pipelines.all[pipeline])["_embedded"]["statuses"])


@api.route("/api/v4/leads/pipelines/<int:pipeline>/statuses/<int:status>", methods=["PATCH", "DELETE"])
def one_status(pipeline: int, status: int) -> Answer:
    """Change a stage, or remove it: its leads move to the first one."""
    state = account()
    with state.lock:
        if request.method == "PATCH":
            return jsonify(
                {**state.pipelines.change_stage(pipeline, status, request.get_json()), "pipeline_id": pipeline}
            )
        stages = state.pipelines.all[pipeline]["statuses"]
        if not stages[status]["is_editable"] or sum(one["is_editable"] for one in stages.values()) == 1:
            raise Wrong("NotEditable", "id", "This status cannot be removed.")
        del stages[status]
        for row in state.rows["leads"].values():
            if (row["pipeline_id"], row["status_id"]) == (pipeline, status):
                state.change("leads", row, {"pipeline_id": pipeline, "status_id": first_open(stages)})
    return Response(status=204)


@api.route(f"/api/v4/{KIND}/custom_fields", methods=["GET", "POST"])
def fields(kind: str) -> Answer:
    """Custom fields of a kind."""
    state, page = account(), int(request.args.get("page", 1))
    with state.lock:
        if request.method == "POST":
            wishes = wishes_of(BATCH)
            codes = {one["code"] for one in state.fields[kind].values()}
            for wish in wishes:
                if not wish.get("name") or not wish.get("type") or (wish.get("code") and wish["code"] in codes):
                    raise Wrong("NotUnique", "code", "The name, the type or a new code is missing.")
            return listed("custom_fields", [_field(state.add_field(kind, wish)) for wish in wishes])
        every = [_field(one) for one in state.fields[kind].values()]
        return listed("custom_fields", every[(page - 1) * PAGE : page * PAGE], page, more=len(every) > page * PAGE)


def _field(field: Row) -> Row:
    return {key: value for key, value in field.items() if not key.startswith("_")}


@api.route(f"/api/v4/{KIND}/custom_fields/<int:number>", methods=["GET", "PATCH", "DELETE"])
def one_field(kind: str, number: int) -> Answer:
    """Read, rename or remove a field."""
    state = account()
    with state.lock:
        field = state.fields[kind][number]
        if request.method == "DELETE":
            if field["code"] in {"PHONE", "EMAIL"}:
                raise Wrong("NotEditable", "id", "System fields cannot be removed.")
            del state.fields[kind][number]
            return Response(status=204)
        if request.method == "PATCH":
            field |= {key: value for key, value in request.get_json().items() if key in {"name", "sort"}}
        return jsonify(_field(field))


@api.route("/api/v4/webhooks", methods=["GET", "POST", "DELETE"])
def hooks() -> Answer:
    """Who hears about changes."""
    state = account()
    with state.lock:
        if request.method == "GET":
            first = int(request.args.get("page", 1)) == 1
            return listed("webhooks", [dict(hook) for hook in state.hooks] if first else [])
        wish = request.get_json()
        others = [hook for hook in state.hooks if hook["destination"] != wish["destination"]]
        if request.method == "DELETE":
            if len(others) == len(state.hooks):
                return problem(404, "Not Found")
            state.hooks = others
            return Response(status=204)
        hook = {
            "id": state.number(),
            "destination": wish["destination"],
            "settings": wish["settings"],
            "disabled": False,
        }
        state.hooks = [*others, hook]
        return jsonify(hook), 201


@api.post("/oauth2/access_token")
def tokens() -> Answer:
    """A new pair for a code or a refresh token; either works once."""
    state, wish = account(), request.get_json(silent=True) or {}
    stock = state.codes if wish.get("grant_type") == "authorization_code" else state.refresh
    given = wish.get("code") or wish.get("refresh_token")
    with state.lock:
        if given not in stock:
            return problem(400, "Bad Request", hint="Token has been revoked", error="invalid_grant")
        stock.discard(given)
        number = state.number()
        state.refresh.add(f"refresh-{number}")
        state.access.clear()
        state.access.add(f"access-{number}")
    return jsonify({"token_type": "Bearer", "expires_in": 86_400, "access_token": f"access-{number}",
                    "refresh_token": f"refresh-{number}"})  # fmt: skip
