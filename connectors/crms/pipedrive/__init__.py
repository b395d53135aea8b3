"""Pipedrive: leads are records of their own in the Leads Inbox, deals walk through pipelines.

Guarantees: an op whose answer was lost is `Lost`, never sent twice; a scan of changes misses nothing even when
records move between its pages; every form of throttling (429 of a burst, 429 of a spent day, Cloudflare's 403) is
obeyed; a lead that was converted, by us or in Pipedrive, reads with the deal it became.

Values are flat: native fields under their API names (ids are numbers, `value` and `currency` also of leads), `tags`
as a list of names, phones and e-mails as `[{"value": "+7...", "enum_code": "work"}]` with the primary one first, our
custom fields by name (`HUB_ID`), foreign ones by their key of 40 hex digits, options by their labels. `stage_id` is
"won" or "lost" for closed deals; a lead's stage is `label_id`, "archived" for one in the archive. `None` clears.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from connectors.crms.pipedrive import doings
from connectors.crms.pipedrive.api import PAGE, Api, rows
from connectors.crms.pipedrive.grant import CONSENT, TOKENS, BasicGrant
from connectors.crms.pipedrive.hooks import hints, verify
from connectors.crms.pipedrive.names import MARKER, Names
from connectors.crms.pipedrive.reading import Reader
from connectors.crms.pipedrive.schema import COLOURS, schema
from connectors.crms.pipedrive.setup import provision
from connectors.crms.pipedrive.shape import LOST, WON, path_of
from connectors.crms.pipedrive.writing import WAITS, Writer
from connectors.errors import Missing, Pause, Refuse, Retry, Unsupported


class Pipedrive(CRM):
    """One Pipedrive company, over API v2, and v1 for what v2 has not."""

    name = "pipedrive"
    title = "Pipedrive"
    evidence = Evidence.DOCUMENTED
    source = "https://developers.pipedrive.com/docs/api/v1"
    hosts = ("pipedrive.com",)
    form = (
        Setting("address", "Account address", required=True, help="https://yourcompany.pipedrive.com"),
        Setting("token", "API token", secret=True, help="Personal preferences, API; of an administrator"),
        Setting("client_id", "Client id of your app", help="Only without an API token"),
        Setting("client_secret", "Client secret", secret=True),
        Setting("redirect_uri", "Redirect address"),
    )
    lead_kind, deal_kind = "leads", "deals"
    contact_kind, company_kind = "persons", "organizations"
    company_on = ("leads", "deals")
    note_kind, task_kind, activity_kinds = doings.NOTES, doings.ACTIVITIES, doings.LISTED
    pipeline_field, stage_field, owner_field = "pipeline_id", "stage_id", "owner_id"
    waits: Sequence[float] = WAITS
    facts = Facts(
        kinds=("leads", "deals", "persons", "organizations", "notes", "activities"),
        batch=1,
        budget=(18, 2.0),  # the smallest plan's token has 20 in any 2 s; who ignores 429 meets Cloudflare
        lag=30.0,
        precision=1.0,
        late=0.0,  # lists are never behind, only the search is
        longest_request=65.0,
        marker_field=MARKER,
        marker_lookup="search",
        delete=True,
        merge=True,
        colours="palette",
        palette=tuple(COLOURS.values()),
        coloured=("leads",),
        strategies=("native", "two_pipelines", "held"),
        finals={"won": WON, "lost": LOST},
        poll_every=120.0,  # a look at four lists costs 50 tokens: 36,000 a day, where a seat has 30,000 at the least
        hanging=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        if address and "." not in address and "/" not in address:
            address += ".pipedrive.com"
        base = address if "://" in address else f"https://{address}"
        self.api = Api(http, base, secrets.get("token", ""), int(settings.get("page") or PAGE))
        self.names = Names(self.api.all_rows, self._add)
        self.reader = Reader(self.api, self.names, self.facts.lag + self.facts.precision)

    def grant(self, redirect_uri: str = "") -> BasicGrant | None:
        """How to refresh tokens, None when an API token is set. `connectors.oauth.Bearer` uses it."""
        if self.secrets.get("token"):
            return None
        uri = redirect_uri or self.settings.get("redirect_uri", "")
        client, secret = self.settings.get("client_id", ""), self.secrets.get("client_secret", "")
        return BasicGrant(TOKENS, client, secret, uri, authorize=CONSENT)

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads stand under a label and in no pipeline."""
        return ("", "label_id") if kind == "leads" else (self.pipeline_field, self.stage_field)

    @property
    def hook_secret(self) -> str:
        """What the password of our hooks is made from."""
        return self.secrets.get("token") or self.secrets.get("client_secret", "")

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The company's name; its id is the fingerprint."""
        told, _ = self.api.read("v1/users/me")
        me = next(iter(rows(told)), {})
        if not me.get("company_id"):
            raise Pause("This address does not answer like Pipedrive: check the account's address")
        return Account(str(me.get("company_name") or me.get("company_domain") or ""), str(me["company_id"]))

    def describe(self) -> Schema:
        """Fields, pipelines, the labels that are stages of leads, users, hook addresses: eight calls."""
        self.names.forget()
        return schema(self.api, self.names, self.hook_secret)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Rows by change time; archived leads come last, of converted ones their deals tell. See `scan` for why nothing
        slips through."""
        return self.reader.changes(kind, cursor)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """By id. What a list leaves out is asked for alone; a lead that is gone may be a deal by now."""
        return self.reader.get(kind, refs)

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker (among the newest, which are listed at once, then by the search) and by phone or e-mail."""
        return self.reader.find(kind, keys)

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """One call a record; see `writing`."""
        return Writer(self.api, self.names, self.reader.deals_of, self.waits).write(ops)

    def activity(self, record: Record) -> Activity | None:
        """Notes and activities; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note in HTML, or an activity with its moment."""
        return doings.worded(activity)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Pipedrive keeps them for 30 days. What is gone already is no error."""
        for ref in refs:
            answer = self.api.call("DELETE", path_of(kind, ref))
            if answer.status >= 500:
                raise Retry(f"Pipedrive answered with status {answer.status}", effect=True)
            if answer.status >= 400 and answer.status not in {404, 410}:
                raise Refuse(f"Pipedrive does not delete this record (status {answer.status})")

    def merge(self, kind: str, into: str, ref: str) -> None:
        """`ref` disappears into `into`; not for leads."""
        if kind not in {"persons", "organizations", "deals"}:
            raise Unsupported(f"Pipedrive cannot merge {kind}")
        answer = self.api.call(
            "PUT", path_of(kind, ref).replace("v2", "v1") + "/merge", json={"merge_with_id": int(into)}
        )
        if answer.status in {404, 410}:
            raise Missing(f"One of the two {kind} is gone in Pipedrive")
        if answer.status >= 500:
            raise Retry(f"Pipedrive answered with status {answer.status}", effect=True)
        if answer.status >= 400:
            raise Refuse(f"Pipedrive does not merge these {kind} (status {answer.status})")

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Pipelines, stages, labels that stand for stages of leads (`under` ""), fields and hooks."""
        try:
            return provision(self.api, self.names, steps, self.hook_secret)
        finally:
            self.names.forget()

    def verify(self, raw: Raw) -> None:
        """A hook carries the password we gave when we subscribed: a header, read at the door and never stored."""
        verify(raw, self.hook_secret)

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """The record a hook is about, and the one it was merged into; see `hooks`."""
        return hints(raw)

    def _add(self, path: str, body: Any) -> None:
        answer = self.api.call("POST", path, json=body)
        if answer.status >= 400:
            raise Refuse(f"Pipedrive does not add this label (status {answer.status})", {"tags": "no such label"})
