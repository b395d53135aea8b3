"""Events of the stand-in: form-encoded, an id and a token, told once and never again, lost and doubled on demand."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from connectors.crms.bitrix24.sandbox.schema import Row
from connectors.crms.bitrix24.sandbox.state import Account
from connectors.testing.sandbox import Postman

HEADERS = {"Content-Type": "application/x-www-form-urlencoded"}


class Post(Postman):
    """Knows who listens: handlers of applications, and outgoing webhooks an admin made by hand."""

    def __init__(self, account: Account) -> None:
        super().__init__(())
        self._account = account

    def tell(self, name: str, row: Row) -> None:
        """One body per listener. Webhooks hear nothing of moves to another pipeline."""
        data = body(self._account, name, row)
        for one in self._account.handlers:
            if one["event"] == name and not one["offline"]:
                self.deliver(one["handler"], data, HEADERS)
        for one in self._account.outgoing:
            if name in one["events"] and "MOVETOCATEGORY" not in name:
                self.deliver(one["handler"], data, HEADERS)


def body(account: Account, name: str, row: Row) -> bytes:
    """PHP brackets; who did it is not told."""
    pairs: list[tuple[str, Any]] = [("event", name), ("event_handler_id", 185)]
    if row:
        pairs.append(("data[FIELDS][ID]", row["id"]))
    if "MOVETOCATEGORY" in name:
        pairs += [("data[FIELDS][CATEGORY_ID]", row["categoryId"]), ("data[FIELDS][STAGE_ID]", row["stageId"])]
    pairs += [
        ("ts", int(account.clock())), ("auth[domain]", account.name), ("auth[member_id]", "m1"),
        ("auth[application_token]", account.application_token),
    ]  # fmt: skip
    return urlencode(pairs).encode()
