"""EspoCRM: leads are records with their person inside, opportunities walk through stages.

Guarantees: an op whose answer was lost is `Lost`, never sent twice; a scan of changes misses nothing even when
records move between its pages; a hook is believed when its secret signed it; a lead that was converted, by us or in
EspoCRM, reads with the opportunity it became.

Values are flat, under EspoCRM's own names (`status`, `assignedUserId`, `amount` ...), our fields as `hubId`,
`hubText` whatever prefix they carry over there, phones and e-mails as `[{"value": "+7...", "enum_code": "Mobile"}]`
with the primary one first. Rows of a scan have no phones and e-mails, because lists show the first one only; changed
contacts and companies are therefore read one by one. `None` clears.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from connectors.contract import (
    CRM,
    Account,
    Activity,
    Changes,
    Evidence,
    Facts,
    Hint,
    Http,
    Op,
    Outcome,
    Raw,
    Record,
    Schema,
    Setting,
    Step,
)
from connectors.crms.espocrm import doings
from connectors.crms.espocrm.api import Api, further, now, reason, rows
from connectors.crms.espocrm.hooks import hints, hook_of, verify
from connectors.crms.espocrm.scan import PAGE, Scan
from connectors.crms.espocrm.setup import provision, schema
from connectors.crms.espocrm.shape import DEALS, FIRMS, KINDS, LEADS, MARKER, NOTES, PEOPLE, TASKS, flat, theirs
from connectors.crms.espocrm.writing import Writer
from connectors.errors import Pause, Refuse, Retry

IDS = 100


class EspoCRM(CRM):
    """One EspoCRM site, over its REST API."""

    name = "espocrm"
    title = "EspoCRM"
    evidence = Evidence.DOCUMENTED
    source = "https://docs.espocrm.com/development/api/"
    form = (
        Setting("address", "Site address", required=True, help="https://crm.yourcompany.com"),
        Setting("key", "API key", secret=True, required=True, help="Administration, API Users"),
        Setting("admin", "Administrator's user name", help="Only to make the hub's fields"),
        Setting("password", "Administrator's password", secret=True),
        Setting("prefix", "Prefix of custom fields", default="c", help="Empty before EspoCRM 8.1"),
        Setting("duplicates", "Duplicates", default="pass", help="refuse: EspoCRM's own check stays on"),
    )
    lead_kind, deal_kind, contact_kind, company_kind = LEADS, DEALS, PEOPLE, FIRMS
    company_on = (DEALS,)
    note_kind, task_kind, activity_kinds = NOTES, TASKS, doings.LISTED
    pipeline_field, stage_field, owner_field = "", "stage", "assignedUserId"
    facts = Facts(
        kinds=KINDS,
        batch=1,
        compound=1,
        budget=(20, 1.0),  # none is documented; a small server should not notice us
        lag=5.0,
        precision=1.0,
        longest_request=65.0,
        marker_field=MARKER,
        marker_lookup="strong",
        delete=True,
        strategies=("native",),
        makes_pipelines=False,
        hooks_signed=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        base = address if "://" in address else f"https://{address}"
        admin = (settings.get("admin", ""), secrets.get("password", ""))
        self.api = Api(http, base, secrets.get("key", ""), admin)
        self.prefix = settings.get("prefix", "c")
        self.page = int(settings.get("page") or PAGE)
        self._staff = doings.Staff(self.api)
        self._hooks: dict[str, tuple[str, str]] = {}  # id → event and secret, remembered: they never change

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads have a status, opportunities a stage; there are no pipelines."""
        return ("", "status") if kind == LEADS else ("", "stage")

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The site and whom the key belongs to. A site has no id: its address is the fingerprint."""
        told, _ = self.api.read("App/user")
        user = told.get("user")
        if not isinstance(user, dict) or not user.get("id"):
            raise Pause("This address does not answer like EspoCRM: check the site's address")
        host = urlsplit(self.api.base).netloc
        return Account(f"{host} as {user.get('userName') or user.get('name') or user['id']}", host)

    def describe(self) -> Schema:
        """Fields, statuses and stages from the metadata, users, hook addresses."""
        return schema(self.api, self.prefix)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Rows by change time and id; see `scan`. Deleted records are not listed: hooks tell of them."""
        if kind in doings.LISTED:
            return doings.changes(self.api, self._staff, kind, cursor, self.page, self._behind)
        scan = Scan.read(cursor)
        told, answer = self.api.read(kind, scan.params(self.page))
        at = datetime.fromtimestamp(now(answer), UTC)
        found = [self._whole(kind, row, alone=bool(scan.since)) for row in rows(told)]
        if found and further(told, self.page):
            last = found[-1]
            return Changes(tuple(found), scan.after(now(answer), _stamp(last), last.ref), more=True, at=at)
        return Changes(tuple(found), scan.end(now(answer), self._behind), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """One call a record: lists leave phones and e-mails out."""
        found: dict[str, Record | None] = {}
        for ref in dict.fromkeys(refs):
            row, _ = self.api.read(f"{kind}/{quote(ref, safe='')}")
            found[ref] = flat(kind, row, self.prefix) if row.get("id") == ref else None
        return [found[ref] for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By filters of the database, which know a record the moment it was written; verified here."""
        found: dict[str, Record] = {}
        for key, wanted in keys.items():
            for record in self._found(kind, key, wanted):
                if record is not None and _carries(record, key, wanted):
                    found[record.ref] = record
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """One call a record, a lead with its contact two; see `writing`."""
        check = self.settings.get("duplicates", "") == "refuse"
        return Writer(self.api, self.prefix, check=check).write(ops)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Marked as deleted over there. What is gone already is no error."""
        for ref in refs:
            answer = self.api.call("DELETE", f"{kind}/{quote(ref, safe='')}")
            if answer.status >= 500:
                raise Retry(f"EspoCRM answered with status {answer.status}", effect=True)
            if answer.status >= 400 and answer.status != 404:
                raise Refuse(f"EspoCRM does not delete this record: {reason(answer)}")

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Fields (as an administrator) and hooks; statuses and stages are matched, not made."""
        return provision(self.api, steps, self.prefix)

    def activity(self, record: Record) -> Activity | None:
        """Calls, meetings, mails, tasks and posts; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A post in the stream, or a task with its end."""
        return doings.worded(activity)

    def verify(self, raw: Raw) -> None:
        """Signed, and rightly as far as the hook is known without a call; `touched` asks for the others."""
        verify(raw, self._hooks)

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """Ids in an array of changes, when the hook's own secret signed it."""
        hook = hook_of(raw)
        if hook.isalnum() and hook not in self._hooks:
            row, _ = self.api.read(f"Webhook/{hook}")
            self._hooks |= {hook: (str(row.get("event")), str(row["secretKey"]))} if row.get("secretKey") else {}
        return hints(raw, self._hooks)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    @property
    def _behind(self) -> float:
        return self.facts.lag + self.facts.precision

    def _whole(self, kind: str, row: Mapping[str, object], *, alone: bool) -> Record:
        """A row of a list; a contact or company that changed since the last scan is read alone, for its phones."""
        if kind in (PEOPLE, FIRMS) and alone:
            [record] = self.get(kind, [str(row["id"])])
            if record is not None:
                return record
        return flat(kind, row, self.prefix, whole=False)

    def _found(self, kind: str, key: str, wanted: str) -> list[Record | None]:
        names = {"marker": theirs(MARKER, self.prefix), "phone": "phoneNumber", "email": "emailAddress"}
        if key not in names or (key != "marker" and kind not in (LEADS, PEOPLE, FIRMS)):
            return []
        if kind in (NOTES, TASKS) or (key == "phone" and not _digits(wanted)):
            return []
        how = ("contains", _digits(wanted)) if key == "phone" else ("equals", wanted.strip())
        where = [("type", how[0]), ("attribute", names[key]), ("value", how[1])]
        ask = [(f"where[0][{name}]", value) for name, value in where]
        told, _ = self.api.read(kind, [*ask, ("maxSize", str(IDS))])
        return list(self.get(kind, [str(row["id"]) for row in rows(told)]))


def _stamp(record: Record) -> int:
    return int(record.updated_at.timestamp()) if record.updated_at else 0


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _carries(record: Record, key: str, wanted: str) -> bool:
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted)
    told = [str(one.get("value", "")) for one in record.values.get(f"{key}s") or []]
    if key == "phone":
        return _digits(wanted) in map(_digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)
