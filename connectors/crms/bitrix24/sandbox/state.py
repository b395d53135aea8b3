"""What the account holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Any, Protocol

from connectors.crms.bitrix24.sandbox.query import listed
from connectors.crms.bitrix24.sandbox.schema import (
    LISTS,
    NATIVE,
    NUMBERS,
    READ_ONLY,
    TYPES,
    Row,
    Stages,
    Wrong,
    stages_of,
)
from connectors.testing.sandbox import Faults

KINDS = tuple(TYPES.values())
ZONE = timezone(timedelta(hours=3))
BURST, TEN_MINUTES = 50, 600


class Sends(Protocol):
    """Delivers events."""

    def tell(self, name: str, row: Row) -> None: ...

    def close(self) -> None: ...


class Account:
    """One account. `leads` is whether it works with them; `cost` the seconds of server time one command takes."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency, self.token = clock, rate, lag, latency, token
        self.leads, self.cost, self.busy_limit = True, 0.0, 480.0
        self.lock = threading.RLock()
        self._next = 100
        self.name = "northwind.bitrix24.test"
        self.scope = {"crm", "user"}
        self.access = {"access-1"}
        self.expired: set[str] = set()
        self.refresh = {"refresh-1"}
        self.application_token = "application-token-1"
        self.calls: Counter[str] = Counter()  # "crm.item.list" → HTTP calls
        self.commands: Counter[str] = Counter()  # the same, those inside of batches too
        self.busy: dict[str, deque[tuple[float, float]]] = {}
        self.level, self.level_at, self.refused = 0.0, 0.0, 0
        self.faults = Faults()
        self.handlers: list[Row] = []
        self.outgoing: list[Row] = []
        self.queue: dict[tuple[str, int], Row] = {}
        self.postman: Sends | None = None
        self.zone: tzinfo = ZONE  # of the account, in which times are told
        self.users = {1: "Vera Lind", 2: "Oleg Marsh", 3: "Tara Quill"}
        self.hidden: set[tuple[str, int]] = set()  # records the webhook's owner may not see
        self.required: dict[tuple[str, str], str] = {}  # (kind, stage) → field that must be filled there
        self.robots: dict[str, Row] = {}  # kind → what a robot writes into each new record
        self.fresh: list[tuple[str, int]] = []  # made by the call that is under way
        self.paging: tuple[int, int | None] | None = None  # total and next of the list just answered
        self.stages = Stages(self.number)
        self.fields: dict[str, dict[str, Row]] = {kind: {} for kind in KINDS}
        self.rows: dict[str, dict[int, Row]] = {kind: {} for kind in KINDS}
        self.notes: list[Row] = []
        self.activities: list[Row] = []

    def number(self) -> int:
        """A new id."""
        with self.lock:
            self._next += 1
            return self._next

    def close(self) -> None:
        """Stop the thread that delivers events."""
        if self.postman:
            self.postman.close()

    # ── limits and faults ────────────────────────────────────────────────────────────────────────

    def fail(self, kind: str, times: int = 1, *, path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong; `path` is a method. See `connectors.testing.sandbox.Fault`."""
        where = path if not path or path.startswith("/") else f"/rest/1/{self.token}/{path}"
        self.faults.order(kind, times, path=where, seconds=seconds)

    def throttled(self) -> bool:
        """A bucket of 50 calls that loses `rate` a second."""
        if self.rate is None:
            return False
        with self.lock:
            now = self.clock()
            self.level = max(0.0, self.level - (now - self.level_at) * self.rate)
            self.level_at = now
            if self.level + 1 > BURST:
                self.refused += 1
                return True
            self.level += 1
            return False

    def spend(self, method: str) -> tuple[float, float]:
        """Server time of a method in the last ten minutes, and when the oldest of it is forgotten."""
        now, spent = self.clock(), self.busy.setdefault(method, deque())
        while spent and spent[0][0] <= now - TEN_MINUTES:
            spent.popleft()
        total = sum(cost for _, cost in spent)
        if total > self.busy_limit:
            raise Wrong("OPERATION_TIME_LIMIT", "Method is blocked due to operation time limit.", 429)
        if self.cost:
            spent.append((now, self.cost))
        return total + self.cost, (spent[0][0] if spent else now) + TEN_MINUTES

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def kinds_of(self, kind: str) -> dict[str, str]:
        """Fields and their types."""
        return NATIVE[kind] | {name: one["USER_TYPE_ID"] for name, one in self.fields[kind].items()}

    def create(self, kind: str, wish: Row, by: int = 1) -> Row:
        """A record from a wish; raises what is wrong with it."""
        now = self.stamp()
        row: Row = dict.fromkeys(self.kinds_of(kind)) | {
            "createdTime": now, "updatedTime": now, "createdBy": by, "assignedById": by, "opened": "N", "fm": [],
            "contactIds": [], "companyIds": [], "opportunity": 0, "leadId": 0, "categoryId": 0,
        }  # fmt: skip
        if kind in {"leads", "deals"}:
            category = wish.get("categoryId") or 0
            row["stageId"] = self.stages.first("STATUS" if kind == "leads" else stages_of(self._category(category)))
        self._fill(kind, row, wish, new=True)
        row["id"] = self.number()
        if kind == "leads" and not row["title"]:
            row["title"] = f"Lead #{row['id']}"
        self.rows[kind][row["id"]] = row
        self.touch(kind, row, "ADD", by)
        if kind == "leads" and not self.leads:
            self.convert(row["id"], by)
        return row

    def change(self, kind: str, row: Row, wish: Row, by: int = 1) -> None:
        """Apply a wish as a whole or not at all."""
        fresh = {**row, "fm": [dict(one) for one in row["fm"]]}
        self._fill(kind, fresh, wish, new=False)
        moved = kind == "deals" and fresh["categoryId"] != row["categoryId"]
        row.clear()
        row.update(fresh)
        self.touch(kind, row, "MOVETOCATEGORY" if moved else "UPDATE", by)

    def _category(self, told: Any) -> int:
        if not str(told).isdecimal() or int(told) not in self.stages.categories:
            raise Wrong("CRM_FIELD_ERROR_VALUE_NOT_VALID", 'Invalid value for field "categoryId"')
        return int(told)

    def _fill(self, kind: str, row: Row, wish: Row, *, new: bool) -> None:
        kinds = self.kinds_of(kind)
        for name, value in wish.items():
            if name in kinds and name not in READ_ONLY and name != "fm":
                row[name] = self._value(name, kinds[name], value)
        if row["contactIds"] or (row.get("contactId") and "contactId" in wish and "contactIds" not in wish):
            row["contactIds"] = (
                row["contactIds"] if "contactIds" in wish or not wish.get("contactId") else [row["contactId"]]
            )
            row["contactId"] = (row["contactIds"] or [0])[0]
        if kind in {"leads", "deals"}:
            self._place(kind, row, wish)
        if kind == "contacts" and not row["name"] and not row["lastName"]:
            raise Wrong("CRM_FIELD_ERROR_REQUIRED", 'The "Name" field is required')
        if kind == "leads" and row["contactIds"]:
            row["isReturnCustomer"], row["fm"] = "Y", []  # a repeat lead: what reaches the person is in the contact
        elif "fm" in wish:
            _multi(row, wish["fm"], self.number, new=new)

    def _place(self, kind: str, row: Row, wish: Row) -> None:
        where = "STATUS" if kind == "leads" else stages_of(self._category(row["categoryId"]))
        if "categoryId" in wish and "stageId" not in wish:
            row["stageId"] = self.stages.first(where)
        row["stageSemanticId"] = self.stages.semantics(where, row["stageId"])
        row["closed"] = "NY"[row["stageSemanticId"] != "P"]
        field = self.required.get((kind, row["stageId"]))
        if field and not row.get(field):
            raise Wrong("CRM_FIELD_ERROR_REQUIRED", f'The "{field}" field is required')

    def _value(self, name: str, kind: str, value: Any) -> Any:
        if name in LISTS:
            refs = [int(ref) for ref in listed(value) if str(ref).isdecimal()]
            kind_of = "contacts" if name == "contactIds" else "companies"
            return [ref for ref in refs if ref in self.rows[kind_of]]
        bad = Wrong("CRM_FIELD_ERROR_VALUE_NOT_VALID", f'Invalid value for field "{name}"')
        if isinstance(value, dict | list) or (kind in {"double", "money"} and not _numeric(value)):
            raise bad
        if kind == "datetime" and value and not _instant(value):
            raise bad
        if kind in NUMBERS:
            number = int(value) if str(value).isdecimal() else 0
            if name == "assignedById" and number not in self.users:
                raise bad
            return number
        if kind == "double":
            return float(value or 0) if float(value or 0) % 1 else int(float(value or 0))
        return str(value) if value not in (None, "") else None

    def stamp(self) -> str:
        """Now, as the account writes it."""
        return datetime.fromtimestamp(int(self.clock()), self.zone).isoformat()

    def touch(self, kind: str, row: Row, what: str, by: int) -> None:
        """Set the change time and tell who listens."""
        row["updatedTime"], row["updatedBy"], row["_written"] = self.stamp(), by, self.clock()
        self.announce(kind, row, what)

    def announce(self, kind: str, row: Row, what: str) -> None:
        """An event: to handlers, and to the queue for those that asked for it."""
        word = {"companies": "COMPANY"}.get(kind, kind[:-1].upper())
        name = f"ONCRM{word}{what}"
        if any(one["event"] == name and one["offline"] for one in self.handlers):
            self.queue[(name, row["id"])] = {"EVENT_NAME": name, "ID": str(self.number()), "process": "",
                                             "EVENT_DATA": {"FIELDS": {"ID": row["id"]}}}  # fmt: skip
            if self.postman:
                self.postman.tell("ONOFFLINEEVENT", {})
        if self.postman:
            self.postman.tell(name, row)

    # ── what people and robots do ────────────────────────────────────────────────────────────────

    def run_robots(self, made: Iterable[tuple[str, int]]) -> None:
        """Robots write right after us."""
        for kind, number in made:
            if kind in self.robots:
                self.edit(kind, number, by=0, **self.robots[kind])

    def edit(self, kind: str, number: int, by: int = 2, **values: Any) -> None:
        """Change fields in the card."""
        with self.lock:
            self.change(kind, self.rows[kind][int(number)], values, by)

    def drag_card(self, number: int, stage: str, pipeline: int | None = None, by: int = 2) -> None:
        """Move a card to another column; `pipeline` None is that of leads."""
        if pipeline is None:
            return self.convert(number, by) if stage == "CONVERTED" else self.edit("leads", number, by, stageId=stage)
        return self.edit("deals", number, by, categoryId=pipeline, stageId=stage)

    def delete(self, kind: str, number: int) -> None:
        """Into the bin, which programs cannot read."""
        with self.lock:
            row = self.rows[kind].pop(int(number))
            self.announce(kind, row, "DELETE")

    def merge(self, kind: str, into: int, number: int) -> None:
        """`number` disappears, `into` takes its phones and its cards."""
        with self.lock:
            keep, gone = self.rows[kind][int(into)], self.rows[kind][int(number)]
            keep["fm"] += gone["fm"]
            for card in (*self.rows["leads"].values(), *self.rows["deals"].values()) if kind == "contacts" else ():
                card["contactIds"] = list(
                    dict.fromkeys(keep["id"] if ref == gone["id"] else ref for ref in card["contactIds"])
                )
            self.touch(kind, keep, "UPDATE", 2)
            self.delete(kind, number)

    def convert(self, lead: int, by: int = 2) -> None:
        """The vendor's own conversion, which programs cannot call: contact, deal, and the lead is done."""
        with self.lock:
            row = self.rows["leads"][int(lead)]
            refs = row["contactIds"]
            if not refs:
                person = {"name": row["name"] or row["title"], "lastName": row["lastName"], "leadId": row["id"]}
                made = self.create("contacts", person, by)
                made["fm"] = row["fm"]
                refs = [made["id"]]
            self.create("deals", {"title": row["title"], "leadId": row["id"], "contactIds": refs}, by)
            self.change("leads", row, {"stageId": "CONVERTED"}, by)


def _numeric(value: Any) -> bool:
    try:
        float(value or 0)
    except (TypeError, ValueError):
        return False
    return True


def _instant(value: Any) -> datetime | None:
    try:
        told = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def _multi(row: Row, wish: Any, number: Callable[[], int], *, new: bool) -> None:
    """Entries by id: n0 adds, an id changes, an id without value deletes, what is not named stays."""
    parts = wish if isinstance(wish, dict) else {str(n): one for n, one in enumerate(listed(wish))}
    for key, part in parts.items():
        if not isinstance(part, dict) or part.get("typeId") not in {"PHONE", "EMAIL", "WEB", "IM", "LINK"}:
            continue
        have = next((one for one in row["fm"] if str(one["id"]) == key), None) if not new else None
        if have is not None and not part.get("value"):
            row["fm"].remove(have)
        elif have is not None:
            have |= {name: part[name] for name in ("value", "valueType") if name in part}
        elif part.get("value") and (new or key.startswith("n")):
            row["fm"].append({"id": number(), "typeId": part["typeId"], "value": part["value"],
                              "valueType": part.get("valueType") or "WORK"})  # fmt: skip
