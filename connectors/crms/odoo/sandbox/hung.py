"""What people say and do under a record: messages, and activities that they tick off."""

from __future__ import annotations

from typing import Any

from connectors.crms.odoo.sandbox.models import STAFF, SUBTYPES
from connectors.crms.odoo.sandbox.orm import shown_time
from connectors.crms.odoo.sandbox.state import HUB_USER, HUMAN, MESSAGES, Database


def say(state: Database, model: str, ref: int, *, by: int = HUMAN, **values: Any) -> int:
    """A message of a user under a record, sent to its followers unless told otherwise. Others see it once the
    transaction is over; its id is given at once."""
    told = {"model": model, "res_id": ref, "message_type": "comment", "subtype_id": SUBTYPES["mail.mt_comment"],
            "author_id": STAFF + by, "date": shown_time(state.clock()), **values}  # fmt: skip
    with state.lock:
        made = state.create(MESSAGES, told, by)
        if state.lag and by != HUB_USER:
            state.unseen[made] = state.clock() + state.lag
        return made


def tick_off(state: Database, model: str, ref: int, name: str = "Call", by: int = HUMAN, feedback: str = "") -> int:
    """Somebody marks an activity as done: the activity goes, a message stays."""
    kind = next(one["id"] for one in state.rows["mail.activity.type"].values() if one["name"] == name)
    body = f'<div><p><span class="fa fa-fw"></span><span>{name}</span> done</p><div>{feedback}</div></div>'
    return say(state, model, ref, by=by, body=body, message_type="notification", mail_activity_type_id=kind,
               subtype_id=SUBTYPES["mail.mt_activities"])  # fmt: skip
