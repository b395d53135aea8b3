"""What the embedded hub takes when nothing happens, and how fast it is there."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hub.bench.house import SECRET, Crm, House, house, until_read
from hub.bench.load import Order, Report, message, send
from hub.bench.processes import accepts, pss_mib, running, wait_until
from hub.bench.scale import Scale

CALM_FOR_S = 2.0


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Memory and CPU after some work, and the time from the command to the first durable lead."""
    with house(folder / "hub", Crm(config={"unlimited": True})) as made:
        with made.served() as served:
            until_read(made)
            _send(made, scale.warm)
            served.calm()
            time.sleep(CALM_FOR_S)
            before, begin = served.cpu_s(), time.monotonic()
            time.sleep(scale.idle_s)
            cpu = (served.cpu_s() - before) / (time.monotonic() - begin)
            memory = pss_mib(served.pid)
        start_s = _start(made)
    return {
        "bench": "idle",
        "ratios": {},
        "figures": {
            "pss_mib": round(sum(memory.values()), 1),
            "pss_mib_by_process": {name.partition(" ")[2]: size for name, size in memory.items()},
            "cpu_percent": round(100 * cpu, 2),
            "start_to_first_lead_s": round(start_s, 2),
        },
        "yardsticks": {"processes": len(memory)},
    }


def _send(made: House, count: int) -> Report:
    return send(Order(made.config.port, made.path, SECRET, count=count, first=1))


def _start(made: House) -> float:
    """Seconds from `leadhub serve` to its first 2xx for a lead, asked again and again."""
    port, order = made.config.port, Order(made.config.port, made.path, SECRET)
    arguments = ("serve", "--folder", str(made.config.folder), "--port", str(port))
    begin = time.monotonic()
    with running("hub.cli", *arguments, log=made.log, env={"LEADHUB_ALLOWED_HOSTS": f"127.0.0.1:{made.crm_port}"}):
        wait_until(lambda: accepts(port, message(order, 0, int(time.time()))))
        return time.monotonic() - begin
