"""What must be true of both sides after calm, whatever happened before: I1 to I8, I14 to I18, I20 of the model."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from hub.model import deal, journal, lead, link
from hub.sync import employer, holder, records
from hub.sync.account import ROLES
from hub.sync.holder import torn
from hub.sync.plan import ABSENT, ASKED, in_room
from tests.sync.fake import Row, tidy

if TYPE_CHECKING:
    from tests.sync.world import World

MORE_MAPPING = """
format = 1
crm = "fake"
[contact]
name = { crm = "name", codec = "text" }
company = { crm = "company", codec = "text" }
hub_id = { crm = "HUB_REF", codec = "text", direction = "out" }
middle_name = { crm = "secondname", codec = "text" }
[company]
name = { crm = "name", codec = "text" }
domain = { crm = "domain", codec = "text" }
address = { crm = "address", codec = "text" }
[lead]
title = { crm = "title", codec = "text", policy = "hub" }
created_at = { crm = "CREATED", codec = "datetime", direction = "out" }
"""
EXPLAINED = {
    "conflict", "unmapped", "has_open_lead", "not_here", "no_lead", "closed", "second_deal", "no_stage", "missing",
    "not_rejected", "reverted",
}  # fmt: skip
"""Causes that a person is shown and that leave both sides different on purpose."""
IDLE_POLLS = 3


def violations(world: World) -> list[str]:
    """One line each; empty when everything holds."""
    with world.store.read() as conn:
        links = conn.execute(select(link)).all()
        flats: dict[tuple[str, str], dict[str, Any]] = {}
        told: dict[tuple[str, str], dict[str, Any]] = {}
        for role in ROLES:
            ids = [row.record_id for row in links if row.role == role]
            flats |= {(role, key): flat for key, flat in records.load(conn, role, ids).items()}
            told |= {(role, key): flat for key, flat in employer.flats(conn, world.account, role, ids).items()}
        lines = conn.execute(select(journal)).all()
        leads = {row.id: row for row in conn.execute(select(lead))}
        deals = {row.id: row for row in conn.execute(select(deal))}
    known = told_values(lines)
    for row in deals.values():  # a lead and its deals are one story, and what was typed over in one is told
        if row.lead_id:
            typed_over = [old for (_role, record, _name), old in world.replaced.items() if record == row.id]
            known[row.lead_id] |= known[row.id].union(*typed_over)
    for row in deals.values():
        known[row.id] |= known[row.lead_id or ""]
    found = [
        *converged(world, links, told), *edits_here(world, flats, known), *edits_there(world, links, known),
        *one_to_one(world, links, lines), *nothing_missed(world, links), *dead(world, links),
        *hanging(world, links, flats), *conversions(world, leads, deals), *explained(world, links),
        *carried_over(links, leads, deals), *tags_kept(world, leads, deals), *nightly(world),
        *world.firms.violations(links, flats),
    ]  # fmt: skip
    return [*found, *idle(world), *remapped(world)]


def ill(world: World, row: Any) -> bool:
    """I15: whether this is the one record that breaks every write of it. Nobody else may suffer."""
    return (row.remote_id or "") in world.crm.poison


def stays(world: World, row: Any) -> bool:
    """Whether it is a lead again whose card nobody takes back: leads stay here, and its cause says so."""
    return not world.account.kind(row.role) and row.code == "stays_here"


def told_values(lines: list[Any]) -> dict[str, set[Any]]:
    """Every value that stands in a record's timeline."""
    known: dict[str, set[Any]] = defaultdict(set)
    for line in lines:
        facts = line.facts
        for value in (facts.get("from"), facts.get("to"), facts.get("hub"), facts.get("crm")):
            if isinstance(value, str):
                known[line.subject_id].add(value)
        known[line.subject_id] |= {v for v in (facts.get("values") or {}).values() if isinstance(v, str)}
    return known


def shown(world: World, row: Any) -> Row | None:
    return world.crm.rows.get(row.remote_id or "")


