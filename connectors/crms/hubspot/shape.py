"""The two shapes of a record: HubSpot's properties, all of them texts, and the flat values of the hub's mapping.

Lists that HubSpot spreads over several properties are one value here, `phones` and `emails`: a list of
`{"value": ..., "enum_code": property}`. Whatever has no room in HubSpot's own properties stands in a property of
ours, parted by semicolons, so that a third phone number is not lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Record, Value

MARKER = "hub_id"
STAMPS = {"contacts": "lastmodifieddate"}  # every other object calls it hs_lastmodifieddate
MERGED = "hs_merged_object_ids"
PARTS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "contacts": {
        "phones": ("phone", "mobilephone", "hub_more_phones"),
        "emails": ("email", "hs_additional_emails", "hub_more_emails"),
    },
    "companies": {"phones": ("phone", "hub_more_phones")},
}
"""What each list is made of; the last one is ours and holds any number."""
READ_ONLY_PARTS = frozenset({"hs_additional_emails"})  # written by people and by HubSpot's own clean-up only
PRIMARY = {
    "contacts": ("companies", "associatedcompanyid"),
    "deals": ("companies", "hs_primary_associated_company"),
}


def stamp_of(kind: str) -> str:
    """The property that holds a record's change time."""
    return STAMPS.get(kind, "hs_lastmodifieddate")


def flat(kind: str, row: Mapping[str, Any]) -> Record:
    """One result of a read. `values` has None where HubSpot holds nothing."""
    told = row.get("properties")
    values: dict[str, Value] = (
        {str(name): value or None for name, value in told.items()} if isinstance(told, dict) else {}
    )
    archived = row.get("archived") is True
    stamps = (row.get("archivedAt") if archived else None, values.get(stamp_of(kind)), row.get("updatedAt"))
    updated = next(filter(None, map(moment, stamps)), None)
    values |= {name: _list(values, parts) for name, parts in PARTS.get(kind, {}).items() if parts[0] in values}
    return Record(
        kind,
        str(row["id"]),
        values,
        str(row.get("updatedAt") or ""),
        updated,
        archived,
        links=_links(kind, row, values),
    )


def absorbed(record: Record) -> list[Record]:
    """The records that were merged into this one, as records that are gone. Its own id may be among them no more."""
    refs = str(record.values.get(MERGED) or "").split(";")
    return [
        Record(record.kind, ref, {}, record.version, record.updated_at, deleted=True, merged_into=record.ref)
        for ref in refs
        if ref.isdecimal() and ref != record.ref
    ]


def properties(kind: str, values: Mapping[str, Value], *, creating: bool) -> dict[str, str]:
    """What to send. `creating` leaves blanks out. TypeError for a value HubSpot has no form for."""
    sent: dict[str, str] = {}
    lists = PARTS.get(kind, {})
    for name, value in values.items():
        if name in lists and (value is None or isinstance(value, list | tuple)):
            sent |= _spread(value or (), lists[name])
        else:
            sent[name] = text(value)
    return {name: value for name, value in sent.items() if value} if creating else sent


def text(value: Value) -> str:
    """A value as HubSpot takes it: "" clears, several options are parted by semicolons."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ";".join(text(one) for one in value)
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(type(value).__name__)


def named(kind: str, values: Mapping[str, Value], name: str) -> str:
    """The name in `values` that a property was sent for: `phones` for mobilephone."""
    if name in values:
        return name
    return next((one for one, parts in PARTS.get(kind, {}).items() if name in parts and one in values), name)


def moment(told: Any) -> datetime | None:
    """A HubSpot time: ISO text or milliseconds."""
    try:
        if isinstance(told, str) and not told.isdecimal():
            at = datetime.fromisoformat(told)
            return at if at.tzinfo else at.replace(tzinfo=UTC)
        return datetime.fromtimestamp(int(told) / 1000, UTC) if told else None
    except (ValueError, TypeError, OverflowError, OSError):
        return None


def millis(at: datetime | None) -> int:
    """Milliseconds since 1970, 0 for no time."""
    if at is None:
        return 0
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000


def _list(values: Mapping[str, Value], parts: Sequence[str]) -> list[dict[str, str]]:
    found: dict[str, str] = {}
    for part in parts:
        told = str(values.get(part) or "")
        for one in told.split(";") if part in parts[1:] else [told]:
            if one.strip():
                found.setdefault(one.strip(), part)
    return [{"value": value, "enum_code": part} for value, part in found.items()]


def _spread(parts: Iterable[Any], names: Sequence[str]) -> dict[str, str]:
    """Each value goes where it stood, else where there is room, else to the property that holds any number."""
    single, rest = [name for name in names[:-1] if name not in READ_ONLY_PARTS], names[-1]
    placed: dict[str, str] = {}
    waiting: list[str] = []
    for part in parts:
        code = str(part.get("enum_code") or "") if isinstance(part, Mapping) else ""
        value = text(part.get("value") if isinstance(part, Mapping) else part)
        if code in READ_ONLY_PARTS or not value:
            continue
        if code in single and code not in placed:
            placed[code] = value
        else:
            waiting.append(value)
    for name in single:
        if name not in placed:
            placed[name] = waiting.pop(0) if waiting else ""
    return {**placed, rest: ";".join(waiting)}


def _links(kind: str, row: Mapping[str, Any], values: Mapping[str, Value]) -> dict[str, tuple[str, ...]]:
    """What the answer says of other records; a kind that is missing was not asked for."""
    told = row.get("associations")
    links: dict[str, tuple[str, ...]] = {}
    for name, inside in told.items() if isinstance(told, dict) else ():
        results = inside.get("results") if isinstance(inside, dict) else None
        ids = [str(one["id"]) for one in results or () if isinstance(one, dict) and "id" in one]
        links[str(name)] = tuple(dict.fromkeys(ids))
    other, name = PRIMARY.get(kind, ("", ""))
    if other and other not in links and values.get(name):
        links[other] = (str(values[name]),)
    return links
