"""How a HubSpot account is set up: its properties, deal pipelines, stages and owners, read and written.

Every step may run again: what is there already under the same name is changed, not doubled. HubSpot stages have no
colour, and hooks of private apps are entered by hand: a step for one is `Unsupported`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from connectors.contract import Answer, Field, Pipeline, Schema, Stage, Step, User
from connectors.crms.hubspot.answers import problem, rows, wrong_fields
from connectors.crms.hubspot.shape import MARKER, PARTS
from connectors.errors import Missing, Refuse, Retry, Unsupported

GROUP = "leadhub"
PIPELINES = "crm/v3/pipelines/deals"
LISTS = {"phones": "phone", "emails": "email"}
MORE = {kind: tuple(parts[-1] for parts in lists.values()) for kind, lists in PARTS.items()}
"""Properties of ours that hold what has no room in HubSpot's own; they come and go with the marker."""
_CHANCES = {"won": "1.0", "lost": "0.0"}
_TYPES = {"string": "text", "number": "number", "bool": "bool", "date": "date", "datetime": "datetime",
          "enumeration": "select", "phone_number": "phone"}  # fmt: skip
_MADE = {
    "number": ("number", "number"), "money": ("number", "number"), "bool": ("bool", "booleancheckbox"),
    "date": ("date", "date"), "datetime": ("datetime", "date"), "select": ("enumeration", "select"),
    "multi": ("enumeration", "checkbox"), "textarea": ("string", "textarea"), "phone": ("string", "phonenumber"),
}  # fmt: skip


class Api(Protocol):
    """What is needed of the connector."""

    kinds: tuple[str, ...]
    hook_address: str

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer: ...

    def read(self, path: str, params: Sequence[tuple[str, str]] = ()) -> dict[str, Any]: ...


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(api: Api) -> Schema:
    """Three calls for properties, one for pipelines, one or more for owners."""
    fields = {kind: (*_lists(kind), *map(_field, all_properties(api, kind))) for kind in api.kinds}
    pipelines = sorted(rows(api.read(PIPELINES)), key=_position)
    hooks = (api.hook_address,) if api.hook_address else ()
    return Schema(fields, tuple(_pipeline(one, not n) for n, one in enumerate(pipelines)), tuple(_users(api)), hooks)


def all_properties(api: Api, kind: str) -> list[dict[str, Any]]:
    """Definitions of the properties of a kind."""
    return [one for one in rows(api.read(f"crm/v3/properties/{kind}")) if isinstance(one.get("name"), str)]


def _lists(kind: str) -> list[Field]:
    return [Field(name, LISTS[name], name.capitalize()) for name in PARTS.get(kind, {})]


def _field(row: Mapping[str, Any]) -> Field:
    options = tuple((str(one.get("value")), str(one.get("label"))) for one in rows(row, "options"))
    told = row.get("modificationMetadata")
    fixed = isinstance(told, dict) and bool(told.get("readOnlyValue"))
    return Field(row["name"], _type_of(row), str(row.get("label") or ""), options, read_only=fixed)


def _type_of(row: Mapping[str, Any]) -> str:
    if row.get("referencedObjectType") == "OWNER":
        return "user"
    if row.get("fieldType") == "checkbox":
        return "multi"
    if row.get("fieldType") == "phonenumber":
        return "phone"
    if row.get("showCurrencySymbol"):
        return "money"
    return "email" if row["name"] == "email" else _TYPES.get(str(row.get("type")), "text")


def _pipeline(row: Mapping[str, Any], main: bool) -> Pipeline:
    stages = tuple(_stage(one) for one in sorted(rows(row, "stages"), key=_position) if not one.get("archived"))
    return Pipeline(str(row.get("id")), str(row.get("label")), stages, main)


