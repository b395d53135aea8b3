"""Any order of events, at any moment of it: no committed state has an open lead without an owner and a next step, turns
are fair, and the ledger played again gives the same owners. `make campaign` plays a hundred thousand orders: 70,000
here, the others through intake in tests/intake/test_orders.py."""

from __future__ import annotations

import os
import random
from fractions import Fraction
from pathlib import Path

import pytest

from hub.model import assignment, lineup
from tests.funnel.desk import Desk, open_desk
from tests.funnel.orders import Play, same_again

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SEEDS, ORDERS = (range(20), 3500) if FULL else (range(2), 64)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", SEEDS)
def test_nobodys_lead_is_nobodys(tmp_path: Path, seed: int) -> None:
    with open_desk(tmp_path) as desk:
        desk.clock.randomness = random.Random(f"ids {seed}")
        play = Play(desk, seed)
        play.play(ORDERS)
        play.step()
        same_again(desk)


def test_every_day_ends_within_one_lead_of_the_shares(desk: Desk) -> None:
    """A week of a few dozen leads a day: at every moment, so at the end of every day too."""
    chance = random.Random(3)
    for n in range(4):
        desk.hire(f"m{n}", weight=chance.randint(1, 9))
    for _day in range(7):
        for _lead in range(chance.randint(5, 30)):
            desk.open()
        desk.clock.advance(24 * 3600)
    turns = sorted(desk.rows(assignment), key=lambda row: row.turn)
    [line] = desk.rows(lineup)
    shares = dict(line.members)
    apart = dict.fromkeys(shares, Fraction(0))
    for row in turns:
        for who, share in shares.items():
            apart[who] += Fraction(share, sum(shares.values()))
        apart[row.member_id] -= 1
        assert max(map(abs, apart.values())) < 1
    assert len(turns) > 70
