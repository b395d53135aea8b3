"""amoCRM / Kommo: what it calls a lead is a deal, so leads and deals share the kind "leads".

Guarantees: an op whose answer was lost is `Lost`, never sent twice; one bad record in a batch fails alone; a scan
of changes misses nothing even when records move between its pages.

Values are flat: native fields under their API names (`name`, `price`, `status_id`, `pipeline_id` ...; unix seconds
and ids stay numbers), `tags` as a list of names, custom fields under their code (`HUB_ID`, `PHONE`) or `cf:<id>`
when they have none. Phones and e-mails are `[{"value": "+7...", "enum_code": "WORK"}]`, multiselects lists of
labels, everything else one scalar. `None` clears a field.
"""

from __future__ import annotations

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
from connectors.crms.amocrm import doings
from connectors.crms.amocrm.doings import LISTED, NOTES, TASKS
from connectors.crms.amocrm.hooks import hints
from connectors.crms.amocrm.scan import PAGE, Scan
from connectors.crms.amocrm.setup import LOST, PALETTE, WON, nearest, provision, schema
from connectors.crms.amocrm.shape import MARKER, carries, digits, flat
from connectors.crms.amocrm.writing import Writer
from connectors.errors import Pause, Retry
from connectors.http import retry_after
from connectors.oauth import Grant

__all__ = ["PALETTE", "AmoCRM", "nearest"]

END_OF_TIME = 2**31 - 1  # a lower bound alone is not documented: the filter must be a range
WITH = {"leads": "contacts", "contacts": "leads", "companies": "leads,contacts"}
_PAUSES = {
    401: "amoCRM does not accept the token: create a new long-lived token in the integration's card",
    402: "The amoCRM account is not paid",
    404: "This address does not answer like amoCRM: check the account's address",
}


