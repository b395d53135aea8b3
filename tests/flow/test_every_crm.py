"""The main promise beside the stand-in of every CRM: a lead arrives, becomes a deal from either side, once, and then
nobody has anything left to say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from sqlalchemy import select

from connectors import registry
from connectors.contract import Done, Op
from hub.bench.sync import Beside, beside
from hub.cli_sandbox import rehearsable
from hub.funnel import moves
from hub.model import deal, lead, link

UNTOLD = {"tryton"}
"""Stand-ins whose account has to be made by hand: tests/real goes the whole way with the real server."""
ONE_SIDED = {"bottlecrm"}
"""Here a lead does not tell of which deal it is the lead unless we made that deal."""
NAMES = [name for name in rehearsable() if name not in UNTOLD]
NATIVE = [name for name in NAMES if registry.crm(name).facts.strategies[0] == "native" and name not in ONE_SIDED]


@pytest.fixture(autouse=True)
def cheap_passwords(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hub.setup.PasswordHasher", lambda: PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))


@pytest.fixture
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Beside]:
    with beside(tmp_path / "hub", request.param) as found:
        found.add(1)
        found.push()
        settle(found)
        yield found


def settle(made: Beside, rounds: int = 3) -> None:
    for _round in range(rounds):
        made.hub.pusher.drain(made.crm_id)
        made.clock.advance(made.account.lag + 600)
        made.hub.puller.step(made.crm_id)
    made.hub.pusher.drain(made.crm_id)


def rows(made: Beside, table: Any) -> list[Any]:
    with made.hub.store.read() as conn:
        return list(conn.execute(select(table)))


def in_step(made: Beside) -> None:
    """Every link is calm, the deal's points to a live record, and a comparison finds nothing."""
    links = {row.role: row for row in rows(made, link) if row.state != "history"}
    assert {row.state for row in links.values()} == {"linked"}
    assert not any(row.dirty for row in links.values())
    account = made.account
    (there,) = account.crm.get(account.kind("deal"), [links["deal"].remote_id])
    assert there is not None
    assert not there.deleted
    assert made.hub.auditor.run(made.crm_id).startswith("0 differences on ")


@pytest.mark.parametrize("made", NAMES, indirect=True)
def test_a_lead_that_is_converted_here_is_one_deal_there(made: Beside) -> None:
    (row,) = rows(made, lead)
    with made.hub.store.write() as conn:
        moves.convert_lead(conn, made.clock, row.id, "member:x")
    settle(made)
    assert [row.state for row in rows(made, lead)] == ["converted"]
    assert [row.state for row in rows(made, deal)] == ["open"]
    in_step(made)


@pytest.mark.parametrize("made", NATIVE, indirect=True)
def test_a_lead_that_is_converted_there_is_one_deal_here(made: Beside) -> None:
    account = made.account
    (ref,) = [row.remote_id for row in rows(made, link) if row.role == "lead"]
    line, (pipeline, stage) = account.mapping.line("deal", "title"), account.faces["deal"].place
    there = account.placement.place(next(row[:3] for row in account.placement.rows if row[0] == "deal"))
    assert line is not None
    values = {line.crm: "Made over there", stage: there.stage, **({pipeline: there.pipeline} if pipeline else {})}
    (outcome,) = account.crm.write([Op(account.kind("deal"), values, links={account.kind("lead"): (ref,)})])
    assert isinstance(outcome, Done)
    settle(made)
    assert [row.state for row in rows(made, lead)] == ["converted"]
    assert [row.title for row in rows(made, deal)] == ["Made over there"]
    in_step(made)
