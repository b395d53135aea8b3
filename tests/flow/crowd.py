"""Jobs for processes of their own: each opens the hub by its configuration and does one thing."""

from __future__ import annotations

import json
import time

from connectors.contract import Raw
from hub.app import open_hub
from hub.clock import instant
from hub.config import Config


def submit(config: Config, form_id: str, first: int, count: int, start_at: float) -> tuple[int, int]:
    """Post `count` inquiries of one person from `start_at` (Unix seconds) on, draining all the while; answers
    (accepted, drained) numbers."""
    hub = open_hub(config)
    live = hub.connections.by_id(form_id)
    assert live is not None
    time.sleep(max(0.0, start_at - time.time()))
    accepted = drained = 0
    for number in range(first, first + count):
        body = {
            "name": "Anna Peters", "phone": "+7 916 123-45-67", "email": "Anna@peters.test",
            "message": f"Window number {number}", "submission_id": f"s-{number}",
        }  # fmt: skip
        raw = Raw(json.dumps(body).encode(), instant(hub.clock.now()), {"content-type": "application/json"})
        hub.intake.accept(live, raw)
        accepted += 1
        if number % 5 == 0 or number < first + 3:
            drained += hub.flow.drain().events
    drained += hub.flow.drain().events
    hub.close()
    return accepted, drained


NAMES = ("Anna", "Boris", "Vera", "Gleb", "Daria", "Egor", "Zoya", "Ivan", "Kira", "Lev")
LAST = ("Orlova", "Kuzmin", "Panova", "Gusev", "Frolova", "Zuev", "Belova", "Somov", "Titova", "Lisin")


def submit_people(config: Config, form_id: str, first: int, count: int, start_at: float) -> int:
    """Post one inquiry each of `count` different people, draining all the while; answers how many were drained."""
    hub = open_hub(config)
    live = hub.connections.by_id(form_id)
    assert live is not None
    time.sleep(max(0.0, start_at - time.time()))
    drained = 0
    for number in range(first, first + count):
        name = f"{NAMES[number % 10]} {LAST[number // 10]}"
        phone = f"+7 9{number * 7 % 90 + 10} {number * 37 % 900 + 100}-{number * 53 % 90 + 10}-{number:02}"
        body = json.dumps({"name": name, "phone": phone, "message": "A window, please"})
        hub.intake.accept(live, Raw(body.encode(), instant(hub.clock.now()), {"content-type": "application/json"}))
        drained += hub.flow.drain().events
    hub.close()
    return drained


def submit_same(config: Config, form_id: str, count: int) -> int:
    """Post one and the same inquiry `count` times with no id of its own: double clicks, resent forms."""
    hub = open_hub(config)
    live = hub.connections.by_id(form_id)
    assert live is not None
    body = json.dumps({"name": "Anna Peters", "phone": "+7 916 123-45-67", "message": "Windows"}).encode()
    for _number in range(count):
        hub.intake.accept(live, Raw(body, instant(hub.clock.now()), {"content-type": "application/json"}))
        hub.flow.drain()
    hub.close()
    return count


def migrate(config: Config) -> bool:
    """Open the databases, making their tables."""
    open_hub(config).close()
    return True


def poll(config: Config, connection_id: str) -> int:
    """Ask a source once; answers how many messages were new."""
    from workers.tasks import poll_one

    hub = open_hub(config)
    stored = poll_one(hub, connection_id)
    hub.close()
    return stored


def ready(_number: int) -> None:
    """Everything is imported; long enough that each process takes one."""
    time.sleep(0.3)
