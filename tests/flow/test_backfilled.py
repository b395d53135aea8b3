"""A field that is made later is filled on the cards that were there before, also in a CRM of another shape."""

from __future__ import annotations

from typing import Any

import pytest

from tests.flow.far import Far, far
from tests.real.stage import ANNA
from tests.servers import Stack


def forget(there: Far, field: str) -> None:
    """People delete a field, and with it what every card said in it."""
    del there.state.properties["deals"][field]
    for row in there.state.rows["deals"].values():
        row["props"].pop(field, None)


def test_old_cards_learn_fields_that_are_made_later(embedded: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.crms.hubspot.SEARCHES", 1000)
    with far(embedded, "hubspot", monkeypatch) as there:
        there.set_up("two_blocks")
        inquiry: dict[str, Any] = {**ANNA}
        there.made.post(**inquiry)
        there.made.settle(2)
        assert there.told("lead")["text"] == ANNA["message"]
        forget(there, "hub_text")
        there.made.advance(600)
        there.set_up("two_blocks")
        there.made.settle(2)
        assert there.told("lead")["text"] == ANNA["message"]
        assert len(there.all("lead")) == 1
