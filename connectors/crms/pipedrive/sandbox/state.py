"""What the company holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import hashlib
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from connectors.testing.sandbox import Faults

Row = dict[str, Any]
KINDS = ("leads", "deals", "persons", "organizations", "notes", "activities")
FIELD_LISTS = ("dealFields", "personFields", "organizationFields")
FIELDS_OF = {"leads": "dealFields", "deals": "dealFields", "persons": "personFields",
             "organizations": "organizationFields"}  # fmt: skip
_BLANK: Mapping[str, Row] = {
    "leads": {"label_ids": [], "value": None, "person_id": None, "organization_id": None, "is_archived": False,
              "was_seen": False, "origin": "API", "source_deal_id": None},
    "deals": {"label_ids": [], "value": 0, "currency": "EUR", "person_id": None, "org_id": None, "status": "open",
              "lost_reason": None, "source_lead_id": None, "is_archived": False, "close_time": None},
    "persons": {"label_ids": [], "phones": [], "emails": [], "org_id": None},
    "organizations": {"label_ids": [], "address": None},
    "notes": {},
    "activities": {"done": False, "type": "call", "lead_id": None, "deal_id": None, "org_id": None, "person_id": None},
}  # fmt: skip


class Sends(Protocol):
    """Delivers hooks."""

    def tell(self, events: list[Row]) -> None: ...

    def close(self) -> None: ...


class Account:
    """One company. `job_looks` is how often a conversion is asked after before it is through, `job_end` how it ends;
    `tokens` is what is left of the day's budget (None: not counted)."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency, self.token = clock, rate, lag, latency, token
        self.list_lag = 0.0  # seconds a changed record stays out of lists by change time
        self.lock = threading.RLock()
        self._next = 100
        self.id, self.name = 8_087_501, "Northwind Windows"
        self.calls: Counter[str] = Counter()  # "POST v1/leads" → calls
        self.spent = 0
        self.tokens: int | None = None
        self.stamps: deque[float] = deque(maxlen=10_000)
        self.refused = 0
        self.job_looks, self.job_end = 1, "completed"
        self.faults = Faults()
        self.hooks: list[Row] = []
        self.postman: Sends | None = None
        self.users = {701: "Vera Lind", 702: "Oleg Marsh", 703: "Tara Quill"}
        self.fields: dict[str, list[Row]] = {name: [self._label_field()] for name in FIELD_LISTS}
        self.labels: dict[str, Row] = {}
        self.pipelines: dict[int, Row] = {}
        self.stages: dict[int, Row] = {}
        self.jobs: dict[str, Row] = {}
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self._events: list[Row] = []
        for name, colour in (("Hot", "red"), ("Warm", "yellow"), ("Cold", "blue")):
            self.add_label(name, colour)
        self.add_pipeline("Pipeline", ("Qualified", "Contact made", "Offer sent"))

    def number(self) -> int:
        """A new id."""
        with self.lock:
            self._next += 1
            return self._next

    def uuid(self) -> str:
        """A new id of a lead, a label or a job."""
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{self.id}/{self.number()}"))

    def now(self) -> str:
        """The time of a change, in seconds."""
        return datetime.fromtimestamp(int(self.clock()), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def close(self) -> None:
        """Stop the hook thread."""
        if self.postman:
            self.postman.close()

    def fail(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; `path` is below /api/. See `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, method=method, path=f"/api/{path}" if path else "", seconds=seconds)

    def throttled(self, cost: int) -> int:
        """0, or the status that refuses this call: 429 for a burst or a spent day, 403 for who does not stop."""
        with self.lock:
            if self.tokens is not None and self.tokens < cost:
                return 429
            now = self.clock()
            while self.stamps and self.stamps[0] <= now - 2:
                self.stamps.popleft()
            if self.rate is not None and len(self.stamps) >= self.rate:
                self.refused += 1
                return 403 if self.refused > self.rate else 429
            self.stamps.append(now)
            self.spent += cost
            self.tokens = None if self.tokens is None else self.tokens - cost
            return 0

    # ── set-up ───────────────────────────────────────────────────────────────────────────────────

    def _label_field(self) -> Row:
        return {"field_name": "Label", "field_code": "label_ids", "field_type": "set", "is_custom_field": False,
                "options": [{"id": self.number(), "label": "VIP", "color": "green"}]}  # fmt: skip

    def add_field(self, path: str, wish: Mapping[str, Any]) -> Row:
        """A custom field under a key nobody can guess."""
        key = hashlib.sha1(f"{self.id}/{self.number()}".encode(), usedforsecurity=False).hexdigest()
        options = [{"id": self.number(), "label": one["label"]} for one in wish.get("options") or ()]
        made = {"field_name": wish["field_name"], "field_code": key, "field_type": wish["field_type"],
                "is_custom_field": True, "options": options or None}  # fmt: skip
        self.fields[path].append(made)
        return made

    def field(self, kind: str, key: str) -> Row | None:
        """The custom field with this key."""
        rows = self.fields[FIELDS_OF[kind]] if kind in FIELDS_OF else []
        return next((row for row in rows if row["is_custom_field"] and row["field_code"] == key), None)

    def add_label(self, name: str, colour: str) -> Row:
        """A label of leads."""
        made = {"id": self.uuid(), "name": name, "color": colour, "add_time": self.now(), "update_time": self.now()}
        self.labels[made["id"]] = made
        return made

    def add_pipeline(self, name: str, stages: tuple[str, ...] = ()) -> Row:
        """A pipeline; the API makes it empty."""
        made: Row = {"id": self.number(), "name": name, "order_nr": len(self.pipelines), "is_deleted": False,
                "is_deal_probability_enabled": True}  # fmt: skip
        self.pipelines[made["id"]] = made
        for stage in stages:
            self.add_stage(made["id"], stage)
        return made

    def add_stage(self, pipeline: int, name: str) -> Row:
        """A stage at the end of its pipeline."""
        order = sum(1 for one in self.stages.values() if one["pipeline_id"] == pipeline)
        made: Row = {"id": self.number(), "name": name, "pipeline_id": pipeline, "order_nr": order, "is_deleted": False,
                "deal_probability": 100, "is_deal_rot_enabled": False, "days_to_rotten": None}  # fmt: skip
        self.stages[made["id"]] = made
        return made

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def live(self, kind: str, ref: str | int) -> Row:
        """The record; KeyError when there is none or it was deleted."""
        row = self.rows[kind][str(ref)]
        if row["is_deleted"]:
            raise KeyError(ref)
        return row

    def create(self, kind: str, wish: Mapping[str, Any], source: str = "api") -> Row:
        """A checked wish becomes a record."""
        now = self.now()
        ref: str | int = self.uuid() if kind == "leads" else self.number()
        row: Row = {"id": ref, "owner_id": 701, "visible_to": "3" if kind == "leads" else 3, "add_time": now,
                    "is_deleted": False, "cells": {}, "merged": 0, **_copy(_BLANK[kind])}  # fmt: skip
        if kind == "deals":
            row["pipeline_id"] = wish.get("pipeline_id") or min(self.pipelines)
            row["stage_id"] = min(n for n, one in self.stages.items() if one["pipeline_id"] == row["pipeline_id"])
        self.rows[kind][str(ref)] = row
        self._fill(kind, row, wish)
        self.touch(kind, row, "create", source)
        return row

    def change(self, kind: str, row: Row, wish: Mapping[str, Any], source: str = "api") -> None:
        """Apply a checked wish."""
        before = dict(row)
        self._fill(kind, row, wish)
        self.touch(kind, row, "change", source, before=before)

    def _fill(self, kind: str, row: Row, wish: Mapping[str, Any]) -> None:
        for key, value in wish.items():
            if key == "custom_fields":
                row["cells"] |= value
            elif kind == "leads" and self.field(kind, key):
                row["cells"][key] = value
            else:
                row[key] = value
        if kind == "persons" and "name" in wish:
            first, _, last = str(row["name"]).partition(" ")
            row["first_name"], row["last_name"] = first, last or None
        if "stage_id" in wish and kind == "deals":  # the stage wins over the pipeline
            row["pipeline_id"] = self.stages[wish["stage_id"]]["pipeline_id"]
        if row.get("participants"):
            row["person_id"] = row["participants"][0]["person_id"]

    def touch(self, kind: str, row: Row, action: str, source: str, **more: Any) -> None:
        """Set the change time and remember the hook."""
        row["update_time"], row["written"] = self.now(), self.clock()
        if self.hooks:
            self._events.append({"kind": kind, "row": dict(row), "action": action, "source": source, **more})

    def flush(self) -> None:
        """Hand the hooks of one call over."""
        with self.lock:
            events, self._events = self._events, []
        if events and self.postman:
            self.postman.tell(events)

    def job(self, lead: str, place: Mapping[str, Any]) -> Row:
        """Begin a conversion."""
        made: Row = {"conversion_id": self.uuid(), "lead_id": lead, "place": dict(place), "looks": 0}
        made["status"] = "not_started"
        self.jobs[made["conversion_id"]] = made
        return made

    def look(self, job: Row) -> None:
        """Every look brings a job on, so that nobody has to wait for a clock."""
        job["looks"] += 1
        if job["looks"] < self.job_looks:
            job["status"] = "running"
        elif job["status"] not in {"completed", "failed", "rejected"}:
            job["status"] = self.job_end
            if self.job_end == "completed":
                job["deal_id"] = self.become_deal(job["lead_id"], job["place"], "api")

    def become_deal(self, lead: str, place: Mapping[str, Any], source: str) -> int:
        """The lead disappears; the deal has its fields, its notes and activities."""
        gone = self.live("leads", lead)
        money = gone["value"] or {}
        deal = self.create("deals", {
            **{key: value for key, value in place.items() if value is not None}, "title": gone["title"],
            "value": money.get("amount") or 0, "currency": money.get("currency") or "EUR", "owner_id": gone["owner_id"],
            "person_id": gone["person_id"], "org_id": gone["organization_id"], "source_lead_id": lead,
            "custom_fields": dict(gone["cells"]),
        }, source)  # fmt: skip
        gone["is_deleted"] = True
        self.touch("leads", gone, "delete", source)
        for kind in ("notes", "activities"):
            for row in self.rows[kind].values():
                if row.get("lead_id") == lead:
                    row["lead_id"], row["deal_id"] = None, deal["id"]
        return int(deal["id"])

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, kind: str, ref: str | int, **values: Any) -> None:
        """Change fields in the web app."""
        with self.lock:
            self.change(kind, self.live(kind, ref), values, "app")
        self.flush()

    def delete(self, kind: str, ref: str | int, source: str = "app") -> None:
        """Into the bin."""
        with self.lock:
            row = self.live(kind, ref)
            row["is_deleted"] = True
            self.touch(kind, row, "delete", source)
        self.flush()

    def merge(self, kind: str, into: str | int, ref: str | int, source: str = "app") -> None:
        """`ref` disappears, `into` stays; two hooks."""
        with self.lock:
            keep, gone = self.live(kind, into), self.live(kind, ref)
            gone["is_deleted"], gone["merged"] = True, keep["id"]
            key = {"persons": "person_id", "organizations": "org_id"}.get(kind, "")
            for other in self.rows["deals"].values() if key else ():
                other[key] = keep["id"] if other[key] == gone["id"] else other[key]
            self.touch(kind, gone, "delete", source, meta={"merged_to_id": str(keep["id"])})
            self.touch(kind, keep, "change", source, meta={"merged_from_id": str(gone["id"])})
        self.flush()

    def convert(self, lead: str, place: Mapping[str, Any] | None = None) -> int:
        """A person converts a lead in the web app."""
        with self.lock:
            deal = self.become_deal(lead, place or {}, "app")
        self.flush()
        return deal

    def drag_card(self, ref: str, column: str) -> None:
        """Move a card to another column: a label or the archive for leads, a stage, won or lost for deals."""
        if ref in self.rows["leads"]:
            self.edit("leads", ref, **self._lead_place(self.live("leads", ref), column))
        elif column in ("won", "lost"):
            self.edit("deals", ref, status=column, close_time=self.now())
        else:
            self.edit("deals", ref, stage_id=self.stages[int(column)]["id"], status="open")

    def _lead_place(self, row: Row, column: str) -> Row:
        if column == "archived":
            return {"is_archived": True}
        staged = {ref for ref, one in self.labels.items() if " · " in one["name"]}
        kept = [label for label in row["label_ids"] if label not in staged]
        return {"is_archived": False, "label_ids": [self.labels[column]["id"], *kept] if column else kept}


def _copy(blank: Row) -> Row:
    return {key: list(value) if isinstance(value, list) else value for key, value in blank.items()}
