"""Who is this? Exact keys first; a different given name always objects; names alone never join.

Pure: it is handed the owners of the keys it asked for (`lookups`) and the names of these owners. A
scored comparison of near keys will stand between "no owner found" and "new person"; it takes the same
arguments and answers the same `Match`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from hub.identity.keys import Key
from hub.identity.names import Name, compatible
from hub.identity.normalize import Known

Place = tuple[str, str]
"""Kind and value of a key: one row of match_key."""


@dataclass(frozen=True, slots=True)
class Match:
    """The contact found, or "" for a new person, the keys that the contact shall own from now on, and why.

    `why` are facts: each names a key kind (never a full value) and what it showed.
    """

    contact_id: str
    owns: tuple[Place, ...]
    why: tuple[Mapping[str, str], ...]


def _named(key: Key, name: Name) -> Place:
    """A key together with a name: tells two people on one phone apart, and never joins without the name."""
    return f"{key.kind}+name", f"{key.value}|{name.key}"


def _full(name: Name) -> bool:
    return bool(name.key and name.first and name.last)


def lookups(known: Known) -> tuple[Place, ...]:
    """Every key whose owner `resolve` wants to know."""
    places: list[Place] = []
    for key in known.keys:
        if key.strength == "personal":
            places.append((key.kind, key.value))
        if known.name.key and (key.strength == "personal" or _full(known.name)):
            places.append(_named(key, known.name))
    return tuple(places)


def resolve(
    known: Known,
    owners: Mapping[Place, str],
    names: Mapping[str, Name],
    shared: Collection[Place] = (),
    in_thread: str = "",
) -> Match:
    """Find the contact of a person. `in_thread` is the contact of the running conversation, "" if none.

    Attested handles and the own conversation outweigh names; a phone or an e-mail needs names that do not
    contradict. Keys in `shared` are known to belong to several people.
    """
    if in_thread:
        return Match(in_thread, _ownable(known, owners, in_thread, shared), ({"by": "thread"},))
    why: list[Mapping[str, str]] = []
    found = ""
    for key in sorted(known.keys, key=_weight):
        owner, reason = _owner(key, known.name, owners, names, shared)
        if reason:
            why.append(reason)
        if owner and not found:
            found = owner
        elif owner and owner != found:
            why.append({"by": key.kind, "result": "also_another_contact", "contact": owner})
    if not found:
        why.append({"result": "new_person"})
    return Match(found, _ownable(known, owners, found, shared), tuple(why))


def _weight(key: Key) -> tuple[int, str, str]:
    rank = 0 if key.attested else {"email": 1, "phone": 2}.get(key.kind, 3)
    return rank, key.kind, key.value


def _owner(
    key: Key, name: Name, owners: Mapping[Place, str], names: Mapping[str, Name], shared: Collection[Place]
) -> tuple[str, Mapping[str, str]]:
    """The contact this one key points at, and the reason for believing or doubting it."""
    place = (key.kind, key.value)
    personal = key.strength == "personal" and place not in shared
    # Of everybody at one desk there are soon two who sign with the same first name.
    by_name = owners.get(_named(key, name), "") if name.key and (personal or _full(name)) else ""
    if by_name:
        return by_name, {"by": key.kind, "result": "same_key_and_name"}
    if not personal:
        return "", {"by": key.kind, "result": "shared_key"} if key.strength == "shared" or place in shared else {}
    owner = owners.get(place, "")
    if not owner:
        return "", {}
    if key.attested and key.kind not in ("phone", "email"):
        return owner, {"by": key.kind, "result": "same_account"}
    held = names.get(owner)
    if held is not None and compatible(held, name) is False:
        return "", {"by": key.kind, "result": "other_name", "contact": owner}
    return owner, {"by": key.kind, "result": "same_key"}


def _ownable(known: Known, owners: Mapping[Place, str], found: str, shared: Collection[Place]) -> tuple[Place, ...]:
    """Keys that nobody owns yet and that this contact may be recognised by later."""
    return tuple(place for place in lookups(known) if place not in shared and not owners.get(place) and place[1])
