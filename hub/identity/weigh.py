"""What speaks for and against two sides being one person, piece by piece, each with its weight in bits. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import log2

from rapidfuzz.distance import OSA

from hub.identity.data import mail_domains
from hub.identity.facts import PERSONAL, SHARED, Facts, Tie
from hub.identity.likeness import Agree, Likeness, closest
from hub.identity.rules import DAY_S, Rules
from hub.identity.text import skeleton

WORDS = ("open", "initial", "near", "same", "other")
"""How a part of two names agrees, by the number of `Agree`; the last is -1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One piece of evidence. `code` names it, `what` is the identifier or word it is about."""

    code: str
    bits: float
    what: str = ""
    verified: bool = False


@dataclass(frozen=True, slots=True)
class World:
    """What the whole base says: how many people there are, how common names are, how many are on an identifier."""

    people: int = 0
    common: Mapping[str, int] = field(default_factory=dict)
    holders: Mapping[str, int] = field(default_factory=dict)
    shared: frozenset[str] = frozenset()


@dataclass(slots=True)
class Weighed:
    """The evidence about one pair. `personal` are identifiers that decide, `desk` those that several people use."""

    pieces: list[Piece] = field(default_factory=list)
    names: Likeness = field(default_factory=Likeness)
    accounts: list[str] = field(default_factory=list)
    personal: list[str] = field(default_factory=list)
    desk: list[str] = field(default_factory=list)
    near: list[str] = field(default_factory=list)
    doubtful: list[str] = field(default_factory=list)
    firm: bool = False
    alone: bool = False  # a browser that nobody else has used
    recycled: bool = False
    idle: int = 0  # seconds since the other side last used the best common identifier

    @property
    def score(self) -> float:
        return sum(piece.bits for piece in self.pieces)

    @property
    def verified(self) -> bool:
        return bool(self.accounts) or any(piece.verified for piece in self.pieces)


def weigh(mine: Facts, theirs: Facts, world: World, rules: Rules) -> Weighed:
    """All evidence about a newcomer (or another contact) and a contact."""
    found = Weighed(names=closest(mine.names, theirs.names))
    common = [place for place in mine.ids if place in theirs.ids]
    for place in common:
        _identifier(found, place, mine.ids[place], theirs.ids[place], world, rules)
    _near(found, mine, theirs, world, rules)
    _surroundings(found, mine, theirs, rules)
    _names(found, world, rules)
    _lately(found, mine, theirs, rules)
    last = [theirs.ids[place].last for place in common]
    found.idle = mine.at - max(last) if last else mine.at - theirs.at
    found.recycled = (
        found.names.compatible is False
        and any(place.startswith("p:") for place in found.personal)
        and found.idle > rules.recycled_days * DAY_S
    )
    return found


def acquainted(mine: Facts, others: Iterable[tuple[int, Facts]], rules: Rules) -> dict[int, Facts]:
    """Those whom more than a piece of a number or of a mailbox brought together with a newcomer, or who have the same
    last name. The rest are strangers: whatever else is weighed, names alone join nobody. In a big base most are."""
    surnames, firms, domains = {one.surname for one in mine.names}, set(mine.firms), set(mine.domains)
    numbers, mailboxes = mine.of("p"), mine.of("m")

    def is_known(theirs: Facts) -> bool:
        if not (mine.ids.keys().isdisjoint(theirs.ids) and surnames.isdisjoint([one.surname for one in theirs.names])):
            return True
        if not (firms.isdisjoint(theirs.firms) and domains.isdisjoint(theirs.domains)):
            return True
        return _near_number(numbers, theirs) is not None or bool(_best_mailbox(mailboxes, theirs, rules)[0])

    return {number: theirs for number, theirs in others if is_known(theirs)}


# ── identifiers ──────────────────────────────────────────────────────────────────────────────────


def _identifier(found: Weighed, place: str, mine: Tie, theirs: Tie, world: World, rules: Rules) -> None:
    kind = place[: place.index(":")]
    shared = SHARED in (mine.strength, theirs.strength) or place in world.shared
    personal = mine.strength == theirs.strength == PERSONAL and not shared
    crowd = max(world.holders.get(place, 1), 1)
    if kind not in ("p", "m", "v"):
        found.accounts.append(place)
        found.pieces.append(Piece("account", rules.account, place, True))
        return
    bits = {"p": _number, "m": _mailbox, "v": _browser}[kind](shared, personal, crowd, rules)
    bits -= rules.holder * log2(crowd) if kind != "v" else 0.0
    (found.desk if shared or kind == "v" else found.personal if personal else found.doubtful).append(place)
    found.alone = found.alone or (kind == "v" and crowd == 1)
    code = {"p": "number", "m": "mailbox", "v": "browser"}[kind]
    code = f"shared_{code}" if shared or (kind == "v" and crowd > 1) else code if personal else f"weak_{code}"
    found.pieces.append(Piece(code, round(bits, 1), place, mine.verified and theirs.verified))


def _number(shared: bool, personal: bool, crowd: int, rules: Rules) -> float:
    return rules.fixed_line if shared else rules.mobile if personal else rules.doubtful_number


def _mailbox(shared: bool, personal: bool, crowd: int, rules: Rules) -> float:
    return rules.role_mailbox if shared else rules.mailbox if personal else rules.repaired_mailbox


def _browser(shared: bool, personal: bool, crowd: int, rules: Rules) -> float:
    return rules.shared_browser if shared or crowd > 1 else rules.browser


# ── nearly the same identifier ───────────────────────────────────────────────────────────────────


def _near(found: Weighed, mine: Facts, theirs: Facts, world: World, rules: Rules) -> None:
    """In a bigger base more neighbours are there by chance; only looked at when nothing agrees exactly."""
    have = {place[0] for place in found.personal}
    if "p" not in have:
        near = _near_number(mine.of("p"), theirs)
        if near is not None:
            _add_near(found, "near_number", rules.near_number, f"p:{near}", world, rules)
    if "m" not in have and not any(place.startswith("m:") for place in found.desk):
        bits, code, mailbox = _best_mailbox(mine.of("m"), theirs, rules)
        if bits:
            _add_near(found, code, bits, f"m:{mailbox}", world, rules)


def _near_number(numbers: Sequence[str], theirs: Facts) -> str | None:
    """A number of theirs that is nearly one of these."""
    held = theirs.of("p") if numbers else ()
    for a in numbers:
        for b in held:
            if _one_slip(a, b) or _abroad(a, b):
                return b
    return None


def _best_mailbox(mailboxes: Sequence[str], theirs: Facts, rules: Rules) -> tuple[float, str, str]:
    """(bits, code, mailbox) of theirs that is nearest to one of these; no bits when none is near."""
    held = theirs.of("m") if mailboxes else ()
    return max([_near_mailbox(a, b, theirs, rules) for a in mailboxes for b in held], default=(0.0, "", ""))


def _add_near(found: Weighed, code: str, bits: float, place: str, world: World, rules: Rules) -> None:
    growth = rules.growth * log2(max(world.people, rules.base) / rules.base)
    found.near.append(place)
    found.pieces.append(Piece(code, round(bits - growth, 1), place))


def _one_slip(a: str, b: str) -> bool:
    """One digit wrong, lost, doubled or changed places with its neighbour, behind the first half of the number."""
    if a == b or abs(len(a) - len(b)) > 1 or a[:3] != b[:3]:
        return False
    return OSA.distance(a, b, score_cutoff=1) <= 1


def _abroad(a: str, b: str) -> bool:
    """The same national number read with the codes of two countries: a site is visited from next door."""
    return a != b and len(a) > 10 and a[-9:] == b[-9:]


def _near_mailbox(a: str, b: str, theirs: Facts, rules: Rules) -> tuple[float, str, str]:
    la, _, da = a.rpartition("@")
    lb, _, db = b.rpartition("@")
    if la == lb and da != db:
        if OSA.distance(da, db, score_cutoff=1) <= 1:
            return rules.near_mailbox + 1, "near_domain", b
        free = da in mail_domains.FREE and db in mail_domains.FREE
        return (rules.same_local_part, "same_local_part", b) if free and not _of_name(la, theirs) else (0.0, "", b)
    if da == db and _slip(la, lb):
        return rules.near_mailbox, "near_mailbox", b
    return 0.0, "", b


def _slip(a: str, b: str) -> bool:
    """One letter wrong, not at the beginning: ivan.petrov and ivanpetrov, ...81 and ...82, c.cole and s.cole are taken
    by different people."""
    if min(len(a), len(b)) < 6 or a[0] != b[0] or OSA.distance(a, b, score_cutoff=1) > 1:
        return False
    return _letters(a) != _letters(b)


def _letters(local: str) -> str:
    return "".join(c for c in local if c.isalpha())


def _of_name(local: str, theirs: Facts) -> bool:
    """A local part that is built from the name is no evidence at another provider: every namesake has it."""
    plain = skeleton(_letters(local))
    if len(local) < 6 or len(plain) < 4 or not theirs.names:
        return True
    words = [word for name in theirs.names for word in (name.surname, skeleton(name.first), *name.given) if word]
    return any(word[:4] in plain or plain in word for word in words)


# ── what stands beside them ──────────────────────────────────────────────────────────────────────


def _surroundings(found: Weighed, mine: Facts, theirs: Facts, rules: Rules) -> None:
    firm = next((one for one in mine.firms if one in theirs.firms), "")
    domain = next((one for one in mine.domains if one in theirs.domains), "")
    found.firm = bool(firm or domain)
    if firm:
        found.pieces.append(Piece("firm", rules.company, firm))
    elif domain and not any(place.endswith("@" + domain) for place in (*found.personal, *found.desk)):
        found.pieces.append(Piece("domain", rules.own_domain, domain))
    if mine.towns and theirs.towns:
        town = next((one for one in mine.towns if one in theirs.towns), "")
        found.pieces.append(Piece("town", rules.city, town) if town else Piece("other_town", rules.other_city))


def _lately(found: Weighed, mine: Facts, theirs: Facts, rules: Rules) -> None:
    """The same first name from the same desk on the same day is more often one person than two."""
    if found.names.given is not Agree.SAME:
        return
    if any(abs(mine.at - theirs.ids[place].last) <= DAY_S for place in found.desk):
        found.pieces.append(Piece("lately", rules.lately))


# ── names ────────────────────────────────────────────────────────────────────────────────────────


def _names(found: Weighed, world: World, rules: Rules) -> None:
    names, told = found.names, found.pieces
    given, surname, middle = names.given, names.surname, names.middle
    if given:
        same = _rare(f"g:{names.token}", rules.given_most, world) if given is Agree.SAME else 0.0
        bits = (0.0, rules.initial, rules.near_surname, same, rules.other_given)[given]
        told.append(Piece(f"given_{WORDS[given]}", round(bits, 1), names.token))
    if surname:
        same = _rare(f"s:{names.family}", rules.surname_most, world) if surname is Agree.SAME else 0.0
        bits = (0.0, rules.initial, rules.near_surname, same, rules.other_surname)[surname]
        told.append(Piece(f"surname_{WORDS[surname]}", round(bits, 1), names.family))
    if middle:
        bits = rules.middle if middle is Agree.SAME else rules.other_middle
        told.append(Piece(f"middle_{WORDS[middle]}", round(bits, 1)))


def _rare(token: str, most: float, world: World) -> float:
    """Bits of a name that agrees: a rare one says more than a common one."""
    return min(most, max(1.0, log2(max(world.people, 100) / max(world.common.get(token, 0), 1))))
