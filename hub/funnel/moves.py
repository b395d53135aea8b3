"""What people (and CRMs on their behalf) do with leads: take, move, reject, reopen, convert.

Each move is one transaction of the caller, locks the lead first, leaves a line in the journal and marks
the links, so that the CRM follows. A move that changes nothing writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, func, select, update

from hub.clock import DAY, HOUR, Clock
from hub.funnel import carried
from hub.funnel.sets import merged
from hub.model import connection, conversion, deal, lead, link, member, stage
from hub.store.notes import PERSON, mark_dirty, note

NEXT_STEP = {"first_touch": 0, "call_back": 4 * HOUR, "qualify": DAY, "follow_up": 2 * DAY}
"""Next steps by name and how long one has by default."""
WITHOUT_DEAL = ("rejected", "contact", "nurture")
"""Decisions that close a lead and make no deal."""


class NotPossible(Exception):
    """This move cannot be made now; the text says why. `code` is stable for pages and tests."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def lock_lead(conn: Connection, lead_id: str) -> Any:
    """The lead's row, ours until the end of the transaction."""
    row = conn.execute(select(lead).where(lead.c.id == lead_id).with_for_update()).one_or_none()
    if row is None:
        raise NotPossible("missing", "There is no such lead")
    return row


def open_lead(conn: Connection, lead_id: str) -> Any:
    """The same, but it must be open."""
    row = lock_lead(conn, lead_id)
    if row.state != "open":
        raise NotPossible("closed", f"This lead is already {row.state}")
    return row


def save_lead(conn: Connection, clock: Clock, row: Any, **values: Any) -> None:
    """Other columns of a locked lead; its CRMs are told."""
    conn.execute(
        update(lead).where(lead.c.id == row.id).values(version=lead.c.version + 1, active_at=clock.now(), **values)
    )
    mark_dirty(conn, clock, [row.id], PERSON)


def take_lead(conn: Connection, clock: Clock, lead_id: str, member_id: str) -> None:
    """The member works on this lead from now on. The first one wins; taking one's own again changes nothing."""
    row = open_lead(conn, lead_id)
    if row.taken_by == member_id:
        return
    if row.taken_by:
        name = conn.execute(select(member.c.name).where(member.c.id == row.taken_by)).scalar()
        raise NotPossible("taken", f"{name} has taken this lead already")
    now = clock.now()
    save_lead(
        conn, clock, row, taken_by=member_id, taken_at=now, owner_id=member_id,
        next_step="qualify", next_step_at=now + NEXT_STEP["qualify"],
    )  # fmt: skip
    note(conn, clock, "lead", row.id, "taken", f"member:{member_id}", {"from": row.owner_id, "owner": member_id})


def give_lead(conn: Connection, clock: Clock, lead_id: str, owner_id: str, actor: str) -> None:
    """Change the responsible."""
    row = open_lead(conn, lead_id)
    if row.owner_id == owner_id:
        return
    save_lead(conn, clock, row, owner_id=owner_id, taken_by=None, taken_at=None)
    note(conn, clock, "lead", row.id, "given", actor, {"from": row.owner_id, "owner": owner_id})


def move_lead(conn: Connection, clock: Clock, lead_id: str, stage_key: str, actor: str) -> None:
    """Put an open lead on another stage of the lead block."""
    row = open_lead(conn, lead_id)
    if row.stage == stage_key:
        return
    target = _stage(conn, row.direction_id, "lead", stage_key)
    if target.final == "rejected":
        raise NotPossible("needs_reason", "Rejecting needs a reason")
    save_lead(conn, clock, row, stage=stage_key)
    note(conn, clock, "lead", row.id, "moved", actor, {"from": row.stage, "to": stage_key})


