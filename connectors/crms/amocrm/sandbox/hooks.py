"""Hooks of the stand-in: form-encoded, unsigned, tried again by the vendor's table, lost and doubled on demand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from connectors.crms.amocrm.sandbox.state import Account, Row
from connectors.testing.sandbox import Postman

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}
RETRIES = (300.0, 900.0, 900.0, 3600.0)
_SINGULAR = {"leads": "lead", "contacts": "contact", "companies": "company"}
_FIELDS = ("id", "name", "status_id", "old_status_id", "old_pipeline_id", "price", "responsible_user_id", "pipeline_id",
           "created_at", "updated_at")  # fmt: skip


class Post(Postman):
    """Knows who subscribed to what."""

    def __init__(self, account: Account, retries: tuple[float, ...] = RETRIES) -> None:
        super().__init__(retries)
        self._account = account

    def tell(self, events: list[tuple[str, str, Row]]) -> None:
        """One body per subscriber."""
        for hook in self._account.hooks:
            if wanted := [e for e in events if f"{e[0]}_{_SINGULAR[e[1]]}" in hook["settings"]]:
                self.deliver(hook["destination"], body(self._account, wanted), HEADERS)


def body(account: Account, events: list[tuple[str, str, Row]]) -> bytes:
    """PHP brackets and the names of API v2; companies come as contacts of type company."""
    counts: dict[str, int] = {}
    pairs: list[tuple[str, Any]] = []
    for action, kind, row in events:
        group = f"{'contacts' if kind == 'companies' else kind}[{action}]"
        n = counts[group] = counts.get(group, -1) + 1
        pairs += ((f"{group}[{n}][{key}]", value) for key, value in _told(action, kind, row))
    pairs += [("account[subdomain]", account.subdomain), ("account[id]", account.id)]
    return urlencode(pairs).encode()


def _told(action: str, kind: str, row: Row) -> Iterator[tuple[str, Any]]:
    if action == "delete":
        yield from ((key, row[key]) for key in ("id", "status_id", "pipeline_id") if key in row)
    else:
        yield from ((key, row[key]) for key in _FIELDS if row.get(key) is not None)
        yield from (("last_modified", row["updated_at"]), ("modified_user_id", row["updated_by"]))
        yield from _cells(row)
    if kind != "leads":
        yield "type", _SINGULAR[kind]


def _cells(row: Row) -> Iterator[tuple[str, Any]]:
    """Names and shapes differ from the API's: bracketed, by field id."""
    for n, (field, values) in enumerate(row["cells"].items()):
        yield f"custom_fields][{n}][id", field
        for m, one in enumerate(values):
            yield f"custom_fields][{n}][values][{m}][value", one["value"]
