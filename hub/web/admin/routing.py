"""Where leads go: rules in order, directions, the names and colours of their stages."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, abort, render_template, request
from flask_babel import gettext as _
from sqlalchemy import Connection, select
from werkzeug.wrappers import Response

from hub.funnel import directions
from hub.intake import straight
from hub.model import connection
from hub.routing import team
from hub.routing.pools import pool_names
from hub.routing.rotation import POOL
from hub.routing.rules import FIELDS, OPERATIONS, UnusableRule
from hub.told import Unusable
from hub.web.admin.frame import actor, done, failed, hub, sentence, told
from hub.web.desk.access import language

CONDITIONS = 3
ACTS = ("up", "down", "on", "off", "remove")
LONGEST = 200


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    bp.add_url_rule("/rules", "rules", show_rules)
    bp.add_url_rule("/rules", "add_rule", add_rule, methods=["POST"])
    bp.add_url_rule("/rules/<key:rule_id>", "change_rule", change_rule, methods=["POST"])
    bp.add_url_rule("/directions", "directions", show_directions)
    bp.add_url_rule("/directions", "add_direction", add_direction, methods=["POST"])
    bp.add_url_rule("/directions/<key:direction_id>", "rename_direction", rename_direction, methods=["POST"])
    bp.add_url_rule("/directions/<key:direction_id>/straight", "straight", choose_straight, methods=["POST"])
    bp.add_url_rule("/directions/<key:direction_id>/<block>/<stage>", "rename_stage", rename_stage, methods=["POST"])


def show_rules() -> str:
    """Rules in the order in which they are asked."""
    with hub().store.read() as conn:
        rows, known = team.rules(conn), {one.id: one.name for one, _stages in directions.directions(conn)}
        pools = pool_names(conn)
    return render_template(
        "admin/rules.html", rows=rows, directions=known, fields=FIELDS, operations=operation_words(),
        field_words=field_words(), conditions=CONDITIONS, pools=pools,
    )  # fmt: skip


def operation_words() -> dict[str, str]:
    """The operations of `hub.routing.rules` in the reader's language."""
    known = {
        "is": _("is"), "is_not": _("is not"), "contains": _("contains"), "starts": _("begins with"),
        "present": _("is filled in"), "absent": _("is empty"), "one_of": _("is one of"),
        "at_least": _("is at least"), "at_most": _("is at most"),
    }  # fmt: skip
    return {name: known.get(name, name) for name in OPERATIONS}


def field_words() -> dict[str, str]:
    """The fields of `hub.routing.rules` in the reader's language."""
    return {
        "source": _("Channel"), "connection": _("Connection"), "form": _("Form"), "region": _("Country of the phone"),
        "language": _("Language"), "page": _("Page"), "referrer": _("Referrer"), "text": _("Message"),
        "subject": _("Subject"), "company": _("Company"), "product": _("Product"), "score": _("Score"),
        "known_person": _("Person known"), "known_company": _("Company known"),
    }  # fmt: skip


def _try(change: Callable[[Connection], object], message: str, where: str) -> Response:
    try:
        with hub().store.write() as conn:
            change(conn)
    except Unusable as error:
        return failed(sentence(error), where)
    except UnusableRule as error:
        return failed(told(error.why), where)
    return done(message, where)


def add_rule() -> Response:
    """A rule from selects: field, operation, value."""
    name, direction, conditions = typed_rule()
    return _try(
        lambda conn: team.add_rule(conn, hub().clock, actor(), name, conditions, direction, _pool(conn)),
        _("The rule counts from the next inquiry on."), "rules",
    )  # fmt: skip


def _pool(conn: Connection) -> str:
    chosen = request.form.get("pool", POOL)
    if chosen not in pool_names(conn):
        raise Unusable({"pool": "is not here any more"})
    return chosen


def typed_rule() -> tuple[str, str, list[dict[str, str]]]:
    """(name, direction, conditions) as they were typed into the form."""
    typed = request.form
    places = [(typed.get(f"field-{n}", ""), typed.get(f"op-{n}", ""), n) for n in range(CONDITIONS)]
    conditions = [
        {"field": field, "op": op, "value": typed.get(f"value-{n}", "").strip()[:LONGEST]}
        for field, op, n in places
        if field
    ]
    return typed.get("name", "")[:LONGEST], typed.get("direction", ""), conditions


def change_rule(rule_id: str) -> Response:
    """Move, switch, remove."""
    what = request.form.get("do", "")
    if what not in ACTS:
        abort(400)
    return _try(lambda conn: team.change_rule(conn, hub().clock, actor(), rule_id, what), _("Saved."), "rules")


def show_directions() -> str:
    """Directions with their two blocks of stages."""
    with hub().store.read() as conn:
        rows, straights = directions.directions(conn), straight.chosen(conn)
        crms = list(conn.execute(select(connection).where(connection.c.kind == "crm").order_by(connection.c.name)))
    wanted = {one: row for row in crms for one in straight.wanted_by(row)}
    return render_template("admin/directions.html", rows=rows, straights=straights, wanted=wanted)


def choose_straight(direction_id: str) -> Response:
    """Whether inquiries of a direction are deals at once."""
    wanted = request.form.get("straight") == "yes"
    told = _("From the next inquiry on: a deal at once.") if wanted else _("From the next inquiry on: a lead first.")
    return _try(lambda conn: straight.choose(conn, hub().clock, actor(), direction_id, wanted), told, "directions")


def add_direction() -> Response:
    """A direction with the default stages."""
    name = request.form.get("name", "")[:LONGEST]
    return _try(
        lambda conn: directions.new_direction(conn, hub().clock, actor(), name, language()),
        _("Added. Set the CRM up again, so that it gets its pipeline."), "directions",
    )  # fmt: skip


def rename_direction(direction_id: str) -> Response:
    """Another name."""
    name = request.form.get("name", "")[:LONGEST]
    return _try(
        lambda conn: directions.rename_direction(conn, hub().clock, actor(), direction_id, name),
        _("Saved."),
        "directions",
    )


def rename_stage(direction_id: str, block: str, stage: str) -> Response:
    """Another name or colour."""
    name, colour = request.form.get("name", "")[:LONGEST], request.form.get("colour", "")
    return _try(
        lambda conn: directions.rename_stage(conn, hub().clock, actor(), (direction_id, block, stage), name, colour),
        _("Saved."), "directions",
    )  # fmt: skip
