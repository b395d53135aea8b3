"""Sets a CRM up from the browser: the plan in sentences, one press to apply it, one to check, one to take it back.

Guarantees: what is applied is what was shown, or nothing; a second press at the same moment does nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from flask_babel import ngettext
from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from connectors.contract import Schema, Step, digest
from connectors.errors import ConnectorError
from hub.clock import MINUTE
from hub.funnel.directions import directions
from hub.intake.straight import NO_LEADS
from hub.model import provision_run, setting
from hub.store.notes import note
from hub.sync.enrol import enrol
from hub.sync.layout import NEW
from hub.sync.provision import NotAsPlanned, Plan, kept_of, placement_of, possible, strategy_of
from hub.web.admin.frame import actor, done, failed, hub, row_of

LONGEST = 5 * MINUTE
"""After this an attempt that said nothing more counts as dead."""


class Busy(RuntimeError):
    """Somebody pressed a moment ago, and it is still running."""


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    place = "/connections/<key:connection_id>/setup"
    bp.add_url_rule(place, "setup", show)
    for what, view in (("apply", apply), ("verify", verify), ("undo", undo)):
        bp.add_url_rule(f"{place}/{what}", f"setup_{what}", view, methods=["POST"])


def show(connection_id: str) -> str:
    """What would be done, before anything is."""
    with hub().store.read() as conn:
        row = row_of(conn, connection_id, "crm")
        ours = directions(conn)
        runs = list(
            conn.execute(
                select(provision_run)
                .where(provision_run.c.connection_id == connection_id)
                .order_by(provision_run.c.at.desc())
                .limit(5)
            )
        )
    chosen, strategy = _chosen(request.args, row), request.args.get("strategy", "")
    schema, plan, trouble = None, None, ""
    live = hub().connections.by_id(connection_id)
    try:
        schema = live.crm.describe()
        plan = hub().provision.plan(connection_id, chosen, strategy)
    except ConnectorError as error:
        trouble = str(error)
    return render_template(
        "admin/setup.html", row=row, directions=ours, schema=schema, plan=plan, trouble=trouble, chosen=chosen,
        steps=[(step, sentence(step, schema)) for step in plan.steps] if plan else [],
        strategies=[(one, strategy_words().get(one, one)) for one in possible(live.crm, schema)],
        strategy=strategy or strategy_of(live, schema), stamp=stamp(plan) if plan else "", runs=runs,
        settled=plan is not None and settled(row, plan),
    )  # fmt: skip


def apply(connection_id: str) -> Response:
    """Carry out what was shown."""
    with hub().store.read() as conn:
        row = row_of(conn, connection_id, "crm")
    chosen, strategy = _chosen(request.form, row), request.form.get("strategy", "")
    asked = {**_asked(chosen), "strategy": strategy}
    try:
        with alone(connection_id):
            hub().connections.forget()
            plan = hub().provision.plan(connection_id, chosen, strategy)
            with hub().store.read() as conn:
                row = row_of(conn, connection_id)
            if settled(row, plan):
                return done(_("Everything is in place already."), "setup", connection_id=connection_id)
            if stamp(plan) != request.form.get("stamp"):
                message = _("The account changed since this plan was shown: look at the new one.")
                return failed(message, "setup", connection_id=connection_id, **asked)
            hub().provision.apply(connection_id, plan)
            enrol(hub().store, hub().clock, connection_id)
    except (ConnectorError, NotAsPlanned, Busy) as error:
        return failed(str(error), "setup", connection_id=connection_id, **asked)
    _note(connection_id, "applied", len(plan.steps))
    hub().ring("push")
    did = ngettext("Done: %(num)d step.", "Done: %(num)d steps.", len(plan.steps))
    held = placement_of(plan.strategy) == "held"
    now = _("Deals go to the CRM now.") if held else _("Leads go to the CRM now.")
    return done(f"{did} {now}", "setup", connection_id=connection_id)


def verify(connection_id: str) -> Response:
    """Look whether the account is as it was set up."""
    _only_crm(connection_id)
    try:
        missing = hub().provision.verify(connection_id)
    except ConnectorError as error:
        return failed(str(error), "setup", connection_id=connection_id)
    if not missing:
        return done(_("Checked: everything is in place."), "setup", connection_id=connection_id)
    lacks = ngettext(
        "%(num)d thing is missing, see the plan below.", "%(num)d things are missing, see the plan below.", len(missing)
    )
    return failed(lacks, "setup", connection_id=connection_id)


def undo(connection_id: str) -> Response:
    """Take the last set-up back."""
    _only_crm(connection_id)
    if request.form.get("sure") != "yes":
        return failed(
            _("Tick the box first: the stages and fields made by the hub go."), "setup", connection_id=connection_id
        )
    try:
        with alone(connection_id):
            gone = hub().provision.undo(connection_id)
    except (ConnectorError, Busy) as error:
        return failed(str(error), "setup", connection_id=connection_id)
    _note(connection_id, "undone", len(gone))
    told = ngettext("Taken back: %(num)d step.", "Taken back: %(num)d steps.", len(gone))
    return done(told, "setup", connection_id=connection_id)


def _only_crm(connection_id: str) -> None:
    with hub().store.read() as conn:
        row_of(conn, connection_id, "crm")


def _note(connection_id: str, what: str, steps: int) -> None:
    with hub().store.write() as conn:
        note(conn, hub().clock, "connection", connection_id, what, actor(), {"steps": steps})


def _chosen(asked: Mapping[str, str], row: Any) -> dict[str, str]:
    """Direction id → pipeline to divide; before anything was asked, what the placement says."""
    given = {name[2:]: value for name, value in asked.items() if name.startswith("p-")}
    if given:
        return {direction: pipeline for direction, pipeline in given.items() if pipeline}
    kept = row.config.get("placement") or {"rows": []}
    return {str(line[1]): str(line[3]) for line in kept["rows"] if line[0] == "deal"}


def _asked(chosen: Mapping[str, str]) -> dict[str, str]:
    return {f"p-{direction}": pipeline for direction, pipeline in chosen.items()}


def stamp(plan: Plan) -> str:
    """Fingerprint of a plan as it was shown."""
    return digest(repr(plan.sentences), repr(plan.rows), plan.strategy)


def settled(row: Any, plan: Plan) -> bool:
    """Whether nothing is left to do, here and over there."""
    kept = row.config.get("placement")
    same = kept is not None and [list(line) for line in kept_of(plan.rows)] == [list(r) for r in kept["rows"]]
    straight = (row.config.get("intake") == NO_LEADS) == (plan.strategy == NO_LEADS)
    return plan.empty and same and straight and bool(kept["strategy"] == placement_of(plan.strategy))


def strategy_words() -> dict[str, str]:
    """How each placement is offered to an admin."""
    return {
        "two_blocks": _("Leads and deals as two blocks of one pipeline"),
        "two_pipelines": _("A pipeline for leads and one for deals"),
        "flag": _("One kind of record with a flag that tells leads from deals"),
        "native": _("The CRM's own leads"),
        "held": _("Leads stay in the hub; the CRM gets deals"),
        "no_leads": _("No leads: an inquiry is a deal at once"),
    }


@contextmanager
def alone(connection_id: str) -> Iterator[None]:
    """One set-up of a connection at a time, in all processes; raises `Busy`."""
    store, now, name = hub().store, hub().clock.now(), f"setup/{connection_id}"
    try:
        with store.write() as conn:
            held = conn.execute(select(setting.c.value).where(setting.c.name == name)).scalar()
            if held and held["until"] > now:
                raise Busy(_("This CRM is being set up this moment: wait and look again."))
            conn.execute(delete(setting).where(setting.c.name == name))
            conn.execute(setting.insert().values(name=name, value={"until": now + LONGEST}))
    except IntegrityError:
        raise Busy(_("This CRM is being set up this moment: wait and look again.")) from None
    try:
        yield
    finally:
        with store.write() as conn:
            conn.execute(delete(setting).where(setting.c.name == name))


def sentence(step: Step, schema: Schema | None) -> str:
    """One step in the reader's language."""
    name = step.values.get("name") or step.values.get("code") or step.values.get("address") or _name_of(step, schema)
    where = "" if step.under.startswith(NEW) or step.what != "stage" else _pipeline_name(step.under, schema)
    known = {
        ("pipeline", "create"): _("New pipeline “%(name)s”", name=name),
        ("stage", "create"): _("New stage “%(name)s”", name=name),
        ("stage", "change"): _("Stage “%(name)s” gets a colour", name=name),
        ("field", "create"): _("New field “%(name)s”", name=name),
        ("hook", "create"): _("The CRM tells the hub about changes at once (webhook)"),
    }
    told: str = known.get((step.what, step.action), f"{step.action} {step.what} {name}")
    return told + (f" ({where})" if where else "")


def _name_of(step: Step, schema: Schema | None) -> str:
    stages = (one for pipeline in (schema.pipelines if schema else ()) for one in pipeline.stages)
    return str(step.before.get("name") or next((one.name for one in stages if one.ref == step.ref), step.ref))


def _pipeline_name(ref: str, schema: Schema | None) -> str:
    return next((one.name for one in (schema.pipelines if schema else ()) if one.ref == ref), ref)
