"""Routing alone, without a socket: decisions of 200 rules and 200 people, deadlines that come due, a trial of a draft.

Decisions are counted in CPU time of this process, because neighbours on the machine are no property of ours. Lateness
is time of day: from the moment a clock was due to the commit that gave its lead on.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from hub.bench.scale import FULL, Scale
from hub.clock import MINUTE, SECOND, Clock
from hub.funnel.deadlines import fire, next_due
from hub.insight.drafts import draft, publish, read_body
from hub.insight.trial import compare, outcomes
from hub.model import (
    calendar,
    connection,
    contact,
    deadline,
    deadline_rule,
    direction,
    inquiry,
    journal,
    lead,
    member,
    rotation,
    rule,
    seat,
)
from hub.model.routing import IS_RUNNING
from hub.routing.explain import sentences
from hub.routing.giving import Giving
from hub.routing.rules import Route
from hub.setup import first_setup
from hub.store.engine import Store, open_store
from hub.store.migrate import migrate

PEOPLE, RULES, POOLS = 200, 200, 8
DECISIONS, DEADLINES, REPLAYED = 20_000, 100_000, 10_000
SPREAD_S = 200
"""The clocks come due over so many seconds: five hundred a second."""
LANGUAGES, REGIONS, SOURCES = ("en", "ru", "de", "kk"), ("RU", "DE", "KZ", "US", "FR"), ("webhook", "email", "telegram")
PORTION = 5_000


def measure(folder: Path, scale: Scale) -> Mapping[str, Any]:
    """Figures of routing."""
    share = 1 if scale.leads >= FULL.leads else scale.leads / FULL.leads / 10
    store = open_store(f"sqlite:///{folder}/hub.db", f"sqlite:///{folder}/inbox.db")
    migrate(store)
    clock = Clock()
    try:
        with store.write() as conn:
            _people(conn, clock)
        return {
            "bench": "route",
            "ratios": {},
            "figures": {
                **_decisions(store, clock, round(DECISIONS * share)),
                **_replay(store, clock, round(REPLAYED * share)),
                **_deadlines(store, clock, round(DEADLINES * share), max(1.0, SPREAD_S * share)),
            },
            "yardsticks": {"rules": RULES, "people": PEOPLE},
        }
    finally:
        store.close()


def _people(conn: Connection, clock: Clock) -> None:
    """People with hours, skills and limits in eight pools, and rules over five fields."""
    place, chance = first_setup(conn, clock, "Sales", "en"), random.Random(11)  # noqa: S311 - repeatable on purpose
    day = clock.new_id()
    week = [[["00:00", "24:00"]]] * 7  # the bench runs at any hour
    conn.execute(insert(calendar).values(id=day, name="Day", zone="Europe/Moscow", week=week))
    ids = [clock.new_id() for _ in range(PEOPLE)]
    conn.execute(insert(member), [
        {"id": one, "login": one, "name": f"Person {n}", "password_hash": "", "role": "lead_desk", "locale": "en",
         "active": True, "created_at": clock.now()} for n, one in enumerate(ids)
    ])  # fmt: skip
    conn.execute(insert(seat), [
        {"member_id": one, "calendar_id": day, "skills": [f"language:{word}" for word in chance.sample(LANGUAGES, 2)],
         "open_limit": 0, "day_limit": 5000, "month_limit": 0} for one in ids
    ])  # fmt: skip
    conn.execute(insert(rotation), [
        {"pool": name, "member_id": one, "weight": chance.randint(1, 5), "credit": 0, "given": 0}
        for n, one in enumerate(ids) for name in ("desk", f"pool{n % POOLS}")
    ])  # fmt: skip
    conn.execute(insert(rule), [_rule(clock, place, n, chance) for n in range(RULES - 1)])


def _rule(clock: Clock, place: str, n: int, chance: random.Random) -> dict[str, Any]:
    told = [
        {"field": "region", "op": "is", "value": chance.choice(REGIONS)},
        {"field": "utm.campaign", "op": "is", "value": f"campaign {n}"},
        {"field": "text", "op": "contains", "value": f"word{n}"},
        {"field": "source", "op": "one_of", "value": "email, telegram"},
    ]
    return {"id": clock.new_id(), "position": n, "name": f"Rule {n}", "conditions": chance.sample(told, 2),
            "direction_id": place, "pool": f"pool{n % POOLS}", "active": True}  # fmt: skip


# ── decisions ────────────────────────────────────────────────────────────────────────────────────


def _decisions(store: Store, clock: Clock, count: int) -> dict[str, Any]:
    """Rule, person and the sentences that explain both, one decision after the other, as intake asks for them."""
    took, at = [], clock.now()
    with store.read() as conn:
        giving = Giving(conn, at)
        names = {row.id: row.name for row in conn.execute(select(member.c.id, member.c.name))}
        for n in range(POOLS):  # what a batch reads is read before it decides
            giving.give("", Route("", f"pool{n}", {}), {}, "", at)
        for n, facts in enumerate(_arrivals(count)):
            begin = time.thread_time_ns()
            _decide(giving, f"lead{n}", facts, names, at + n)
            took.append(time.thread_time_ns() - begin)
    took.sort()
    return {
        "decisions_per_s_per_core": round(count / (sum(took) / 1e9)),
        "p99_ms": round(took[count * 99 // 100] / 1e6, 3),
        "decisions": count,
    }


def _decide(giving: Giving, lead_id: str, facts: Mapping[str, str], names: Mapping[str, str], at: int) -> None:
    route = giving.route(facts, "")
    found = giving.give(lead_id, route, facts, lead_id, at)
    giving.due(found, at, MINUTE)
    sentences({**route.why, **found.why, "owner": found.owner, "pool": found.pool}, names, "en")


def _arrivals(count: int) -> Iterator[Mapping[str, str]]:
    chance = random.Random(5)  # noqa: S311 - repeatable on purpose
    for _ in range(count):
        yield {
            "source": chance.choice(SOURCES), "region": chance.choice(REGIONS), "language": chance.choice(LANGUAGES),
            "utm.campaign": f"campaign {chance.randint(0, 2 * RULES)}", "page": "https://shop.test/kitchens",
            "text": f"Good day, please call me about word{chance.randint(0, 2 * RULES)} " + "and more " * 20,
        }  # fmt: skip


# ── a trial of a draft ───────────────────────────────────────────────────────────────────────────


def _replay(store: Store, clock: Clock, count: int) -> dict[str, Any]:
    """Inquiries of thirty days, tried with a draft that turns rules and shares over; then published and tried again."""
    now = clock.now()
    with store.write() as conn:
        _fill(conn, clock, count, now)
        body = read_body(conn)
        other = _turned_over(body)
        draft_id = draft(conn, clock, other, "bench")
    begin = time.monotonic()
    with store.read() as conn:
        trial = compare(conn, body, other, 0, now + 1)
        took = time.monotonic() - begin
        announced = outcomes(conn, other, 0, now + 1)
    with store.write() as conn:
        publish(conn, clock, draft_id, "bench", trial)
    with store.read() as conn:
        live = outcomes(conn, read_body(conn), 0, now + 1)
    return {
        "replay_10k_s": round(took, 2),
        "replayed": trial.leads,
        "replay_changed": len(trial.differences),
        "replay_deviations": sum(one != other for one, other in zip(live, announced, strict=True)),
    }


def _turned_over(body: Mapping[str, Any]) -> dict[str, Any]:
    """The later half of the rules first, and other shares for everybody."""
    rules, half = body["rules"], RULES // 2
    shares = {name: {who: 1 + n % 3 for n, who in enumerate(some)} for name, some in body["shares"].items()}
    return {**body, "rules": [*rules[half:-1], *rules[:half], rules[-1]], "shares": shares}


def _fill(conn: Connection, clock: Clock, count: int, now: int) -> None:
    """Leads and inquiries as intake leaves them."""
    place = conn.execute(select(direction.c.id)).scalar()
    owner = conn.execute(select(member.c.id).limit(1)).scalar()
    source = {"id": clock.new_id(), "kind": "source", "connector": "webhook", "name": "Site", "token": clock.new_id(),
              "region": "RU", "state": "active", "created_at": now}  # fmt: skip
    conn.execute(insert(connection).values(source))
    people = [clock.new_id() for _ in range(max(1, count * 4 // 5))]
    conn.execute(insert(contact), [{"id": one, "created_at": now, "updated_at": now} for one in people])
    leads = [clock.new_id() for _ in range(count)]
    begin, step = now - 30 * 24 * 60 * MINUTE, 30 * 24 * 60 * MINUTE // count
    conn.execute(insert(lead), [
        {"id": one, "contact_id": people[n % len(people)], "direction_id": place, "stage": "new", "state": "rejected",
         "reason": "Spam", "owner_id": owner, "source": "webhook", "opened_at": begin + n * step, "active_at": now,
         "closed_at": begin + n * step + 60 * MINUTE} for n, one in enumerate(leads)
    ])  # fmt: skip
    conn.execute(insert(inquiry), [
        {"id": clock.new_id(), "event_id": one, "connection_id": source["id"], "key": one, "kind": "inquiry",
         "decision": "new_lead", "contact_id": people[n % len(people)], "lead_id": one, "received_at": begin + n * step,
         "text": facts["text"], "person": {"phones": [f"+7916{n:07}"], "language": facts["language"]},
         "touch": {"page": facts["page"], "utm": {"campaign": facts["utm.campaign"]}}}
        for n, (one, facts) in enumerate(zip(leads, _arrivals(count), strict=True))
    ])  # fmt: skip


# ── deadlines ────────────────────────────────────────────────────────────────────────────────────


def _deadlines(store: Store, clock: Clock, count: int, spread_s: float) -> dict[str, Any]:
    """So many clocks run; all come due while we watch. Lateness is that of the commit."""
    with store.write() as conn:
        end = _wind(conn, clock, count, spread_s)
    late: list[float] = []
    begin = time.process_time()
    while True:
        with store.read() as conn:
            due = next_due(conn)
        if due is None or due > end:
            break
        if due > clock.now():
            time.sleep(min(0.05, (due - clock.now()) / SECOND))
            continue
        late += _fire(store, clock)
    late.sort()
    cpu = time.process_time() - begin
    with store.read() as conn:
        given = conn.execute(select(func.count()).where(journal.c.what == "given")).scalar() or 0
    return {
        "deadline_lateness_p99_s": round(late[len(late) * 99 // 100], 3),
        "deadline_lateness_max_s": round(late[-1], 3),
        "deadline_cpu_ms": round(1000 * cpu / len(late), 3),
        "deadlines": len(late),
        "deadlines_per_s": round(count / spread_s),
        "deadlines_given_on": given,
    }


def _fire(store: Store, clock: Clock) -> Sequence[float]:
    with store.write() as conn:
        going = IS_RUNNING & (deadline.c.next_at <= clock.now())
        due = conn.execute(select(deadline.c.next_at).where(going).order_by(deadline.c.next_at).limit(500))
        moments = list(due.scalars())
        fire(conn, clock)
    now = clock.now()
    return [(now - one) / SECOND for one in moments]


def _wind(conn: Connection, clock: Clock, count: int, spread_s: float) -> int:
    """Open leads of all people, each with a clock of its own that is due once in the span; answers when that ends."""
    now, place = clock.now(), conn.execute(select(direction.c.id)).scalar()
    people = list(conn.execute(select(member.c.id)).scalars())
    law = clock.new_id()
    conn.execute(insert(deadline_rule).values(
        id=law, position=0, name="First touch", kind="first_touch", within_ms=24 * 60 * MINUTE, warn_percent=0,
        chain=[{"pool": "desk"}, {"pool": "desk"}],
    ))  # fmt: skip
    conn.execute(update(seat).values(day_limit=0))
    first = now
    for start in range(0, count, PORTION):
        some = [(clock.new_id(), clock.new_id(), n) for n in range(start, min(count, start + PORTION))]
        conn.execute(insert(contact), [{"id": who, "created_at": now, "updated_at": now} for who, _one, _n in some])
        conn.execute(insert(lead), [
            {"id": one, "contact_id": who, "direction_id": place, "stage": "new", "state": "open",
             "owner_id": people[n % len(people)], "next_step": "first_touch", "next_step_at": now, "source": "webhook",
             "opened_at": now, "active_at": now} for who, one, n in some
        ])  # fmt: skip
        conn.execute(insert(deadline), [
            {"id": clock.new_id(), "lead_id": one, "rule_id": law, "kind": "first_touch", "state": "running",
             "owner_id": people[n % len(people)], "step": 0, "started_at": now, "due_at": at, "next_at": at}
            for _who, one, n in some for at in [first + round(n * spread_s * SECOND / count)]
        ])  # fmt: skip
    wait = clock.now() + SECOND + count // 20 - now  # filling took as long as the neighbours let it; shifting is quick
    conn.execute(update(deadline).values(due_at=deadline.c.due_at + wait, next_at=deadline.c.next_at + wait))
    return first + wait + round(spread_s * SECOND)