def converged(world: World, links: list[Any], flats: dict[Any, Any]) -> Iterator[str]:
    """I1: both sides agree on every two-way field, or an open difference is shown to a person."""
    for row in links:
        there = shown(world, row)
        if row.state != "linked" or there is None or there.deleted or ill(world, row) or stays(world, row):
            continue
        flat, record = flats[row.role, row.record_id], world.crm.shown(there)
        seen = world.account.seen(record, row.role)
        for slot in world.account.faces[row.role].slots:
            if slot.direction != "both" or slot.crm not in seen or slot.hub in row.base.get(ASKED, {}):
                continue
            theirs = slot.into(seen[slot.crm])
            if slot.hub == records.PLACE and (row.code in EXPLAINED or theirs is ABSENT or is_converted(record, row)):
                continue
            if (
                slot.hub in flat
                and theirs is not ABSENT
                and not slot.same(in_room(flat[slot.hub], theirs, slot.room), theirs)
            ):
                where = f"{row.role} {row.record_id} {slot.hub}"
                yield f"I1 {where}: here {flat[slot.hub]!r}, there {theirs!r} ({row.code})"


def is_converted(record: Any, row: Any) -> bool:
    return row.role == "lead" and bool(record.links.get("cards"))


def edits_here(world: World, flats: dict[Any, Any], known: dict[str, set[Any]]) -> Iterator[str]:
    """I2: a person's last edit in the hub is the final value, or stands in the timeline."""
    for (role, record, name), value in world.hub_edits.items():
        flat = flats.get((role, record))
        if flat is None or (flat.get(name) or "") == value or value in known[record]:
            continue
        yield f"I2 hub edit lost: {role} {record} {name} {value!r}, now {flat.get(name)!r}"


def edits_there(world: World, links: list[Any], known: dict[str, set[Any]]) -> Iterator[str]:
    """I2: a person's last edit in the CRM likewise; but for those in the moment between our look and our write, where
    the CRM has no conditional write."""
    owners: dict[str, set[str]] = defaultdict(set)
    for row in links:
        if row.remote_id:
            owners[row.remote_id].add(row.record_id)
    for (ref, name), value in world.crm_edits.items():
        there = world.crm.rows[ref]
        if there.deleted or tidy(there.values.get(name)) == value or (ref, name) in world.crm.raced:
            continue
        typed = {
            old for (_role, record, _name), values in world.replaced.items() if record in owners[ref] for old in values
        }
        if value not in typed and not any(value in known[record] for record in owners[ref]):
            yield f"I2 CRM edit lost: {ref} {name} {value!r}, now {there.values.get(name)!r}"


def tags_kept(world: World, leads: dict[str, Any], deals: dict[str, Any]) -> Iterator[str]:
    """I2 for sets: a tag that somebody put on, and nobody took off, is there; in the lead or in the deal it became. Of
    two cards that people merged the CRM keeps the tags of one."""
    if any(row.merged and row.kind != "people" for row in world.crm.rows.values()):
        return
    stories: dict[str, set[str]] = defaultdict(set)
    for key, row in [*leads.items(), *((row.lead_id or key, row) for key, row in deals.items())]:
        stories[key] |= set(row.tags)
    for record, tags in world.tags_here.items():
        story = deals[record].lead_id or record if record in deals else record
        for tag in sorted(tags - world.untagged - stories[story]):
            yield f"I2 tag lost here: {record} {tag}, now {sorted(stories[story])}"
    for ref, tags in world.tags_there.items():
        there = world.crm.rows[ref]
        if there.deleted or (ref, "tags") in world.crm.raced:
            continue
        for tag in sorted(tags - world.untagged - set(there.values.get("tags") or ())):
            yield f"I2 tag lost there: {ref} {tag}, now {there.values.get('tags')}"


