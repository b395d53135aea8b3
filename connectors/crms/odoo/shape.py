"""A record as Odoo's models show it, and as the hub's mapping wants it.

Odoo says `false` for everything that is empty, has whole seconds of UTC without saying so, and has no stage for what
is lost: that is a record in the archive with the probability 0. Here empty is None and lost is a stage, `LOST`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connectors.contract import Op, Record, Value
from connectors.errors import Refuse

LEADS, PEOPLE, FIRMS, NOTES, TASKS = "crm.lead", "res.partner", "res.partner:company", "mail.message", "mail.activity"
MODELS = {LEADS: "crm.lead", PEOPLE: "res.partner", FIRMS: "res.partner", NOTES: NOTES, TASKS: TASKS}
MARKER = "x_hub_id"
LOST = "lost"
TAGS = {"crm.lead": "tag_ids", "res.partner": "category_id"}
TAG_MODELS = {"crm.lead": "crm.tag", "res.partner": "res.partner.category"}
STAMP = "%Y-%m-%d %H:%M:%S"

_READ_LEAD = """
    name type user_id team_id company_id description active priority stage_id tag_ids color expected_revenue
    probability date_open date_closed date_conversion date_deadline partner_id contact_name partner_name function
    email_from email_normalized phone mobile phone_sanitized website street city zip country_id lost_reason_id
    referred campaign_id medium_id source_id create_date write_date create_uid write_uid
"""
_READ_PARTNER = """
    name email email_normalized phone mobile phone_sanitized ref function website street city zip country_id lang
    user_id category_id comment vat active is_company parent_id create_date write_date create_uid write_uid
"""
READ: Mapping[str, Sequence[str]] = {
    "crm.lead": tuple(_READ_LEAD.split()),
    "res.partner": tuple(_READ_PARTNER.split()),
    NOTES: ("body", "model", "res_id", "write_date"),
    TASKS: ("summary", "note", "date_deadline", "user_id", "res_model", "res_id", "write_date"),
}
"""What is read of each model where its version has it (`mobile` is gone since 19), besides all fields people added.
All of crm.lead would be 111 fields, most of them computed anew on every read."""

_UNREAD = frozenset({"binary", "one2many", "reference", "properties", "properties_definition", "json"})
_PLACES = frozenset({"write_date", "create_date", "create_uid", "write_uid"})
_JOINED = frozenset({"phone", "mobile", "email", "email_from"})


@dataclass(frozen=True, slots=True)
class Column:
    """A field of a model, as fields_get describes it."""

    name: str
    type: str
    label: str
    read_only: bool
    required: bool
    options: tuple[tuple[str, str], ...]
    relation: str


Columns = Mapping[str, Column]


def columns(model: str, told: Any) -> dict[str, Column]:
    """The fields we read, from an answer of fields_get."""
    rows = told if isinstance(told, dict) else {}
    wanted = [*READ.get(model, ()), *(name for name in sorted(rows) if name.startswith("x_"))]
    known = {name: rows[name] for name in wanted if isinstance(rows.get(name), dict)}
    return {name: _column(name, row) for name, row in known.items() if row.get("type") not in _UNREAD}


def _column(name: str, row: Mapping[str, Any]) -> Column:
    options = row.get("selection")
    pairs = [one for one in options if isinstance(one, list) and len(one) == 2] if isinstance(options, list) else []
    return Column(
        name,
        str(row.get("type")),
        str(row.get("string") or name),
        bool(row.get("readonly")) or name in _PLACES,
        bool(row.get("required")),
        tuple((str(key), str(label)) for key, label in pairs),
        str(row.get("relation") or ""),
    )


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


def flat(kind: str, row: Mapping[str, Any], known: Columns, tags: Mapping[int, str]) -> Record:
    """A row of `read` or `search_read`; `tags` names the tags it may carry."""
    values = {name: _shown(row[name], known[name]) for name in known if name in row}
    if (place := TAGS.get(MODELS[kind])) in values:
        values["tags"] = [tags[ref] for ref in values.pop(place) or () if ref in tags]
    if kind == LEADS and values.get("active") is False and not values.get("probability"):
        values["stage_id"] = LOST
    stamp = str(row.get("write_date") or "")
    return Record(kind, str(row["id"]), values, stamp, moment(stamp), links=_links(kind, values))


def _shown(value: Value, column: Column) -> Value:
    """`false` is empty for all but booleans; a reference comes as an id or as [id, name]."""
    if column.type == "boolean":
        return bool(value)
    if value is False or value is None:
        return None
    if column.type == "many2one":
        return value[0] if isinstance(value, list) and value else value
    if column.name in {"email", "email_from"} and isinstance(value, str) and re.search("[,;]", value):
        return [part.strip() for part in re.split("[,;]", value) if part.strip()]
    return value


def _links(kind: str, values: Mapping[str, Value]) -> dict[str, tuple[str, ...]]:
    field, other = {LEADS: ("partner_id", PEOPLE), PEOPLE: ("parent_id", FIRMS)}.get(kind, ("", ""))
    return {other: (str(values[field]),)} if values.get(field) else {}


def moment(stamp: str) -> datetime | None:
    """Odoo's date and time, which is UTC."""
    try:
        return datetime.strptime(stamp[:19], STAMP).replace(tzinfo=UTC)
    except ValueError:
        return None


def row_tags(model: str, rows: Sequence[Mapping[str, Any]]) -> set[int]:
    """Ids of all tags in these rows."""
    told = (row.get(TAGS.get(model, "")) for row in rows)
    return {ref for one in told if isinstance(one, list) for ref in one if isinstance(ref, int)}


# ── writing ──────────────────────────────────────────────────────────────────────────────────────


