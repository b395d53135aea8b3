"""HubSpot: leads and deals are both of its kind "deals", told apart by their pipeline.

Guarantees: a create may be repeated, the unique property `hub_id` finds what is there; an op whose answer was lost is
`Lost`; one bad record in a batch fails alone; a scan of changes goes back far enough for what search shows late.

Values are HubSpot's properties under their own names, all of them texts as HubSpot has them ("true", "1200",
"a;b" for several options, ISO times); None is a blank. `phones` and `emails` gather what HubSpot spreads over several
properties: `[{"value": "+12025550111", "enum_code": "mobilephone"}]`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
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
from connectors.crms.hubspot import doings, hooks
from connectors.crms.hubspot.answers import problem, rows, trouble
from connectors.crms.hubspot.lookup import BATCH, OBJECTS, by_id, find, with_contacts
from connectors.crms.hubspot.scan import BIN, BIN_OVERLAP, BIN_PAGE, Scan
from connectors.crms.hubspot.setup import all_properties, next_page, provision, schema
from connectors.crms.hubspot.shape import MARKER, MERGED, absorbed, flat, millis, stamp_of
from connectors.crms.hubspot.writing import Writer
from connectors.errors import Missing, Pause, Refuse, Retry
from connectors.http import Gate
from connectors.oauth import Grant

__all__ = ["HubSpot"]

API = "https://api.hubapi.com"  # one for all accounts, also for those hosted in the EU
END_OF_TIME = 4_102_444_800_000  # nothing was changed after 2099
SEARCHES = 4.0  # a second; 5 are allowed to the whole account, and no header says how many are left
HIDDEN = "hs_"  # two hundred figures HubSpot keeps for itself; of these we read:
SEEN = (MERGED, "hs_additional_emails", "hs_primary_associated_company", "hs_lead_status", "hs_lastmodifieddate",
        "hs_note_body", "hs_timestamp", "hs_task_subject", "hs_task_body", "hs_task_status")  # fmt: skip


class HubSpot(CRM):
    """One HubSpot account, over the CRM API v3 and associations v4."""

    name = "hubspot"
    title = "HubSpot"
    evidence = Evidence.DOCUMENTED
    source = "https://developers.hubspot.com/docs/api-reference/overview"
    form = (
        Setting("token", "Access token of a private app", secret=True, help="Settings → Integrations → Private apps"),
        Setting("client_secret", "Client secret", secret=True, help="The app's tab «Auth»: proves who sent a hook"),
        Setting("client_id", "Client id", help="Only without an access token"),
        Setting("redirect_uri", "Redirect address"),
        Setting("hook_address", "Hook address", help="What you entered as the target of the app's webhooks"),
        Setting("properties", "Further properties to read", help="Names that begin with hs_, parted by commas"),
        Setting("address", "Address of the API", default=API),
    )
    lead_kind = deal_kind = "deals"
    contact_kind = "contacts"
    company_kind = "companies"
    company_on = ("deals",)
    note_kind, task_kind, activity_kinds = doings.NOTES, doings.TASKS, doings.LISTED
    pipeline_field, stage_field, owner_field = "pipeline", "dealstage", "hubspot_owner_id"
    kinds: tuple[str, ...] = ("deals", "contacts", "companies")
    facts = Facts(
        kinds=kinds,
        batch=BATCH,
        budget=(9, 1.0),  # 100 in 10 seconds in the smaller plans, shared by all that the private app does
        lag=300.0,  # "a few moments" in the documentation; people saw minutes after bulk edits
        precision=0.001,
        late=0.0,  # no two changes of one record bear the same time
        longest_request=65.0,
        marker_field=MARKER,
        marker_lookup="strong",  # read by unique property, not searched
        upsert=True,
        hanging=True,
        deleted_list=True,
        delete=True,
        merge=True,
        strategies=("two_pipelines", "two_blocks", "held"),
        hooks_signed=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        self.base = (settings.get("address") or API).strip().rstrip("/")
        self.hook_address = settings.get("hook_address", "").strip()
        self._searches = Gate((1, 1 / float(settings.get("searches") or SEARCHES)))
        self._names: dict[str, tuple[str, ...]] = {}

    def grant(self, redirect_uri: str = "") -> Grant | None:
        """How to refresh tokens, None when a private app's token is set. `connectors.oauth.Bearer` uses it."""
        if self.secrets.get("token"):
            return None
        uri = redirect_uri or self.settings.get("redirect_uri", "")
        secret = self.secrets.get("client_secret", "").partition(" ")[0]
        return Grant(f"{self.base}/oauth/v1/token", self.settings.get("client_id", ""), secret, uri)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer:
        """One call; raises what concerns the whole account, answers the rest."""
        token = self.secrets.get("token", "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.http.send(method, f"{self.base}/{path}", headers=headers, params=list(params), json=json)
        if error := trouble(answer):
            raise error
        if 300 <= answer.status < 400:
            raise Pause("This address does not answer like HubSpot: check the address of the API")
        return answer

    def read(self, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> dict[str, Any]:
        """A read: the parsed body, which has `results` or an id."""
        return self._read(path, params, json)[0]

    def _read(
        self, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None
    ) -> tuple[dict[str, Any], Answer]:
        answer = self.call("GET" if json is None else "POST", path, params, json)
        if answer.status >= 500:
            raise Retry(f"HubSpot answered with status {answer.status}")
        told = answer.json()
        if answer.status not in {200, 207} or not isinstance(told, dict) or not told.keys() & {"results", "portalId"}:
            why = str(problem(answer).get("category") or "no usable content")
            raise Retry(f"HubSpot answered {path.split('?')[0]} with status {answer.status}: {why}")
        return told, answer

    def search(self, kind: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]:
        """One search, at the pace the account allows."""
        self._searches.enter()
        return self._read(f"{OBJECTS}/{kind}/search", json=body)

    def names(self, kind: str) -> tuple[str, ...]:
        """Properties to read. HubSpot answers a handful unless told by name; asked once per connector."""
        if kind not in self._names:
            told = [one["name"] for one in all_properties(self, kind)]
            more = re.split(r"[,;\s]+", self.settings.get("properties", ""))
            wanted = [name for name in told if not name.startswith(HIDDEN) or name in SEEN or name in more]
            self._names[kind] = tuple(dict.fromkeys([*wanted, stamp_of(kind)]))
        return self._names[kind]

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """HubSpot has no name for an account but its number, which is the fingerprint."""
        answer = self.call("GET", "account-info/v3/details")
        if answer.status >= 500:
            raise Retry(f"HubSpot answered with status {answer.status}")
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or "portalId" not in told:
            raise Pause("This address does not answer like HubSpot: check the address of the API")
        return Account(
            f"HubSpot {told['portalId']} ({str(told.get('accountType') or 'account').lower()})", str(told["portalId"])
        )

    def describe(self) -> Schema:
        """Properties of the three kinds, deal pipelines, owners."""
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Rows by change time, then what was deleted; see `scan` for why nothing slips through. Links are not told."""
        if kind in doings.LISTED:
            return self._doings(kind, cursor)
        scan = Scan.read(cursor)
        if scan.phase == BIN:
            return self._bin(kind, scan)
        told, answer = self.search(kind, scan.body(stamp_of(kind), self.names(kind)))
        now = _now(answer)
        scan, at = replace(scan, start=scan.start or now), datetime.fromtimestamp(now / 1000, UTC)
        records = [flat(kind, row) for row in rows(told) if "id" in row]
        stamps = [(millis(one.updated_at), one.ref) for one in records]
        found = tuple(each for one in records for each in (*absorbed(one), one))
        if onward := scan.onward(stamps, bool(next_page(told))):
            return Changes(found, onward.text(), more=True, at=at)
        after = scan.searched(self._hold())
        return Changes(found, after.text(), more=after.phase == BIN, at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id. One that was merged away comes back as deleted, with the record it went into."""
        found = by_id(self, kind, refs)
        records = [found.get(ref) for ref in refs]
        return with_contacts(self, records) if kind == self.deal_kind else records

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker and by e-mail as unique properties, by phone with a search, verified here."""
        if kind in doings.LISTED:
            return [one for card, ref in keys.items() for one in doings.hanging(self, kind, card, ref)]
        found = {one.ref: one for key, wanted in keys.items() for one in find(self, kind, key, wanted)}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Upserts, updates and creates by hundreds; see `writing`."""
        return Writer(self.call, BATCH).write(ops)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Into the recycle bin, where they stay 90 days."""
        for start in range(0, len(refs), BATCH):
            inputs = [{"id": ref} for ref in refs[start : start + BATCH]]
            answer = self.call("POST", f"{OBJECTS}/{kind}/batch/archive", json={"inputs": inputs})
            if answer.status >= 400:
                raise Retry(f"HubSpot answered with status {answer.status}", effect=True)

    def merge(self, kind: str, into: str, ref: str) -> None:
        """The survivor may get a new id; both old ones lead to it."""
        wish = {"primaryObjectId": into, "objectIdToMerge": ref}
        answer = self.call("POST", f"{OBJECTS}/{kind}/merge", json=wish)
        if answer.status >= 500:
            raise Retry(f"HubSpot answered with status {answer.status}", effect=True)
        if answer.status == 404:
            raise Missing(f"HubSpot has no {kind} {into} or {ref}")
        if answer.status >= 400:
            raise Refuse(f"HubSpot does not merge these: {problem(answer).get('category') or answer.status}")

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Create, change and remove deal pipelines, stages and properties; what is there already is changed."""
        self._names.clear()  # fields that are made now are read from now on
        return provision(self, steps)

    def activity(self, record: Record) -> Activity | None:
        """Calls, mails, meetings, messages, notes and tasks; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note, or a task with its moment; both hold HTML."""
        return doings.worded(activity)

    def verify(self, raw: Raw) -> None:
        """Signed with the app's secret; a body that is no hook has nothing to prove."""
        if hooks.hints(hooks.events(raw.body)):
            hooks.verify(raw, self.secrets.get("client_secret", ""), self.hook_address)

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """Records a signed hook talks about: changed, deleted, merged, linked. What we wrote ourselves is no news."""
        self.verify(raw)
        return hooks.hints(event for event in hooks.events(raw.body) if not hooks.our_own(event))

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _hold(self) -> int:
        return int((self.facts.lag + self.facts.precision) * 1000)

    def _doings(self, kind: str, cursor: str) -> Changes:
        """A page of what people did; they have no bin to look into."""
        scan = Scan.read(cursor)
        if not cursor:
            scan = replace(scan, low=END_OF_TIME)
        told, answer = self.search(kind, scan.body(stamp_of(kind), doings.names(kind)))
        now = _now(answer)
        scan = replace(scan, start=scan.start or now)
        records = [flat(kind, row) for row in rows(told) if "id" in row]
        onward = scan.onward([(millis(one.updated_at), one.ref) for one in records], bool(next_page(told)))
        found = doings.placed(self, records)
        return Changes(found, (onward or scan.done(self._hold(), scan.start)).text(), more=onward is not None)

    def _bin(self, kind: str, scan: Scan) -> Changes:
        """One page of what was deleted; the list has no filter."""
        page = [("archived", "true"), ("limit", str(BIN_PAGE)), ("properties", MARKER)]
        told, answer = self._read(f"{OBJECTS}/{kind}", [*page, *([("after", scan.last)] if scan.last else [])])
        at = datetime.fromtimestamp(_now(answer) / 1000, UTC)
        gone = [replace(flat(kind, row), deleted=True) for row in rows(told) if "id" in row]
        since = scan.binned - BIN_OVERLAP
        found = tuple(one for one in gone if millis(one.updated_at) >= since)
        if after := next_page(told):
            return Changes(found, replace(scan, last=after).text(), more=True, at=at)
        return Changes(found, scan.done(self._hold(), scan.start).text(), at=at)


def _now(answer: Answer) -> int:
    """The remote clock in milliseconds, the only one its change times can be compared with."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp()) * 1000
    except (TypeError, ValueError):
        raise Retry("HubSpot's answer has no Date header, so no safe cursor can be set") from None
