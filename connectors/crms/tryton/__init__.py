"""Tryton with the module sale_opportunity: one opportunity is first a lead, then an opportunity, then a sale.

Guarantees: an op whose answer was lost is `Lost`, never sent twice; one bad record in a batch fails alone; a scan of
changes misses nothing even when records move between its pages.

Values are flat, under Tryton's own names; decimals and dates are text. `state` is written by pressing the buttons that
lead to it. A contact is a party; its phones and e-mails are the lists `phone` and `email` of
`{"value": "+7...", "enum_code": "mobile"}`, its hub id the value `hub_id`. `None` clears a field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from connectors.contract import (
    CRM,
    Account,
    Activity,
    Answer,
    Changes,
    Evidence,
    Facts,
    Http,
    Op,
    Outcome,
    Record,
    Schema,
    Setting,
    Step,
)
from connectors.crms.tryton.rpc import Refused, Rpc
from connectors.crms.tryton.scan import BEGINNING, Key, Scan, written
from connectors.crms.tryton.setup import schema
from connectors.crms.tryton.shape import HUB, LEAD, NOTE, PARTY, READ, flat, moment, stamp
from connectors.crms.tryton.writing import Writer
from connectors.errors import Pause, Refuse, Retry, Unsupported

__all__ = ["Tryton"]

Row = dict[str, Any]


class Tryton(CRM):
    """One company in a Tryton database, over JSON-RPC of series 8."""

    name = "tryton"
    title = "Tryton"
    evidence = Evidence.REAL
    source = "https://docs.tryton.org/latest/modules-sale-opportunity/"
    form = (
        Setting("address", "Server address", required=True, help="https://tryton.yourcompany.com"),
        Setting("database", "Database", required=True),
        Setting("user", "User name", required=True, help="A user of its own, with a company and an employee"),
        Setting("password", "Password", secret=True, required=True),
    )
    lead_kind = deal_kind = LEAD
    contact_kind = PARTY
    note_kind = NOTE
    stage_field, owner_field = "state", "employee"
    facts = Facts(
        kinds=(LEAD, PARTY, NOTE),
        batch=100,  # one transaction each; more only makes refusals dearer
        budget=(20, 1.0),  # Tryton has no limit; a server with one process makes about 40 a second
        lag=60.0,  # a change gets the time its transaction began and is seen when it ends
        precision=0.000001,
        late=0.0,  # no two changes of one record bear the same time
        longest_request=65.0,
        conditional_write=True,
        marker_field="reference",
        marker_lookup="strong",
        strategies=("two_blocks", "held"),
        makes_pipelines=False,
        makes_fields=False,
        finals={"won": "won", "lost": "lost"},
    )
    page = 200  # records; one of them costs about 2 kB and 1 ms

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        base = address if "://" in address else f"https://{address}"
        database, user = settings.get("database", "").strip(), settings.get("user", "")
        self._rpc = Rpc(http, base, database, user, secrets.get("password", ""))

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The company's name; its id with the instant of its creation is the fingerprint."""
        ref = self._rpc.context.get("company")
        if not isinstance(ref, int):
            raise Pause("Choose a company in the preferences of this Tryton user")
        names = ["party.name", "create_date"]
        [row] = self._rows("company.company", [["id", "=", ref]], names) or [{}]
        return Account(str((row.get("party.") or {}).get("name") or ""), f"{ref}:{written(stamp(row))}")

    def describe(self) -> Schema:
        """Fields, the states as the only pipeline, employees."""
        return schema(self._rpc)

    def changes(self, kind: str, cursor: str) -> Changes:
        """By the time of the last change; see `scan` for why nothing slips through."""
        scan = Scan.read(cursor)
        if scan.start is None or scan.low is None:
            rows, answer = self._page(kind, self._whole(kind, scan))
            if len(rows) < self.page:
                return self._end(kind, scan, _now(answer), rows, _now(answer))
            scan = Scan(scan.since, _now(answer))
        return self._step(kind, scan, scan.start or BEGINNING)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id, archived ones too; what is not there is asked for once more, by the call that says why."""
        wanted = list(dict.fromkeys(int(ref) for ref in refs if ref.isdecimal()))
        if not wanted:
            return [None] * len(refs)
        rows = self._rows(kind, [["id", "in", wanted]], list(READ[kind]))
        found = {str(row["id"]): flat(kind, row) for row in rows}
        if absent := [ref for ref in wanted if str(ref) not in found]:
            self._make_sure(kind, absent)
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker, and parties by phone or e-mail; all verified here."""
        found: dict[str, Record] = {}
        for key, wanted in keys.items():
            domain = _wish(kind, key, wanted)
            for row in self._rows(kind, domain, list(READ[kind])) if domain else ():
                record = flat(kind, row)
                if not record.deleted and _carries(record, key, wanted):
                    found[record.ref] = record
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Creates and updates of one kind by the hundred, states by buttons; see `writing`."""
        return Writer(self._rpc, self.get, self.facts.batch).write(ops)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note; there are no tasks."""
        return {"message": activity.text}

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Nothing can be set up: states and fields belong to Tryton's modules."""
        for step in steps:
            error = Unsupported if step.action == "create" else Refuse
            raise error(f"Tryton lets no program {step.action} a {step.what}")
        return []

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _rows(self, model: str, domain: Sequence[Any], names: Sequence[str]) -> list[Row]:
        return self._read(model, domain, names, None, None)[0]

    def _read(
        self, model: str, domain: Sequence[Any], names: Sequence[str], most: int | None, order: Any
    ) -> tuple[list[Row], Answer]:
        """A refusal of a reading is no fault of a record: a module or a right is missing."""
        try:
            told, answer = self._rpc.told(f"model.{model}.search_read", domain, 0, most, order, names)
        except Refuse as error:
            raise Pause(f"{model} cannot be read (is sale_opportunity activated?): {error}") from None
        if not isinstance(told, list) or not all(isinstance(row, dict) and "id" in row for row in told):
            raise Retry("Tryton's answer holds no records")
        return told, answer

    def _page(self, kind: str, domain: Sequence[Any], field: str = "") -> tuple[list[Row], Answer]:
        order = [[field, "ASC"], ["id", "ASC"]] if field else None
        return self._read(kind, domain, list(READ[kind]), self.page, order)

    def _whole(self, kind: str, scan: Scan) -> list[Any]:
        if kind != PARTY or scan.since == BEGINNING:
            return scan.whole()
        return ["OR", scan.whole(), *_rows_changed(scan.since)]

    def _step(self, kind: str, scan: Scan, start: datetime) -> Changes:
        """The next page: two sorted readings, merged as far as both reach."""
        read = [self._page(kind, scan.after(field), field) for field in ("create_date", "write_date")]
        parts, at = [rows for rows, _ in read], _now(read[0][1])
        ends = [_key(rows[-1]) for rows in parts if len(rows) == self.page]
        rows = sorted((row for part in parts for row in part), key=_key)
        if not ends:
            if kind == PARTY and scan.since != BEGINNING:
                rows += self._rows(kind, ["OR", *_rows_changed(scan.since)], list(READ[kind]))
            return self._end(kind, scan, start, rows, at)
        rows = [row for row in rows if _key(row) <= min(ends)]
        records = tuple(flat(kind, row) for row in rows)
        return Changes(records, scan.text(start, _key(rows[-1])), more=True, at=at)

    def _end(self, kind: str, scan: Scan, start: datetime, rows: Sequence[Row], at: datetime) -> Changes:
        mark = max(scan.since, start - timedelta(seconds=self.facts.lag + self.facts.precision))
        return Changes(tuple(flat(kind, row) for row in sorted(rows, key=_key)), written(mark), at=at)

    def _make_sure(self, kind: str, refs: Sequence[int]) -> None:
        """A search leaves out what the user may not see; `read` names what does not exist."""
        try:
            self._rpc.call(f"model.{kind}.read", list(refs), ["id"])
        except Refused as error:
            gone = set(re.findall(r"\d+", error.quoted[0])) if "that don't exist" in error.said else set()
            if {str(ref) for ref in refs} <= gone:
                return
        raise Pause("The Tryton user is not allowed to see some records it saw before: check groups and company")


