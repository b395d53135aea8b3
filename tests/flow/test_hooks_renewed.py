"""Hooks that a vendor ends after a week are renewed every night."""

from __future__ import annotations

from datetime import datetime

import pytest

from hub.model import audit_run
from tests.flow.far import Far, far
from tests.servers import Stack

DAY_S = 86_400


def ends(there: Far) -> float:
    """When the hub's hook ends over there."""
    (hook,) = there.state.watches.values()
    return datetime.fromisoformat(hook["channel_expiry"]).timestamp()


def test_a_hook_of_zoho_never_ends_while_the_hub_runs(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with far(embedded, "zoho", monkeypatch) as there:
        there.set_up("native")
        begun = ends(there)
        for _night in range(9):
            there.made.advance(DAY_S)
            there.made.pull()
            assert ends(there) > there.state.clock() + 6 * DAY_S
        assert ends(there) > begun + 8 * DAY_S
        assert [row.why for row in there.made.rows(audit_run)] == [""] * 9


def test_a_hook_that_people_took_away_stays_away(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    with far(embedded, "zoho", monkeypatch) as there:
        there.set_up("native")
        there.state.watches.clear()
        there.made.advance(DAY_S)
        there.made.pull()
        assert there.state.watches == {}
        assert any("hook" in told for told in there.made.hub.provision.verify(there.made.crm_id))
