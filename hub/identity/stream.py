"""A stream of events resolved one by one on a base of its own: the format of the lead corpus in, decisions out.

Deterministic: no clock, no network, no chance. The same stream gives the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.contract import Handle, Person
from hub.identity.arrival import Setting, facts_of
from hub.identity.inquiries import Products, Running, continues, joined, stems
from hub.identity.judge import Verdict
from hub.identity.junk import is_junk, signs
from hub.identity.normalize import normalise
from hub.identity.register import Register
from hub.identity.rules import Rules
from hub.identity.text import as_text

HANDLES = {"telegram_id": "telegram", "vk_id": "vk", "instagram_id": "instagram", "wa_id": "whatsapp"}
ATTESTED = frozenset(["call"])


@dataclass(slots=True)
class Stream:
    """The state of one run."""

    rules: Rules = field(default_factory=Rules)
    timer: Callable[[], float] | None = None
    register: Register = field(init=False)
    products: Products = field(default_factory=Products)
    running: dict[int, list[Running]] = field(default_factory=dict)
    into: dict[int, int] = field(default_factory=dict)
    made: int = 0

    def __post_init__(self) -> None:
        self.register = Register(self.rules)

    def run(self, events: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
        """One decision per event, with the contact as it is after all merges."""
        rows = [self._timed(event) for event in events]
        for row in rows:
            yield {**row, "cluster_id": str(self.final(int(row["cluster_id"])))}

    def final(self, number: int) -> int:
        """The contact that a number has become."""
        while number in self.into:
            number = self.into[number]
        return number

    def _timed(self, event: Mapping[str, Any]) -> dict[str, Any]:
        if self.timer is None:
            return self.decide(event)
        begin = self.timer()
        row = self.decide(event)
        return {**row, "ms": (self.timer() - begin) * 1000}

    def decide(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """One event."""
        person, setting = read(event)
        known = normalise(person, setting.region)
        mine = facts_of(known, setting)
        verdict = self.register.resolve(mine)
        text = as_text(event.get("message"))
        told = {"event_id": event["event_id"]}
        if not verdict.found:
            found = signs(known, text, as_text(event.get("subject")), person.phones, person.emails)
            if is_junk(found):
                return {**told, "cluster_id": str(self._new()), "decision": "junk", "inquiry_id": None}
        return {**told, **self._accepted(event, mine, verdict, text)}

    def _accepted(self, event: Mapping[str, Any], mine: Any, verdict: Verdict, text: str) -> dict[str, Any]:
        number = verdict.found or self._new()
        for loser in verdict.merges:
            self._merge(number, loser)
        self.register.add(number, mine)
        inquiry, new = self._inquiry(number, as_text(event.get("interest")), text, mine.at)
        decision = "new_person" if not verdict.found else f"same_person_{'new' if new else 'same'}_inquiry"
        row = {"cluster_id": str(number), "decision": decision, "inquiry_id": inquiry.id}
        return row | ({"review": [str(one) for one in verdict.asks]} if verdict.asks else {})

    def _inquiry(self, number: int, told: str, text: str, at: int) -> tuple[Running, bool]:
        held = self.running.setdefault(number, [])
        product = told or self.products.named(stems(text))
        found = continues(held, product, self.products.topic(text), at, self.rules.silence_days, self.products)
        new = found is None
        if found is None:
            found = Running(f"{number}-{len(held) + 1}-{at}", at)
            held.append(found)
        found.last, found.product, found.told = at, told or found.product or product, found.told or bool(told)
        self.products.learn(found, text, new)
        return found, new

    def _merge(self, winner: int, loser: int) -> None:
        self.register.merge(winner, loser)
        self.into[loser] = winner
        ours, theirs = self.running.get(winner, []), self.running.pop(loser, [])
        self.running[winner] = joined(ours, theirs, self.rules.silence_days)

    def _new(self) -> int:
        self.made += 1
        return self.made


def read(event: Mapping[str, Any]) -> tuple[Person, Setting]:
    """One line of the corpus as a person and what stands around it."""
    given = event.get("handles") or {}
    channel = as_text(event.get("channel"))
    handles = [Handle(HANDLES[k], as_text(v), attested=True) for k, v in given.items() if k in HANDLES]
    if event.get("visitor_id"):
        handles.append(Handle("visitor", as_text(event["visitor_id"])))
    phones = tuple(as_text(one) for one in event.get("phones") or ())
    person = Person(
        name=as_text(event.get("name")),
        phones=phones,
        emails=tuple(as_text(one) for one in event.get("emails") or ()),
        handles=tuple(handles),
        company=as_text(event.get("company")),
        attested_phones=phones if channel in ATTESTED else (),
    )
    at = int(datetime.fromisoformat(as_text(event["ts"])).timestamp())
    text = "\n".join(filter(None, (as_text(event.get("subject")), as_text(event.get("message")))))
    return person, Setting(at, as_text(event.get("site_country")), text, as_text(event.get("city")))
