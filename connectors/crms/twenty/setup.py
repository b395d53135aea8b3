"""How a Twenty workspace is set up: its fields, the options of the stage field with their colours, members, hooks.

Every step may run again. There is one row of stages and no pipeline: a pipeline to create is that row, and what is
removed with it are the stages we made. Their values begin with HUB_, and say when they close a card.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from connectors.contract import Answer, Field, Pipeline, Schema, Stage, Step, User
from connectors.crms.twenty.colours import COLOURS, nearest
from connectors.crms.twenty.shape import ours, theirs
from connectors.crms.twenty.writing import records
from connectors.errors import Missing, Refuse, Retry

KINDS = ("opportunities", "people", "companies")
OURS = "HUB_"
HOOKS = [f"{one}.{what}" for one in ("opportunity", "person", "company") for what in ("created", "updated", "deleted")]
_TYPES = {"NUMBER": "number", "NUMERIC": "number", "BOOLEAN": "bool", "DATE": "date", "DATE_TIME": "datetime",
          "CURRENCY": "money", "SELECT": "select", "MULTI_SELECT": "multi", "PHONES": "phone",
          "EMAILS": "email"}  # fmt: skip
_MADE = {"number": "NUMBER", "bool": "BOOLEAN", "date": "DATE", "datetime": "DATE_TIME", "money": "CURRENCY",
         "select": "SELECT", "multi": "MULTI_SELECT"}  # fmt: skip
_PARTS = {"FULL_NAME": ("firstName", "lastName"), "LINKS": ("primaryLinkUrl",), "CURRENCY": ("", "currencyCode")}
_UNSEEN = frozenset({"RELATION", "MORPH_RELATION", "TS_VECTOR", "ACTOR", "POSITION", "RAW_JSON"})
Row = Mapping[str, Any]


class Api(Protocol):
    """What is needed of the connector."""

    secrets: Mapping[str, str]

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer: ...

    def rows(self, path: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]: ...


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(api: Api) -> Schema:
    """Three calls or a few more."""
    found = objects(api)
    fields = {kind: tuple(each for one in _fields(found[kind]) for each in _shown(one)) for kind in KINDS}
    options = sorted(_options(stage_field(found)), key=lambda one: _number(one.get("position")))
    pipeline = Pipeline("", "Opportunities", tuple(map(_stage, options)), main=True)
    users = tuple(_user(row) for row in api.rows("rest/workspaceMembers"))
    hooks = tuple(str(row.get("targetUrl")) for row in api.rows("rest/webhooks"))
    return Schema(fields, (pipeline,), users, hooks)


def objects(api: Api) -> dict[str, Row]:
    """Definitions of our three kinds, by plural name. Their ids differ between any two workspaces."""
    found: dict[str, Row] = {str(row.get("namePlural")): row for row in api.rows("rest/metadata/objects")}
    if absent := [kind for kind in KINDS if kind not in found]:
        raise Retry(f"Twenty's answer does not describe {', '.join(absent)}")
    return found


def stage_field(found: Mapping[str, Row]) -> Row:
    """The definition of the stage of opportunities."""
    stage = next((one for one in _fields(found["opportunities"]) if one.get("name") == "stage"), None)
    if stage is None or "id" not in stage:
        raise Refuse("This workspace has no field stage on opportunities: bring it back under Settings, Data model")
    return stage


def _fields(row: Row) -> list[Row]:
    told = row.get("fields")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _options(row: Row) -> list[dict[str, Any]]:
    told = row.get("options")
    return [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []


def _shown(row: Row) -> list[Field]:
    name, kind = str(row.get("name")), str(row.get("type"))
    if kind in _UNSEEN or row.get("isActive") is False:
        return []
    options = tuple((str(one.get("value")), str(one.get("label"))) for one in _options(row))
    names = [f"{name}.{part}".rstrip(".") for part in _PARTS.get(kind, ("",))]
    label, fixed = str(row.get("label") or ""), name in {"id", "createdAt", "updatedAt", "deletedAt"}
    return [Field(ours(one), _TYPES.get(kind, "text"), label, options, read_only=fixed) for one in names]


def _stage(row: Row) -> Stage:
    value = str(row.get("value"))
    end = value.removeprefix(OURS)
    final = "won" if end.startswith("WON") or value == "CUSTOMER" else "lost" if end.startswith("LOST") else ""
    return Stage(
        value, str(row.get("label")), _number(row.get("position")), COLOURS.get(str(row.get("color")), ""), final
    )


def _number(told: Any) -> int:
    return int(told) if isinstance(told, int | float) else 0


def _user(row: Row) -> User:
    told = row.get("name")
    name = " ".join(filter(None, (told.get("firstName"), told.get("lastName")))) if isinstance(told, dict) else ""
    email = str(row.get("userEmail") or "")
    return User(str(row.get("id")), name or email, email)


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(api: Api, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    made: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Refuse(f"Twenty cannot {step.action} a {step.what}")
        made.append(act(api, step))
    return made


def _send(api: Api, method: str, path: str, json: Any, what: str) -> dict[str, Any]:
    answer = api.call(method, path, json=json)
    if answer.status in {200, 201, 204}:
        return next(iter(records(answer.json())), {}) if answer.body else {}
    if answer.status == 404:
        raise Missing(f"Twenty has no such {what}")
    if answer.status >= 500:
        raise Retry(f"Twenty answered with status {answer.status}", effect=True)
    raise Refuse(f"Twenty refuses the {what} (status {answer.status})")


def _value(values: Row) -> str:
    """HUB_WON_PAID: in capitals, and a final one says so, because Twenty has no word for it."""
    final = {"won": "WON_", "lost": "LOST_"}.get(str(values.get("final") or ""), "")
    name = re.sub(r"[^A-Z0-9]+", "_", str(values.get("name") or "").upper()).strip("_")
    return f"{OURS}{final}{name or 'STAGE_' + str(_number(values.get('position')))}"


def _put(api: Api, field: Row, options: Sequence[Row]) -> None:
    """The list goes back as a whole; options keep their ids, or cards would lose them."""
    _send(api, "PATCH", f"rest/metadata/fields/{field['id']}", {"options": [dict(one) for one in options]}, "stage")


def _paint(values: Row) -> dict[str, Any]:
    body: dict[str, Any] = {"label": str(values["name"])} if "name" in values else {}
    if "position" in values:
        body["position"] = _number(values["position"])
    if values.get("colour"):
        body["color"] = nearest(str(values["colour"]))
    return body


def _add_stage(api: Api, step: Step) -> str:
    field = stage_field(objects(api))
    options, value = _options(field), _value(step.values)
    twin = next(
        (one for one in options if value == one.get("value") or step.values.get("name") == one.get("label")), None
    )
    if twin is None:
        options.append(
            {"value": value, "label": value, "color": "gray", "position": len(options), **_paint(step.values)}
        )
    else:
        twin |= _paint(step.values)
    _put(api, field, options)
    return str(twin["value"]) if twin else value


def _change_stage(api: Api, step: Step) -> str:
    field = stage_field(objects(api))
    options = _options(field)
    if step.ref not in [one.get("value") for one in options]:
        raise Missing(f"Twenty has no stage {step.ref}")
    _put(api, field, [{**one, **_paint(step.values)} if one.get("value") == step.ref else one for one in options])
    return step.ref


def _remove_stage(api: Api, step: Step) -> str:
    _without(api, lambda value: value == step.ref)
    return step.ref


def _without(api: Api, gone: Callable[[str], bool]) -> None:
    """A stage in which cards stand stays: without it they would stand nowhere."""
    field = stage_field(objects(api))
    options = _options(field)
    removed = [str(one.get("value")) for one in options if gone(str(one.get("value")))]
    for value in removed:
        if api.rows("rest/opportunities", [("filter", f'stage[eq]:"{value}"'), ("limit", "1")]):
            raise Refuse(f"There are opportunities in the stage {value}: move them first")
    if removed:
        _put(api, field, [one for one in options if one.get("value") not in removed])


def _only_pipeline(_: Api, __: Step) -> str:
    return ""


def _remove_pipeline(api: Api, step: Step) -> str:
    _without(api, lambda value: value.startswith(OURS))
    return step.ref


def _add_field(api: Api, step: Step) -> str:
    code = str(step.values.get("code") or "").lower()
    if not code:
        raise Refuse("A field needs a code, e.g. hub_block")
    target = objects(api)[step.under]
    twin = next((one for one in _fields(target) if one.get("name") == theirs(code)), None)
    body: dict[str, Any] = {"label": str(step.values.get("name") or code)}
    if twin is None:
        type_ = _MADE.get(str(step.values.get("type")), "TEXT")
        _send(api, "POST", "rest/metadata/fields", {**body, **_listed(step.values), "name": theirs(code), "type": type_,
              "objectMetadataId": target["id"]}, "field")  # fmt: skip
    else:
        _send(api, "PATCH", f"rest/metadata/fields/{twin['id']}", {**body, "isActive": True}, "field")
    return code


def _listed(values: Row) -> dict[str, Any]:
    """Options must be in capitals over there; mappings use them so."""
    told = [str(one[0]) if isinstance(one, list | tuple) else str(one) for one in values.get("options") or ()]
    names = list(COLOURS)
    options = [
        {"value": one.upper(), "label": one, "color": names[n % len(names)], "position": n}
        for n, one in enumerate(told)
    ]
    return {"options": options} if options else {}


def _field_id(api: Api, step: Step) -> str:
    found = next((one for one in _fields(objects(api)[step.under]) if one.get("name") == theirs(step.ref)), None)
    return str(found["id"]) if found else ""


def _change_field(api: Api, step: Step) -> str:
    ref = _field_id(api, step) or "none"
    _send(api, "PATCH", f"rest/metadata/fields/{ref}", {"label": str(step.values.get("name") or step.ref)}, "field")
    return step.ref


def _remove_field(api: Api, step: Step) -> str:
    """Only one that is switched off may be deleted."""
    if ref := _field_id(api, step):
        _send(api, "PATCH", f"rest/metadata/fields/{ref}", {"isActive": False}, "field")
        _send(api, "DELETE", f"rest/metadata/fields/{ref}", None, "field")
    return step.ref


def _add_hook(api: Api, step: Step) -> str:
    address = str(step.values.get("address") or "")
    if not _hooks(api, address):
        body = {"targetUrl": address, "operations": HOOKS, "description": "Lead hub"}
        secret = api.secrets.get("hook_secret", "").partition(" ")[0]
        _send(api, "POST", "rest/webhooks", {**body, **({"secret": secret} if secret else {})}, "hook")
    return address


def _remove_hook(api: Api, step: Step) -> str:
    address = str(step.ref or step.values.get("address") or "")
    for row in _hooks(api, address):
        _send(api, "DELETE", f"rest/webhooks/{row['id']}", None, "hook")
    return address


def _hooks(api: Api, address: str) -> list[dict[str, Any]]:
    return [row for row in api.rows("rest/webhooks") if row.get("targetUrl") == address and "id" in row]


_ACTS: dict[tuple[str, str], Callable[[Api, Step], str]] = {
    ("pipeline", "create"): _only_pipeline,
    ("pipeline", "change"): _only_pipeline,
    ("pipeline", "remove"): _remove_pipeline,
    ("stage", "create"): _add_stage,
    ("stage", "change"): _change_stage,
    ("stage", "remove"): _remove_stage,
    ("field", "create"): _add_field,
    ("field", "change"): _change_field,
    ("field", "remove"): _remove_field,
    ("hook", "create"): _add_hook,
    ("hook", "remove"): _remove_hook,
}
