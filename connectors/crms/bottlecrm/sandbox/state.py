"""The records of the stand-in, what it refuses, its feed and its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from connectors.testing.sandbox import Faults, Postman

Row = dict[str, Any]
LEADS, DEALS, CONTACTS = "leads", "opportunities", "contacts"
STATUSES = ("assigned", "in process", "recycled", "converted", "closed")
SOURCES = {"call", "email", "existing customer", "partner", "public relations", "campaign", "other"}
ENTITIES = {LEADS: "Lead", DEALS: "Opportunity", CONTACTS: "Contact"}
EVENTS = {LEADS: "lead", DEALS: "deal", CONTACTS: "contact"}
_SHARED = {"source_detail": "", "source_ref": "", "description": None, "assigned_to": (), "custom_fields": None}
BLANK: Mapping[str, Row] = {
    LEADS: {**_SHARED, **dict.fromkeys((
        "title", "first_name", "last_name", "email", "phone", "company_name", "job_title", "website", "status",
        "source", "rating", "opportunity_amount", "currency", "close_date",
    )), "probability": 0, "contacts": (), "teams": (), "tags": ()},
    DEALS: {**_SHARED, **dict.fromkeys((
        "name", "pipeline", "stage", "amount", "currency", "closed_on", "lead_source",
    )), "probability": 0, "contacts": (), "teams": (), "tags": ()},
    CONTACTS: {**_SHARED, **dict.fromkeys((
        "first_name", "last_name", "email", "phone", "organization", "title", "source",
    )), "account": None},
}  # fmt: skip
STAGES = (("PROSPECTING", "Prospecting", "open"), ("QUALIFICATION", "Qualification", "open"),
          ("PROPOSAL", "Proposal", "open"), ("CLOSED_WON", "Closed Won", "won"),
          ("CLOSED_LOST", "Closed Lost", "lost"))  # fmt: skip
_PHONE = re.compile(r"[0-9+() .-]{7,25}\Z")
_DAY = "A deal cannot be closed without the date it closed on."


class Wrong(Exception):
    """400: reasons by field."""

    def __init__(self, **errors: str) -> None:
        super().__init__(str(errors))
        self.errors = {name: [why] for name, why in errors.items()}


@dataclass
class Account:
    """One organisation. Thread-safe by its lock."""

    clock: Callable[[], float]
    lag: float = 0.0
    latency: float = 0.0
    token: str = "sandbox-token"
    session: str = "sandbox-session"
    faults: Faults = field(default_factory=Faults)
    postman: Postman = field(default_factory=Postman)
    calls: Counter[str] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)
    feed: list[Row] = field(default_factory=list)
    fields: list[Row] = field(default_factory=list)
    hooks: list[Row] = field(default_factory=list)
    pipelines: list[Row] = field(default_factory=list)
    rows: dict[str, dict[str, Row]] = field(default_factory=dict)
    _chance: random.Random = field(default_factory=lambda: random.Random(7))

    def __post_init__(self) -> None:
        self.rows = {kind: {} for kind in BLANK}
        self.id = self.new_id()
        self.people = [{"id": self.new_id(), "name": name} for name in ("Hub", "Vera", "Oleg")]
        self.add_pipeline("Sales", main=True)

    def close(self) -> None:
        """Stop delivering."""
        self.postman.close()

    def new_id(self) -> str:
        return str(uuid.UUID(int=self._chance.getrandbits(128), version=4))

    def now(self) -> str:
        return datetime.fromtimestamp(self.clock(), UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def add_pipeline(self, name: str, *, main: bool = False) -> Row:
        """A pipeline with the stages every new one has."""
        stages = [{"id": self.new_id(), "code": code, "label": label, "kind": kind, "order": n}
                  for n, (code, label, kind) in enumerate(STAGES, 1)]  # fmt: skip
        self.pipelines.append({"id": self.new_id(), "name": name, "is_default": main, "stages": stages})
        return self.pipelines[-1]

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def create(self, kind: str, values: Row) -> str:
        """Id of a new record."""
        with self.lock:
            row: Row = {**BLANK[kind], "assigned_to": [], "custom_fields": {}}
            if kind == DEALS:
                first = next(one for one in self.pipelines if one["is_default"])
                row |= {"pipeline": first["id"], "stage": first["stages"][0]["code"]}
            wish = {name: value for name, value in values.items() if name in row}
            self.check(kind, {**row, **wish}, wish, "")
            ref = self.new_id()
            row |= {"id": ref, "created_at": self.now()}
            self.rows[kind][ref] = row
            self._store(kind, row, wish, "CREATE")
            return ref

    def change(self, kind: str, ref: str, values: Row) -> dict[str, str | None]:
        """Change a record; a lead whose status becomes converted is converted, which answers its deal."""
        with self.lock:
            row = self.rows[kind][ref]
            wish = {name: value for name, value in values.items() if name in BLANK[kind]}
            self.check(kind, {**row, **wish}, wish, ref)
            converts = kind == LEADS and wish.get("status") == "converted"
            self._store(kind, row, wish, "UPDATE")
            return self._convert(row) if converts else {}

    def edit(self, kind: str, ref: str, **values: Any) -> None:
        """A person saves a form."""
        self.change(kind, ref, values)

    def delete(self, kind: str, ref: str) -> None:
        """For good."""
        with self.lock:
            row = self.rows[kind].pop(ref)
            self._tell(kind, row, "DELETE")

    def drag_card(self, ref: str, column: str, lane: str) -> None:
        """A person moves a card."""
        kind = LEADS if lane == "leads" else DEALS
        self.change(kind, ref, {"status": column} if kind == LEADS else {"stage": column, "pipeline": lane})

    def _store(self, kind: str, row: Row, wish: Row, action: str) -> None:
        known = {one["key"] for one in self.fields if one["target_model"] == ENTITIES[kind] and one["is_active"]}
        custom = {key: value for key, value in (wish.pop("custom_fields", None) or {}).items() if key in known}
        row |= {**wish, "custom_fields": {**row["custom_fields"], **custom}}
        row |= {"updated_at": self.now(), "at": self.clock()}
        if kind == DEALS and ("stage" in wish or action == "CREATE"):
            row["stage_changed_at"] = self.now()
        self._tell(kind, row, action)

    def _convert(self, lead: Row) -> dict[str, str | None]:
        """A contact of its e-mail and a deal that inherits what the lead says about its source."""
        contact = None
        if lead["email"]:
            same = (one for one in self.rows[CONTACTS].values() if _same(one["email"], lead["email"]))
            held = next(same, None)
            names = {name: lead[name] or "" for name in ("first_name", "last_name")}
            shared = {name: lead[name] for name in ("email", "phone", "source_ref")}
            contact = held["id"] if held else self._put(CONTACTS, {**names, **shared})
        name = " ".join(filter(None, (lead["first_name"], lead["last_name"])))
        deal = None
        if lead["opportunity_amount"] or lead["first_name"] or lead["company_name"]:
            inherited = {one: lead[one] for one in ("source_ref", "source_detail", "description", "assigned_to")}
            amount = {
                "amount": lead["opportunity_amount"],
                "stage": "QUALIFICATION",
                "contacts": [contact] if contact else [],
            }
            deal = self._put(DEALS, {**inherited, **amount, "name": name or f"Opportunity {lead['id']}"})
        return {"account_id": self.new_id(), "contact_id": contact, "opportunity_id": deal}

    def _put(self, kind: str, values: Row) -> str:
        """Made by the house itself: nothing is checked."""
        ref = self.new_id()
        row: Row = {**BLANK[kind], "custom_fields": {}, "id": ref, "created_at": self.now()}
        if kind == DEALS:
            row["pipeline"] = next(one for one in self.pipelines if one["is_default"])["id"]
        self.rows[kind][ref] = row
        self._store(kind, row, dict(values), "CREATE")
        return ref

    # ── rules ────────────────────────────────────────────────────────────────────────────────────

    def check(self, kind: str, row: Row, wish: Row, ref: str) -> None:
        """Raise `Wrong` for what the API refuses."""
        others = [one for other, one in self.rows[kind].items() if other != ref]
        if wish.get("email") and any(_same(one["email"], wish["email"]) for one in others):
            already = "Another lead in this organisation already uses that email address."
            raise Wrong(email=already if kind == LEADS else "Contact already exists with this email")
        {LEADS: self._check_lead, DEALS: self._check_deal, CONTACTS: self._check_contact}[kind](row, wish, ref)

    def _check_lead(self, row: Row, wish: Row, ref: str) -> None:
        status = wish.get("status")
        if status and status not in STATUSES:
            raise Wrong(status=f'"{status}" is not a valid choice.')
        if ref and status and self.rows[LEADS][ref]["status"] == "converted":
            raise Wrong(status="This lead is already converted.")
        if wish.get("source") and wish["source"] not in SOURCES:
            raise Wrong(source="Choose one of your lead sources.")
        if not 0 <= (wish.get("probability") or 0) <= 100:
            raise Wrong(probability="Ensure this value is less than or equal to 100.")
        _amount("opportunity_amount", wish)

    def _check_deal(self, row: Row, wish: Row, ref: str) -> None:
        _amount("amount", wish)
        others = (one["name"] for other, one in self.rows[DEALS].items() if other != ref)
        if not row["name"] or ("name" in wish and any(_same(one, wish["name"]) for one in others)):
            raise Wrong(name="Opportunity already exists with this name" if row["name"] else "This field is required.")
        stages: list[Row] = next((one["stages"] for one in self.pipelines if one["id"] == row["pipeline"]), [])
        stage = next((one for one in stages if one["code"] == row["stage"]), None)
        if stage is None:
            raise Wrong(stage="That is not a stage of this deal's pipeline.")
        if stage["kind"] != "open" and not row["closed_on"]:
            raise Wrong(closed_on=_DAY)
        if stage["kind"] == "won" and not row["amount"]:
            raise Wrong(amount="A won deal has to record what it was worth.")

    def _check_contact(self, row: Row, wish: Row, ref: str) -> None:
        for name in ("first_name", "last_name"):
            if not row[name]:
                raise Wrong(**{name: "This field may not be blank."})
        if wish.get("phone") and not _PHONE.match(str(wish["phone"])):
            raise Wrong(phone="Enter a valid phone number (7-25 characters, digits and separators only)")

    # ── telling ──────────────────────────────────────────────────────────────────────────────────

    def _tell(self, kind: str, row: Row, action: str) -> None:
        self.feed.insert(0, {
            "id": self.new_id(), "action": action, "entity_type": ENTITIES[kind], "entity_id": row["id"],
            "timestamp": self.now(), "at": self.clock(),
        })  # fmt: skip
        event = f"{EVENTS[kind]}.{action.lower()}d"
        told = {
            "id": self.new_id(),
            "event": event,
            "created_at": self.now(),
            "org_id": self.id,
            "data": {"id": row["id"]},
        }
        body = json.dumps(told).encode()
        for hook in self.hooks:
            at = str(int(self.clock()))
            mac = hmac.new(hook["secret"].encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
            head = {"X-BottleCRM-Signature": f"t={at},v1={mac}", "X-BottleCRM-Event": event}
            self.postman.deliver(hook["url"], body, {**head, "Content-Type": "application/json"})


def _same(one: Any, other: Any) -> bool:
    return bool(one) and str(one).casefold() == str(other).casefold()


def _amount(name: str, wish: Row) -> None:
    try:
        wish.get(name) is None or Decimal(str(wish[name]))
    except InvalidOperation:
        raise Wrong(**{name: "A valid number is required."}) from None
