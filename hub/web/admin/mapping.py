"""Mappings of connections: fields that forms sent and nobody named yet, and the text of the mapping itself.

Guarantees: a text with a mistake is refused with line and suggestion and nothing changes; a text that somebody
else saved meanwhile is not overwritten, both are shown; comments and order survive an adoption; a text can be run over
the inquiries of the last days before it counts.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template, request
from flask_babel import gettext as _
from sqlalchemy import select, update
from werkzeug.wrappers import Response

import mappings
from connectors.contract import CRM, Field, Schema
from connectors.errors import ConnectorError
from hub.clock import DAY
from hub.insight.remapped import Remapped, try_inbound, try_outbound
from hub.intake.connections import mapping_of
from hub.model import connection, inquiry
from hub.store.notes import note
from hub.sync.steps import OWN
from hub.web.admin.frame import actor, done, failed, hub, row_of, titles_of
from mappings import BadMapping, Problem, Proposal, Stale
from mappings.inbound import TARGETS

RECENT = 2000
SAMPLE = 200
SPANS = (7, 30, 90)
SHOWN = 300
EMPTY = "format = 1\n\n[inbound]\n"


@dataclass(frozen=True, slots=True)
class Unnamed:
    """A form field without a line: its values lately, and what it may be."""

    field: str
    examples: Sequence[str]
    times: int
    proposal: Proposal | None


def add_to(bp: Blueprint) -> None:
    """The pages of this room."""
    place = "/connections/<key:connection_id>/mapping"
    bp.add_url_rule(place, "mapping", show)
    bp.add_url_rule(place, "save_mapping", save, methods=["POST"])
    bp.add_url_rule(f"{place}/trial", "try_mapping", tried, methods=["POST"])
    bp.add_url_rule(f"{place}/adopt", "adopt", adopt, methods=["POST"])


def show(connection_id: str) -> str:
    """The mapping of a connection as text, above it the fields that wait for a name."""
    with hub().store.read() as conn:
        row = row_of(conn, connection_id)
    return _page(row, text_of(row))


def save(connection_id: str) -> Response | tuple[str, int]:
    """A new text, checked as a whole."""
    typed = request.form.get("text", "").replace("\r\n", "\n")
    with hub().store.read() as conn:
        row = row_of(conn, connection_id)
    try:
        tried = _check(row, typed)
        _store(connection_id, typed, request.form.get("seen", ""))
    except BadMapping as error:
        return _page(row, typed, problems=error.problems), 422
    except Stale:
        with hub().store.read() as conn:
            row = row_of(conn, connection_id)
        return _page(row, typed, stale=difference(text_of(row), typed)), 409
    return done(_("The mapping is saved.") + tried, "mapping", connection_id=connection_id)


def tried(connection_id: str) -> str | tuple[str, int]:
    """A new text run over the inquiries of the last days: what it would change, before it is saved. Writes nothing."""
    typed, seen = request.form.get("text", "").replace("\r\n", "\n"), request.form.get("seen", "")
    days = int(chosen) if (chosen := request.form.get("days", "")) in map(str, SPANS) else SPANS[0]
    with hub().store.read() as conn:
        row = row_of(conn, connection_id)
    try:
        _check(row, typed)
        found = _run(row, typed, days)
    except BadMapping as error:
        return _page(row, typed, problems=error.problems), 422
    with hub().store.read() as conn:
        titles = titles_of(conn, [one.lead_id for one in found.changes[:SHOWN]])
    return render_template(
        "admin/mapping_trial.html", row=row, text=typed, seen=seen, days=days, spans=SPANS, found=found, titles=titles,
        shown=found.changes[:SHOWN], stale=mappings.stamp(text_of(row)) != seen,
    )  # fmt: skip


def _run(row: Any, typed: str, days: int) -> Remapped:
    until = hub().clock.now() + 1
    since, known = until - days * DAY, text_of(row)
    if row.kind == "source":
        before, after = (mappings.load_inbound(one, mappings.default_inbound()) for one in (known, typed))
        return try_inbound(hub().store, hub().connections.by_id(row.id), before, after, since, until)
    tables = row.config.get("tables")
    with hub().store.read() as conn:
        return try_outbound(conn, mappings.load(known, tables), mappings.load(typed, tables), since, until)


def adopt(connection_id: str) -> Response:
    """One click: a form field gets its line. `as` overrules the proposal."""
    field, target = request.form.get("field", ""), request.form.get("as", "")
    wish = Proposal(field, "", target, 1.0, "")
    with hub().store.read() as conn:
        text = text_of(row_of(conn, connection_id, "source"))
    try:
        written = mappings.adopt(text, [wish], request.form.get("seen", ""))
        mappings.load_inbound(written, mappings.default_inbound())
        _store(connection_id, written, mappings.stamp(text))
    except (BadMapping, Stale) as error:
        return failed(str(error), "mapping", connection_id=connection_id)
    message = _(
        "“%(field)s” is now taken for %(target)s. It counts from the next inquiry on.", field=field, target=target
    )
    return done(message, "mapping", connection_id=connection_id)


def text_of(row: Any) -> str:
    """A connection's own mapping, else the text it starts with."""
    return mapping_of(row) if row.kind == "crm" else str(row.mapping or EMPTY)