def reject_lead(conn: Connection, clock: Clock, lead_id: str, reason: str, actor: str) -> None:
    """Close a lead without a deal; the reason is part of it. Also one that was put off until later."""
    reason = reason.strip()
    if not reason:
        raise NotPossible("needs_reason", "Say why this lead is rejected")
    row = lock_lead(conn, lead_id)
    if row.state not in ("open", "nurture"):
        raise NotPossible("closed", f"This lead is already {row.state}")
    final = closing_stage(conn, row.direction_id, "lead", "rejected")
    closed: dict[str, Any] = {"reason": reason, "closed_at": clock.now(), "return_at": None}
    save_lead(conn, clock, row, state="rejected", stage=final or row.stage, **closed)
    note(conn, clock, "lead", row.id, "rejected", actor, {"reason": reason, "from": row.stage})


def reopen_lead(conn: Connection, clock: Clock, lead_id: str, stage_key: str, actor: str) -> None:
    """A lead closed without a deal is wanted again; refused while the person has another open one in this direction."""
    row = lock_lead(conn, lead_id)
    if row.state not in WITHOUT_DEAL:
        raise NotPossible("not_rejected", "Only a lead that was closed without a deal can be reopened")
    if other_open_lead(conn, row):
        raise NotPossible("has_open_lead", "This person has another open lead in this direction")
    now = clock.now()
    save_lead(
        conn, clock, row, state="open", stage=stage_key, reason="", closed_at=None, return_at=None,
        next_step="call_back", next_step_at=now + NEXT_STEP["call_back"],
    )  # fmt: skip
    note(conn, clock, "lead", row.id, "reopened", actor, {"stage": stage_key})


def convert_lead(conn: Connection, clock: Clock, lead_id: str, actor: str, deal_stage: str = "") -> str:
    """Make the lead a deal; answers the deal's id. Converting twice gives the same deal.

    In one transaction: the deal, the conversion row, the closed lead, and the CRM card's new role. The
    card keeps its id; the next push carries it over the border if it is not there already.
    """
    row = lock_lead(conn, lead_id)
    if row.state == "converted":
        found = conn.execute(select(deal.c.id).where(deal.c.lead_id == lead_id, deal.c.state != "reverted")).scalar()
        if found:
            return str(found)
    if row.state in WITHOUT_DEAL:
        raise NotPossible("closed", "A lead closed without a deal has to be reopened before it can become one")
    deal_id = clock.new_id()
    conn.execute(
        deal.insert().values(
            id=deal_id, lead_id=row.id, contact_id=row.contact_id, direction_id=row.direction_id,
            stage=deal_stage or first_stage_of(conn, row.direction_id, "deal"), state="open", owner_id=row.owner_id,
            title=row.title, amount=row.amount, currency=row.currency, tags=row.tags, own=row.own, reason="", version=1,
            opened_at=clock.now(), active_at=clock.now(),
        )
    )  # fmt: skip
    _close_as(conn, clock, row, deal_id, actor)
    note(conn, clock, "deal", deal_id, "opened", actor, {"lead": row.id})
    return deal_id


def convert_into(conn: Connection, clock: Clock, lead_id: str, deal_id: str, actor: str) -> None:
    """The open lead became this deal, which was known before it and had been no lead's."""
    row = open_lead(conn, lead_id)
    held = conn.execute(select(deal.c.tags, deal.c.own).where(deal.c.id == deal_id)).one()
    both = {"tags": list(dict.fromkeys((*held.tags, *row.tags))), "own": {**row.own, **held.own}}
    values = {"lead_id": lead_id, "version": deal.c.version + 1, **both}
    conn.execute(update(deal).where(deal.c.id == deal_id).values(values))
    _close_as(conn, clock, row, deal_id, actor)


