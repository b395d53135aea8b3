"""How an amoCRM account is set up: its fields, pipelines, stage colours, users and hooks, read and written.

Every step may run again: what is there already under the same name, code or address is changed, not doubled.
"""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from connectors.contract import Answer, Field, Pipeline, Schema, Stage, Step, User
from connectors.errors import Missing, Pause, Refuse, Retry

PALETTE = (
    "#fffeb2", "#fffd7f", "#fff000", "#ffeab2", "#ffdc7f", "#ffce5a", "#ffdbdb",
    "#ffc8c8", "#ff8f92", "#d6eaff", "#c1e0ff", "#98cbff", "#ebffb1", "#deff81",
    "#87f2c0", "#f9deff", "#f3beff", "#ccc8f9", "#eb93ff", "#f2f3f4", "#e6e8ea",
)  # fmt: skip
"""The colours a stage may have; any other is refused (the vendor's SDK lists them in StatusModel.php)."""

WON, LOST = "142", "143"  # the same ids in every pipeline
HOOKS = [f"{what}_{kind}" for kind in ("lead", "contact", "company") for what in ("update", "delete", "restore")] + [
    "status_lead",
    "responsible_lead",
]
"""What we want to hear of. Not of additions: most of them are our own, and polling finds the others."""

_TYPES = {
    "text": "text", "textarea": "text", "url": "text", "streetaddress": "text", "tracking_data": "text",
    "numeric": "number", "checkbox": "bool", "date": "date", "birthday": "date", "date_time": "datetime",
    "monetary": "money", "price": "money", "select": "select", "radiobutton": "select", "multiselect": "multi",
}  # fmt: skip
_MADE = {
    "number": "numeric", "bool": "checkbox", "datetime": "date_time", "money": "monetary", "multi": "multiselect",
}  # fmt: skip
_NATIVE = {
    "leads": (
        Field("name", "text", "Name", max_length=255), Field("price", "number", "Price"),
        Field("status_id", "select", "Stage"), Field("pipeline_id", "select", "Pipeline"),
        Field("responsible_user_id", "user", "Owner"), Field("loss_reason_id", "select", "Loss reason"),
        Field("tags", "multi", "Tags"), Field("closed_at", "datetime", "Closed at"),
    ),
    "contacts": (
        Field("name", "text", "Name", max_length=255), Field("first_name", "text", "First name", max_length=255),
        Field("last_name", "text", "Last name", max_length=255), Field("responsible_user_id", "user", "Owner"),
        Field("tags", "multi", "Tags"),
    ),
    "companies": (
        Field("name", "text", "Name", max_length=255), Field("responsible_user_id", "user", "Owner"),
        Field("tags", "multi", "Tags"),
    ),
}  # fmt: skip
_STAMPS = tuple(Field(name, "datetime", label, read_only=True) for name, label in (
    ("created_at", "Created at"), ("updated_at", "Changed at"),
))  # fmt: skip


class Api(Protocol):
    """What is needed of the connector."""

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer: ...

    def pages(self, path: str, name: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]: ...


def nearest(colour: str) -> str:
    """The colour of the palette that reads like #rrggbb: the same hue first, then how light it is; grey stays grey."""
    hue, light, grey = _hls(colour)

    def distance(one: str) -> float:
        other, lightness, no_hue = _hls(one)
        turn = min(abs(hue - other), 1 - abs(hue - other))
        return (grey != no_hue) * 10 + (0 if grey else 4 * turn**2) + (light - lightness) ** 2

    return min(PALETTE, key=distance)


