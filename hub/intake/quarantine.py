"""What waits for a person: messages nobody could read or verify, and records a CRM refused.

Guarantees: nothing here is ever deleted. A replay puts the stored message through the same way again, with the
secrets and mappings of now; a dismissal only takes it off the list.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from sqlalchemy import Connection, case, func, select, update

from hub.clock import Clock
from hub.model import event, event_work, link
from hub.store.engine import Store
from hub.store.notes import PERSON, note

TRUSTED = "trusted"
"""An admin vouched for this message: its sender is not asked for a proof, and what set it apart is passed over."""

OPEN = ("parked", "quarantined")
NO_OWNER = "no_owner"
"""Waits for somebody who could own a lead; goes on by itself, and an admin has to know."""
WAITS = event_work.c.state.in_(OPEN) | ((event_work.c.state == "waiting") & (event_work.c.code == NO_OWNER))
LIMITS = ("flood", "disabled", "probe")
"""Set apart by our own limits, not for want of proof: a replay passes them."""
STUCK = ("parked", "held")

HIDDEN = "••••••"
SECRET_PARTS = ("auth", "cookie", "secret", "signature", "token", "key", "password", "hash")
SHORTEST_SECRET = 4
MOST_SHOWN = 64 * 1024


@dataclass(frozen=True, slots=True)
class Cause:
    """Why several messages of one connection wait. `since` in milliseconds."""

    connection_id: str
    state: str
    code: str
    count: int
    since: int


@dataclass(frozen=True, slots=True)
class Message:
    """A stored message as a person may see it: headers that carry proof are hidden, the body is text or hex."""

    line: str
    headers: Sequence[tuple[str, str]]
    body: str
    binary: bool
    size: int
    cut: bool


def causes(conn: Connection) -> list[Cause]:
    """What waits, by connection and cause, the most first."""
    kept = (event_work.c.connection_id, event_work.c.state, event_work.c.code)
    count = func.count().label("count")
    rows = conn.execute(
        select(*kept, count, func.min(event_work.c.at).label("since"))
        .where(WAITS)
        .group_by(*kept)
        .order_by(count.desc())
    )
    return [Cause(*row) for row in rows]


def how_many(conn: Connection) -> int:
    """How many messages and records wait for a person."""
    messages = select(func.count()).select_from(event_work).where(WAITS)
    records = select(func.count()).select_from(link).where(link.c.state.in_(STUCK))
    return int(conn.execute(messages).scalar() or 0) + int(conn.execute(records).scalar() or 0)


def waiting(
    conn: Connection, connection_id: str = "", code: str = "", start: int = 0, limit: int = 50
) -> Sequence[Any]:
    """Rows of event_work that wait for a person, newest first."""
    query = select(event_work).where(WAITS)
    if connection_id:
        query = query.where(event_work.c.connection_id == connection_id)
    if code:
        query = query.where(event_work.c.code == code)
    return list(
        conn.execute(query.order_by(event_work.c.at.desc(), event_work.c.seq.desc()).offset(start).limit(limit))
    )


def replay(conn: Connection, clock: Clock, actor: str, event_id: str) -> int:
    """Put one message through again; answers how many (0 when it no longer waits)."""
    return _again(conn, clock, actor, [event_work.c.event_id == event_id], {"event": event_id})


def replay_cause(conn: Connection, clock: Clock, actor: str, connection_id: str, code: str) -> int:
    """Put everything of one cause and connection through again; answers how many."""
    place = [event_work.c.connection_id == connection_id, event_work.c.code == code]
    return _again(conn, clock, actor, place, {"cause": code})


def trust(conn: Connection, clock: Clock, actor: str, event_id: str) -> int:
    """Take one message although nothing proves its sender; a person answers for it."""
    place = [event_work.c.event_id == event_id]
    return _again(conn, clock, actor, place, {"event": event_id}, TRUSTED)


def dismiss(conn: Connection, clock: Clock, actor: str, event_id: str) -> int:
    """Take one message off the list; it stays stored and can be found by its receipt."""
    waits = (event_work.c.event_id == event_id, WAITS)
    row = conn.execute(select(event_work.c.connection_id, event_work.c.code).where(*waits)).one_or_none()
    if row is None:
        return 0
    conn.execute(update(event_work).where(*waits).values(state="done", code="dismissed", at=clock.now()))
    note(conn, clock, "connection", row.connection_id, "dismissed", actor, {"event": event_id, "cause": row.code})
    return 1


def _again(
    conn: Connection, clock: Clock, actor: str, place: Sequence[Any], facts: Mapping[str, str], code: str = ""
) -> int:
    waits = (*place, WAITS)
    counted = conn.execute(
        select(event_work.c.connection_id, func.count().label("count"))
        .where(*waits)
        .group_by(event_work.c.connection_id)
    ).all()
    passed = case((event_work.c.code.in_(LIMITS), TRUSTED), else_=code)
    values = {
        "state": "waiting",
        "due_at": clock.now(),
        "attempts": 0,
        "code": passed,
        "lease": "",
        "lease_until": None,
    }
    conn.execute(update(event_work).where(*waits).values(values))
    what = "trusted" if code else "replayed"
    for connection_id, count in counted:
        note(conn, clock, "connection", connection_id, what, actor, {**facts, "count": count})
    return sum(count for _connection_id, count in counted)


# ── the message itself ───────────────────────────────────────────────────────────────────────────


def stored(store: Store, event_id: str) -> Any:
    """The event's row, None if there is none."""
    with store.read_inbox() as conn:
        return conn.execute(select(event).where(event.c.id == event_id)).one_or_none()


