"""Reading from Pipedrive: by id, by change time, by search.

v2 reads 100 records a call by id and pages by cursors; leads and notes (v1) are read one by one and page by position.
A lead that became a deal is gone; which deal it became only the deal itself says (`source_lead_id`).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from connectors.contract import Changes, Record
from connectors.crms.pipedrive.api import Api, at, further, instant, now, rows
from connectors.crms.pipedrive.doings import FILTERS, LISTED
from connectors.crms.pipedrive.names import MARKER, Names, Row
from connectors.crms.pipedrive.scan import TRIES, Scan
from connectors.crms.pipedrive.shape import V1, flat, path_of

ARCHIVE_PAGES = 1000
NEWEST_PAGES = 4  # 2,000 deals: a lead that is gone is asked for soon after it became one
IDS = 100  # records a call of v2 reads by id
EVERY = "open,won,lost,deleted"  # deleted deals are shown for 30 days
Params = list[tuple[str, str]]


class Reader:
    """What one account holds. `behind` is how many seconds a cursor stays back."""

    def __init__(self, api: Api, names: Names, behind: float) -> None:
        self.api, self.names, self.behind = api, names, behind

    def changes(self, kind: str, cursor: str) -> Changes:
        """As `CRM.changes`."""
        if kind in LISTED and not cursor:
            _told, answer = self.api.read(path_of(kind), [("limit", "1")])
            return Changes((), str(now(answer)))
        scan = Scan.read(cursor)
        return self._old_changes(kind, scan) if kind in V1 else self._new_changes(kind, scan)

    def get(self, kind: str, refs: Sequence[str]) -> list[Record | None]:
        """As `CRM.get`."""
        wanted = list(dict.fromkeys(refs))
        found = self._by_ids(kind, wanted) if kind not in V1 and len(wanted) > 1 else {}
        for ref in wanted:
            if ref not in found:
                row = self.api.one(path_of(kind, ref), _extra(kind)[1:])
                if row is not None and str(row["id"]) == ref:
                    found[ref] = self._flat(kind, row)
        if kind == "leads":
            found |= self._became([ref for ref in wanted if ref not in found or found[ref].deleted])
        return [found.get(ref) for ref in refs]

    def find(self, kind: str, keys: Mapping[str, str]) -> list[Record]:
        """As `CRM.find`."""
        found: dict[str, Record] = {}
        if kind in LISTED:
            return [one for card, ref in keys.items() if card in FILTERS
                    for one in self._hanging(kind, card, ref)]  # fmt: skip
        for key, wanted in keys.items():
            for record in self._marked(kind, wanted) if key == "marker" else self._search(kind, key, wanted):
                if _carries(record, key, wanted):
                    found[record.ref] = record
        return list(found.values())

    # ── changes ──────────────────────────────────────────────────────────────────────────────────

    def _new_changes(self, kind: str, scan: Scan) -> Changes:
        params = [*_extra(kind), ("sort_by", "update_time"), ("sort_direction", "asc"), *_since(scan.low)]
        page = [("limit", str(self.api.page)), *([("cursor", scan.place)] if scan.place else [])]
        answer = self.api.call("GET", path_of(kind), [*params, *page])
        if answer.status == 400 and scan.place and scan.tries < TRIES:
            return Changes((), scan.refused().text(), more=True)
        told, answer = self.api.judged(path_of(kind), answer)
        scan, read_at = scan.begun(now(answer)), instant(answer)
        records = tuple(self._flat(kind, row) for row in rows(told))
        if (more := further(told)) and records:
            return Changes(records, scan.after(more[1], _stamp(records[-1])).text(), more=True, at=read_at)
        return Changes(records, scan.end(self.behind), at=read_at)

    def _old_changes(self, kind: str, scan: Scan) -> Changes:
        page = [("limit", str(self.api.page)), ("start", str(scan.position(self.api.page)))]
        told, answer = self.api.read(path_of(kind), [("sort", "update_time ASC"), *_since(scan.low), *page])
        scan = scan.begun(now(answer))
        records = [self._flat(kind, row) for row in rows(told)]
        refs = [one.ref for one in records]
        if scan.slipped(refs):
            return Changes((), scan.again().text(), more=True)
        if further(told) and records:
            return Changes(tuple(records), scan.onward(_stamp(records[-1]), refs, self.api.page).text(), more=True)
        if kind != "leads":
            return Changes(tuple(records), scan.end(self.behind), at=instant(answer))
        records += sorted(self._archived(scan.archived_since(self.behind)) if scan.archive_is_due else [], key=_stamp)
        return Changes(tuple(records), scan.end_with_archive(self.behind), at=instant(answer))

    def _archived(self, since: int) -> list[Record]:
        """Archived leads changed since; their list has no filter by time, so it is read newest first."""
        found: list[Record] = []
        start = "0"
        for _ in range(ARCHIVE_PAGES):
            page = [("limit", str(self.api.page)), ("start", start), ("sort", "update_time DESC")]
            told, _answer = self.api.read("v1/leads/archived", page)
            records = [self._flat("leads", row) for row in rows(told)]
            found += [one for one in records if _stamp(one) >= since]
            more = further(told)
            if not more or not records or _stamp(records[-1]) < since:
                break
            start = more[1]
        return found

    def _hanging(self, kind: str, card: str, ref: str) -> list[Record]:
        """Notes or activities of one record, the newest first."""
        order = [("sort", "add_time DESC")] if kind in V1 else [("sort_by", "add_time"), ("sort_direction", "desc")]
        told, _answer = self.api.read(path_of(kind), [(FILTERS[card], ref), *order, ("limit", str(self.api.page))])
        return [self._flat(kind, row) for row in rows(told)]

    # ── reading ──────────────────────────────────────────────────────────────────────────────────

    def _flat(self, kind: str, row: Row) -> Record:
        return flat(kind, row, self.names)

    def _by_ids(self, kind: str, refs: Sequence[str]) -> dict[str, Record]:
        ids = [ref for ref in refs if ref.isascii() and ref.isdecimal()]
        found: dict[str, Record] = {}
        for start in range(0, len(ids), IDS):
            wish = [("ids", ",".join(ids[start : start + IDS])), ("limit", str(IDS))]
            told, _ = self.api.read(path_of(kind), [*_extra(kind), *wish])
            found |= {record.ref: record for record in (self._flat(kind, row) for row in rows(told))}
        return found

    def deals_of(self, leads: Sequence[str]) -> dict[str, str]:
        """Lead → the deal it became, among the newest deals: there is no filter for it."""
        newest = [("sort_by", "add_time"), ("sort_direction", "desc"), ("limit", str(self.api.page))]
        made: dict[str, str] = {}
        place: Params = []
        for _ in range(NEWEST_PAGES):
            if not set(leads) - made.keys():
                break
            told, _answer = self.api.read("v2/deals", [*_extra("deals"), *newest, *place])
            made |= {str(row.get("source_lead_id")): str(row["id"]) for row in rows(told)}
            if (after := further(told)) is None:
                break
            place = [after]
        return {lead: made[lead] for lead in leads if lead in made}

    def _became(self, leads: Sequence[str]) -> dict[str, Record]:
        return {
            lead: Record("leads", lead, {}, links={"deals": (deal,)}) for lead, deal in self.deals_of(leads).items()
        }

    def _marked(self, kind: str, wanted: str) -> list[Record]:
        """The newest page first: the search is behind, lists are not, and what is looked for was made just now."""
        if kind not in {"leads", "deals", "persons", "organizations"}:
            return []
        self.names.field(kind, MARKER)
        newest = [("sort", "add_time DESC")] if kind in V1 else [("sort_by", "add_time"), ("sort_direction", "desc")]
        told, _ = self.api.read(path_of(kind), [*_extra(kind), *newest, ("limit", str(self.api.page))])
        found = [self._flat(kind, row) for row in rows(told)]
        hits = [one for one in found if _carries(one, "marker", wanted)]
        return hits or (self._hits(kind, "custom_fields", wanted, exact=True) if further(told) or kind in V1 else [])

    def _search(self, kind: str, key: str, wanted: str) -> list[Record]:
        if kind != "persons" or key not in {"phone", "email"}:
            return []
        term = _digits(wanted) if key == "phone" else wanted.strip()
        return self._hits(kind, key, term, exact=key == "email") if len(term) >= 2 else []

    def _hits(self, kind: str, field: str, term: str, *, exact: bool) -> list[Record]:
        ask = [("term", term), ("fields", field), ("exact_match", str(exact).lower())]
        told, _ = self.api.read(f"v2/{kind}/search", [*ask, ("limit", str(IDS))])
        return [one for one in self.get(kind, [str(row["id"]) for row in rows(told)]) if one and not one.deleted]


def _extra(kind: str) -> Params:
    """Deals are asked for whatever their status, with the lead they come from."""
    return [("status", EVERY), ("include_fields", "source_lead_id")] if kind == "deals" else []


def _since(low: int) -> Params:
    return [("updated_since", at(low))] if low else []


def _stamp(record: Record) -> int:
    return int(record.updated_at.timestamp()) if record.updated_at else 0


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _carries(record: Record, key: str, wanted: str) -> bool:
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted)
    told = [str(one.get("value", "")) for one in record.values.get(f"{key}s") or []]
    if key == "phone":
        return bool(_digits(wanted)) and _digits(wanted) in map(_digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)
