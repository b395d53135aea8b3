"""What the company refuses: unknown names, wrong types, references that lead nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from connectors.crms.pipedrive.sandbox.state import FIELDS_OF, Account, Row

Check = Callable[[Account, Any], bool]


class Wrong(Exception):
    """A refusal in Pipedrive's words."""

    def __init__(self, text: str, status: int = 400, code: str = "ERR_SCHEMA_VALIDATION_FAILED") -> None:
        super().__init__(text)
        self.text, self.status, self.code = text, status, code


def _number(_: Account, value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _text(_: Account, value: Any) -> bool:
    return value is None or isinstance(value, str)


def _name(_: Account, value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 255


def _flag(_: Account, value: Any) -> bool:
    return isinstance(value, bool)


def _ref(kind: str) -> Check:
    return lambda account, value: (
        value is None
        or (
            isinstance(value, str if kind == "leads" else int)
            and str(value) in account.rows[kind]
            and not account.rows[kind][str(value)]["is_deleted"]
        )
    )


def _points(_: Account, value: Any) -> bool:
    """The first one must be the primary one."""
    rows = value if isinstance(value, list) else None
    good = rows is not None and all(isinstance(one, dict) and isinstance(one.get("value"), str) for one in rows)
    return bool(good) and (not rows or rows[0].get("primary") is True)


def _money(_: Account, value: Any) -> bool:
    if value is None:
        return True
    good = isinstance(value, dict) and isinstance(value.get("amount"), int | float)
    return good and isinstance(value.get("currency"), str) and len(value["currency"]) == 3


def _lead_labels(account: Account, value: Any) -> bool:
    return isinstance(value, list) and all(one in account.labels for one in value)


def _labels(account: Account, value: Any) -> bool:
    known = {one["id"] for rows in account.fields.values() for row in rows for one in row["options"] or ()}
    return isinstance(value, list) and all(one in known for one in value)


_PERSON, _FIRM = _ref("persons"), _ref("organizations")
_OWNED: dict[str, Check] = {"owner_id": lambda account, value: value in account.users, "add_time": _text,
                            "visible_to": lambda _, value: str(value) in {"1", "3", "5", "7"}}  # fmt: skip
_HUNG: dict[str, Check] = {"lead_id": _ref("leads"), "deal_id": _ref("deals"), "person_id": _PERSON, "org_id": _FIRM}
RULES: dict[str, dict[str, Check]] = {
    "leads": {**_OWNED, "title": _name, "value": _money, "person_id": _PERSON, "organization_id": _FIRM,
              "label_ids": _lead_labels, "is_archived": _flag, "was_seen": _flag, "expected_close_date": _text,
              "origin_id": _text},
    "deals": {**_OWNED, "title": _name, "value": _number, "currency": _name, "person_id": _PERSON, "org_id": _FIRM,
              "pipeline_id": lambda account, value: value in account.pipelines,
              "stage_id": lambda account, value: value in account.stages, "label_ids": _labels,
              "status": lambda _, value: value in {"open", "won", "lost"}, "lost_reason": _text,
              "expected_close_date": _text, "probability": _number, "origin_id": _text},
    "persons": {**_OWNED, "name": _name, "phones": _points, "emails": _points, "org_id": _FIRM, "label_ids": _labels,
                "marketing_status": _text},
    "organizations": {**_OWNED, "name": _name, "label_ids": _labels,
                      "address": lambda _, value: value is None or isinstance(value, dict)},
    "notes": {**_HUNG, "content": _name, "add_time": _text},
    "activities": {**_OWNED, "subject": _text, "type": _text, "due_date": _text, "due_time": _text, "duration": _text,
                   "done": _flag, "note": _text, "lead_id": _ref("leads"), "deal_id": _ref("deals"), "org_id": _FIRM,
                   "participants": lambda _, value: isinstance(value, list)},
}  # fmt: skip


def check(account: Account, kind: str, wish: Any, *, new: bool) -> Mapping[str, Any]:
    """The wish itself when it is in order."""
    if not isinstance(wish, dict):
        raise Wrong("Validation failed: body: Expected object")
    for key, value in wish.items():
        if key == "custom_fields" and kind not in {"leads", "notes"}:
            _customs(account, kind, value)
        elif kind == "leads" and account.field(kind, key):
            _customs(account, kind, {key: value})
        elif key not in RULES[kind] or (new and key == "is_archived"):
            raise Wrong(f"Validation failed: {key}: Unrecognized key")
        elif not RULES[kind][key](account, value):
            raise Wrong(f"Validation failed: {key}: Expected another type, received {type(value).__name__}")
    if new:
        _needed(kind, wish)
    return wish


def _needed(kind: str, wish: Mapping[str, Any]) -> None:
    if kind == "leads" and not (wish.get("person_id") or wish.get("organization_id")):
        raise Wrong("A lead must be linked to a person or an organization.")
    name = {"leads": "title", "deals": "title", "persons": "name", "organizations": "name", "notes": "content"}.get(
        kind
    )
    if name and not wish.get(name):
        raise Wrong(f"Validation failed: {name}: Required")


def _customs(account: Account, kind: str, cells: Any) -> None:
    for key, value in cells.items() if isinstance(cells, dict) else ():
        field = account.field(kind, key) if kind in FIELDS_OF else None
        if field is None:
            raise Wrong(f"Validation failed: custom_fields.{key}: Unrecognized key")
        if value is not None and not _fits(field, value, v1=kind == "leads"):
            raise Wrong(f"Validation failed: custom_fields.{key}: Expected {field['field_type']}")


def _fits(field: Row, value: Any, *, v1: bool) -> bool:
    kind, ids = field["field_type"], {one["id"] for one in field["options"] or ()}
    if kind == "enum":
        return value in ids
    if kind == "set":
        return {int(one) for one in (value.split(",") if v1 else value)} <= ids
    if kind == "monetary":
        return isinstance(value, int | float) if v1 else isinstance(value, dict) and "currency" in value
    if kind == "double":
        return isinstance(value, int | float)
    return isinstance(value, str) and len(value) <= (255 if kind == "varchar" else 65_000)
