"""A whole hub beside a real CRM: members, a form, and the connection; the hub's time moves when a test says so.

The CRM keeps its own time. The hub never compares the two: what changed over there is read by the CRM's clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from connectors.contract import CRM
from connectors.crms.amocrm.sandbox import Account
from hub.app import open_hub
from hub.clock import FixedClock
from hub.model import connection
from hub.model import stage as stages
from hub.setup import add_member, first_setup
from hub.sync.split import placement_json
from tests.flow.scene import CRM_USERS, Scene, configured, connect, timed_wires
from tests.servers import Stack

ANNA = {
    "name": "Анна Петрова", "phone": "8 (916) 123-45-67", "email": "anna@petrova.test", "message": "Нужны два окна",
    "submission_id": "s-1", "page": "https://okna.test/?utm_source=ya",
}  # fmt: skip


@contextmanager
def stage(stack: Stack, name: str, address: str, values: Mapping[str, str]) -> Iterator[Scene]:
    """A hub whose only CRM is the connector `name` at `address`, not set up yet."""
    clock = FixedClock(randomness=random.Random(str(stack.folder)))  # ids of its own: the CRM outlives the hub
    config = configured(stack, address)
    hub = open_hub(config, clock)
    hub.http = timed_wires(clock, config)
    made = Scene(hub, clock, stack, cast(Account, None), address)
    try:
        with hub.store.write() as conn:
            made.direction_id = first_setup(conn, clock, "Windows", "en")
            for login, user in CRM_USERS.items():
                mail = f"user{user}@example.com"
                made.members[login] = add_member(conn, clock, mail, login.title(), "long enough", "sales")
        plenty = {"per_minute": 100_000}
        made.form_id = connect(made, "source", "webform", {}, region="RU", config=plenty)
        made.crm_id = connect(made, "crm", name, {"address": address, **values}, config={"unlimited": True})
        yield made
    finally:
        hub.close()


def remote(made: Scene) -> CRM:
    """The connector the hub uses."""
    live = made.hub.connections.by_id(made.crm_id)
    assert live is not None
    return live.crm


def place(made: Scene, strategy: str, there: Mapping[tuple[str, str], tuple[str, ...]]) -> None:
    """Say by hand where stages stand: (block, stage or its final) → stages over there, the first one is written."""
    with made.hub.store.write() as conn:
        rows = [
            (row.block, row.direction_id, row.key, "", ref)
            for row in conn.execute(stages.select().order_by(stages.c.position))
            for ref in there.get((row.block, row.key)) or there[row.block, row.final]
        ]
        mine = connection.c.id == made.crm_id
        config = conn.execute(connection.select().where(mine)).one().config
        told: dict[str, Any] = {**config, "placement": placement_json(strategy, rows)}
        conn.execute(connection.update().where(mine).values(config=told))
    made.hub.connections.forget()