def _store(connection_id: str, text: str, seen: str) -> None:
    """Write it unless somebody else did meanwhile; raises `Stale`."""
    with hub().store.write() as conn:
        locked = select(connection).where(connection.c.id == connection_id).with_for_update()
        if mappings.stamp(text_of(conn.execute(locked).one())) != seen:
            raise Stale
        conn.execute(update(connection).where(connection.c.id == connection_id).values(mapping=text))
        note(conn, hub().clock, "connection", connection_id, "mapping", actor(), {"stamp": mappings.stamp(text)})
    hub().connections.forget()


# ── checking ─────────────────────────────────────────────────────────────────────────────────────


def _check(row: Any, text: str) -> str:
    """Raises `BadMapping`; answers what else the admin should know."""
    if row.kind == "source":
        mappings.load_inbound(text, mappings.default_inbound())
        return ""
    tables = row.config.get("tables")
    parsed = mappings.load(text, tables)
    if parsed.crm != row.connector:
        raise BadMapping([Problem("crm", f"must be “{row.connector}”: this is the mapping of another CRM.", line=1)])
    try:
        crm = hub().connections.by_id(row.id).crm
        remote = account_fields(crm, crm.describe(), parsed)
    except ConnectorError as error:
        mappings.check(text, tables)
        return " " + str(_("Not compared with the account, it cannot be reached: %(why)s", why=str(error)))
    mappings.check(text, tables, remote=remote)
    return ""


def account_fields(crm: CRM, schema: Schema, mapping: mappings.Mapping) -> dict[str, tuple[Field, ...]]:
    """The account's fields by hub kind, with those the set-up will create as wide as the mapping wants them: a mapping
    may name them before they are there."""
    kinds = {"company": crm.company_kind, "contact": crm.contact_kind, "lead": crm.lead_kind, "deal": crm.deal_kind}
    fields = {}
    for kind, remote in kinds.items():
        if remote in schema.fields:
            known = {there.name for there in schema.fields[remote]}
            coming = {
                line.crm: Field(line.crm, min(line.codec.takes, default="text"))
                for line in mapping.lines
                if line.kind == kind and OWN.search(line.crm) and line.crm not in known and crm.facts.makes_fields
            }
            fields[kind] = (*schema.fields[remote], *coming.values())
    return fields


def difference(stored: str, typed: str) -> list[tuple[str, str]]:
    """(sign, line) of what differs: "-" stands only in the stored text, "+" only in the typed one."""
    lines = difflib.unified_diff(stored.splitlines(), typed.splitlines(), lineterm="", n=1)
    return [(line[:1], line[1:]) for line in lines if not line.startswith(("---", "+++"))]


# ── unnamed fields ───────────────────────────────────────────────────────────────────────────────


def unnamed(row: Any) -> list[Unnamed]:
    """Fields of the last inquiries that no line names, the most frequent first."""
    lately = select(inquiry.c.connection_id, inquiry.c.fields).order_by(inquiry.c.id.desc()).limit(RECENT).subquery()
    mine = select(lately.c.fields).where(lately.c.connection_id == row.id).limit(SAMPLE)
    values: dict[str, list[Any]] = {}
    with hub().store.read() as conn:
        for (fields,) in conn.execute(mine):
            for name, value in fields.items():
                values.setdefault(name, []).append(value)
    try:
        known = mappings.load_inbound(text_of(row), mappings.default_inbound())
    except BadMapping:
        known = mappings.default_inbound()
    found = [_unnamed(name, seen, known) for name, seen in values.items() if known.target(name) is None]
    return sorted(found, key=lambda one: -one.times)


def _unnamed(name: str, seen: Sequence[Any], known: mappings.Inbound) -> Unnamed:
    examples = list(dict.fromkeys(str(value)[:80] for value in seen if value not in ("", None, [])))[:3]
    filled: Mapping[str, Any] = {name: next((value for value in seen if value), "")}
    proposals = mappings.discover(filled, known)
    return Unnamed(name, examples, len(seen), proposals[0] if proposals else None)


def _page(row: Any, text: str, problems: Sequence[Problem] = (), stale: Sequence[tuple[str, str]] = ()) -> str:
    stored = text_of(row)
    return render_template(
        "admin/mapping.html", row=row, text=text, seen=mappings.stamp(stored), problems=problems, stale=stale,
        stored=stored, unnamed=unnamed(row) if row.kind == "source" else [], targets=TARGETS,
        wrong_lines={problem.line for problem in problems}, own=bool(row.mapping),
    )  # fmt: skip
