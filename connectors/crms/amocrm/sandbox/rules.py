"""What amoCRM refuses, in the words of its problem documents. Stricter than the original where we do not know."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.crms.amocrm.sandbox.schema import Wrong
from connectors.crms.amocrm.sandbox.state import Account

_KEYS = {
    "leads": {"name", "price", "status_id", "pipeline_id", "responsible_user_id", "loss_reason_id", "source_id",
              "closed_at"},
    "contacts": {"name", "first_name", "last_name", "responsible_user_id"},
    "companies": {"name", "responsible_user_id"},
}  # fmt: skip
_COMMON = {"id", "request_id", "custom_fields_values", "_embedded", "created_at", "updated_at", "created_by",
           "updated_by"}  # fmt: skip
_TEXT = {"text", "textarea", "url", "multitext", "tracking_data", "streetaddress"}
_NUMBER = {"numeric", "date", "date_time", "birthday", "monetary", "price"}
Error = dict[str, str]


def errors(account: Account, kind: str, wish: Any, *, complex_: bool = False) -> list[Error]:
    """Everything wrong with one element of an array; empty when it is fine."""
    if not isinstance(wish, dict):
        return [_error("InvalidType", "", "This value should be of type object.")]
    found = [
        _error("NotSupportedField", key, "This field was not expected.") for key in wish.keys() - _KEYS[kind] - _COMMON
    ]
    found += _native(account, kind, wish)
    cells = wish.get("custom_fields_values")
    if cells is not None and not isinstance(cells, list):
        return [*found, _error("InvalidType", "custom_fields_values", "This value should be of type array.")]
    for n, cell in enumerate(cells or ()):
        found += _cell(account, kind, cell, f"custom_fields_values.{n}")
    return found + _parts(account, kind, wish.get("_embedded"), complex_=complex_)


def stale(row: Mapping[str, Any], wish: Mapping[str, Any]) -> list[Error]:
    """An update with an older change time is refused."""
    if isinstance(wish.get("updated_at"), int) and wish["updated_at"] < row["updated_at"]:
        return [_error("InvalidValue", "updated_at", "Last modified date is older than in database")]
    return []


def _native(account: Account, kind: str, wish: Mapping[str, Any]) -> list[Error]:
    found: list[Error] = []
    for key in ("name", "first_name", "last_name"):
        if key in wish and not isinstance(wish[key], str):
            found.append(_error("InvalidType", key, "This value should be of type string."))
        elif len(wish.get(key) or "") > 255:
            found.append(_error("TooLong", key, "This value is too long. It should have 255 characters or less."))
    for key in ("price", "status_id", "pipeline_id", "responsible_user_id", "created_at", "updated_at"):
        if key in wish and type(wish[key]) is not int:
            found.append(_error("InvalidType", key, "This value should be of type int."))
    for key in ("responsible_user_id", "created_by", "updated_by"):
        if type(wish.get(key)) is int and wish[key] not in account.users and (key[0] == "r" or wish[key] != 0):
            found.append(_error("NotSupportedChoice", key, "The value you selected is not a valid choice."))
    if wish.get("loss_reason_id") not in {None, *account.loss_reasons}:
        found.append(_error("NotSupportedChoice", "loss_reason_id", "The value you selected is not a valid choice."))
    if kind == "leads" and not found:
        found += _place(account, wish)
    return found


def _place(account: Account, wish: Mapping[str, Any]) -> list[Error]:
    try:
        row = account.rows["leads"].get(wish.get("id", 0))
        account.pipelines.place(wish, row["pipeline_id"] if row else None)
    except Wrong as wrong:
        return wrong.errors
    return []


def _cell(account: Account, kind: str, cell: Any, path: str) -> list[Error]:
    field = account.field(kind, cell) if isinstance(cell, dict) else None
    if field is None:
        return [_error("NotSupportedChoice", f"{path}.field_id", "The value you selected is not a valid choice.")]
    if "values" not in cell or cell["values"] == []:
        return [_error("NotBlank", f"{path}.values", "This value should not be blank.")]
    values = cell["values"] or ()
    if len(values) > 1 and field["type"] not in {"multitext", "multiselect"}:
        return [_error("TooMany", f"{path}.values", "This field takes one value.")]
    return [e for n, one in enumerate(values) for e in _one(field, one, f"{path}.values.{n}")]


def _one(field: Mapping[str, Any], one: Any, path: str) -> list[Error]:
    if not isinstance(one, dict) or one.keys() - {"value", "enum_id", "enum_code"}:
        return [_error("InvalidType", path, "This value should be of type object.")]
    kind, value = field["type"], one.get("value")
    good = True
    if kind in _TEXT:
        good = isinstance(value, str) and one.get("enum_code", "WORK") in (field["_codes"] or {"WORK"})
    elif kind in _NUMBER:
        good = type(value) in {int, float} or (
            isinstance(value, str) and value.lstrip("-").replace(".", "", 1).isdecimal()
        )
    elif kind == "checkbox":
        good = isinstance(value, bool)
    elif kind in {"select", "multiselect", "radiobutton"}:
        good = one.get("enum_id") in field["_ids"] or value in field["_codes"]
    return (
        [] if good else [_error("NotSupportedChoice", f"{path}.value", "The value you selected is not a valid choice.")]
    )


def _parts(account: Account, kind: str, inside: Any, *, complex_: bool) -> list[Error]:
    found: list[Error] = []
    for other, parts in (inside or {}).items():
        if other not in account.rows:
            if other not in {"tags", "metadata"}:
                found.append(_error("NotSupportedField", f"_embedded.{other}", "This field was not expected."))
            continue
        if complex_ and len(parts) > 1:
            found.append(_error("TooMany", f"_embedded.{other}", "Only one element is allowed."))
        for n, part in enumerate(parts):
            path = f"_embedded.{other}.{n}"
            if "id" in part:
                if part["id"] not in account.rows[other]:
                    found.append(
                        _error("NotSupportedChoice", f"{path}.id", "The value you selected is not a valid choice.")
                    )
            elif complex_:
                found += [{**e, "path": f"{path}.{e['path']}"} for e in errors(account, other, part)]
            else:
                found.append(_error("NotBlank", f"{path}.id", "This value should not be blank."))
    return found


def _error(code: str, path: str, detail: str) -> Error:
    return {"code": code, "path": path, "detail": detail}
