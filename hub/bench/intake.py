"""Durable acknowledgements: signed leads through the real server, against a bare endpoint in alternating rounds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.bench.house import SECRET, Served, house
from hub.bench.load import Order, Report, send
from hub.bench.processes import command_of, frozen, own_cpu_s, tree
from hub.bench.scale import Scale
from hub.bench.yardsticks import Bare, bare, fsync_per_s

OFFERED = 500
LINES = 64
ROUND = 10_000_000
"""Leads of different rounds are different people."""


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Ratios, figures and yardsticks of intake. The work runs beside it and falls behind as far as it does."""
    with (
        bare(folder / "plain") as plain,
        house(folder / "hub") as made,
        made.served() as served,
    ):
        fsync = fsync_per_s(folder, scale.disk_s)
        port, path = made.config.port, made.path
        send(Order(port, path, SECRET, count=scale.warm, first=9 * ROUND))
        served.calm()
        offered = send(Order(port, path, SECRET, seconds=scale.offered_s, rate=OFFERED, connections=LINES))
        behind = served.health()["backlog"]
        web = [pid for pid in tree(served.pid) if " work" not in command_of(pid)]
        before = [own_cpu_s(web), own_cpu_s(tree(plain.pid))]
        ours, theirs = _rounds(served, plain, scale)
        used = [own_cpu_s(web) - before[0], own_cpu_s(tree(plain.pid)) - before[1]]
        backlog = served.health()["backlog"]
    ours_per_s, bare_per_s = _together(ours), _together(theirs)
    return {
        "bench": "intake",
        "ratios": {"vs_bare_endpoint": round(ours_per_s / bare_per_s, 3)},
        "figures": {
            "acks_per_s": round(ours_per_s),
            "web_cpu_ms_per_ack": round(1000 * used[0] / sum(one.ok for one in ours), 3),
            "p50_ms": ours[-1].p50_ms,
            "p99_ms": ours[-1].p99_ms,
            f"p50_ms_at_{OFFERED}": offered.p50_ms,
            f"p99_ms_at_{OFFERED}": offered.p99_ms,
            f"worst_ms_at_{OFFERED}": offered.worst_ms,
            f"events_behind_at_{OFFERED}": behind,
            "events_behind_after_rounds": backlog,
            "refused": sum(sum(one.other.values()) for one in (offered, *ours)),
        },
        "yardsticks": {
            "bare_per_s": round(bare_per_s),
            "bare_cpu_ms_per_request": round(1000 * used[1] / sum(one.ok for one in theirs), 3),
            "fsync_per_s": fsync,
            "generator_cpu_share": round(sum(r.cpu_s for r in ours) / sum(r.seconds for r in ours), 2),
        },
    }


def _rounds(served: Served, plain: Bare, scale: Scale) -> tuple[list[Report], list[Report]]:
    """Reports of the hub and of the bare endpoint, in turn."""
    ours: list[Report] = []
    theirs: list[Report] = []
    send(Order(plain.port, "/in/bare", SECRET, count=scale.warm))
    port, path = served.house.config.port, served.house.path
    for number in range(1, scale.rounds + 1):
        order = Order(port, path, SECRET, seconds=scale.round_s, connections=LINES, first=number * ROUND)
        ours.append(send(order))
        # The yardstick has the machine for itself: what we still have to work on would slow it down.
        with frozen(tree(served.pid)):
            theirs.append(send(Order(plain.port, "/in/bare", SECRET, seconds=scale.round_s, connections=LINES)))
    return ours, theirs


def _together(rounds: list[Report]) -> float:
    return sum(one.ok for one in rounds) / sum(one.seconds for one in rounds)