def _now(answer: Answer) -> datetime:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        raise Retry("Tryton's answer has no Date header, so no safe cursor can be set") from None


def _key(row: Row) -> Key:
    return stamp(row), int(row["id"])


def _rows_changed(since: datetime) -> list[Any]:
    """A phone that is edited in its own window does not touch its party."""
    at = moment(since)
    return [[f"contact_mechanisms.{field}", ">=", at] for field in ("write_date", "create_date")]


def _wish(kind: str, key: str, wanted: str) -> list[Any]:
    """The search for a key. Phones are kept as typed: any signs may stand between their digits."""
    if key == "marker":
        fields = {LEAD: [["reference", "=", wanted]], PARTY: [["identifiers.code", "=", HUB + wanted]]}
        return fields.get(kind, [])
    if kind != PARTY or key not in {"phone", "email"}:
        return []
    if key == "email":
        return [["contact_mechanisms.value", "ilike", re.sub(r"([\\%_])", r"\\\1", wanted.strip())]]
    digits = _digits(wanted)
    return [["contact_mechanisms.value", "ilike", f"%{'%'.join(digits)}%"]] if digits else []


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _carries(record: Record, key: str, wanted: str) -> bool:
    if key == "marker":
        return wanted in {record.values.get("reference"), record.values.get("hub_id")}
    told = [str(one["value"] or "") for one in record.values.get(key) or ()]
    if key == "phone":
        return _digits(wanted) in map(_digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)
