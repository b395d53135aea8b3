"""Hooks of the stand-in, version 2: JSON with typed custom fields, textual ids, HTTP Basic, three more tries."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from connectors.crms.pipedrive.sandbox.state import Account, Row
from connectors.testing.sandbox import Postman

RETRIES = (3.0, 30.0, 150.0)
SINGULAR = {"leads": "lead", "deals": "deal", "persons": "person", "organizations": "organization", "notes": "note",
            "activities": "activity"}  # fmt: skip
_HIDDEN = {"cells", "written", "merged", "is_deleted"}


class Post(Postman):
    """Knows who subscribed to what."""

    def __init__(self, account: Account, retries: tuple[float, ...] = RETRIES) -> None:
        super().__init__(retries)
        self._account = account

    def tell(self, events: list[Row]) -> None:
        """One body per change and subscriber."""
        for event in events:
            name = SINGULAR[event["kind"]]
            for hook in self._account.hooks:
                if hook["event_object"] in ("*", name) and hook["event_action"] in ("*", event["action"]):
                    self.deliver(hook["subscription_url"], body(self._account, hook, event), _headers(hook))


def body(account: Account, hook: Row, event: Row) -> bytes:
    """The captured shape: data and previous, meta with everything as text."""
    row, gone = _data(account, event["kind"], event["row"]), event["action"] == "delete"
    before = event.get("before") or {}
    changed = {key: before.get(key) for key in row if key in before and before[key] != event["row"].get(key)}
    meta = {
        "action": event["action"], "entity": SINGULAR[event["kind"]], "entity_id": str(event["row"]["id"]),
        "company_id": str(account.id), "correlation_id": account.uuid(), "id": account.uuid(), "is_bulk_edit": False,
        "timestamp": account.now(), "type": "general", "user_id": "701", "version": "2.0",
        "webhook_id": str(hook["id"]), "webhook_owner_id": "701", "change_source": event["source"], "attempt": 1,
        "host": "northwind.pipedrive.test", "permitted_user_ids": ["701"], **event.get("meta", {}),
    }  # fmt: skip
    previous = row if gone else changed if event["action"] == "change" else None
    return json.dumps({"data": None if gone else row, "previous": previous, "meta": meta}).encode()


def _data(account: Account, kind: str, row: Row) -> Row:
    fields = {key: account.field(kind, key) for key in row["cells"]}
    cells = {key: _typed(field, row["cells"][key]) for key, field in fields.items() if field}
    return {**{key: value for key, value in row.items() if key not in _HIDDEN}, "custom_fields": cells}


def _typed(field: Row, value: Any) -> Any:
    """Another shape than the records have."""
    if value is None:
        return None
    if field["field_type"] == "enum":
        return {"type": "enum", "id": value}
    if field["field_type"] == "set":
        return {"type": "set", "values": [{"id": one} for one in value]}
    return {"type": field["field_type"], **(value if isinstance(value, dict) else {"value": value})}


def _headers(hook: Row) -> dict[str, str]:
    headers = {"Content-Type": "application/json", "User-Agent": "Pipedrive Webhooks"}
    if hook.get("http_auth_user"):
        pair = f"{hook['http_auth_user']}:{hook['http_auth_password']}"
        headers["Authorization"] = f"Basic {b64encode(pair.encode()).decode()}"
    return headers
