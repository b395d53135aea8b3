"""Odoo CRM 16 to 19: leads and opportunities are one model, `crm.lead`, told apart by its field `type`.

Guarantees: an op whose answer was lost is `Lost`, never sent twice; one bad record in a batch fails alone; a lead and
the person made for it are stored together or not at all; a scan of changes also finds what was committed late.

Values are flat, under Odoo's own names: references are ids, empty is None (Odoo says false), dates and times are text
in UTC, `tags` a list of names. `stage_id` is "lost" for a record in the archive with the probability 0, which is what
Odoo has instead of a lost stage. A list given for a phone or an e-mail is joined by commas: there is one field.
"""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

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
)
from connectors.crms.odoo import doings, shape
from connectors.crms.odoo.hooks import hints
from connectors.crms.odoo.rpc import Denied, Rpc, Told, now, rows
from connectors.crms.odoo.scan import Scan
from connectors.crms.odoo.setup import PALETTE, provision, schema
from connectors.crms.odoo.shape import FIRMS, LEADS, LOST, MARKER, MODELS, NOTES, PEOPLE, TASKS
from connectors.crms.odoo.writing import Writer
from connectors.errors import Missing, Pause, Refuse, Retry

__all__ = ["PALETTE", "Odoo"]

PAGE = 1000
_COMPANY: dict[str, list[Value]] = {PEOPLE: [["is_company", "=", False]], FIRMS: [["is_company", "=", True]]}


