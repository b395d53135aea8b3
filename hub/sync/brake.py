"""Stops a connection that changes more records an hour than its admin thinks right, and asks.

Without a number nothing is counted. Switching the connection on again gives it the next hour's share.
"""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from connectors.errors import Pause
from hub.clock import HOUR, Clock
from hub.model import connection, journal, sync_write
from hub.store.engine import Store
from hub.sync.account import Account


class Brake(Pause):
    """More changes than an admin allowed for an hour."""


def pulled(store: Store, clock: Clock, account: Account) -> None:
    """Raises `Brake` when this connection has changed `config["brake"]` records over there within the last hour."""
    if not _most(account):
        return
    with store.read() as conn:
        left = room(conn, clock, account)
    if not left:
        raise Brake(
            f"The CRM was changed as often within an hour as it may be ({_most(account)} are allowed): look, then "
            "switch it on"
        )


def room(conn: Connection, clock: Clock, account: Account) -> int | None:
    """How many more records may be changed this hour, None for any number. Asked in the commit that writes down what
    will be changed, so that several workers do not share one allowance."""
    most = _most(account)
    if not most:
        return None
    state = conn.execute(select(connection.c.state).where(connection.c.id == account.id)).scalar()
    if state != "active":
        return 0  # somebody has pulled it while this worker was under way
    since = clock.now() - HOUR
    stops = (journal.c.subject_id == account.id) & (journal.c.what == "paused") & (journal.c.at > since)
    last = conn.execute(select(func.max(journal.c.at)).where(stops)).scalar()
    mine = (sync_write.c.connection_id == account.id) & (sync_write.c.at > max(since, last or 0))
    done = conn.execute(select(func.count()).where(mine, sync_write.c.side == "crm")).scalar() or 0
    return max(0, most - done)


def _most(account: Account) -> int:
    return int(account.live.row.config.get("brake") or 0)
