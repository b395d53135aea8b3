"""Twenty: it has no leads, so leads and deals are both of its kind "opportunities", told apart by their stage.

Guarantees: a create may be repeated, because the client chooses ids and the marker decides the id; an op whose answer
was lost is `Lost`; one bad record in a batch fails alone; a scan of changes misses nothing.

Values are flat: `name`, `stage`, `name.firstName`, `jobTitle` ... under Twenty's names, `amount` as a decimal text,
`phones` and `emails` as `[{"value": "+12025550111", "enum_code": "primary"}]`, our own fields as `hub_text`.
"""

from __future__ import annotations

import json as jsonlib
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
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
from connectors.crms.twenty import hooks
from connectors.crms.twenty.colours import COLOURS
from connectors.crms.twenty.scan import CHANGED, Scan, iso
from connectors.crms.twenty.setup import KINDS, objects, provision, schema
from connectors.crms.twenty.shape import flat, is_ref, ref_of
from connectors.crms.twenty.writing import BATCH, Writer, records
from connectors.errors import Pause, Retry
from connectors.http import retry_after

__all__ = ["Twenty"]

CLOUD = "https://api.twenty.com"


class Twenty(CRM):
    """One workspace, over the REST API."""

    name = "twenty"
    title = "Twenty"
    evidence = Evidence.DOCUMENTED
    source = "https://docs.twenty.com/developers/extend/api"
    form = (
        Setting("address", "Address", default=CLOUD, help="https://crm.yourcompany.com for a server of your own"),
        Setting("token", "API key", secret=True, required=True, help="Settings → APIs & Webhooks"),
        Setting("hook_secret", "Secret for webhooks", secret=True, help="Any long text; the hub gives it to Twenty"),
    )
    lead_kind = deal_kind = "opportunities"
    contact_kind = "people"
    company_kind = "companies"
    company_on = ("opportunities",)
    note_kind = "notes"
    task_kind = "tasks"
    pipeline_field, stage_field, owner_field = "", "stage", "ownerId"
    facts = Facts(
        kinds=KINDS,
        batch=BATCH,
        compound=0,
        budget=(90, 60.0),  # 100 a minute for a key
        lag=10.0,  # no index between: what a long transaction wrote becomes visible when it ends
        precision=0.001,
        late=0.0,  # no two changes of one record bear the same time
        longest_request=65.0,
        marker_field="id",
        marker_lookup="strong",
        upsert=True,
        deleted_list=True,
        delete=True,
        colours="palette",
        palette=tuple(COLOURS.values()),
        strategies=("two_blocks", "held"),
        makes_pipelines=False,
        hooks_signed=True,
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        self.base = (settings.get("address") or CLOUD).strip().rstrip("/")

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def call(self, method: str, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> Answer:
        """One call; raises what concerns the whole workspace, answers the rest."""
        headers = {"Authorization": f"Bearer {self.secrets.get('token', '')}"}
        answer = self.http.send(method, f"{self.base}/{path}", headers=headers, params=list(params), json=json)
        if answer.status == 429:
            raise Retry("Twenty asks us to wait", after=retry_after(answer) or 60.0)
        if answer.status in {401, 403}:
            raise Pause("Twenty does not accept the API key, or its role may not do this: make a new one")
        if 300 <= answer.status < 400:
            raise Pause("This address does not answer like Twenty: check it")
        return answer

    def page(self, path: str, params: Sequence[tuple[str, str]] = ()) -> tuple[list[dict[str, Any]], str, Answer]:
        """One page: its rows, the token of the next one ("" on the last), the answer."""
        answer = self.call("GET", path, params)
        if answer.status >= 500:
            raise Retry(f"Twenty answered with status {answer.status}")
        told = answer.json()
        if answer.status != 200 or not isinstance(told, dict) or not isinstance(told.get("data"), dict):
            raise Retry(f"Twenty answered {path} with status {answer.status} and no usable content")
        info = told.get("pageInfo")
        after = str(info.get("endCursor") or "") if isinstance(info, dict) and info.get("hasNextPage") is True else ""
        return records(told), after, answer

    def rows(self, path: str, params: Sequence[tuple[str, str]] = ()) -> list[dict[str, Any]]:
        """All rows of a short list."""
        found: list[dict[str, Any]] = []
        after = ""
        for _ in range(100):
            more = [("starting_after", after)] if after else []
            size = [] if "limit" in dict(params) else [("limit", str(BATCH))]
            rows, after, _answer = self.page(path, [*params, *size, *more])
            found += rows
            if not after or not size:
                break
        return found

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """A workspace is known by the id of its definition of opportunities, which no other one shares."""
        host = re.sub(r"^https?://", "", self.base)
        return Account(host, str(objects(self)["opportunities"].get("id")))

    def describe(self) -> Schema:
        """Fields of the three kinds, the stages of opportunities, members, hook addresses."""
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Rows by change time, then now and then by the time of their deletion; the server pages by value, so nothing
        moves away."""
        scan = Scan.read(cursor)
        window = [("filter", f'{scan.phase}[gte]:"{scan.low}"'), ("order_by", scan.phase)]
        page = [
            *window,
            ("limit", str(BATCH)),
            ("depth", "0"),
            *([("starting_after", scan.token)] if scan.token else []),
        ]
        rows, after, answer = self.page(f"rest/{kind}", page)
        now = _now(answer)
        scan, at = scan.begun(now), datetime.fromisoformat(now)
        found = tuple(flat(kind, row) for row in rows if is_ref(str(row.get("id"))))
        if after:
            return Changes(found, scan.onward(after), more=True, at=at)
        if scan.phase == CHANGED and scan.bin_is_due:
            return Changes(found, scan.into_the_bin(), more=True, at=at)
        return Changes(found, scan.end(timedelta(seconds=self.facts.lag + self.facts.precision)), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id; one that lies in the bin comes back with `deleted`."""
        found = self._by_id(kind, refs, "id[in]:{}")
        absent = [ref for ref in refs if ref not in found]
        found |= self._by_id(kind, absent, "and(id[in]:{},deletedAt[is]:NOT_NULL)")
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker, which is an id, by e-mail and by phone; verified here."""
        found = {one.ref: one for key, wanted in keys.items() for one in self._find(kind, key, wanted)}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Creates and updates sixty a call; see `writing`."""
        return Writer(self.call).write(ops)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """Into the bin, one by one; newer servers destroy unless asked not to."""
        for ref in refs:
            answer = self.call("DELETE", f"rest/{kind}/{ref}", [("soft_delete", "true")])
            if answer.status >= 400 and answer.status != 404:
                raise Retry(f"Twenty answered with status {answer.status}", effect=True)

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Create, change and remove stages with their colours, fields and hooks; what is there already is changed."""
        return provision(self, steps)

    def verify(self, raw: Raw) -> None:
        """Signed with the secret of the hook; a body that is no hook has nothing to prove."""
        if hooks.hints(raw.body):
            hooks.verify(raw, self.secrets.get("hook_secret", ""))

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note, or a task with its moment."""
        told = {"title": activity.text.partition("\n")[0][:255], "body": activity.text}
        if activity.what != "task":
            return told
        due = {"dueAt": activity.at.isoformat()} if activity.at else {}
        return {**told, **due, **({"assigneeId": activity.by} if activity.by else {})}

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """The record a signed hook talks about."""
        self.verify(raw)
        return hooks.hints(raw.body)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _by_id(self, kind: str, refs: Sequence[str], wish: str) -> dict[str, Record]:
        found: dict[str, Record] = {}
        ids = [ref for ref in dict.fromkeys(refs) if is_ref(ref)]
        for start in range(0, len(ids), BATCH):
            some = jsonlib.dumps(ids[start : start + BATCH], separators=(",", ":"))
            rows, _, _ = self.page(
                f"rest/{kind}", [("filter", wish.format(some)), ("limit", str(BATCH)), ("depth", "0")]
            )
            found |= {one.ref: one for one in (flat(kind, row) for row in rows if is_ref(str(row.get("id"))))}
        return found

    def _find(self, kind: str, key: str, wanted: str) -> list[Record]:
        if key == "marker":
            return [one for one in self.get(kind, [ref_of(kind, wanted)]) if one and not one.deleted]
        digits = re.sub(r"\D", "", wanted)[-10:]
        if kind != self.contact_kind or key not in {"phone", "email"} or (key == "phone" and len(digits) < 7):
            return []
        if key == "email" and not re.fullmatch(r"[^\s\"\\,()\[\]]+@[^\s\"\\,()\[\]]+", wanted):
            return []
        text = f'emails.primaryEmail[eq]:"{wanted.lower()}"' if key == "email" else _ends_with(digits)
        found = [flat(kind, row) for row in self.rows(f"rest/{kind}", [("filter", text)]) if is_ref(str(row.get("id")))]
        return [one for one in found if _carries(one, key, wanted.strip().lower() if key == "email" else digits)]


def _now(answer: Answer) -> str:
    """The server's clock, the only one its change times can be compared with."""
    try:
        return iso(parsedate_to_datetime(answer.headers.get("date", "")))
    except (TypeError, ValueError):
        raise Retry("Twenty's answer has no Date header, so no safe cursor can be set") from None


def _ends_with(digits: str) -> str:
    return f'phones.primaryPhoneNumber[ilike]:"%{digits[-7:]}%"'


def _carries(record: Record, key: str, wanted: str) -> bool:
    told = [str(one["value"]) for one in record.values.get("phones" if key == "phone" else "emails") or []]
    if key == "phone":
        return wanted in (re.sub(r"\D", "", one)[-10:] for one in told)
    return wanted in (one.lower() for one in told)
