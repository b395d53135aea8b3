"""Who is this? The register's verdict in the words of the hub: a contact, the keys it shall own, and why.

Pure but for the ledger, which was read before: nothing is written here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hub.identity.facts import Facts
from hub.identity.judge import Candidate, Verdict
from hub.identity.keys import Key
from hub.identity.ledger import Ledger
from hub.identity.names import Name
from hub.identity.normalize import Known
from hub.identity.sentences import NEW, THREAD, guard_fact, piece_fact, score_fact

if TYPE_CHECKING:
    from hub.identity.mirror import Card

Place = tuple[str, str]
"""Kind and value of a key: one row of match_key."""
Why = tuple[Mapping[str, str], ...]
TOLD = 3
"""So many contacts that were looked at and not joined are told about."""


@dataclass(frozen=True, slots=True)
class Other:
    """Another contact that takes part: merged into the found one, or a person shall look."""

    contact_id: str
    score: float
    why: Why


@dataclass(frozen=True, slots=True)
class Match:
    """The contact found, or "" for a new person, the keys that the contact shall own from now on, and why.

    `why` are facts with a sentence in English and Russian; identifiers in them are masked. `cards` are records that
    only CRMs have so far and that are this new person.
    """

    contact_id: str
    owns: tuple[Place, ...]
    why: Why
    merges: tuple[Other, ...] = ()
    asks: tuple[Other, ...] = ()
    cards: tuple[Card, ...] = ()


def lookups(known: Known) -> tuple[Place, ...]:
    """The rows of match_key that a person may own: identifiers of one person, and those of a desk with a whole name.

    They are unique in the database, which is where two workers meet who see the same new person at once.
    """
    places: list[Place] = []
    for key in known.keys:
        if key.strength == "personal":
            places.append((key.kind, key.value))
        elif _full(known.name):
            places.append(_named(key, known.name))
    return tuple(places)


def recognise(ledger: Ledger, known: Known, facts: Facts, owners: Mapping[Place, str], in_thread: str = "") -> Match:
    """Find the contact of a person. `in_thread` is the contact of the running conversation, "" if none."""
    if in_thread:
        return Match(in_thread, _ownable(known, owners), (THREAD,))
    verdict = ledger.resolve(facts)
    found = ledger.ids[verdict.found] if verdict.found else ""
    return Match(
        found,
        _ownable(known, owners),
        _why(ledger, verdict),
        tuple(_other(ledger, verdict, number) for number in verdict.merges),
        tuple(_other(ledger, verdict, number) for number in verdict.asks),
    )


def _why(ledger: Ledger, verdict: Verdict) -> Why:
    facts: list[Mapping[str, str]] = []
    if verdict.found:
        facts += evidence(verdict.candidates[0])
    else:
        facts.append(NEW)
    merged = {verdict.found, *verdict.merges}
    others = [one for one in verdict.candidates if one.number not in merged and _worth_telling(one)]
    return (*facts, *(guard_fact(one, ledger.ids[one.number]) for one in others[:TOLD]))


def _worth_telling(one: Candidate) -> bool:
    return bool(one.weighed.personal or one.weighed.desk or one.weighed.near or one.weighed.score > 0)


def evidence(one: Candidate) -> Sequence[Mapping[str, str]]:
    """What spoke for a candidate, the heaviest first, and the sum."""
    pieces = sorted(one.weighed.pieces, key=lambda piece: -abs(piece.bits))
    return [*(piece_fact(piece) for piece in pieces), score_fact(one.weighed.score)]


def _other(ledger: Ledger, verdict: Verdict, number: int) -> Other:
    one = next(each for each in verdict.candidates if each.number == number)
    return Other(ledger.ids[number], round(one.weighed.score, 1), tuple(evidence(one)))


def _named(key: Key, name: Name) -> Place:
    """A key together with a name: tells two people on one phone apart, and never joins without the name."""
    return f"{key.kind}+name", f"{key.value}|{name.key}"


def _full(name: Name) -> bool:
    return bool(name.key and name.first and name.last)


def _ownable(known: Known, owners: Mapping[Place, str]) -> tuple[Place, ...]:
    """Keys that nobody owns yet and that this contact may be recognised by later."""
    return tuple(place for place in lookups(known) if not owners.get(place) and place[1])
