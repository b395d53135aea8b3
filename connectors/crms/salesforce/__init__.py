"""Salesforce: leads are records of their own, and become an account, a contact and an opportunity when converted.

Guarantees: a create may be repeated, the external id `HUB_ID__c` finds what is there; an op whose answer was lost is
`Lost`; one bad record fails alone; a scan of changes goes back far enough for what was committed late, and shows what
was deleted or merged.

Values are Salesforce's fields under their own names; None is empty, dates and times are its texts in UTC. `phones` and
`emails` gather what it spreads over several fields: `[{"value": "+12025550111", "enum_code": "MobilePhone"}]`.
"""

from __future__ import annotations

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
    Value,
)
from connectors.crms.salesforce import doings, shape, soap
from connectors.crms.salesforce.api import VERSION, Api
from connectors.crms.salesforce.setup import provision, schema
from connectors.crms.salesforce.shape import DEALS, FIRMS, KINDS, LEADS, MARKER, NOTES, PEOPLE, TASKS, quoted, select
from connectors.crms.salesforce.writing import Writer
from connectors.errors import Pause, Refuse, Retry
from connectors.oauth import Grant

__all__ = ["Salesforce"]

PAGE = 2000
CLOSING_DAYS = 30


class Salesforce(CRM):
    """One Salesforce organisation, over REST 62.0; conversions over SOAP."""

    name = "salesforce"
    title = "Salesforce"
    evidence = Evidence.DOCUMENTED
    source = "https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/intro_rest.htm"
    hosts = ("salesforce.com", "force.com")
    form = (
        Setting("address", "My Domain", required=True, help="https://yourcompany.my.salesforce.com"),
        Setting("client_id", "Consumer key", help="Connected app with the client credentials flow"),
        Setting("client_secret", "Consumer secret", secret=True),
        Setting("token", "Access token", secret=True, help="Only to try it out: it ends with its session"),
    )
    lead_kind, deal_kind, contact_kind, company_kind = LEADS, DEALS, PEOPLE, FIRMS
    company_on = (DEALS,)
    note_kind, task_kind, activity_kinds = NOTES, TASKS, doings.LISTED
    pipeline_field, stage_field, owner_field = "RecordTypeId", "StageName", "OwnerId"
    facts = Facts(
        kinds=KINDS,
        room=shape.ROOM,
        batch=1000,  # five collections of 200 in one call
        compound=400,
        budget=(10, 1.0),  # calls are counted by the day; this keeps long ones below 25 at a time
        lag=300.0,  # a change has the time it was made at and is seen when its transaction ends
        precision=1.0,
        longest_request=130.0,
        marker_field=MARKER,
        marker_lookup="strong",
        upsert=True,
        deleted_list=True,
        delete=True,
        strategies=("native", "two_blocks", "held"),
        makes_pipelines=False,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        if address and "." not in address and "/" not in address:
            address += ".my.salesforce.com"
        base = address if "://" in address else f"https://{address}"
        token, client = secrets.get("token", ""), settings.get("client_id", "")
        secret = secrets.get("client_secret", "")
        grant = None if token else Grant(f"{base}/services/oauth2/token", client, secret)
        self.api = Api(http, base, grant, token)
        self._page = int(settings.get("page") or PAGE)
        self._columns: dict[str, shape.Columns] = {}
        self._status = ""
        self._now: datetime | None = None

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads have statuses and no pipelines; deals have stages, and a record type where there are several."""
        return ("", "Status") if kind == LEADS else (self.pipeline_field, self.stage_field)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def rest(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Value = None) -> Any:
        """The parsed answer of a call that must succeed."""
        return self.api.rest(method, path, params, json)

    def post(self, path: str, json: Value) -> Answer:
        """A write; the answer as it is."""
        return self.api.call("POST", f"services/data/v{VERSION}/{path}", json=json)

    def query(self, soql: str, path: str = "query") -> list[dict[str, Any]]:
        """The rows of a query that fits in one page."""
        return self._asked(soql, path)[0]

    def _asked(self, soql: str, path: str) -> tuple[list[dict[str, Any]], Answer]:
        answer = self.api.call("GET", f"services/data/v{VERSION}/{path}", [("q", soql)])
        if answer.status >= 400:
            raise Refuse(f"Salesforce refuses to be asked this (status {answer.status}): may the hub's user see it?")
        told = answer.json()
        rows = told.get("records") if isinstance(told, dict) else None
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise Retry("Salesforce's answer is no list of records", effect=True)
        return rows, answer

    def columns(self, kind: str) -> shape.Columns:
        """The fields we read of an object. Asked for once: each organisation has others."""
        if kind not in self._columns:
            answer = self.api.call("GET", f"services/data/v{VERSION}/sobjects/{kind}/describe")
            if answer.status == 404:
                raise Refuse(f"Salesforce shows the hub's user no {kind}: check its rights")
            told = answer.json() if answer.status == 200 else None
            if not isinstance(told, dict) or not isinstance(told.get("fields"), list):
                raise Retry(f"Salesforce's answer does not describe {kind}", effect=True)
            self._now = _date(answer)
            self._columns[kind] = shape.columns(kind, told)
        return self._columns[kind]

    def convert(self, leads: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        """Convert leads, one result each. A session that ended is begun anew, once."""
        for _ in range(2):
            sent = soap.envelope(self.api.session(), leads)
            answer = self.api.call("POST", f"services/Soap/u/{VERSION}", data=sent)
            code = soap.fault(answer.body)
            if code != "INVALID_SESSION_ID" or self.api.grant is None:
                break
            self.api.token = ""
        if code in {"INVALID_SESSION_ID", "INSUFFICIENT_ACCESS", "API_DISABLED_FOR_ORG"}:
            raise Pause("Salesforce does not let the hub's user convert leads: give it the right “Convert Leads”")
        if code:
            raise Refuse(f"Salesforce refuses to convert ({code})")
        return soap.results(answer.body, len(leads))

    def converted_status(self) -> str:
        """The status a converted lead gets."""
        if not self._status:
            rows = self.query("SELECT ApiName FROM LeadStatus WHERE IsConverted = true")
            if not rows:
                raise Pause("Salesforce has no lead status that means converted")
            self._status = str(rows[0].get("ApiName"))
        return self._status

    def today(self) -> str:
        """A closing day for deals that come without one, a month after we last looked at their clock."""
        return ((self._now or datetime.fromtimestamp(0, UTC)) + timedelta(days=CLOSING_DAYS)).date().isoformat()

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The organisation's name; its id is the fingerprint."""
        rows = self.query("SELECT Id, Name FROM Organization")
        if not rows or not rows[0].get("Id"):
            raise Pause("Salesforce does not say which organisation this is")
        return Account(str(rows[0].get("Name") or ""), str(rows[0]["Id"]))

    def describe(self) -> Schema:
        """Fields of the four kinds, lead statuses and deal stages as pipelines, users."""
        self._columns.clear()
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Records by change time and id, deleted and merged ones too.

        The cursor is "<second>" between scans, and "<second>:<last id>:<since>:<start>" within one: pages go on after
        the last record seen, so none is skipped when others move.
        """
        low, last, since, start = _read(cursor or (doings.NEVER if kind in doings.LISTED else ""))
        place = _place(low, last)
        rows, answer = self._select(kind, f"{place} ORDER BY SystemModstamp ASC, Id ASC LIMIT {self._page}")
        at = _date(answer) or _no_date()
        start = start or int(at.timestamp())
        records = doings.directed(self.query, [shape.flat(kind, row) for row in rows])
        if len(rows) >= self._page and records[-1].updated_at:
            newest = int(records[-1].updated_at.timestamp())
            return Changes(records, f"{newest}:{records[-1].ref}:{since}:{start}", more=True, at=at)
        return Changes(records, str(max(since, start - int(self.facts.lag))), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """By id, with those in the bin. What is neither was emptied from the bin, or is not shared with us."""
        ids = [ref for ref in dict.fromkeys(refs) if ref.isalnum()]
        found: dict[str, Record] = {}
        for start in range(0, len(ids), shape.BY_ID):
            wanted = ", ".join(map(quoted, ids[start : start + shape.BY_ID]))
            found |= {one.ref: one for one in self._records(kind, f"WHERE Id IN ({wanted})")}
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker and e-mail with a query, by phone with a search, which is some seconds behind."""
        if "marker" in keys and MARKER not in self.columns(kind):
            raise Pause(f"Salesforce has no field {MARKER} for {kind}, or hides it: set the account up first")
        found: dict[str, Record] = {}
        for key, wanted in keys.items():
            told = self._found(kind, key, wanted)
            found |= {one.ref: one for one in told if shape.carries(one, key, wanted) and not one.deleted}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Upserts, updates and conversions, a thousand records a call; see `writing`."""
        return Writer(self).write(ops)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Into the bin, where it stays for 15 days."""
        for start in range(0, len(refs), 200):
            ids = ",".join(refs[start : start + 200])
            self.rest("DELETE", "composite/sobjects", [("ids", ids), ("allOrNone", "false")])

    def activity(self, record: Record) -> Activity | None:
        """Calls, mails, meetings and tasks; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note, or a task with its day."""
        return doings.worded(activity)

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Fields. Stages, record types and events are people's to make in Setup: `Unsupported`."""
        try:
            return provision(self, steps)
        finally:
            self._columns.clear()

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _select(self, kind: str, rest: str) -> tuple[list[dict[str, Any]], Answer]:
        """A query over live and deleted rows. A field that was removed meanwhile refuses it: asked again, once. Where
        activities are not shown to us the rest goes on."""
        why = ""
        for _ in range(2):
            try:
                return self._asked(select(", ".join(self.columns(kind)), kind, rest), "queryAll")
            except Refuse as error:
                why = str(error)
                self._columns.pop(kind, None)
        raise Refuse(why) if kind in doings.LISTED else Pause(why)

    def _records(self, kind: str, rest: str) -> list[Record]:
        return [shape.flat(kind, row) for row in self._select(kind, rest)[0]]

    def _found(self, kind: str, key: str, wanted: str) -> list[Record]:
        if key == "marker":
            return self._records(kind, f"WHERE {MARKER} = {quoted(wanted)}")
        if key == "email" and kind in shape.EMAILS and wanted.strip():
            return self._records(kind, f"WHERE Email = {quoted(wanted.strip())}")
        if key != "phone" or kind not in shape.PHONES or len(shape.digits(wanted)) < 5:
            return []
        sosl = f"FIND {{{shape.digits(wanted)}}} IN PHONE FIELDS RETURNING {kind}(Id)"
        told = self.rest("GET", "search", [("q", sosl)])
        rows = told.get("searchRecords") if isinstance(told, dict) else None
        refs = [str(row.get("Id")) for row in rows or () if isinstance(row, dict)]
        return [one for one in self.get(kind, refs) if one] if refs else []


def _read(cursor: str) -> tuple[int, str, int, int]:
    """Second to read from, last id read of it, second the scan began at, remote time it began at."""
    parts = (cursor or "0").split(":")
    if len(parts) == 1:
        return int(parts[0]), "", int(parts[0]), 0
    return int(parts[0]), parts[1], int(parts[2]), int(parts[3])


def _place(low: int, last: str) -> str:
    if not low:
        return ""
    stamp = datetime.fromtimestamp(low, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if not last:
        return f"WHERE SystemModstamp >= {stamp}"
    return f"WHERE (SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > {quoted(last)}))"


def _date(answer: Answer) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None


def _no_date() -> datetime:
    raise Retry("Salesforce's answer has no Date header, so no safe cursor can be set")
