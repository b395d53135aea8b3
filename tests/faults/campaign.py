"""A hub under load whose processes are killed at random, and the accounts that must balance afterwards."""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import func, select

from hub.bench.house import SECRET, House, Served
from hub.bench.load import Order, lead, message
from hub.bench.processes import listens, tree, wait_until
from hub.model import contact, event, event_work, inquiry, link
from hub.model import lead as lead_table

PACE_S = 0.02
AGAIN_S = 0.1
WEIGHTS = {"web": 4, "work": 6, "main": 2, "everything": 1, "server": 3}
"""How often each role is hit. Who falls with the front process: all of them."""


class Kept(threading.Thread):
    """A program that is started again whenever it ends, as an init system would do it."""

    def __init__(self, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        super().__init__(daemon=True)
        self._command, self._log, self._env = command, log, {**os.environ, **(env or {})}
        self._over = threading.Event()
        self.starts = 0
        self.process = self._start()
        self.start()

    def _start(self) -> subprocess.Popen[bytes]:
        self.starts += 1
        with self._log.open("ab") as out:
            return subprocess.Popen(self._command, env=self._env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)

    def run(self) -> None:
        while not self._over.is_set():
            self.process.wait()
            if self._over.wait(AGAIN_S):
                return
            self.process = self._start()

    def stop(self) -> None:
        """End it politely, for good."""
        self._over.set()
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            for pid in tree(self.process.pid):
                kill(pid)


def kill(pid: int) -> bool:
    """SIGKILL; False when it is gone already."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
        return True
    return False


def command_line(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    return ""


class Sender(threading.Thread):
    """Sends leads, each again and again with the same id until it is acknowledged; some people write twice, some
    messages are delivered twice."""

    def __init__(self, order: Order, number: int, pace_s: float) -> None:
        super().__init__(daemon=True)
        self._order, self._pace_s = order, pace_s
        self._first = number * 1_000_000
        self._over = threading.Event()
        self._chance = random.Random(number)
        self.people: set[int] = set()
        self.sent: dict[str, str] = {}
        self.tries = 0

    def run(self) -> None:
        number = self._first
        while not self._over.is_set():
            again = bool(self.people) and self._chance.random() < 0.15
            person = self._chance.choice(sorted(self.people)[-50:]) if again else number
            self.people.add(person)
            self._deliver(f"msg_{number}", self._request(number, person))
            number += 1
            self._over.wait(self._pace_s)

    def _request(self, number: int, person: int) -> Callable[[], bytes]:
        told = {
            **lead(person),
            "id": f"lead-{number}",
            "message": f"Order {number}: please call me back about the windows",
        }
        return lambda: message(self._order, number, int(time.time()), told)

    def _deliver(self, name: str, request: Callable[[], bytes]) -> None:
        """Once more than needed now and then: senders do that."""
        for _time in range(2 if self._chance.random() < 0.05 else 1):
            while (receipt := self._post(request())) is None:
                time.sleep(AGAIN_S)
            assert self.sent.setdefault(name, receipt) == receipt, f"{name} has two receipts"

    def _post(self, request: bytes) -> str | None:
        """The receipt of a 2xx, None for anything else."""
        self.tries += 1
        head, _, body = request.partition(b"\r\n\r\n")
        headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
        line = http.client.HTTPConnection("127.0.0.1", self._order.port, timeout=10)
        try:
            line.request("POST", self._order.path, body, headers)
            answer = line.getresponse()
            answer.read()
            return answer.getheader("X-Receipt") if answer.status == 200 else None
        except (OSError, http.client.HTTPException):
            return None
        finally:
            line.close()

    def stop(self) -> None:
        """Finish the message that is on its way."""
        self._over.set()
        self.join(60)
        assert not self.is_alive(), "a message was never acknowledged"


@dataclass
class Campaign:
    """One run. `victims` gives the processes that may be killed now, by role."""

    house: House
    seed: int
    kept: list[Kept] = field(default_factory=list)
    killed: Counter[str] = field(default_factory=Counter)
    senders: list[Sender] = field(default_factory=list)

    def start(self) -> None:
        """Run the hub."""
        config = self.house.config
        command = [sys.executable, "-m", "hub.cli", "serve", "--folder", str(config.folder), "--port", str(config.port)]
        env = {
            "LEADHUB_ALLOWED_HOSTS": ",".join(config.allowed_hosts),
            "LEADHUB_DATABASE_URL": config.database_url,
            "LEADHUB_REDIS_URL": config.redis_url,
        }
        self.kept.insert(0, Kept(command, self.house.log, env))

    def send(self, senders: int = 3, pace_s: float = PACE_S) -> None:
        """Let senders write, each one lead after the other with `pace_s` in between."""
        order = Order(self.house.config.port, self.house.path, SECRET)
        self.senders = [Sender(order, number, pace_s) for number in range(senders)]
        for sender in self.senders:
            sender.start()

    def kill_many(self, times: int) -> None:
        """Kill one process after another, at random moments: half of them in whatever state the others are, also while
        they start; half when the hub takes leads again, so that there is something to lose."""
        chance = random.Random(self.seed)
        while self.killed.total() < times:
            if chance.random() < 0.5:
                with suppress(TimeoutError):
                    wait_until(lambda: listens(self.house.config.port), 30)
            time.sleep(chance.uniform(0.05, chance.choice((0.5, 3.0, 7.0))))
            victims = self._victims()
            role = chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            if victims[role]:
                doomed = victims[role] if role == "everything" else [chance.choice(victims[role])]
                self.killed[role] += all([kill(pid) for pid in doomed])

    def _victims(self) -> dict[str, list[int]]:
        """Processes that are there now, by role."""
        main = self.kept[0].process.pid
        found: dict[str, list[int]] = defaultdict(list)
        found["main"], found["everything"] = [main], tree(main)
        for pid in found["everything"][1:]:
            words = command_line(pid).split()
            found["work" if "work" in words or "worker" in words else "web"].append(pid)
        found["server"] = [one.process.pid for one in self.kept[1:]]
        return found

    def finish(self, seconds: float) -> None:
        """No more leads, no more kills: wait until nothing is left to do."""
        for sender in self.senders:
            sender.stop()
        Served(self.house, self.kept[0].process.pid).calm(seconds)

    def stop(self) -> None:
        """End all programs."""
        for one in self.kept:
            one.stop()


# ── accounts ─────────────────────────────────────────────────────────────────────────────────────


def accounts(campaign: Campaign) -> dict[str, Any]:
    """What was promised against what is there. Every number but the first two must be 0."""
    people = {person for sender in campaign.senders for person in sender.people}
    receipts = {receipt for sender in campaign.senders for receipt in sender.sent.values()}
    sent = sum(len(sender.sent) for sender in campaign.senders)
    with campaign.house.opened() as hub:
        with hub.store.read_inbox() as conn:
            mine = {
                row.id for row in conn.execute(select(event.c.id).where(event.c.connection_id != campaign.house.crm))
            }
        with hub.store.read() as conn:
            states = {
                row.event_id: row.state for row in conn.execute(select(event_work.c.event_id, event_work.c.state))
            }
            count = {
                table.name: int(conn.execute(select(func.count()).select_from(table)).scalar() or 0)
                for table in (contact, lead_table, inquiry)
            }
            unlinked = [
                tuple(row)
                for row in conn.execute(
                    select(link.c.role, link.c.state, link.c.code, link.c.why).where(link.c.state != "linked")
                )
            ]
            cards_known = {row.record_id for row in conn.execute(select(link.c.record_id).where(link.c.role == "lead"))}
    cards = Counter(marker(row) for row in remote(campaign.house, "leads"))
    persons = Counter(marker(row) for row in remote(campaign.house, "contacts"))
    return {
        "acknowledged": sent,
        "people": len(people),
        "lost_receipts": len(receipts - mine),
        "stored_unasked": len(mine - receipts),
        "not_done": sum(states.get(receipt) != "done" for receipt in receipts),
        "inquiries_off": count["inquiry"] - sent,
        "contacts_off": count["contact"] - len(people),
        "leads_off": count["lead"] - len(people),
        "unlinked": len(unlinked),
        "cards_lost": len(cards_known - cards.keys()),
        "cards_doubled": sum(times - 1 for times in cards.values()),
        "cards_strange": len(cards.keys() - cards_known),
        "contacts_lost": len(people) - len(persons),
        "contacts_doubled": sum(times - 1 for times in persons.values()),
    }


def marker(row: Mapping[str, Any]) -> str:
    """The hub's id that a card carries."""
    cells = {cell["field_code"]: cell["values"][0]["value"] for cell in row["custom_fields_values"] or ()}
    return str(cells.get("HUB_ID", f"none {row['id']}"))


def remote(house: House, kind: str) -> list[dict[str, Any]]:
    """Every record the CRM holds."""
    rows: list[dict[str, Any]] = []
    page = 1
    while True:
        address = f"http://127.0.0.1:{house.crm_port}/api/v4/{kind}?page={page}&limit=250"
        asked = urllib.request.Request(address, headers={"Authorization": "Bearer sandbox-token"})
        with urllib.request.urlopen(asked, timeout=30) as answer:
            told = json.loads(answer.read() or b"{}")
        rows += told.get("_embedded", {}).get(kind, [])
        if not told.get("_links", {}).get("next"):
            return rows
        page += 1
