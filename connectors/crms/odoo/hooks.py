"""The webhooks of Odoo's automation rules: one record, named by `_model` and `_id`, in a JSON object.

One change is announced up to 19 times, before it is committed, within a second or never, and by nobody in particular.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from connectors.contract import Hint, Step, Value
from connectors.crms.odoo.base import Base, listed, made, removed
from connectors.crms.odoo.shape import FIRMS, LEADS, PEOPLE
from connectors.errors import Pause, Refuse, Unsupported

HOOK = "Lead hub"
_KINDS = {LEADS: LEADS, PEOPLE: PEOPLE}


def hints(body: bytes) -> list[Hint]:
    """The record to look at; nothing for a body that is no hook."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return []
    if not isinstance(told, dict):
        return []
    kind, ref = _KINDS.get(str(told.get("_model"))), told.get("_id")
    if kind is None or not isinstance(ref, int) or isinstance(ref, bool):
        return []
    return [Hint(FIRMS if kind == PEOPLE and told.get("is_company") is True else kind, str(ref))]


def addresses(base: Base) -> tuple[str, ...]:
    """Where webhooks go now; none when the user is no administrator, or with Odoo 16, which has none."""
    try:
        rows = listed(base, "ir.actions.server", ["webhook_url"], [["state", "=", "webhook"]])
    except (Refuse, Pause):
        return ()
    return tuple(dict.fromkeys(str(row["webhook_url"]) for row in rows if row.get("webhook_url")))


def create(base: Base, step: Step) -> str:
    """A rule for each model. A webhook costs every save up to a second, so nothing but the id is asked for."""
    address = str(step.values["address"])
    for model in ("crm.lead", "res.partner"):
        name = f"{HOOK}: {model}"
        if listed(base, "base.automation", ["name"], [["name", "=", name], ["model_id.model", "=", model]]):
            _remove_rules(base, [["name", "=", name]])
        _rule(base, name, model, address)
    return address


def _rule(base: Base, name: str, model: str, address: str) -> None:
    number = base.model_id(model)
    action = {"name": name, "model_id": number, "state": "webhook", "webhook_url": address, "usage": "base_automation"}
    rule = {"name": name, "model_id": number, "trigger": "on_create_or_write", "active": True}
    try:
        made(base, "base.automation", {**rule, "action_server_ids": [[0, 0, action]]})
    except (Refuse, Pause) as error:
        raise Unsupported(
            f"Odoo has no webhooks for us (17 and the app Automation Rules are needed): {error}"
        ) from None


def _remove_rules(base: Base, domain: Sequence[Value]) -> None:
    rows = listed(base, "base.automation", ["action_server_ids"], domain)
    actions = [ref for row in rows for ref in row.get("action_server_ids") or []]
    if rows:
        removed(base, "base.automation", [row["id"] for row in rows])
    if actions:
        removed(base, "ir.actions.server", actions)


def remove(base: Base, step: Step) -> str:
    """Take the rules back that post to an address."""
    address = str(step.values.get("address") or step.ref or step.before.get("address", ""))
    rows = listed(base, "ir.actions.server", ["name"], [["webhook_url", "=", address]])
    if names := sorted({str(row["name"]) for row in rows}):
        _remove_rules(base, [["name", "in", names]])
    return address