class AmoCRM(CRM):
    """One amoCRM or Kommo account, over API v4."""

    name = "amocrm"
    title = "amoCRM / Kommo"
    evidence = Evidence.DOCUMENTED
    source = "https://www.amocrm.ru/developers/content/crm_platform/platform-abilities"
    hosts = ("amocrm.ru", "amocrm.com", "kommo.com")  # where an account may move to: the only redirects to follow
    form = (
        Setting("address", "Account address", required=True, help="https://yourcompany.amocrm.ru"),
        Setting("token", "Long-lived token", secret=True, help="Integration card, tab «Keys and scopes»"),
        Setting("client_id", "Integration id", help="Only without a long-lived token"),
        Setting("client_secret", "Secret key", secret=True),
        Setting("redirect_uri", "Redirect address"),
    )
    lead_kind = deal_kind = "leads"
    contact_kind = "contacts"
    company_kind = "companies"
    company_on = ("leads",)
    note_kind, task_kind, activity_kinds = NOTES, TASKS, LISTED
    pipeline_field, stage_field, owner_field = "pipeline_id", "status_id", "responsible_user_id"
    facts = Facts(
        kinds=("leads", "contacts", "companies"),
        batch=50,  # 250 are taken, above 50 the gateway often answers 504
        compound=50,
        budget=(6, 1.0),  # 7/s are allowed; one over, again and again, blocks the IP for every account behind it
        lag=60.0,
        precision=1.0,
        late=0.0,
        longest_request=65.0,
        marker_field=MARKER,
        marker_lookup="search",
        deleted_list=True,
        hanging=True,
        colours="palette",
        palette=PALETTE,
        finals={"won": WON, "lost": LOST},
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        if address and "." not in address and "/" not in address:
            address += ".amocrm.ru"
        self.base = address if "://" in address else f"https://{address}"
        self._batch = int(settings.get("batch") or self.facts.batch)

    def grant(self, redirect_uri: str = "") -> Grant | None:
        """How to refresh tokens, None when a long-lived token is set. `connectors.oauth.Bearer` uses it."""
        if self.secrets.get("token"):
            return None
        uri = redirect_uri or self.settings.get("redirect_uri", "")
        secret = self.secrets.get("client_secret", "")
        page = f"https://www.{'kommo.com' if self.base.endswith('kommo.com') else 'amocrm.ru'}/oauth"
        client = self.settings.get("client_id", "")
        return Grant(f"{self.base}/oauth2/access_token", client, secret, uri, as_json=True, authorize=page)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer:
        """One call below /api/v4; raises what concerns the whole account, answers the rest."""
        token = self.secrets.get("token", "")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.http.send(method, f"{self.base}/api/v4/{path}", headers=headers, params=list(params), json=json)
        if answer.status in _PAUSES and not (answer.status == 404 and path.count("/")):
            raise Pause(_PAUSES[answer.status])
        if answer.status in {403, 429}:
            raise Retry(
                "amoCRM blocks us for a while: too many calls, or the user has no right to this",
                after=60.0 if answer.status == 403 else retry_after(answer) or 1.0,
            )
        if 300 <= answer.status < 400:
            raise Pause("The amoCRM account moved: enter its new address")
        return answer

    def read(self, path: str, params: Sequence[tuple[str, str]] = ()) -> tuple[dict[str, Any], Answer]:
        """A GET: parsed body ({} for 204, which is amoCRM's empty list and its "no such id") and the answer."""
        answer = self.call("GET", path, params)
        if answer.status == 204 or answer.status == 404:
            return {}, answer
        if answer.status >= 500:
            raise Retry(f"amoCRM answered with status {answer.status}")
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or not told.keys() & {"_embedded", "id"}:
            raise Retry(f"amoCRM answered {path.split('?')[0]} with status {answer.status} and no usable content")
        return told, answer

    def pages(self, path: str, name: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """All rows of a short list."""
        rows: list[dict[str, Any]] = []
        for page in range(1, 101):
            told, _ = self.read(path, [*params, ("page", str(page)), ("limit", str(PAGE))])
            rows += _rows(told, name)
            if not _more(told):
                break
        return rows

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The account's name; its id is the fingerprint."""
        told, _ = self.read("account")
        if "id" not in told:
            raise Pause(_PAUSES[404])
        return Account(str(told.get("name") or told.get("subdomain") or ""), str(told["id"]))

    def describe(self) -> Schema:
        """Fields of the three kinds, pipelines with their stages and colours, users, hook addresses."""
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Rows by change time, and for leads what lies in the bin; see `scan` for why nothing slips through."""
        if kind in LISTED and not cursor:
            return Changes((), str(_now(self.read(kind, [("limit", "1")])[1])))
        scan = Scan.read(cursor)
        window = [("filter[updated_at][from]", str(scan.low)), ("filter[updated_at][to]", str(END_OF_TIME))]
        page = [("order[updated_at]", "asc"), *zip(("page", "limit"), map(str, scan.page), strict=True)]
        told, answer = self.read(kind, [*_with(kind), *window, *page])
        at = _now(answer)
        scan = replace(scan, start=scan.start or at)
        rows = [_shown(kind, row) for row in _rows(told, kind.rpartition("/")[2])]
        refs = [row.ref for row in rows]
        if scan.slipped(refs):
            return Changes((), scan.again().text(), more=True)
        if _more(told) and rows:
            onward = scan.onward(_stamp(rows[-1]), refs)
            return Changes(tuple(rows), onward.text(), more=True, at=datetime.fromtimestamp(at, UTC))
        behind, with_bin = int(self.facts.lag + self.facts.precision), kind == "leads"
        rows += self._bin(max(0, scan.binned - behind)) if with_bin and scan.bin_is_due else []
        return Changes(tuple(sorted(rows, key=_stamp)), scan.done(behind, with_bin), at=datetime.fromtimestamp(at, UTC))

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id; a lead that lies in the bin comes back with `deleted`."""
        found = self._by_id(kind, refs, WITH[kind])
        absent = [ref for ref in refs if ref not in found]
        if absent and kind == "leads":
            found |= self._by_id(kind, absent, "only_deleted")
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker (a filter on its field) and by phone or e-mail (a text search, verified here)."""
        found: dict[str, Record] = {}
        if kind in (NOTES, TASKS):
            asked = [(card, *doings.search(kind, card, ref)) for card, ref in keys.items()]
            return [
                doings.shown(f"{card}/{kind}", row)
                for card, path, where in asked
                for row in self.pages(path, kind, where)
            ]
        for key, wanted in keys.items():
            for row in self._search(kind, key, wanted):
                record = flat(kind, row)
                if carries(record, key, wanted):
                    found[record.ref] = record
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Creates with parts by `leads/complex`, the others and updates by arrays; see `writing`."""
        return Writer(self.call, self._batch, self.facts.compound, MARKER).write(ops)

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Create, change and remove pipelines, stages, fields and hooks; what is there already is changed."""
        return provision(self, steps)

    def activity(self, record: Record) -> Activity | None:
        """Notes, calls, short messages, mails and tasks; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A plain note, or a task with its day."""
        return doings.worded(activity)

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """Ids in a form-encoded hook. Companies arrive as contacts with type=company."""
        return hints(raw.body)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _bin(self, since: int) -> list[Record]:
        """Leads deleted since; the bin is listed newest first and has no filter that is documented."""
        gone: list[Record] = []
        order = [("with", "only_deleted"), ("order[updated_at]", "desc"), ("limit", str(PAGE))]
        for page in range(1, 101):
            told, _ = self.read("leads", [*order, ("page", str(page))])
            rows = [flat("leads", row) for row in _rows(told, "leads") if row.get("is_deleted")]
            gone += [row for row in rows if _stamp(row) >= since]
            if not _more(told) or not rows or _stamp(rows[-1]) < since:
                break
        return gone

    def _by_id(self, kind: str, refs: Sequence[str], extra: str) -> dict[str, Record]:
        found: dict[str, Record] = {}
        ids = [ref for ref in dict.fromkeys(refs) if ref.isdecimal()]
        for start in range(0, len(ids), PAGE):
            wish = [("filter[id][]", ref) for ref in ids[start : start + PAGE]]
            told, _ = self.read(kind, [("with", extra), ("limit", str(PAGE)), *wish])
            found |= {record.ref: record for record in (flat(kind, row) for row in _rows(told, kind))}
        return found

    def _search(self, kind: str, key: str, wanted: str) -> list[dict[str, Any]]:
        if key == "marker":
            codes = {
                str(row.get("code")): str(row["id"]) for row in self.pages(f"{kind}/custom_fields", "custom_fields")
            }
            if MARKER not in codes:
                raise Pause(f"amoCRM has no field {MARKER} for {kind}: set the account up first")
            asked = f"filter[custom_fields_values][{codes[MARKER]}][]"
            return self.pages(kind, kind, [("with", WITH[kind]), (asked, wanted)])
        if kind == "leads" or key not in {"phone", "email"}:
            return []
        return self.pages(kind, kind, [("with", WITH[kind]), ("query", digits(wanted) if key == "phone" else wanted)])


def _now(answer: Answer) -> int:
    """The remote clock, which is the only one its change times can be compared with."""
    try:
        return int(parsedate_to_datetime(answer.headers.get("date", "")).timestamp())
    except (TypeError, ValueError):
        raise Retry("amoCRM's answer has no Date header, so no safe cursor can be set") from None


def _with(kind: str) -> list[tuple[str, str]]:
    return [("with", WITH[kind])] if kind in WITH else []


def _shown(kind: str, row: Mapping[str, Any]) -> Record:
    return doings.shown(kind, row) if kind in LISTED else flat(kind, row)


def _rows(told: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    inside = told.get("_embedded")
    rows = inside.get(name) if isinstance(inside, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _more(told: Mapping[str, Any]) -> bool:
    return bool((told.get("_links") or {}).get("next"))


def _stamp(record: Record) -> int:
    return int((record.updated_at or datetime.fromtimestamp(0, UTC)).timestamp())
