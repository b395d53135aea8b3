"""A whole hub beside a real CRM: members, a form, and the connection; the hub's time moves when a test says so.

The CRM keeps its own time. The hub never compares the two: what changed over there is read by the CRM's clock.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import cast

from connectors.contract import CRM
from connectors.crms.amocrm.sandbox import Account
from hub.app import open_hub
from hub.clock import FixedClock
from hub.setup import add_member, first_setup
from tests.flow.scene import CRM_USERS, Scene, configured, connect, timed_wires
from tests.servers import Stack

ANNA = {
    "name": "Анна Петрова", "phone": "8 (916) 123-45-67", "email": "anna@petrova.test", "message": "Нужны два окна",
    "submission_id": "s-1", "page": "https://okna.test/?utm_source=ya",
}  # fmt: skip
MAILS = tuple(f"user{user}@example.com" for user in CRM_USERS.values())


@contextmanager
def stage(
    stack: Stack,
    name: str,
    address: str,
    values: Mapping[str, str],
    clock: FixedClock | None = None,
    mails: Sequence[str] = MAILS,
) -> Iterator[Scene]:
    """A hub whose only CRM is the connector `name` at `address`, not set up yet; Vera and Oleg have these mails."""
    clock = clock or FixedClock(randomness=random.Random(str(stack.folder)))  # ids of its own: the CRM outlives the hub
    config = configured(stack, address)
    hub = open_hub(config, clock)
    hub.http = timed_wires(clock, config)
    made = Scene(hub, clock, stack, cast(Account, None), address)
    try:
        with hub.store.write() as conn:
            made.direction_id = first_setup(conn, clock, "Windows", "en")
            for login, mail in zip(CRM_USERS, mails, strict=False):
                made.members[login] = add_member(conn, clock, mail, login.title(), "long enough", "sales")
        plenty = {"per_minute": 100_000}
        made.form_id = connect(made, "source", "webform", {}, region="RU", config=plenty)
        told = {"unlimited": True, "poll_s": 30}
        made.crm_id = connect(made, "crm", name, {"address": address, **values}, config=told)
        yield made
    finally:
        hub.close()


def remote(made: Scene) -> CRM:
    """The connector the hub uses."""
    live = made.hub.connections.by_id(made.crm_id)
    assert live is not None
    return live.crm
