"""What there is to do, by name. Every task drains what is due, may run twice at once, and may be killed anywhere.

Nothing is passed to a task: what is due stands in the database. The names are also the names of doorbells
and of RQ queues.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait

from sqlalchemy import bindparam, select

from connectors.errors import ConnectorError, Pause
from hub.app import Hub
from hub.clock import SECOND
from hub.intake.polling import Poller
from hub.model import connection

log = logging.getLogger("leadhub.work")

WAIT_S = 20.0
POLLERS = 16
AGAIN_S = 0.5
"""Between two looks at a CRM beside one that is still at work."""


def flow(hub: Hub) -> int:
    """Events become inquiries and leads."""
    return hub.flow.drain().events


def push(hub: Hub) -> int:
    """Changes travel to the CRMs."""
    return abreast(connections(hub, "crm"), hub.pusher.drain)


def pull(hub: Hub) -> int:
    """Changes come back from the CRMs."""
    return abreast(connections(hub, "crm"), hub.puller.step)


def abreast(ids: Sequence[str], work: Callable[[str], int]) -> int:
    """Each on a thread of its own, again and again while any of them is still at it: one that is slow, or has a
    million records to go, delays no other. Answers the sum."""
    if len(ids) < 2:
        return sum(work(one) for one in ids)
    done = 0
    with ThreadPoolExecutor(len(ids), "crm") as pool:
        calls = {one: pool.submit(work, one) for one in ids}
        while wait(calls.values(), AGAIN_S).not_done:
            for one, call in calls.items():
                if call.done():
                    done += call.result()
                    calls[one] = pool.submit(work, one)
        return done + sum(call.result() for call in calls.values())


def poll(hub: Hub) -> int:
    """Mailboxes and bots that have to be asked; each on a thread, because asking is mostly waiting."""
    ids = [one for one in connections(hub, "source") if is_polled(hub, one)]
    if not ids:
        return 0
    with ThreadPoolExecutor(min(POLLERS, len(ids)), "poll") as pool:
        return sum(pool.map(lambda one: poll_one(hub, one), ids))


def poll_one(hub: Hub, connection_id: str, wait_s: float = 0.0) -> int:
    """Everything one source has for us; then, if it can, wait there for more."""
    poller = Poller(hub.store, hub.clock, hub.connections, hub.intake)
    try:
        stored = poller.drain(connection_id, wait_s)
    except Pause as error:
        log.warning("connection paused connection=%s code=%s", connection_id, error.code)
        hub.accounts.pause(connection_id, error)
        return 0
    except ConnectorError as error:
        log.info("poll postponed connection=%s code=%s", connection_id, error.code)
        return 0
    if stored:
        hub.ring("flow")
    return stored


ACTIVE = (
    select(connection.c.id)
    .where(connection.c.kind == bindparam("b_kind"), connection.c.state == "active")
    .order_by(connection.c.id)
)


def connections(hub: Hub, kind: str) -> list[str]:
    """Ids of the active connections of a kind."""
    with hub.store.read() as conn:
        return list(conn.execute(ACTIVE, {"b_kind": kind}).scalars())


def is_polled(hub: Hub, connection_id: str) -> bool:
    """Whether this source has to be asked (a bot with a webhook has not)."""
    live = hub.connections.by_id(connection_id)
    return live is not None and live.source.asks()


def time(hub: Hub) -> int:
    """Deadlines, absences, robots and their letters: what nobody rings for."""
    return hub.timers.step()


TASKS: Mapping[str, Callable[[Hub], int]] = {"flow": flow, "push": push, "pull": pull, "poll": poll, "time": time}

EVERY: Mapping[str, float] = {"flow": 5.0, "push": 5.0, "pull": 5.0, "poll": 5.0, "time": 2.0}
"""Seconds between two looks of the sweeper, which needs no doorbell. What is not due costs one small query."""
SOONEST_S = 0.2


def rest(hub: Hub, name: str) -> float:
    """Seconds until the sweeper has to look again: a deadline is kept to the second."""
    return min(EVERY[name], max(SOONEST_S, hub.timers.rest())) if name == "time" else EVERY[name]


SWEEP = 10 * SECOND
