"""Reads records: pages of changes, records by id, what a search finds. Answers are checked before they are believed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from connectors.contract import Record
from connectors.crms.bitrix24.calls import LIMIT, Command, Rest
from connectors.crms.bitrix24.scan import PAGE, Scan, chain, listing
from connectors.crms.bitrix24.schema import rows_of
from connectors.crms.bitrix24.shape import MARKER, ORIGIN, TYPES, WORDS, flat
from connectors.errors import Missing, Pause, Refuse, Retry

_Row = dict[str, Any]


class Reader:
    """Reads over one REST address. `chain` is how many pages travel in one batch."""

    def __init__(self, rest: Rest, chain: int) -> None:
        self._rest, self._chain = rest, chain

    def pages(self, kind: str, scan: Scan) -> tuple[list[list[_Row]], float]:
        if scan.routine or self._chain == 1:
            told, clock = self._rest.call("crm.item.list", listing(TYPES[kind], scan.first()))
            return [_rows(told)], clock
        batch = self._rest.batch(chain(TYPES[kind], scan.first(), self._chain))
        later = [_rows(batch.told[f"p{n}"]) for n in range(1, self._chain) if f"p{n}" in batch.told]
        return [_rows(batch.done("p0")), *later], batch.clock

    def _list(self, kind: str, where: Mapping[str, Any]) -> list[_Row]:
        return _rows(self._rest.call("crm.item.list", listing(TYPES[kind], where))[0])

    def by_id(self, kind: str, ids: Sequence[str]) -> list[_Row]:
        parts = [ids[start : start + PAGE] for start in range(0, len(ids), PAGE)]
        if len(parts) <= 1:
            return self._list(kind, {"@id": list(ids)}) if ids else []
        found: list[_Row] = []
        for start in range(0, len(parts), LIMIT):
            wish = {f"g{n:04}": Command("crm.item.list", listing(TYPES[kind], {"@id": part}))
                    for n, part in enumerate(parts[start : start + LIMIT])}  # fmt: skip
            told = self._rest.batch(wish)
            found += [row for key in wish for row in _rows(told.done(key))]
        return found

    def confirm_gone(self, kind: str, refs: Sequence[str]) -> None:
        """Raises unless each of these is positively gone."""
        for start in range(0, len(refs), LIMIT):
            wish = {f"g{n:04}": Command("crm.item.get", {"entityTypeId": TYPES[kind], "id": ref})
                    for n, ref in enumerate(refs[start : start + LIMIT])}  # fmt: skip
            told = self._rest.batch(wish)
            errors = [told.error(key) or Retry("Bitrix24 shows a record and does not list it") for key in wish]
            if error := next((error for error in errors if not isinstance(error, Missing)), None):
                denied = Pause(f"Bitrix24 does not show us all {kind}: give the webhook's owner access to all of them")
                raise denied if isinstance(error, Refuse) else error

    def records(self, kind: str, rows: Sequence[Mapping[str, Any]]) -> list[Record]:
        """Records of rows; a converted lead names its deals, whoever converted it."""
        records = [flat(kind, row) for row in rows]
        done = [one.ref for one in records if kind == "leads" and one.values.get("stageSemanticId") == "S"]
        deals = self.deals_of(done)
        return [replace(one, links={**one.links, "deals": deals[one.ref]}) if one.ref in deals else one
                for one in records]  # fmt: skip

    def deals_of(self, leads: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Deals that were made of these leads, oldest first."""
        found: dict[str, tuple[str, ...]] = {}
        for start in range(0, len(leads), PAGE):
            last, rows = 0, list[_Row]([{}] * PAGE)
            while len(rows) >= PAGE:
                where = {"@leadId": list(leads[start : start + PAGE]), ">id": last}
                wish = {
                    "entityTypeId": 2,
                    "select": ["id", "leadId"],
                    "filter": where,
                    "order": {"id": "ASC"},
                    "start": -1,
                }
                rows = _rows(self._rest.call("crm.item.list", wish)[0])
                for row in rows:
                    lead, last = str(row.get("leadId")), int(row["id"])
                    found[lead] = (*found.get(lead, ()), str(row["id"]))
        return found

    def search(self, kind: str, key: str, wanted: str) -> list[_Row]:
        if key == "marker":
            return self._list(kind, {"=originatorId": ORIGIN, "=originId": wanted})
        if kind == "deals" or key not in {"phone", "email"} or not wanted.strip():
            return []
        word = WORDS[kind].upper()
        told, _ = self._rest.call(
            "crm.duplicate.findbycomm", {"type": key.upper(), "values": [wanted], "entity_type": word}
        )
        refs = told.get(word) if isinstance(told, dict) else None  # nothing found is [], not {}
        return self.by_id(kind, [str(ref) for ref in refs]) if isinstance(refs, list) else []

    def held(self, kind: str, refs: Sequence[str]) -> dict[str, Sequence[Any]]:
        rows = self.by_id(kind, list(dict.fromkeys(refs)))
        return {str(row["id"]): row["fm"] for row in rows if isinstance(row.get("fm"), list)}


def _rows(told: Any) -> list[_Row]:
    """Records of a list; raises `Retry` for what is none."""
    if not isinstance(told, dict) or not isinstance(told.get("items"), list):
        raise Retry("Bitrix24 answered a list with no usable content")
    rows = rows_of(told, "items")
    if any(type(row.get("id")) is not int for row in rows):
        raise Retry("Bitrix24 answered a list of records without ids")
    return rows


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def carries(record: Record, key: str, wanted: str) -> bool:
    """Whether a found record really holds the key it was searched by."""
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted and record.values.get("originatorId") == ORIGIN)
    told = [str(one.get("value", "")) for one in record.values.get("PHONE" if key == "phone" else "EMAIL") or []]
    if key == "phone":
        return bool(_digits(wanted)) and _digits(wanted) in map(_digits, told)
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)
