"""More records in one instant than a search over there shows: somebody edited all of them at once."""

from __future__ import annotations

import pytest
from sqlalchemy import func, select

from hub.model import mirror, pull_state
from tests.flow.far import Far, far
from tests.servers import Stack

WINDOW, MANY = 1000, 1050
"""HubSpot's search ends at 10,000, whatever the page; a tenth of both is ten times as quick."""


def seen(there: Far) -> int:
    """How many of their contacts the hub knows."""
    with there.made.hub.store.read() as conn:
        return conn.execute(select(func.count()).select_from(mirror)).scalar_one()


def calls(there: Far) -> int:
    return sum(there.state.calls.values())


def test_a_bulk_edit_of_more_than_a_search_shows_is_seen_whole(
    embedded: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(embedded, "hubspot", monkeypatch) as there:
        there.set_up("two_blocks")
        there.state.window = WINDOW
        rows = [
            there.state.create("contacts", {"lastname": f"Person {n}", "phone": f"+7916{n:07}"}, {})
            for n in range(MANY)
        ]
        assert len({row["changed"] for row in rows}) == 1
        there.made.pull()
        assert seen(there) == MANY
        scan = there.made.row(pull_state, kind="contacts")
        assert (scan.lease, scan.code) == ("", "")
        assert scan.whole_at, "it came to its end"
        there.made.advance(600)
        there.made.pull()
        before = calls(there)
        there.state.change("contacts", rows[-1], {"lastname": "Somebody else"}, by="501")
        there.made.pull()
        assert there.made.row(mirror, remote_id=rows[-1]["id"]).person["last_name"] == "Somebody else"
        assert calls(there) - before < 10, "what was seen whole is not read again"