class Odoo(CRM):
    """One Odoo database, over JSON-2 (19) or JSON-RPC (16 to 18)."""

    name = "odoo"
    title = "Odoo"
    evidence = Evidence.DOCUMENTED
    source = "https://www.odoo.com/documentation/19.0/developer/reference/external_api.html"
    form = (
        Setting("address", "Address", required=True, help="https://yourcompany.odoo.com"),
        Setting("database", "Database", help="Only on a server of your own; Odoo Online is called like its address"),
        Setting("login", "Login", help="Of the hub's user. Needed before version 19"),
        Setting("key", "API key", secret=True, required=True, help="Preferences → Account security → New API key"),
        Setting("company_id", "Company id", help="Only where the database has several companies"),
    )
    lead_kind = deal_kind = LEADS
    contact_kind = PEOPLE
    company_kind = FIRMS
    note_kind, task_kind, activity_kinds = NOTES, TASKS, doings.LISTED
    pipeline_field, stage_field, owner_field = "team_id", "stage_id", "user_id"
    facts = Facts(
        kinds=(LEADS, PEOPLE, FIRMS),
        batch=1000,  # about 30 ms a record: half a minute of the two that a worker is given
        compound=1000,
        budget=(5, 1.0),  # of a server of one's own; Odoo Online wants about one a second
        lag=180.0,  # a change gets its time when its transaction begins, and a worker has 120 s until it must end
        precision=1.0,
        longest_request=130.0,
        marker_field=MARKER,
        marker_lookup="strong",
        delete=True,
        merge=False,
        colours="none",  # stages have a colour since 18 only, and no view shows it; cards have one of twelve
        strategies=("flag", "two_pipelines", "two_blocks", "held"),
        flag={"lead": {"type": "lead"}, "deal": {"type": "opportunity"}},
        features={"flag": ("leads",)},  # without it records of type lead are stored, and nobody sees them
        finals={"lost": LOST},
    )

    def __init__(self, settings: Mapping[str, str], secrets: Mapping[str, str], http: Http) -> None:
        super().__init__(settings, secrets, http)
        address = settings.get("address", "").strip().rstrip("/")
        if address and "." not in address and "/" not in address:
            address += ".odoo.com"
        company = settings.get("company_id", "").strip()
        context: dict[str, Value] = {"active_test": False}  # what is lost is in the archive, and that is hidden
        self.rpc = Rpc(
            http,
            address if "://" in address else f"https://{address}",
            settings.get("database", "").strip(),
            settings.get("login", "").strip(),
            secrets.get("key", ""),
            {**context, "allowed_company_ids": [int(company)]} if company.isdecimal() else context,
        )
        self._crowd = doings.Crowd(self.rpc)
        self._page = int(settings.get("page") or PAGE)
        self._batch = int(settings.get("batch") or self.facts.batch)
        self._names: dict[str, set[str]] = {}
        self._columns: dict[str, shape.Columns] = {}
        self._tags: dict[str, dict[int, str]] = {}
        self._models: dict[str, int] = {}

    # ── calls ────────────────────────────────────────────────────────────────────────────────────

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Value) -> Any:
        """The result of a method of a model."""
        return self.rpc.call(model, method, ids, **named)

    def columns(self, model: str) -> shape.Columns:
        """The fields we read of a model. Asked for once: each version and each database has others."""
        if model not in self._columns:
            wanted = ["type", "string", "readonly", "required", "selection", "relation"]
            told = self.call(model, "fields_get", attributes=wanted)
            if not isinstance(told, dict) or "id" not in told:
                raise Retry("Odoo's answer does not describe its fields", effect=True)
            self._names[model] = set(told)
            self._columns[model] = shape.columns(model, told)
        return self._columns[model]

    def forget(self) -> None:
        """What was learnt about fields and tags; people may have changed it."""
        self._columns.clear()
        self._tags.clear()

    def tag_ids(self, model: str, names: Iterable[str]) -> dict[str, int]:
        """Ids of tags by name; those that are not there yet are made."""
        wanted, tags = list(names), shape.TAG_MODELS.get(model, "")
        if not tags:
            return {}
        rows = self.rows(self.call(tags, "search_read", domain=[["name", "in", wanted]], fields=["name"]))
        found = {str(row.get("name")): int(row["id"]) for row in rows}
        if new := [name for name in wanted if name not in found]:
            made = self.call(tags, "create", vals_list=[{"name": name} for name in new])
            found |= zip(new, made, strict=True) if isinstance(made, list) and len(made) == len(new) else ()
        return found

    def model_id(self, model: str) -> int:
        """The id of a model, by which tasks and fields name it."""
        if model not in self._models:
            rows = self.rows(self.call("ir.model", "search_read", domain=[["model", "=", model]], fields=["model"]))
            if not rows:
                raise Refuse(f"Odoo has no model {model} that the hub's user may use")
            self._models[model] = int(rows[0]["id"])
        return self._models[model]

    def note(self, op: Op) -> int:
        """A note under a record, seen by colleagues only. Until 16 its text is taken for HTML."""
        kind, refs = next(iter(op.links.items()))
        text = str(op.values.get("body") or "")
        text = text if self.rpc.modern or self.rpc.version > 16 else html.escape(text)
        told = self.call(MODELS[kind], "message_post", [int(refs[0])], body=text, subtype_xmlid="mail.mt_note")
        told = told[0] if isinstance(told, list) and told else told
        if not isinstance(told, int):
            raise Retry("Odoo's answer does not name the note", effect=True)
        return told

    @staticmethod
    def rows(told: Any) -> list[dict[str, Any]]:
        """The rows of a list; `Retry` when it is none."""
        return rows(told)

    # ── contract ─────────────────────────────────────────────────────────────────────────────────

    def check(self) -> Account:
        """The company's name. The address, the database and the day it was set up tell it from any other."""
        wish: dict[str, Any] = {"fields": ["name", "create_date"], "order": "id asc", "limit": 1}
        rows = self.rows(self.call("res.company", "search_read", domain=[], **wish))
        if not rows:
            raise Pause("The hub's user belongs to no company of this Odoo")
        place = f"{urlsplit(self.rpc.base).netloc}/{self.rpc.database}"
        return Account(str(rows[0].get("name") or ""), f"{place}/{rows[0].get('create_date')}")

    def describe(self) -> Schema:
        """Fields, teams as pipelines with the stages they see, users, hook addresses."""
        self.forget()
        return schema(self)

    def changes(self, kind: str, cursor: str) -> Changes:
        """Records by change time, those of the archive too; see `scan`. What was deleted leaves no trace."""
        if kind in doings.LISTED:
            return doings.changes(self.rpc, self._crowd, cursor, self._page, self.facts.lag)
        scan = Scan.read(cursor)
        domain = [*_COMPANY.get(kind, []), *scan.domain]
        rows, answer = self._search(kind, domain, order=scan.order, limit=self._page + 1)
        clock = now(answer)
        scan, at = replace(scan, start=scan.start or clock), datetime.fromtimestamp(clock, UTC)
        more, rows = len(rows) > self._page, rows[: self._page]
        records = self._records(kind, rows)
        newest = max((int(one.updated_at.timestamp()) for one in records if one.updated_at), default=scan.low)
        onward = scan.onward(newest, [int(row["id"]) for row in rows], more)
        if onward is not None:
            return Changes(records, onward.text(), more=True, at=at)
        return Changes(records, str(max(scan.since, scan.start - int(self.facts.lag))), at=at)

    def get(self, kind: str, refs: Sequence[str]) -> Sequence[Record | None]:
        """Read by id. A record that is there and may not be read comes back without values."""
        ids = list(dict.fromkeys(int(ref) for ref in refs if ref.isdecimal()))
        found: dict[str, Record] = {}
        for start in range(0, len(ids), self._page):
            found |= {one.ref: one for one in self._read(kind, ids[start : start + self._page])}
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> Sequence[Record]:
        """By marker, and by phone and e-mail; phones are looked for by their last ten digits."""
        model, found = MODELS[kind], dict[str, Record]()
        known = self.columns(model)
        if "marker" in keys and MARKER not in known:
            raise Pause(f"Odoo has no field {MARKER} in {model}: set the account up first")
        for key, wanted in keys.items():
            if domain := shape.search(key, wanted, known, self._names[model]):
                own = [] if key == "marker" else _COMPANY.get(kind, [])  # people turn a person into a company
                rows, _ = self._search(kind, [*own, *domain], limit=self._page)
                found |= {one.ref: one for one in self._records(kind, rows) if shape.carries(one, key, wanted)}
        return list(found.values())

    def write(self, ops: Sequence[Op]) -> Sequence[Outcome]:
        """Creates, leads with their parts, and updates in as few transactions as there can be; see `writing`."""
        return Writer(self, self._batch).write(ops)

    def activity(self, record: Record) -> Activity | None:
        """Done activities, mails and notes; see `doings`."""
        return doings.told(record)

    def worded(self, activity: Activity) -> Mapping[str, Any]:
        """A note (escaped when it is posted), or an activity with its day."""
        return doings.worded(activity)

    def delete(self, kind: str, refs: Sequence[str]) -> None:
        """For good: Odoo has no bin. What people do instead is archiving, the field `active`."""
        if refs:
            self.call(MODELS[kind], "unlink", [int(ref) for ref in refs])

    def provision(self, steps: Sequence[Step]) -> Sequence[str]:
        """Teams, stages, fields, hooks, and the menu of leads (`feature`); what is there already is changed."""
        self.forget()
        try:
            return provision(self, steps)
        finally:
            self.forget()

    def touched(self, raw: Raw) -> Sequence[Hint]:
        """The record a rule's webhook speaks of. Sent before the change is committed, often, and unsigned."""
        return hints(raw.body)

    # ── parts ────────────────────────────────────────────────────────────────────────────────────

    def _search(self, kind: str, domain: Sequence[Value], **more: Value) -> tuple[list[dict[str, Any]], Answer]:
        try:
            told = self._told(MODELS[kind], "search_read", None, {"domain": list(domain), **more})
        except Denied as error:
            raise Pause(str(error)) from None
        return self.rows(told.value), told.answer

    def _told(self, model: str, method: str, ids: Sequence[int] | None, wish: dict[str, Any]) -> Told:
        """A field that people removed meanwhile refuses everything: the fields are asked for again, once."""
        why = ""
        for _ in range(2):
            try:
                return self.rpc.ask(model, method, ids, **wish, fields=list(self.columns(model)), load=None)
            except Denied:
                raise
            except Refuse as error:
                why = str(error)
                self._columns.pop(model, None)
        raise Pause(f"Odoo does not show its {model} to the hub: {why}")

    def _records(self, kind: str, rows: Sequence[dict[str, Any]]) -> tuple[Record, ...]:
        model = MODELS[kind]
        tags = self._tags.setdefault(model, {})
        if new := shape.row_tags(model, rows) - tags.keys():
            wish: dict[str, Any] = {"domain": [["id", "in", sorted(new)]], "fields": ["name"]}
            told = self.rows(self.call(shape.TAG_MODELS[model], "search_read", **wish))
            tags |= {int(row["id"]): str(row.get("name")) for row in told}
        return tuple(shape.flat(kind, row, self.columns(model), tags) for row in rows)

    def _read(self, kind: str, ids: list[int]) -> list[Record]:
        """`read` tells who is gone from who may not be seen, which `search` does not; one of these refuses all."""
        model = MODELS[kind]
        try:
            told = self._told(model, "read", ids, {}).value
        except (Missing, Denied) as error:
            if len(ids) > 1:
                return self._read(kind, ids[: len(ids) // 2]) + self._read(kind, ids[len(ids) // 2 :])
            return [Record(kind, str(ids[0]), {})] if isinstance(error, Denied) else []
        return list(self._records(kind, self.rows(told)))
