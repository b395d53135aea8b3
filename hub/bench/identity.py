"""One newcomer against bases of 10,000 and 100,000 contacts (a million with LEADHUB_CAMPAIGN=full): CPU of the whole
way, and how it grows.

The way of one event: normalise, look its keys up, weigh the candidates, write what was learnt. Events are read and
written in small batches, as intake does it, and decided one by one: each bears its own time and its share of what its
batch reads, writes and commits. CPU time, so that neighbours on the machine do not count. The base is filled with
made-up people through the same register; a history goes the whole way in big batches. Round trips are counted on
PostgreSQL, BEGIN and COMMIT included.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import event

from connectors.contract import Person
from hub.bench.postgres import postgres
from hub.bench.rival import lookup_ms
from hub.bench.scale import TINY, Scale
from hub.clock import Clock
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import PERSONAL, Facts, Tie
from hub.identity.ledger import Ledger
from hub.identity.names import name
from hub.identity.normalize import normalise
from hub.identity.rules import Rules
from hub.memory import settled
from hub.store.engine import Store, open_store
from hub.store.migrate import migrate

SIZES, TINY_SIZES = {"10k": 10_000, "100k": 100_000, "1m": 1_000_000}, {"10k": 200, "100k": 600}
EVENTS, TINY_EVENTS = 2_000, 30
PORTION, BATCH = 2_000, 32
SHARED = ("p50", "mean")
GIVEN = ("Иван", "Анна", "Пётр", "Ольга", "Sergey", "Maria", "Олег", "Елена", "John", "Julia", "Павел", "Нина")
SOUNDS = ("ба", "ве", "гор", "ду", "жа", "зим", "кол", "лу", "ма", "нев", "пет", "ру", "сав", "ти", "фо", "хар", "юр")
AT = 1_770_000_000


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Figures and ratios of recognising people."""
    tiny = scale is TINY or scale.leads <= TINY.leads
    events = TINY_EVENTS if tiny else EVENTS
    people = _People(random.Random(7))  # noqa: S311 - repeatable on purpose
    with settled():
        taken, figures = _on_sqlite(folder, people, _sizes(tiny), events)
    small = taken["10k"]
    rival = None if tiny else people.rival(SIZES["10k"])
    times = {f"{key}_growth_10k_to_{size}": taken[size][key] / small[key] for size in taken for key in SHARED}
    costs = {f"cpu_ms_{key}_at_{size}": value for size, told in taken.items() for key, value in told.items()}
    return {
        "bench": "identity",
        "ratios": {
            **_rounded({name: value for name, value in times.items() if not name.endswith("_10k")}),
            **(_rounded({"vs_splink_single_lookup": rival / small["mean"]}) if rival else {}),
        },
        "figures": {**_rounded(costs), **figures, **_round_trips(events)},
        "yardsticks": {
            "contacts": people.made,
            "splink_lookup_ms": round(rival, 1) if rival else "skipped: splink is not installed (extra: rival)",
        },
    }


def _sizes(tiny: bool) -> Mapping[str, int]:
    if tiny:
        return TINY_SIZES
    full = os.environ.get("LEADHUB_CAMPAIGN") == "full"
    return {size: many for size, many in SIZES.items() if full or many < 1_000_000}