def _close_as(conn: Connection, clock: Clock, row: Any, deal_id: str, actor: str) -> None:
    """The lead is closed, and goes on as this deal, which stands in its place in every CRM."""
    now = clock.now()
    n = conn.execute(select(func.count()).where(conversion.c.lead_id == row.id)).scalar() or 0
    before = carried.remember(conn, row)
    made: dict[str, Any] = {"id": clock.new_id(), "n": n + 1, "state": "done", "by": actor, "at": now, "before": before}
    conn.execute(conversion.insert().values(lead_id=row.id, deal_id=deal_id, **made))
    save_lead(conn, clock, row, state="converted", closed_at=now, qualified_at=now)
    _hand_links_over(conn, clock, row.id, deal_id)
    note(conn, clock, "lead", row.id, "converted", actor, {"deal": deal_id})
    carried.sign(conn, clock, made["id"], before, deal_id)


def _hand_links_over(conn: Connection, clock: Clock, lead_id: str, deal_id: str) -> None:
    """The card in the CRM is the deal's from now on; the lead's link stays as history.

    A card that is still on its way there simply changes its passenger. Where leads are records of their own the
    lead keeps its link, and the deal gets one: the very one it had when it was a deal before.
    """
    rows = list(conn.execute(select(link).where(link.c.record_id == lead_id, link.c.role == "lead")))
    apart = _apart(conn, [row.connection_id for row in rows])
    for row in rows:
        if row.connection_id in apart:
            if row.state != "tombstoned" and not _take_old_deal_over(conn, clock, row, deal_id):
                fresh: dict[str, Any] = {
                    "base": {},
                    "raw": {},
                    "sent": {},
                    "remote_id": None,
                    "remote_kind": "",
                    "state": "new",
                }
                conn.execute(link.insert().values({**_heir(clock, row, "deal", deal_id), **fresh}))
        elif row.state in ("linked", "held", "parked"):
            conn.execute(link.insert().values(_unless_taken(conn, _heir(clock, row, "deal", deal_id))))
            # Without its lease: an answer that is on its way to this row belongs to nobody any more.
            gone = {"state": "history", "dirty": 0, "lease": "", "lease_until": None, "code": "", "why": ""}
            conn.execute(update(link).where(link.c.id == row.id).values(gone))
        elif row.state in ("new", "sending", "uncertain"):
            passenger = {"role": "deal", "record_id": deal_id, "dirty": link.c.dirty + 1}
            conn.execute(update(link).where(link.c.id == row.id).values(passenger))


def _apart(conn: Connection, connection_ids: Sequence[str]) -> set[str]:
    """Those of these CRM connections in which leads and deals are records of different kinds."""
    rows = conn.execute(select(connection.c.id, connection.c.config).where(connection.c.id.in_(connection_ids)))
    return {row.id for row in rows if (row.config.get("placement") or {}).get("strategy") == "native"}


def _take_old_deal_over(conn: Connection, clock: Clock, row: Any, deal_id: str) -> bool:
    """A lead that was a deal over there before becomes that same deal again."""
    deals = select(deal.c.id).where(deal.c.lead_id == row.record_id)
    before = (link.c.connection_id == row.connection_id) & (link.c.role == "deal") & link.c.record_id.in_(deals)
    there = link.c.remote_id.is_not(None) & (link.c.state != "tombstoned")
    old = conn.execute(select(link.c.id).where(before, there).limit(1)).scalar()
    values = {"record_id": deal_id, "state": "linked", "dirty": link.c.dirty + 1, "due_at": clock.now()}
    return bool(old and conn.execute(update(link).where(link.c.id == old).values(values)).rowcount)


def _heir(clock: Clock, row: Any, role: str, record_id: str) -> dict[str, Any]:
    """A link that goes on where another one stops."""
    heir = {name: getattr(row, name) for name in link.columns.keys()}  # noqa: SIM118 - no dict
    heir.update(
        id=clock.new_id(), role=role, record_id=record_id, state=_heir_state(row), dirty=1, lane=PERSON,
        due_at=clock.now(), lease="", lease_until=None, attempts=0,
    )  # fmt: skip
    if heir["state"] not in ("held", "tombstoned"):  # what waits for a person keeps its cause
        heir |= {"code": "", "why": "", "since": clock.now()}
    return heir


