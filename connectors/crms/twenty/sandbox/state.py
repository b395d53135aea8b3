"""What the workspace holds and what people do in it. Every public method is safe to call from any thread."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import threading
import uuid
from collections import Counter, deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol

from connectors.testing.sandbox import Faults, Postman

Row = dict[str, Any]
SINGULAR = {"opportunities": "opportunity", "people": "person", "companies": "company", "notes": "note",
            "tasks": "task", "noteTargets": "noteTarget", "taskTargets": "taskTarget"}  # fmt: skip
_FIELDS = {
    "opportunities": "name:TEXT amount:CURRENCY closeDate:DATE_TIME stage:SELECT pointOfContactId:UUID companyId:UUID "
                     "ownerId:UUID",
    "people": "name:FULL_NAME emails:EMAILS phones:PHONES jobTitle:TEXT city:TEXT companyId:UUID",
    "companies": "name:TEXT domainName:LINKS",
    "notes": "title:TEXT bodyV2:RICH_TEXT_V2",
    "tasks": "title:TEXT bodyV2:RICH_TEXT_V2 status:TEXT dueAt:DATE_TIME assigneeId:UUID",
    "noteTargets": "noteId:UUID opportunityId:UUID personId:UUID companyId:UUID",
    "taskTargets": "taskId:UUID opportunityId:UUID personId:UUID companyId:UUID",
}  # fmt: skip
_STAGES = (("NEW", "New", "red"), ("SCREENING", "Screening", "purple"), ("MEETING", "Meeting", "sky"),
           ("PROPOSAL", "Proposal", "turquoise"), ("CUSTOMER", "Customer", "yellow"))  # fmt: skip
COLOURS = {"green", "turquoise", "sky", "blue", "purple", "pink", "red", "orange", "yellow", "gray"}
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z")
_PARTS = {
    "FULL_NAME": {"firstName", "lastName"},
    "CURRENCY": {"amountMicros", "currencyCode"},
    "LINKS": {"primaryLinkUrl", "primaryLinkLabel", "secondaryLinks"},
    "EMAILS": {"primaryEmail", "additionalEmails"},
    "PHONES": {"primaryPhoneNumber", "primaryPhoneCountryCode", "primaryPhoneCallingCode", "additionalPhones"},
    "RICH_TEXT_V2": {"markdown", "blocknote"},
}


class Wrong(Exception):
    """A refusal: status and sentence."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.message, self.status = message, status


class Delivers(Protocol):
    """The hook thread."""

    trouble: list[str]

    def deliver(self, destination: str, data: bytes, headers: Mapping[str, str]) -> None: ...

    def close(self) -> None: ...