def _stage(row: Mapping[str, Any]) -> Stage:
    told = row.get("metadata")
    chance = str(told.get("probability")) if isinstance(told, dict) else ""
    final = {"1.0": "won", "1": "won", "0.0": "lost", "0": "lost"}.get(chance, "")
    return Stage(str(row.get("id")), str(row.get("label")), _position(row), final=final)


def _position(row: Mapping[str, Any]) -> int:
    told = row.get("displayOrder")
    return told if isinstance(told, int) else 0


def _users(api: Api) -> list[User]:
    users: list[User] = []
    after = ""
    for _ in range(100):
        told = api.read("crm/v3/owners", [("limit", "100"), *([("after", after)] if after else [])])
        users += [_user(row) for row in rows(told)]
        after = next_page(told)
        if not after:
            break
    return users


def _user(row: Mapping[str, Any]) -> User:
    name = " ".join(str(row[part]) for part in ("firstName", "lastName") if row.get(part))
    email = str(row.get("email") or "")
    return User(str(row.get("id")), name or email, email, not row.get("archived"))


def next_page(told: Mapping[str, Any]) -> str:
    """The token of the next page, "" on the last one."""
    paging = told.get("paging")
    onward = paging.get("next") if isinstance(paging, dict) else None
    return str(onward.get("after") or "") if isinstance(onward, dict) else ""


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(api: Api, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    made: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Refuse(f"HubSpot cannot {step.action} a {step.what}")
        made.append(act(api, step))
    return made


def _send(api: Api, method: str, path: str, json: Any, what: str, fine: frozenset[int] = frozenset()) -> dict[str, Any]:
    answer = api.call(method, path, json=json)
    if answer.status == 204 or answer.status in fine:
        return {}
    if answer.status in {200, 201}:
        told = answer.json()
        return told if isinstance(told, dict) else {}
    if answer.status >= 500:
        raise Retry(f"HubSpot answered with status {answer.status}", effect=True)
    if answer.status == 404:
        raise Missing(f"HubSpot has no such {what}")
    told = problem(answer)
    raise Refuse(f"HubSpot refuses the {what}: {str(told.get('message') or answer.status)[:200]}", wrong_fields(told))


def _one(api: Api, path: str) -> dict[str, Any]:
    """A thing by its name, {} when there is none."""
    answer = api.call("GET", path)
    if answer.status == 404:
        return {}
    told = answer.json()
    if answer.status != 200 or not isinstance(told, dict):
        raise Retry(f"HubSpot answered with status {answer.status}")
    return told


def _add_field(api: Api, step: Step) -> str:
    code = str(step.values.get("code") or "").lower()
    if not code:
        raise Refuse("A property needs a code, e.g. hub_block")
    _add_property(api, step.under, code, step.values)
    for more in MORE.get(step.under, ()) if code == MARKER else ():
        _add_property(api, step.under, more, {"name": more.replace("_", " ").capitalize()})
    return code


def _add_property(api: Api, kind: str, code: str, values: Mapping[str, Any]) -> None:
    if _one(api, f"crm/v3/properties/{kind}/{code}"):
        changed = {part: value for part, value in _field_body(values).items() if part not in {"type", "fieldType"}}
        _send(api, "PATCH", f"crm/v3/properties/{kind}/{code}", changed, "property")
        return
    group = {"name": GROUP, "label": "Lead hub", "displayOrder": -1}
    _send(api, "POST", f"crm/v3/properties/{kind}/groups", group, "group", frozenset({409}))
    made = {"type": "string", "fieldType": "text", **_field_body(values), "name": code, "groupName": GROUP}
    made.setdefault("label", code)
    if code == MARKER:
        made["hasUniqueValue"] = True  # can be said at the creation only
    _send(api, "POST", f"crm/v3/properties/{kind}", made, "property")


def _field_body(values: Mapping[str, Any]) -> dict[str, Any]:
    body: dict[str, Any] = {"label": str(values["name"])} if "name" in values else {}
    if "type" in values:
        body["type"], body["fieldType"] = _MADE.get(str(values["type"]), ("string", "text"))
    options = values.get("options")
    if body.get("type") == "bool":
        options = [("true", "Yes"), ("false", "No")]
    if options:
        pairs = [
            (str(one[0]), str(one[1])) if isinstance(one, list | tuple) else (str(one), str(one)) for one in options
        ]
        body["options"] = [{"value": v, "label": t, "displayOrder": n} for n, (v, t) in enumerate(pairs)]
    return body


def _change_field(api: Api, step: Step) -> str:
    _send(api, "PATCH", f"crm/v3/properties/{step.under}/{step.ref}", _field_body(step.values), "property")
    return step.ref


def _remove_field(api: Api, step: Step) -> str:
    gone = frozenset({404})
    for code in (step.ref, *(MORE.get(step.under, ()) if step.ref == MARKER else ())):
        _send(api, "DELETE", f"crm/v3/properties/{step.under}/{code}", None, "property", gone)
    if not any(one.get("groupName") == GROUP for one in all_properties(api, step.under)):
        _send(api, "DELETE", f"crm/v3/properties/{step.under}/groups/{GROUP}", None, "group", gone)
    return step.ref


def _place_body(what: str, values: Mapping[str, Any], *, creating: bool) -> dict[str, Any]:
    body: dict[str, Any] = {"label": str(values["name"])} if "name" in values else {}
    if "position" in values or creating:
        body["displayOrder"] = int(values.get("position") or 0)
    if what == "stage" and (creating or values.get("final")):
        body["metadata"] = {"probability": _CHANCES.get(str(values.get("final") or ""), "0.2")}
    return body


def _add(path: Callable[[Step], str]) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        place = path(step)
        body = _place_body(step.what, step.values, creating=True)
        twin = next((str(row.get("id")) for row in rows(api.read(place)) if row.get("label") == body.get("label")), "")
        if twin:
            _send(api, "PATCH", f"{place}/{twin}", _place_body(step.what, step.values, creating=False), step.what)
            return twin
        if step.what == "pipeline":
            body["stages"] = [_place_body("stage", step.values.get("first") or {"name": "New"}, creating=True)]
        made = _send(api, "POST", place, body, step.what)
        if not made.get("id"):
            raise Retry(f"HubSpot's answer does not say which {step.what} it made", effect=True)
        return str(made["id"])

    return act


def _change(path: Callable[[Step], str]) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        if body := _place_body(step.what, step.values, creating=False):
            _send(api, "PATCH", f"{path(step)}/{step.ref}", body, step.what)
        return step.ref

    return act


def _remove(path: Callable[[Step], str]) -> Callable[[Api, Step], str]:
    """One that holds deals stays: HubSpot checks that, and we do not ask it not to."""

    def act(api: Api, step: Step) -> str:
        _send(api, "DELETE", f"{path(step)}/{step.ref}", None, step.what, frozenset({404}))
        return step.ref

    return act


def _pipelines(_: Step) -> str:
    return PIPELINES


def _stages(step: Step) -> str:
    return f"{PIPELINES}/{step.under}/stages"


def _by_hand(_: Api, step: Step) -> str:
    raise Unsupported(f"HubSpot lets only people {step.action} the hooks of a private app: in its tab «Webhooks»")


_ACTS: dict[tuple[str, str], Callable[[Api, Step], str]] = {
    ("pipeline", "create"): _add(_pipelines),
    ("pipeline", "change"): _change(_pipelines),
    ("pipeline", "remove"): _remove(_pipelines),
    ("stage", "create"): _add(_stages),
    ("stage", "change"): _change(_stages),
    ("stage", "remove"): _remove(_stages),
    ("field", "create"): _add_field,
    ("field", "change"): _change_field,
    ("field", "remove"): _remove_field,
    ("hook", "create"): _by_hand,
    ("hook", "remove"): _by_hand,
}