def body(op: Op, known: Columns, tags: Mapping[str, int]) -> dict[str, Value]:
    """Values for create or write. Raises `Refuse` for what this database has no field for."""
    model = MODELS[op.kind]
    told = {TAGS[model] if name == "tags" and model in TAGS else name: value for name, value in op.values.items()}
    if unknown := [name for name in told if name not in known]:
        raise Refuse(f"Odoo has no field {', '.join(unknown)}", dict.fromkeys(unknown, "no such field"))
    wish = {name: _sent(value, known[name], tags) for name, value in told.items()}
    if op.marker and not op.ref:
        wish[MARKER] = op.marker
    return _named(op, wish) | _linked(op) | _kept(op, wish)


def _named(op: Op, wish: dict[str, Value]) -> dict[str, Value]:
    """Odoo refuses who has no name: what else is known of them stands for it."""
    known = ("name", "contact_name", "partner_name", "email_from", "email", "phone")
    name = next((wish[field] for field in known if wish.get(field)), "")
    return wish if op.ref or not name else {**wish, "name": name}


def _linked(op: Op) -> dict[str, Value]:
    """The reference a lead or a person carries; a lead belongs to its person rather than to the company."""
    field = {LEADS: "partner_id", PEOPLE: "parent_id"}.get(op.kind)
    refs = [*op.links.get(PEOPLE, ()), *op.links.get(FIRMS, ())] if op.kind == LEADS else op.links.get(FIRMS, ())
    return {field: _number(refs[0], field)} if field and refs else {}


def _kept(op: Op, wish: Mapping[str, Value]) -> dict[str, Value]:
    """What a stage means beside itself: lost is the archive, any other stage takes a record out of it."""
    if op.kind == FIRMS and not op.ref:
        return {"is_company": True}
    if op.kind != LEADS:
        return {}
    if wish.get("stage_id") == LOST:
        return {"active": False, "probability": 0, "automated_probability": 0} | ({} if op.ref else {"stage_id": None})
    revived = {"active": True, "lost_reason_id": False} if op.ref and wish.get("stage_id") else {}
    # Odoo gives a lead without an owner to whoever creates it, and that is the hub's own user.
    return revived if op.ref else {"user_id": wish.get("user_id", False)}


def _sent(value: Value, column: Column, tags: Mapping[str, int]) -> Value:
    if column.name == "stage_id" and value == LOST:
        return LOST
    if column.type == "many2many":
        refs = [tags.get(str(one), one) for one in value or ()] if isinstance(value, list | tuple | None) else [value]
        return [[6, 0, [_number(one, column.name) for one in refs]]]
    if column.type == "boolean":
        return bool(value)
    if value is None or value == "" or value == []:
        return False
    if column.name in _JOINED and isinstance(value, list):
        return ", ".join(str(part.get("value") if isinstance(part, dict) else part) for part in value)
    return _plain(value, column)


def _plain(value: Value, column: Column) -> Value:
    if column.type in {"many2one", "integer"}:
        return _number(value, column.name)
    if column.type in {"float", "monetary"}:
        return _amount(value, column.name)
    if column.type == "datetime":
        return _utc(str(value), column.name)
    if isinstance(value, dict | list | bool):
        raise Refuse(f"Odoo's field {column.name} takes one text", {column.name: "not a text"})
    return str(value)


def _number(value: Value, name: str) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"-?\d{1,10}", str(value)):
        raise Refuse(f"Odoo's field {name} takes a whole number", {name: "not a number"})
    return int(value)


def _amount(value: Value, name: str) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise Refuse(f"Odoo's field {name} takes a number", {name: "not a number"}) from None


def _utc(text: str, name: str) -> str:
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise Refuse(f"Odoo's field {name} takes a date and time", {name: "not a date and time"}) from None
    return (told.astimezone(UTC) if told.tzinfo else told).strftime(STAMP)


def settle_stage(wish: dict[str, Value]) -> dict[str, Value]:
    """Odoo's own words for a wish: the stage of what is lost stays as it was."""
    return {name: value for name, value in wish.items() if name != "stage_id" or value not in (LOST, None)}


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────


def digits(phone: str) -> str:
    """The last ten digits: what two spellings of one number have in common."""
    return re.sub(r"\D", "", phone)[-10:]


def carries(record: Record, key: str, wanted: str) -> bool:
    """Whether the record really has this key."""
    if key == "marker":
        return bool(record.values.get(MARKER) == wanted)
    if key == "phone":
        told = _parts(record, ("phone", "mobile", "phone_sanitized"))
        return bool(digits(wanted)) and digits(wanted) in map(digits, told)
    told = _parts(record, ("email", "email_from", "email_normalized"))
    return wanted.strip().casefold() in (one.strip().casefold() for one in told)


def _parts(record: Record, names: Collection[str]) -> list[str]:
    told = [record.values.get(name) for name in names]
    return [part for one in told if one for part in (one if isinstance(one, list) else re.split("[,;]", str(one)))]


def search(key: str, wanted: str, known: Columns, searchable: Collection[str]) -> list[Value]:
    """A domain that finds at least what carries the key; [] when it cannot be asked for."""
    if key == "marker":
        return [[MARKER, "=", wanted]]
    if key == "phone" and digits(wanted):
        terms: list[Value] = [["phone_sanitized", "=", wanted]] if "phone_sanitized" in known else []
        loose = "phone_mobile_search" if "phone_mobile_search" in searchable else "phone"
        return _either([*terms, [loose, "ilike", digits(wanted)]])
    if key == "email" and "@" in wanted:
        field = "email_from" if "email_from" in known else "email"
        return _either([["email_normalized", "=", wanted.strip().lower()], [field, "ilike", wanted.strip()]])
    return []


def _either(terms: list[Value]) -> list[Value]:
    return ["|"] * (len(terms) - 1) + terms
