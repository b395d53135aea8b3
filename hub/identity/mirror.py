"""The local mirror of contacts that only a CRM has: asked by exact keys before anybody is taken for a new person.

Guarantees: no network; a record that has a link here is never answered; a record is somebody only if the guards and
weights by which contacts are recognised say so. A key is one of `match_key`: a number in E.164, a mailbox, a lasting
account, a desk's number beside a whole name.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, delete, exists, select

from connectors.contract import Person
from hub.identity.arrival import Setting, facts_of
from hub.identity.facts import Facts
from hub.identity.judge import Candidate, judge
from hub.identity.normalize import Known, normalise
from hub.identity.resolve import Place, lookups
from hub.identity.rules import Rules
from hub.identity.weigh import World
from hub.model import link, mirror, mirror_key
from hub.store.engine import inserting
from hub.store.lists import pair_among

Row = dict[str, Any]
WORDS = ("first_name", "last_name", "middle_name", "name", "company")
LISTS = ("phones", "emails")

HELD = select(mirror).where(pair_among(mirror.c.connection_id, mirror.c.remote_id))
FORGET = [delete(one).where(pair_among(one.c.connection_id, one.c.remote_id)) for one in (mirror_key, mirror)]
_LINKED = exists().where(
    link.c.connection_id == mirror.c.connection_id,
    link.c.remote_kind == mirror.c.remote_kind,
    link.c.remote_id == mirror.c.remote_id,
)
_SAME = (mirror_key.c.connection_id == mirror.c.connection_id) & (mirror_key.c.remote_id == mirror.c.remote_id)
STRANGE = select(mirror).join(mirror_key, _SAME).where(~_LINKED, pair_among(mirror_key.c.kind, mirror_key.c.value))


@dataclass(frozen=True)
class Card:
    """One contact of a CRM that has no link here. `person` are its values in the hub's words, `region` the default
    country of the connection, `at` when it was read, in ms."""

    connection_id: str
    kind: str
    ref: str
    person: Mapping[str, Any]
    region: str
    at: int

    @cached_property
    def known(self) -> Known:
        """The person, normalised."""
        first, last, middle, name, company = (str(self.person.get(one) or "") for one in WORDS)
        phones, emails = (tuple(str(value) for value in self.person.get(one) or ()) for one in LISTS)
        return normalise(Person(name, first, last, middle, phones, emails, company=company), self.region)

    @cached_property
    def facts(self) -> Facts:
        """What can be compared."""
        return facts_of(self.known, Setting(self.at // 1000, self.region))

    @cached_property
    def keys(self) -> tuple[Place, ...]:
        """What it is found by."""
        return lookups(self.known)


def kept(values: Mapping[str, Any]) -> Row:
    """Of a record's hub values those that say who it is."""
    return {name: values[name] for name in (*WORDS, *LISTS) if values.get(name)}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def keep(conn: Connection, cards: Sequence[Card]) -> None:
    """Remember these; what is as it was is left alone. A card without a key says nothing and is not kept."""
    by_ref = {(card.connection_id, card.ref): card for card in cards}
    held = {(row.connection_id, row.remote_id): row.person for row in _rows(conn, sorted(by_ref))}
    news = [card for place, card in sorted(by_ref.items()) if held.get(place) != dict(card.person)]
    forget(conn, [place for place in by_ref if place in held and held[place] != dict(by_ref[place].person)])
    rows = [
        {"connection_id": one.connection_id, "remote_id": one.ref, "remote_kind": one.kind, "person": dict(one.person),
         "region": one.region, "at": one.at}
        for one in news if one.keys
    ]  # fmt: skip
    keys = [
        {"kind": kind, "value": value, "connection_id": one.connection_id, "remote_id": one.ref}
        for one in news
        for kind, value in one.keys
    ]
    for table, some in ((mirror, rows), (mirror_key, keys)):
        if some:
            conn.execute(inserting(conn, table).on_conflict_do_nothing(), some)


def forget(conn: Connection, places: Collection[tuple[str, str]]) -> None:
    """Records (connection, id) that are gone over there, or that have a link here."""
    for statement in FORGET if places else ():
        conn.execute(statement, {"wanted": sorted(places)})


def _rows(conn: Connection, places: Sequence[tuple[str, str]]) -> Iterable[Any]:
    return conn.execute(HELD, {"wanted": places}) if places else ()


# ── asking ───────────────────────────────────────────────────────────────────────────────────────


def find(conn: Connection, keys: Collection[Place], connection_id: str = "") -> list[Card]:
    """Cards that carry one of these keys, in one connection or in all; none that has a link here."""
    rows = conn.execute(STRANGE, {"wanted": sorted(keys)}) if keys else ()
    found = {(row.connection_id, row.remote_id): row for row in rows}
    return [card_of(row) for place, row in found.items() if connection_id in ("", place[0])]


def card_of(row: Any) -> Card:
    """A row of `mirror`."""
    return Card(row.connection_id, row.remote_kind, row.remote_id, row.person, row.region, row.at)


def best(facts: Facts, cards: Sequence[Card], rules: Rules, world: World) -> dict[str, tuple[Card, Candidate]]:
    """Of each connection the card that is this person, if one is; with the evidence."""
    found: dict[str, tuple[Card, Candidate]] = {}
    for connection_id in dict.fromkeys(card.connection_id for card in cards):
        mine = {n: card for n, card in enumerate(cards, 1) if card.connection_id == connection_id}
        verdict = judge(facts, {n: card.facts for n, card in mine.items()}, world, rules)
        if verdict.found:
            found[connection_id] = mine[verdict.found], verdict.candidates[0]
    return found
