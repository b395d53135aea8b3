"""Alarms of conversion that name the likely cause, and keep quiet while it may be chance.

Below five percent of leads become deals: the stream – which campaign, which source, or who handles it. At least twenty
percent do, but deals are not won: the selling – whose, and on which stage they are lost.

Tested exactly (`hub.insight.certain`): a stream that shows less than five percent by the binomial tail against five
percent and by the exact stratified test against all other streams in the same hands; a seller by the exact stratified
test against colleagues within the same campaigns. Everything looked at in a month is corrected for together
(Holm): at most one month in twenty with an alarm about nothing. What explains most is named first and taken out, so
that a source is not blamed for its one bad campaign, nor a campaign for one person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select

from hub.clock import DAY, Clock
from hub.funnel.signals import over, tell
from hub.insight.certain import Table, certain, few_of, fewer_than_others
from hub.insight.conversion import BY, Journey, Rate, overall, rates, read_journeys
from hub.model import signal

LOW, HIGH = 0.05, 0.20
FALSE_STREAM, FALSE_SELLING = 0.02, 0.02
STREAM, SELLING = "stream", "selling"
NAMED = ("campaign", "source", "person")
"""From the most particular on: of two that explain the same, the first is named."""


@dataclass(frozen=True, slots=True)
class Alarm:
    """`kind` stream or selling; `by` campaign, source, person or seller; `cause` which one; `share` of `tries`, against
    `norm`; `chance` that it is none; `stage` where deals are lost."""

    kind: str
    by: str
    cause: str
    share: float
    tries: int
    norm: float
    chance: float
    stage: str = ""

    @property
    def name(self) -> str:
        """Under which name it is told once."""
        return f"conversion:{self.kind}:{self.by}:{self.cause}"


def alarms(journeys: Sequence[Journey]) -> list[Alarm]:
    """All that is certain about these leads."""
    return [*_streams([one for one in journeys if one.counts]), *_sellings(journeys)]


# ── the stream ───────────────────────────────────────────────────────────────────────────────────


def _streams(journeys: Sequence[Journey]) -> list[Alarm]:
    found: list[Alarm] = []
    left = list(journeys)
    while (worst := _worst_stream(left)) is not None:
        found.append(worst)
        left = [one for one in left if BY[worst.by](one) != worst.cause]
    return found


def _worst_stream(journeys: Sequence[Journey]) -> Alarm | None:
    """What is below five percent most certainly."""
    chances = _chances(journeys)
    sure = certain(chances, FALSE_STREAM)
    if not sure:
        return None
    by, name = min(sure, key=lambda key: (_left_unexplained(journeys, *key), NAMED.index(key[0]), chances[key]))
    rate = rates(journeys, by)[name]
    return Alarm(STREAM, by, name, rate.converted / rate.leads, rate.leads, LOW, chances[by, name])


def _chances(journeys: Sequence[Journey]) -> dict[tuple[str, str], float]:
    """For every campaign, source and person: how probable so few deals are if nothing is wrong with it."""
    found = {}
    for by in NAMED:
        for name, rate in rates(journeys, by).items():
            low = rate.leads and rate.converted / rate.leads < LOW
            found[by, name] = _chance(journeys, by, name, rate) if low else 1.0
    return found


def _chance(journeys: Sequence[Journey], by: str, name: str, rate: Rate) -> float:
    """Of two tests the smaller, counted twice: below five percent in truth, or below all others under equal hands."""
    like = BY["source"] if by == "person" else BY["person"]
    tables: dict[str, list[int]] = {}
    for one in journeys:
        held = tables.setdefault(like(one), [0, 0, 0, 0])
        place = 0 if BY[by](one) == name else 2
        held[place] += one.converted
        held[place + 1] += 1
    others = fewer_than_others([(held[0], held[1], held[2], held[3]) for held in tables.values()])
    return min(1.0, 2 * min(few_of(rate.converted, rate.leads, LOW), others))


def _left_unexplained(journeys: Sequence[Journey], by: str, name: str) -> int:
    """How many cells stay certain once this one is taken out: the cause is what leaves least behind."""
    return len(certain(_chances([one for one in journeys if BY[by](one) != name]), FALSE_STREAM))


# ── the selling ──────────────────────────────────────────────────────────────────────────────────


def _sellings(journeys: Sequence[Journey]) -> list[Alarm]:
    """Sellers who win fewer of the same deals than their colleagues, where leads do become deals."""
    house = overall(journeys)
    if not house.leads or house.converted / house.leads < HIGH:
        return []
    sellers = rates([one for one in journeys if one.closed], "seller")
    chances = {name: fewer_than_others(_tables(journeys, name)) for name in sellers}
    found = []
    for name in certain(chances, FALSE_SELLING):
        mine, wins, tries = sellers[name], house.won - sellers[name].won, house.closed - sellers[name].closed
        lost = Counter(one.lost_at for one in journeys if one.seller == name and one.lost_at)
        stage = lost.most_common(1)[0][0] if lost else ""
        norm = wins / tries if tries else 0.0
        found.append(Alarm(SELLING, "seller", name, mine.won / mine.closed, mine.closed, norm, chances[name], stage))
    return found


def _tables(journeys: Sequence[Journey], seller: str) -> list[Table]:
    """This seller against all others, one table for each source and campaign."""
    found: dict[tuple[str, str], list[int]] = {}
    for one in journeys:
        if one.closed:
            held = found.setdefault((one.source, one.campaign), [0, 0, 0, 0])
            place = 0 if one.seller == seller else 2
            held[place] += one.won
            held[place + 1] += 1
    return [(held[0], held[1], held[2], held[3]) for held in found.values()]


# ── telling ──────────────────────────────────────────────────────────────────────────────────────


def raise_alarms(conn: Connection, clock: Clock, head: str, days: int = 30) -> list[Alarm]:
    """Look at the leads of the last days: new alarms are told once, those that are over once more. Answers all."""
    now = clock.now()
    found = alarms(read_journeys(conn, now - days * DAY, now, now))
    for one in found:
        tell(conn, clock, one.name, head, facts_of(one))
    still = {one.name for one in found}
    known = conn.execute(select(signal.c.name).where(signal.c.name.like("conversion:%"), signal.c.state == "open"))
    over(conn, clock, [row.name for row in known if row.name not in still])
    return found


def facts_of(one: Alarm) -> Mapping[str, Any]:
    """For pages and signals."""
    return {
        "kind": one.kind, "by": one.by, "cause": one.cause, "percent": round(100 * one.share, 1), "tries": one.tries,
        "norm": round(100 * one.norm, 1), "chance": one.chance, "stage": one.stage,
    }  # fmt: skip
