"""What a mapping may put in step has its place in the hub: else what people type over there is told and lost."""

from __future__ import annotations

import pytest

from hub.identity.employers import COMPANY
from hub.model import link
from hub.sync import records
from hub.sync.account import OURS_ALONE
from hub.sync.apply import COLUMNS, LISTS
from mappings.engine import HUB_FIELDS
from tests.sync.scenes import world_rows
from tests.sync.world import schedule

KEPT = {
    "contact": {*COLUMNS["contact"][1], *LISTS},
    "company": set(COMPANY),
    "lead": {*COLUMNS["lead"][1], "owner"},
    "deal": {*COLUMNS["deal"][1], "owner", "temperature"},  # how warm a client is stands with the lead
}
TWO_WAY = {role: names.keys() - OURS_ALONE for role, names in HUB_FIELDS.items()}


@pytest.mark.parametrize("role", HUB_FIELDS)
def test_what_a_crm_may_change_is_kept(role: str) -> None:
    assert TWO_WAY[role] <= KEPT[role]


def test_what_is_kept_is_told() -> None:
    world = schedule(1, "two_blocks", 60)
    for role, names in TWO_WAY.items():
        ids = [row.record_id for row in world_rows(world, link) if row.role == role]
        with world.store.read() as conn:
            flats = records.load(conn, role, ids)
        assert flats, role
        for flat in flats.values():
            assert names - flat.keys() <= {"temperature"}, role  # a deal that was no lead has none
