"""What the account holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

from connectors.crms.amocrm.sandbox.schema import Pipelines, fields_at_birth
from connectors.testing.sandbox import Faults

KINDS = ("leads", "contacts", "companies")
WON, LOST = 142, 143
Row = dict[str, Any]


class Sends(Protocol):
    """Delivers hooks."""

    def tell(self, events: list[tuple[str, str, Row]]) -> None: ...

    def close(self) -> None: ...


class Account:
    """One account. Rows are kept flat; `routes` gives them the API's shape."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency = clock, rate, lag, latency
        self.list_lag = 0.0  # seconds a changed record stays out of lists by change time
        self.lock = threading.RLock()
        self._next = 1_000_001
        self.id, self.name, self.subdomain = 28_805_001, "Northwind Windows", "northwind"
        self.access = {token}
        self.refresh = {"refresh-1"}
        self.codes = {"code-1"}
        self.calls: Counter[str] = Counter()  # "POST leads/complex" → calls
        self.stamps: deque[float] = deque(maxlen=10_000)
        self.refused = 0
        self.faults = Faults()
        self.hooks: list[Row] = []
        self.postman: Sends | None = None
        self.emails: dict[int, str] = {}
        self.users = {504_101: "Vera Lind", 504_102: "Oleg Marsh", 504_103: "Tara Quill"}
        self.loss_reasons = {9_001: "Too expensive", 9_002: "Bought elsewhere"}
        self.pipelines = Pipelines(self.number)
        self.fields: dict[str, dict[int, Row]] = {kind: {} for kind in KINDS}
        self.notes: list[Row] = []
        self.tasks: list[Row] = []
        self.rows: dict[str, dict[int, Row]] = {kind: {} for kind in KINDS}
        self.order: dict[str, dict[int, None]] = {kind: {} for kind in KINDS}  # by last change, oldest first
        self._events: list[tuple[str, str, Row]] = []
        for kind, field in fields_at_birth():
            self.add_field(kind, field)

    def number(self) -> int:
        """A new id."""
        with self.lock:
            self._next += 2
            return self._next

    def close(self) -> None:
        """Stop the hook thread."""
        if self.postman:
            self.postman.close()

    # ── limits and faults ────────────────────────────────────────────────────────────────────────

    def fail(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; `path` is below /api/v4/. See `connectors.testing.sandbox.Fault`."""
        where = path if not path or path.startswith("/") else f"/api/v4/{path}"
        self.faults.order(kind, times, method=method, path=where, seconds=seconds)

    def throttled(self) -> int:
        """0, or the status that refuses this call: 429, and 403 for who does not stop."""
        if self.rate is None:
            return 0
        with self.lock:
            now = self.clock()
            while self.stamps and self.stamps[0] <= now - 1:
                self.stamps.popleft()
            if len(self.stamps) < self.rate:
                self.stamps.append(now)
                self.refused = max(0, self.refused - 1)
                return 0
            self.refused += 1
            return 403 if self.refused > 3 * self.rate else 429

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def add_field(self, kind: str, field: Row) -> Row:
        """A custom field; enums get ids."""
        made = {"id": self.number(), "sort": 500, "is_api_only": False, "code": None, **field}
        enums = made.get("enums")
        made["enums"] = [{"id": self.number(), "sort": n, **one} for n, one in enumerate(enums, 1)] if enums else None
        made["_codes"] = {one["value"] for one in made["enums"] or ()}
        made["_ids"] = {one["id"]: one["value"] for one in made["enums"] or ()}
        self.fields[kind][made["id"]] = made
        return made

    def field(self, kind: str, cell: Mapping[str, Any]) -> Row | None:
        """The field a cell of custom_fields_values means."""
        fields = self.fields[kind]
        if (number := cell.get("field_id")) is not None:
            return fields.get(number)
        code = cell.get("field_code")
        return next((one for one in fields.values() if code and one["code"] == code), None)

    def create(self, kind: str, wish: Mapping[str, Any], by: int = 0) -> Row:
        """A checked wish becomes a record."""
        now = int(self.clock())
        row: Row = {"id": self.number(), "name": "", "responsible_user_id": next(iter(self.users)), "group_id": 0,
                    "created_by": by, "updated_by": by, "created_at": now, "updated_at": now, "closed_at": None,
                    "cells": {}, "tags": [], "links": {}, "is_deleted": False, "merged": 0}  # fmt: skip
        if kind == "leads":
            row |= {"price": 0, "status_id": 0, "pipeline_id": 0, "loss_reason_id": None, "source_id": None}
            row["pipeline_id"], row["status_id"] = self.pipelines.place(wish)
        self.rows[kind][row["id"]] = row
        self._fill(kind, row, wish)
        self._name(kind, row, wish)
        self.touch(kind, row, "add", by)
        return row

    def change(self, kind: str, row: Row, wish: Mapping[str, Any], by: int = 0) -> None:
        """Apply a checked wish. A record that is written is a changed one, whatever it said before."""
        before = (row.get("pipeline_id"), row.get("status_id"), row["responsible_user_id"])
        if kind == "leads" and {"status_id", "pipeline_id"} & wish.keys():
            row["pipeline_id"], row["status_id"] = self.pipelines.place(wish, row["pipeline_id"])
            row["closed_at"] = int(self.clock()) if row["status_id"] in {WON, LOST} else None
        self._fill(kind, row, wish)
        self._name(kind, row, wish)
        if kind == "leads" and before[:2] != (row["pipeline_id"], row["status_id"]):
            row["old_pipeline_id"], row["old_status_id"] = before[:2]
            self._events.append(("status", kind, dict(row)))
        if before[2] != row["responsible_user_id"]:
            self._events.append(("responsible", kind, dict(row)))
        self.touch(kind, row, "update", by)

    def _fill(self, kind: str, row: Row, wish: Mapping[str, Any]) -> None:
        for key in ("name", "price", "responsible_user_id", "loss_reason_id", "source_id", "first_name", "last_name",
                    "created_at", "closed_at"):  # fmt: skip
            if key in wish:
                row[key] = wish[key]
        for cell in wish.get("custom_fields_values") or ():
            field = self.field(kind, cell)
            if field and cell.get("values"):
                row["cells"][field["id"]] = [_stored(field, value) for value in cell["values"]]
            elif field:
                row["cells"].pop(field["id"], None)
        inside = wish.get("_embedded") or {}
        if "tags" in inside:
            row["tags"] = [tag.get("name") for tag in inside["tags"] or ()]
        for other in KINDS:
            for part in inside.get(other) or ():
                if "id" in part:
                    self.link(kind, row, other, part["id"])

    def _name(self, kind: str, row: Row, wish: Mapping[str, Any]) -> None:
        if kind == "leads" and not row["name"]:
            row["name"] = f"Lead #{row['id']}"
        if kind == "contacts" and "name" not in wish and {"first_name", "last_name"} & wish.keys():
            row["name"] = " ".join(filter(None, (row.get("first_name"), row.get("last_name"))))

    def link(self, kind: str, row: Row, other: str, number: int) -> None:
        """Both ends; the first contact is the main one."""
        for start, name, end in ((row, other, number), (self.rows[other][number], kind, row["id"])):
            refs = start["links"].setdefault(name, [])
            if end not in refs:
                refs.append(end)

    def touch(self, kind: str, row: Row, action: str, by: int = 0) -> None:
        """Set the change time and remember the hook."""
        now = self.clock()
        row["updated_at"], row["updated_by"], row["written"] = int(now), by, now
        order = self.order[kind]
        order.pop(row["id"], None)
        order[row["id"]] = None
        if self.hooks:
            self._events.append((action, kind, dict(row)))

    def by_change(self, kind: str, since: int, *, newest: bool = False) -> Iterator[Row]:
        """Rows changed at or after `since`, oldest change first."""
        rows = self.rows[kind]
        found: list[Row] = []
        for number in reversed(self.order[kind]):
            if rows[number]["updated_at"] < since:
                break
            found.append(rows[number])
        return iter(found if newest else found[::-1])

    def flush(self) -> None:
        """Hand the hooks of one call over, in one body, as amoCRM does for a batch."""
        with self.lock:
            events, self._events = self._events, []
        if events and self.hooks and self.postman:
            self.postman.tell(events)

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def drag_card(self, lead: int, status: int, pipeline: int | None = None, by: int = 504_101) -> None:
        """Move a card to another column."""
        self.edit("leads", lead, by=by, status_id=status, **({"pipeline_id": pipeline} if pipeline else {}))

    def edit(self, kind: str, number: int, by: int = 504_101, **values: Any) -> None:
        """Change fields in the card, as the API would be told them."""
        with self.lock:
            self.change(kind, self.rows[kind][int(number)], values, by)
        self.flush()

    def jot(self, kind: str, number: int, note_type: str = "common", by: int = 504_101, **params: Any) -> Row:
        """A note, a call or a message in a card; `by` 0 is a robot."""
        with self.lock:
            return self.hang(self.notes, {"entity_type": kind, "entity_id": int(number), "note_type": note_type,
                                          "params": params}, by)  # fmt: skip

    def finish(self, number: int, by: int = 504_101) -> None:
        """Somebody ticks a task off."""
        with self.lock:
            row = next(one for one in self.tasks if one["id"] == int(number))
            row |= {"is_completed": True, "updated_at": int(self.clock()), "updated_by": by}

    def hang(self, where: list[Row], wish: Mapping[str, Any], by: int) -> Row:
        """A note or a task, checked."""
        now = int(self.clock())
        row = {"id": self.number(), "responsible_user_id": by or next(iter(self.users)), "created_by": by,
               "updated_by": by, "created_at": now, "updated_at": now, **wish}  # fmt: skip
        where.append(row)
        return row

    def delete(self, kind: str, number: int, by: int = 504_101) -> None:
        """Into the bin."""
        self._bin(kind, number, by, gone=True)

    def restore(self, kind: str, number: int, by: int = 504_101) -> None:
        """Out of the bin again."""
        self._bin(kind, number, by, gone=False)

    def _bin(self, kind: str, number: int, by: int, *, gone: bool) -> None:
        with self.lock:
            row = self.rows[kind][int(number)]
            row["is_deleted"] = gone
            self.touch(kind, row, "delete" if gone else "restore", by)
        self.flush()

    def merge(self, kind: str, into: int, number: int, by: int = 504_101) -> None:
        """`number` disappears, `into` takes its links."""
        with self.lock:
            keep, gone = self.rows[kind][int(into)], self.rows[kind][int(number)]
            for other, refs in gone["links"].items():
                for ref in refs:
                    self.link(kind, keep, other, ref)
                    self.rows[other][ref]["links"][kind] = [
                        r for r in self.rows[other][ref]["links"][kind] if r != gone["id"]
                    ]
            gone["is_deleted"], gone["merged"] = True, keep["id"]
            self.touch(kind, gone, "delete", by)
            self.touch(kind, keep, "update", by)
        self.flush()


def _stored(field: Row, value: Mapping[str, Any]) -> Row:
    """A value as it is shown later: text and enum, whichever of them was sent."""
    if field["type"] == "multitext":
        return {"value": value["value"], "enum_code": value.get("enum_code") or "WORK"}
    if field["type"] in {"select", "multiselect", "radiobutton"}:
        label = field["_ids"].get(value.get("enum_id")) or value.get("value")
        return {"value": label, "enum_id": next(i for i, v in field["_ids"].items() if v == label), "enum_code": None}
    return {"value": value["value"]}
