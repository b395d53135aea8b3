"""What the site holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from base64 import b64encode
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from connectors.testing.sandbox import Faults, Postman

Row = dict[str, Any]
_LINKS = (
    "assignedUser",
    "account",
    "contact",
    "createdAccount",
    "createdContact",
    "createdOpportunity",
    "originalLead",
    "createdBy",
    "modifiedBy",
    "sentBy",
)
_BASE = {"name": "varchar", "description": "text", "createdAt": "datetime", "modifiedAt": "datetime",
         **dict.fromkeys(_LINKS, "link")}  # fmt: skip
_PERSON = {"firstName": "varchar", "lastName": "varchar", "middleName": "varchar", "emailAddress": "email",
           "phoneNumber": "phone", "salutationName": "varchar"}  # fmt: skip
_PARENT = {"parentType": "varchar", "parentId": "varchar"}
_EVENT = {**_BASE, **_PARENT, "status": "enum", "dateStart": "datetime", "dateEnd": "datetime",
          "contacts": "linkMultiple", "leads": "linkMultiple"}  # fmt: skip
_DEFS: Mapping[str, Mapping[str, str]] = {
    "Lead": {**_BASE, **_PERSON, "status": "enum", "source": "enum", "accountName": "varchar", "website": "url"},
    "Opportunity": {**_BASE, "stage": "enum", "amount": "currency", "amountCurrency": "varchar", "closeDate": "date",
                    "probability": "int"},
    "Contact": {**_BASE, **_PERSON},
    "Account": {**_BASE, "website": "url", "emailAddress": "email", "phoneNumber": "phone", "billingAddress": "address",
                "billingAddressStreet": "text"},
    "Note": {**_BASE, **_PARENT, "post": "text", "type": "varchar"},
    "Task": {**_BASE, **_PARENT, "status": "enum", "dateEnd": "datetime"},
    "Call": {**_EVENT, "direction": "enum"},
    "Meeting": _EVENT,
    "Email": {**_BASE, **_PARENT, "status": "enum", "dateSent": "datetime", "isAutoReply": "bool", "body": "text"},
    "Webhook": {**_BASE, "event": "varchar", "url": "url", "skipOwn": "bool", "isActive": "bool"},
}  # fmt: skip
_OPTIONS = {
    ("Lead", "status"): ["New", "Assigned", "In Process", "Converted", "Recycled", "Dead"],
    ("Lead", "source"): ["", "Call", "Email", "Web Site"],
    ("Opportunity", "stage"): ["Prospecting", "Qualification", "Proposal", "Negotiation", "Closed Won", "Closed Lost"],
    ("Task", "status"): ["Not Started", "Started", "Completed", "Canceled"],
    ("Call", "status"): ["Planned", "Held", "Not Held"],
    ("Call", "direction"): ["Outbound", "Inbound"],
    ("Meeting", "status"): ["Planned", "Held", "Not Held"],
    ("Email", "status"): ["Draft", "Sending", "Sent", "Archived", "Failed"],
}
_BIRTH: Mapping[str, Row] = {
    "Lead": {"status": "New"},
    "Opportunity": {"stage": "Prospecting", "amountCurrency": "USD"},
    "Task": {"status": "Not Started"},
    "Call": {"status": "Planned", "direction": "Outbound"},
    "Meeting": {"status": "Planned"},
    "Email": {"status": "Archived", "isAutoReply": False},
    "Webhook": {"isActive": True},
}
KINDS = tuple(_DEFS)
API_USER, ADMIN, SYSTEM = "5f0000000000a0001", "1", "system"


class Site:
    """One site. `prefix` is what custom fields get before their name."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency, self.token = clock, rate, lag, latency, token
        self.lock = threading.RLock()
        self._next = 0
        self.prefix = "c"
        self.calls: Counter[str] = Counter()
        self.stamps: deque[float] = deque(maxlen=10_000)
        self.faults = Faults()
        self.postman = Postman((600.0, 600.0, 600.0))
        self.users = {API_USER: "hub", ADMIN: "Vera Lind"}
        self.defs: dict[str, dict[str, Row]] = {
            kind: {name: {"type": told, **({"options": list(_OPTIONS[kind, name])} if (kind, name) in _OPTIONS else {})}
                   for name, told in fields.items()} for kind, fields in _DEFS.items()
        }  # fmt: skip
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self._queue: dict[str, list[Row]] = {}

    def close(self) -> None:
        """Stop the hook thread."""
        self.postman.close()

    def fail(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; `path` is below /api/v1/. See `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, method=method, path=f"/api/v1/{path}" if path else "", seconds=seconds)

    def throttled(self) -> bool:
        """Whether the proxy refuses this call."""
        with self.lock:
            now = self.clock()
            while self.stamps and self.stamps[0] <= now - 1:
                self.stamps.popleft()
            if self.rate is not None and len(self.stamps) >= self.rate:
                return True
            self.stamps.append(now)
            return False

    def number(self) -> str:
        """A new id: 17 hex digits, growing."""
        with self.lock:
            self._next += 1
            return f"6{self._next:016x}"

    def options(self, kind: str, field: str) -> list[str]:
        """Options of an enum."""
        return list(self.defs[kind][field]["options"])

    def now(self) -> str:
        """The time of a change."""
        return datetime.fromtimestamp(int(self.clock()), UTC).strftime("%Y-%m-%d %H:%M:%S")

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def live(self, kind: str, ref: str) -> Row:
        """The record; KeyError when there is none or it was deleted."""
        row = self.rows[kind][ref]
        if row["deleted"]:
            raise KeyError(ref)
        return row

    def create(self, kind: str, wish: Mapping[str, Any], by: str = ADMIN) -> Row:
        """A checked wish becomes a record."""
        with self.lock:
            row: Row = {"id": self.number(), "deleted": False, "createdAt": self.now(), "createdById": by,
                        **_BIRTH.get(kind, {})}  # fmt: skip
            if kind == "Webhook":
                row["secretKey"] = hashlib.sha256(row["id"].encode()).hexdigest()[:32]
            self.rows[kind][row["id"]] = row
            self._fill(kind, row, wish)
            self._touch(kind, row, "create", by, row)
        self.flush()
        return row

    def edit(self, kind: str, ref: str, by: str = ADMIN, **values: Any) -> Row:
        """Change fields, as a person or as the API."""
        with self.lock:
            row = self.live(kind, ref)
            before = dict(row)
            self._fill(kind, row, values)
            changed = {key: value for key, value in row.items() if before.get(key) != value}
            self._touch(kind, row, "update", by, changed)
        self.flush()
        return row

    def delete(self, kind: str, ref: str, by: str = ADMIN) -> None:
        """Hidden from then on."""
        with self.lock:
            row = self.live(kind, ref)
            row["deleted"] = True
            self._touch(kind, row, "delete", by, {})
        self.flush()

    def act(self, kind: str, ref: str, what: str = "Call", by: str = ADMIN, **values: Any) -> Row:
        """A call, meeting or mail about a record: held and assigned to whoever logs it, unless told otherwise."""
        now = self.now()
        when = {"dateSent": now} if what == "Email" else {"dateStart": now, "dateEnd": now}
        told = {"name": what, "parentType": kind, "parentId": ref, "assignedUserId": by, "status": "Held", **when}
        return self.create(what, {**told, **values}, by)

    def convert(self, lead: str, records: Mapping[str, Mapping[str, Any]], by: str = ADMIN) -> Row:
        """The lead stays, converted, and points at what was made of it."""
        with self.lock:
            row = self.live("Lead", lead)
            made: Row = {}
            for kind in ("Account", "Contact", "Opportunity"):
                if kind in records:
                    extra = {"originalLeadId": lead} if kind == "Opportunity" else {}
                    made[f"created{kind}Id"] = self.create(kind, {**records[kind], **extra}, by)["id"]
            return self.edit("Lead", row["id"], by, status="Converted", **made)

    def _fill(self, kind: str, row: Row, wish: Mapping[str, Any]) -> None:
        row |= wish
        for single in ("phoneNumber", "emailAddress"):
            if f"{single}Data" in wish:
                main = next((one for one in wish[f"{single}Data"] or () if one.get("primary")), None)
                row[single] = main[single] if main else None
            elif single in wish:
                row[f"{single}Data"] = [{single: wish[single], "primary": True}] if wish[single] else []
        if kind in ("Lead", "Contact"):
            row["name"] = " ".join(filter(None, (row.get("firstName"), row.get("lastName"))))

    def _touch(self, kind: str, row: Row, what: str, by: str, told: Row) -> None:
        row["modifiedAt"], row["written"] = self.now(), self.clock()
        row |= {} if what == "create" else {"modifiedById": by}
        for hook in self.rows["Webhook"].values():
            skip = hook.get("skipOwn") and by == API_USER
            if hook["event"] == f"{kind}.{what}" and hook["isActive"] and not hook["deleted"] and not skip:
                body = {"id": row["id"]} | ({"modifiedAt": row["modifiedAt"]} if what != "delete" else {}) | told
                self._queue.setdefault(hook["id"], []).append({k: v for k, v in body.items() if k != "written"})

    def flush(self) -> None:
        """The job that sends hooks: one array for each, signed."""
        with self.lock:
            queue, self._queue = self._queue, {}
        for ref, changes in queue.items():
            hook, data = self.rows["Webhook"][ref], json.dumps(changes).encode()
            digest = hmac.new(hook["secretKey"].encode(), data, "sha256").hexdigest()
            signed = b64encode(f"{ref}:{digest}".encode()).decode()
            self.postman.deliver(hook["url"], data, {"Content-Type": "application/json", "Signature": signed})
