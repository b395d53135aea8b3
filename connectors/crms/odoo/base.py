"""What setting up and writing need of the connector, and three calls on any model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from connectors.contract import Op, Value
from connectors.crms.odoo.shape import Columns
from connectors.errors import Missing, Retry


class Base(Protocol):
    """One database."""

    def call(self, model: str, method: str, ids: Sequence[int] | None = None, **named: Value) -> Any: ...

    def columns(self, model: str) -> Columns: ...

    def tag_ids(self, model: str, names: Iterable[str]) -> dict[str, int]: ...

    def note(self, op: Op) -> int: ...

    def model_id(self, model: str) -> int: ...

    def rows(self, told: Any) -> list[dict[str, Any]]: ...


def listed(base: Base, model: str, fields: Sequence[str], domain: Sequence[Value] = (), order: str = "id") -> Any:
    """Rows of a short list."""
    wish: dict[str, Any] = {"domain": list(domain), "fields": list(fields), "order": order, "load": None}
    return base.rows(base.call(model, "search_read", **wish))


def made(base: Base, model: str, values: Mapping[str, Value]) -> int:
    """The id of a new row."""
    told = base.call(model, "create", vals_list=[dict(values)])
    if not isinstance(told, list) or len(told) != 1:
        raise Retry(f"Odoo's answer does not name the new {model}", effect=True)
    return int(told[0])


def removed(base: Base, model: str, ids: Sequence[int]) -> None:
    """What is gone already is as gone as it was to be."""
    try:
        base.call(model, "unlink", ids)
    except Missing:
        return
