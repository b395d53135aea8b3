"""What contacts show, decided from the stored facts: inquiries, and what people entered in the desk or in a CRM.

Facts of contacts that were merged into one count for it as long as they are. A contact that shows something new has
news for its CRMs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, Connection, Select, select, update

from hub.identity.names import name
from hub.identity.stored import person_of
from hub.identity.survivorship import (
    COLUMNS,
    FIELDS,
    Said,
    decide,
    entered,
    held,
    news,
    policy_of,
    settle,
    together,
    typed,
)
from hub.model import contact, contact_edit, inquiry, link, setting
from hub.store.engine import inserting
from hub.store.own import keep

SETTING = "survivorship"
POLICY = select(setting.c.value).where(setting.c.name == SETTING)
PORTION = 400
SNAPSHOT = (*COLUMNS, "company_id", "basis", "own")
"""What a merge may change of a contact's own row, and an undo puts back."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Change:
    """A contact that shows something else now."""

    contact_id: str
    before: Mapping[str, str]
    after: Mapping[str, str]


def read_policy(conn: Connection) -> Mapping[str, str]:
    """The rule of each field in this installation. Raises `hub.identity.survivorship.BadPolicy`."""
    return policy_of(conn.execute(POLICY).scalar())


def redecide(
    conn: Connection, ids: Sequence[str], at: int, policy: Mapping[str, str] | None = None, dry: bool = False
) -> list[Change]:
    """Decide anew what these contacts show, from all their facts; answers those that changed.

    `dry` changes nothing. Merged contacts, which show nothing any more, are left as they are.
    """
    rules = read_policy(conn) if policy is None else policy
    changes = []
    for start in range(0, len(ids), PORTION):
        rows = _living(conn, ids[start : start + PORTION])
        facts = _facts(conn, rows)
        for row in rows:
            changed = news(row, decide(facts[row["id"]], rules))
            told = {field: value for field, value in changed.items() if field != "basis"}
            if told:
                changes.append(Change(row["id"], {field: row[field] for field in told}, told))
            if changed and not dry:
                _write(conn, row, changed, at)
    return changes


def everybody(conn: Connection) -> Iterator[list[str]]:
    """All contacts that were not merged into others, in portions of ids."""
    last = ""
    while True:
        page = select(contact.c.id).where(contact.c.id > last, contact.c.merged_into.is_(None)).order_by(contact.c.id)
        ids = [str(one) for one in conn.execute(page.limit(PORTION)).scalars()]
        if not ids:
            return
        yield ids
        last = ids[-1]


def enter(conn: Connection, contact_id: str, values: Mapping[str, str], by: str, at: int) -> None:
    """Somebody entered these fields themselves (`by` is `member:<id>` or `crm:<id>`): they outrank what was typed.

    The columns are exactly as entered; other parts of a name follow. Links are marked by the caller, who knows which
    CRM has the values already.
    """
    row = next(iter(_rows(conn, [contact_id])), None)
    told = {field: text for field, text in values.items() if field in FIELDS}
    if row is None or not told:
        return
    at = max([at, *(why[1] + 1 for why in row["basis"].values())])  # two edits of one instant have an order, too
    rows = [{"contact_id": contact_id, "field": f, "by": by, "value": text, "at": at} for f, text in told.items()]
    fresh = inserting(conn, contact_edit)
    latest = {"value": fresh.excluded.value, "at": fresh.excluded.at}
    conn.execute(fresh.on_conflict_do_update(index_elements=["contact_id", "field", "by"], set_=latest), rows)
    said: Said = {field: [entered(field, text, by, at)] for field, text in told.items()}
    changed = settle(row, said, policy_of(None))
    if changed:
        values_ = {**changed, "version": contact.c.version + 1}
        conn.execute(update(contact).where(contact.c.id == contact_id).values(values_))


