"""Leases of workers that are gone.

A lease ends by itself, long after its work should have been done. Where one process does all the work of a
database, the next one knows better: nobody else can hold anything.
"""

from __future__ import annotations

from sqlalchemy import update

from hub.model import event_work, link, pull_state
from hub.store.engine import Store


def free(store: Store, now: int) -> int:
    """End every lease; answers how many there were. Only for a process that is certain to work alone.

    A link that was being sent stays `sending`: whoever takes it finds that out and looks before it sends again.
    """
    with store.write() as conn:
        taken = conn.execute(update(event_work).where(event_work.c.state == "taken").values(lease_until=now))
        links = conn.execute(update(link).where(link.c.lease != "").values(lease="", lease_until=None))
        scans = conn.execute(update(pull_state).where(pull_state.c.lease != "").values(lease="", lease_until=None))
    return taken.rowcount + links.rowcount + scans.rowcount
