"""What the account holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from connectors.crms.hubspot.sandbox.schema import Pipelines, Wrong, properties_at_birth
from connectors.testing.sandbox import Faults

KINDS = ("contacts", "companies", "deals", "notes", "tasks", "calls", "emails", "meetings", "communications")
Row = dict[str, Any]


class Sends(Protocol):
    """Delivers hooks."""

    def tell(self, events: list[Row]) -> None: ...

    def close(self) -> None: ...


class Account:
    """One account. `rows` hold properties as texts; `routes` gives them the API's shape."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency = clock, rate, lag, latency
        self.searches = None if rate is None else 5  # a second
        self.window = 10_000  # where a search ends
        self.lock = threading.RLock()
        self._next = 1000
        self.id, self.name, self.app_id = 62_515, "Northwind Windows", 1_160_452
        self.access, self.refresh, self.codes = {token}, {"refresh-1"}, {"code-1"}
        self.expires: dict[str, float] = {}
        self.secret = "sandbox-secret"
        self.hook_address = ""  # people enter it in the app's settings
        self.calls: Counter[str] = Counter()  # "POST crm/v3/objects/deals/batch/create" → calls
        self.stamps: deque[float] = deque(maxlen=100_000)
        self.search_stamps: deque[float] = deque(maxlen=1000)
        self.faults = Faults()
        self.postman: Sends | None = None
        self.owners = {"501": ("Vera", "Lind"), "502": ("Oleg", "Marsh"), "503": ("Tara", "Quill")}
        self.emails: dict[str, str] = {}
        self.pipelines = Pipelines(self.number)
        self.properties = {kind: properties_at_birth(kind) for kind in KINDS}
        self.groups = {kind: {"information"} for kind in KINDS}
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.order: dict[str, dict[str, None]] = {kind: {} for kind in KINDS}  # by last change, oldest first
        self.taken: dict[tuple[str, str], dict[str, str]] = {}  # (kind, unique property) → value → id
        self.links: dict[tuple[str, str], dict[str, list[str]]] = {}  # (kind, id) → other kind → ids
        self.became: dict[tuple[str, str], str] = {}  # merged away → into which
        self.robots: list[Callable[[str, Row], None]] = []  # what runs right after a write of the API
        self._events: list[Row] = []

    def number(self) -> str:
        """A new id."""
        with self.lock:
            self._next += 3
            return str(self._next)

    def now(self) -> int:
        """Milliseconds."""
        return int(self.clock() * 1000)

    def close(self) -> None:
        """Stop the hook thread."""
        if self.postman:
            self.postman.close()

    def fail(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; `path` is below /. See `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, method=method, path=path and f"/{path.lstrip('/')}", seconds=seconds)

    def throttled(self, path: str) -> str:
        """The policy that refuses this call, "" when it may pass."""
        with self.lock:
            now = self.clock()
            if (
                self.searches is not None
                and path.endswith("/search")
                and _full(self.search_stamps, now, 1, self.searches)
            ):
                return "SECONDLY"
            full = self.rate is not None and _full(self.stamps, now, 10, self.rate * 10)
            return "TEN_SECONDLY_ROLLING" if full else ""

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def holder(self, kind: str, name: str, value: str) -> str:
        """Id of the record that has this value of a unique property, "" for none."""
        return self.taken.get((kind, name), {}).get(value.lower() if name == "email" else value, "")

    def resolve(self, kind: str, ref: str) -> Row | None:
        """A live record by id, also by the id of one that was merged into it."""
        while (kind, ref) in self.became:
            ref = self.became[kind, ref]
        row = self.rows[kind].get(ref)
        return row if row and not row["archived"] else None

    def create(self, kind: str, sent: Mapping[str, str], links: Mapping[str, list[str]], by: str = "API") -> Row:
        """A checked wish becomes a record."""
        now = self.now()
        row: Row = {"id": self.number(), "created": now, "archived": False, "archived_at": 0, "props": {}}
        self.rows[kind][row["id"]] = row
        if kind == "deals":
            row["props"] |= self.pipelines.first()
        self._fill(kind, row, sent)
        self.touch(kind, row)
        self.tell(kind, "creation", row, by, changeFlag="NEW")
        for other, refs in links.items():
            for ref in refs:
                self.link(kind, row["id"], other, ref)
        self._run(kind, row, by)
        return row

    def change(self, kind: str, row: Row, sent: Mapping[str, str], by: str = "API") -> None:
        """Apply a checked wish; one event for each property that differs."""
        before = dict(row["props"])
        self._fill(kind, row, sent)
        self.touch(kind, row)
        for name, value in sent.items():
            if before.get(name, "") != value:
                self.tell(kind, "propertyChange", row, by, propertyName=name, propertyValue=value)
        self._run(kind, row, by)

    def _fill(self, kind: str, row: Row, sent: Mapping[str, str]) -> None:
        for name, value in sent.items():
            value = value.lower() if name == "email" else value
            if self.properties[kind][name].get("hasUniqueValue"):
                held = self.taken.setdefault((kind, name), {})
                held.pop(row["props"].get(name, ""), None)
                held |= {value: row["id"]} if value else {}
            row["props"][name] = value
        row["props"] = {name: value for name, value in row["props"].items() if value != ""}

    def _free(self, kind: str, row: Row) -> None:
        """Others may have its unique values."""
        for (held, name), values in self.taken.items():
            if held == kind and values.get(row["props"].get(name, "")) == row["id"]:
                del values[row["props"][name]]

    def _run(self, kind: str, row: Row, by: str) -> None:
        for robot in self.robots if by == "API" else ():
            robot(kind, row)

    def link(self, kind: str, ref: str, other: str, end: str) -> None:
        """Both ends."""
        for here, there in (((kind, ref), (other, end)), ((other, end), (kind, ref))):
            refs = self.links.setdefault(here, {}).setdefault(there[0], [])
            if there[1] not in refs:
                refs.append(there[1])
            self._primary(*here, *there)

    def _primary(self, kind: str, ref: str, other: str, end: str) -> None:
        """The company of a person or a deal is a property, too."""
        name = {"contacts": "associatedcompanyid", "deals": "hs_primary_associated_company"}.get(kind, "")
        row = self.rows[kind].get(ref) if name and other == "companies" else None
        if row is not None and row["props"].get(name) != end:
            row["props"][name] = end
            self.touch(kind, row)

    def touch(self, kind: str, row: Row) -> None:
        """Set the change time."""
        row["changed"], row["written"] = self.now(), self.clock()
        self.order[kind].pop(row["id"], None)
        self.order[kind][row["id"]] = None

    def by_change(self, kind: str, since: int) -> Iterator[Row]:
        """Live rows changed at or after `since` that the index shows, oldest first; of one instant in no order."""
        rows, edge = self.rows[kind], self.clock() - self.lag
        found: list[Row] = []
        for ref in reversed(self.order[kind]):
            if rows[ref]["changed"] < since:
                break
            if not rows[ref]["archived"] and (not self.lag or rows[ref]["written"] <= edge):
                found.append(rows[ref])
        return iter(sorted(found, key=lambda row: (row["changed"], int(row["id"]) * 7919 % 1009)))

    # ── hooks ────────────────────────────────────────────────────────────────────────────────────

    def tell(self, kind: str, what: str, row: Row, by: str, **more: Any) -> None:
        """Remember an event."""
        if self.hook_address and kind in {"contacts", "companies", "deals"}:
            word = {"contacts": "contact", "companies": "company", "deals": "deal"}[kind]
            source = {"changeSource": "INTEGRATION", "sourceId": str(self.app_id)} if by == "API" else {
                "changeSource": "CRM_UI", "sourceId": f"userId:{by}"}  # fmt: skip
            self._events.append({
                "eventId": int(self.number()), "subscriptionId": 25, "portalId": self.id, "appId": self.app_id,
                "occurredAt": self.now(), "subscriptionType": f"{word}.{what}", "attemptNumber": 0,
                "objectId": int(row["id"]), **source, **more,
            })  # fmt: skip

    def flush(self) -> None:
        """Hand over the events of one call, fewer than a hundred in a body."""
        with self.lock:
            events, self._events = self._events, []
        if events and self.postman:
            self.postman.tell(events)

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, kind: str, ref: str, by: str = "501", **values: str) -> None:
        """Change properties in the card."""
        with self.lock:
            self.change(kind, self.rows[kind][str(ref)], values, by)
        self.flush()

    def act(self, kind: str, card: str, ref: str, by: str = "501", **values: str) -> Row:
        """Somebody logs a call, a mail, a meeting or a note on a card."""
        at = datetime.fromtimestamp(self.clock(), UTC).isoformat()
        sent = {"hs_timestamp": at, "hubspot_owner_id": by, "hs_object_source": "CRM_UI", **values}
        with self.lock:
            return self.create(kind, sent, {card: [ref]}, by)

    def drag_card(self, deal: str, stage: str, pipeline: str = "", by: str = "501") -> None:
        """Move a card to another column, perhaps of another pipeline."""
        with self.lock:
            place = {"pipeline": pipeline or self.rows["deals"][str(deal)]["props"]["pipeline"], "dealstage": stage}
            if stage not in self.pipelines.all[place["pipeline"]]["stages"]:
                raise KeyError(stage)
        self.edit("deals", deal, by, **place)

    def delete(self, kind: str, ref: str, by: str = "501") -> None:
        """Into the recycle bin; its unique values become free."""
        with self.lock:
            row = self.rows[kind][str(ref)]
            self._free(kind, row)
            row["archived"], row["archived_at"] = True, self.now()
            self.tell(kind, "deletion", row, by, changeFlag="DELETED")
        self.flush()

    def restore(self, kind: str, ref: str, by: str = "501") -> None:
        """Out of the recycle bin."""
        with self.lock:
            row = self.rows[kind][str(ref)]
            row["archived"], row["archived_at"] = False, 0
            self._fill(kind, row, dict(row["props"]))
            self.touch(kind, row)
            self.tell(kind, "restore", row, by)
        self.flush()

    def merge(self, kind: str, into: str, ref: str, by: str = "501") -> str:
        """Both disappear into a record with a new id, which is answered."""
        with self.lock:
            keep, gone = self.resolve(kind, str(into)), self.resolve(kind, str(ref))
            if keep is None or gone is None or keep is gone:
                raise Wrong("OBJECT_NOT_FOUND", 404)
            props = {**gone["props"], **keep["props"]}
            old = [*str(props.get("hs_merged_object_ids", "")).split(";"), keep["id"], gone["id"]]
            made: Row = {
                "id": self.number(),
                "created": keep["created"],
                "archived": False,
                "archived_at": 0,
                "props": {},
            }
            for one in (keep, gone):
                del self.rows[kind][one["id"]], self.order[kind][one["id"]]
                self._free(kind, one)
                self.became[kind, one["id"]] = made["id"]
                for other, refs in self.links.get((kind, one["id"]), {}).items():
                    for end in refs:
                        self.link(kind, made["id"], other, end)
            self.rows[kind][made["id"]] = made
            self._fill(kind, made, props)
            made["props"]["hs_merged_object_ids"] = ";".join(filter(None, old))
            if (other := gone["props"].get("email")) and other != made["props"].get("email"):
                made["props"]["hs_additional_emails"] = other
                self.taken[kind, "email"][other] = made["id"]
            self.touch(kind, made)
            self.tell(kind, "merge", made, by, primaryObjectId=int(into), mergedObjectIds=[int(ref)],
                      newObjectId=int(made["id"]), numberOfPropertiesMoved=1)  # fmt: skip
        self.flush()
        return str(made["id"])


def _full(stamps: deque[float], now: float, seconds: float, most: int) -> bool:
    while stamps and stamps[0] <= now - seconds:
        stamps.popleft()
    if len(stamps) >= most:
        return True
    stamps.append(now)
    return False