def _unless_taken(conn: Connection, heir: dict[str, Any]) -> dict[str, Any]:
    """The heir as it is; held for a person where its card is another record's already, because people merged two cards
    over there."""
    same = [link.c[name] == heir[name] for name in ("connection_id", "remote_kind", "remote_id", "role")]
    same.append(link.c.record_id != heir["record_id"])
    if heir["remote_id"] is None or conn.execute(select(link.c.id).where(*same)).first() is None:
        return heir
    why = f"Card {heir['remote_id']} over there belongs to another record here: merge them"
    return {**heir, "remote_id": None, "state": "held", "code": "same_remote", "why": why}


def _heir_state(row: Any) -> str:
    """A refused card was never made and is tried again as a deal; what waits for a person goes on waiting."""
    if row.state == "parked":
        return "linked" if row.remote_id else "new"
    return str(row.state)


def revert_conversion(
    conn: Connection, clock: Clock, deal_id: str, stage_key: str, actor: str, back: Mapping[str, Any] | None = None
) -> str:
    """The deal was none: the lead is open again on that stage, the deal stays as `reverted`; answers the lead's id.
    `back` are columns of the lead as they were before."""
    row = conn.execute(select(deal).where(deal.c.id == deal_id).with_for_update()).one()
    if not row.lead_id:
        raise NotPossible("no_lead", "This deal was never a lead")
    if row.state == "reverted":
        return str(row.lead_id)
    was = lock_lead(conn, row.lead_id)
    if other_open_lead(conn, was):
        raise NotPossible("has_open_lead", "This person has another open lead in this direction")
    now = clock.now()
    told = conn.execute(select(conversion.c.before).where(conversion.c.deal_id == deal_id)).scalar() or {}
    tags = merged(told.get("lead", {}).get("tags", ()), row.tags, was.tags)  # both may have been edited since
    conn.execute(update(deal).where(deal.c.id == deal_id).values(state="reverted", closed_at=now))
    conn.execute(update(conversion).where(conversion.c.deal_id == deal_id).values(state="reverted"))
    carried.void(conn, deal_id)
    values: dict[str, Any] = {
        "qualified_at": None, "title": row.title, "tags": tags, "own": {**was.own, **row.own}, "amount": row.amount,
        "currency": row.currency,
        "owner_id": row.owner_id, "next_step": "call_back",
        "next_step_at": now + NEXT_STEP["call_back"], **(back or {}), "stage": stage_key,
    }  # fmt: skip
    save_lead(conn, clock, was, state="open", closed_at=None, **values)
    if was.title not in ("", values["title"]):  # it was edited apart from its deal
        note(conn, clock, "lead", was.id, "field", actor, {"field": "title", "from": was.title, "to": values["title"]})
    _hand_links_back(conn, clock, str(was.id), deal_id)
    note(
        conn, clock, "lead", was.id, "reverted", actor, {"deal": deal_id, "stage": stage_key, "exact": back is not None}
    )
    return str(was.id)


def _hand_links_back(conn: Connection, clock: Clock, lead_id: str, deal_id: str) -> None:
    """The card is the lead's again, and what both sides agreed on last goes with it."""
    rows = list(conn.execute(select(link).where(link.c.record_id == deal_id, link.c.role == "deal")))
    apart = _apart(conn, [row.connection_id for row in rows])
    for old in rows:
        mine = (link.c.record_id == lead_id) & (link.c.role == "lead") & (link.c.connection_id == old.connection_id)
        if old.connection_id in apart:
            if old.state == "new":
                conn.execute(link.delete().where(link.c.id == old.id))
            elif old.remote_id:
                gone = {"state": "history", "dirty": 0, "lease": "", "lease_until": None}
                conn.execute(update(link).where(link.c.id == old.id).values(gone))
            continue
        known = conn.execute(select(link.c.id).where(mine)).scalar()
        back = _unless_taken(conn, _heir(clock, old, "lead", lead_id))
        if known is None:
            passenger = {"role": "lead", "record_id": lead_id, "dirty": link.c.dirty + 1}
            held = {name: back[name] for name in ("remote_id", "state", "code", "why") if back["state"] == "held"}
            conn.execute(update(link).where(link.c.id == old.id).values({**passenger, **held}))
        else:
            conn.execute(link.delete().where(link.c.id == old.id))
            conn.execute(update(link).where(link.c.id == known).values({**back, "id": known}))