def hanging(world: World, links: list[Any], flats: dict[Any, Any]) -> Iterator[str]:
    """I8, A11: a card that we made hangs on its contact; on whom a card hangs is the same on both sides."""
    people = {row.record_id: row for row in links if row.role == "contact"}
    owners = {row.remote_id: row.record_id for row in links if row.role == "contact" and row.remote_id}
    for row in links:
        there = shown(world, row)
        if row.role in ("contact", "company") or row.state != "linked" or there is None or ill(world, row):
            continue
        if stays(world, row):
            continue
        mine, shown_ = flats[row.role, row.record_id]["contact"], there.links.get("people", ())
        card = people.get(mine)
        known = card is not None and card.state == "linked"
        asked = row.code == "has_open_lead" or (row.code and torn(row.base, row.raw))
        if shown_ and known and not asked and living(world, owners.get(shown_[0], "")) != mine:
            yield f"I1 {row.role} {row.record_id} is {mine}'s here, and hangs on {shown_} there"
        if shown_ and card is None and not asked:
            yield f"A11 {row.role} {row.record_id} is {mine}'s here, who was never made there"
        if there.by != "api":
            continue
        person = people.get(flats[row.role, row.record_id]["contact"])
        if person is not None and person.remote_id and not there.links.get("people"):
            yield f"I8 {row.role} {row.record_id} hangs on nobody, its contact is {person.remote_id}"


def living(world: World, contact_id: str) -> str:
    with world.store.read() as conn:
        return holder.living(conn, contact_id)


def one_to_one(world: World, links: list[Any], lines: list[Any]) -> Iterator[str]:
    """I3: per marker one live record of ours, per remote record one live link of ours, no create taken for a stranger;
    I6: what was deleted is not made again."""
    told = [row for row in world.crm.rows.values() if (row.by == "api" or row.marker) and not row.merged]
    made = Counter((row.kind, row.marker) for row in told)
    for (kind, marker), count in made.items():
        if marker and count > 1:
            yield f"I3/I6 {count} records of {kind} {marker}"
    live = Counter((row.remote_id, row.role) for row in links if row.state == "linked" and row.remote_id)
    two = Counter(row.remote_id for row in links if row.state == "linked" and row.remote_id and row.role != "contact")
    yield from (f"I3 {count} links to {ref}" for ref, count in [*live.items(), *two.items()] if count > 1)
    ours = {row.ref for row in world.crm.rows.values() if row.marker}
    imported = [line.facts["ref"] for line in lines if line.what == "imported" and line.subject in ("lead", "deal")]
    yield from (f"I3 own create imported: {ref}" for ref in imported if ref in ours and not was_strange(world, ref))


def was_strange(world: World, ref: str) -> bool:
    return world.crm.rows[ref].by != "api"


def nothing_missed(world: World, links: list[Any]) -> Iterator[str]:
    """I5: every live card on a stage of the table is known here."""
    known = {row.remote_id for row in links}
    places = {(row[3], row[4]) for row in world.account.placement.rows}
    for row in world.crm.live("cards", "leads"):
        place = (str(row.values.get("pipeline", "")), row.values.get("stage"))
        if row.kind in world.account.kinds and row.ref not in known and place in places:
            yield f"I5 never seen: {row.kind} {row.ref} {row.values}"


def dead(world: World, links: list[Any]) -> Iterator[str]:
    """I8: no live link to a dead record."""
    for row in links:
        there = shown(world, row)
        if row.state == "linked" and (there is None or there.deleted):
            yield f"I8 {row.role} {row.record_id} is linked to dead {row.remote_id}"


def conversions(world: World, leads: dict[str, Any], deals: dict[str, Any]) -> Iterator[str]:
    """I7: one deal per lead that is one, and one deal of ours over there."""
    alive = Counter(row.lead_id for row in deals.values() if row.lead_id and row.state != "reverted")
    yield from (f"I7 {count} deals of {lead_id}" for lead_id, count in alive.items() if count > 1)
    for lead_id in alive:
        if leads[lead_id].state != "converted":
            yield f"I7 lead {lead_id} is {leads[lead_id].state} and has a deal"
    if world.account.native:
        made = Counter(row.marker for row in world.crm.rows.values() if row.kind == "cards" and row.by == "api")
        yield from (f"I7 {count} deals made of {marker}" for marker, count in made.items() if count > 1)