def _hls(colour: str) -> tuple[float, float, bool]:
    try:
        red, green, blue = bytes.fromhex(colour.strip().lstrip("#"))
    except ValueError:
        raise Refuse(f"{colour!r} is not a colour like #98cbff") from None
    hue, light, _ = colorsys.rgb_to_hls(red / 255, green / 255, blue / 255)
    return hue, light, max(red, green, blue) - min(red, green, blue) < 16


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(api: Api) -> Schema:
    """Seven calls or a few more; hooks stay empty when the user is no admin."""
    chosen = {"loss_reason_id": _loss_reasons(api)}
    fields = {
        kind: (
            *(replace(one, options=chosen.get(one.name, one.options)) for one in native),
            *_STAMPS,
            *(_field(row) for row in api.pages(f"{kind}/custom_fields", "custom_fields")),
        )
        for kind, native in _NATIVE.items()
    }
    pipelines = tuple(_pipeline(row) for row in api.pages("leads/pipelines", "pipelines"))
    users = tuple(_user(row) for row in api.pages("users", "users"))
    return Schema(fields, pipelines, users, _hooks(api))


def _loss_reasons(api: Api) -> tuple[tuple[str, str], ...]:
    """None where the account does not use them, or its user may not read them."""
    try:
        rows = api.pages("leads/loss_reasons", "loss_reasons")
    except (Missing, Pause, Refuse):
        return ()
    return tuple((str(row["id"]), str(row.get("name", ""))) for row in rows)


def _field(row: Mapping[str, Any]) -> Field:
    code = row.get("code")
    kind = {"PHONE": "phone", "EMAIL": "email"}.get(str(code)) or _TYPES.get(str(row.get("type")), "text")
    options = tuple((str(one["id"]), str(one["value"])) for one in row.get("enums") or [])
    return Field(str(code or f"cf:{row['id']}"), kind, str(row.get("name", "")), options)


def _pipeline(row: Mapping[str, Any]) -> Pipeline:
    stages = sorted(_embedded(row, "statuses"), key=lambda one: int(one.get("sort") or 0))
    return Pipeline(str(row["id"]), str(row["name"]), tuple(map(_stage, stages)), bool(row.get("is_main")))


def _stage(row: Mapping[str, Any]) -> Stage:
    ref = str(row["id"])
    return Stage(
        ref,
        str(row["name"]),
        int(row.get("sort") or 0),
        str(row.get("color") or "").lower(),
        {WON: "won", LOST: "lost"}.get(ref, ""),
        fixed=ref in {WON, LOST} or not row.get("is_editable", True),
    )


def _user(row: Mapping[str, Any]) -> User:
    active = bool((row.get("rights") or {}).get("is_active", True))
    return User(str(row["id"]), str(row.get("name", "")), str(row.get("email") or ""), active)


def _hooks(api: Api) -> tuple[str, ...]:
    try:
        rows = api.pages("webhooks", "webhooks")
    except Retry:  # 403 here means: no admin, and hooks are not ours to see
        return ()
    return tuple(str(row["destination"]) for row in rows if not row.get("disabled"))


