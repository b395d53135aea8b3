"""How an Odoo database is set up: its fields, teams with their stages, users and hooks, read and written.

A team is a pipeline: it sees its own stages and those of no team. There is no lost stage in Odoo; every team shows one
that stands for the archive. Every step may run again: what is there already under the same name is not doubled.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Field, Pipeline, Schema, Stage, Step, User, Value
from connectors.crms.odoo import hooks
from connectors.crms.odoo.base import Base, listed, made, removed
from connectors.crms.odoo.shape import FIRMS, LEADS, LOST, MARKER, MODELS, PEOPLE, TAGS, Column
from connectors.errors import Pause, Refuse

PALETTE = ("#ffffff", "#f06050", "#f4a460", "#f7cd1f", "#6cc1ed", "#814968", "#eb7e7f", "#2c8397", "#475577", "#d6145f",
           "#30c381", "#9365b8")  # fmt: skip
"""What the numbers 0 to 11 in the field `color` of a card look like (web/static/src/scss, $o-colors)."""

_TYPES = {
    "char": "text", "text": "text", "html": "text", "integer": "number", "float": "number", "monetary": "money",
    "boolean": "bool", "date": "date", "datetime": "datetime", "selection": "select", "many2one": "select",
    "many2many": "multi",
}  # fmt: skip
_MADE = {"text": "char", "textarea": "text", "number": "float", "money": "float", "bool": "boolean", "url": "char",
         "select": "selection", "phone": "char", "email": "char"}  # fmt: skip
_KINDS = {"phone": "phone", "mobile": "phone", "email": "email", "email_from": "email"}
_ARCHIVE = Stage(LOST, "Lost", 10_000, "", "lost", fixed=True)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def schema(base: Base) -> Schema:
    """Ten calls; hooks and features stay empty when the user is no administrator."""
    fields = {kind: tuple(map(_field, base.columns(MODELS[kind]).values())) + _extra(kind) for kind in _SHOWN}
    fields[LEADS] = tuple(_with_reasons(base, one) if one.name == "lost_reason_id" else one for one in fields[LEADS])
    return Schema(fields, _pipelines(base), _users(base), hooks.addresses(base), _features(base))


_SHOWN = (LEADS, PEOPLE, FIRMS)


def _extra(kind: str) -> tuple[Field, ...]:
    return (Field("tags", "multi", "Tags"),) if MODELS[kind] in TAGS else ()


def _field(column: Column) -> Field:
    kind = _KINDS.get(column.name) or _TYPES.get(column.type, "text")
    kind = "user" if column.relation == "res.users" else kind
    required = column.required and column.name != "type"  # which Odoo fills in by itself
    return Field(column.name, kind, column.label, column.options, required, column.read_only)


def _with_reasons(base: Base, reason: Field) -> Field:
    """The reasons of a loss that people may choose; none where this user may not read them."""
    try:
        rows = listed(base, "crm.lost.reason", ["name"], [["active", "=", True]])
    except (Refuse, Pause):
        return reason
    return replace(reason, options=tuple((str(row["id"]), str(row.get("name") or "")) for row in rows))


def _teams_field(base: Base) -> str:
    """A stage belongs to one team up to 18 and to several since 19."""
    told = base.call("crm.stage", "fields_get", attributes=["type"])
    return "team_ids" if isinstance(told, dict) and "team_ids" in told else "team_id"


def _pipelines(base: Base) -> tuple[Pipeline, ...]:
    teams = listed(base, "crm.team", ["name", "sequence"], [["active", "=", True]], "sequence, id")
    field = _teams_field(base)
    stages = listed(base, "crm.stage", ["name", "sequence", "is_won", field], order="sequence, name, id")
    return tuple(
        Pipeline(
            str(team["id"]), str(team.get("name")), (*map(_stage, _seen(stages, field, team["id"])), _ARCHIVE), not n
        )
        for n, team in enumerate(teams)
    )


def _seen(stages: Sequence[Mapping[str, Any]], field: str, team: int) -> list[Mapping[str, Any]]:
    return [stage for stage in stages if not stage.get(field) or team in _refs(stage[field])]


def _refs(told: Any) -> list[int]:
    return told if isinstance(told, list) else [told]


def _stage(row: Mapping[str, Any]) -> Stage:
    won = "won" if row.get("is_won") else ""
    return Stage(str(row["id"]), str(row.get("name")), int(row.get("sequence") or 0), "", won)


def _users(base: Base) -> tuple[User, ...]:
    rows = listed(base, "res.users", ["name", "login", "email", "active"], [["share", "=", False]])
    return tuple(
        User(
            str(row["id"]),
            str(row.get("name")),
            str(row.get("email") or row.get("login") or ""),
            bool(row.get("active")),
        )
        for row in rows
    )


def _features(base: Base) -> dict[str, bool]:
    """Whether the menu of leads is there: every employee's group then has the one of leads in it."""
    names = [["module", "in", ["base", "crm"]], ["name", "in", ["group_user", "group_use_lead"]]]
    try:
        rows = listed(base, "ir.model.data", ["name", "res_id"], [["model", "=", "res.groups"], *names])
        groups = {str(row.get("name")): row.get("res_id") for row in rows}
        if groups.keys() < {"group_user", "group_use_lead"}:
            return {}
        within = [["id", "=", groups["group_user"]], ["implied_ids", "in", [groups["group_use_lead"]]]]
        return {"leads": bool(base.call("res.groups", "search_count", domain=within))}
    except (Refuse, Pause):
        return {}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def provision(base: Base, steps: Sequence[Step]) -> list[str]:
    """Refs of what each step made or changed. Raises at the first step that fails; those before it stay."""
    refs: list[str] = []
    for step in steps:
        act = _ACTS.get((step.what, step.action))
        if act is None:
            raise Refuse(f"Odoo cannot {step.action} a {step.what}")
        refs.append(act(base, step))
    return refs


