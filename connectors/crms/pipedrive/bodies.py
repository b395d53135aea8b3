"""What is sent for one op: the hub's flat values in Pipedrive's shape, with the halves that must be read first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.contract import Op, Value
from connectors.crms.pipedrive.api import Api
from connectors.crms.pipedrive.names import MARKER, Names, Row
from connectors.crms.pipedrive.shape import (
    ARCHIVED,
    LINKS,
    LOST,
    V1,
    WON,
    WRITABLE,
    cell,
    default_name,
    links_body,
    number,
    path_of,
    points_body,
)
from connectors.errors import Missing, Refuse, Retry

_IDS = frozenset({"owner_id", "pipeline_id"})
SHAPED = {
    "leads": frozenset(["value", "currency", "label_id", "tags"]),
    "deals": frozenset(["stage_id", "tags"]),
    "persons": frozenset(["phones", "emails", "tags"]),
    "organizations": frozenset(["address", "tags"]),
}
"""Values that are written in another shape than they are read in."""


class Bodies:
    """Bodies for one account."""

    def __init__(self, api: Api, names: Names) -> None:
        self.api, self.names = api, names

    def prepared(self, op: Op, values: Mapping[str, Value]) -> Row:
        """What to send. What has to be looked up for it changes nothing, so no trouble here has an effect."""
        if op.kind not in LINKS or op.includes:
            raise Refuse(f"Pipedrive stores one record of a known kind a call, not {op.kind}")
        try:
            return self._body(op, marked(op, values))
        except Retry as error:
            raise Retry(str(error), after=error.after, effect=False) from None
        except (ValueError, TypeError, AttributeError, KeyError):
            raise Refuse(f"Pipedrive has no {op.kind} like this: an id or a value has the wrong shape") from None

    def _body(self, op: Op, values: Mapping[str, Value]) -> Row:
        kind = op.kind
        body = links_body(kind, op.links) | self._shaped(op, values)
        custom: Row = {}
        for name, value in values.items():
            if name in WRITABLE[kind]:
                body[name] = number(value) if name in _IDS else value
            elif name not in SHAPED.get(kind, ()):
                field = self.names.field(kind, name)
                currency = self._currency() if field.type == "monetary" else ""
                custom[field.key] = cell(kind, field, value, currency)
        if kind == "persons" and not op.ref and not body.get("name"):
            body["name"] = default_name(values, op.marker)
        if custom:
            body |= custom if kind in V1 else {"custom_fields": custom}
        return body

    def _shaped(self, op: Op, values: Mapping[str, Value]) -> Row:
        kind = op.kind
        if kind == "leads":
            return self._lead_parts(op, values)
        body: Row = {name: points_body(name, values[name]) for name in ("phones", "emails") if name in values}
        if "tags" in values and "tags" in SHAPED.get(kind, ()):
            body["label_ids"] = self.names.label_ids(kind, values["tags"] or [])
        if "stage_id" in values and kind == "deals":
            stage = values["stage_id"]
            body |= {"status": stage} if stage in (WON, LOST) else {"stage_id": int(stage), "status": "open"}
        if "address" in values and kind == "organizations":
            body["address"] = {"value": values["address"]} if values["address"] else None
        return body

    def _lead_parts(self, op: Op, values: Mapping[str, Value]) -> Row:
        """Money and labels are one value each over there: the half that is not given is read first."""
        body: Row = {}
        money, labels = {"value", "currency"} & values.keys(), {"label_id", "tags"} & values.keys()
        stage = values.get("label_id")
        relabel = bool(labels) and not (labels == {"label_id"} and stage == ARCHIVED)
        before = self._before(op) if op.ref and (len(money) == 1 or (relabel and len(labels) == 1)) else {}
        if money:
            body["value"] = self._money(values, before.get("value") or {})
        if "label_id" in values and (op.ref or stage == ARCHIVED):
            body["is_archived"] = stage == ARCHIVED
        if relabel:
            body["label_ids"] = self._label_ids(values, [str(ref) for ref in before.get("label_ids") or ()])
        return body

    def _money(self, values: Mapping[str, Value], before: Mapping[str, Any]) -> Row | None:
        amount = values.get("value", before.get("amount"))
        currency = values.get("currency") or before.get("currency")
        return None if amount is None else {"amount": amount, "currency": currency or self._currency()}

    def _label_ids(self, values: Mapping[str, Value], before: Sequence[str]) -> list[str]:
        stages = self.names.stages()
        stage = values.get("label_id")
        place = [ref for ref in before if ref in stages] if stage in (None, ARCHIVED) else [str(stage)] if stage else []
        if "tags" not in values:
            return [*place, *(ref for ref in before if ref not in stages)]
        return [*place, *self.names.label_ids("leads", values["tags"] or [])]

    def _before(self, op: Op) -> Row:
        row = self.api.one(path_of(op.kind, op.ref or ""))
        if row is None:
            raise absent(op)
        return row

    def _currency(self) -> str:
        return next((str(row.get("default_currency", "")) for row in self.names.rows("v1/users/me")), "")


def marked(op: Op, values: Mapping[str, Value]) -> dict[str, Value]:
    """Notes and activities have no fields of ours."""
    carries = op.marker and not op.ref and op.kind not in {"notes", "activities"}
    return {**values, MARKER: op.marker} if carries else dict(values)


def absent(op: Op) -> Missing:
    return Missing(f"Pipedrive has no such record of {op.kind} any more")
