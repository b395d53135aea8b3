"""BottleCRM (Django-CRM): leads and opportunities are records of their own, a lead is converted into an opportunity.

Guarantees: an op whose answer was lost is `Lost`, never sent twice; one bad record fails alone; a scan of changes
misses nothing that is listed, even when records move between its pages.

Values are flat, under BottleCRM's own names. `assigned_to` is one profile, `tags` are names; `hub_phones` and
`hub_emails` of a contact or a company are lists of `{"value": "+7..."}`; custom fields stand under their keys. `None`
clears a field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

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
from connectors.crms.bottlecrm import hung
from connectors.crms.bottlecrm.api import ACCOUNTS, CONTACTS, DEALS, LEADS, NOTES, TASKS, Api, Row
from connectors.crms.bottlecrm.hooks import hints, verify
from connectors.crms.bottlecrm.scan import Scan, earliest, everything, key, lately
from connectors.crms.bottlecrm.setup import provision, schema
from connectors.crms.bottlecrm.shape import BEGINNING, flat, marker_of, stamp
from connectors.crms.bottlecrm.writing import Writer
from connectors.errors import Pause, Refuse, Retry

__all__ = ["BottleCRM"]

_SAFE = re.compile(r"[0-9A-Za-z-]+\Z")


class BottleCRM(CRM):
    """One organisation of a BottleCRM server, over its API."""

    name = "bottlecrm"
    title = "BottleCRM"
    evidence = Evidence.REAL
    source = "https://github.com/MicroPyramid/Django-CRM/tree/master/docs/api"
    form = (
        Setting("address", "Server address", required=True, help="https://crm.yourcompany.com"),
        Setting(
            "token", "Personal access token", secret=True, required=True, help="Of an administrator, without scopes"
        ),
        Setting("hook_secret", "Webhook secret", secret=True, help="whsec_..., shown once when a webhook is made"),
    )
    lead_kind, deal_kind, contact_kind, company_kind = LEADS, DEALS, CONTACTS, ACCOUNTS
    company_on = (DEALS,)
    note_kind, task_kind = NOTES, TASKS
    pipeline_field, stage_field, owner_field = "pipeline", "stage", "assigned_to"
    facts = Facts(
        kinds=(LEADS, DEALS, CONTACTS, ACCOUNTS, NOTES, TASKS),
        batch=1,
        budget=(10, 1.0),  # no limit over there; one worker process makes about 13 changes a second
        lag=60.0,  # a change gets its time when it is saved and is seen when its request ends
        precision=0.000001,
        late=0.0,  # no two changes of one record bear the same time
        longest_request=65.0,
        marker_field="source_ref",
        marker_lookup="strong",
        delete=True,
        strategies=("native", "held"),
        hanging=True,
        hooks_signed=True,
    )
    page = 1000  # records told at once

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/").removesuffix("/api")
        base = address if "://" in address else f"https://{address}"
        self._api = Api(http, base, secrets.get("token", ""))

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads have a status and no pipeline."""
        return ("", "status") if kind == LEADS else (self.pipeline_field, self.stage_field)

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The organisation's name and id."""
        told, _ = self._api.read("org/settings/")
        if not told.get("id") or "name" not in told:
            raise Pause("This address does not answer like BottleCRM: check it")
        return Account(str(told["name"]), str(told["id"]))

    def describe(self) -> Schema:
        """Fields, the statuses of leads, the pipelines of deals, users."""
        return schema(self._api)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Everything is read, what changed is told; see `scan`. Deals and companies do not show when they changed: all
        are told."""
        scan = Scan.read(cursor)
        rows, began = everything(self._api, kind)
        start = scan.start or began
        since = BEGINNING if kind in (DEALS, ACCOUNTS) else scan.since
        fresh = sorted((row for row in rows if stamp(row) >= since and key(row) > scan.low), key=key)
        if len(fresh) > self.page:
            told = fresh[: self.page]
            return Changes(tuple(self._flat(kind, told)), scan.text(start, key(told[-1])), more=True, at=began)
        records = self._flat(kind, fresh)
        behind = timedelta(seconds=self.facts.lag + self.facts.precision)
        scan = replace(scan, start=start)
        if kind == LEADS:
            listed = {str(row["id"]) for row in rows}
            scan = scan.with_list(start, listed, behind)
            records += self._unlisted(scan.since, listed) if scan.feed_is_due else []
        return Changes(tuple(records), scan.end(behind), at=began)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read one by one; a converted lead, which no list shows, comes with its deal."""
        known = dict.fromkeys(ref for ref in refs if _SAFE.match(ref))
        read = ((ref, self._api.object(kind, ref)) for ref in known)
        rows = {ref: row for ref, row in read if row is not None}
        found = dict(zip(rows, self._flat(kind, list(rows.values())), strict=True))
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker (in the whole list, for there is no filter), by phone or e-mail, a company by name; all verified
        here. Comments and tasks by the record they hang on."""
        if kind in (NOTES, TASKS):
            return [one for of, ref in keys.items() for one in hung.hung_on(self._api, kind, of, ref)]
        found: dict[str, Record] = {}
        for name, wanted in keys.items():
            if name == "marker":
                rows = [row for row in everything(self._api, kind)[0] if marker_of(kind, row) == wanted]
                found |= {record.ref: record for record in self._flat(kind, rows)}
            elif kind == ACCOUNTS:
                found |= {record.ref: record for record in self._named(wanted) if name == "name"}
            elif kind != DEALS:
                same = self._twins(kind, name, wanted)
                found |= {record.ref: record for record in same if record and _carries(record, name, wanted)}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """One record a call; see `writing` for conversions."""
        return Writer(self._api, lambda lead: self._deals([lead]).get(str(lead["id"]), ""), self.find, self.get).write(
            ops
        )

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """For good: BottleCRM has no bin. A company that has deals would take them along, and stays."""
        for ref in refs:
            if kind == ACCOUNTS and (self._api.object(kind, ref) or {}).get("opportunities"):
                raise Refuse("BottleCRM deletes a company together with its deals: this one has some")
            self._api.send("DELETE", f"{kind}/{ref}/", None)

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Custom fields, deal pipelines and their stages. Webhooks are for people: a token may not make them."""
        return provision(self._api, steps)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A comment, or a task with its day."""
        return hung.worded(activity)

    def activity(self, record: Record) -> Activity | None:
        """What a comment or a task says."""
        return hung.activity(record)

    def verify(self, raw: Raw) -> None:
        """Signed with the secret of the endpoint, or with one of several by spaces."""
        verify(raw, self.secrets.get("hook_secret", ""))

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """The record of a signed event."""
        return hints(raw, self.secrets.get("hook_secret", ""))

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _flat(self, kind: str, rows: Sequence[Row]) -> list[Record]:
        deals = self._deals([row for row in rows if row.get("status") == "converted"]) if kind == LEADS else {}
        return [flat(kind, row, deals.get(str(row["id"]), "")) for row in rows]

    def _deals(self, leads: Sequence[Row]) -> dict[str, str]:
        """What these leads were converted into: a deal inherits `source_ref`, and was made after its lead."""
        marked = {str(lead["source_ref"]): str(lead["id"]) for lead in leads if lead.get("source_ref")}
        if not marked:
            return {}
        day = (earliest(leads) - timedelta(days=1)).date().isoformat()  # theirs may be another day than ours
        rows, _ = everything(self._api, DEALS, [("created_at__gte", day)])
        return {marked[ref]: str(row["id"]) for row in rows if (ref := str(row.get("source_ref"))) in marked}

    def _unlisted(self, since: datetime, listed: set[str]) -> list[Record]:
        """Leads that were converted or deleted lately. The feed ends at 50: what is behind it is found by hooks, by
        their deals and by reading the leads."""
        feed, _ = lately(self._api, since)
        refs = [ref for ref in feed if ref not in listed and _SAFE.match(ref)]
        gone = [ref for ref in refs if feed[ref].get("action") == "DELETE"]
        found = [record for record in self.get(LEADS, [ref for ref in refs if ref not in gone]) if record]
        return found + [Record(LEADS, ref, {}, deleted=True, updated_at=_when(feed[ref])) for ref in gone]

    def _named(self, wanted: str) -> list[Record]:
        """Companies of this name, which over there is one at most."""
        rows, _ = everything(self._api, ACCOUNTS, [("name", wanted)])
        return self._flat(ACCOUNTS, [row for row in rows if str(row.get("name")).casefold() == wanted.casefold()])

    def _twins(self, kind: str, name: str, wanted: str) -> Sequence[Record | None]:
        """Possible duplicates by BottleCRM's own search, which reads phones in any spelling."""
        if name not in {"phone", "email"} or not wanted.strip():
            return ()
        told, _ = self._api.send(
            "POST", f"{kind}/duplicates/", {name: wanted.strip()[: 25 if name == "phone" else 254]}
        )
        rows = told.get("duplicates")
        if not isinstance(rows, list):
            raise Retry("BottleCRM's answer holds no duplicates")
        return self.get(kind, [str(row.get("id")) for row in rows if isinstance(row, dict)])


def _when(entry: Row) -> datetime:
    return stamp({"updated_at": entry.get("timestamp")})


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _carries(record: Record, name: str, wanted: str) -> bool:
    values: Mapping[str, Any] = record.values
    told = [values.get(name), *(one.get("value") for one in values.get(f"hub_{name}s") or ())]
    held = [str(one) for one in told if one]
    if name == "phone":
        return bool(_digits(wanted)) and _digits(wanted) in map(_digits, held)
    return wanted.strip().casefold() in (one.strip().casefold() for one in held)