def final_of(conn: Connection, lead_id: str, block: str, key: str) -> str:
    """What a stage of this lead's direction closes: "", rejected, won or lost."""
    place = (stage.c.direction_id == lead.c.direction_id) & (stage.c.block == block) & (stage.c.key == key)
    return str(
        conn.execute(select(stage.c.final).select_from(lead.join(stage, place)).where(lead.c.id == lead_id)).scalar()
        or ""
    )


def first_stage(conn: Connection, lead_id: str) -> str:
    """The lead stage in which leads of this one's direction start."""
    return first_stage_of(
        conn, str(conn.execute(select(lead.c.direction_id).where(lead.c.id == lead_id)).scalar()), "lead"
    )


def other_open_lead(conn: Connection, row: Any) -> bool:
    """Whether the person has another open lead in the same direction."""
    other = select(lead.c.id).where(
        lead.c.contact_id == row.contact_id, lead.c.direction_id == row.direction_id, lead.c.state == "open"
    )
    return conn.execute(other).first() is not None


def move_deal(conn: Connection, clock: Clock, deal_id: str, stage_key: str, actor: str, reason: str = "") -> None:
    """Put a deal on another stage; a final stage closes it, another opens it again."""
    row = conn.execute(select(deal).where(deal.c.id == deal_id).with_for_update()).one_or_none()
    if row is None:
        raise NotPossible("missing", "There is no such deal")
    if row.stage == stage_key:
        return
    if row.state == "reverted":
        raise NotPossible("reverted", "This deal was taken back: its lead is open again")
    target = _stage(conn, row.direction_id, "deal", stage_key)
    now = clock.now()
    conn.execute(
        update(deal)
        .where(deal.c.id == deal_id)
        .values(
            stage=stage_key, state=target.final or "open", closed_at=now if target.final else None, reason=reason,
            active_at=now, version=deal.c.version + 1,
        )
    )  # fmt: skip
    mark_dirty(conn, clock, [deal_id], PERSON)
    note(conn, clock, "deal", deal_id, "moved", actor, {"from": row.stage, "to": stage_key})


def _stage(conn: Connection, direction_id: str, block: str, key: str) -> Any:
    place = (stage.c.direction_id == direction_id) & (stage.c.block == block) & (stage.c.key == key)
    row = conn.execute(select(stage).where(place)).one_or_none()
    if row is None:
        raise NotPossible("no_stage", f"There is no {block} stage “{key}” in this direction")
    return row


def first_stage_of(conn: Connection, direction_id: str, block: str) -> str:
    """The stage in which records of a block begin. Raises `NotPossible` where the block has none."""
    place = (stage.c.direction_id == direction_id) & (stage.c.block == block)
    key = conn.execute(select(stage.c.key).where(place).order_by(stage.c.position).limit(1)).scalar()
    if key is None:
        raise NotPossible("no_stage", f"This direction has no {block} stages")
    return str(key)


def closing_stage(conn: Connection, direction_id: str, block: str, final: str) -> str:
    """The stage of a block that closes a record this way, "" where there is none."""
    place = (stage.c.direction_id == direction_id) & (stage.c.block == block) & (stage.c.final == final)
    return str(conn.execute(select(stage.c.key).where(place).limit(1)).scalar() or "")
