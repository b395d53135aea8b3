"""The records of the stand-in, its feed and its webhooks."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from connectors.crms.bottlecrm.sandbox.rules import ACCOUNTS, CONTACTS, DEALS, LEADS, Row, check, same
from connectors.testing.sandbox import Faults, Postman

ENTITIES = {LEADS: "Lead", DEALS: "Opportunity", CONTACTS: "Contact", ACCOUNTS: "Account"}
EVENTS = {LEADS: "lead", DEALS: "deal", CONTACTS: "contact", ACCOUNTS: "account"}
_GROUPS = {"teams": (), "tags": (), "assigned_to": ()}
_SHARED = {"source_detail": "", "source_ref": "", "description": None, "custom_fields": None, **_GROUPS}
BLANK: Mapping[str, Row] = {
    LEADS: {**_SHARED, **dict.fromkeys((
        "title", "first_name", "last_name", "email", "phone", "company_name", "job_title", "website", "status",
        "source", "rating", "opportunity_amount", "currency", "close_date",
    )), "probability": 0, "contacts": ()},
    DEALS: {**_SHARED, **dict.fromkeys((
        "name", "account", "pipeline", "stage", "amount", "currency", "closed_on", "lead_source",
    )), "probability": 0, "contacts": ()},
    CONTACTS: {**_SHARED, **dict.fromkeys((
        "first_name", "last_name", "email", "phone", "organization", "title", "source", "account",
    ))},
    ACCOUNTS: {**_GROUPS, **dict.fromkeys((
        "name", "email", "phone", "website", "address_line", "city", "postcode", "industry", "description",
        "custom_fields",
    )), "is_active": True},
}  # fmt: skip
STAGES = (("PROSPECTING", "Prospecting", "open"), ("QUALIFICATION", "Qualification", "open"),
          ("PROPOSAL", "Proposal", "open"), ("CLOSED_WON", "Closed Won", "won"),
          ("CLOSED_LOST", "Closed Lost", "lost"))  # fmt: skip


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
    tags: list[Row] = field(default_factory=list)
    tasks: dict[str, Row] = field(default_factory=dict)
    comments: dict[tuple[str, str], list[Row]] = field(default_factory=dict)
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
            row: Row = {**BLANK[kind], "custom_fields": {}}
            if kind == DEALS:
                first = next(one for one in self.pipelines if one["is_default"])
                row |= {"pipeline": first["id"], "stage": first["stages"][0]["code"]}
            wish = {name: value for name, value in values.items() if name in row}
            check(self.rows, self.pipelines, kind, {**row, **wish}, wish, "")
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
            check(self.rows, self.pipelines, kind, {**row, **wish}, wish, ref)
            converts = kind == LEADS and wish.get("status") == "converted"
            self._store(kind, row, wish, "UPDATE")
            return self._convert(row) if converts else {}

    def edit(self, kind: str, ref: str, **values: Any) -> None:
        """A person saves a form."""
        self.change(kind, ref, values)

    def delete(self, kind: str, ref: str) -> None:
        """For good; a company takes its deals along."""
        with self.lock:
            row = self.rows[kind].pop(ref)
            if kind == ACCOUNTS:
                for one in [one for one in self.rows[DEALS].values() if one["account"] == ref]:
                    self.delete(DEALS, one["id"])
                for person in self.rows[CONTACTS].values():
                    person["account"] = person["account"] if person["account"] != ref else None
            self._tell(kind, row, "DELETE")

    def comment(self, kind: str, ref: str, text: str, by: str) -> None:
        """Somebody says something about a record."""
        with self.lock:
            said = {"id": self.new_id(), "comment": text, "commented_on": self.now(), "commented_by": {"id": by}}
            self.comments.setdefault((kind, ref), []).extend([said] if text else [])

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
        """The company of its company's name, or of its person's; a contact of its e-mail; and a deal that inherits
        what the lead says about its source. What was said about the lead goes to the company."""
        person = " ".join(filter(None, (lead["first_name"], lead["last_name"])))
        called = lead["company_name"] or person or f"Lead {lead['id']}"
        known = next((one["id"] for one in self.rows[ACCOUNTS].values() if same(one["name"], called)), None)
        shared = {name: lead[name] for name in ("email", "phone", "website", "description")}
        firm = known or self._put(ACCOUNTS, {"name": called, **shared, "tags": lead["tags"]})
        self.comments.setdefault((ACCOUNTS, firm), []).extend(self.comments.pop((LEADS, lead["id"]), []))
        contact = None
        if lead["email"]:
            held = next((one for one in self.rows[CONTACTS].values() if same(one["email"], lead["email"])), None)
            names = {name: lead[name] or "" for name in ("first_name", "last_name")}
            shared = {name: lead[name] for name in ("email", "phone", "source_ref")}
            contact = held["id"] if held else self._put(CONTACTS, {**names, **shared, "account": firm})
            self.rows[CONTACTS][contact]["account"] = self.rows[CONTACTS][contact]["account"] or firm
        deal = None
        if lead["opportunity_amount"] or lead["first_name"] or lead["company_name"]:
            inherited = {
                one: lead[one] for one in ("source_ref", "source_detail", "description", "assigned_to", "tags")
            }
            amount = {
                "amount": lead["opportunity_amount"],
                "stage": "QUALIFICATION",
                "contacts": [contact] if contact else [],
            }
            name = " - ".join(filter(None, (lead["company_name"], person))) or f"Opportunity {lead['id']}"
            deal = self._put(DEALS, {**inherited, **amount, "account": firm, "name": name})
        return {"account_id": firm, "contact_id": contact, "opportunity_id": deal}

    def _put(self, kind: str, values: Row) -> str:
        """Made by the house itself: nothing is checked."""
        ref = self.new_id()
        row: Row = {**BLANK[kind], "custom_fields": {}, "id": ref, "created_at": self.now()}
        if kind == DEALS:
            row["pipeline"] = next(one for one in self.pipelines if one["is_default"])["id"]
        self.rows[kind][ref] = row
        self._store(kind, row, dict(values), "CREATE")
        return ref

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
