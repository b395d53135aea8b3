"""How a BottleCRM account is set up: custom fields, deal pipelines and their stages, users, read and written.

Every step may run again: what is there already under the same name or key is taken, not doubled.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connectors.contract import Field, Pipeline, Schema, Stage, Step, User
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS, Api
from connectors.crms.bottlecrm.shape import COMPUTED, LISTS, READ
from connectors.errors import Missing, Refuse, Retry, Unsupported

TARGETS = {LEADS: "Lead", DEALS: "Opportunity", CONTACTS: "Contact", ACCOUNTS: "Account"}
_TYPES = {"textarea": "text", "dropdown": "select", "checkbox": "bool"}
_MADE = {"datetime": "text", "money": "number", "bool": "checkbox", "multi": "text", "select": "text"}
_KNOWN = {
    "opportunity_amount": "money", "amount": "money", "probability": "number", "close_date": "date",
    "closed_on": "date", "assigned_to": "user",  "status": "select",
    "stage": "select", "pipeline": "select", "source": "select", "lead_source": "select", "email": "email",
    "phone": "phone", "tags": "multi",
}  # fmt: skip
STATUSES = (
    Stage("assigned", "Assigned", 10),
    Stage("in process", "In Process", 20),
    Stage("recycled", "Recycled", 30, fixed=True),
    Stage("converted", "Converted", 40, final="won", fixed=True),
    Stage("closed", "Closed", 50, final="lost", fixed=True),
)
"""What a lead can be. "Recycled" is a way back to the pool and no step forward, so no stage of ours is put there."""
Row = Mapping[str, Any]


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(api: Api) -> Schema:
    """Three calls."""
    known = definitions(api)
    fields = {kind: (*_native(kind), *(_custom(one) for one in known if _is(one, kind))) for kind in TARGETS}
    users, _ = api.read("users/get-teams-and-users/")
    leads = Pipeline("", "Leads", STATUSES, main=True, kind=LEADS)
    return Schema(
        fields, (leads, *map(_pipeline, pipelines(api))), tuple(_user(row) for row in _list(users, "profiles"))
    )


def definitions(api: Api) -> list[dict[str, Any]]:
    """Custom fields, switched-off ones included."""
    return _list(api.read("custom-fields/")[0], "definitions")


def pipelines(api: Api) -> list[dict[str, Any]]:
    """Deal pipelines with their stages."""
    return _list(api.read("opportunities/pipelines/")[0], "pipelines")


def _list(told: Row, name: str) -> list[dict[str, Any]]:
    rows = told.get(name)
    if not isinstance(rows, list) or not all(isinstance(row, dict) and row.get("id") for row in rows):
        raise Retry(f"BottleCRM's answer holds no {name}")
    return rows


def _is(one: Row, kind: str) -> bool:
    return one.get("target_model") == TARGETS[kind] and bool(one.get("is_active"))


def _native(kind: str) -> list[Field]:
    names = [
        *READ[kind],
        "assigned_to",
        "tags",
    ]
    labels = {name: name.replace("_", " ").capitalize() for name in names}
    return [Field(name, _KNOWN.get(name, "text"), labels[name], read_only=name in COMPUTED) for name in names]


def _custom(one: Row) -> Field:
    name, kind = str(one.get("key")), str(one.get("field_type"))
    options = [row for row in one.get("options") or [] if isinstance(row, dict)]
    told = tuple((str(row.get("value")), str(row.get("label"))) for row in options)
    full = name if name.startswith("hub_") else f"cf:{name}"
    kind = LISTS.get(name) or _TYPES.get(kind, kind)
    return Field(full, kind, str(one.get("label")), told, bool(one.get("is_required")))


def _pipeline(row: Row) -> Pipeline:
    stages = sorted(_list(row, "stages"), key=lambda one: int(one.get("order") or 0))
    told = tuple(_stage(number, one) for number, one in enumerate(stages, 1))
    return Pipeline(str(row["id"]), str(row.get("name")), told, bool(row.get("is_default")), DEALS)


def _stage(number: int, row: Row) -> Stage:
    final = str(row.get("kind")) if row.get("kind") in {"won", "lost"} else ""
    return Stage(str(row.get("code")), str(row.get("label")), 10 * number, final=final)


def _user(row: Row) -> User:
    told = row.get("user_details") or {}
    email = str(told.get("email") or "")
    active = bool(row.get("is_active", True)) and bool(told.get("is_active", True))
    return User(str(row["id"]), str(told.get("name") or email), email, active)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(api: Api, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    return [_act(step)(api, step) for step in steps]


def _act(step: Step) -> Callable[[Api, Step], str]:
    leads = step.what == "stage" and not step.under
    act = None if leads else _ACTS.get((step.what, step.action))
    if act is None:
        what = "statuses of leads" if leads else f"a {step.what}"
        error = Unsupported if step.action == "create" else Refuse
        raise error(f"BottleCRM lets no program {step.action} {what}")
    return act


def _pipeline_create(api: Api, step: Step) -> str:
    name = str(step.values["name"])
    twin = next((row for row in pipelines(api) if str(row.get("name")).casefold() == name.casefold()), None)
    return str((twin or api.send("POST", "opportunities/pipelines/", {"name": name})[0])["id"])


def _pipeline_change(api: Api, step: Step) -> str:
    api.send("PATCH", f"opportunities/pipelines/{step.ref}/", {"name": step.values["name"]})
    return step.ref


def _pipeline_remove(api: Api, step: Step) -> str:
    _gone(api, f"opportunities/pipelines/{step.ref}/")
    return step.ref


def _stage_create(api: Api, step: Step) -> str:
    """New stages come last, behind the closing ones: the open ones are put before them."""
    name = str(step.values["name"])
    row = _stages_of(api, step.under)
    found = next((one for one in row if str(one.get("label")).casefold() == name.casefold()), None)
    if found is None:
        kind = step.values.get("final") or "open"
        told, _ = api.send("POST", f"opportunities/pipelines/{step.under}/stages/", {"label": name, "kind": kind})
        rows = _list(told, "stages")
        found = next(one for one in rows if one.get("label") == name)
        order = sorted(rows, key=lambda one: (one.get("kind") != "open", int(one.get("order") or 0)))
        refs = [one["id"] for one in order]
        api.send("POST", f"opportunities/pipelines/{step.under}/stages/reorder/", {"stage_ids": refs})
    return str(found["code"])


def _stage_change(api: Api, step: Step) -> str:
    if "name" in step.values:
        place = _stage_id(api, step)
        api.send("PATCH", f"opportunities/stages/{place}/", {"label": step.values["name"]})
    return step.ref


def _stage_remove(api: Api, step: Step) -> str:
    if place := _stage_id(api, step, absent=""):
        _gone(api, f"opportunities/stages/{place}/")
    return step.ref


def _stages_of(api: Api, pipeline: str) -> list[dict[str, Any]]:
    found = next((row for row in pipelines(api) if str(row["id"]) == pipeline), None)
    if found is None:
        raise Missing("BottleCRM has no such pipeline")
    return _list(found, "stages")


def _stage_id(api: Api, step: Step, absent: str | None = None) -> str:
    found = next((str(one["id"]) for one in _stages_of(api, step.under) if one.get("code") == step.ref), absent)
    if found is None:
        raise Missing("BottleCRM has no such stage")
    return found


def _field_create(api: Api, step: Step) -> str:
    code, kind = str(step.values["code"]).removeprefix("cf:"), str(step.values.get("type") or "text")
    wish = {"target_model": TARGETS[step.under], "key": code, "label": str(step.values.get("name") or code)}
    wish["field_type"] = _MADE.get(kind, kind)
    have = _field(api, step.under, code)
    if have is None:
        return str(api.send("POST", "custom-fields/", wish)[0]["key"])
    if not have.get("is_active"):
        # A removed field is only switched off and keeps its key for ever.
        api.send("PUT", f"custom-fields/{have['id']}/", {**wish, "field_type": have["field_type"], "is_active": True})
    return code


def _field_remove(api: Api, step: Step) -> str:
    code = (step.ref or str(step.before.get("code", ""))).removeprefix("cf:")
    if (have := _field(api, step.under, code)) and have.get("is_active"):
        _gone(api, f"custom-fields/{have['id']}/")
    return code


def _field(api: Api, kind: str, code: str) -> dict[str, Any] | None:
    if kind not in TARGETS:
        raise Refuse(f"BottleCRM has no fields of {kind}")
    known = definitions(api)
    return next((one for one in known if one.get("target_model") == TARGETS[kind] and one.get("key") == code), None)


def _gone(api: Api, path: str) -> None:
    try:
        api.send("DELETE", path, None)
    except Missing:
        return


_ACTS: dict[tuple[str, str], Callable[[Api, Step], str]] = {
    ("pipeline", "create"): _pipeline_create,
    ("pipeline", "change"): _pipeline_change,
    ("pipeline", "remove"): _pipeline_remove,
    ("stage", "create"): _stage_create,
    ("stage", "change"): _stage_change,
    ("stage", "remove"): _stage_remove,
    ("field", "create"): _field_create,
    ("field", "remove"): _field_remove,
}
