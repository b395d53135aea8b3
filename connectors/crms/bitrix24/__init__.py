"""Bitrix24, in the cloud or self-hosted: accounts with leads (classic) and without (simple CRM).

Guarantees: an op whose answer was lost is `Lost`, never sent twice; one bad record in a batch fails alone and leaves
nothing half made behind; a scan of changes misses nothing even when records change while it reads; a lead is closed
as converted only together with its deal.

Values are those of `crm.item.*` (`title`, `stageId`, `assignedById` ...), custom fields under their code
(`UF_CRM_HUB_TEXT`), phones and e-mails as `PHONE` and `EMAIL`; see `shape`. `None` clears a field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from connectors.contract import (
    CRM,
    Account,
    Activity,
    Changes,
    Done,
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
from connectors.crms.bitrix24 import doings
from connectors.crms.bitrix24.calls import LIMIT, Command, Rest
from connectors.crms.bitrix24.hooks import WAKE, event, hints, queued
from connectors.crms.bitrix24.notes import COMMENTS, TODOS
from connectors.crms.bitrix24.reading import Reader, carries
from connectors.crms.bitrix24.scan import Scan, joined
from connectors.crms.bitrix24.schema import CLASSIC, mode, schema
from connectors.crms.bitrix24.setup import provision
from connectors.crms.bitrix24.shape import MARKER, TYPES, WORDS
from connectors.crms.bitrix24.writing import Writer
from connectors.errors import Conflict, Missing, Pause, Refuse, Retry
from connectors.oauth import Grant

CHAIN = 21  # pages of one batch: a thousand records
QUEUE = 200  # events taken from the portal's queue at once
WITHOUT_LEADS = (
    "This Bitrix24 account works without leads (simple CRM): set the connection up with two blocks or two pipelines of "
    "deals, or switch leads on in Bitrix24 (CRM settings, «Use leads»)"
)


class Bitrix24(CRM):
    """One Bitrix24 account, over an incoming webhook or an application."""

    name = "bitrix24"
    title = "Bitrix24"
    evidence = Evidence.RECORDED
    source = "https://apidocs.bitrix24.com/api-reference/crm/universal/index.html"
    hosts = (
        "bitrix24.ru", "bitrix24.com", "bitrix24.eu", "bitrix24.de", "bitrix24.by", "bitrix24.kz", "bitrix24.uz",
        "bitrix24.fr", "bitrix24.es", "bitrix24.it", "bitrix24.pl", "bitrix24.com.br", "bitrix24.mx", "bitrix24.in",
        "bitrix24.com.tr", "bitrix24.vn", "bitrix24.id", "bitrix24.jp", "bitrix24.cn", "bitrix24.uk",
    )  # fmt: skip
    """Where an account may move to: the only redirects to follow."""
    form = (
        Setting("webhook", "Incoming webhook", secret=True, help="https://yourcompany.bitrix24.com/rest/1/.../"),
        Setting("application_token", "Token of the outgoing webhook or application", secret=True),
        Setting("address", "Account address", help="Only without a webhook: https://yourcompany.bitrix24.com"),
        Setting("client_id", "Application id", help="Only without a webhook"),
        Setting("client_secret", "Application key", secret=True),
        Setting("offline", "Queue of events", help="«yes»: an application lets Bitrix24 keep events for us"),
    )
    lead_kind, deal_kind, contact_kind, company_kind = "leads", "deals", "contacts", "companies"
    company_on = ("leads", "deals")
    note_kind, task_kind, activity_kinds = COMMENTS, TODOS, (TODOS,)
    pipeline_field, stage_field, owner_field = "categoryId", "stageId", "assignedById"
    facts = Facts(
        kinds=tuple(TYPES),
        batch=LIMIT,
        compound=LIMIT // 2,
        budget=(10, 5.0),  # a bucket of 50 that loses 2 a second, shared by all who call from this address
        lag=5.0,  # lists are read from the tables themselves; this is for writes that end after they began
        precision=1.0,
        longest_request=65.0,
        marker_field=MARKER,
        marker_lookup="search",
        delete=True,
        merge=True,
        colours="any",
        strategies=("native", "two_blocks", "two_pipelines", "held"),
        finals={"won": "WON", "lost": "LOSE"},
        hanging=True,
        hooks_signed=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        webhook = secrets.get("webhook", "").strip()
        address = settings.get("address", "").strip().rstrip("/")
        self.address = address if "://" in address else f"https://{address}"
        self.app = not webhook
        base = re.sub(r"/[\w.]+\.json/?\Z", "", webhook) or f"{self.address}/rest"
        self.host = urlsplit(base).netloc
        self.rest = Rest(lambda: self.http, base)
        self._read = Reader(self.rest, int(settings.get("pages") or CHAIN))
        self._has_leads = False

    def grant(self, redirect_uri: str = "") -> Grant | None:
        """How to refresh tokens of an application, None for a webhook. The token is the parameter `auth`."""
        if not self.app:
            return None
        server = self.settings.get("token_address") or "https://oauth.bitrix.info/oauth/token/"
        client, secret = self.settings.get("client_id", ""), self.secrets.get("client_secret", "")
        page = f"{self.address}/oauth/authorize/"
        return Grant(server, client, secret, redirect_uri, parameter="auth", authorize=page)

    def place_fields(self, kind: str) -> tuple[str, str]:
        """Leads have stages and no pipelines."""
        return ("" if kind == "leads" else self.pipeline_field), self.stage_field

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The account's address, which is its fingerprint too, and whether it has leads."""
        told = self.rest.batch({"mode": Command("crm.settings.mode.get"), "scope": Command("scope")})
        scope = told.told.get("scope")
        if isinstance(scope, list) and "crm" not in scope:
            raise Pause("The webhook or application lacks a permission: tick CRM and Users in its card")
        leads = told.done("mode") == CLASSIC
        return Account(f"{self.host} ({'with leads' if leads else 'without leads'})", self.host)

    def describe(self) -> Schema:
        """Fields, pipelines, users and handlers. In an account without leads there is no pipeline of kind "leads"."""
        return schema(self.rest, app=self.app)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Records by change time and id; see `scan` for why nothing slips through."""
        if kind == TODOS:
            return doings.changes(self.rest, cursor, int(self.facts.lag + self.facts.precision))
        scan = Scan.read(cursor)
        pages, clock = self._read.pages(kind, scan)
        rows, more = joined(pages)
        records = self._read.records(kind, rows)
        if any(one.updated_at is None for one in records) or clock <= 0:
            raise Retry("Bitrix24's records have no change times, so no safe cursor can be set")
        start, at = scan.start or int(clock), datetime.fromtimestamp(clock, UTC)
        if more and records:
            last = records[-1]
            low = int(last.updated_at.timestamp()) if last.updated_at else 0
            return Changes(tuple(records), Scan(scan.since, start, low, int(last.ref)).text(), more=True, at=at)
        mark = max(scan.since, start - int(self.facts.lag + self.facts.precision))
        return Changes(tuple(records), str(mark), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id. What a list does not show is asked for alone: it may be gone, or out of our sight."""
        ids = [ref for ref in dict.fromkeys(refs) if ref.isascii() and ref.isdecimal()]
        found = {record.ref: record for record in self._read.records(kind, self._read.by_id(kind, ids))}
        self._read.confirm_gone(kind, [ref for ref in ids if ref not in found])
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker (the external id) and by phone or e-mail (the vendor's search for duplicates, verified here)."""
        found: dict[str, Record] = {}
        if kind in (COMMENTS, TODOS):
            return [one for card, ref in keys.items() for one in doings.hanging(self.rest, kind, card, ref)]
        for key, wanted in keys.items():
            for record in self._read.records(kind, self._read.search(kind, key, wanted)):
                if carries(record, key, wanted):
                    found[record.ref] = record
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Batches of 50 commands; see `writing`. A lead for an account without leads raises `Pause`."""
        outcomes = Writer(self.rest, self._read, self._need_leads).write(ops)
        self._has_leads &= not any(_became_a_deal(op, one) for op, one in zip(ops, outcomes, strict=True))
        return outcomes

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Into the bin; what is gone already is no error."""
        for start in range(0, len(refs), LIMIT):
            wish = {f"d{n:04}": Command("crm.item.delete", {"entityTypeId": TYPES[kind], "id": ref})
                    for n, ref in enumerate(refs[start : start + LIMIT])}  # fmt: skip
            told = self.rest.batch(wish)
            for key in wish:
                if not isinstance(told.error(key), Missing):
                    told.done(key)

    def merge(self, kind: str, into: str, ref: str) -> None:
        """`ref` disappears; `Conflict` when their fields contradict each other and a person has to choose."""
        wish = {"params": {"entityTypeId": TYPES[kind], "entityIds": [int(into), int(ref)]}}
        told, _ = self.rest.call("crm.entity.mergeBatch", wish)
        status = told.get("STATUS") if isinstance(told, dict) else None
        if status == "CONFLICT":
            raise Conflict(f"Bitrix24 cannot merge {WORDS[kind]} {ref} by itself: merge them there by hand", into)
        if status != "SUCCESS":
            raise Refuse(f"Bitrix24 did not merge {WORDS[kind]} {ref} into {into}")

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Create, change and remove pipelines, stages, fields and handlers; what is there already is changed."""
        offline = self.settings.get("offline", "").strip().casefold() in {"yes", "y", "1", "true"}
        return provision(self.rest, steps, app=self.app, offline=offline)

    def activity(self, record: Record) -> Activity | None:
        """Comments and activities; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A comment, or a to-do with its deadline."""
        return doings.worded(activity)

    def verify(self, raw: Raw) -> None:
        """An event carries the token of the outgoing webhook or application."""
        event(raw.body, self.secrets.get("application_token", ""))

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """The record of an event; a wake-up call has the portal's queue read. `Unverified` for a wrong token."""
        told = event(raw.body, self.secrets.get("application_token", ""))
        if told.get("event", "").upper() == WAKE and self.app:
            return self.queue()
        return hints(told.get("event", ""), told.get("data[FIELDS][ID]", ""))

    def queue(self) -> list[Hint]:
        """Take the portal's queue of events: reserved first and then cleared, so a lost answer loses no event."""
        told, _ = self.rest.call("event.offline.get", {"clear": 0, "limit": QUEUE})
        found = queued(told.get("events") if isinstance(told, dict) else None)
        if isinstance(told, dict) and told.get("process_id"):
            self.rest.call("event.offline.clear", {"process_id": told["process_id"]})
        return found

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _need_leads(self) -> None:
        """Asked once in the life of a connection, and again when a new lead was converted as soon as it was written:
        that is what an account without leads does."""
        if not self._has_leads and mode(self.rest) != CLASSIC:
            raise Pause(WITHOUT_LEADS)
        self._has_leads = True


def _became_a_deal(op: Op, outcome: Outcome) -> bool:
    """Whether a lead that was just made is one no more."""
    if op.kind != "leads" or op.ref is not None or not isinstance(outcome, Done):
        return False
    return outcome.record.values.get("stageSemanticId") == "S"