def _on_sqlite(
    folder: Path, people: _People, sizes: Mapping[str, int], events: int
) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """CPU ms of one event on each base, and what is told of the last one."""
    store = open_store(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db")
    migrate(store)
    taken: dict[str, dict[str, float]] = {}
    for size, many in sizes.items():
        people.fill(store, many)
        people.meet(store, events)  # fills what Python and the database remember from event to event
        taken[size] = people.meet(store, events)
    history = people.meet(store, 2 * events, PORTION)["mean"]
    share = _bytes(store) / people.made
    store.close()
    return taken, {"bytes_per_contact": round(share), "bulk_events_per_s": round(1000 / history)}


def _rounded(told: Mapping[str, float]) -> dict[str, float]:
    return {name: round(value, 2) for name, value in told.items()}


def _round_trips(events: int) -> dict[str, float]:
    """How often PostgreSQL was asked for each event of a batch, and for an event alone."""
    with postgres() as url:
        if url is None:
            return {}
        store = open_store(url, url)
        migrate(store)
        people = _People(random.Random(7))  # noqa: S311 - repeatable on purpose
        people.fill(store, events)
        told: list[str] = []
        for moment in ("before_cursor_execute", "begin", "commit"):
            event.listen(store.hub, moment, lambda *_: told.append(""))
        people.meet(store, events)
        batched = len(told) / events
        told.clear()
        people.meet(store, BATCH, 1)
        store.close()
    return _rounded({"pg_round_trips_per_event": batched, "pg_round_trips_of_an_event_alone": len(told) / BATCH})


class _People:
    """Made-up people, some of whom come again."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._clock = chance, Clock()
        self.made = 0
        self._known: list[tuple[str, str, str]] = []

    def fill(self, store: Store, size: int) -> None:
        """Contacts until there are so many."""
        while self.made < size:
            with store.write() as conn:
                ledger = Ledger(conn, Rules())
                newcomers = [self._facts(*self._new()) for _ in range(min(PORTION, size - self.made))]
                ledger.read(newcomers)
                for facts in newcomers:
                    ledger.learn(self._clock.new_id(), facts)
                ledger.write()
                self.made += len(newcomers)

    def meet(self, store: Store, events: int, batch: int = BATCH) -> dict[str, float]:
        """One event after the other, nearly half of them of people who were here; mean, p50, p99 in CPU ms."""
        people = list(self._arrivals(events))
        batches = (people[start : start + batch] for start in range(0, events, batch))
        taken = sorted(ms for each in batches for ms in self._batch(store, each))
        return {"mean": sum(taken) / events, "p50": taken[events // 2], "p99": taken[int(events * 0.99)]}

    def rival(self, size: int) -> float | None:
        """CPU ms in which Splink finds one of so many people; None without it."""
        many = [_row(number, *self._new()) for number in range(size)]
        return lookup_ms(many, [{**row, "unique_id": f"again {row['unique_id']}"} for row in many[:20]])

    def _batch(self, store: Store, people: Sequence[Person]) -> list[float]:
        """Each event's own time, and its share of what the batch did for all of them."""
        own: list[float] = []
        begin = time.process_time()
        arrived = [_timed(own, self._understood, one) for one in people]
        with store.write() as conn:
            ledger = Ledger(conn, Rules())
            ledger.read(arrived)
            for number, facts in enumerate(arrived):
                spent: list[float] = []
                _timed(spent, self._decide, ledger, facts)
                own[number] += spent[0]
            ledger.write()
        shared = (time.process_time() - begin) * 1000 - sum(own)
        return [one + shared / len(people) for one in own]

    def _understood(self, person: Person) -> Facts:
        return facts_of(normalise(person, "RU"), Setting(AT, "RU", "Сколько стоит забор? Жду ответа"))

    def _decide(self, ledger: Ledger, facts: Facts) -> None:
        found = ledger.register.resolve(facts).found
        ledger.learn(ledger.ids[found] if found else self._clock.new_id(), facts)
        self.made += not found

    def _arrivals(self, events: int) -> Iterator[Person]:
        for _ in range(events):
            again = self._known and self._chance.random() < 0.45
            who, phone, mail = self._chance.choice(self._known) if again else self._new()
            phones = (f"8 ({phone[2:5]}) {phone[5:8]}-{phone[8:10]}-{phone[10:]}",)
            yield Person(name=who, phones=phones, emails=(mail,) if self._chance.random() < 0.5 else ())

    def _new(self) -> tuple[str, str, str]:
        chance = self._chance
        last = "".join(chance.choices(SOUNDS, k=3)).title() + "ов"
        phone = f"+79{chance.randrange(10**9):09}"
        mail = f"user{chance.randrange(10**8)}@pochta{chance.randrange(50)}.test"
        person = (f"{chance.choice(GIVEN)} {last}", phone, mail)
        if len(self._known) < PORTION:
            self._known.append(person)
        return person

    def _facts(self, who: str, phone: str, mail: str) -> Facts:
        ids = {place: Tie(PERSONAL, 1, AT, AT) for place in (f"p:{phone}", f"m:{mail}")}
        return Facts(ids, [name(who)], at=AT)


def _row(number: int, who: str, phone: str, mail: str) -> dict[str, str]:
    first, _, last = who.partition(" ")
    return {"unique_id": str(number), "first": first, "last": last, "phone": phone, "mail": mail}


def _timed(spent: list[float], work: Callable[..., Any], *arguments: Any) -> Any:
    begin = time.process_time()
    done = work(*arguments)
    spent.append((time.process_time() - begin) * 1000)
    return done


def _bytes(store: Store) -> int:
    """Bytes of keys and profiles: the base holds nothing else but empty tables."""
    with store.read() as conn:
        pages, size = (
            int(conn.exec_driver_sql(f"PRAGMA {name}").scalar() or 0) for name in ("page_count", "page_size")
        )
    return pages * size
