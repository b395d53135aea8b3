"""One CRM connection ready for work: connector, mapping, placement, and the slots of each role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import update

from connectors.contract import CRM, Record
from connectors.errors import ConnectorError
from hub.clock import Clock
from hub.intake.connections import Connections, Live
from hub.model import connection
from hub.store.engine import Store
from hub.store.notes import note
from hub.sync.plan import ABSENT, Slot
from hub.sync.records import PLACE
from hub.sync.split import Placement, Spot, read_placement
from mappings import Kept, load, shipped
from mappings import Mapping as FieldMapping

SEEN_PLACE = "@place"
ROLES = ("contact", "lead", "deal")


@dataclass(frozen=True)
class Account:
    """What push and pull need to know of a connection. Made anew when the connection's row changes."""

    live: Live
    crm: CRM
    mapping: FieldMapping
    placement: Placement
    slots: Mapping[str, tuple[Slot, ...]]

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

    def kind(self, role: str) -> str:
        """The CRM's word for a record of this role."""
        return {"contact": self.crm.contact_kind, "lead": self.crm.lead_kind, "deal": self.crm.deal_kind}[role]

    def seen(self, record: Record, role: str) -> dict[str, Any]:
        """A record's mapped values as they are remembered, with its place as one value."""
        values = {line.crm: record.values[line.crm] for line in self.mapping.lines if line.crm in record.values}
        if role != "contact" and self.crm.stage_field in record.values:
            place = (record.values.get(self.crm.pipeline_field, ""), record.values[self.crm.stage_field])
            values[SEEN_PLACE] = [str(part) for part in place]
        return values

    def written(self, role: str, wish: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
        """What to send for these hub values, in the CRM's names: only what differs from `before`."""
        values = self.mapping.write(role, wish, before).values
        if PLACE in wish:
            values.update(self._place(tuple(wish[PLACE])))
        return values

    def _place(self, spot: Spot) -> dict[str, str]:
        pipeline, stage = self.placement.place(spot)
        return {self.crm.pipeline_field: pipeline, self.crm.stage_field: stage}


def _into(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def into(raw: Any) -> Any:
        value = read(raw)
        return ABSENT if isinstance(value, Kept) else value

    return into


def _fits(write: Callable[[Any], Any]) -> Callable[[Any], bool]:
    return lambda value: not isinstance(write(value), Kept)


def _slots(mapping: FieldMapping, placement: Placement, role: str) -> tuple[Slot, ...]:
    slots = [
        Slot(
            line.hub,
            line.crm,
            _into(line.codec.into),
            line.codec.same,
            line.direction,
            line.policy,
            line.once,
            _fits(line.codec.out),
        )
        for line in mapping.lines
        if line.kind == role
    ]
    if role != "contact":

        def stands(raw: Any) -> Any:
            spot = placement.unplace(raw[0], raw[1], role)
            return ABSENT if spot is None else list(spot)

        slots.append(Slot(PLACE, SEEN_PLACE, stands, lambda a, b: list(a or ()) == list(b or ())))
    return tuple(slots)


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
        if placement is None:
            return None
        mapping = load(live.row.mapping or shipped(live.row.connector), live.row.config.get("tables"))
        account = Account(live, live.crm, mapping, placement, {r: _slots(mapping, placement, r) for r in ROLES})
        self._made[connection_id] = (live, account)
        return account

    def pause(self, connection_id: str, error: ConnectorError) -> None:
        """Stop this connection until a person acts; intake goes on."""
        with self._store.write() as conn:
            conn.execute(
                update(connection).where(connection.c.id == connection_id).values(state="paused", why=str(error))
            )
            note(conn, self._clock, "connection", connection_id, "paused", "hub", {"why": str(error)})
        self._connections.forget()