def inherit(conn: Connection, winner: str, loser: str, at: int) -> None:
    """After a merge: what the winner shows is decided from the facts of both; if it has no company, it gets theirs, and
    so with each field of one's own."""
    theirs = select(contact.c.company_id).where(contact.c.id == loser).scalar_subquery()
    mine = (contact.c.id == winner) & contact.c.company_id.is_(None)
    conn.execute(update(contact).where(mine).values(company_id=theirs))
    redecide(conn, [winner], at)
    own = conn.execute(select(contact.c.own).where(contact.c.id == loser)).scalar_one()
    if keep(conn, contact, winner, own, over=False):
        _travels(conn, winner)


def snapshot(conn: Connection, ids: Sequence[str]) -> list[Row]:
    """What the contacts show now, to be put back by `restore`."""
    return [{"id": row["id"], **{name: row[name] for name in SNAPSHOT}} for row in _rows(conn, ids)]


def restore(conn: Connection, kept: Iterable[Mapping[str, Any]], at: int) -> None:
    """Contacts show what they showed, and what was said since."""
    before = {row["id"]: {name: row[name] for name in SNAPSHOT if name in row} for row in kept}
    now = {row["id"]: row["own"] for row in _rows(conn, list(before))}
    merged = {name: value for row in before.values() for name, value in row.get("own", {}).items()}
    for contact_id, row in before.items():
        if "own" in row:
            as_one = {**merged, **row["own"]}
            since = {name: value for name, value in now[contact_id].items() if value != as_one.get(name)}
            row["own"] = {**row["own"], **since}
        conn.execute(update(contact).where(contact.c.id == contact_id).values(row))
    redecide(conn, list(before), at)


def _write(conn: Connection, row: Row, changed: Mapping[str, Any], at: int) -> None:
    values = {**changed, "version": row["version"] + 1, "updated_at": at}
    conn.execute(update(contact).where(contact.c.id == row["id"]).values(values))
    if changed.keys() - {"basis"}:
        _travels(conn, row["id"])


def _travels(conn: Connection, contact_id: str) -> None:
    mine = (link.c.role == "contact") & (link.c.record_id == contact_id) & (link.c.state != "tombstoned")
    conn.execute(update(link).where(mine).values(dirty=link.c.dirty + 1))


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def _rows(conn: Connection, ids: Sequence[str]) -> list[Row]:
    return [dict(row._mapping) for row in conn.execute(select(contact).where(contact.c.id.in_(ids)))]


def _living(conn: Connection, ids: Sequence[str]) -> list[Row]:
    return [row for row in _rows(conn, ids) if row["merged_into"] is None]


def _facts(conn: Connection, rows: Sequence[Row]) -> dict[str, Said]:
    """Everything that was said of these contacts and of those that were merged into them."""
    owner = {row["id"]: row["id"] for row in rows}
    found: dict[str, list[Mapping[str, Any]]] = {row["id"]: [held(row, only_kept=True)] for row in rows}
    generation = list(owner)
    while generation:
        merged = _in(conn, select(contact), contact.c.merged_into, generation)
        generation = []
        for row in merged:
            owner[row["id"]] = owner[row["merged_into"]]
            found[owner[row["id"]]].append(held(row, only_kept=True))
            generation.append(row["id"])
    for row in _in(conn, select(contact_edit), contact_edit.c.contact_id, list(owner)):
        if not row["value"] and owner[row["contact_id"]] != row["contact_id"]:
            continue  # whoever tidies a second card up empties nothing of the person's
        fact = entered(row["field"], row["value"], row["by"], row["at"])
        found[owner[row["contact_id"]]].append({row["field"]: [fact]})
    said = select(inquiry.c.contact_id, inquiry.c.received_at, inquiry.c.person)
    for row in _in(conn, said, inquiry.c.contact_id, list(owner)):
        person = person_of(row["person"])
        whole = name(person.name, person.first_name, person.last_name, person.middle_name)
        found[owner[row["contact_id"]]].append(typed(person, whole, row["received_at"]))
    return {key: together(*many) for key, many in found.items()}


def _in(conn: Connection, query: Select[Any], column: Column[Any], values: Sequence[str]) -> list[Row]:
    rows: list[Row] = []
    for start in range(0, len(values), PORTION):
        rows += [dict(r._mapping) for r in conn.execute(query.where(column.in_(values[start : start + PORTION])))]
    return rows
