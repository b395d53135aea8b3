"""One newcomer against bases of 10,000 and 1,000,000 contacts: CPU of the whole way, and how it grows.

The way of one event: normalise, look its keys up, weigh the candidates, write what was learnt. Events are read and
written in small batches, as intake does it, and decided one by one: each bears its own time and its share of what its
batch reads, writes and commits. CPU time, so that neighbours on the machine do not count. The base is filled with
made-up people through the same register, which is also the bulk load that is measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from connectors.contract import Person
from hub.bench.scale import TINY, Scale
from hub.clock import Clock
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import PERSONAL, Facts, Tie
from hub.identity.ledger import Ledger
from hub.identity.names import name
from hub.identity.normalize import normalise
from hub.identity.rules import Rules
from hub.store.engine import Store, open_store
from hub.store.migrate import migrate

SIZES, TINY_SIZES = (10_000, 1_000_000), (200, 600)
EVENTS, TINY_EVENTS = 2_000, 30
PORTION, BATCH = 2_000, 32
GIVEN = ("Иван", "Анна", "Пётр", "Ольга", "Sergey", "Maria", "Олег", "Елена", "John", "Julia", "Павел", "Нина")
SOUNDS = ("ба", "ве", "гор", "ду", "жа", "зим", "кол", "лу", "ма", "нев", "пет", "ру", "сав", "ти", "фо", "хар", "юр")
AT = 1_770_000_000


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Figures and ratios of recognising people on SQLite."""
    tiny = scale is TINY or scale.leads <= TINY.leads
    small, big = TINY_SIZES if tiny else SIZES
    events = TINY_EVENTS if tiny else EVENTS
    store = open_store(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db")
    migrate(store)
    people = _People(random.Random(7))  # noqa: S311 - repeatable on purpose
    load_s = people.fill(store, small)
    at_small = people.meet(store, events)
    load_s += people.fill(store, big)
    at_big = people.meet(store, events)
    share = _bytes(store) / people.made
    store.close()
    p50, mean = (at_big[key] / at_small[key] for key in ("p50", "mean"))
    return {
        "bench": "identity",
        "ratios": {"p50_growth_10k_to_1m": round(p50, 2), "mean_growth_10k_to_1m": round(mean, 2)},
        "figures": {
            **{f"cpu_ms_{key}_at_10k": round(value, 2) for key, value in at_small.items()},
            **{f"cpu_ms_{key}_at_1m": round(value, 2) for key, value in at_big.items()},
            "bytes_per_contact": round(share),
            "bulk_load_per_s_per_core": round(people.filled / load_s),
        },
        "yardsticks": {"contacts": people.made, "not_measured": "splink: not a dependency"},
    }


class _People:
    """Made-up people, some of whom come again."""

    def __init__(self, chance: random.Random) -> None:
        self._chance, self._clock = chance, Clock()
        self.made = self.filled = 0
        self._known: list[tuple[str, str, str]] = []

    def fill(self, store: Store, size: int) -> float:
        """Contacts until there are so many; answers CPU seconds."""
        begin = time.process_time()
        while self.made < size:
            with store.write() as conn:
                ledger = Ledger(conn, Rules())
                newcomers = [self._facts(*self._new()) for _ in range(min(PORTION, size - self.made))]
                ledger.read(newcomers)
                for facts in newcomers:
                    ledger.learn(self._clock.new_id(), facts)
                ledger.write()
                self.made += len(newcomers)
                self.filled += len(newcomers)
        return time.process_time() - begin

    def meet(self, store: Store, events: int) -> dict[str, float]:
        """One event after the other, nearly half of them of people who were here; mean, p50, p99 in CPU ms."""
        people = list(self._arrivals(events))
        batches = (people[start : start + BATCH] for start in range(0, events, BATCH))
        taken = sorted(ms for batch in batches for ms in self._batch(store, batch))
        return {"mean": sum(taken) / events, "p50": taken[events // 2], "p99": taken[int(events * 0.99)]}

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
