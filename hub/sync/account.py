"""One CRM connection ready for work: connector, mapping, placement, and the face each role has over there.

Guarantees: no account is given out whose credentials were changed and belong to somebody else's account, or whose
mapping cannot be read; its connection is paused before anything is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import update

from connectors.contract import CRM, Record
from connectors.errors import ConnectorError, Pause, Retry
from hub.clock import Clock
from hub.funnel.own import is_own
from hub.intake.connections import Connections, Live, mapping_of
from hub.model import connection
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync import holder, owners
from hub.sync.employer import shown
from hub.sync.employer import slot as employer
from hub.sync.plan import ABSENT, Slot
from hub.sync.records import PLACE, Flat
from hub.sync.split import Placement, There, read_placement
from mappings import BadMapping, Kept, Line, load
from mappings import Mapping as FieldMapping

SEEN_PLACE = "@place"
ROLES = ("company", "contact", "lead", "deal")
"""What a record hangs on comes before it."""
COMPANY = frozenset({"name", "website", "domain", "tax_id", "address", "phones", "emails", "hub_id"})
"""What is kept in step of a company."""
OURS_ALONE = frozenset(
    {"text", "source", "form", "page", "referrer", "created_at", "qualified_at", "block", "hub_id"}
    | {f"utm_{part}" for part in ("source", "medium", "campaign", "term", "content")}
    | {f"first_utm_{part}" for part in ("source", "medium", "campaign")}
)
"""What the person said and where they came from: a mapping may show it to a CRM, no CRM may change it."""


@dataclass(frozen=True, slots=True)
class Face:
    """What a role is over there: the CRM's kind ("" = it does not go there), the mapping's section, the fields of
    its place, its slots, and the lines that tie a field of one's own to anything but text."""

    kind: str
    section: str
    names: tuple[str, ...]
    place: tuple[str, str]
    slots: tuple[Slot, ...]
    typed: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Account:
    """What push and pull need to know of a connection. Made anew when the connection's row changes."""

    live: Live
    crm: CRM
    mapping: FieldMapping
    placement: Placement
    faces: Mapping[str, Face]

    @property
    def id(self) -> str:
        return self.live.id

    @property
    def lag(self) -> float:
        """Seconds until the CRM's search finds what was written; an admin may know better than the connector."""
        return float(self.live.row.config.get("lag_s", self.crm.facts.lag))

    @property
    def longest_request(self) -> float:
        """Seconds after which nothing of a call of ours can still happen."""
        return float(self.live.row.config.get("longest_s", self.crm.facts.longest_request))

    @property
    def native(self) -> bool:
        """Whether leads are records of their own, so that a conversion makes a second one."""
        return self.placement.strategy == "native"

    def kind(self, role: str) -> str:
        """The CRM's word for a record of this role, "" when such records stay in the hub."""
        return self.faces[role].kind

    def names_company(self, role: str) -> bool:
        """Whether cards of this role hang on a company beside their contact."""
        return role in holder.TABLES and bool(self.kind("company")) and self.kind(role) in self.crm.company_on

    @property
    def kinds(self) -> tuple[str, ...]:
        """Every kind that is kept in step."""
        return tuple(dict.fromkeys(face.kind for face in self.faces.values() if face.kind))

    def meant(self, role: str, flat: Flat) -> Flat:
        """A record of ours in which what somebody typed into a form is read as the CRM's field would be: the "yes" of
        a checkbox is true."""
        for line in self.faces[role].typed:
            words = flat.get(line.hub)
            if isinstance(words, str) and words and isinstance(line.codec.out(words), Kept):
                value = line.codec.into(words)
                flat = flat if isinstance(value, Kept) else {**flat, line.hub: value}
        return flat

    def seen(self, record: Record, role: str) -> dict[str, Any]:
        """A record's mapped values as they are remembered, with its place as one value."""
        face, told = self.faces[role], record.values
        values = {name: told[name] for name in face.names if name in told}
        pipeline, stage = face.place
        if stage and told.get(stage) not in (None, ""):
            block = self._block(told)
            values[SEEN_PLACE] = [_said(told.get(pipeline)), str(told[stage]), *([block] if block else [])]
        if role in holder.TABLES:
            firm = shown(self.kind("company"), record) if self.names_company(role) else {}
            return values | holder.shown(self.crm.contact_kind, record) | {k: ref for k, ref in firm.items() if ref}
        return values | shown(self.kind("company"), record) if role == "contact" else values

    def _block(self, told: Mapping[str, Any]) -> str:
        """What the record's flag says, "" where there is none."""
        if self.placement.strategy != "flag":
            return ""
        flags = self.crm.facts.flag.items()
        return next((block for block, wish in flags if all(told.get(k) == v for k, v in wish.items())), "")

    def written(self, role: str, wish: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What to send for these hub values, in the CRM's names: only what differs from `before`."""
        values = dict(owners.told(self.mapping, self.faces[role], wish, before, self.live.row.config))
        if PLACE in wish and self.faces[role].place[1]:
            values.update(self._place(role, tuple(wish[PLACE]), before.get(SEEN_PLACE)))
        return values

    def _place(self, role: str, spot: Any, held: Any) -> dict[str, Any]:
        """The fields of a place; one that is there already is not sent again."""
        if self.native and role == "lead" and not self.placement.knows(spot):
            return {}  # an inbox has fewer stages than the hub, or none
        now = There(*held) if held else None
        there = self.placement.place(spot, now)
        if there == now:
            return {}
        pipeline, stage = self.faces[role].place
        place = {pipeline: there.pipeline} if pipeline else {}
        flag = self.crm.facts.flag.get(there.block, {}) if not now or there.block != now.block else {}
        return {**place, stage: there.stage, **flag}

    def remembered(self, role: str, values: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """Sent values in the form in which they will be seen again."""
        face = self.faces[role]
        kept = {name: values[name] for name in face.names if name in values}
        pipeline, stage = face.place
        if stage and stage in values:
            block = self._block(values) or (There(*before[SEEN_PLACE]).block if SEEN_PLACE in before else "")
            kept[SEEN_PLACE] = [_said(values.get(pipeline)), str(values[stage]), *([block] if block else [])]
        return kept


# ── making one ───────────────────────────────────────────────────────────────────────────────────


def make_account(live: Live, placement: Placement) -> Account:
    """From a connection's row: its mapping is read and compiled here."""
    crm = live.crm
    mapping = load(mapping_of(live.row), live.row.config.get("tables"))
    faces = {role: _face(crm, mapping, placement, role) for role in ROLES}
    faces = {role: replace(one, slots=owners.sayable(one.slots, live.row.config)) for role, one in faces.items()}
    return Account(live, crm, mapping, placement, faces)


def kind_of(crm: CRM, strategy: str, role: str) -> str:
    """The CRM's kind of a role under a strategy: where lead and deal are one object, leads are its deals."""
    if role in ("contact", "company"):
        return crm.contact_kind if role == "contact" else crm.company_kind
    if role == "deal" or strategy in ("two_blocks", "two_pipelines", "flag"):
        return crm.deal_kind
    return crm.lead_kind if strategy == "native" else ""


def section_of(crm: CRM, strategy: str, role: str) -> str:
    """The mapping's section: a lead that lives among the deals of a CRM that has both has the fields of deals."""
    apart = crm.lead_kind != crm.deal_kind and strategy != "native"
    return "deal" if role == "lead" and apart else role


def _said(value: Any) -> str:
    """A pipeline's id as text, "" for none (0 is one)."""
    return "" if value is None else str(value)


def _face(crm: CRM, mapping: FieldMapping, placement: Placement, role: str) -> Face:
    kind = kind_of(crm, placement.strategy, role)
    section = section_of(crm, placement.strategy, role)
    lines = [line for line in mapping.lines if line.kind == section]
    place = ("", "")
    if role == "company":
        lines = [line for line in lines if line.hub in COMPANY]
        kind = kind if lines else ""
    slots = [_slot(line, crm.facts.room.get(kind, {}).get(line.crm, 0)) for line in lines]
    if role == "contact" and crm.company_kind:
        slots.append(employer())
    # Leads of some CRMs stand in an inbox without stages: then their stage is the hub's alone.
    if role in ("lead", "deal") and kind and (role == "deal" or any(row[0] == role for row in placement.rows)):
        place = crm.place_fields(kind)
        slots.append(_place_slot(placement, role))
    if role in holder.TABLES and kind and crm.contact_kind:
        slots.append(holder.slot())
    if role in holder.TABLES and kind in crm.company_on:
        slots.append(replace(employer(), direction="out"))
    typed = tuple(line for line in lines if is_own(line.hub) and line.codec.makes != "text")
    return Face(kind, section, tuple(dict.fromkeys(line.crm for line in lines)), place, tuple(slots), typed)


def _slot(line: Line, room: int) -> Slot:
    codec = line.codec
    fits = _fits(codec.out)
    direction = "out" if line.direction == "both" and line.hub in OURS_ALONE else line.direction
    return Slot(line.hub, line.crm, _into(codec.into), codec.same, direction, line.policy, line.once, fits, room)


def _place_slot(placement: Placement, role: str) -> Slot:
    def stands(raw: Any) -> Any:
        spot = placement.unplace(There(*raw), role)
        return ABSENT if spot is None else list(spot)

    return Slot(PLACE, SEEN_PLACE, stands, placement.same)


def _into(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def into(raw: Any) -> Any:
        value = read(raw)
        return ABSENT if isinstance(value, Kept) else value

    return into


def _fits(write: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(write(value), Kept)


class Accounts:
    """The CRM connections of one hub, by id."""

    def __init__(self, store: Store, clock: Clock, connections: Connections) -> None:
        self._store, self._clock, self._connections = store, clock, connections
        self._made: dict[str, tuple[Live, Account]] = {}

    def get(self, connection_id: str) -> Account | None:
        """Ready to work; None while the connection is off, paused or not set up."""
        live = self._connections.by_id(connection_id)
        if live is None or live.row.state != "active":
            return None
        held = self._made.get(connection_id)
        if held is not None and held[0] is live:
            return held[1]
        placement = read_placement(live.row.config)
        if placement is None or not self._is_theirs(live):
            return None
        try:
            account = make_account(live, placement)
        except BadMapping as error:
            self.pause(connection_id, BrokenMapping(error))
            return None
        self._made[connection_id] = (live, account)
        return account

    def _is_theirs(self, live: Live) -> bool:
        """Whether changed credentials still open the account our links point into; asked once per change."""
        row = live.row
        if not row.fingerprint or row.config.get("checked") == row.generation:
            return True
        try:
            told = live.crm.check()
        except Pause as error:
            self.pause(live.id, error)
            return False
        except Retry:
            return False
        if told.fingerprint != row.fingerprint:
            self.pause(live.id, OtherAccount(told.name))
            return False
        with self._store.write() as conn:
            config = {**row.config, "checked": row.generation}
            conn.execute(update(connection).where(connection.c.id == live.id).values(config=config))
        return True

    def forget(self) -> None:
        """Read the connections anew: one of them was changed."""
        self._connections.forget()

    def pause(self, connection_id: str, error: ConnectorError) -> None:
        """Stop this connection until a person acts; intake goes on."""
        with self._store.write() as conn:
            conn.execute(
                update(connection).where(connection.c.id == connection_id).values(state="paused", why=str(error))
            )
            note(conn, self._clock, "connection", connection_id, "paused", "hub", {"why": str(error)})
        self._connections.forget()


class OtherAccount(Pause):
    """The credentials open another account than the one our links point into."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"These credentials open another account (“{name}”): nothing is written there. Enter those of the old one, "
            "or say `leadhub sync reconnect`: match the records again, or begin anew"
        )


class BrokenMapping(Pause):
    """The mapping that is stored for a connection cannot be read."""

    def __init__(self, error: BadMapping) -> None:
        super().__init__(f"Its mapping cannot be read: {error}. Correct it, then switch the connection on")
