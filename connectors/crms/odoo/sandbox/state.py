"""A database in memory: transactions that are kept whole or not at all, what people and robots do, webhooks."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from connectors.crms.odoo.sandbox.models import STAFF, first_rows, models
from connectors.crms.odoo.sandbox.orm import Row, Wrong, checked, described, matches, shown_time
from connectors.testing.sandbox import Faults, Postman

HUB_USER, HUMAN = 2, 3
LEADS, MESSAGES = "crm.lead", "mail.message"
MANDATORY = (
    "The operation cannot be completed:\n- Create/update: a mandatory field is not set.\n\nModel: {0} ({0})\n"
    "Field: {1} ({2})"
)


class Database:
    """One database. `lag` is how long after its time a person's change is committed, in seconds."""

    def __init__(
        self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str, version: int
    ) -> None:
        self.clock, self.rate, self.lag, self.latency, self.version = clock, rate, lag, latency, version
        self.name, self.login, self.keys = "northwind", "hub@northwind.test", {token}
        self.lock = threading.RLock()
        self.faults, self.postman = Faults(), Postman(patience=1.0)
        self.calls: Counter[str] = Counter()  # "crm.lead.create" → calls
        self.stamps: deque[float] = deque(maxlen=10_000)
        self.denied: set[tuple[str, str]] = set()  # (model, method)
        self.hidden: set[int] = set()  # leads a record rule keeps from the hub
        self.unseen: dict[int, float] = {}  # message → when its transaction ends
        self.jsonrpc = True
        self.robot: Callable[[Database, int], None] | None = None  # runs after the hub made or changed a lead
        self.leads_menu = False
        self.fields = models(version)
        self.rows: dict[str, dict[int, Row]] = {model: {} for model in self.fields}
        self._ids: Counter[str] = Counter()
        self._now: float | None = None  # when the transaction began
        self._undo: list[Callable[[], object]] = []
        self._told: list[tuple[str, int]] = []
        self._late: list[tuple[float, float, str, int, Row]] = []
        with self.transaction():
            for model, values in first_rows(version):
                self.create(model, values, 1)

    def close(self) -> None:
        """Stop the hook thread."""
        self.postman.close()

    def fail(self, kind: str, times: int = 1, *, path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; see `connectors.testing.sandbox.Fault`. `kind` may be the name of an error."""
        self.faults.order(kind, times, method="POST", path=path, seconds=seconds)

    def throttled(self) -> bool:
        """More calls in this second than Odoo Online wants."""
        with self.lock:
            now = self.clock()
            while self.stamps and self.stamps[0] <= now - 1:
                self.stamps.popleft()
            self.stamps.append(now)
            return self.rate is not None and len(self.stamps) > self.rate

    # ── transactions ─────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def transaction(self, at: float | None = None) -> Iterator[None]:
        """All of it or nothing; every change in it has the time it began at."""
        with self.lock:
            self._now, self._undo, self._told = self.clock() if at is None else at, [], []
            try:
                yield
            except Wrong:
                for take_back in reversed(self._undo):
                    take_back()
                raise
            finally:
                self._now = None
            told, self._told = self._told, []
        self._announce(told)

    def settle(self) -> None:
        """Commit what people began at least `lag` seconds ago."""
        with self.lock:
            due = [one for one in self._late if one[0] <= self.clock()]
            self._late = [one for one in self._late if one[0] > self.clock()]
        for _, began, model, ref, values in due:
            if ref in self.rows[model]:
                with self.transaction(began):
                    self.write(model, [ref], values, HUMAN)

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def exists(self, model: str, ref: int) -> bool:
        return ref in self.rows.get(model, {}) or (model == "res.partner" and ref > STAFF)

    def search(self, model: str, domain: Sequence[Any], active_test: bool) -> list[Row]:
        """Rows of a domain; those of the archive only where they are asked for."""
        fields, told = self.fields[model], []
        hide = active_test and "active" in fields and not any(isinstance(t, list) and t[0] == "active" for t in domain)
        for row in self.rows[model].values():
            if (hide and not row.get("active")) or (model == LEADS and row["id"] in self.hidden):
                continue
            if model == MESSAGES and self.clock() < self.unseen.get(row["id"], 0.0):
                continue
            if matches(row, domain, fields, whole_seconds=self.version >= 19):
                told.append(row)
        return told

    def create(self, model: str, values: Mapping[str, Any], by: int = HUB_USER) -> int:
        """A new row with what it consists of."""
        self._ids[model] += 1
        now = self._now or self.clock()
        ref = self._ids[model]
        row: Row = {"id": ref, "create_date": now, "write_date": now, "create_uid": by, "write_uid": by}
        row |= {"active": True} if "active" in self.fields[model] and "active" not in values else {}
        given = {**self._defaults(model, values, by), **values}
        self._fill(model, row, given, by)
        for name, field in self.fields[model].items():
            if field.get("required") and not row.get(name):
                raise Wrong("ValidationError", MANDATORY.format(model, field.get("string", name), name))
        self.rows[model][ref] = row
        self._undo.append(lambda: self.rows[model].pop(ref, None))
        self._parts(model, row, given, by)
        self._after(model, row, given)
        self._told.append((model, ref))
        return ref

    def write(self, model: str, ids: Sequence[int], values: Mapping[str, Any], by: int = HUB_USER) -> None:
        """The same values for all of them. Writing what is there already is a change, too."""
        for ref in ids:
            row = self.rows[model].get(ref)
            if row is None:
                raise Wrong("MissingError", f"Record does not exist or has been deleted.\n(Record: {model}({ref},))")
            if model == LEADS and ref in self.hidden and by == HUB_USER:
                raise Wrong("AccessError", f"Due to security restrictions, you are not allowed to modify '{model}'")
            before = dict(row)
            self._undo.append(lambda row=row, before=before: (row.clear(), row.update(before)))  # type: ignore[misc]
            self._fill(model, row, values, by)
            row |= {"write_date": self._now or self.clock(), "write_uid": by}
            self._parts(model, row, values, by)
            self._after(model, row, values)
            self._told.append((model, ref))

    def unlink(self, model: str, ids: Sequence[int]) -> None:
        """Gone for good, without a trace."""
        for ref in ids:
            if ref not in self.rows[model]:
                raise Wrong("MissingError", "Record does not exist or has been deleted.")
            row = self.rows[model].pop(ref)
            self._undo.append(lambda ref=ref, row=row: self.rows[model].update({ref: row}))  # type: ignore[misc]
            if model == "ir.model.fields":
                self.fields[row["model"]].pop(row["name"], None)

    def _fill(self, model: str, row: Row, values: Mapping[str, Any], by: int) -> None:
        for name, value in values.items():
            field = self.fields[model].get(name)
            if field is None:
                raise Wrong("builtins.ValueError", f"Invalid field '{name}' on model '{model}'")
            if field["type"] == "json":
                row[name] = value
            elif field["type"] != "one2many":
                row[name] = checked(model, name, field, value, self.exists)

    def _defaults(self, model: str, values: Mapping[str, Any], by: int) -> Row:
        if model != LEADS:
            return {}
        stage = next((ref for ref, one in self.rows["crm.stage"].items() if not one.get("is_won")), False)
        return {"user_id": by, "team_id": 1, "stage_id": stage, "type": "lead" if self.leads_menu else "opportunity"}

    def _parts(self, model: str, row: Row, values: Mapping[str, Any], by: int) -> None:
        for name, value in values.items():
            field = self.fields[model][name]
            for command in value if field["type"] == "one2many" and value else ():
                self.create(field["relation"], {**command[2], field["inverse"]: row["id"]}, by)

    def _after(self, model: str, row: Row, values: Mapping[str, Any]) -> None:
        """What is computed of the values."""
        if model in (LEADS, "res.partner"):
            phone, mail = str(row.get("phone") or ""), str(row.get("email_from" if model == LEADS else "email") or "")
            row["phone_sanitized"] = "+" + re.sub(r"\D", "", phone) if phone.startswith("+") else False
            row["email_normalized"] = mail.strip().lower() if mail.count("@") == 1 else False
        if model == LEADS:
            self._lead(row, values)
        if model == "ir.model.fields" and "ttype" in values:
            self._column(row)

    def _lead(self, row: Row, values: Mapping[str, Any]) -> None:
        if "stage_id" in values and (self.rows["crm.stage"].get(row.get("stage_id") or 0) or {}).get("is_won"):
            row["probability"] = row["automated_probability"] = 100.0
        lost = not row["active"] and not row.get("probability")
        if "won_status" in self.fields[LEADS]:
            row["won_status"] = "won" if row.get("probability") == 100.0 else "lost" if lost else "pending"

    def _column(self, row: Row) -> None:
        if not str(row["name"]).startswith("x_"):
            raise Wrong("ValidationError", "Custom fields must have a name that starts with 'x_'!")
        row["model"] = self.rows["ir.model"][row["model_id"]]["model"]
        options = [part[2]["value"] for part in row.get("selection_ids") or ()]
        field: Row = {"type": row["ttype"], "relation": "", "options": options, "string": row["field_description"]}
        self.fields[row["model"]][row["name"]] = field
        self._undo.append(lambda: self.fields[row["model"]].pop(row["name"], None))

    # ── showing ──────────────────────────────────────────────────────────────────────────────────

    def shown(self, model: str, row: Row, names: Sequence[str], plain: bool) -> Row:
        """As `read` tells it: false for everything empty, whole seconds, references with names unless `plain`."""
        told: Row = {"id": row["id"]}
        for name in names:
            if name == "id":
                continue
            field = self.fields[model].get(name)
            if field is None:
                raise Wrong("builtins.ValueError", f"Invalid field '{name}' on '{model}'")
            value = row.get(name, False)
            if field["type"] == "datetime" and value is not False:
                value = shown_time(value)
            elif field["type"] in ("many2many", "one2many"):
                value = value or self._inverse(field, row["id"])
            elif field["type"] == "many2one" and value and not plain:
                value = [value, str(self.rows[field["relation"]][value].get("name"))]
            elif field["type"] in ("float", "monetary"):
                value = value or 0.0
            told[name] = value
        return told

    def _inverse(self, field: Row, ref: int) -> list[int]:
        name = field.get("inverse")
        return [n for n, row in self.rows.get(field["relation"], {}).items() if row.get(name) == ref] if name else []

    def described(self, model: str) -> Row:
        """As fields_get tells it."""
        told = {name: described(name, field) for name, field in self.fields[model].items()}
        told["id"] = {"name": "id", "type": "integer", "string": "ID", "readonly": True, "required": False}
        if model in (LEADS, "res.partner"):
            told["phone_mobile_search"] = {"type": "char", "string": "Phone", "readonly": False, "store": False}
        return told

    # ── webhooks ─────────────────────────────────────────────────────────────────────────────────

    def _announce(self, told: Sequence[tuple[str, int]]) -> None:
        """Each change many times, as automation rules do it: at each flush of what is computed."""
        for model, ref in dict.fromkeys(told):
            for rule in [one for one in self.rows["base.automation"].values() if one.get("active")]:
                if self.rows["ir.model"][rule["model_id"]]["model"] == model and ref in self.rows[model]:
                    self._post(rule, model, ref)

    def _post(self, rule: Row, model: str, ref: int) -> None:
        row = self.rows[model][ref]
        body = {"_action": f"{rule['name']}(#{rule['id']})", "_id": ref, "_model": model, "id": ref,
                "write_date": f"{shown_time(row['write_date'])}.{int(row['write_date'] % 1 * 1e6):06}"}  # fmt: skip
        for action in [one for one in self.rows["ir.actions.server"].values() if one.get("rule") == rule["id"]]:
            for _ in range(8 if self.version >= 19 else 7):
                self.postman.deliver(action["webhook_url"], json.dumps(body).encode(), {})

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, ref: int, model: str = LEADS, **values: Any) -> None:
        """A person changes a record; others see it once the transaction is over."""
        if self.lag:
            with self.lock:
                self._late.append((self.clock() + self.lag, self.clock(), model, ref, values))
            return
        with self.transaction():
            self.write(model, [ref], values, HUMAN)

    def lose(self, ref: int, reason: int = 1) -> None:
        """The button «Lost»."""
        lost: Row = {"active": False, "probability": 0.0, "automated_probability": 0.0, "lost_reason_id": reason}
        self.edit(ref, **lost)

    def drag_card(self, ref: int, stage: int, team: int = 0) -> None:
        """Move a card to another column."""
        place: Row = {"stage_id": stage, **({"team_id": team} if team else {})}
        self.edit(ref, **place)

    def convert(self, ref: int) -> None:
        """The button «Convert to opportunity»."""
        self.edit(ref, type="opportunity", date_conversion=shown_time(self.clock()))

    def delete(self, ref: int, model: str = LEADS) -> None:
        """Delete for good."""
        with self.transaction():
            self.unlink(model, [ref])

    def merge(self, into: int, ref: int) -> None:
        """One of two is left, the other is gone without a trace."""
        with self.transaction():
            self.write(LEADS, [into], {}, HUMAN)
            self.unlink(LEADS, [ref])