def _changed(model: str, values: Callable[[Base, Step], Mapping[str, Value]]) -> Callable[[Base, Step], str]:
    def act(base: Base, step: Step) -> str:
        if wish := values(base, step):
            base.call(model, "write", [int(step.ref)], vals=dict(wish))
        return step.ref

    return act


# teams


def _team(_: Base, step: Step) -> dict[str, Value]:
    wish: dict[str, Value] = {"name": step.values["name"]} if "name" in step.values else {}
    return wish | ({"sequence": int(step.values["position"])} if "position" in step.values else {})


def _create_team(base: Base, step: Step) -> str:
    if twins := listed(base, "crm.team", ["name"], [["name", "=", step.values["name"]], ["active", "=", True]]):
        return str(twins[0]["id"])
    team = made(base, "crm.team", {**_team(base, step), "use_leads": True, "use_opportunities": True})
    if first := step.values.get("first"):
        _create_stage(base, Step("stage", "create", first, under=str(team)))
    return str(team)


def _remove_team(base: Base, step: Step) -> str:
    """With the stages that are only its own: without a team they would appear in all others."""
    team, field = int(step.ref), _teams_field(base)
    used = base.call("crm.lead", "search_count", domain=[["team_id", "=", team]])
    if used:
        raise Refuse(f"The team has {used} leads and stays")
    own = listed(base, "crm.stage", [field], [[field, "in", [team]]])
    if ids := [row["id"] for row in own if _refs(row[field]) == [team]]:
        removed(base, "crm.stage", ids)
    removed(base, "crm.team", [team])
    return step.ref


# stages


def _stage_values(_: Base, step: Step) -> dict[str, Value]:
    wish: dict[str, Value] = {"name": step.values["name"]} if "name" in step.values else {}
    if "position" in step.values:
        wish["sequence"] = int(step.values["position"])
    return wish | ({"is_won": step.values["final"] == "won"} if "final" in step.values else {})