def carried_over(links: list[Any], leads: dict[str, Any], deals: dict[str, Any]) -> Iterator[str]:
    """I7: a lead that is over there is carried on by its deal."""
    state = {(row.role, row.record_id): row.state for row in links}
    for row in deals.values():
        before = state.get(("lead", row.lead_id))
        if row.state != "reverted" and before not in (None, "tombstoned") and ("deal", row.id) not in state:
            yield f"I7 deal {row.id} has no link, its lead's is {before}"


def nightly(world: World) -> Iterator[str]:
    """P7: after calm the nightly comparison finds nothing that hooks and polls had not found, but for deletions of
    which this CRM gives no evidence."""
    differences = world.audit.differences
    if differences and world.crm.facts.deleted_list and not world.crm.poison:
        yield f"I1 the audit found {differences} differences on {world.audit.records} records"


def explained(world: World, links: list[Any]) -> Iterator[str]:
    """I20: what is not well says why; and nothing is left on its way."""
    for row in links:
        if row.state in ("parked", "held", "tombstoned") and not (row.code and row.why and row.since):
            yield f"I20 {row.state} without a cause: {row.role} {row.record_id}"
        if ill(world, row):
            if row.dirty and row.state not in ("history", "tombstoned") and not (row.code and row.why):
                yield f"I15 {row.role} {row.record_id} breaks every write and nobody is told"
            continue
        if row.state in ("sending", "uncertain") or (row.state == "new" and row.dirty and world.account.kind(row.role)):
            yield f"I1 still {row.state}: {row.role} {row.record_id} {row.code} {row.why}"
        if row.state == "linked" and row.dirty:
            yield f"I1 still dirty: {row.role} {row.record_id} {row.code} {row.why}"
        there = shown(world, row)
        if row.state == "linked" and there and there.values.get("stage") == "unknown" and row.code != "unmapped":
            yield f"I20 {row.role} {row.record_id} stands on an unknown stage and says {row.code!r}"
        merged = any(one.merged for one in world.crm.rows.values())
        if row.code == "same_remote" and not merged:  # people made one record of two that are two here
            yield f"I3 {row.role} {row.record_id}: {row.why}"
        if row.state == "parked" and row.code not in ("missing", "refuse"):
            yield f"I1 parked {row.code} {row.why}"


def idle(world: World) -> Iterator[str]:
    """I4, I14: after calm nothing is written, and a poll is one list per kind."""
    writes, calls, polls = world.crm.writes, world.crm.calls.copy(), IDLE_POLLS
    for _poll in range(polls):
        world.clock.advance(40)
        world.puller.step("crm-1")
        world.pusher.drain("crm-1")
    if world.crm.writes != writes:
        yield f"I4 {world.crm.writes - writes} writes after calm"
    made = world.crm.calls - calls
    if world.crm.poison:
        return  # it is tried again now and then
    if made["get"] or made["find"] or made["list"] > 2 * polls * len(world.account.kinds):
        yield f"I14 calls of {polls} idle polls: {dict(made)}"


def remapped(world: World) -> Iterator[str]:
    """I18: a mapping that knows one field more is no edit of anybody's: nothing is written, nobody is said to have done
    anything, also not after everything was compared."""
    with world.store.hub.begin() as conn:
        world.change(conn, mapping=MORE_MAPPING)
        last = conn.execute(select(func.max(journal.c.id))).scalar() or ""
    writes = world.crm.writes
    world.auditor.run("crm-1")
    for _poll in range(2):
        world.pusher.drain("crm-1")
        world.clock.advance(40)
        world.puller.step("crm-1")
    if world.crm.writes != writes and not world.crm.poison:
        yield f"I18 {world.crm.writes - writes} writes because the mapping changed"
    with world.store.read() as conn:
        people = conn.execute(select(journal).where(journal.c.id > last, journal.c.actor.like("member:%"))).all()
    yield from (f"I18 {line.actor} {line.what} because the mapping changed" for line in people)
