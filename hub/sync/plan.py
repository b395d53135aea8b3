"""Reconcile one record, field by field, from three views of it. Pure: no database, no clock, no network.

Per field there is the hub's value, what the CRM shows now, and what both agreed on last (`base`, with the
CRM's own spelling of it in `raw`). A side has changed when its value differs from that memory; time stamps
play no part. What we wrote and nobody confirmed (`sent`) is recognised as our own when it comes back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from hub.funnel.sets import merged

Values = Mapping[str, Any]
ABSENT = object()
ASSERT = "@assert"
"""Under this name a base lists hub fields that are to be written even over what the mapping cannot read."""
ASKED = "@asked"
"""Under this name a base holds what a person has to decide: field → [the hub's value, the CRM's]."""
REFUSED = "@refused"
"""Under this name a base lists the CRM's fields that did not take our value: field → [the value, why]."""
OLDER = "@older"
"""Under this name `sent` holds writes of calls that were given up: [[until, values] ...]."""
ALWAYS = frozenset({"placement"})
"""A record stands somewhere from its first day, also where that was never told."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One mapped field. `into` reads the CRM's value, `same` compares hub values as exactly as the CRM can tell.

    `into` answers `ABSENT` for a value that cannot be understood: it stays as it is on both sides. `fits` says
    whether the CRM can hold a hub value at all (an owner who is nobody there cannot travel). A list with `room`
    holds so many members over there; the others stay here, and nobody took them off.
    """

    hub: str
    crm: str
    into: Callable[[Any], Any]
    same: Callable[[Any, Any], bool]
    direction: str = "both"  # both | out | in
    policy: str = "crm"  # hub | crm | latest | union | max | min | ask
    once: bool = False
    fits: Callable[[Any], bool] = lambda _value: True
    room: int = 0  # 0: any number


@dataclass(frozen=True, slots=True)
class Memory:
    """What a link remembers: hub values both sides agreed on, the CRM's spelling, and unconfirmed writes.

    `older` are writes before the last one whose answers never came: a late one is still ours. `newer` is the side
    ("hub" or "crm") that changed last beyond any doubt of the two clocks, "" when nobody can tell. `quiet` says that
    nobody edited the record here: what was never agreed on is then a field that the mapping has only now, and a mapping
    is no edit.
    """

    base: Values
    raw: Values
    sent: Values
    older: Sequence[Values] = ()
    newer: str = ""
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """Both sides changed a field to different values. `winner` is "hub", "crm", "union" or "ask"."""

    field: str
    hub: Any
    crm: Any
    winner: str


@dataclass(slots=True)
class Agreed:
    """The outcome: what changes in the hub, what the CRM still has to be told (hub values), the new memory."""

    hub: dict[str, Any] = field(default_factory=dict)
    push: dict[str, Any] = field(default_factory=dict)
    base: dict[str, Any] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def reconcile(slots: Sequence[Slot], memory: Memory, hub: Values, seen: Values | None) -> Agreed:
    """Compare and decide. `seen` is the CRM's record now, under its own names; None when it was not read
    (then only the hub's own changes since `base` are found). A field missing from `seen` says nothing."""
    agreed = Agreed(base=dict(memory.base), raw=dict(memory.raw))
    narrow = [slot for slot in slots if slot.room]
    hub, beyond = _within(narrow, memory.base, hub) if narrow else (hub, {})
    heard = {*memory.base, *memory.base.get(ASKED, ()), *ALWAYS} if memory.quiet else ()
    for slot in slots:
        if memory.quiet and slot.hub not in heard and slot.crm not in memory.base.get(REFUSED, ()):
            _unheard_of(slot, memory, hub.get(slot.hub), (seen or {}).get(slot.crm, ABSENT), agreed)
        else:
            _field(slot, memory, hub, seen or {}, agreed)
    for slot in narrow:
        _make_room(slot, (seen or {}).get(slot.crm, ABSENT), beyond.get(slot.hub, ()), agreed)
    return agreed


def in_room(values: Any, known: Any, room: int) -> Any:
    """Those of a list that have room over there: what is there already before the rest."""
    if not room or not isinstance(values, list) or len(values) <= room:
        return values
    there = list(known) if isinstance(known, list) else []
    return sorted(values, key=lambda value: value not in there)[:room]


