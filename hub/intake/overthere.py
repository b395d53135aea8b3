"""A new person may be known to a CRM: the mirror of each CRM's contacts is asked once for a whole batch.

A record found there becomes the contact: its link is bound at once, its numbers and addresses are known from now on,
and the next look at the record brings the rest. So no second card is made over there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, select

from hub.identity.mirror import Card, best, find
from hub.identity.resolve import Match, Other, Place, evidence, lookups
from hub.identity.sentences import IN_CRM, IN_CRM_TOO
from hub.identity.weigh import World
from hub.intake.drafts import Understood
from hub.model import contact_point, match_key
from hub.store.lists import pair_among

if TYPE_CHECKING:
    from hub.intake.book import Book

OWNERS = select(match_key).where(pair_among(match_key.c.kind, match_key.c.value))
LISTS = {"phone": "phones", "email": "emails"}


class Overthere:
    """What the mirrors say of one batch. `owners` are those keys of the batch that a contact here owns."""

    def __init__(
        self, conn: Connection, batch: Sequence[Understood], owners: Mapping[Place, str], crms: Sequence[str]
    ) -> None:
        wanted = {place for one in batch for place in lookups(one.known) if not owners.get(place)} if crms else set()
        self._cards = [card for card in find(conn, wanted) if card.connection_id in crms] if wanted else []
        self._owners = dict(owners)
        more = sorted({place for card in self._cards for place in card.keys})
        for row in conn.execute(OWNERS, {"wanted": more}) if more else ():
            self._owners[row.kind, row.value] = row.contact_id

    def look(self, book: Book, one: Understood, match: Match) -> Match:
        """The verdict on somebody whom nobody here knows, with what the CRMs know of them."""
        keys = set(lookups(one.known))
        cards = [card for card in self._cards if keys & set(card.keys)]
        if match.contact_id or not cards:
            return match
        register = book.ledger.register
        world = World(register.size, register.common, {}, frozenset(register.shared))
        found = best(one.facts, cards, register.rules, world)
        if not found:
            return match
        mine = tuple(card for card, _candidate in found.values())
        why = (IN_CRM, *(fact for _card, candidate in found.values() for fact in evidence(candidate)))
        more = [place for card in mine for place in card.keys if not self._owner(book, place)]
        owns = tuple(dict.fromkeys((*match.owns, *more)))
        return replace(match, owns=owns, why=why, asks=(*match.asks, *self._asks(book, match, mine)), cards=mine)

    def _owner(self, book: Book, place: Place) -> str:
        return book.owners.get(place) or self._owners.get(place, "")

    def _asks(self, book: Book, match: Match, cards: Sequence[Card]) -> list[Other]:
        """Contacts here that have other data of such a record: a person shall look whether they are one."""
        known = {other.contact_id for other in match.asks}
        owners = dict.fromkeys(self._owner(book, place) for card in cards for place in card.keys)
        return [Other(owner, 0.0, (IN_CRM_TOO,)) for owner in owners if owner and owner not in known]

    def take(self, book: Book, card: Card, contact_id: str, at: int) -> None:
        """The record is this contact from now on: nobody else of the batch is it."""
        self._cards.remove(card)
        for kind, name in LISTS.items():
            for value in card.person.get(name) or ():
                book.add(contact_point, _point(contact_id, kind, str(value), at))
        book.ledger.learn(contact_id, card.facts)


def _point(contact_id: str, kind: str, value: str, at: int) -> dict[str, Any]:
    """Kept as the mapping read it: another spelling would look like an edit of ours."""
    return {
        "contact_id": contact_id, "kind": kind, "value": value, "raw": value, "ext": "", "flags": [],
        "attested": False, "first_seen_at": at,
    }  # fmt: skip