def _embedded(row: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    return list((row.get("_embedded") or {}).get(name) or [])


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(api: Api, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    made: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Refuse(f"amoCRM cannot {step.action} a {step.what}")
        made.append(act(api, step))
    return made


def _send(api: Api, method: str, path: str, json: Any, what: str) -> dict[str, Any]:
    answer = api.call(method, path, json=json)
    if answer.status in {200, 201, 202}:
        told = answer.json()
        return told if isinstance(told, dict) else {}
    if answer.status == 204 or (answer.status == 404 and method == "DELETE"):
        return {}
    if answer.status == 404:
        raise Missing(f"amoCRM has no such {what}")
    if answer.status >= 500:
        raise Retry(f"amoCRM answered with status {answer.status}", effect=True)
    raise Refuse(f"amoCRM refuses the {what}: {_reason(answer)}")


def _reason(answer: Answer) -> str:
    try:
        told = answer.json()
        first = told["validation-errors"][0]["errors"][0]
        return f"{first.get('path')}: {first.get('detail')}"
    except (Retry, KeyError, IndexError, TypeError):
        return f"status {answer.status}"


def _body(what: str, values: Mapping[str, Any]) -> dict[str, Any]:
    if what == "field":
        return _field_body(values)
    body: dict[str, Any] = {"name": values["name"]} if "name" in values else {}
    if "position" in values:
        body["sort"] = int(values["position"])
    if what == "stage" and values.get("colour"):
        body["color"] = nearest(str(values["colour"]))
    return body


def _field_body(values: Mapping[str, Any]) -> dict[str, Any]:
    body = {key: values[key] for key in ("name", "code") if key in values}
    if "type" in values:
        body["type"] = _MADE.get(str(values["type"]), str(values["type"]))
    if "options" in values:
        labels = [one[1] if isinstance(one, list | tuple) else str(one) for one in values["options"]]
        body["enums"] = [{"value": label, "sort": n} for n, label in enumerate(labels, 1)]
    return body


def _twin(rows: Sequence[Mapping[str, Any]], key: str, wanted: Any) -> str:
    return next((str(row["id"]) for row in rows if wanted and row.get(key) == wanted), "")


def _create(path: Callable[[Step], str], name: str, key: str) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        place = path(step)
        body = _body(step.what, step.values)
        if ref := _twin(api.pages(place, name), key, step.values.get(key)):
            body = {part: value for part, value in body.items() if part not in {"type", "code", "enums"}}
            _send(api, "PATCH", f"{place}/{ref}", body, step.what)
            return ref
        if step.what == "pipeline":
            body |= {"is_main": False, "is_unsorted_on": False, "sort": body.get("sort", 100), "_embedded": _seed(step)}
        told = _embedded(_send(api, "POST", place, [body], step.what), name)
        if not told:
            raise Retry(f"amoCRM's answer does not say which {step.what} it made", effect=True)
        return str(told[0]["id"])

    return act


def _seed(step: Step) -> dict[str, Any]:
    """A new pipeline must bring a stage of its own beside the two closing ones; `first` names it."""
    first = step.values.get("first") or {"name": "New", "colour": PALETTE[9]}
    return {"statuses": [{**_body("stage", first), "sort": 10}]}


def _change(path: Callable[[Step], str]) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        _send(api, "PATCH", f"{path(step)}/{step.ref}", _body(step.what, step.values), step.what)
        return step.ref

    return act


def _remove(path: Callable[[Step], str]) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        _send(api, "DELETE", f"{path(step)}/{step.ref}", None, step.what)
        return step.ref

    return act


def _hook(method: str) -> Callable[[Api, Step], str]:
    def act(api: Api, step: Step) -> str:
        address = str(step.values.get("address") or step.ref or step.before.get("address", ""))
        body: dict[str, Any] = {"destination": address}
        if method == "POST":
            body["settings"] = HOOKS
        _send(api, method, "webhooks", body, "hook")
        return address

    return act


def _pipelines(step: Step) -> str:
    return "leads/pipelines"


def _stages(step: Step) -> str:
    if step.ref in {WON, LOST} and step.action == "remove":
        raise Pause("The stages won and lost belong to amoCRM and cannot be removed")
    return f"leads/pipelines/{step.under}/statuses"


def _fields(step: Step) -> str:
    return f"{step.under}/custom_fields"


_ACTS: dict[tuple[str, str], Callable[[Api, Step], str]] = {
    ("pipeline", "create"): _create(_pipelines, "pipelines", "name"),
    ("pipeline", "change"): _change(_pipelines),
    ("pipeline", "remove"): _remove(_pipelines),
    ("stage", "create"): _create(_stages, "statuses", "name"),
    ("stage", "change"): _change(_stages),
    ("stage", "remove"): _remove(_stages),
    ("field", "create"): _create(_fields, "custom_fields", "code"),
    ("field", "change"): _change(_fields),
    ("field", "remove"): _remove(_fields),
    ("hook", "create"): _hook("POST"),
    ("hook", "remove"): _hook("DELETE"),
}