def state_of(conn: Connection, event_id: str) -> Any:
    """How far an event got: its row of event_work, None while nobody took it."""
    return conn.execute(select(event_work).where(event_work.c.event_id == event_id)).one_or_none()


def shown(row: Any, secrets: Collection[str] = ()) -> Message:
    """The message behind an event row, safe to show as plain text. `secrets` of its connection are hidden wherever
    they stand (some senders put theirs into the form), and so are query values, which may hold tokens."""
    query = "&".join(f"{part.partition('=')[0]}={HIDDEN}" for part in row.query.split("&") if part)
    raw = bytes(row.body)
    for secret in (one for one in secrets if len(one) >= SHORTEST_SECRET):
        for written in (secret, quote(secret, safe=""), quote_plus(secret)):
            raw = raw.replace(written.encode(), HIDDEN.encode())
    body, binary = _readable(raw[:MOST_SHOWN])
    known = [one for one in secrets if one]
    return Message(
        line=f"{row.method} /in/{HIDDEN}{'?' + query if query else ''}",
        headers=[(name, _masked(name, value, known)) for name, value in sorted(row.headers.items())],
        body=body,
        binary=binary,
        size=len(row.body),
        cut=len(raw) > MOST_SHOWN,
    )


def _masked(name: str, value: str, known: Sequence[str]) -> str:
    tells = any(part in name.lower() for part in SECRET_PARTS) or any(one in value for one in known)
    return HIDDEN if tells else value


def _readable(body: bytes) -> tuple[str, bool]:
    """UTF-8 as it is (a letter cut in two at the end is left out), anything else as hex with what is ASCII beside."""
    try:
        text = body.decode("utf-8", "strict" if len(body) < MOST_SHOWN else "ignore")
    except UnicodeDecodeError:
        return _hex(body[:4096]), True
    return (_hex(body[:4096]), True) if "\x00" in text else (text, False)


def _hex(body: bytes) -> str:
    rows = (body[start : start + 16] for start in range(0, len(body), 16))
    return "\n".join(
        f"{number * 16:06x}  {row.hex(' '):<47}  {''.join(chr(b) if 32 <= b < 127 else '.' for b in row)}"
        for number, row in enumerate(rows)
    )


# ── records a CRM does not take ──────────────────────────────────────────────────────────────────


def stuck(conn: Connection, start: int = 0, limit: int = 50) -> Sequence[Any]:
    """Links that wait for a person, newest first."""
    query = select(link).where(link.c.state.in_(STUCK)).order_by(link.c.since.desc(), link.c.id.desc())
    return list(conn.execute(query.offset(start).limit(limit)))


def try_again(conn: Connection, clock: Clock, actor: str, link_id: str) -> int:
    """Send a record to its CRM again; answers how many (0 when it no longer waits).

    What was parked failed for certain and may be created; what was held is looked for over there first.
    """
    row = conn.execute(select(link).where(link.c.id == link_id, link.c.state.in_(STUCK))).one_or_none()
    if row is None:
        return 0
    state = "linked" if row.remote_id else {"parked": "new", "held": "uncertain"}[row.state]
    conn.execute(
        update(link)
        .where(link.c.id == link_id, link.c.state == row.state)
        .values(
            state=state, dirty=link.c.dirty + 1, lane=PERSON, due_at=clock.now(), attempts=0, lookups=0, code="",
            why="", lease="", lease_until=None,
        )
    )  # fmt: skip
    note(conn, clock, row.role, row.record_id, "tried_again", actor, {"connection": row.connection_id})
    return 1
