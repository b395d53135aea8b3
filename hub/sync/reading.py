"""Reads records by id: one bad record spoils nobody's reading, and an absence is believed only while reads work."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from connectors.contract import Record
from connectors.errors import ConnectorError, Missing, Pause, Retry
from hub.model import link
from hub.store.engine import Store
from hub.sync.account import Account
from hub.sync.foreign import guarded

Read = Record | None | ConnectorError
BLIND = "Nothing could be read any more, not even records that were there: check the CRM's permissions"


def read_each(account: Account, kind: str, refs: Sequence[str]) -> list[Read]:
    """A record, None (positively absent) or what stands in the way, for each id in order.

    A reading that fails as a whole is halved until the bad record is alone: 2·log2 n calls more for each.
    Raises `Pause` and `Retry`, which concern the account.
    """
    if not refs:
        return []
    try:
        return list(guarded(account.crm.get, kind, refs))
    except (Pause, Retry):
        raise
    except Missing:
        if len(refs) == 1:
            return [None]
    except ConnectorError as error:
        if len(refs) == 1:
            return [error]
    middle = len(refs) // 2
    return [*read_each(account, kind, refs[:middle]), *read_each(account, kind, refs[middle:])]


def absence_in_doubt(store: Store, account: Account, kind: str, refs: Sequence[str], read: Sequence[Read]) -> str:
    """Why the absences in this reading prove nothing, "" when they do: nothing was there, and a record that we know
    of cannot be read either."""
    if not refs or any(one is not None for one in read):
        return ""
    mine = (link.c.connection_id == account.id) & (link.c.remote_kind == kind) & (link.c.state == "linked")
    with store.read() as conn:
        other = select(link.c.remote_id).where(mine, link.c.remote_id.not_in(list(refs)[:400])).limit(2)
        siblings = [str(ref) for ref in conn.execute(other).scalars()]
    if not siblings or any(one is not None for one in read_each(account, kind, siblings)):
        return ""
    return BLIND
