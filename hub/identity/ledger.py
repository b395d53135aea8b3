"""The contacts of the hub as a register: what one batch needs, in few reads, and what it learnt, in few writes.

On PostgreSQL the exact identifiers of a batch are locked first (advisory locks to the end of the transaction, in one
order everywhere), so that two workers who meet the same new person decide one after the other. Who spelt themselves
otherwise each time is found at the end: the row that counts the contacts is written first and held to the commit, and
whoever adds contacts looks once more at the places of their own; `Overtaken` says that somebody was faster. On SQLite
the writing transaction is the only one anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, delete

from hub.identity.facts import Facts, dumped, loaded
from hub.identity.judge import Verdict, pair
from hub.identity.places import Places, number_of, places
from hub.identity.register import Register, tokens
from hub.identity.rows import PROFILES, TERMS, TRACES, lock, put, rows_of
from hub.identity.rules import VERSION, Rules
from hub.model import not_same, profile, shared_key, term, trace

PEOPLE = "#"
"""Under this token `term` counts the contacts themselves."""
KINDS = {"phone": "p", "email": "m", "visitor": "v"}


Near = tuple[Facts | None, Sequence[int], Mapping[int, Facts]]
"""A newcomer, the candidates of whom something is known, and those of them who have more in common with them."""
NOBODY: Near = (None, (), {})


class Overtaken(Exception):
    """Another worker made a contact of somebody whom we took for a new person: decide the batch anew."""


class Ledger:
    """A register that is read from the database and written back."""

    def __init__(self, conn: Connection, rules: Rules) -> None:
        self._conn = conn
        self.register = Register(rules)
        self.ids: dict[int, str] = {}
        self._known: set[int] = set()
        self._asked: set[int] = set()
        self._seen: set[int] = set()
        self._new: dict[int, Facts] = {}
        self._near: dict[int, Near] = {}

    def number(self, contact_id: str) -> int:
        """The number of a contact, remembered so that it can be turned back."""
        number = number_of(contact_id)
        self.ids[number] = contact_id
        return number

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def read(self, newcomers: Sequence[Facts], contacts: Collection[str] = ()) -> list[list[int]]:
        """Everything that resolving these newcomers may ask; answers whom each of them may be."""
        found = [places(one) for one in newcomers]
        self._lock(found)
        self._traces({place for one in found for place in one.all()})
        numbers = {self.number(one) for one in contacts}
        candidates = [self.register.candidates(one) for one in found]
        numbers.update(*candidates)
        self._people(numbers)
        lists = [self._meets(one, some) for one, some in zip(newcomers, candidates, strict=True)]
        self._common(tokens(newcomers))
        self._verdicts({name for one in newcomers for name in one.ids}, numbers)
        return lists

    def _meets(self, newcomer: Facts, candidates: Sequence[int]) -> list[int]:
        """Whom a newcomer may be, remembered until they are decided on."""
        known = [number for number in candidates if number in self.register.people]
        others = self.register.acquaintances(newcomer, known)
        self._near[id(newcomer)] = newcomer, known, others
        return list(others)

    def resolve(self, newcomer: Facts) -> Verdict:
        """Who a newcomer is; looked for again only where the batch itself has changed something. Changes nothing."""
        whose, known, others = self._near.get(id(newcomer), NOBODY)
        if whose is newcomer and self.register.stands_still(places(newcomer), known):
            return self.register.compare(newcomer, others)
        return self.register.resolve(newcomer)

    def _lock(self, found: Iterable[Places]) -> None:
        lock(self._conn, sorted({place for one in found for place in one.exact}))

    def _traces(self, wanted: Collection[int]) -> None:
        self._asked.update(wanted)
        there: dict[int, list[int]] = defaultdict(list)
        for place, person in self._at(wanted):
            there[place].append(person)
        for place, numbers in there.items():
            self.register.traces[place] = sorted(numbers)
            self._seen.update(numbers)

    def _at(self, wanted: Collection[int]) -> Iterable[tuple[int, int]]:
        return rows_of(self._conn, trace.c.place, sorted(wanted), trace.c.place, trace.c.person)

    def _people(self, wanted: Collection[int]) -> None:
        columns = profile.c.number, profile.c.contact_id, profile.c.facts
        for number, contact_id, facts in rows_of(self._conn, profile.c.number, sorted(wanted), *columns):
            self.ids[number] = contact_id
            self.register.people[number] = loaded(facts)
            self._known.add(number)

    def _common(self, wanted: set[str]) -> None:
        asked = sorted({*wanted, PEOPLE})
        for token, n in rows_of(self._conn, term.c.token, asked, term.c.token, term.c.n):
            self.register.common[token] = n
        self.register.size = self.register.common.pop(PEOPLE, 0)

    def _verdicts(self, names: Collection[str], numbers: Collection[int]) -> None:
        """What people have said: identifiers that are shared, pairs that are two."""
        values = sorted({name.partition(":")[2] for name in names})
        for kind, value in rows_of(self._conn, shared_key.c.value, values, shared_key.c.kind, shared_key.c.value):
            self.register.shared.add(f"{KINDS.get(kind, kind)}:{value}")
        contacts = sorted(self.ids[number] for number in numbers if number in self.ids)
        columns = not_same.c.first_id, not_same.c.second_id
        for first, second in rows_of(self._conn, not_same.c.first_id, contacts, *columns):
            self.register.apart.add(pair(self.number(first), self.number(second)))

    def meet(self, contacts: Collection[str]) -> None:
        """Contacts to whom a key of theirs led, and no place: those were crowded when they came. Their profiles are
        read, and where there is room by now they stand at the places that were asked for."""
        register = self.register
        strangers = {self.number(one) for one in contacts} - register.people.keys()
        self._people(strangers)
        if strangers:
            self._near.clear()  # they may be near somebody as well
        for number in sorted(strangers & register.people.keys()):
            register.stand(number, self._asked)

    def knows(self, contact_id: str, kind: str, value: str) -> bool:
        """Whether the profile of a contact holds the identifier that match_key says it owns."""
        held = self.register.people.get(self.number(contact_id))
        return held is not None and (kind == "whatsapp" or f"{KINDS.get(kind, kind)}:{value}" in held.ids)

    def learn(self, contact_id: str, facts: Facts) -> None:
        """A newcomer is this contact."""
        number = self.number(contact_id)
        if number not in self.register.people:
            self._new[number] = facts
        self.register.add(number, facts)

    def adopt(self, contact_id: str, facts: Facts) -> None:
        """A contact that nobody has made a profile of (it came from a CRM, or before profiles were made), or that has
        an identifier its profile does not know."""
        held = self.register.people.get(self.number(contact_id))
        if held is None or facts.ids.keys() - held.ids.keys():
            self.register.add(self.number(contact_id), facts)

    # ── writing ──────────────────────────────────────────────────────────────────────────────────

    def write(self) -> None:
        """What the register learnt since it was read. Raises `Overtaken`; then nothing may be committed."""
        register = self.register
        self._count()
        if self._new and self._conn.dialect.name == "postgresql":
            self._look_again()
        gone = [number for number in register.touched if number not in register.people and number in self._known]
        self._delete(profile, [{"b_number": number} for number in gone], profile.c.number == bindparam("b_number"))
        self._profiles([number for number in sorted(register.touched) if number in register.people])
        rows = [{"b_place": place, "b_person": person} for place, person in sorted(register.removed)]
        self._delete(trace, rows, (trace.c.place == bindparam("b_place")) & (trace.c.person == bindparam("b_person")))
        put(self._conn, TRACES, sorted(register.added))

    def _look_again(self) -> None:
        """Whether one of our new people is somebody whom another worker has committed since we read."""
        wanted = {place for facts in self._new.values() for place in places(facts).all()}
        strangers = {person for _, person in self._at(wanted)} - self._seen - self._new.keys()
        self._people(strangers)
        others = {number: self.register.people[number] for number in strangers if number in self.register.people}
        for facts in self._new.values() if others else ():
            verdict = self.register.compare(facts, others)
            if verdict.found or verdict.asks:
                raise Overtaken(f"{len(others)} contacts came meanwhile")

    def _profiles(self, numbers: Sequence[int]) -> None:
        put(self._conn, PROFILES, [self._row(number) for number in numbers])
        self._known.update(numbers)

    def _row(self, number: int) -> tuple[int, str, str, int, int]:
        facts = self.register.people[number]
        return number, self.ids[number], dumped(facts), facts.at * 1000, VERSION

    def _count(self) -> None:
        register = self.register
        grown = [(PEOPLE, register.grown)] if register.grown or self._new else []
        put(self._conn, TERMS, grown + [(token, n) for token, n in sorted(register.counted.items()) if n])

    def _delete(self, table: Table, rows: list[dict[str, Any]], where: Any) -> None:
        if rows:
            self._conn.execute(delete(table).where(where), rows)