class Workspace:
    """One workspace in memory."""

    def __init__(self, *, clock: Callable[[], float], rate: int | None, lag: float, latency: float, token: str) -> None:
        self.clock, self.rate, self.lag, self.latency = clock, rate, lag, latency
        self.lock = threading.RLock()
        self.name, self.id = "Northwind Windows", str(uuid.uuid4())
        self.access = {token}
        self.calls: Counter[str] = Counter()  # "POST rest/batch/people" → calls
        self.stamps: deque[float] = deque(maxlen=100_000)
        self.faults = Faults()
        self.postman: Delivers = Postman((), patience=5.0)  # Twenty tries once
        self.members = {str(uuid.uuid4()): name for name in ("Vera Lind", "Oleg Marsh")}
        self.hooks: list[Row] = []
        self.objects = {kind: self._object(kind, told) for kind, told in _FIELDS.items()}
        self.rows: dict[str, dict[str, Row]] = {kind: {} for kind in _FIELDS}
        self._events: list[tuple[str, Row]] = []

    def close(self) -> None:
        """Stop the hook thread."""
        self.postman.close()

    def fail(self, kind: str, times: int = 1, *, method: str = "", path: str = "", seconds: float = 0.0) -> None:
        """Make the next calls go wrong. See `connectors.testing.sandbox.Fault`."""
        self.faults.order(kind, times, method=method, path=path and f"/{path.lstrip('/')}", seconds=seconds)

    def throttled(self) -> bool:
        """A hundred calls a minute."""
        with self.lock:
            now = self.clock()
            while self.stamps and self.stamps[0] <= now - 60:
                self.stamps.popleft()
            if self.rate is not None and len(self.stamps) >= self.rate * 60:
                return True
            self.stamps.append(now)
            return False

    # ── definitions ──────────────────────────────────────────────────────────────────────────────

    def _object(self, kind: str, told: str) -> Row:
        fields = [
            self.field(*one.split(":")) for one in f"id:UUID createdAt:DATE_TIME updatedAt:DATE_TIME {told}".split()
        ]
        for one in fields:
            if one["name"] == "stage":
                one["options"] = [{"id": str(uuid.uuid4()), "value": v, "label": n, "color": c, "position": p}
                                  for p, (v, n, c) in enumerate(_STAGES)]  # fmt: skip
        return {"id": str(uuid.uuid4()), "nameSingular": SINGULAR[kind], "namePlural": kind, "fields": fields}

    @staticmethod
    def field(name: str, kind: str, **more: Any) -> Row:
        """A definition."""
        made = {"id": str(uuid.uuid4()), "name": name, "type": kind, "label": name, "isActive": True, "isCustom": False,
                "options": None}  # fmt: skip
        return {**made, **more}

    def known(self, kind: str) -> dict[str, Row]:
        """Active fields of a kind, by name."""
        return {one["name"]: one for one in self.objects[kind]["fields"] if one["isActive"]}

    def check(self, kind: str, wish: Any) -> None:
        """Raise `Wrong` at the first thing that does not fit."""
        if not isinstance(wish, dict):
            raise Wrong("Body must be an object")
        known = self.known(kind)
        for name, value in wish.items():
            if name not in known:
                raise Wrong(f'Object {SINGULAR[kind]} doesn\'t have any "{name}" field.')
            if value is not None and not _fits(known[name], value):
                raise Wrong(f'Invalid value for field "{name}"')

    # ── records ──────────────────────────────────────────────────────────────────────────────────

    def holder(self, wish: Mapping[str, Any]) -> Row | None:
        """The person with this e-mail."""
        email = str((wish.get("emails") or {}).get("primaryEmail") or "").lower()
        rows = self.rows["people"].values()
        return next((row for row in rows if email and row["emails"]["primaryEmail"] == email), None)

    def there(self, kind: str, wish: Row) -> Row | None:
        """The record an upsert means; the server looks for all of a batch before it writes the first."""
        row = self.rows[kind].get(wish.get("id", ""))
        twin = self.holder(wish) if kind == "people" else None
        if row and twin and twin is not row:
            raise Wrong("Multiple records found with the same unique field values")
        return row or twin

    def upsert(self, kind: str, wish: Row, found: Row | None) -> Row:
        """What the server does with one record of a batch."""
        if found is None:
            return self.create(kind, wish)
        found["deletedAt"] = None  # as the server does: what is written is wanted
        self.change(kind, found, {name: value for name, value in wish.items() if name != "id"})
        return found

    def create(self, kind: str, wish: Row) -> Row:
        """A checked wish becomes a record; the client may choose the id."""
        row: Row = {
            "id": wish.get("id") or str(uuid.uuid4()),
            "createdAt": self.iso(),
            "updatedAt": "",
            "deletedAt": None,
        }
        if row["id"] in self.rows[kind] or (kind == "people" and self.holder(wish)):
            raise Wrong("A duplicate entry was detected")
        for name, field in self.known(kind).items():
            row.setdefault(name, _blank(field))
        self.rows[kind][row["id"]] = row
        self._fill(kind, row, wish)
        self.touch(kind, row, "created")
        return row

    def change(self, kind: str, row: Row, wish: Row) -> None:
        """Apply a checked wish."""
        if kind == "people" and (twin := self.holder(wish)) and twin is not row:
            raise Wrong("A duplicate entry was detected")
        self._fill(kind, row, wish)
        self.touch(kind, row, "updated")

    def _fill(self, kind: str, row: Row, wish: Row) -> None:
        for name, value in wish.items():
            if isinstance(value, dict) and isinstance(row.get(name), dict):
                row[name] = {**row[name], **value}
            else:
                row[name] = value
        if "emails" in wish:
            row["emails"]["primaryEmail"] = str(row["emails"]["primaryEmail"] or "").lower()
        if "phones" in wish:
            _split(row["phones"])

    def touch(self, kind: str, row: Row, what: str) -> None:
        """Set the change time, never twice the same for one record."""
        now = self.iso()
        row["updatedAt"] = now if now > row["updatedAt"] else _later(row["updatedAt"])
        row["_written"] = self.clock()
        if kind in {"opportunities", "people", "companies"}:
            self._events.append((f"{SINGULAR[kind]}.{what}", shown(row)))

    def iso(self) -> str:
        """Now, as Twenty writes it."""
        return _iso(self.clock())

    def flush(self) -> None:
        """One signed body for each event and each hook."""
        with self.lock:
            events, self._events = self._events, []
            hooks = [dict(one) for one in self.hooks]
        for name, record in events:
            for hook in hooks:
                if name in hook["operations"]:
                    body = json.dumps({"eventName": name, "record": record, "webhookId": hook["id"]}).encode()
                    self.postman.deliver(hook["targetUrl"], body, signature(hook.get("secret", ""), body, self.clock()))

    # ── what people do ───────────────────────────────────────────────────────────────────────────

    def edit(self, kind: str, ref: str, **values: Any) -> None:
        """Change a record by hand."""
        with self.lock:
            self.check(kind, values)
            self.change(kind, self.rows[kind][ref], values)
        self.flush()

    def drag_card(self, card: str, stage: str, _lane: str = "") -> None:
        """Move a card to another column."""
        if stage not in [one["value"] for one in self.known("opportunities")["stage"]["options"]]:
            raise KeyError(stage)
        self.edit("opportunities", card, stage=stage)

    def delete(self, kind: str, ref: str) -> None:
        """Into the bin."""
        with self.lock:
            row = self.rows[kind][ref]
            row["deletedAt"] = self.iso()
            self.touch(kind, row, "deleted")
        self.flush()

    def destroy(self, kind: str, ref: str) -> None:
        """For good."""
        with self.lock:
            del self.rows[kind][ref]