def _within(slots: Sequence[Slot], base: Values, hub: Values) -> tuple[Values, dict[str, list[Any]]]:
    """The hub's record as far as the CRM has room for it, and what is beyond that."""
    shown = {slot.hub: in_room(hub.get(slot.hub), base.get(slot.hub), slot.room) for slot in slots if slot.hub in hub}
    beyond = {name: [one for one in hub[name] if one not in values] for name, values in shown.items() if values}
    return {**hub, **shown}, {name: values for name, values in beyond.items() if values}


def _make_room(slot: Slot, shown: Any, beyond: Sequence[Any], agreed: Agreed) -> None:
    """Nothing is said that has no room, and nothing is said at all when the CRM is full of what it should hold. What
    had no room before follows when people over there made some."""
    if beyond and slot.hub in agreed.hub:
        agreed.hub[slot.hub] = list(dict.fromkeys((*agreed.hub[slot.hub], *beyond)))
        if slot.direction == "both":
            agreed.push[slot.hub] = agreed.hub[slot.hub]
    if slot.hub not in agreed.push:
        return
    theirs = slot.into(shown) if shown is not ABSENT else ABSENT
    wish = in_room(agreed.push[slot.hub], theirs, slot.room)
    if theirs is not ABSENT and slot.same(wish, theirs):
        del agreed.push[slot.hub]
        agreed.base[slot.hub] = wish
    else:
        agreed.push[slot.hub] = wish


def _unheard_of(slot: Slot, memory: Memory, ours: Any, shown: Any, agreed: Agreed) -> None:
    """A field that was never agreed on, of a record that nobody edited here: blanks are filled from over there, and
    nothing is written before somebody edits the record or asks for it. Two values that differ stay news until then."""
    theirs = ABSENT if shown is ABSENT or slot.direction == "out" else slot.into(shown)
    if theirs is ABSENT:
        if shown is not ABSENT and slot.direction != "out" and shown != memory.raw.get(slot.crm, ABSENT):
            agreed.unread.append(slot.hub)
        return
    if slot.same(ours, theirs):
        agreed.base[slot.hub], agreed.raw[slot.crm] = ours, shown
    elif _filled(theirs) and (not _filled(ours) or slot.policy in ("crm", "latest")):
        agreed.hub[slot.hub] = agreed.base[slot.hub] = theirs
        agreed.raw[slot.crm] = shown


def _field(slot: Slot, memory: Memory, hub: Values, seen: Values, agreed: Agreed) -> None:
    base = memory.base.get(slot.hub)
    ours = hub.get(slot.hub, base)
    shown = seen.get(slot.crm, ABSENT)
    changed_there = shown is not ABSENT and slot.direction != "out" and shown != memory.raw.get(slot.crm, ABSENT)
    if shown is not ABSENT:
        agreed.raw[slot.crm] = shown
    theirs = slot.into(shown) if changed_there else ABSENT
    if changed_there and theirs is ABSENT:
        agreed.unread.append(slot.hub)
        return
    if theirs is not ABSENT and _own(slot, theirs, memory):
        base, theirs = theirs, ABSENT  # the write nobody had confirmed
        agreed.base[slot.hub] = base
    changed_here = slot.direction != "in" and not slot.same(ours, base)
    if theirs is ABSENT:
        if changed_here and _says_so(slot, ours, shown):
            agreed.base[slot.hub] = ours
        elif changed_here and slot.fits(ours) and not (slot.once and _filled(base)):
            _say(slot, ours, shown, memory, agreed)
    elif slot.same(ours, theirs):
        agreed.base[slot.hub] = ours
    elif not changed_here or slot.same(theirs, base):
        _settle(slot, ours, theirs, base, changed_here, agreed)
    elif not _conflict(slot, ours, theirs, base, memory.newer, agreed):
        _remember(agreed, slot, memory)  # until a person decides, the CRM's edit is still news


