"""Numbers and addresses that a person here enters or takes away by hand.

A contact's points, the keys by which it is recognised, and its profile change together. A number that is somebody
else's key stays theirs, and a person is asked whether the two are one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from connectors.contract import Person
from hub.clock import Clock
from hub.identity.keys import Key, Strength
from hub.identity.merging import ask, pair_of, relearn
from hub.identity.normalize import normalise
from hub.identity.rules import VERSION
from hub.model import contact, contact_point, match_key
from hub.store.engine import inserting

KINDS = ("phone", "email")
DOUBTS = frozenset({"fake", "bad", "damaged", "text"})
"""Flags that a person who enters the value by hand has overruled."""
SCORE = 9.0
WHY = {
    "result": "entered_by_hand",
    "en": "Somebody entered contact data of the one for the other",
    "ru": "Контактные данные одного внесли вручную другому",
}


class NoPoint(ValueError):
    """This text is no number (with its country) or no address."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"“{text}” is no {kind}")
        self.kind, self.text = kind, text


@dataclass(frozen=True, slots=True)
class Point:
    """A number in E.164 form or an address to send to, with its keys."""

    kind: str
    value: str
    raw: str
    ext: str = ""
    flags: tuple[str, ...] = ()
    keys: tuple[Key, ...] = ()


def read_point(kind: str, text: str, region: str) -> Point:
    """A point as it was typed; `region` is the country of numbers without a code. Raises `NoPoint`."""
    typed = Person(phones=(text,)) if kind == "phone" else Person(emails=(text,))
    known = normalise(typed, region)
    if kind == "phone" and len(known.phones) == 1 and known.phones[0].e164:
        phone = known.phones[0]
        return Point(kind, phone.e164, text, phone.ext, _flags(phone.flags), known.keys)
    if kind == "email" and len(known.emails) == 1 and known.emails[0].address:
        return Point(kind, known.emails[0].address, text, "", _flags(known.emails[0].flags), known.keys)
    raise NoPoint(kind, text)


def _flags(flags: Sequence[str]) -> tuple[str, ...]:
    return tuple(one for one in flags if one not in DOUBTS)


def change_points(
    conn: Connection, clock: Clock, contact_id: str, add: Sequence[Point], drop: Sequence[tuple[str, str]]
) -> tuple[list[str], list[str]]:
    """New points, and (kind, value) of those that go; answers the values that came and those that went. What is there
    already, or is gone already, changes nothing."""
    conn.execute(select(contact.c.id).where(contact.c.id == contact_id).with_for_update())
    mine = contact_point.c.contact_id == contact_id
    held = {(row.kind, row.value): row for row in conn.execute(select(contact_point).where(mine))}
    gone = [one for one in dict.fromkeys(drop) if one in held]
    new = {(one.kind, one.value): one for one in add if (one.kind, one.value) not in held}
    for kind, value in gone:
        conn.execute(contact_point.delete().where(mine, contact_point.c.kind == kind, contact_point.c.value == value))
    for point in new.values():
        conn.execute(contact_point.insert().values(_row(contact_id, point, clock.now())))
    stays = [*(place for place in held if place not in gone), *new]
    lost = _lost(gone, stays)
    _release(conn, contact_id, lost)
    theirs = [_claim(conn, contact_id, key, clock.now()) for point in new.values() for key in point.keys]
    if gone or new:
        relearn(conn, contact_id, lost)
    _ask(conn, clock, contact_id, [one for one in dict.fromkeys(theirs) if one])
    return [value for _kind, value in new], [value for _kind, value in gone]


def _row(contact_id: str, point: Point, at: int) -> dict[str, Any]:
    told = {"kind": point.kind, "value": point.value, "raw": point.raw, "ext": point.ext, "flags": list(point.flags)}
    return {"contact_id": contact_id, **told, "attested": False, "first_seen_at": at}


def _keys(places: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Key]:
    """Keys of stored points: numbers are in E.164 form and need no country."""
    phones = tuple(value for kind, value in places if kind == "phone")
    emails = tuple(value for kind, value in places if kind == "email")
    return {(one.kind, one.value): one for one in normalise(Person(phones=phones, emails=emails)).keys}


def _lost(gone: Sequence[tuple[str, str]], stays: Sequence[tuple[str, str]]) -> list[Key]:
    """Keys that only points had which went."""
    still = _keys(stays)
    return [key for place, key in _keys(gone).items() if place not in still]


def _release(conn: Connection, contact_id: str, lost: Sequence[Key]) -> None:
    for key in lost:
        mine = (match_key.c.kind == key.kind) & (match_key.c.value == key.value)
        conn.execute(match_key.delete().where(mine, match_key.c.contact_id == contact_id))


def _claim(conn: Connection, contact_id: str, key: Key, at: int) -> str:
    """A free personal key is this contact's from now on; answers whose it is if it is somebody else's."""
    if key.strength != Strength.PERSONAL:
        return ""
    row = {"kind": key.kind, "value": key.value, "contact_id": contact_id, "seen_at": at}
    conn.execute(inserting(conn, match_key).values(row).on_conflict_do_nothing())
    place = (match_key.c.kind == key.kind) & (match_key.c.value == key.value)
    owner = str(conn.execute(select(match_key.c.contact_id).where(place)).scalar_one())
    return "" if owner == contact_id else owner


def _ask(conn: Connection, clock: Clock, contact_id: str, others: Sequence[str]) -> None:
    rows = []
    for other in others:
        first, second = pair_of(contact_id, other)
        rows.append({
            "id": clock.new_id(), "first_id": first, "second_id": second, "at": clock.now(), "score": SCORE,
            "why": [WHY], "rules": VERSION, "event_id": "", "state": "open", "answered_by": "",
        })  # fmt: skip
    ask(conn, rows)
