"""The models of a new database with the CRM app: their fields, and the rows that are there from the first day."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from connectors.crms.odoo.sandbox.orm import Row, spec

_STANDS = ("won", "lost", "pending")
_MESSAGES = ("email", "comment", "email_outgoing", "notification", "auto_comment", "user_notification")
_CATEGORIES = ("default", "upload_file", "phonecall", "meeting")
SUBTYPES = {"mail.mt_comment": 1, "mail.mt_note": 2, "mail.mt_activities": 3}
STAFF = 900
"""The partner of a user is this and the user's number: kept apart, so that partners are clients."""


def _named(names: str, kind: str = "char", **more: Any) -> dict[str, Row]:
    return {name: spec(kind, **more) for name in names.split()}


def _stamps() -> dict[str, Row]:
    return {**_named("create_date write_date", "datetime", readonly=True),
            **_named("create_uid write_uid", "many2one", relation="res.users", readonly=True)}  # fmt: skip


def models(version: int) -> dict[str, dict[str, Row]]:
    """Fields by model."""
    person = {
        **_named("phone website street city zip function"), **({} if version >= 19 else _named("mobile")),
        "user_id": spec("many2one", relation="res.users"), "active": spec("boolean"),
        "phone_sanitized": spec("char", readonly=True), "email_normalized": spec("char", readonly=True),
    }  # fmt: skip
    lead = {
        "name": spec("char", required=True, string="Opportunity"), **person,
        "type": spec("selection", options=("lead", "opportunity"), required=True),
        **_named("contact_name partner_name email_from referred"), "description": spec("html"),
        "priority": spec("selection", options=("0", "1", "2", "3")), "color": spec("integer"),
        "stage_id": spec("many2one", relation="crm.stage"), "team_id": spec("many2one", relation="crm.team"),
        "partner_id": spec("many2one", relation="res.partner"), "tag_ids": spec("many2many", relation="crm.tag"),
        "lost_reason_id": spec("many2one", relation="crm.lost.reason"), "expected_revenue": spec("monetary"),
        **_named("probability automated_probability", "float"),
        **_named("date_closed date_conversion", "datetime"), "order_ids": spec("one2many", relation="sale.order"),
        "image": spec("binary"),
        **({"won_status": spec("selection", options=_STANDS, readonly=True)} if version >= 19 else {}),
    }  # fmt: skip
    partner = {
        "name": spec("char", string="Name"), "email": spec("char"), **person, **_named("ref vat lang"),
        "comment": spec("html"), "is_company": spec("boolean"), "parent_id": spec("many2one", relation="res.partner"),
        "category_id": spec("many2many", relation="res.partner.category"),
        "opportunity_ids": spec("one2many", relation="crm.lead", inverse="partner_id"),
        "child_ids": spec("one2many", relation="res.partner", inverse="parent_id"),
    }  # fmt: skip
    teams = spec("many2many" if version >= 19 else "many2one", relation="crm.team")
    rest = {
        "crm.stage": {**_named("name", required=True), "sequence": spec("integer"), "is_won": spec("boolean"),
                      "team_ids" if version >= 19 else "team_id": teams},
        "crm.team": {**_named("name", required=True), "sequence": spec("integer"),
                     **_named("active use_leads use_opportunities", "boolean")},
        "crm.tag": _named("name", required=True), "res.partner.category": _named("name", required=True),
        "crm.lost.reason": {**_named("name"), **_named("active", "boolean")},
        "res.company": _named("name"), "ir.model": _named("model name"),
        "res.users": {**_named("name login email"), **_named("active share", "boolean"),
                      "partner_id": spec("many2one", relation="res.partner")},
        "ir.model.fields": {**_named("name model field_description ttype state"), **_named("copied index", "boolean"),
                            "model_id": spec("many2one", relation="ir.model"), "selection_ids": spec("json")},
        "mail.message": {**_named("subject model"), "body": spec("html"), "res_id": spec("integer"),
                         "message_type": spec("selection", options=_MESSAGES, required=True), "date": spec("datetime"),
                         "author_id": spec("many2one", relation="res.partner"),
                         "subtype_id": spec("many2one", relation="mail.message.subtype"),
                         "mail_activity_type_id": spec("many2one", relation="mail.activity.type"),
                         **_named("partner_ids notified_partner_ids", "many2many", relation="res.partner")},
        "mail.message.subtype": {**_named("name"), "internal": spec("boolean")},
        "mail.activity.type": {**_named("name"), "category": spec("selection", options=_CATEGORIES)},
        "mail.activity": {**_named("summary note res_model date_deadline"), "res_id": spec("integer"),
                          "res_model_id": spec("many2one", relation="ir.model"),
                          "user_id": spec("many2one", relation="res.users")},
        "res.config.settings": _named("group_use_lead", "boolean"),
        "res.groups": {**_named("name"), "implied_ids": spec("many2many", relation="res.groups")},
        "ir.model.data": {**_named("module name model"), "res_id": spec("integer")},
        "base.automation": {**_named("name trigger"), "model_id": spec("many2one", relation="ir.model"),
                            "active": spec("boolean"),
                            "action_server_ids": spec("one2many", relation="ir.actions.server", inverse="rule")},
        "ir.actions.server": {**_named("name state usage" + " webhook_url" * (version >= 17)), "rule": spec("integer"),
                              "model_id": spec("many2one", relation="ir.model")},
    }  # fmt: skip
    return {
        model: {**fields, **_stamps()} for model, fields in {"crm.lead": lead, "res.partner": partner, **rest}.items()
    }


def first_rows(version: int) -> Iterator[tuple[str, Row]]:
    """What is there from the first day, in order."""
    yield "res.company", {"name": "Northwind Windows"}
    for model in ("crm.lead", "res.partner"):
        yield "ir.model", {"model": model, "name": model}
    for n, (name, login, share) in enumerate((("OdooBot", "__system__", False),
                               ("Hub", "hub@northwind.test", False), ("Vera Lind", "vera@northwind.test", False),
                               ("Oleg Marsh", "oleg@northwind.test", False),
                               ("A customer", "guest@away.test", True)), 1):  # fmt: skip
        yield "res.users", {"name": name, "login": login, "email": login, "share": share, "active": login[0] != "_",
                            "partner_id": STAFF + n}  # fmt: skip
    for name, internal in (("Messages", False), ("Notes", True), ("Activities", True)):
        yield "mail.message.subtype", {"name": name, "internal": internal}
    for name, category in (("Email", "default"), ("Call", "phonecall"), ("Meeting", "meeting"), ("To-Do", "default")):
        yield "mail.activity.type", {"name": name, "category": category}
    for n, (module, name) in enumerate((("base", "group_user"), ("crm", "group_use_lead")), 1):
        yield "res.groups", {"name": name}
        yield "ir.model.data", {"module": module, "name": name, "model": "res.groups", "res_id": n}
    yield "crm.team", {"name": "Sales", "sequence": 1, "active": True, "use_opportunities": True}
    for n, name in enumerate(("New", "Qualified", "Proposition", "Won")):
        yield "crm.stage", {"name": name, "sequence": 70 if name == "Won" else n + 1, "is_won": name == "Won"}
    for name in ("Too expensive", "We don't have people/skills"):
        yield "crm.lost.reason", {"name": name, "active": True}