def _says_so(slot: Slot, ours: Any, shown: Any) -> bool:
    """The hub comes round to what the CRM has been showing all along."""
    if shown is ABSENT or slot.direction == "out":
        return False
    theirs = slot.into(shown)
    return theirs is not ABSENT and slot.same(ours, theirs)


def _say(slot: Slot, ours: Any, shown: Any, memory: Memory, agreed: Agreed) -> None:
    """The hub's news goes out, but not over a value that nobody here understands."""
    readable = shown is ABSENT or slot.direction == "out" or slot.into(shown) is not ABSENT
    if readable or slot.hub in memory.base.get(ASSERT, ()):
        agreed.push[slot.hub] = ours
    else:
        agreed.unread.append(slot.hub)


def _remember(agreed: Agreed, slot: Slot, memory: Memory) -> None:
    """Keep the spelling that was agreed on, as if nothing had been shown."""
    if slot.crm in memory.raw:
        agreed.raw[slot.crm] = memory.raw[slot.crm]
    else:
        del agreed.raw[slot.crm]


def _settle(slot: Slot, ours: Any, theirs: Any, base: Any, changed_here: bool, agreed: Agreed) -> None:
    """Only one side changed in meaning (the other may have changed its spelling)."""
    if changed_here:
        if slot.fits(ours):
            agreed.push[slot.hub] = ours
    elif not slot.same(theirs, base):
        agreed.hub[slot.hub] = agreed.base[slot.hub] = theirs
    else:
        agreed.base[slot.hub] = theirs


def _conflict(slot: Slot, ours: Any, theirs: Any, base: Any, newer: str, agreed: Agreed) -> bool:
    """Name it, and settle it by the policy; False when a person has to."""
    policy = newer if slot.policy == "latest" else slot.policy
    winner = WINNERS.get(policy, _crm)(ours, theirs, base)
    if winner[0] != "ask":
        value = winner[1]
        agreed.base[slot.hub] = theirs
        if not slot.same(value, ours):
            agreed.hub[slot.hub] = value
        if not slot.same(value, theirs) and slot.fits(value):
            agreed.push[slot.hub] = value
    agreed.conflicts.append(Conflict(slot.hub, ours, theirs, winner[0]))
    return winner[0] != "ask"


def _own(slot: Slot, theirs: Any, memory: Memory) -> bool:
    """Whether this is what we wrote, lately or in a call that was given up."""
    for sent in (memory.sent, *memory.older):
        if slot.crm in sent:
            written = slot.into(sent[slot.crm])
            if written is not ABSENT and slot.same(theirs, written):
                return True
    return False


def _filled(value: Any) -> bool:
    return value not in (None, "", [], {})


# ── policies: (who won, the value) ───────────────────────────────────────────────────────────────


def _crm(ours: Any, theirs: Any, base: Any) -> tuple[str, Any]:
    """The CRM wins, unless it merely has nothing where it never had anything."""
    if not _filled(theirs) and not _filled(base):
        return "hub", ours
    return "crm", theirs


def _hub(ours: Any, theirs: Any, base: Any) -> tuple[str, Any]:
    if not _filled(ours) and not _filled(base):
        return "crm", theirs
    return "hub", ours


def _union(ours: Any, theirs: Any, base: Any) -> tuple[str, Any]:
    """Three-way set merge: what either side added stays, what either side removed goes."""
    return "union", merged(base or (), theirs or (), ours or ())


def _most(pick: Callable[[Any, Any], Any]) -> Callable[[Any, Any, Any], tuple[str, Any]]:
    def choose(ours: Any, theirs: Any, base: Any) -> tuple[str, Any]:
        if not _filled(ours) or not _filled(theirs):
            return _crm(ours, theirs, base) if _filled(theirs) else ("hub", ours)
        value = pick(ours, theirs)
        return ("hub", ours) if value == ours else ("crm", theirs)

    return choose


# `latest` becomes the newer side; without trustworthy clocks on both sides the CRM's person decides.
WINNERS: Mapping[str, Callable[[Any, Any, Any], tuple[str, Any]]] = {
    "crm": _crm,
    "hub": _hub,
    "union": _union,
    "max": _most(max),
    "min": _most(min),
    "ask": lambda ours, theirs, base: ("ask", None),
}
