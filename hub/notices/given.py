"""A lead has an owner: the owner is told, wherever they want to be, with the buttons of an answer; and everybody to
whom it is offered, with the button to take it.

Letters stand in the commit that read the journal's line, one for each line and place, so nobody is told twice. They
leave within the owner's working hours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, literal_column, select

from hub.clock import DAY, Clock
from hub.model import lead, letter, signal
from hub.notices.answers import ACTS, FIRST, LATER
from hub.notices.offered import offered_to
from hub.notices.reach import MESSENGER, Reach, reaches
from hub.notices.words import say
from hub.robots.outbox import NEW
from hub.routing.reading import read_floor
from hub.store.engine import Store, add_unless_there
from hub.store.lists import among

GIVING = ("opened", "given", "reopened")
OPEN = select(lead.c.id, lead.c.owner_id, lead.c.taken_by, lead.c.source, lead.c.title, lead.c.text).where(
    among(lead.c.id), lead.c.state == literal_column("'open'")
)
EXCERPT = 600
Rows = list[list[list[str]]]


def follow_given(conn: Connection, clock: Clock, lines: Sequence[Any]) -> None:
    """For `hub.funnel.timers.Timers(listeners=[follow_given])`. Who gave the lead to themselves knows it."""
    last = {line.subject_id: line for line in lines if line.subject == "lead" and line.what in GIVING}
    if not last:
        return
    rows = conn.execute(OPEN, {"wanted": sorted(last)}).all()
    told = [row for row in rows if last[row.id].actor != f"member:{row.owner_id}"]
    offered = offered_to(conn, [row for row in told if not row.taken_by]) if told else {}
    places = reaches(conn, [*(row.owner_id for row in told), *(one for some in offered.values() for one in some)])
    for row in told:
        for one in _all_of(places, [row.owner_id, *sorted(offered.get(row.id, frozenset()) - {row.owner_id})]):
            occasion = f"{last[row.id].id}:{one.channel}:{one.via}"
            other = f":{one.member_id}" if one.member_id != row.owner_id else ""
            post(conn, clock, occasion + other, one, lead_body(row, one, row.id in offered), by_day=True)


def _all_of(places: Mapping[str, Sequence[Reach]], members: Sequence[str]) -> Iterator[Reach]:
    for member_id in members:
        yield from places.get(member_id, ())


def lead_body(row: Any, one: Reach, offered: bool = False) -> dict[str, Any]:
    """What a member is told of a lead, with its buttons. Who does not own it may only take it."""
    told = [say(one.locale, "from", source=row.source), str(row.text or "")[:EXCERPT]]
    acts = ACTS if one.member_id == row.owner_id else (FIRST,)
    left = [act for act in ACTS if act not in acts]
    buttons = {"buttons": keyboard(row.id, one.locale, left)} if one.channel == MESSENGER else {"acts": list(acts)}
    subject = say(one.locale, "offered" if offered else "given", title=str(row.title))
    return {"subject": subject, "text": "\n".join(filter(None, told)), "lead": row.id, **buttons}


def keyboard(lead_id: str, locale: str, without: Sequence[str] = ()) -> Rows:
    """Rows of [label, data]; the data of a button is `act:lead`."""
    acts = [act for act in ACTS if act not in without]
    made = [[say(locale, act), f"{act}:{lead_id}"] for act in acts]
    return [row for row in (made[:2], made[2:]) if row]


def choices(lead_id: str, locale: str) -> Rows:
    """When "later" is."""
    return [[[say(locale, one), f"later:{lead_id}:{one}"] for one in LATER], [[say(locale, "back"), f"back:{lead_id}"]]]


def post(
    conn: Connection, clock: Clock, occasion: str, one: Reach, body: Mapping[str, Any], by_day: bool = False
) -> bool:
    """A letter to a member, once for each occasion; answers whether it is new."""
    now = clock.now()
    row = {"id": clock.new_id(), "run_id": None, "occasion": f"notice:{occasion}", "channel": one.channel, "state": NEW,
           "body": {"to": one.address, "via": one.via, "member": one.member_id, "locale": one.locale, **body},
           "lease": "", "attempts": 0, "due_at": _opening(conn, one.member_id, now) if by_day else now,
           "provider_id": "", "why": "", "at": now}  # fmt: skip
    return add_unless_there(conn, letter, row)


def _opening(conn: Connection, member_id: str, now: int) -> int:
    person = read_floor(conn, now, lock=False).people.get(member_id)
    return person.work.opening(now) if person else now


# ── signals ──────────────────────────────────────────────────────────────────────────────────────


def untold(conn: Connection, now: int) -> Sequence[Any]:
    """Signals of the last day to somebody with an address, of which no letter told them yet: begun or over."""
    since = (signal.c.since > now - DAY) | (signal.c.over_at > now - DAY)
    rows = list(conn.execute(select(signal).where(since, signal.c.member_id.is_not(None)).order_by(signal.c.id)))
    occasions = {f"notice:{signal_name(row)}" for row in rows}
    mine = letter.c.occasion.in_(sorted(occasions))
    known = {row.occasion for row in conn.execute(select(letter.c.occasion).where(mine))} if rows else set()
    return [row for row in rows if f"notice:{signal_name(row)}" not in known]


def signal_name(row: Any) -> str:
    """Under which name a signal's letter is written once for each of its states."""
    return f"signal:{row.id}:{row.state}"


def spread(store: Store, clock: Clock) -> int:
    """The same as a step of the timers, which costs one small query while there is nothing to tell."""
    with store.read() as conn:
        if not untold(conn, clock.now()):
            return 0
    with store.write() as conn:
        return tell_signals(conn, clock)


def tell_signals(conn: Connection, clock: Clock) -> int:
    """Heads are told of what is so, and once more when it is over."""
    rows = untold(conn, clock.now())
    places = reaches(conn, [row.member_id for row in rows]) if rows else {}
    count = 0
    for row in rows:
        for number, one in enumerate(places.get(row.member_id, ())):
            name = signal_name(row) if number == 0 else f"{signal_name(row)}:{one.channel}:{one.via}"
            title = str(row.facts.get("text") or row.facts.get("title") or row.facts.get("cause") or row.name)
            key = "signal" if row.state == "open" else "recovered"
            lead_id = {"lead": row.facts["lead"]} if row.facts.get("lead") else {}
            text = {"subject": say(one.locale, key, title=title), "text": ""}
            count += post(conn, clock, name, one, {**text, **lead_id})
    return count
