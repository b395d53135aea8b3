"""Reading single records: by id, by the properties that are unique, and by phone, which has to be searched.

Guarantees: a record is answered as absent only when HubSpot says so; half an answer is no answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from connectors.contract import Answer, Record
from connectors.crms.hubspot.answers import blamed, rows
from connectors.crms.hubspot.shape import MARKER, PARTS, absorbed, flat
from connectors.errors import Pause, Retry

OBJECTS = "crm/v3/objects"
BATCH = 100
LINKS = 1000
PHONES = ("hs_searchable_calculated_phone_number", "hs_searchable_calculated_mobile_number")


class Api(Protocol):
    """What is needed of the connector."""

    def read(self, path: str, params: Sequence[tuple[str, str]] = (), json: Any = None) -> dict[str, Any]: ...

    def search(self, kind: str, body: Mapping[str, Any]) -> tuple[dict[str, Any], Answer]: ...

    def names(self, kind: str) -> tuple[str, ...]: ...


# ── by id ────────────────────────────────────────────────────────────────────────────────────────


def by_id(api: Api, kind: str, refs: Sequence[str]) -> dict[str, Record]:
    """Records by the id that was asked for. One that was merged away is deleted and says into which."""
    found: dict[str, Record] = {}
    ids = [ref for ref in dict.fromkeys(refs) if ref.isascii() and ref.isdecimal()]
    for start in range(0, len(ids), BATCH):
        found |= _batch(api, kind, ids[start : start + BATCH])
    return found


def _batch(api: Api, kind: str, ids: Sequence[str]) -> dict[str, Record]:
    records, missing = _read(api, kind, ids)
    found = {each.ref: each for one in records for each in (*absorbed(one), one)}
    strangers = [one for one in records if one.ref not in ids and not any(a.ref in ids for a in absorbed(one))]
    untold = [ref for ref in ids if ref not in found and ref not in missing]
    if len(ids) == 1 and strangers:
        [survivor], [ref] = strangers[:1], ids
        return {
            ref: Record(kind, ref, {}, survivor.version, survivor.updated_at, deleted=True, merged_into=survivor.ref)
        }
    if strangers:  # one at a time it is plain who became whom
        for ref in untold:
            found |= _batch(api, kind, [ref])
    elif untold and missing:
        raise Retry(f"HubSpot's answer leaves out some {kind}")
    return {ref: found[ref] for ref in ids if ref in found}


def _read(api: Api, kind: str, keys: Sequence[str], by: str = "") -> tuple[list[Record], set[str]]:
    """Records, and the ids HubSpot names as not there."""
    wish: dict[str, Any] = {"properties": [*api.names(kind)], "inputs": [{"id": one} for one in keys]}
    told = api.read(f"{OBJECTS}/{kind}/batch/read", json={**wish, "idProperty": by} if by else wish)
    errors = rows(told, "errors")
    odd = [error for error in errors if error.get("category") != "OBJECT_NOT_FOUND"]
    if odd:
        raise Retry(f"HubSpot could not read some {kind} ({odd[0].get('category')})")
    return [flat(kind, row) for row in rows(told) if "id" in row], {ref for error in errors for ref in blamed(error)}


def ends_of(api: Api, kind: str, other: str, refs: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """What each of these is tied to, of one kind; a thousand a call."""
    found: dict[str, tuple[str, ...]] = dict.fromkeys(refs, ())
    for start in range(0, len(refs), LINKS):
        inputs = [{"id": ref} for ref in refs[start : start + LINKS]]
        told = api.read(f"crm/v4/associations/{kind}/{other}/batch/read", json={"inputs": inputs})
        found |= {end: tuple(_ends(row)) for row in rows(told) if (end := _end(row.get("from"))) in found}
    return found


def with_contacts(api: Api, records: Sequence[Record | None]) -> list[Record | None]:
    """Deals with the contacts they name, which a batch read does not tell: one more call for a thousand."""
    deals = [one.ref for one in records if one and not one.deleted]
    links = ends_of(api, "deals", "contacts", deals)
    return [
        replace(one, links={**one.links, "contacts": links[one.ref]}) if one and not one.deleted else one
        for one in records
    ]


def _end(told: Any) -> str:
    """The two ends of a link are called differently: {"id"} and {"toObjectId"}."""
    return str(told.get("id") or told.get("toObjectId") or "") if isinstance(told, dict) else ""


def _ends(row: Mapping[str, Any]) -> Iterator[str]:
    yield from dict.fromkeys(ref for one in rows(row, "to") if (ref := _end(one)))


# ── by what a record carries ─────────────────────────────────────────────────────────────────────


def find(api: Api, kind: str, key: str, wanted: str) -> list[Record]:
    """Records that carry this marker, e-mail or phone; nothing looser."""
    if key == "marker":
        if MARKER not in api.names(kind):
            raise Pause(f"HubSpot has no property {MARKER} for {kind}: set the account up first")
        return [one for one in _read(api, kind, [wanted], MARKER)[0] if one.values.get(MARKER) == wanted]
    found: list[Record] = []
    if kind == "contacts" and key == "email":
        found = _read(api, kind, [wanted.strip().lower()], "email")[0]
    elif key == "phone" and kind in PARTS and _digits(wanted):
        told, _ = api.search(kind, _phone_search(api, kind, wanted))
        found = [flat(kind, row) for row in rows(told) if "id" in row]
    return [one for one in found if _carries(one, key, wanted)]


def _phone_search(api: Api, kind: str, phone: str) -> dict[str, Any]:
    """HubSpot's searchable form of a phone has no country code, and does not say how long that was."""
    digits = re.sub(r"\D", "", phone)
    exact = list(dict.fromkeys([phone, f"+{digits}", digits]))
    ends = [digits[-size:] for size in range(7, len(digits) + 1)] or [digits]
    wishes = [("phone", exact), *((name, ends) for name in PHONES if kind == "contacts")]
    groups = [{"filters": [{"propertyName": name, "operator": "IN", "values": values}]} for name, values in wishes]
    return {"filterGroups": groups, "properties": [*api.names(kind)], "limit": 100}


def _digits(phone: str) -> str:
    return re.sub(r"\D", "", phone)[-10:]


def _carries(record: Record, key: str, wanted: str) -> bool:
    told = [str(one["value"]) for one in record.values.get("phones" if key == "phone" else "emails") or []]
    if key == "phone":
        return _digits(wanted) in map(_digits, told)
    return wanted.strip().casefold() in (one.casefold() for one in told)
