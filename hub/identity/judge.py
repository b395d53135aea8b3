"""Who is it? Weighs the candidates, lets the guards object, and answers: attach, ask, or a new person. Pure.

Guards, in the order of their word (each can be read in the verdict):

* somebody said "not the same" – nothing joins the two;
* a messenger account outweighs everything else;
* another given name – no number, mailbox or browser joins them, whatever the score;
* names alone never join: there is an identifier in common, or the firm beside the full name;
* what several people use (a desk's number, a family's mailbox) joins only with a name, or, without any name, its
  latest user of the last days;
* two contacts become one only if the newcomer ties both by identifiers of a person and all names are compatible.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from hub.identity.facts import Facts
from hub.identity.given import known
from hub.identity.likeness import Agree
from hub.identity.rules import DAY_S, Rules
from hub.identity.weigh import Weighed, World, weigh

Pair = tuple[int, int]
ASKED = 2
"""So many questions about one arrival; more would not be answered."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A contact that was looked at: its number, the evidence, and the guard that objected ("" if none)."""

    number: int
    weighed: Weighed
    guard: str = ""
    joins: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """`found` is the contact (0: a new person), `merges` contacts that turn out to be it too, `asks` those a person
    shall look at. `candidates` are all that were looked at, the best first."""

    found: int = 0
    merges: tuple[int, ...] = ()
    asks: tuple[int, ...] = ()
    candidates: tuple[Candidate, ...] = field(default=())


def pair(a: int, b: int) -> Pair:
    """Two contacts in the one order in which pairs are stored."""
    return (a, b) if a < b else (b, a)


def judge(
    mine: Facts,
    others: Mapping[int, Facts],
    world: World,
    rules: Rules,
    apart: Collection[Pair] = (),
) -> Verdict:
    """The newcomer against everybody the keys found. `apart` are pairs somebody told apart."""
    looked = [_candidate(number, mine, facts, world, rules) for number, facts in others.items()]
    looked.sort(key=lambda one: (one.joins, one.weighed.score, -one.weighed.idle, one.number), reverse=True)
    found = looked[0].number if looked and looked[0].joins else 0
    merges = (
        tuple(one.number for one in looked[1:] if _same(looked[0], one, others, world, rules, apart)) if found else ()
    )
    asks = tuple(one.number for one in looked if _asks(one, found, merges, rules) and not _apart(one, found, apart))
    return Verdict(found, merges, asks[:ASKED], tuple(looked))


def _candidate(number: int, mine: Facts, theirs: Facts, world: World, rules: Rules) -> Candidate:
    weighed = weigh(mine, theirs, world, rules)
    guard = _guard(weighed, mine, theirs, rules)
    return Candidate(number, weighed, guard, not guard and weighed.score >= rules.attach)


def _guard(one: Weighed, mine: Facts, theirs: Facts, rules: Rules) -> str:
    if one.accounts:
        return ""
    if one.names.compatible is False:
        return "recycled" if one.recycled else "other_name"
    if one.personal or one.doubtful:
        return ""
    if one.desk:
        return _desk_guard(one, mine, theirs, rules)
    if one.near:
        return "" if _confirms(one, rules) else "near_without_name"
    return "" if one.firm and one.names.full else "names_alone"


def _confirms(one: Weighed, rules: Rules) -> bool:
    """A slip is believed beside a last name; beside a first name that is in use, and only within weeks: of a series of
    numbers the next one is one digit away."""
    number = any(place.startswith("p:") for place in one.near)
    if one.names.surname >= Agree.NEAR and (one.names.given >= Agree.INITIAL or not number):
        return True
    return one.names.given is Agree.SAME and known(one.names.token) and one.idle <= rules.silence_days * DAY_S


def _desk_guard(one: Weighed, mine: Facts, theirs: Facts, rules: Rules) -> str:
    if one.names.surname is Agree.OTHER:
        return "shared_other_surname"
    if one.names.given >= Agree.NEAR or one.names.full or one.alone:
        return ""
    if mine.names:
        return "shared_without_name"
    return "" if one.idle <= rules.latest_user_days * DAY_S else "shared_long_ago"


def _same(
    best: Candidate,
    other: Candidate,
    others: Mapping[int, Facts],
    world: World,
    rules: Rules,
    apart: Collection[Pair],
) -> bool:
    """Whether the newcomer shows that two contacts are one."""
    if not other.joins or pair(best.number, other.number) in apart:
        return False
    if rules.strict and not (best.weighed.verified and other.weighed.verified):
        return False  # anybody can type anything: a person is asked
    ours, theirs = others[best.number], others[other.number]
    between = weigh(ours, theirs, world, rules)
    if between.names.compatible is False:
        return False
    firm = [bool(one.weighed.accounts or one.weighed.personal) for one in (best, other)]
    if all(firm):
        return True
    loose, side = (ours, best) if not firm[0] else (theirs, other)
    if not any(firm):
        return False
    return (
        bool(between.names.compatible)
        or between.names.full
        or bool(side.weighed.names.compatible)
        or not loose.reachable
    )


def _apart(one: Candidate, found: int, apart: Collection[Pair]) -> bool:
    return bool(found) and pair(one.number, found) in apart


def _asks(one: Candidate, found: int, merges: Sequence[int], rules: Rules) -> bool:
    """Whether a person shall look: it is likely enough, and two names for one number within days are worth a look."""
    if one.number == found or one.number in merges:
        return False
    soon = one.weighed.idle <= rules.latest_user_days * DAY_S
    if one.guard == "other_name":
        return soon and bool(one.weighed.personal)
    likely = one.weighed.score >= rules.ask
    return likely and (one.guard in ("", "near_without_name") or (one.guard == "shared_without_name" and soon))