def _create_stage(base: Base, step: Step) -> str:
    field, name = _teams_field(base), str(step.values.get("name", ""))
    rows = listed(base, "crm.stage", ["name", field])
    twins = [row for row in _seen(rows, field, int(step.under)) if str(row.get("name")).casefold() == name.casefold()]
    if twins:
        return str(twins[0]["id"])
    place: Value = [[6, 0, [int(step.under)]]] if field == "team_ids" else int(step.under)
    return str(made(base, "crm.stage", {**_stage_values(base, step), field: place}))


def _remove_stage(base: Base, step: Step) -> str:
    if step.ref == LOST:
        raise Pause("The stage lost stands for Odoo's archive and cannot be removed")
    if used := base.call("crm.lead", "search_count", domain=[["stage_id", "=", int(step.ref)]]):
        raise Refuse(f"The stage has {used} leads and stays")
    removed(base, "crm.stage", [int(step.ref)])
    return step.ref


# fields


def _code(step: Step) -> str:
    """Fields of people's own begin with x_ in Odoo, and are written small."""
    code = re.sub(r"\W", "_", str(step.values.get("code") or step.values.get("name") or "").lower())
    return code if code.startswith("x_") else f"x_{code}"


def _create_field(base: Base, step: Step) -> str:
    model, code = MODELS[step.under], _code(step)
    if twins := listed(base, "ir.model.fields", ["name"], [["model", "=", model], ["name", "=", code]]):
        return str(twins[0]["id"])
    kind = _MADE.get(str(step.values.get("type", "text")), str(step.values.get("type", "char")))
    wish: dict[str, Value] = {
        "model_id": base.model_id(model), "name": code, "field_description": step.values.get("name", code),
        "ttype": kind, "state": "manual", "copied": False, "index": code == MARKER,
    }  # fmt: skip
    if kind == "selection":
        wish["selection_ids"] = [[0, 0, option] for option in _options(step.values.get("options") or ())]
    return str(made(base, "ir.model.fields", wish))


def _options(told: Sequence[Any]) -> list[dict[str, Value]]:
    pairs = [one if isinstance(one, list | tuple) else (one, one) for one in told]
    return [{"value": str(key), "name": str(label), "sequence": n} for n, (key, label) in enumerate(pairs)]


def _remove_field(base: Base, step: Step) -> str:
    removed(base, "ir.model.fields", [int(step.ref)])
    return step.ref


def _field_values(_: Base, step: Step) -> dict[str, Value]:
    return {"field_description": step.values["name"]} if "name" in step.values else {}


# the menu of leads


def _leads(shown: bool) -> Callable[[Base, Step], str]:
    """A new database has no menu for `type` lead: such records are stored and nobody sees them."""

    def act(base: Base, step: Step) -> str:
        if step.values.get("name", step.ref) != "leads":
            raise Refuse("Of Odoo's features the hub switches leads only")
        form = made(base, "res.config.settings", {"group_use_lead": shown})
        base.call("res.config.settings", "execute", [form])
        return "leads"

    return act


_ACTS: dict[tuple[str, str], Callable[[Base, Step], str]] = {
    ("pipeline", "create"): _create_team,
    ("pipeline", "change"): _changed("crm.team", _team),
    ("pipeline", "remove"): _remove_team,
    ("stage", "create"): _create_stage,
    ("stage", "change"): _changed("crm.stage", _stage_values),
    ("stage", "remove"): _remove_stage,
    ("field", "create"): _create_field,
    ("field", "change"): _changed("ir.model.fields", _field_values),
    ("field", "remove"): _remove_field,
    ("hook", "create"): hooks.create,
    ("hook", "remove"): hooks.remove,
    ("feature", "create"): _leads(True),
    ("feature", "remove"): _leads(False),
}
