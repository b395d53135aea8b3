"""Who answers for a record where one side does not know the other's people: a stand-in, and a list of whom to name.

Guarantees: while a connection has a stand-in no card is written without a responsible; what a stand-in answers for is
no edit here; once an admin says who is who, the records of that person follow by themselves. A connection's config
keeps `tables.owners` (member → user), `owner_there` and `owner_here` (the stand-ins, "" for: the CRM's own choice, our
routing) and `users` (user → name, as last described).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, func, select, update

from connectors.contract import User
from hub.clock import SECOND, Clock
from hub.intake.connections import FRESH_S, mapping_of
from hub.model import connection, deal, lead, link, member
from hub.routing.reading import read_staff
from hub.store.notes import REST, note
from hub.sync.plan import ABSENT, ASSERT, Slot
from mappings import BadMapping, load
from mappings import Mapping as FieldMapping

if TYPE_CHECKING:
    from hub.sync.account import Face

OWNER, THERE, HERE = "owner", "owner_there", "owner_here"
NOT_THERE, NOT_HERE = "owner_not_there", "owner_not_here"
"""Causes: a colleague who has no user in the CRM; a user of the CRM who is nobody here."""
CARDS: Mapping[str, Any] = {"lead": lead, "deal": deal}
Config = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Nameless:
    """A person of one side whom the other does not know. `since` in ms."""

    code: str
    who: str
    name: str
    count: int
    since: int


def known(config: Config) -> dict[str, str]:
    """Our members and who they are over there."""
    return {str(mine): str(theirs) for mine, theirs in config.get("tables", {}).get("owners", {}).items()}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def sayable(slots: Sequence[Slot], config: Config) -> tuple[Slot, ...]:
    """With a stand-in any owner can be told."""
    if not config.get(THERE):
        return tuple(slots)
    return tuple(replace(one, fits=lambda _value: True) if one.hub == OWNER else one for one in slots)


def told(
    mapping: FieldMapping, face: Face, wish: Mapping[str, Any], before: Mapping[str, Any], config: Config
) -> Mapping[str, Any]:
    """What to send, with the stand-in for an owner who is nobody there. A person of theirs whom nobody here knows is
    not pushed aside; the stand-in always is."""
    slot = next((one for one in face.slots if one.hub == OWNER), None)
    there = str(config.get(THERE) or "")
    if slot is None or not there or OWNER not in wish:
        return mapping.write(face.section, wish, before).values
    shown = before.get(slot.crm)
    ours = shown in (None, "") or str(shown) == there
    found = mapping.write(face.section, wish, {**before, slot.crm: None} if ours else before)
    values = dict(found.values)
    if OWNER in found.kept and (ours or slot.into(shown) is not ABSENT):
        values[slot.crm] = there
    if str(values.get(slot.crm)) == str(shown):
        del values[slot.crm]
    return values


# ── who is who ───────────────────────────────────────────────────────────────────────────────────


def learn(conn: Connection, now: int, config: Config, users: Sequence[User]) -> dict[str, Any]:
    """A config that knows the CRM's users: members with the same e-mail address are the same people, unless a person
    said otherwise, and the colleague of the last resort stands in for those who have none."""
    active = [one for one in users if one.active]
    by_mail = {one.email.lower(): one.ref for one in active if one.email}
    members = list(conn.execute(select(member.c.id, member.c.login).order_by(member.c.created_at)))
    met = {row.id: by_mail[row.login.lower()] for row in members if row.login.lower() in by_mail}
    said = {mine: theirs for mine, theirs in known(config).items() if theirs in {one.ref for one in active}}
    owners = {**met, **said}
    last = owners.get(read_staff(conn, now).last_resort)
    there = last or next(iter(owners.values()), "") or next((one.ref for one in active), "")
    tables = {**config.get("tables", {}), "owners": owners}
    return {THERE: there, **config, "tables": tables, "users": {one.ref: one.name for one in users}}


def say(conn: Connection, clock: Clock, actor: str, connection_id: str, news: Mapping[str, str], **stands: str) -> int:
    """These members are these users over there ("" for nobody), and these are the stand-ins (`there`, `here`; left
    out: as they are). Answers how many records follow. Raises KeyError for a connection that is none."""
    mine = connection.c.id == connection_id
    row = conn.execute(select(connection).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise KeyError(connection_id)
    before = known(row.config)
    owners = {one: user for one, user in {**before, **news}.items() if user}
    config = {**row.config, "tables": {**row.config.get("tables", {}), "owners": owners}}
    config |= {name: stands[word] for word, name in (("there", THERE), ("here", HERE)) if word in stands}
    conn.execute(update(connection).where(mine).values(config=config))
    changed = {one for one, user in owners.items() if before.get(one) != user}
    count = sum(_follow(conn, clock, row, role, changed, {owners[one] for one in changed}) for role in CARDS)
    note(conn, clock, "connection", connection_id, "owners", actor, {"named": sorted(changed), "records": count})
    return count


def reread(conn: Connection, clock: Clock, actor: str, connection_id: str, users: Sequence[User]) -> int:
    """The CRM's users as they are now: whoever has a colleague's address is that colleague, and who is there no more
    is nobody. Answers how many records follow. Raises KeyError for a connection that is none."""
    mine = connection.c.id == connection_id
    row = conn.execute(select(connection).where(mine).with_for_update()).one_or_none()
    if row is None:
        raise KeyError(connection_id)
    config, before = learn(conn, clock.now(), row.config, users), known(row.config)
    after = known(config)
    conn.execute(update(connection).where(mine).values(config={**row.config, "users": config["users"]}))
    news = {one: after.get(one, "") for one in {*before, *after} if before.get(one) != after.get(one)}
    return say(conn, clock, actor, connection_id, news, there=config[THERE])


def _follow(conn: Connection, clock: Clock, row: Any, role: str, members: set[str], users: set[str]) -> int:
    """Cards of these people are looked at again: theirs as if it were news, ours as if it had never been told."""
    field, table = fields(row).get(role), CARDS[role]
    if not field or not members:
        return 0
    mine = (link.c.connection_id == row.id) & (link.c.role == role) & (link.c.state == "linked")
    cards = select(link.c.id, link.c.base, link.c.raw, table.c.owner_id).join(table, table.c.id == link.c.record_id)
    count, later = 0, clock.now() + round(2 * FRESH_S * SECOND)  # by then every process reads the new table
    for one in conn.execute(cards.where(mine)).all():
        base, raw = dict(one.base), dict(one.raw)
        if str(raw.get(field)) in users:
            raw.pop(field)
        elif one.owner_id in members:
            base.pop(OWNER, None)
            base[ASSERT] = sorted({*base.get(ASSERT, ()), OWNER})
        else:
            continue
        again = {"dirty": link.c.dirty + 1, "lane": REST, "due_at": later}
        conn.execute(update(link).where(link.c.id == one.id).values(base=base, raw=raw, **again))
        count += 1
    return count


# ── whom nobody knows ────────────────────────────────────────────────────────────────────────────


def nameless(conn: Connection, row: Any) -> Iterator[Nameless]:
    """Each person once: colleagues with open cards over there who have no user, users whose cards stand here."""
    places = fields(row) if row.config.get("placement") else {}
    found: dict[tuple[str, str], Nameless] = {}
    for role, field in places.items():
        for one in (*_colleagues(conn, row, role), *_users(conn, row, role, field)):
            same = found.get((one.code, one.who), one)
            more = one.count if same is not one else 0
            found[one.code, one.who] = replace(same, count=same.count + more, since=min(same.since, one.since))
    yield from found.values()


def _colleagues(conn: Connection, row: Any, role: str) -> Iterator[Nameless]:
    table = CARDS[role]
    mine = (link.c.connection_id == row.id) & (link.c.role == role) & (link.c.state == "linked")
    theirs = (table.c.state == "open") & table.c.owner_id.not_in(list(known(row.config)))
    columns = (member.c.id, member.c.name, func.count().label("n"), func.min(link.c.since).label("since"))
    tables = link.join(table, table.c.id == link.c.record_id).join(member, member.c.id == table.c.owner_id)
    grouped = select(*columns).select_from(tables).where(mine, theirs).group_by(member.c.id, member.c.name)
    for one in conn.execute(grouped):
        yield Nameless(NOT_THERE, one.id, one.name, one.n, one.since)


def _users(conn: Connection, row: Any, role: str, field: str) -> Iterator[Nameless]:
    """Users by what cards showed last."""
    names, people = row.config.get("users", {}), {*known(row.config).values(), str(row.config.get(THERE) or "")}
    mine = (link.c.connection_id == row.id) & (link.c.role == role) & (link.c.state == "linked")
    ref = link.c.raw[field].as_string().label("ref")
    grouped = select(ref, func.count().label("n"), func.min(link.c.since).label("since")).where(mine).group_by(ref)
    for one in conn.execute(grouped):
        who = str(one.ref or "")
        if who not in ("", "0") and who not in people:
            yield Nameless(NOT_HERE, who, names.get(who, who), one.n, one.since)


def sentence(one: Nameless, config: Config) -> str:
    """For the admin."""
    if one.code == NOT_HERE:
        return f"{one.name} answers for cards in the CRM and is nobody here: their owners here stay as they are"
    there = str(config.get(THERE) or "")
    who = config.get("users", {}).get(there, there) or "whomever the CRM chooses"
    return f"{one.name} has no user in the CRM: their cards there are {who}’s until somebody says who they are"


def listed(conn: Connection, connection_id: str) -> list[str]:
    """All of them, in sentences. Raises KeyError for a connection that is none."""
    row = conn.execute(select(connection).where(connection.c.id == connection_id)).one_or_none()
    if row is None:
        raise KeyError(connection_id)
    return [f"{one.who}: {sentence(one, row.config)}" for one in nameless(conn, row)]


def by_login(conn: Connection, login: str) -> str:
    """The member who signs in with this name; raises KeyError."""
    found = conn.execute(select(member.c.id).where(func.lower(member.c.login) == login.lower())).scalar()
    if found is None:
        raise KeyError(login)
    return str(found)


def fields(row: Any) -> dict[str, str]:
    """Under which name a CRM keeps the responsible, by role; none while the mapping cannot be read."""
    try:
        mapping = load(mapping_of(row), row.config.get("tables"))
    except BadMapping:
        return {}
    lines = {line.kind: line.crm for line in mapping.lines if line.hub == OWNER}
    deals = lines.get("deal", "")
    apart = (row.config.get("placement") or {}).get("strategy") == "native"
    found = {"lead": lines.get("lead", "") if apart else deals or lines.get("lead", ""), "deal": deals}
    return {role: field for role, field in found.items() if field}
