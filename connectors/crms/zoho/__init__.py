"""Zoho CRM: leads are records of their own, and become an account, a contact and a deal when converted.

Guarantees: a create may be repeated, the unique field `HUB_ID` finds what is there; an op whose answer was lost is
`Lost`; one bad record fails alone; a scan of changes shows what was converted and deleted, too.

Values are Zoho's fields under their own names; references are ids, None is empty, times have an offset. `phones` and
`emails` gather what it spreads over several fields: `[{"value": "+12025550111", "enum_code": "Mobile"}]`; `tags` are
names.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.contract import (
    CRM,
    Account,
    Activity,
    Answer,
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
    Value,
    digest,
)
from connectors.crms.zoho import doings, hooks, shape
from connectors.crms.zoho.api import LIST, Api, after, date_of, grant, known_date, listed
from connectors.crms.zoho.scan import Scan
from connectors.crms.zoho.setup import provision, schema
from connectors.crms.zoho.shape import DEALS, FIRMS, KINDS, LEADS, MARKER, NOTES, PEOPLE, TASKS, quoted
from connectors.crms.zoho.writing import BATCH, Writer
from connectors.errors import Pause, Refuse, Retry
from connectors.oauth import Grant

__all__ = ["Zoho"]

FIRST, PAGE = 200, 2000
"""Rows of the first page of a scan (1 credit), and of the others (3 credits)."""
CLOSING_DAYS = 30


class Zoho(CRM):
    """One Zoho CRM organisation, over API v8."""

    name = "zoho"
    title = "Zoho CRM"
    evidence = Evidence.DOCUMENTED
    source = "https://www.zoho.com/crm/developer/docs/api/v8/"
    form = (
        Setting("address", "API address of your data centre", required=True, default="https://www.zohoapis.com"),
        Setting("client_id", "Client id", help="api-console.zoho.com, a server-based application"),
        Setting("client_secret", "Client secret", secret=True),
        Setting("redirect_uri", "Redirect address"),
        Setting("token", "Access token", secret=True, help="Only to try it out: it lives for an hour"),
    )
    lead_kind, deal_kind, contact_kind, company_kind = LEADS, DEALS, PEOPLE, FIRMS
    company_on = (DEALS,)
    note_kind, task_kind, activity_kinds = NOTES, TASKS, doings.LISTED
    pipeline_field, stage_field, owner_field = "Pipeline", "Stage", "Owner"
    facts = Facts(
        kinds=KINDS,
        room=shape.ROOM,
        hooks_end=True,
        batch=BATCH,
        compound=BATCH,
        budget=(5, 1.0),  # calls at a time are limited, 5 in the smallest edition, and credits by the day
        lag=120.0,
        precision=1.0,
        longest_request=65.0,
        marker_field=MARKER,
        upsert=True,
        deleted_list=True,
        delete=True,
        strategies=("native", "two_pipelines", "two_blocks", "held"),
        makes_pipelines=False,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/") or "https://www.zohoapis.com"
        self.base = address if "://" in address else f"https://{address}"
        self.api = Api(http, self.base, secrets.get("token", ""))
        self._page = int(settings.get("page") or PAGE)
        self._columns: dict[str, shape.Columns] = {}
        self._now: datetime | None = None

    def grant(self, redirect_uri: str = "") -> Grant | None:
        """How to get and refresh tokens, None when a token is set. `connectors.oauth.Bearer` uses it."""
        if self.secrets.get("token"):
            return None
        uri = redirect_uri or self.settings.get("redirect_uri", "")
        client, secret = self.settings.get("client_id", ""), self.secrets.get("client_secret", "")
        return grant(self.base, client, secret, uri)

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads have statuses and no pipelines."""
        return ("", "Lead_Status") if kind == LEADS else (self.pipeline_field, self.stage_field)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def send(self, method: str, path: str, json: Value) -> Answer:
        """A write; the answer as it is."""
        return self.api.call(method, path, json=json)

    def rows(self, path: str, name: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """The rows of a short list."""
        return self.api.rows(path, name, params)[0]

    def columns(self, kind: str) -> shape.Columns:
        """The fields we read of a module. Asked for once: each organisation has others."""
        if kind not in self._columns:
            rows, _, answer = self.api.rows("settings/fields", "fields", [("module", kind)])
            if not rows:
                raise Retry(f"Zoho's answer does not describe {kind}")
            self._now = date_of(answer)
            self._columns[kind] = shape.columns(kind, rows)
        return self._columns[kind]

    def now(self) -> datetime:
        """Their clock when we last looked at it."""
        if self._now is None:
            self._now = date_of(self.api.call("GET", "org"))
        return self._now or datetime.fromtimestamp(0, UTC)

    def day(self) -> str:
        """A closing day for deals that come without one."""
        return (self.now() + timedelta(days=CLOSING_DAYS)).date().isoformat()

    @property
    def hook_token(self) -> str:
        """What their notifications to us must carry."""
        return digest("zoho notifications", self.secrets.get("client_secret") or self.secrets.get("token", ""))

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The company's name; the organisation's id is the fingerprint."""
        rows = self.rows("org", "org")
        if not rows or not rows[0].get("id"):
            raise Pause("Zoho does not say which organisation this is")
        return Account(str(rows[0].get("company_name") or ""), str(rows[0]["id"]))

    def describe(self) -> Schema:
        """Fields of the four kinds, lead statuses and pipelines with their colours, users, notifications."""
        self._columns.clear()
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Records by change time and id; now and then what was deleted. A query shows no converted leads, so leads are
        listed where one page holds all that changed."""
        if kind in doings.LISTED:
            return self._doings(kind, Scan.read(cursor or doings.NEVER))
        scan = Scan.read(cursor)
        listed = kind == LEADS and scan.is_routine
        rows, more, answer = self._changed_leads(scan) if listed else self._queried(kind, scan)
        at = known_date(answer)
        scan = scan.begun(at)
        if listed and more:
            return Changes((), scan.crowded(), more=True, at=at)
        records = [shape.flat(kind, row) for row in rows]
        if more and records[-1].updated_at:
            return Changes(tuple(records), scan.onward(records[-1]), more=True, at=at)
        records += self._apart(kind, scan, listed)
        ordered = sorted(records, key=lambda one: one.updated_at or datetime.fromtimestamp(0, UTC))
        return Changes(tuple(ordered), scan.end(self.facts.lag), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """By id, converted leads too; what lies in the bin is absent."""
        ids = [ref for ref in dict.fromkeys(refs) if ref.isdecimal()]
        found: dict[str, Record] = {}
        for start in range(0, len(ids), BATCH):
            wanted = [("ids", ",".join(ids[start : start + BATCH])), *self._fields(kind)]
            wanted += [("converted", "both")] if kind == LEADS else []
            found |= {one.ref: one for one in (shape.flat(kind, row) for row in self.rows(kind, "data", wanted))}
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker and e-mail with a query, by phone with a search, which is some seconds behind."""
        if "marker" in keys and MARKER not in self.columns(kind):
            raise Pause(f"Zoho has no field {MARKER} in {kind}: set the account up first")
        found: dict[str, Record] = {}
        for key, wanted in keys.items():
            records = (shape.flat(kind, row) for row in self._found(kind, key, wanted))
            found |= {one.ref: one for one in records if shape.carries(one, key, wanted)}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Upserts and updates, a hundred records a call, and conversions; see `writing`."""
        return Writer(self).write(ops)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Into the bin, where it stays for 60 days."""
        for start in range(0, len(refs), BATCH):
            self.api.call("DELETE", kind, [("ids", ",".join(refs[start : start + BATCH]))])

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Fields and notifications. Pipelines and stages are people's to make in Setup: `Unsupported`."""
        self._columns.clear()
        try:
            return provision(self, steps)
        finally:
            self._columns.clear()

    def verify(self, raw: Raw) -> None:
        """A notification carries our token."""
        hooks.verify(raw.body, self.hook_token)

    def activity(self, record: Record) -> Activity | None:
        """Calls, meetings and tasks; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note, or a task with its day."""
        return doings.worded(activity)

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """Ids in a notification that carries our token."""
        return hooks.hints(raw.body, self.hook_token)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _doings(self, kind: str, scan: Scan) -> Changes:
        """A page of what people did. Where it is not shown to us the rest goes on: a right to it is no right to all."""
        try:
            rows, more, answer = self._queried(kind, scan)
        except Pause as error:
            raise Refuse(str(error)) from None
        at = known_date(answer)
        scan, found = scan.begun(at), [shape.flat(kind, row) for row in rows]
        records = doings.placed(self.rows, found, BATCH)
        if more and found[-1].updated_at:
            return Changes(records, scan.onward(found[-1]), more=True, at=at)
        return Changes(records, scan.end(self.facts.lag), at=at)

    def _fields(self, kind: str) -> list[tuple[str, str]]:
        return [("fields", ",".join([*self.columns(kind), "Tag"][: shape.MOST_FIELDS]))]

    def _select(self, kind: str, where: str, limit: int) -> tuple[list[dict[str, Any]], Answer]:
        """A query. A field that was removed meanwhile refuses it: asked again, once."""
        why = ""
        for _ in range(2):
            try:
                return self._asked(kind, where, limit)
            except Refuse as error:
                why = str(error)
                self._columns.pop(kind, None)
        raise Pause(why)

    def _asked(self, kind: str, where: str, limit: int) -> tuple[list[dict[str, Any]], Answer]:
        query = shape.select(["id", *self.columns(kind)], kind, where, limit)
        answer = self.api.call("POST", "coql", json={"select_query": query})
        return listed(answer, "data", "coql")[0], answer

    def _queried(self, kind: str, scan: Scan) -> tuple[list[dict[str, Any]], bool, Answer]:
        """A page of a query, and whether there may be more."""
        limit = self._page if scan.last else min(FIRST, self._page)
        rows, answer = self._select(kind, scan.place, limit)
        return rows, len(rows) >= limit, answer

    def _changed_leads(self, scan: Scan) -> tuple[list[dict[str, Any]], bool, Answer]:
        """Leads that changed, converted or not, as far as one page holds them."""
        asked = [("converted", "both"), *self._fields(LEADS), ("page", "1"), ("per_page", str(min(LIST, self._page)))]
        return self.api.rows(LEADS, "data", asked, after(scan.since))

    def _apart(self, kind: str, scan: Scan, listed: bool) -> list[Record]:
        """What neither shows: leads that were converted since, when they were queried, and what was deleted."""
        found: list[Record] = []
        if kind == LEADS and scan.since and not listed:
            rows = self.api.pages(LEADS, [("converted", "true"), *self._fields(LEADS)], after(scan.since))
            found += [shape.flat(LEADS, row) for row in rows]
        if scan.bin_is_due:
            since = after(scan.binned_since(self.facts.lag))
            found += [shape.gone(kind, row) for row in self.api.pages(f"{kind}/deleted", [("type", "all")], since)]
        return found

    def _found(self, kind: str, key: str, wanted: str) -> list[dict[str, Any]]:
        if key == "marker":
            return self._select(kind, f"({MARKER} = {quoted(wanted)})", LIST)[0]
        if key == "email" and kind in shape.EMAILS and wanted.strip():
            terms = [f"({n} = {quoted(wanted.strip())})" for n in shape.EMAILS[kind] if n in self.columns(kind)]
            return self._select(kind, f"({' or '.join(terms)})" if len(terms) > 1 else terms[0], LIST)[0]
        if key != "phone" or kind not in shape.PHONES or len(shape.digits(wanted)) < 5:
            return []
        return self.rows(f"{kind}/search", "data", [("phone", shape.digits(wanted)), *self._fields(kind)])