def shown(row: Row) -> Row:
    """A record as the API shows it."""
    return {name: value for name, value in row.items() if not name.startswith("_")}


def signature(secret: str, body: bytes, now: float) -> dict[str, str]:
    """Headers of a hook; `now` in seconds."""
    stamp = str(int(now * 1000))
    code = hmac.new(secret.encode(), stamp.encode() + b":" + body, hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-Twenty-Webhook-Signature": code,
        "X-Twenty-Webhook-Timestamp": stamp,
        "X-Twenty-Webhook-Nonce": uuid.uuid4().hex,
    }


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _later(told: str) -> str:
    return _iso(datetime.fromisoformat(told).timestamp() + 0.001)


def _blank(field: Row) -> Any:
    kind = field["type"]
    lists = {"additionalEmails", "additionalPhones", "secondaryLinks"}
    if kind in _PARTS:
        return {part: [] if part in lists else None if kind == "CURRENCY" else "" for part in _PARTS[kind]}
    if field["name"] == "stage":
        return field["options"][0]["value"]
    return "" if kind == "TEXT" else None


def _split(phones: Row) -> None:
    """A number with its country code is kept in parts; here the code is one digit for +1 and +7, else three."""
    text = str(phones.get("primaryPhoneNumber") or "")
    if text.startswith("+"):
        size = 2 if text[1:2] in {"1", "7"} else 4
        phones["primaryPhoneCallingCode"], phones["primaryPhoneNumber"] = text[:size], text[size:]


def _fits(field: Row, value: Any) -> bool:
    kind = field["type"]
    if kind in _PARTS:
        return isinstance(value, dict) and value.keys() <= _PARTS[kind] and _parts_fit(kind, value)
    if kind == "SELECT":
        return value in [one["value"] for one in field["options"] or ()]
    if kind in {"UUID", "DATE_TIME", "TEXT"}:
        return isinstance(value, str) and (kind != "UUID" or bool(_UUID.match(value)))
    return True


def _parts_fit(kind: str, value: Row) -> bool:
    if kind == "CURRENCY":
        return isinstance(value.get("amountMicros", 0), int | None)
    email = value.get("primaryEmail")
    return kind != "EMAILS" or not email or "@" in str(email)[1:-1]
