"""What people did, as EspoCRM keeps it: calls, meetings, mails and tasks are records with a parent and attendees.

A call or a meeting was held when its status says so (https://docs.espocrm.com/user-guide/activities-and-calendar/). A
mail knows the user whose own address it was sent from, also when it was fetched from a mailbox; one from a shared
address is nobody's, because formulas send from there too. Programs are told from people by the list of users, which
shows neither API users nor the system to an API user (Classes/Select/User/AccessControlFilters/Mandatory.php).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Activity, Changes, Record, Value
from connectors.crms.espocrm.api import Api, NotAllowed, further, now, rows
from connectors.crms.espocrm.scan import Scan
from connectors.crms.espocrm.shape import CALLS, LEADS, MAILS, MEETINGS, NOTES, PEOPLE, TASKS, flat, instant
from connectors.errors import Refuse

LISTED = (CALLS, MEETINGS, MAILS, TASKS)
_COMMON = ("id", "name", "status", "parentType", "parentId", "assignedUserId", "createdById", "modifiedById",
           "createdAt", "modifiedAt")  # fmt: skip
_EVENT = (*_COMMON, "description", "dateStart", "contactsIds", "leadsIds")
SEEN: Mapping[str, tuple[str, ...]] = {
    CALLS: (*_EVENT, "direction"),
    MEETINGS: _EVENT,
    MAILS: (*_COMMON, "dateSent", "sentById", "isAutoReply"),
    TASKS: (*_COMMON, "description", "dateEnd", "contactId"),
}
"""Attributes to ask for: the bodies of mails stay over there, and attendees are listed for whoever asks."""
_AUTHORS = ("assignedUserId", "createdById", "modifiedById", "sentById")
_ATTENDEES = {"contactsIds": PEOPLE, "leadsIds": LEADS}
STAFF = "staff"
"""The value that holds those of its users who are people."""


class Staff:
    """Which users are people. Asked by id, once for each who is one; a program is asked for whenever it did something.
    What a role hides is refused alone."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._known: set[str] = set()

    def among(self, refs: Iterable[str]) -> set[str]:
        """Those of them who are people."""
        wanted = set(refs)
        if unknown := sorted(wanted - self._known):
            ask = [("select", "id"), ("maxSize", "200"), ("where[0][type]", "in"), ("where[0][attribute]", "id")]
            ask += [(f"where[0][value][{n}]", ref) for n, ref in enumerate(unknown)]
            self._known |= {str(row["id"]) for row in rows(self._api.read("User", ask)[0])}
        return wanted & self._known


def changes(api: Api, staff: Staff, kind: str, cursor: str, page: int, behind: float) -> Changes:
    """A page by change time and id, with the people among its users. "" only looks at the clock over there. A role that
    hides these records stops nothing else."""
    scan = Scan.read(cursor)
    ask = [*scan.params(page), ("select", ",".join(SEEN[kind]))] if cursor else [("select", "id"), ("maxSize", "1")]
    try:
        told, answer = api.read(kind, ask)
        found = _shown(staff, kind, rows(told)) if cursor else ()
    except NotAllowed as error:
        raise Refuse(f"What people did is not seen: {error}") from error
    if found and further(told, page):
        last = found[-1]
        seen = int(last.updated_at.timestamp()) if last.updated_at else scan.at
        return Changes(found, scan.after(now(answer), seen, last.ref), more=True)
    return Changes(found, scan.end(now(answer), behind))


def _shown(staff: Staff, kind: str, told: Sequence[Mapping[str, Any]]) -> tuple[Record, ...]:
    """Records on what and whom they are about."""
    users = {str(row[name]) for row in told for name in _AUTHORS if row.get(name)}
    people = staff.among(users) if users else set()
    found = []
    for row in told:
        record = flat(kind, row, "", whole=False)
        mine = [str(row[name]) for name in _AUTHORS if row.get(name) and str(row[name]) in people]
        found.append(replace(record, values={**record.values, STAFF: mine}, links=_links(record)))
    return tuple(found)


def _links(record: Record) -> dict[str, tuple[str, ...]]:
    links = dict(record.links)
    for name, kind in _ATTENDEES.items():
        told = record.values.get(name)
        refs = [str(one) for one in told] if isinstance(told, list) else []
        if refs:
            links[kind] = tuple(dict.fromkeys([*links.get(kind, ()), *refs]))
    return links


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def told(record: Record) -> Activity | None:
    """What it says; None for what no person did."""
    values = record.values
    if record.kind == NOTES:
        return Activity("note", str(values.get("post") or ""), record.updated_at, str(values.get("createdById") or ""))
    if record.kind == MAILS:
        return _mail(record)
    return _task(record) if record.kind == TASKS else _event(record)


def _event(record: Record) -> Activity | None:
    """A call is told for whom it is assigned to, whoever logged it, as telephony does; a meeting when a person was the
    last to touch it."""
    values, what = record.values, "call" if record.kind == CALLS else "meeting"
    by = _person(record, "assignedUserId")
    if not by or (what == "meeting" and not _last(record)):
        return None
    held, way = values.get("status") == "Held", "in" if values.get("direction") == "Inbound" else "out"
    return Activity(what, _text(values), _at(record, "dateStart"), by, way, answered=held, open=not held)


def _mail(record: Record) -> Activity | None:
    """Sent from EspoCRM by a person, or fetched from a mailbox: then the sender's address says whose it is."""
    values, status = record.values, record.values.get("status")
    fetched = status == "Archived"
    if values.get("isAutoReply") or not (fetched or status == "Sent"):
        return None
    text, at = str(values.get("name") or ""), _at(record, "dateSent")
    if fetched and not values.get("sentById"):
        return Activity("mail", text, at, way="in")
    by = _person(record, "sentById")
    return Activity("mail", text, at, by) if by and (fetched or _person(record, "createdById")) else None


def _task(record: Record) -> Activity | None:
    values, last = record.values, _last(record)
    done = values.get("status") == "Completed"
    at = record.updated_at if done else instant(str(values.get("dateEnd") or ""))
    return (
        Activity("task", _text(values), at, _person(record, "assignedUserId") or last, open=not done) if last else None
    )


def _person(record: Record, name: str) -> str:
    """The user there, "" for none and for a program."""
    ref = str(record.values.get(name) or "")
    return ref if ref in (record.values.get(STAFF) or ()) else ""


def _last(record: Record) -> str:
    """The person who touched it last; a record that nobody changed has no `modifiedById`."""
    return _person(record, "modifiedById" if record.values.get("modifiedById") else "createdById")


def _at(record: Record, name: str) -> datetime | None:
    """Forms offer the next quarter of an hour as the beginning of a call: it was not later than it was logged."""
    moments = [one for one in (instant(str(record.values.get(name) or "")), record.updated_at) if one]
    return min(moments, default=None)


def _text(values: Mapping[str, Value]) -> str:
    return str(values.get("description") or values.get("name") or "")


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def worded(activity: Activity) -> dict[str, Value]:
    """A note or a task of ours."""
    if activity.what != "task":
        return {"post": activity.text}
    ends = {"dateEnd": f"{activity.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"} if activity.at else {}
    by = {"assignedUserId": activity.by} if activity.by else {}
    return {"name": activity.text.partition("\n")[0][:100], "description": activity.text, **ends, **by}
